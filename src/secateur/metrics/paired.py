"""A metric of one variant beside the same metric of another, item by item."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from secateur.metrics.counts import PerItem, clusters_of
from secateur.metrics.metric import Metric
from secateur.metrics.terms import Linearised, Terms
from secateur.statistics.clustered import Clusters, Contributions

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
        sides = [_terms(counts, metric) for counts in (self.first, self.second)]
        used = sides[0].where if chosen is None else sides[0].where & chosen
        if not used.any():
            return Difference(None, None, None, used, NO_ITEMS_FOR_IT if self.n_items else NO_COMMON_ITEMS)
        if weighting == "categories":
            found = [_by_category(side, used, self.first.category) for side in sides]
        else:
            # One dense model stands beside many variants.
            key = (metric.name, np.packbits(used).tobytes())
            found = [self.first.once(key, lambda: sides[0].linearised(used)), sides[1].linearised(used)]
        values, additions = [one.value for one in found], [one.additions for one in found]
        unit = max(one.unit for one in found)
        before, after = (value if math.isfinite(value) else None for value in values)
        if before is None or after is None:
            which = " and in ".join(name for name, value in zip(_SIDES, (before, after), strict=True) if value is None)
            return Difference(before, after, None, used, UNDEFINED_IN.format(which))
        each = additions[1] - additions[0]
        span = metric.range[1] - metric.range[0]
        return Difference(before, after, Contributions(each, self.clusters_of(used), unit=unit, span=span), used)

    def clusters_of(self, used: NDArray[np.bool_]) -> Clusters:
        """Clusters of some items. Shapes: used [n_items]."""
        return clusters_of(self.first.cluster[used])


def _terms(counts: PerItem, metric: Metric) -> Terms:
    make = metric.terms
    assert make is not None
    return counts.once(metric.name, lambda: make(counts))


def _by_category(side: Terms, used: NDArray[np.bool_], category: NDArray[np.int64]) -> Linearised:
    """The mean over categories of each one's own value. Shapes: used [n_items], category [n_items]."""
    present = np.unique(category[used])
    value, unit, added = 0.0, 1.0, np.zeros(len(used))
    for number in present:
        inside = used & (category == number)
        one = side.linearised(inside)
        value += one.value / len(present)
        # Each item's deviation weighs as its category does; the mean stays the value.
        weight = int(used.sum()) / (len(present) * int(inside.sum()))
        added[inside] = (one.additions - one.value) * weight
        unit = max(unit, one.unit * weight)
    return Linearised(value, value + added[used], unit, unit)


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
