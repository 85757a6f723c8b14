"""What a planned comparison can decide: the smallest margin that it is likely to settle."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import special

from secateur.statistics.samples import ICC, Clusters

POWER = 0.8
"""Chance that a comparison of two models that do not differ is settled."""


def detectable_margin(
    clusters: Clusters, changed: float, *, alpha: float = 0.05, power: float = POWER, icc: float = ICC
) -> float | None:
    """Smallest margin against which no change at all is likely to be found *equivalent*; ``None`` with one cluster.

    About three standard errors: Student's quantile at ``alpha``, and the normal one for both sides to hold with
    ``power``. The standard error is that of a paired difference of a share if so many answers change, as many one way
    as the other, in clusters that resemble themselves as ``icc`` says. Never below the bound that is left where
    nothing changes at all, which is that of :func:`clustered_interval`.

    Args:
        clusters: Of the items that are to be asked.
        changed: Share of items whose answer changes, 0..1.
        alpha: One-sided error rate.
        power: Between 0 and 1.
        icc: Intraclass correlation of what changes.
    """
    if clusters.n_clusters < 2:
        return None
    n = clusters.n_items
    effect = design_effect(clusters.sizes, icc)
    error = math.sqrt(changed * effect / n)
    factor = float(special.stdtrit(clusters.degrees, 1 - alpha) + special.ndtri((1 + power) / 2))
    nothing = -math.expm1(math.log(alpha) / (n / design_effect(clusters.sizes, ICC)))
    return max(factor * error, nothing)


def design_effect(sizes: NDArray[np.float64], icc: float) -> float:
    """By how much a mean varies more than one of as many independent items. Kish 1965, Survey Sampling, section 5.4.

    Args:
        sizes: Items per cluster. Shape [n_clusters].
        icc: Intraclass correlation, 0..1.
    """
    return 1 + icc * (float((sizes**2).sum()) / float(sizes.sum()) - 1)
