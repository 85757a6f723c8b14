"""Means of items that resemble each other within clusters: standard error, interval, test.

Everything takes *contributions*: numbers per item whose mean is the estimate. For a paired difference of a share, an
item's contribution is its own difference. The argument, and how often the interval fails, is in
``docs/design/evidence.md``. How it is computed, of one mean as of many at once, is in ``samples.py``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from secateur.statistics import samples
from secateur.statistics.samples import DRAWS, Clusters, Means, Values


@dataclass(frozen=True)
class Contributions:
    """What each item adds to an estimate.

    Args:
        values: Per item; their mean is the estimate. Shape [n_items].
        clusters: Of the items.
        unit: As in ``Means``, likewise the next two.
        span: See unit.
        between: See unit.

    Raises:
        ValueError: If there is no item, or a value is not finite.
    """

    values: NDArray[np.float64]
    clusters: Clusters
    unit: float = 1.0
    span: float = 1.0
    between: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if not len(self.values) or len(self.values) != self.clusters.n_items:
            raise ValueError(f"{len(self.values)} values, {self.clusters.n_items} items in clusters")
        self.alone  # noqa: B018, which looks at the values

    @cached_property
    def alone(self) -> Means:
        """The same as the only mean."""
        samples, unit = self.clusters.alone, np.array([self.unit], np.float64)
        return Means(Values(self.values, self.clusters), samples, unit, span=self.span, between=self.between)

    @property
    def negated(self) -> Self:
        """The same of the other sign."""
        between = None if self.between is None else (-self.between[1], -self.between[0])
        return replace(self, values=-self.values, between=between)

    @property
    def mean(self) -> float:
        """The estimate."""
        return float(self.alone.mean[0])

    @property
    def sums(self) -> NDArray[np.float64]:
        """Sum per cluster. Shape [n_clusters]."""
        return self.alone.values.sums


@dataclass(frozen=True)
class StandardError:
    """A standard error and how well it is known.

    Args:
        value: In units of the estimate; 0 where no two clusters differ.
        df: Degrees of freedom of Student's t, at least 1.
    """

    value: float
    df: float


def cr2(contributions: Contributions) -> StandardError | None:
    """Cluster-robust standard error of a mean, unbiased where clusters are alike; ``None`` with fewer than two.

    Bell and McCaffrey 2002, Survey Methodology 28:169-181 ("bias reduced linearization", CR2), which for a mean is
    sum_c (S_c - n_c mean)^2 / (1 - n_c / n) / n^2.
    """
    error = float(samples.standard_errors(contributions.alone)[0])
    return None if math.isnan(error) else StandardError(error, contributions.clusters.degrees)


def clustered_interval(contributions: Contributions, *, level: float = 0.95) -> tuple[float, float] | None:
    """Interval for what such clusters would give on average; ``None`` with fewer than two clusters.

    The union of two. Student's t with the standard error of :func:`cr2`; and, for changes so rare that this error
    cannot be trusted, the interval of Korn and Graubard (1998, Survey Methodology 24:193-201) of what was gained
    and of what was lost, put together by square-and-add with the correlation of the two. In the second the design
    effect is not believed to be below that of ``ICC`` while few clusters have changed. Never of zero width: where
    nothing changed it is an exact bound, for changes of one ``unit``.

    A share (``between``) is neither gained nor lost: it has Korn and Graubard's interval alone, with the same belief
    while few clusters are unlike the rest, so for rates near 0 and near 1 alike.

    Args:
        contributions: Per item.
        level: Two-sided, between 0 and 1; for a one-sided bound at 0.95 ask for 0.90.

    Returns:
        Low and high, within -span..span or ``between``, around the mean.

    Raises:
        ValueError: If the level is not between 0 and 1.
    """
    low, high = samples.intervals(contributions.alone, level)
    return None if math.isnan(low[0]) else (float(low[0]), float(high[0]))


def sign_flip(contributions: Contributions, *, draws: int = DRAWS) -> float:
    """Two-sided p-value for a mean of 0: how often sums of clusters, each with a sign at random, are as far from 0.

    Exact where each cluster's sum is as likely to be as it is as with the other sign. Goes through all signs with up
    to ``EXACT_CLUSTERS`` clusters that are not zero. Else signs are drawn, always the same for so many clusters, until
    ``ENOUGH`` sums are as far (Besag and Clifford 1991, Biometrika 78:301-304). Fisher 1935, The Design of Experiments,
    section 21, with clusters as units.

    Args:
        contributions: Per item.
        draws: So many signs are drawn at most, rounded up to whole batches of 4,096; the smallest p is 1 / (their
            number + 1). It is told after the first batch where a bound says that p is no larger. For Holm's correction
            over 180 comparisons p must be able to be below 0.0003.

    Returns:
        Above 0, at most 1; 1 where all clusters are zero.
    """
    return samples.sign_flip(contributions.sums, draws=draws)


def p_above(contributions: Contributions, threshold: float, *, precision: float = 1e-4) -> float | None:
    """One-sided p-value for an estimate above a threshold: the smallest alpha at which the lower bound is above it.

    The bound at alpha is the lower end of :func:`clustered_interval` at level 1 - 2 alpha, so test and interval agree.

    Args:
        contributions: Per item.
        threshold: In units of the estimate.
        precision: Of the p-value, as a share of it.

    Returns:
        1e-12..0.5; 0.5 where even the estimate is not above; ``None`` with fewer than two clusters.
    """
    if contributions.clusters.n_clusters < 2:
        return None
    once = np.ones(1, np.bool_)
    return float(samples.p_beyond(contributions.alone, threshold, above=once, precision=precision)[0])


def clustered_p(contributions: Contributions) -> float | None:
    """Two-sided p-value for a mean of 0: that of :func:`sign_flip`, and never below what the interval allows.

    Flipping signs takes for granted that a cluster's sum is as likely to be as it is as with the other sign. Where
    gains are spread and losses lie in few clusters that is not so, and then p can be far too small; the interval,
    which looks at gains and losses apart, is not fooled (docs/statistics.md).

    Returns:
        Above 0, at most 1; ``None`` with fewer than two clusters.
    """
    p = float(samples.p_values(contributions.alone)[0])
    return None if math.isnan(p) else p
