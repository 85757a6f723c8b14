"""All conventions in one table, and scores by one of them as a tidy table."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from secateur.metrics.conventions.convention import CONVENTION_COLUMNS, SCORE_COLUMNS, Convention
from secateur.metrics.conventions.helm import HELM
from secateur.metrics.conventions.lm_eval import LM_EVAL
from secateur.metrics.conventions.parrish import PARRISH

CONVENTIONS: dict[str, Convention] = {convention.name: convention for convention in (PARRISH, HELM, LM_EVAL)}
"""Conventions by name."""


def convention_table(
    answers: Iterable[tuple[str, str, pl.DataFrame]], items: pl.DataFrame, convention: Convention
) -> pl.DataFrame:
    """Every score of every variant and readout by one convention.

    Args:
        answers: Variant, readout and the answers (columns ``ANSWER_COLUMNS``); read one at a time.
        items: Rows of the table ``items``, with ``LABEL_COLUMNS`` where BBQ's labels are at hand.
        convention: Which.

    Returns:
        Columns ``CONVENTION_COLUMNS``.
    """
    found = [
        convention.function(frame, items).select(
            pl.lit(variant).alias("variant"), pl.lit(readout).alias("readout"), *SCORE_COLUMNS
        )
        for variant, readout, frame in answers
    ]
    return pl.concat([pl.DataFrame(schema=CONVENTION_COLUMNS), *found])
