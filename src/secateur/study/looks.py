"""A few looks while templates are being asked: which items each has, and what it may spend. Fixed beforehand.

Templates are drawn whole, because they are the sample. Per category they stand in an order that is a hash of what they
ask, so it looks random, is the same everywhere, and knows nothing of answers; look k of K has k/K of each category's,
so categories keep their weights.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from secateur.identity import digest
from secateur.items.item import Item, ItemSet
from secateur.statistics.detectable import design_effect
from secateur.statistics.group_sequential import LEAST, nominal_levels, repeated_p, spent
from secateur.statistics.samples import ICC
from secateur.study.policy import Criterion, LabelCriterion, PerplexityCriterion, Policy

FEWEST_TEMPLATES = 10
"""Clusters below which nothing is decided about other templates: bounds would rest on assumptions alone."""

ALL_ITEMS = frozenset(
    {
        "accuracy",
        "flips",
        "letter_mass",
        "letter_share_a",
        "letter_share_b",
        "letter_share_c",
        "nonfinite_share",
        "tie_share",
        "unparsed_share",
    }
)
"""Metrics that items without roles count in."""

_POLARITY = {"group_preference_neg": "neg", "group_preference_nonneg": "nonneg"}


@dataclass(frozen=True)
class Look:
    """One look, as one criterion knows it.

    Args:
        number: From 1.
        of: How many are planned.
        information: Part of the final information at each look up to this one at which the criterion is judged.
        alpha: One-sided error rate over all looks.
    """

    number: int
    of: int
    information: tuple[float, ...]
    alpha: float

    @cached_property
    def nominal(self) -> float:
        """One-sided level at which the criterion is judged now."""
        return nominal_levels(self.information, self.alpha)[-1]

    def repeated(self, p: float | None) -> float | None:
        """A p-value of this look alone -> one for having looked before, too."""
        return None if p is None else repeated_p(self.information, p)


@dataclass(frozen=True)
class Looks:
    """All looks of one criterion.

    Args:
        clusters: Of its items, asked by each look. [n_looks]
        information: Part of the final information that is in at each look, up to 1. [n_looks]
        judged: Whether the criterion is judged then; the last is. [n_looks]
        alpha: One-sided error rate over all looks.
    """

    clusters: tuple[int, ...]
    information: tuple[float, ...]
    judged: tuple[bool, ...]
    alpha: float

    def at(self, number: int) -> Look | None:
        """The look with this number, from 1; ``None`` if the criterion is not judged then and spends nothing."""
        if not self.judged[number - 1]:
            return None
        by_now = zip(self.information[:number], self.judged, strict=False)
        return Look(number, len(self.clusters), tuple(dict.fromkeys(part for part, used in by_now if used)), self.alpha)

    @property
    def last(self) -> float:
        """One-sided level of the last look: what the earlier ones have left of alpha."""
        look = self.at(len(self.clusters))
        assert look is not None
        return look.nominal


def plan_looks(policy: Policy, items: ItemSet) -> dict[str, Looks]:
    """What every criterion about answers is judged at, known before anything is asked.

    A criterion is not judged while fewer than ten of its templates were asked, or while it may spend next to nothing;
    what it does not spend is there at the next look.

    Args:
        policy: About templates.
        items: All that it names.

    Returns:
        By name; criteria whose data are whole at the first look are not in it.
    """
    parts = [items_at(items, number, policy.looks) for number in range(1, policy.looks + 1)]
    found = {}
    for name, criterion in policy.criteria.items():
        if isinstance(criterion, PerplexityCriterion | LabelCriterion):
            continue
        sizes = [list(cluster_sizes(items_of(criterion, part)).values()) for part in parts]
        found[name] = looks_at(sizes, policy.alpha)
    return found


def looks_at(sizes: Sequence[Sequence[float]], alpha: float) -> Looks:
    """The looks of a criterion whose clusters have these sizes at each look.

    Args:
        sizes: Of the clusters asked by then; each look has those of the ones before. [n_looks][n_clusters]
        alpha: One-sided error rate over all looks.
    """
    information = [_information(np.array(one, np.float64)) for one in sizes]
    whole = information[-1]
    parts = [one / whole if whole else 1.0 for one in information]
    judged, before = [], 0.0
    for part, one in zip(parts, sizes, strict=True):
        spends = spent(part, alpha) - (spent(before, alpha) if before else 0.0) if part else 0.0
        unchanged = part == before > 0
        judged.append(bool(unchanged or part == 1 or (len(one) >= FEWEST_TEMPLATES and spends >= LEAST)))
        before = part if judged[-1] else before
    return Looks(tuple(map(len, sizes)), tuple(parts), tuple(judged), alpha)


def _information(sizes: NDArray[np.float64]) -> float:
    """Variance of the sum over clusters in units of an item's, if they resemble themselves as ``ICC`` says.

    Sums of clusters are independent, so this is the time scale in which a mean's test statistics have independent
    increments, whatever the sizes. Clusters of equal size: their number, up to a factor. Shapes: sizes [n_clusters].
    """
    return float(sizes.sum()) * design_effect(sizes, ICC) if len(sizes) else 0.0


def items_at(items: ItemSet, number: int, of: int) -> ItemSet:
    """The items of the templates asked by look ``number``, from 1; a later look's have all of an earlier one's."""
    by_category: dict[str, dict[str, set[tuple[str, str]]]] = {}
    for item in items:
        asks = by_category.setdefault(item.category, {}).setdefault(item.cluster, set())
        asks.add((item.question_index, item.question))
    chosen = set()
    for category, clusters in by_category.items():
        hashes = {
            name: digest("template", [items.benchmark, category, *map(list, sorted(asks))])
            for name, asks in clusters.items()
        }
        n = clusters_by(number, of, len(hashes))
        chosen |= {(category, name) for name in sorted(hashes, key=hashes.__getitem__)[:n]}
    return replace(items, items=tuple(item for item in items if (item.category, item.cluster) in chosen))


def clusters_by(number: int, of: int, n_clusters: int) -> int:
    """Clusters of a category that are asked by a look: its share to the nearest, and at least one."""
    return max((2 * number * n_clusters + of) // (2 * of), 1)


def items_of(criterion: Criterion, items: Iterable[Item], metric: str | None = None) -> list[Item]:
    """The items that a criterion about answers is over, for one of its metrics or for any of them."""
    assert not isinstance(criterion, PerplexityCriterion | LabelCriterion)
    metrics = criterion.metrics if metric is None else (metric,)
    return [
        item
        for item in items
        if item.condition.value == criterion.condition
        and criterion.category in (None, item.category)
        and any(
            (item.has_roles or name in ALL_ITEMS) and item.polarity.value == _POLARITY.get(name, item.polarity.value)
            for name in metrics
        )
    ]


def cluster_sizes(items: Iterable[Item]) -> dict[str, int]:
    """Items per cluster."""
    sizes: dict[str, int] = {}
    for item in items:
        name = f"{item.category}\0{item.cluster}"
        sizes[name] = sizes.get(name, 0) + 1
    return sizes
