"""Everything that a report says of the models of a plan; no model needs another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import polars as pl

from secateur.records.answers import LETTER, SAMPLED
from secateur.report.data import Variant
from secateur.report.processes import in_processes
from secateur.report.read_again import ReadAgain, read_again
from secateur.report.read_readout import ReadoutRead, read_readout
from secateur.report.read_variants import VariantsRead, read_variants
from secateur.report.reading import Reading


@dataclass(frozen=True)
class ModelRead:
    """One model of a report.

    Args:
        known: What is known without its answers.
        readouts: Its answers, one readout after the other.
        again: Its sampled answers, read by other parsers.
    """

    known: VariantsRead
    readouts: Sequence[ReadoutRead]
    again: ReadAgain

    @property
    def variants(self) -> list[Variant]:
        """Its variants, with the rows that are there."""
        return self.known.with_rows(*(part.rows for part in self.readouts))

    @property
    def metrics(self) -> list[pl.DataFrame]:
        """Those of answers, and of text and masks."""
        return [*(part.metrics for part in self.readouts), self.known.metrics]

    @property
    def left_out(self) -> int:
        """Items that lack some of the orders."""
        return sum(part.left_out for part in self.readouts)


def read_models(reading: Reading, *, processes: int) -> list[ModelRead]:
    """Every model of the plan, in its order.

    Args:
        reading: What is read, and how.
        processes: In how many the answers may be read, where there are many.
    """
    numbers = range(len(reading.plan["models"]))
    # What takes longest first.
    order = [(number, what) for what in (SAMPLED, _AGAIN, LETTER) for number in numbers]
    known = cache(partial(read_variants, reading))

    def parts() -> Iterator[tuple[int, str, VariantsRead]]:
        return ((number, what, known(number)) for number, what in order)

    asked = 2 * bool(reading.plan.get(SAMPLED)) + bool(reading.plan.get(LETTER))  # parts of a model that take a while
    most = min(processes, asked * len(numbers))
    read = in_processes(_read, reading, parts, rows=reading.n_rows, processes=most)
    found: dict[tuple[int, str], Any] = dict(zip(order, read, strict=True))
    return [
        ModelRead(known(number), [found[number, readout] for readout in (LETTER, SAMPLED)], found[number, _AGAIN])
        for number in numbers
    ]


_AGAIN = "sampled, read again"


def _read(reading: Reading, number: int, what: str, known: VariantsRead) -> ReadoutRead | ReadAgain:
    return read_again(reading, number, known) if what == _AGAIN else read_readout(reading, number, what, known)
