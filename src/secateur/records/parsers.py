"""The table of parsers, and reading many answers with one of them.

A parser goes from an answer's text to what it says: a letter, a refusal, or nothing that can be read. Each has a
module of its own with its rules; see also ``docs/parsers.md``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from secateur.items.orders import OPTION_AT
from secateur.records.frames import once_per_frame
from secateur.records.parser import (
    CHOICES,
    NO_OPTIONS,
    REFUSAL,
    UNPARSED,
    Choice,
    Parsed,
    Parser,
    Refusal,
    Shown,
    Unparsed,
)
from secateur.records.parser_pia import PIA
from secateur.records.parser_strict import STRICT
from secateur.records.places import item_places, order_numbers

__all__ = [
    "ANSWERS",
    "ANSWER_TYPE",
    "CHOICES",
    "NO_OPTIONS",
    "PARSERS",
    "PIA",
    "REFUSAL",
    "STRICT",
    "UNPARSED",
    "Choice",
    "Parsed",
    "Parser",
    "Refusal",
    "Shown",
    "Unparsed",
    "answer_codes",
    "parse_answers",
]

PARSERS: dict[str, Parser] = {parser.name: parser for parser in (STRICT, PIA)}
"""Parsers by name."""

ANSWERS = ("A", "B", "C", "refusal", "unparsed")
"""What ``parse_answers`` says of each row."""

ANSWER_TYPE = pl.Enum(ANSWERS)

_REFUSAL, _UNPARSED, _UNDECIDED = 3, 4, 5


def parse_answers(answers: pl.DataFrame, items: pl.DataFrame, parser: Parser = STRICT) -> pl.Series:
    """What each answer says; each distinct text is read once, and once per set of shown options where they matter.

    Args:
        answers: Columns ``item``, ``order``, ``text``, as in the table ``sampled``.
        items: Columns ``item``, ``option_0``, ``option_1``, ``option_2``, as in the table ``items``.
        parser: The rules.

    Returns:
        One of ``ANSWERS`` per row, in the order of the rows.

    Raises:
        InputError: If an item is not in ``items`` or an order is not one of the six.
    """
    return pl.Series(answer_codes(answers, items, parser).astype(np.uint8)).cat.to(ANSWER_TYPE)


def answer_codes(answers: pl.DataFrame, items: pl.DataFrame, parser: Parser = STRICT) -> NDArray[np.int64]:
    """As :func:`parse_answers`, as places in ``ANSWERS``. Shape [n_rows]."""
    encoded = answers["text"].cast(pl.String).to_arrow().dictionary_encode()
    # Not by Arrow's own way to NumPy, which imports pandas where there is one.
    texts, text_of = encoded.dictionary.to_pylist(), np.from_dlpack(encoded.indices)
    said: NDArray[np.int64] = np.array([_code(parser.by_text(text)) for text in texts], np.int64)[text_of]
    open_ = np.flatnonzero(said == _UNDECIDED)
    if not len(open_):
        return said
    shown = _shown_options(items)
    asked = text_of[open_].astype(np.int64)
    kind = shown.numbers[item_places(answers, items)[open_], order_numbers(answers)[open_]]
    undecided = np.unique(asked)
    alone, wanted = np.zeros(len(texts), np.int64), np.zeros(len(texts), np.uint64)
    alone[undecided] = [_code(parser.by_options(texts[place], NO_OPTIONS)) for place in undecided]
    wanted[undecided] = np.array([_flags(parser.looks_for(texts[place])) for place in undecided], np.uint64)
    said[open_] = alone[asked]
    each = np.array([_flags({parser.begins(option)}) for option in shown.options], np.uint64)
    begins = each[shown.kinds]  # [n_kinds, 3]
    late = np.flatnonzero(wanted[asked] & np.bitwise_or.reduce(begins, axis=1)[kind])
    pairs, pair_of = np.unique(asked[late] * len(begins) + kind[late], return_inverse=True)
    read = [
        _code(parser.by_options(texts[place], shown.of(number)))
        for place, number in zip(*(part.tolist() for part in np.divmod(pairs, len(begins))), strict=True)
    ]
    said[open_[late]] = np.array(read, np.int64)[pair_of]
    return said


def _code(parsed: Parsed | None) -> int:
    if parsed is None:
        return _UNDECIDED
    if isinstance(parsed, Choice):
        return parsed.letter
    return _REFUSAL if isinstance(parsed, Refusal) else _UNPARSED


def _flags(beginnings: Iterable[str] | None) -> int:
    """A bit for each; two may share one, which costs time only. All for ``None``."""
    if beginnings is None:
        return 2**64 - 1
    return sum({1 << sum(map(ord, beginning)) % 64 for beginning in beginnings})


@dataclass(frozen=True)
class _ShownOptions:
    """Options as shown, each kind once.

    Args:
        numbers: Of the kind at each item and order. Shape [n_items, n_orders].
        kinds: Of each kind, the places of its options in ``options``. Shape [n_kinds, 3].
        options: Each different text once.
    """

    numbers: NDArray[np.int64]
    kinds: NDArray[np.int64]
    options: list[str]

    def of(self, kind: int) -> Shown:
        """The options of a kind."""
        a, b, c = self.kinds[kind].tolist()
        return self.options[a], self.options[b], self.options[c]


@once_per_frame
def _shown_options(items: pl.DataFrame) -> _ShownOptions:
    texts = np.stack([items[f"option_{place}"].cast(pl.String).to_numpy() for place in range(3)], axis=1)
    options, places = np.unique(texts, return_inverse=True)
    shown = places.reshape(-1, 3)[:, np.array(OPTION_AT)]
    first, second, third = np.moveaxis(shown, -1, 0)  # [n_items, n_orders] each
    coded, numbers = np.unique((first * len(options) + second) * len(options) + third, return_inverse=True)
    rest, last = np.divmod(coded, max(len(options), 1))
    kinds = np.stack([*np.divmod(rest, max(len(options), 1)), last], axis=1)
    return _ShownOptions(numbers.reshape(first.shape), kinds, options.tolist())
