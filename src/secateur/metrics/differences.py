"""Tables of paired differences: every metric of a variant less that of another, with clustered intervals and tests."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from secateur.metrics.catalogue import METRICS
from secateur.metrics.counts import CONDITIONS, POLARITIES, Counts, count_outcomes
from secateur.metrics.metric import Metric, Over
from secateur.metrics.paired import Beside, Difference, Weighting, put_beside
from secateur.metrics.single import ONE_CLUSTER
from secateur.metrics.transitions import Pairs, gained_and_lost
from secateur.records.outcomes import has_roles, role_codes
from secateur.statistics.clustered import clustered_interval, clustered_p, cr2
from secateur.statistics.estimate import Estimate
from secateur.statistics.multiple import benjamini_hochberg, holm
from secateur.statistics.naive import mcnemar_mid_p

CLUSTERED = "paired by item, clustered: CR2 with t, or Korn-Graubard where changes are rare"
ALL = "all"

DIFFERENCE_COLUMNS: dict[str, Any] = {
    **dict.fromkeys(("baseline", "variant", "readout", "condition", "by", "part", "weighting", "metric"), pl.String),
    **dict.fromkeys(("before", "after", "value", "low", "high", "level", "standard_error", "df"), pl.Float64),
    **dict.fromkeys(("p", "p_naive"), pl.Float64),
    **dict.fromkeys(("n_items", "n_answers", "n_clusters"), pl.Int64),
    "effective_clusters": pl.Float64,
    **dict.fromkeys(("method", "target", "note"), pl.String),
}
"""Columns of ``difference_table``."""


CORRECTED: dict[str, Any] = {**DIFFERENCE_COLUMNS, "p_holm": pl.Float64, "p_bh": pl.Float64}
"""Columns of a comparison's differences."""


@dataclass(frozen=True)
class Tested:
    """An estimated difference with its test.

    Args:
        before: The metric of the one that is compared with; ``None`` where undefined.
        after: The metric of the other.
        estimate: ``after - before``.
        standard_error: Clustered; ``None`` with fewer than two clusters.
        df: Its degrees of freedom.
        p: Two-sided, by flipping signs of clusters and never below what the interval allows; ``None`` where the
            difference is undefined.
        effective_clusters: How many clusters of equal size carry as much.
    """

    before: float | None
    after: float | None
    estimate: Estimate
    standard_error: float | None
    df: float | None
    p: float | None
    effective_clusters: float


def tested(beside: Beside, difference: Difference, *, level: float) -> Tested:
    """Interval and test of a difference.

    Args:
        beside: Where the difference was taken.
        difference: From ``beside.difference``.
        level: Of the two-sided interval.
    """
    note = ""
    if beside.lost_first or beside.lost_second:
        note = f"{beside.lost_first:,} and {beside.lost_second:,} items were asked of one side only and left out"
    return judged(difference, n_answers=beside.n_answers(difference.used), level=level, note=note)


def judged(difference: Difference, *, n_answers: int, level: float, note: str = "") -> Tested:
    """Interval and test of a difference, wherever it was taken.

    Args:
        difference: With what each item adds to it.
        n_answers: Answers, or pairs, behind it.
        level: Of the two-sided interval.
        note: What a reader must know of it.
    """
    contributions = difference.contributions
    if contributions is None:
        estimate = Estimate(
            None, None, None, level, "none", int(difference.used.sum()), n_answers, None, note=difference.reason
        )
        return Tested(difference.before, difference.after, estimate, None, None, None, 0.0)
    interval, error = clustered_interval(contributions, level=level), cr2(contributions)
    if interval is None:
        note = "; ".join(part for part in (ONE_CLUSTER, note) if part)
    low, high = interval or (None, None)
    estimate = Estimate(
        contributions.mean,
        low,
        high,
        level,
        CLUSTERED if interval else "no interval",
        contributions.clusters.n_items,
        n_answers,
        contributions.clusters.n_clusters,
        note=note,
    )
    return Tested(
        difference.before,
        difference.after,
        estimate,
        error.value if error else None,
        error.df if error else None,
        clustered_p(contributions),
        contributions.clusters.effective,
    )


