"""Means of items that resemble each other within clusters: standard error, interval, test.

Everything takes *contributions*: numbers per item whose mean is the estimate. For a paired difference of a share, an
item's contribution is its own difference. The argument, and how often the interval fails, is in
``docs/design/evidence.md``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import special

from secateur.randomness import Domain, stream

ICC = 0.1
"""Intraclass correlation below which the interval does not believe one while few clusters have changed. About what
design effects of paired differences on BBQ's released predictions come to: 10 with 77 items a cluster, 3.7 with 25."""

FEW_CLUSTERS = 20
"""Effective number of clusters with a change, up to which ``ICC`` counts in full; from there its weight falls."""

DRAWS = 99_999
"""Sign flips drawn where they are too many to go through."""

ENOUGH = 200
"""Sums as far from 0 after which no more signs are drawn; p is then known to about 7 % of itself."""

EXACT_CLUSTERS = 16
"""Up to so many clusters that are not zero, all sign flips are gone through."""


@dataclass(frozen=True)
class Clusters:
    """Which items resemble each other.

    Args:
        place: Of each item, the number of its cluster: 0 .. n_clusters - 1, each there at least once. Shape [n_items].
    """

    place: NDArray[np.int64]

    @classmethod
    def of(cls, names: NDArray[Any]) -> Self:
        """From a name or number per item. Shape [n_items]."""
        return cls(np.unique(names, return_inverse=True)[1])

    @cached_property
    def sizes(self) -> NDArray[np.float64]:
        """Items per cluster. Shape [n_clusters]."""
        return np.bincount(self.place).astype(np.float64)

    @property
    def n_items(self) -> int:
        """Number of items."""
        return len(self.place)

    @property
    def n_clusters(self) -> int:
        """Number of clusters."""
        return len(self.sizes)

    @property
    def effective(self) -> float:
        """How many clusters of equal size carry as much (Kish)."""
        return effective_clusters(self.sizes)

    @cached_property
    def shares(self) -> NDArray[np.float64]:
        """Share of the items that each cluster has. Shape [n_clusters]."""
        return np.asarray(self.sizes / self.n_items)

    @cached_property
    def squares(self) -> float:
        """Sum of the squared sizes."""
        return float((self.sizes**2).sum())

    def sums(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum per cluster. Shapes: values [n_items] -> [n_clusters]."""
        return np.bincount(self.place, weights=values, minlength=self.n_clusters).astype(np.float64)

    @cached_property
    def degrees(self) -> float:
        """Degrees of freedom of a mean's standard error, at least 1.

        Satterthwaite's, the smaller of those for independent items and for clusters whose items are all alike.
        """
        return min(_degrees(self.sizes, self.sizes), _degrees(self.sizes, self.sizes**2))


def effective_clusters(sizes: NDArray[np.float64]) -> float:
    """How many clusters of equal size carry as much: (sum n)^2 / sum n^2 (Kish). 0 where all are 0.

    Shapes: sizes [n_clusters], none below 0.
    """
    total = float(sizes.sum())
    return total * total / float((sizes**2).sum()) if total else 0.0


@dataclass(frozen=True)
class Contributions:
    """What each item adds to an estimate.

    Args:
        values: Per item; their mean is the estimate. Shape [n_items].
        clusters: Of the items.
        unit: What one item adds if its answer changes wholly: 1 for a share.
        span: The largest absolute value that the estimate can have.
        between: For a share, and for a score that is one stretched, the two values between which it lies; ``None`` for
            a difference, and for a score of what speaks for and what against.

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
        if not math.isfinite(self.mean):  # one that is not makes the mean so
            raise ValueError("contributions are finite")

    @property
    def negated(self) -> Self:
        """The same of the other sign."""
        between = None if self.between is None else (-self.between[1], -self.between[0])
        return replace(self, values=-self.values, between=between)

    @cached_property
    def mean(self) -> float:
        """The estimate."""
        return float(self.values.sum()) / len(self.values)

    @cached_property
    def sums(self) -> NDArray[np.float64]:
        """Sum per cluster. Shape [n_clusters]."""
        return self.clusters.sums(self.values)

    @cached_property
    def _spread(self) -> _Rate | _Balance:
        """What its interval at any level is made of."""
        if self.between is None:
            return _gained_less_lost(self)
        return _of_share(self, self.between)


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
    clusters = contributions.clusters
    if clusters.n_clusters < 2:
        return None
    return StandardError(math.sqrt(_variance(contributions.sums, clusters)), clusters.degrees)


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
    if not 0 < level < 1:
        raise ValueError(f"a level lies between 0 and 1, not at {level}")
    if contributions.clusters.n_clusters < 2:
        return None
    mean = contributions.mean
    if contributions.between is not None:
        least, most = contributions.between
        low, high = (least + (most - least) * end for end in contributions._spread.ends(level))
        return min(low, mean), max(high, mean)
    span = max(contributions.span, abs(mean))  # a mean over categories of 1 each can be 1 and a bit
    low, high = contributions._spread.ends(level)
    # Rounding must not leave the mean outside.
    return max(min(low, mean), -span), min(max(high, mean), span)


def sign_flip(contributions: Contributions, *, draws: int = DRAWS) -> float:
    """Two-sided p-value for a mean of 0: how often sums of clusters, each with a sign at random, are as far from 0.

    Exact where each cluster's sum is as likely to be as it is as with the other sign. Goes through all signs with up
    to ``EXACT_CLUSTERS`` clusters that are not zero. Else signs are drawn, always the same for so many clusters, until
    ``ENOUGH`` sums are as far (Besag and Clifford 1991, Biometrika 78:301-304). Fisher 1935, The Design of Experiments,
    section 21, with clusters as units.

    Args:
        contributions: Per item.
        draws: At most so many signs are drawn, in whole batches; the smallest p is 1 / (draws + 1). For Holm's
            correction over 180 comparisons p must be able to be below 0.0003.

    Returns:
        Above 0, at most 1; 1 where all clusters are zero.
    """
    sums = contributions.sums
    sums = sums[np.abs(sums) > 1e-12]
    if not len(sums):
        return 1.0
    # Sums are rounded, and what is equal must count as equal, also where plus and minus nearly cancel.
    seen, size = abs(float(sums.sum())), float(np.abs(sums).sum())
    if len(sums) <= EXACT_CLUSTERS:
        totals = np.zeros(1)
        for value in sums[1:]:
            totals = np.concatenate([totals + value, totals - value])
        return float((np.abs(totals + sums[0]) >= seen - 1e-12 * size).mean())
    as_far = drawn = 0
    single = sums.astype(np.float32)
    for batch in range(-(-draws // _BATCH)):
        totals = np.zeros(_BATCH, np.float32)
        for start in range(0, len(single), _BLOCK):
            part = single[start : start + _BLOCK]
            totals += _signs(batch, start)[:, : len(part)] @ part
        as_far += int(np.count_nonzero(np.abs(totals) >= seen - 1e-5 * size))
        drawn += _BATCH
        if as_far >= ENOUGH:
            return as_far / drawn
    return (1 + as_far) / (drawn + 1)


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

    def above(alpha: float) -> bool:
        interval = clustered_interval(contributions, level=1 - 2 * alpha)
        return interval is not None and interval[0] > threshold

    low, high = _SMALLEST, 0.5 - _NARROWEST
    if contributions.mean <= threshold or not above(high):
        return 0.5
    if above(low):
        return low
    while high / low > 1 + precision:
        middle = (low * high) ** 0.5
        low, high = (low, middle) if above(middle) else (middle, high)
    return high


def clustered_p(contributions: Contributions) -> float | None:
    """Two-sided p-value for a mean of 0: that of :func:`sign_flip`, and never below what the interval allows.

    Flipping signs takes for granted that a cluster's sum is as likely to be as it is as with the other sign. Where
    gains are spread and losses lie in few clusters that is not so, and then p can be far too small; the interval,
    which looks at gains and losses apart, is not fooled (docs/statistics.md).

    Returns:
        Above 0, at most 1; ``None`` with fewer than two clusters.
    """
    if contributions.clusters.n_clusters < 2:
        return None
    p = sign_flip(contributions)
    if p > _LOOK_BELOW:
        return p
    side = contributions if contributions.mean > 0 else contributions.negated
    allowed = p_above(side, 0.0, precision=0.05)
    return p if allowed is None else min(max(p, 2 * allowed), 1.0)


# Far below what a first look of several may spend, and what Holm asks for after it.
_SMALLEST = 1e-12
# At levels below, quantiles of t are lost in rounding.
_NARROWEST = 1e-6
_LOOK_BELOW = 0.2
_BATCH, _BLOCK = 4096, 64


# In blocks of clusters, so that all numbers of clusters share them.
@lru_cache(maxsize=128)
def _signs(batch: int, start: int) -> NDArray[np.float32]:
    """Signs at random for the clusters from ``start`` on. Shape [_BATCH, _BLOCK]."""
    drawn = stream(Domain.SIGN_FLIP, 0, batch, start).integers(0, 2, size=(_BATCH, _BLOCK), dtype=np.int8)
    return (2 * drawn - 1).astype(np.float32)


def _variance(sums: NDArray[np.float64], clusters: Clusters) -> float:
    """Of a mean, CR2. Shapes: sums [n_clusters]."""
    scores = (sums - clusters.shares * sums.sum()) / clusters.n_items
    return float((scores**2 / (1 - clusters.shares)).sum())


def _degrees(sizes: NDArray[np.float64], variances: NDArray[np.float64]) -> float:
    """Satterthwaite's degrees of freedom of :func:`_variance` if cluster sums have these variances.

    Shapes: sizes [n_clusters], variances [n_clusters].
    """
    n = sizes.sum()
    cross = np.outer(sizes, variances) / n
    covariance = np.diag(variances) - cross - cross.T + np.outer(sizes, sizes) * variances.sum() / n**2
    weights = 1 / np.sqrt(1 - sizes / n)
    covariance *= np.outer(weights, weights)
    return float(max(np.trace(covariance) ** 2 / (covariance**2).sum(), 1.0))


@dataclass(frozen=True)
class _Rate:
    """A mean of 0..1 with the effective number of items behind it.

    Args:
        share: The mean.
        items: Effective number, not yet less for the few degrees of freedom of its variance.
        most: Items that it cannot be more than; ``None`` where ``items`` does not rest on an estimated variance.
        n: Items.
        df: Degrees of freedom of the variance.
    """

    share: float
    items: float
    most: float | None
    n: int
    df: float

    def ends(self, level: float) -> tuple[float, float]:
        """Clopper and Pearson's interval for the effective number of items (Korn and Graubard 1998)."""
        alpha, items = (1 - level) / 2, self.items
        if self.most is not None:
            p = max(1 - alpha, 0.5 + _NARROWEST)
            shrink = _t_quantile(max(self.n - 1, 1), p) / _t_quantile(self.df, p)
            items = max(min(items * shrink**2, self.most), 1e-6)
        hits = self.share * items
        low = float(special.betaincinv(hits, items - hits + 1, alpha)) if self.share > 0 else 0.0
        high = float(special.betaincinv(hits + 1, items - hits, 1 - alpha)) if self.share < 1 else 1.0
        return min(low, self.share), max(high, self.share)


@dataclass(frozen=True)
class _Balance:
    """What was gained less what was lost.

    Args:
        gained: Of ``scale``.
        lost: Likewise.
        together: Correlation of the two.
        scale: What both are shares of.
        mean: The estimate.
        error: Of the estimate.
    """

    gained: _Rate
    lost: _Rate
    together: float
    scale: float
    mean: float
    error: StandardError

    def ends(self, level: float) -> tuple[float, float]:
        """The union of Student's t and square-and-add of the two rates (Zou and Donner 2008)."""
        gained, lost = self.gained.ends(level), self.lost.ends(level)
        up = _square_and_add(gained[1] - self.gained.share, self.lost.share - lost[0], self.together)
        down = _square_and_add(self.gained.share - gained[0], lost[1] - self.lost.share, self.together)
        share = self.gained.share - self.lost.share
        half = _t_quantile(self.error.df, (1 + level) / 2) * self.error.value
        return min(self.mean - half, self.scale * (share - down)), max(self.mean + half, self.scale * (share + up))


# The same few degrees of freedom and levels come again and again.
@lru_cache(maxsize=4096)
def _t_quantile(df: float, p: float) -> float:
    return float(special.stdtrit(df, p))


_ROUNDING = 1e-14
"""Below it a share is none, and items whose variance it is do not differ."""


def _gained_less_lost(contributions: Contributions) -> _Balance:
    clusters, values = contributions.clusters, contributions.values
    error = cr2(contributions)
    assert error is not None
    scale = max(contributions.unit, float(values.max()), -float(values.min()))
    scaled = values / scale
    gain = np.maximum(scaled, 0)
    parts = [gain, gain - scaled]
    sums = [clusters.sums(part) for part in parts]
    gained, lost = (_rate(part, summed, clusters) for part, summed in zip(parts, sums, strict=True))
    return _Balance(gained, lost, _correlation(clusters, *sums), scale, contributions.mean, error)


def _of_share(contributions: Contributions, between: tuple[float, float]) -> _Rate:
    least, width = between[0], between[1] - between[0]
    clusters, mean = contributions.clusters, contributions.mean
    part = contributions.values if (least, width) == (0.0, 1.0) else (contributions.values - least) / width
    deviations = np.square(part - (mean - least) / width)
    deviations[deviations <= _ROUNDING] = 0.0
    unlike = clusters.sums(deviations)
    unit = max(contributions.unit / width, 1.0)
    return _rate(part, clusters.sums(part), clusters, unlike=unlike, unit=unit)


def _rate(
    part: NDArray[np.float64],
    sums: NDArray[np.float64],
    clusters: Clusters,
    *,
    unlike: NDArray[np.float64] | None = None,
    unit: float = 1.0,
) -> _Rate:
    """What Korn and Graubard's interval of a mean rests on.

    Args:
        part: Mean 0..1. Shape [n_items].
        sums: Of it. Shape [n_clusters].
        clusters: Of the items.
        unlike: How much each cluster has of what is rare; its sum of ``part`` if ``None``. Shape [n_clusters].
        unit: The most that one item can move ``part``.
    """
    n = clusters.n_items
    share = min(max(float(sums.sum()) / n, 0.0), 1.0)
    if share < _ROUNDING:  # what is left of changes that cancel is no change
        share = 0.0
    changed = max(effective_clusters(sums if unlike is None else unlike), 1.0)
    believed = 1 + ICC * (clusters.squares / n - 1) * min(1.0, FEW_CLUSTERS / changed)
    # Not by BLAS, whose threads cost more here than they save, and many times as much beside other work.
    independent = float(np.square(part).sum()) / n**2 - share**2 / n
    variance = max(_variance(sums, clusters), believed * independent)
    if variance > _ROUNDING / n:
        return _Rate(share, share * (1 - share) / variance, n / unit, n, clusters.degrees)
    return _Rate(share, n / (believed * unit), None, n, clusters.degrees)


def _correlation(clusters: Clusters, first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Of two means, from their sums per cluster; 0 where one does not vary. Shapes: [n_clusters] each."""
    weights = 1 / np.sqrt(1 - clusters.shares)
    scores = [(sums - clusters.shares * sums.sum()) * weights for sums in (first, second)]
    norm = math.sqrt(float(scores[0] @ scores[0]) * float(scores[1] @ scores[1]))
    return float(scores[0] @ scores[1]) / norm if norm > 0 else 0.0


def _square_and_add(first: float, second: float, correlation: float) -> float:
    return math.sqrt(max(first**2 - 2 * correlation * first * second + second**2, 0.0))
