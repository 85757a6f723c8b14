"""A metric of one variant: its value, its clustered interval and what it was made from.

Tables and a gate's limits take theirs from here, so that both tell the same numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from secateur.metrics.counts import NO_INTERVAL, NO_ROLES, PerItem, clusters_of, count_distinct
from secateur.metrics.terms import Terms
from secateur.statistics.clustered import Clusters, Contributions, clustered_interval
from secateur.statistics.estimate import Estimate

CLUSTERED_SHARE = "clustered: Korn-Graubard with CR2"
CLUSTERED_SCORE = "clustered: CR2 with t, or Korn-Graubard where rare"
ONE_CLUSTER = "all items are of one cluster, so nothing is known of others"


@dataclass(frozen=True)
class Single:
    """A metric of one variant.

    Args:
        estimate: With its interval for templates like those of the items.
        contributions: What each item adds to the value; ``None`` where that is undefined.
    """

    estimate: Estimate
    contributions: Contributions | None


def single(counted: PerItem, terms_of: Callable[[Any], Terms], *, level: float = 0.95) -> Single:
    """A metric over all given items that it is over.

    The interval is that of :func:`clustered_interval`, within the metric's range. There is none, and a note, where
    all items are of one cluster.

    Args:
        counted: Counts of one variant, or pairs, of the items in question.
        terms_of: The metric's ``terms``.
        level: Of the two-sided interval.
    """
    terms = terms_of(counted)
    if not terms.where.any():
        return _undefined(counted, _nothing(counted, terms), level)
    one = terms.linearised(terms.where)
    if not math.isfinite(one.value):
        return _undefined(counted.select(terms.where), terms.empty, level)
    clusters = _clusters(counted, terms.where)
    least, most = terms.range
    contributions = Contributions(
        one.additions,
        clusters,
        unit=one.unit if terms.share else one.side,
        span=max(abs(least), abs(most)),
        between=terms.range if terms.share else None,
    )
    interval = clustered_interval(contributions, level=level)
    value = min(max(one.value, least), most)
    estimate = Estimate(
        value,
        None if interval is None else min(max(interval[0], least), value),
        None if interval is None else max(min(interval[1], most), value),
        level,
        NO_INTERVAL if interval is None else CLUSTERED_SHARE if terms.share else CLUSTERED_SCORE,
        *_made_from(counted, terms, clusters),
        note="; ".join(part for part in ("" if interval else ONE_CLUSTER, terms.note, counted.note) if part),
    )
    return Single(estimate, contributions)


def estimated(counted: PerItem, terms_of: Callable[[Any], Terms], *, level: float) -> Estimate:
    """As :func:`single`, the estimate alone: what a metric's function returns."""
    return single(counted, terms_of, level=level).estimate


def _clusters(counted: PerItem, where: NDArray[np.bool_]) -> Clusters:
    """Of the items that a metric is over; nearly always all, or those with roles."""
    if where.all():
        return counted.clusters
    if np.array_equal(where, counted.has_roles):
        return counted.with_roles().clusters
    return clusters_of(counted.cluster[where])


def _made_from(counted: PerItem, terms: Terms, clusters: Clusters) -> tuple[int, int, int]:
    """Items, answers and clusters behind a value."""
    if terms.rows is None:
        n_rows = counted.n_rows if clusters.n_items == counted.n_items else int(counted.rows[terms.where].sum())
        return clusters.n_items, n_rows, clusters.n_clusters
    rows = terms.rows if clusters.n_items == counted.n_items else terms.rows[terms.where]
    kept = rows > 0
    n_clusters = clusters.n_clusters if kept.all() else count_distinct(clusters.place[kept])
    return int(np.count_nonzero(kept)), int(rows.sum()), n_clusters


def _nothing(counted: PerItem, terms: Terms) -> str:
    if not counted.n_items:
        return counted.nothing
    return terms.empty if counted.has_roles.any() else NO_ROLES


def _undefined(counted: PerItem, reason: str, level: float) -> Single:
    origin = (counted.n_items, counted.n_rows, counted.n_clusters)
    return Single(Estimate(None, None, None, level, NO_INTERVAL, *origin, note=reason), None)
