"""A model's sampled answers read again, by parsers other than the one that a report goes by; from a store."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from secateur.metrics.counts import count_outcomes
from secateur.records.answers import SAMPLED, one_readout, read_answers
from secateur.report.as_published import PARSED_COLUMNS, AsPublished, set_beside
from secateur.report.data import Published
from secateur.report.read_variants import VariantsRead
from secateur.report.reading import Reading


@dataclass(frozen=True)
class ReadAgain:
    """What other parsers make of a model's sampled answers.

    Args:
        published: The published quantities; ``None`` without answers.
        parsed: Parsers side by side, as in ``ReportData``, without the one that the report goes by.
    """

    published: Published | None
    parsed: pl.DataFrame


def read_again(reading: Reading, number: int, known: VariantsRead) -> ReadAgain:
    """Read a model's sampled answers by the published parser, and by those that are set side by side.

    Args:
        reading: What is read, and how.
        number: Of the model in the plan.
        known: Of the same model.
    """
    readers, items, level = reading.readers, reading.items, reading.level
    as_published = AsPublished(readers.published, items, level=level)
    plan = one_readout(reading.plan, SAMPLED)
    model = plan["models"][number]
    parsed = [pl.DataFrame(schema=PARSED_COLUMNS)]
    for entry in model["cells"]:
        if entry["task"] != "ask":
            continue
        for name, parser in readers.again.items():
            found = read_answers(reading.store, plan, model, entry, items, parser=parser, min_mass=reading.min_mass)
            if SAMPLED in found.outcomes:
                counts = count_outcomes(found.outcomes[SAMPLED], items)
                if name != reading.parser:
                    parsed.append(set_beside(entry["variant"], name, counts, level=level))
                if name == readers.published:
                    as_published.add(entry["variant"], counts)
            if found.floor is not None and name == readers.published:
                as_published.add(entry["variant"], count_outcomes(found.floor, items), floor=True)
    return ReadAgain(
        as_published.published([v for v in known.variants if not v.placebo], known.by_variant("perplexity")),
        pl.concat(parsed),
    )
