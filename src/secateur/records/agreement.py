"""How differently two parsers read the same answers."""

from __future__ import annotations

import polars as pl

from secateur.records.outcomes import sampled_outcomes
from secateur.records.parsers import ANSWER_TYPE, PIA, STRICT, parse_answers

AGREEMENT_COLUMNS: dict[str, pl.DataType] = {
    "strict": ANSWER_TYPE,
    "pia": ANSWER_TYPE,
    "answers": pl.Int64(),
    "other_option": pl.Int64(),
}
"""Of the frame that ``parser_agreement`` gives."""


def parser_agreement(sampled: pl.DataFrame, items: pl.DataFrame) -> pl.DataFrame:
    """Count a variant's answers by what the parsers ``strict`` and ``pia`` say of them.

    A refusal means the unknown option, so that "refusal" beside "C" is the same option where that stood at C. Answers
    during which the logits stopped being finite are unparsed under both.

    Args:
        sampled: Rows of the table ``sampled``.
        items: Rows of the table ``items``.

    Returns:
        One row per pair that occurs, in the order of ``ANSWERS``: strict, pia, answers (>= 1), other_option (of
        these, answers of which the two name different options, or only one names one: 0 .. answers).

    Raises:
        InputError: As ``sampled_outcomes``.
    """
    nonfinite = sampled["stop"].cast(pl.String) == "nonfinite"
    said = {
        parser.name: pl.select(pl.when(nonfinite).then(pl.lit("unparsed", ANSWER_TYPE)).otherwise(read))[:, 0]
        for parser in (STRICT, PIA)
        for read in [parse_answers(sampled, items, parser)]
    }
    strict, pia = (sampled_outcomes(sampled, items, parser)["option"] for parser in (STRICT, PIA))
    return (
        pl.DataFrame({**said, "other": strict.ne_missing(pia)})
        .group_by("strict", "pia")
        .agg(pl.len().alias("answers"), pl.col("other").sum().alias("other_option"))
        .sort("strict", "pia")
        .cast(AGREEMENT_COLUMNS)  # type: ignore[arg-type]
    )
