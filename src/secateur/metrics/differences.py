"""Tables of paired differences: every metric of a variant less that of another, with clustered intervals and tests."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from secateur.metrics.catalogue import METRICS
from secateur.metrics.counts import CONDITIONS, POLARITIES, Counts, PerItem, count_outcomes
from secateur.metrics.metric import Metric, Over
from secateur.metrics.paired import Beside, Difference, Differences, Weighting, put_beside
from secateur.metrics.parts import Parts, or_none
from secateur.metrics.single import ONE_CLUSTER
from secateur.metrics.transitions import Pairs, gained_and_lost
from secateur.records.outcomes import has_roles, role_codes
from secateur.statistics.estimate import Estimate
from secateur.statistics.multiple import benjamini_hochberg, holm
from secateur.statistics.naive import mcnemar_mid_p
from secateur.statistics.samples import Means, intervals, p_values, standard_errors

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
        effective_clusters: How many clusters of equal size carry as much; ``None`` likewise.
    """

    before: float | None
    after: float | None
    estimate: Estimate
    standard_error: float | None
    df: float | None
    p: float | None
    effective_clusters: float | None


def tested(beside: Beside, difference: Difference, *, level: float) -> Tested:
    """Interval and test of a difference.

    Args:
        beside: Where the difference was taken.
        difference: From ``beside.difference``.
        level: Of the two-sided interval.
    """
    return judged(difference, n_answers=beside.n_answers(difference.used), level=level, note=_lost(beside))


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
        return _undefined(
            difference.before, difference.after, difference.reason, int(difference.used.sum()), n_answers, level
        )
    return next(_judged(contributions.alone, [(difference.before, difference.after, n_answers)], level, note))


def _judged(
    means: Means, told: Iterable[tuple[float | None, float | None, int]], level: float, note: str
) -> Iterator[Tested]:
    """Interval and test of each mean, with what is told of it: before, after and the answers behind it."""
    samples = means.samples
    numbers = map(
        or_none, (means.mean, *intervals(means, level), standard_errors(means), samples.degrees, p_values(means))
    )
    sizes = samples.n_items.astype(np.int64).tolist(), samples.n_clusters.tolist(), samples.effective.tolist()
    for (before, after, n_answers), mean, low, high, error, df, p, n_items, n_clusters, effective in zip(
        told, *numbers, *sizes, strict=True
    ):
        alone = low is None
        notes = "; ".join(filter(None, (ONE_CLUSTER if alone else "", note)))
        method = "no interval" if alone else CLUSTERED
        estimate = Estimate(mean, low, high, level, method, n_items, n_answers, n_clusters, note=notes)
        yield Tested(before, after, estimate, error, None if alone else df, p, effective)


def _undefined(
    before: float | None, after: float | None, reason: str, n_items: int, n_answers: int, level: float
) -> Tested:
    estimate = Estimate(None, None, None, level, "none", n_items, n_answers, None, note=reason)
    return Tested(before, after, estimate, None, None, None, None)


def _tested_parts(beside: Beside, found: Differences, level: float) -> list[Tested]:
    """As :func:`tested`, of each part."""
    used = found.used
    n_answers = (used.total(beside.first.rows) + used.total(beside.second.rows)).astype(np.int64).tolist()
    told = list(zip(or_none(found.before), or_none(found.after), n_answers, strict=True))
    judged = _judged(found.means, told, level, _lost(beside))
    return [
        _undefined(before, after, reason, n_items, answers, level) if reason else one
        for one, (before, after, answers), reason, n_items in zip(
            judged, told, found.reasons, used.n_items.tolist(), strict=True
        )
    ]


def _lost(beside: Beside) -> str:
    if not (beside.lost_first or beside.lost_second):
        return ""
    return f"{beside.lost_first:,} and {beside.lost_second:,} items were asked of one side only and left out"


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
    rows: list[dict[str, Any]] = []
    for condition, partitions in groupby(_partitions(beside, items, by), key=lambda partition: partition.condition):
        chosen = [metric for metric in metrics if condition in metric.conditions]
        asked = list(partitions)
        found = [_columns(beside, metric, asked, pairs, level) for metric in chosen]
        rows += [
            {
                "baseline": names[0],
                "variant": names[1],
                "readout": readout,
                "condition": condition,
                "by": partition.by,
                "part": name,
                "weighting": partition.weighting,
                "metric": metric.name,
                **of_metric[place][number],
            }
            for place, partition in enumerate(asked)
            for number, name in enumerate(partition.names)
            for metric, of_metric in zip(chosen, found, strict=True)
        ]
    return pl.DataFrame(rows, schema=DIFFERENCE_COLUMNS)


