"""A metric of one variant beside the same metric of another, item by item."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from secateur.metrics.counts import PerItem
from secateur.metrics.metric import Metric
from secateur.metrics.parts import Parts, clusters_of, or_none
from secateur.metrics.terms import Linearised, Terms
from secateur.statistics.clustered import Contributions
from secateur.statistics.samples import Clusters, Means, Values

Weighting: TypeAlias = Literal["items", "categories"]
"""What weighs the same in a number over several categories: each item, or each category."""

NO_COMMON_ITEMS = "no item was asked of both"
NO_ITEMS_FOR_IT = "no common item that the metric is over"
UNDEFINED_IN = "undefined in {}"


@dataclass(frozen=True)
class Difference:
    """What a metric of the one is more than of the other.

    Args:
        before: The metric of the first; ``None`` where undefined.
        after: The metric of the second.
        contributions: What each item adds to ``after - before``; ``None`` where that is undefined.
        used: Items behind it. Shape [n_items], bool.
        reason: Why it is undefined; else empty.
    """

    before: float | None
    after: float | None
    contributions: Contributions | None
    used: NDArray[np.bool_]
    reason: str = ""


@dataclass(frozen=True)
class Differences:
    """What a metric of the one is more than of the other, over several parts.

    Args:
        before: The metric of the first; NaN where undefined. Shape [n].
        after: The metric of the second. Shape [n].
        means: What each item adds to ``after - before`` of its part; nothing where that is undefined.
        used: Items behind each part.
        reasons: Why it is undefined; else empty. Of each part.
    """

    before: NDArray[np.float64]
    after: NDArray[np.float64]
    means: Means
    used: Parts
    reasons: Sequence[str]

    def alone(self, clusters: Clusters) -> Difference:
        """The difference of the only part, whose items are of these clusters."""
        (before,), (after,), (reason,) = or_none(self.before), or_none(self.after), self.reasons
        if reason:
            return Difference(before, after, None, self.used.chosen, reason)
        unit = float(self.means.unit[0])
        each = Contributions(self.used.take(self.means.values.each), clusters, unit=unit, span=self.means.span)
        return Difference(before, after, each, self.used.chosen)


@dataclass(frozen=True)
class Beside:
    """Counts of two variants, or pairs of answers and their floor, of the items that both were asked.

    Args:
        first: Of the one that is compared with.
        second: Of the same items in the same order.
        lost_first: Items of the first that the second was not asked.
        lost_second: The other way round.
    """

    first: PerItem
    second: PerItem
    lost_first: int
    lost_second: int

    @property
    def n_items(self) -> int:
        """Items asked of both."""
        return self.first.n_items

    def n_answers(self, used: NDArray[np.bool_]) -> int:
        """Answers, or pairs, of both sides. Shapes: used [n_items]."""
        return int(self.first.rows[used].sum() + self.second.rows[used].sum())

    def difference(
        self, metric: Metric, chosen: NDArray[np.bool_] | None = None, *, weighting: Weighting = "items"
    ) -> Difference:
        """A metric of the second less the same metric of the first.

        Args:
            metric: One that has terms.
            chosen: Items to look at, all if ``None``. Shape [n_items], bool.
            weighting: With ``categories``, the mean over categories of each one's own value.
        """
        parts = self.first.whole if chosen is None else self.first.some(chosen)
        (found,) = self.differences(metric, [(parts, weighting)])
        return found.alone(clusters_of(self.first.cluster[found.used.chosen]))

    def differences(self, metric: Metric, partitions: Sequence[tuple[Parts, Weighting]]) -> list[Differences]:
        """A metric of the second less the same metric of the first, over each part.

        Args:
            metric: One that has terms.
            partitions: Ways to take these items apart, each with its weighting, as in ``difference``; of one part, if
                categories weigh the same.
        """
        # One dense model stands beside many variants, which are many.
        first = self.first.once(metric.name, lambda: metric.terms_of(self.first))
        second = metric.terms_of(self.second)
        return [self._difference(metric, first, second, *partition) for partition in partitions]

    def _difference(
        self, metric: Metric, first: Terms, second: Terms, parts: Parts, weighting: Weighting
    ) -> Differences:
        used, categories = parts.within(first.where), self.first.by_category
        before = self.first.once(
            (metric.name, weighting, used), lambda: _linearised(first, used, categories, weighting)
        )
        after = _linearised(second, used, categories, weighting)
        known = np.isfinite(before.value) & np.isfinite(after.value)
        each = after.values.less(before.values)
        if not known[used.n_items > 0].all():
            each = Values(np.where(used.samples.each(known), each.each, 0.0), used.clusters)
        span = metric.range[1] - metric.range[0]
        means = Means(each, used.samples, np.maximum(before.unit, after.unit), span=span)
        reasons = [
            "" if fine else self._reason(int(items), *values)
            for fine, items, *values in zip(known, used.n_items, before.value, after.value, strict=True)
        ]
        return Differences(before.value, after.value, means, used, reasons)

    def _reason(self, items: int, *values: float) -> str:
        """Why there is no difference of a part."""
        if not items:
            return NO_ITEMS_FOR_IT if self.n_items else NO_COMMON_ITEMS
        missing = (side for side, value in zip(_SIDES, values, strict=True) if not math.isfinite(value))
        return UNDEFINED_IN.format(" and in ".join(missing))


def _linearised(side: Terms, used: Parts, categories: Parts, weighting: Weighting) -> Linearised:
    if weighting == "items":
        return side.linearised(used)
    inside = categories.within(used.chosen)
    one = side.linearised(inside)
    # Each item's deviation weighs as its category does; the mean stays the value.
    present = inside.n_items > 0
    weights = inside.n_items.sum() / np.maximum(present.sum() * inside.n_items, 1)
    value = one.value[present].mean() if present.any() else math.nan
    unit = np.max(one.unit * weights, where=present, initial=1.0)
    added = np.zeros(len(used.number))
    if math.isfinite(value):
        own, weight = (inside.samples.each(np.where(present, each, 0.0)) for each in (one.value, weights))
        added = used.clusters.only(value + (one.values.each - own) * weight)
    return Linearised(np.array([value]), Values(added, used.clusters), np.array([unit]), np.array([unit]))


_SIDES = ("the first", "the second")

OTHER_ITEMS = "not all were asked the same items"


def less(mine: Difference, others: Sequence[tuple[Difference, float]]) -> Difference:
    """A difference less a weighted sum of others, item by item.

    Args:
        mine: What is looked at.
        others: Differences of the same metric with their weights, above 0.

    Returns:
        ``before`` is the weighted sum, ``after`` what ``mine`` is. Undefined if one of them is, or if not all are of
        the same items.
    """
    for one in (mine, *(other for other, _ in others)):
        if one.contributions is None:
            return Difference(None, None, None, mine.used, one.reason)
        if not np.array_equal(one.used, mine.used):
            return Difference(None, None, None, mine.used, OTHER_ITEMS)
    assert mine.contributions is not None
    values = mine.contributions.values.copy()
    summed, unit = 0.0, mine.contributions.unit
    for other, weight in others:
        assert other.contributions is not None
        values -= weight * other.contributions.values
        summed += weight * other.contributions.mean
        unit = max(unit, other.contributions.unit)
    whole = Contributions(values, mine.contributions.clusters, unit=unit, span=mine.contributions.span)
    return Difference(summed, mine.contributions.mean, whole, mine.used)


def put_beside(first: PerItem, second: PerItem) -> Beside:
    """Take the items that both were asked.

    Args:
        first: Counts of one variant, or pairs.
        second: The same of another, made with the same items table.

    Raises:
        ValueError: If the two were made with different categories.
    """
    if first.categories != second.categories:
        raise ValueError("counts of two different sets of items")
    if np.array_equal(first.item, second.item):
        return Beside(first, second, 0, 0)
    ours, theirs = np.isin(first.item, second.item), np.isin(second.item, first.item)
    return Beside(first.select(ours), second.select(theirs), int((~ours).sum()), int((~theirs).sum()))
