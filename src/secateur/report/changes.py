"""What became of a model's answers in its variants, item by item: the differences that a report shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from secateur.metrics.differences import (
    CORRECTED,
    DIFFERENCE_COLUMNS,
    corrected,
    difference_table,
    excess_table,
)
from secateur.metrics.table import Compared
from secateur.metrics.transitions import Pairs, pair_outcomes

PRIMARY = ("diff_bias_ambig", "group_preference", "srs", "usr_all", "accuracy")
"""Metrics of answers whose change from dense a report tells."""

EXCESSES = ("became_biased",)
"""Metrics of pairs whose excess over the floor it tells."""

_BY = ("all", "category")
_DROPPED = frozenset({"baseline", "by", "part", "weighting"})
_PLACE = ("variant", "readout", "condition", "category", "metric")

CHANGE_COLUMNS: dict[str, Any] = {
    **dict.fromkeys(_PLACE, pl.String),
    **{name: kind for name, kind in CORRECTED.items() if name not in (*_PLACE, *_DROPPED)},
}
"""Columns of ``correct_changes``: those of a comparison; ``category`` is "all" over all items."""


def main_pairs(
    frames: Mapping[str, pl.DataFrame], compared: Compared, items: pl.DataFrame, *, dense: str
) -> dict[str, Pairs]:
    """Answers of each variant paired with those of the dense model, of the same seeds where there are seeds.

    Args:
        frames: Outcomes by variant, of one readout.
        compared: The same variants beside the dense model; where it has a floor, its pairs are of different seeds.
        items: Rows of the table ``items``.
        dense: The dense variant's key.
    """
    if compared.floor is None:
        return dict(compared.pairs)
    return {key: pair_outcomes(frames[dense], frames[key], items) for key in compared.pairs}


def change_rows(
    frames: Mapping[str, pl.DataFrame],
    compared: Compared,
    pairs: Mapping[str, Pairs],
    items: pl.DataFrame,
    *,
    dense: str,
    readout: str,
    level: float,
) -> pl.DataFrame:
    """The primary metrics of each variant less the dense model's, and transitions less their floor.

    Args:
        frames: Outcomes by variant, of one readout.
        compared: The same variants beside the dense model, with the floor.
        pairs: From ``main_pairs``.
        items: Rows of the table ``items``.
        dense: The dense variant's key.
        readout: What the readout is called.
        level: Of the two-sided intervals.

    Returns:
        Columns ``DIFFERENCE_COLUMNS``: over all items and per category. Of a transition ``before`` is the floor and
        ``after`` the figure.
    """
    found = [pl.DataFrame(schema=DIFFERENCE_COLUMNS)]
    for key, figure in compared.pairs.items():
        about: dict[str, Any] = {"names": (dense, key), "readout": readout, "level": level, "by": _BY}
        found.append(difference_table(frames[dense], frames[key], items, pairs=pairs[key], metrics=PRIMARY, **about))
        if compared.floor is not None:
            found.append(excess_table(compared.floor, figure, items, metrics=EXCESSES, **about))
    return pl.concat(found)


def placed(changes: pl.DataFrame) -> pl.DataFrame:
    """The rows with the column ``part`` under the name ``category``, as other tables have it."""
    return changes.rename({"part": "category"})


def correct_changes(changes: pl.DataFrame) -> pl.DataFrame:
    """Correct the p-values over all variants of all models.

    A family is one metric, readout and condition, over all items; another, the same over all categories.

    Args:
        changes: Rows of all models, from ``placed``.

    Returns:
        Columns ``CHANGE_COLUMNS``.
    """
    return placed(corrected(changes.rename({"category": "part"}))).select(*CHANGE_COLUMNS)
