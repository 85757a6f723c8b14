"""Metrics as tidy tables: one row per number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from secateur.metrics.catalogue import METRICS
from secateur.metrics.counts import CONDITIONS, Counts, PerItem, count_outcomes
from secateur.metrics.metric import Metric
from secateur.metrics.paired import Beside, put_beside
from secateur.metrics.parts import Parts, or_none
from secateur.metrics.transitions import Pairs, align_seeds, pair_outcomes
from secateur.statistics.estimate import Estimate
from secateur.statistics.samples import intervals

ALL = "all"
"""The category of a row over all items: a mean over items, so categories weigh by their number of items."""

NO_FLOOR = "no floor: the dense model was not asked again"
UNEQUAL_COUPLING = (
    "the figure's two sides share their seeds and the floor's do not, so this floor is higher than a fair one"
)
UNEQUAL_SEEDS = "figure and floor have different numbers of seeds"

_NUMBERS: dict[str, Any] = {"value": pl.Float64, "low": pl.Float64, "high": pl.Float64}
_ORIGIN: dict[str, Any] = {
    "level": pl.Float64,
    "n_items": pl.Int64,
    "n_answers": pl.Int64,
    "n_clusters": pl.Int64,
    "method": pl.String,
    "target": pl.String,
    "note": pl.String,
}
_PLACE: dict[str, Any] = dict.fromkeys(("variant", "readout", "category", "condition", "metric"), pl.String)
_FLOOR: dict[str, Any] = {
    **dict.fromkeys(("floor", "floor_low", "floor_high", "excess", "excess_low", "excess_high"), pl.Float64),
    "floor_note": pl.String,
}

METRIC_COLUMNS: dict[str, Any] = {**_PLACE, **_NUMBERS, **_ORIGIN}
"""Columns of ``metric_table``."""

TRANSITION_COLUMNS: dict[str, Any] = {**_PLACE, **_NUMBERS, **_FLOOR, **_ORIGIN}
"""Columns of ``transition_table``."""


def metric_table(
    outcomes: Iterable[tuple[str, str, pl.DataFrame]], items: pl.DataFrame, *, level: float = 0.95
) -> pl.DataFrame:
    """Every metric of every variant, readout, category and condition.

    Args:
        outcomes: Variant, readout and the outcomes of one or several (label, readout) pairs; read one at a time.
        items: Rows of the table ``items``.
        level: Of the intervals.

    Returns:
        Columns ``METRIC_COLUMNS``; category "all" is over all items, each weighing the same. An undefined value is null
        and its reason stands in ``note``. Metrics of probabilities have rows only for outcomes with letter scores.
    """
    return counted_metrics(
        ((variant, readout, count_outcomes(frame, items)) for variant, readout, frame in outcomes), items, level=level
    )


def counted_metrics(
    counted: Iterable[tuple[str, str, Counts]], items: pl.DataFrame, *, level: float = 0.95
) -> pl.DataFrame:
    """As ``metric_table``, of answers that are counted already.

    Args:
        counted: Variant, readout and the counts of one or several (label, readout) pairs.
        items: Rows of the table ``items``.
        level: Of the intervals.
    """
    rows: list[dict[str, Any]] = []
    for variant, readout, counts in counted:
        metrics = [
            metric
            for metric in METRICS.values()
            if metric.over == "answers" and (counts.with_scores or not metric.soft)
        ]
        for condition, chosen in _conditions(items, metrics):
            part = counts.of(condition=condition)
            about = {"variant": variant, "readout": readout, "condition": condition}
            columns = {
                metric.name: [
                    list(map(_estimate_row, found)) for found in metric.estimates(part, _partitions(part), level=level)
                ]
                for metric in chosen
            }
            rows += _rows(about, part, columns)
    return pl.DataFrame(rows, schema=METRIC_COLUMNS)


@dataclass(frozen=True)
class Compared:
    """Variants beside the dense model.

    Args:
        rows: As ``transition_table``.
        pairs: The pairs of answers behind them, by variant.
        floor: Those of the dense model asked again, if it was.
    """

    rows: pl.DataFrame
    pairs: Mapping[str, Pairs]
    floor: Pairs | None


def transition_table(
    dense: pl.DataFrame,
    variants: Iterable[tuple[str, pl.DataFrame]],
    items: pl.DataFrame,
    *,
    readout: str,
    floor: pl.DataFrame | None = None,
    level: float = 0.95,
) -> pl.DataFrame:
    """Every metric of pairs, dense against each variant, beside its floor, for one readout.

    Sampled answers whose seeds are all other than the dense model's are paired with them by rank of seed.

    Args:
        dense: Outcomes of the dense model.
        variants: Label and outcomes of each variant; read one at a time.
        items: Rows of the table ``items``.
        readout: Its name.
        floor: Outcomes of the dense model asked again: with other seeds or, for letters, after a lossless change.
            Without it the floor is null, with the reason in ``floor_note``.
        level: Of the intervals.

    Returns:
        Columns ``TRANSITION_COLUMNS``. n_answers counts pairs. ``excess`` is the figure less its floor over the items
        that have both, with the interval of a paired difference; null where the two couple their draws differently.
    """
    return compare_variants(dense, variants, items, readout=readout, floor=floor, level=level).rows


def compare_variants(
    dense: pl.DataFrame,
    variants: Iterable[tuple[str, pl.DataFrame]],
    items: pl.DataFrame,
    *,
    readout: str,
    floor: pl.DataFrame | None = None,
    level: float = 0.95,
) -> Compared:
    """As ``transition_table``, with the pairs, so that nobody has to pair the same answers twice."""
    metrics = [metric for metric in METRICS.values() if metric.over == "pairs"]
    floor_pairs = None
    if floor is not None:
        floor_pairs = pair_outcomes(dense, _matched(floor, dense), items)
    dense_seeds = _seeds(dense)
    floor_seeds = _seeds(floor)
    floors: dict[str, tuple[Pairs, dict[str, list[list[Estimate]]]]] = {}
    if floor_pairs is not None:
        for condition, chosen in _conditions(items, metrics):
            part = floor_pairs.of(condition=condition)
            partitions = _partitions(part)
            floors[condition] = (
                part,
                {metric.name: metric.estimates(part, partitions, level=level) for metric in chosen},
            )

    rows: list[dict[str, Any]] = []
    found: dict[str, Pairs] = {}
    for variant, frame in variants:
        found[variant] = pairs = pair_outcomes(dense, _matched(frame, dense), items)
        floor_note, fair = NO_FLOOR, False
        if floor is not None:
            seeds = _seeds(frame)
            remarks = []
            fair = not seeds & dense_seeds or not floor_seeds.isdisjoint(dense_seeds)
            if not fair:
                remarks.append(UNEQUAL_COUPLING)
            if len(seeds) != len(floor_seeds):
                remarks.append(UNEQUAL_SEEDS)
            if floor_pairs is not None and not np.array_equal(floor_pairs.item, pairs.item):
                remarks.append(f"the floor is of {floor_pairs.n_items:,} items, the figure of {pairs.n_items:,}")
            floor_note = "; ".join(remarks)
        for condition, chosen in _conditions(items, metrics):
            part = pairs.of(condition=condition)
            under, lower = floors.get(condition, (None, {}))
            beside = put_beside(under, part) if fair and under is not None else None
            columns = {
                metric.name: [
                    [
                        {**_estimate_row(figure), **_floor_row(below, floor_note), **excess}
                        for figure, below, excess in zip(*of_parts, strict=True)
                    ]
                    for of_parts in zip(
                        metric.estimates(part, _partitions(part), level=level),
                        lower.get(metric.name, _nothing(part)),
                        _nothing(part, _NO_EXCESS) if beside is None else _excess_rows(beside, metric, level=level),
                        strict=True,
                    )
                ]
                for metric in chosen
            }
            rows += _rows({"variant": variant, "readout": readout, "condition": condition}, part, columns)
    return Compared(pl.DataFrame(rows, schema=TRANSITION_COLUMNS), found, floor_pairs)


def _conditions(items: pl.DataFrame, metrics: Sequence[Metric]) -> Iterator[tuple[str, list[Metric]]]:
    """Conditions that items have, each with the metrics that it is among."""
    present = set(items["condition"].cast(pl.String).unique())
    for condition in CONDITIONS:
        if condition in present:
            yield condition, [metric for metric in metrics if condition in metric.conditions]


def _partitions(counted: PerItem) -> tuple[Parts, Parts]:
    """All items, and the items of each category."""
    return counted.whole, counted.by_category


def _rows(
    about: Mapping[str, Any], counted: PerItem, columns: Mapping[str, Sequence[Sequence[Mapping[str, Any]]]]
) -> list[dict[str, Any]]:
    """Rows of each part of ``_partitions``, metric by metric."""
    return [
        {**about, "category": name, "metric": metric, **partitions[place][number]}
        for place, names in enumerate(((ALL,), counted.categories))
        for number, name in enumerate(names)
        for metric, partitions in columns.items()
    ]


def _nothing(counted: PerItem, of_each: Any = None) -> list[list[Any]]:
    """The same of each part of ``_partitions``."""
    return [[of_each] * parts.n for parts in _partitions(counted)]


def _matched(frame: pl.DataFrame, dense: pl.DataFrame) -> pl.DataFrame:
    seeds = _seeds(frame)
    return align_seeds(frame, like=dense) if seeds and seeds.isdisjoint(_seeds(dense)) else frame


def _seeds(frame: pl.DataFrame | None) -> set[int]:
    return set() if frame is None or "seed" not in frame.columns else set(frame["seed"].unique())


def _estimate_row(estimate: Estimate) -> dict[str, Any]:
    return {name: getattr(estimate, name) for name in (*_NUMBERS, *_ORIGIN)}


def _floor_row(floor: Estimate | None, note: str) -> dict[str, Any]:
    if floor is None:
        return {"floor": None, "floor_low": None, "floor_high": None, "floor_note": note}
    if floor.value is None:
        note = floor.note
    return {"floor": floor.value, "floor_low": floor.low, "floor_high": floor.high, "floor_note": note}


_NO_EXCESS: dict[str, float | None] = dict.fromkeys(("excess", "excess_low", "excess_high"))


def _excess_rows(beside: Beside, metric: Metric, *, level: float) -> Iterator[list[dict[str, float | None]]]:
    """What a metric of pairs is more than its floor, in each part of ``_partitions``."""
    for found in beside.differences(metric, [(parts, "items") for parts in _partitions(beside.first)]):
        columns = map(or_none, (found.means.mean, *intervals(found.means, level)))
        yield [
            _NO_EXCESS if reason else dict(zip(_NO_EXCESS, values, strict=True))
            for reason, *values in zip(found.reasons, *columns, strict=True)
        ]
