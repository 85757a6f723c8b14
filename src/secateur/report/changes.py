"""What became of a model's answers in its variants, item by item: the differences that a report shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from secateur.metrics.counts import CONDITIONS, Counts, PerItem
from secateur.metrics.decomposition import PARTS, decompose, new_direction, share_intervals
from secateur.metrics.differences import (
    CORRECTED,
    DIFFERENCE_COLUMNS,
    corrected,
    counted_differences,
    excess_table,
)
from secateur.metrics.paired import Beside, Differences, put_beside
from secateur.metrics.parts import Parts, or_none
from secateur.metrics.table import ALL, Compared
from secateur.metrics.transitions import Pairs, pair_outcomes
from secateur.statistics.samples import Floats, intervals

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


def put_all_beside(counted: Mapping[str, Counts], *, dense: str) -> dict[str, Beside]:
    """Answers of every variant beside the dense model's; the dense model beside itself too.

    Args:
        counted: Answers by variant, of one readout.
        dense: The dense variant's key.
    """
    return {key: put_beside(counted[dense], counts) for key, counts in counted.items()}


def change_rows(
    counted: Mapping[str, Beside],
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
        counted: From ``put_all_beside``.
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
        found.append(counted_differences(counted[key], items, pairs=pairs[key], metrics=PRIMARY, **about))
        if compared.floor is not None:
            found.append(excess_table(compared.floor, figure, items, metrics=EXCESSES, **about))
    return pl.concat(found)


def placebo_rows(
    counted: Mapping[str, Beside], items: pl.DataFrame, *, dense: str, readout: str, level: float
) -> pl.DataFrame:
    """The primary metrics of each placebo less the dense model's, over all items.

    Args:
        counted: From ``put_all_beside``, of placebos.
        items: Rows of the table ``items``.
        dense: The dense variant's key.
        readout: What the readout is called.
        level: Of the two-sided intervals.

    Returns:
        Columns ``DIFFERENCE_COLUMNS``.
    """
    return pl.concat(
        [
            pl.DataFrame(schema=DIFFERENCE_COLUMNS),
            *(
                counted_differences(
                    beside, items, metrics=PRIMARY, names=(dense, key), readout=readout, level=level, by=("all",)
                )
                for key, beside in counted.items()
                if key != dense
            ),
        ]
    )


DIRECTION_COLUMNS: dict[str, Any] = {
    **dict.fromkeys(("variant", "readout", "category"), pl.String),
    **{f"{part}{end}": pl.Float64 for part in (*PARTS, "new_direction") for end in ("", "_low", "_high")},
    **{f"{part}_{side}": pl.Float64 for part in PARTS for side in ("before", "after")},
    **dict.fromkeys(("n_items", "n_clusters", "n_new_items"), pl.Int64),
    **dict.fromkeys(("note", "new_note"), pl.String),
}
"""Columns of ``direction_rows``."""


def direction_rows(
    counted: Mapping[str, Beside],
    pairs: Mapping[str, Pairs],
    *,
    readout: str,
    level: float,
) -> pl.DataFrame:
    """Why the stereotype rate of ambiguous items changed, per variant, over all items and per category.

    Args:
        counted: From ``put_all_beside``.
        pairs: From ``main_pairs``.
        readout: What the readout is called.
        level: Of the two-sided intervals.

    Returns:
        Columns ``DIRECTION_COLUMNS``: the parts of ``decompose`` and, as a share, ``new_direction``, each with its
        clustered interval; undefined ones are null, with a note.
    """
    rows: list[dict[str, Any]] = []
    for key, own in pairs.items():
        beside = counted[key]
        asked = _ambiguous(beside.first)
        for (names, parts), (_, of_pairs) in zip(asked, _ambiguous(own), strict=True):
            found, new = decompose(beside, parts), new_direction(own, of_pairs)
            columns: dict[str, Sequence[Any]] = {}
            for name, part in found.items():
                columns |= _intervals(name, part, intervals(part.means, level))
                columns |= {f"{name}_before": or_none(part.before), f"{name}_after": or_none(part.after)}
            columns |= _intervals("new_direction", new, share_intervals(new.means, level))
            whole = found["whole"]
            columns |= {
                "n_items": whole.used.n_items.tolist(),
                "n_clusters": [count or None for count in whole.used.samples.n_clusters.tolist()],
                "n_new_items": new.used.n_items.tolist(),
                "note": found["direction"].reasons,
                "new_note": new.reasons,
            }
            there = (parts.n_items > 0).tolist()
            rows += [
                {
                    "variant": key,
                    "readout": readout,
                    "category": category,
                    **{name: column[number] for name, column in columns.items()},
                }
                for number, category in enumerate(names)
                if there[number]
            ]
    return pl.DataFrame(rows, schema=DIRECTION_COLUMNS)


def _ambiguous(counted: PerItem) -> tuple[tuple[Sequence[str], Parts], ...]:
    """The ambiguous items, all and by category, with the names of the parts."""
    chosen = counted.condition == CONDITIONS.index("ambig")
    return ((ALL,), counted.whole.within(chosen)), (counted.categories, counted.by_category.within(chosen))


DOSE_COLUMNS: dict[str, Any] = {
    **dict.fromkeys(("variant", "readout", "category"), pl.String),
    "cluster": pl.Int64,
    "items": pl.Float64,
    "stereotype": pl.Float64,
}
"""Columns of ``dose_rows``."""


def dose_rows(counted: Mapping[str, Beside], *, readout: str) -> pl.DataFrame:
    """The stereotype share over all answers to ambiguous items, per variant and cluster: what a regression needs.

    Args:
        counted: From ``put_all_beside``.
        readout: What the readout is called.

    Returns:
        Columns ``DOSE_COLUMNS``: items with roles, and the mean of their stereotype shares.
    """
    found = [pl.DataFrame(schema=DOSE_COLUMNS)]
    for key, beside in counted.items():
        kept = beside.second.of(condition="ambig").with_roles()
        assert isinstance(kept, Counts)
        categories = pl.Series(kept.categories, dtype=pl.String)
        rows = pl.DataFrame(
            {
                "category": categories.gather(kept.category),
                "cluster": kept.cluster,
                "stereotype": kept.stereotype / kept.answers,
            }
        )
        found.append(
            rows.group_by("category", "cluster", maintain_order=True)
            .agg(pl.len().cast(pl.Float64).alias("items"), pl.col("stereotype").mean())
            .select(pl.lit(key).alias("variant"), pl.lit(readout).alias("readout"), *list(DOSE_COLUMNS)[2:])
        )
    return pl.concat(found)


def _intervals(name: str, found: Differences, ends: tuple[Floats, Floats]) -> dict[str, Sequence[float | None]]:
    """Value and ends of each part; nothing where the value is undefined."""
    columns = {name: found.means.mean, f"{name}_low": ends[0], f"{name}_high": ends[1]}
    known = np.array([not reason for reason in found.reasons])
    return {column: or_none(np.where(known, values, np.nan)) for column, values in columns.items()}


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