def difference_table(
    baseline: pl.DataFrame,
    variant: pl.DataFrame,
    items: pl.DataFrame,
    *,
    names: tuple[str, str],
    readout: str,
    level: float = 0.95,
    pairs: Pairs | None = None,
    metrics: Collection[str] | None = None,
    by: Collection[str] | None = None,
) -> pl.DataFrame:
    """Every metric of one variant's answers less that of another's: overall, per category, polarity and group.

    Args:
        baseline: Outcomes of the one that is compared with.
        variant: Outcomes of the other, of the same readout.
        items: Rows of the table ``items``.
        names: What the two are called.
        readout: What the readout is called.
        level: Of the two-sided intervals.
        pairs: The same answers paired, for ``p_naive``.
        metrics: Names of those that are wanted; all if ``None``.
        by: Kinds of parts that are wanted, as in the column ``by``, with items weighing the same; all, in either
            weighting, if ``None``.

    Returns:
        Columns ``DIFFERENCE_COLUMNS``. ``by`` and ``part`` say which items: all, those of a category, of a polarity, or
        whose stereotype is about a group. Over several categories there are two rows, in which items weigh the same
        and in which categories do. ``p_naive`` is McNemar's with every answer as independent, where it applies.
    """
    counts = [count_outcomes(frame, items) for frame in (baseline, variant)]
    soft = "mass" in baseline.columns and "mass" in variant.columns
    chosen = [metric.name for metric in _with_terms("answers", metrics) if soft or not metric.soft]
    beside = put_beside(*counts)
    return counted_differences(
        beside, items, metrics=chosen, names=names, readout=readout, level=level, pairs=pairs, by=by
    )


def counted_differences(
    beside: Beside,
    items: pl.DataFrame,
    *,
    metrics: Collection[str],
    names: tuple[str, str],
    readout: str,
    level: float = 0.95,
    pairs: Pairs | None = None,
    by: Collection[str] | None = None,
) -> pl.DataFrame:
    """As ``difference_table``, of answers that are counted already.

    Args:
        beside: Counts of the two.
        items: Rows of the table ``items``.
        metrics: Names of those that are wanted.
        names: What the two are called.
        readout: What the readout is called.
        level: Of the two-sided intervals.
        pairs: The same answers paired, for ``p_naive``.
        by: As in ``difference_table``.
    """
    chosen = _with_terms("answers", metrics)
    return _table(beside, chosen, items, names=names, readout=readout, level=level, pairs=pairs, by=by)


def excess_table(
    floor: Pairs,
    figure: Pairs,
    items: pl.DataFrame,
    *,
    names: tuple[str, str],
    readout: str,
    level: float = 0.95,
    metrics: Collection[str] | None = None,
    by: Collection[str] | None = None,
) -> pl.DataFrame:
    """Every metric of pairs less its floor: ``before`` is the floor, ``after`` the figure, ``value`` the excess.

    Args:
        floor: The dense model's answers paired with its own second ones.
        figure: The dense model's answers paired with the variant's.
        items: Rows of the table ``items``.
        names: What the dense model and the variant are called.
        readout: What the readout is called.
        level: Of the two-sided intervals.
        metrics: As in ``difference_table``.
        by: Likewise.

    Returns:
        As ``difference_table``.
    """
    chosen = _with_terms("pairs", metrics)
    return _table(put_beside(floor, figure), chosen, items, names=names, readout=readout, level=level, by=by)


def corrected(differences: pl.DataFrame) -> pl.DataFrame:
    """Add ``p_holm`` and ``p_bh``.

    A family is one metric, readout and condition over all rows of one kind of part: all variants, and of parts such as
    categories all of them. A difference that is undefined counts as not rejected.

    Args:
        differences: Columns ``DIFFERENCE_COLUMNS``, of all variants.

    Returns:
        Columns ``CORRECTED``, family by family.
    """
    return correct(differences, ("readout", "condition", "by", "weighting", "metric"), CORRECTED)


def correct(tests: pl.DataFrame, family: tuple[str, ...], columns: Mapping[str, Any]) -> pl.DataFrame:
    """Add ``p_holm`` and ``p_bh`` to tests; one that is undefined counts as not rejected.

    Args:
        tests: With a column ``p``.
        family: Columns in which the tests of one family are alike.
        columns: Names and types of all columns of the result.

    Returns:
        The rows family by family.
    """
    parts = [pl.DataFrame(schema=columns)]
    for part in tests.partition_by(family, maintain_order=True):
        p = part["p"].drop_nulls().to_list()
        at = pl.Series(range(part.height)).filter(part["p"].is_not_null())
        found = {}
        for name, correction in (("p_holm", holm), ("p_bh", benjamini_hochberg)):
            values: list[float | None] = [None] * part.height
            for place, value in zip(at, correction(p, family=part.height) if p else (), strict=True):
                values[place] = float(value)
            found[name] = pl.Series(values, dtype=pl.Float64)
        parts.append(part.with_columns(**found))
    return pl.concat(parts)


