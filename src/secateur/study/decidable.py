"""Whether a study or a policy can decide what it asks, known before anything is asked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from secateur.items.item import Condition, Item, ItemSet
from secateur.statistics.detectable import detectable_margin
from secateur.statistics.samples import Clusters
from secateur.study.looks import items_of, plan_looks
from secateur.study.policy import ChangeCriterion, ExcessCriterion, Policy

CHANGED = (0.01, 0.05, 0.2)
"""Shares of answers that change, for which margins are shown: mild pruning, medium, and strong or sampled answers."""


@dataclass(frozen=True)
class Decidable:
    """What some items can decide.

    Args:
        name: Of the criterion, or what the items are.
        n_items: Items with roles.
        n_clusters: Clusters they belong to.
        effective_clusters: Of equal size.
        margins: Smallest margin that is likely to be settled, for each of ``CHANGED``; ``None`` with one cluster.
        margin: The policy's; ``None`` where there is no policy.
    """

    name: str
    n_items: int
    n_clusters: int
    effective_clusters: float
    margins: tuple[float | None, ...]
    margin: float | None = None

    @property
    def up_to(self) -> float | None:
        """The largest of ``CHANGED`` at which the policy's margin is likely to be settled; ``None`` if at none."""
        settled = [
            share
            for share, least in zip(CHANGED, self.margins, strict=True)
            if least is not None and self.margin is not None and least <= self.margin
        ]
        return max(settled) if settled else None


def decidable_items(items: ItemSet) -> list[Decidable]:
    """Ambiguous items with roles, all together and per category."""
    asked = [item for item in items if item.condition is Condition.AMBIG and item.has_roles]
    categories = sorted({item.category for item in asked})
    parts = [("all", asked)] if asked else []
    if len(categories) > 1:
        parts += [(name, [item for item in asked if item.category == name]) for name in categories]
    return [_of(name, part) for name, part in parts]


def decidable_policy(policy: Policy, items: ItemSet) -> list[Decidable]:
    """Every criterion of a policy that has a margin, at the level that earlier looks leave for the last."""
    found = []
    looks = plan_looks(policy, items) if policy.looks > 1 else {}
    for name, criterion in policy.criteria.items():
        if not isinstance(criterion, ChangeCriterion | ExcessCriterion):
            continue
        alpha = looks[name].last if name in looks else policy.alpha
        parts = []
        for metric in criterion.metrics:
            part = items_of(criterion, items, metric)
            parts.append(_of(name, part, alpha=alpha, margin=criterion.margin, weight=_WEIGHT.get(metric, 1.0)))
        # All cases must hold, so the least decidable counts.
        found.append(max(parts, key=lambda one: one.margins[-1] or float("inf")))
    return found


_WEIGHT = {"diff_bias_disambig": 2.0}
"""How far an item moves a metric that is not a mean over all of them: here each half of the items has its own mean."""


def _of(
    name: str, items: Iterable[Item], *, alpha: float = 0.05, margin: float | None = None, weight: float = 1.0
) -> Decidable:
    names = np.array([f"{item.category}\0{item.cluster}" for item in items])
    if not len(names):
        return Decidable(name, 0, 0, 0.0, (None,) * len(CHANGED), margin)
    clusters = Clusters.of(names)
    each = (detectable_margin(clusters, share, alpha=alpha) for share in CHANGED)
    margins = tuple(None if least is None else weight * least for least in each)
    return Decidable(name, clusters.n_items, clusters.n_clusters, clusters.effective, margins, margin)