def _columns(
    beside: Beside, metric: Metric, partitions: Sequence[_Partition], pairs: Pairs | None, level: float
) -> list[list[dict[str, Any]]]:
    """What a table says of a metric in each part of each partition."""
    found = beside.differences(metric, [(partition.parts, partition.weighting) for partition in partitions])
    return [
        [
            {
                **{name: getattr(one.estimate, name) for name in _OF_ESTIMATE},
                **{name: getattr(one, name) for name in _OF_TESTED},
                "p_naive": naive,
            }
            for one, naive in zip(
                _tested_parts(beside, differences, level),
                _naive(pairs if partition.weighting == "items" else None, metric.name, beside, partition.parts),
                strict=True,
            )
        ]
        for partition, differences in zip(partitions, found, strict=True)
    ]


def _naive(pairs: Pairs | None, metric: str, beside: Beside, parts: Parts) -> list[float | None]:
    """McNemar's p of each part, where it applies."""
    counted = None if pairs is None else gained_and_lost(pairs, metric)
    if pairs is None or counted is None:
        return [None] * parts.n
    if not np.array_equal(pairs.item, beside.first.item):
        of = dict(zip(beside.first.item.tolist(), parts.number.tolist(), strict=True))
        parts = pairs.parts(np.array([of.get(item, -1) for item in pairs.item.tolist()], np.int64), parts.n)
    return [mcnemar_mid_p(int(gained), int(lost)) for gained, lost in zip(*map(parts.total, counted), strict=True)]


_OF_ESTIMATE = ("value", "low", "high", "level", "n_items", "n_answers", "n_clusters", "method", "target", "note")
_OF_TESTED = ("before", "after", "standard_error", "df", "p", "effective_clusters")


class _Partition(NamedTuple):
    """A way to take the items of a condition apart.

    Args:
        condition: Which.
        by: By what.
        names: Of the parts.
        parts: The parts.
        weighting: What weighs the same in each.
    """

    condition: str
    by: str
    names: Sequence[str]
    parts: Parts
    weighting: Weighting = "items"


def _partitions(beside: Beside, items: pl.DataFrame, by: Collection[str] | None) -> Iterator[_Partition]:
    first, groups = beside.first, by is None or "group" in by
    # One dense model stands beside many variants.
    known = first.once(("partitions", groups), lambda: list(_all_partitions(first, items, groups=groups)))
    for one in known:
        if by is None or (one.by in by and one.weighting == "items"):
            yield one


def _all_partitions(first: PerItem, items: pl.DataFrame, *, groups: bool) -> Iterator[_Partition]:
    group_of = stereotyped_groups(first.item, items) if groups else np.full(first.n_items, "")
    for number, condition in enumerate(CONDITIONS):
        inside = first.condition == number
        if not inside.any():
            continue
        whole = first.some(inside)
        yield _Partition(condition, ALL, [ALL], whole)
        present = np.unique(first.category[inside])
        if len(present) > 1:
            yield _Partition(condition, ALL, [ALL], whole, "categories")
            of = np.where(inside, np.searchsorted(present, first.category), -1)
            names = [first.categories[category] for category in present]
            yield _Partition(condition, "category", names, first.parts(of, len(names)))
        if isinstance(first, Counts):
            of = np.where(inside, first.polarity, -1)
            yield _Partition(condition, "polarity", POLARITIES, first.parts(of, len(POLARITIES)))
        groups_here = sorted(set(group_of[inside]) - {""})
        if groups_here:
            of = np.where(inside & (group_of != ""), np.searchsorted(groups_here, group_of), -1)
            yield _Partition(condition, "group", groups_here, first.parts(of, len(groups_here)))


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