def _with_terms(over: Over, wanted: Collection[str] | None) -> list[Metric]:
    return [
        metric
        for metric in METRICS.values()
        if metric.over == over and metric.terms is not None and (wanted is None or metric.name in wanted)
    ]


def _table(
    beside: Beside,
    metrics: list[Metric],
    items: pl.DataFrame,
    *,
    names: tuple[str, str],
    readout: str,
    level: float,
    pairs: Pairs | None = None,
    by: Collection[str] | None = None,
) -> pl.DataFrame:
    rows = []
    same = pairs is not None and np.array_equal(pairs.item, beside.first.item)
    for condition, kind, part, weighting, chosen in _parts(beside, items, by):
        paired = None
        if pairs is not None and weighting == "items":
            paired = pairs.select(chosen if same else np.isin(pairs.item, beside.first.item[chosen]))
        for metric in metrics:
            if condition not in metric.conditions:
                continue
            found = tested(
                beside,
                beside.difference(metric, chosen, weighting=weighting),
                level=level,
            )
            rows.append(
                {
                    "baseline": names[0],
                    "variant": names[1],
                    "readout": readout,
                    "condition": condition,
                    "by": kind,
                    "part": part,
                    "weighting": weighting,
                    "metric": metric.name,
                    **{name: getattr(found.estimate, name) for name in _OF_ESTIMATE},
                    **{name: getattr(found, name) for name in _OF_TESTED},
                    "p_naive": _naive(paired, metric.name),
                }
            )
    return pl.DataFrame(rows, schema=DIFFERENCE_COLUMNS)


def _naive(pairs: Pairs | None, metric: str) -> float | None:
    counted = None if pairs is None else gained_and_lost(pairs, metric)
    return None if counted is None else mcnemar_mid_p(*counted)


_OF_ESTIMATE = ("value", "low", "high", "level", "n_items", "n_answers", "n_clusters", "method", "target", "note")
_OF_TESTED = ("before", "after", "standard_error", "df", "p", "effective_clusters")


def _parts(
    beside: Beside, items: pl.DataFrame, by: Collection[str] | None
) -> Iterator[tuple[str, str, str, Weighting, NDArray[np.bool_]]]:
    """Which items to look at: condition, by what, which part, what weighs the same, and the items."""
    for part in _all_parts(beside, items, groups=by is None or "group" in by):
        if by is None or (part[1] in by and part[3] == "items"):
            yield part


def _all_parts(
    beside: Beside, items: pl.DataFrame, *, groups: bool
) -> Iterator[tuple[str, str, str, Weighting, NDArray[np.bool_]]]:
    first = beside.first
    group_of = stereotyped_groups(first.item, items) if groups else np.full(first.n_items, "")
    for number, condition in enumerate(CONDITIONS):
        inside = first.condition == number
        if not inside.any():
            continue
        yield condition, ALL, ALL, "items", inside
        present = np.unique(first.category[inside])
        if len(present) > 1:
            yield condition, ALL, ALL, "categories", inside
            for category in present:
                yield condition, "category", first.categories[category], "items", inside & (first.category == category)
        if isinstance(first, Counts):
            for place, polarity in enumerate(POLARITIES):
                yield condition, "polarity", polarity, "items", inside & (first.polarity == place)
        for group in sorted(set(group_of[inside]) - {""}):
            yield condition, "group", group, "items", inside & (group_of == group)


def stereotyped_groups(keys: NDArray[np.uint64], items: pl.DataFrame) -> NDArray[np.str_]:
    """The group that each item's stereotype is about; empty without roles.

    It is the stereotype option's group where the question is negative, and the other one's where it is not.

    Args:
        keys: Of the items. Shape [n_items].
        items: Rows of the table ``items``.

    Returns:
        Category and group, as ``Age: old``: equal names of two categories are two groups. Shape [n_items].
    """
    roles = role_codes(items)  # [all items, 3]
    wanted = np.where(items["polarity"].to_numpy() == "neg", 0, 1)
    names = items.select("group_0", "group_1", "group_2").to_numpy()
    option = (roles == wanted[:, None]).argmax(axis=1)
    group = np.take_along_axis(names, option[:, None], axis=1)[:, 0].astype(str)
    category = items["category"].cast(pl.String).to_numpy().astype(str)
    label = np.where(has_roles(items), np.char.add(np.char.add(category, ": "), group), "")
    stored = items["item"].to_numpy()
    order = np.argsort(stored)
    return np.asarray(label[order[np.searchsorted(stored, keys, sorter=order)]], np.str_)
