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

from secateur.metrics.counts import NO_INTERVAL, NO_ROLES, PerItem
from secateur.metrics.parts import Parts, clusters_of, or_none
from secateur.metrics.terms import Terms, said
from secateur.statistics.clustered import Contributions
from secateur.statistics.estimate import Estimate
from secateur.statistics.samples import Means, intervals

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

    The interval is that of ``clustered_interval``, within the metric's range. There is none, and a note, where
    all items are of one cluster.

    Args:
        counted: Counts of one variant, or pairs, of the items in question.
        terms_of: The metric's ``terms``.
        level: Of the two-sided interval.
    """
    terms = terms_of(counted)
    (estimate,), means = _work_out(counted, terms, counted.whole, level)
    if not estimate.defined:
        return Single(estimate, None)
    values, clusters = means.values.each[terms.where], clusters_of(counted.cluster[terms.where])
    unit = float(means.unit[0])
    return Single(estimate, Contributions(values, clusters, unit=unit, span=means.span, between=means.between))


def estimated(counted: PerItem, terms_of: Callable[[Any], Terms], *, level: float) -> Estimate:
    """As :func:`single`, the estimate alone: what a metric's function returns."""
    return estimates(counted, terms_of(counted), counted.whole, level=level)[0]


def estimates(counted: PerItem, terms: Terms, parts: Parts, *, level: float) -> list[Estimate]:
    """As :func:`single`, the estimate of every part.

    Args:
        counted: Counts of one variant, or pairs.
        terms: The metric's, of these.
        parts: Of these items.
        level: Of the two-sided intervals.
    """
    return _work_out(counted, terms, parts, level)[0]


def _work_out(counted: PerItem, terms: Terms, parts: Parts, level: float) -> tuple[list[Estimate], Means]:
    within = parts.within(terms.where)
    one = terms.linearised(within)
    least, most = terms.range
    means = Means(
        one.values,
        within.samples,
        one.unit if terms.share else one.side,
        span=max(abs(least), abs(most)),
        between=terms.range if terms.share else None,
    )
    values = np.clip(one.value, least, most)
    low, high = intervals(means, level)
    ends = or_none(np.clip(low, least, values)), or_none(np.clip(high, values, most))
    method = CLUSTERED_SHARE if terms.share else CLUSTERED_SCORE
    found = []
    made_from = _made_from(counted, terms, within)
    for part, (value, n_items, n_rows, n_clusters) in enumerate(zip(values.tolist(), *made_from, strict=True)):
        if math.isnan(value):
            found.append(_undefined(counted, terms, parts, part, level))
            continue
        alone = ends[0][part] is None
        notes = (ONE_CLUSTER if alone else "", said(terms.note, parts.items_of(part)), counted.note)
        how = NO_INTERVAL if alone else method
        note = "; ".join(filter(None, notes))
        found.append(Estimate(value, ends[0][part], ends[1][part], level, how, n_items, n_rows, n_clusters, note=note))
    return found, means


def _made_from(counted: PerItem, terms: Terms, within: Parts) -> tuple[list[int], list[int], list[int]]:
    """Items, answers and clusters behind the value of each part."""
    samples = within.samples
    if terms.rows is None:
        rows = counted.once(("rows", within), lambda: _whole(within.total(counted.rows)))
        return within.n_items.tolist(), rows, samples.n_clusters.tolist()
    kept = within.clusters.sums(within.clusters.only(terms.rows > 0))
    n_clusters = samples.totals((kept > 0).astype(np.float64))
    return _whole(samples.totals(kept)), _whole(within.total(terms.rows)), _whole(n_clusters)


def _whole(numbers: NDArray[np.float64]) -> list[int]:
    whole: list[int] = numbers.astype(np.int64).tolist()
    return whole


def _undefined(counted: PerItem, terms: Terms, parts: Parts, part: int, level: float) -> Estimate:
    """Without a value, and why: of no items that the metric is over, or of these."""
    asked = parts.items_of(part)
    used = asked & terms.where
    if used.any():
        items, why = used, said(terms.empty, asked)
    elif not asked.any():
        items, why = asked, counted.nothing
    else:
        items, why = asked, said(terms.empty, asked) if counted.has_roles[asked].any() else NO_ROLES
    n_clusters = clusters_of(counted.cluster[items]).n_clusters
    n_rows = int(counted.rows[items].sum())
    return Estimate(None, None, None, level, NO_INTERVAL, int(items.sum()), n_rows, n_clusters, note=why)
