"""Differences at the same damage: what a variant changed beside what another way to the same KL would have changed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from secateur.metrics.paired import Difference, less

BEYOND = "its KL is beyond the last point of the curve that can be read"


@dataclass(frozen=True)
class Point:
    """A variant on a curve of one method or placebo.

    Args:
        name: Which variant.
        kl: KL(dense || variant), nats per token, at least 0.
        level: How much was done: a strength or a sparsity.
    """

    name: str
    kl: float
    level: float


@dataclass(frozen=True)
class Place:
    """A place on a curve between two of its points.

    Args:
        weights: Variant -> its share of the place, above 0. What is missing to 1 is dense's share.
        level: Between those of the points, as a power of KL; from dense on, in proportion to sqrt(KL).
    """

    weights: Mapping[str, float]
    level: float


def place_at(curve: Sequence[Point], kl: float) -> Place | None:
    """Where a curve has this KL, along straight lines in sqrt(KL) from dense on; ``None`` beyond its last point.

    Args:
        curve: In any order; points whose KL is not finite are passed over.
        kl: At least 0, finite.
    """
    damage = math.sqrt(kl)
    before: Point | None = None
    for point in sorted((one for one in curve if math.isfinite(one.kl)), key=lambda one: one.kl):
        reached = math.sqrt(point.kl)
        if reached < damage:
            before = point
            continue
        start = math.sqrt(before.kl) if before else 0.0
        share = (damage - start) / (reached - start) if reached > start else 1.0
        shares = [(before, 1 - share), (point, share)]
        weights = {one.name: weight for one, weight in shares if one is not None and weight > 0}
        return Place(weights, _level_between(before, point, kl, share))
    return None


def _level_between(before: Point | None, after: Point, kl: float, share: float) -> float:
    if before is None or before.kl == 0:
        return share * after.level
    along = math.log(kl / before.kl) / math.log(after.kl / before.kl)
    return float(before.level * (after.level / before.level) ** along)


def averaged(places: Sequence[Place]) -> Place:
    """The mean of places on several curves, such as those of several seeds; at least one."""
    weights: dict[str, float] = {}
    for place in places:
        for name, weight in place.weights.items():
            weights[name] = weights.get(name, 0.0) + weight / len(places)
    return Place(weights, sum(place.level for place in places) / len(places))


def beyond_match(changes: Mapping[str, Difference], own: str, place: Place) -> Difference:
    """What a variant changed from dense beyond what is changed at a place of a curve.

    Args:
        changes: Variant -> its difference from dense in one metric, of the variant and of all that the place rests on.
        own: Which variant.
        place: On the other curve.

    Returns:
        ``before`` is the change at the place, ``after`` the variant's own. Undefined if one of them is, or if not all
        were asked the same items.
    """
    return less(changes[own], [(changes[name], weight) for name, weight in place.weights.items()])
