"""Means of several samples of clusters at once.

A table looks at all items and at each category of them, and nearly all that it needs of a metric are sums over
clusters, worked out once. :mod:`secateur.statistics.clustered` says what the numbers are, and asks this for one mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import special

from secateur.randomness import Domain, stream

Floats = NDArray[np.float64]

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


@dataclass(frozen=True, eq=False)
class Clusters:
    """Which items resemble each other.

    Args:
        place: Of each item, the number of its cluster: 0 .. n - 1, each there at least once. Shape [n_items].
        chosen: Which of the items count; all if ``None``. Shape [n_items].
    """

    place: NDArray[np.int64]
    chosen: NDArray[np.bool_] | None = None

    @classmethod
    def of(cls, names: NDArray[Any]) -> Self:
        """From a name or number per item. Shape [n_items]."""
        return cls(np.unique(names, return_inverse=True)[1])

    @cached_property
    def n(self) -> int:
        """Number of clusters, those included of which no item counts."""
        return int(self.place.max(initial=-1)) + 1

    @cached_property
    def sizes(self) -> Floats:
        """Items per cluster. Shape [n]."""
        place = self.place if self.chosen is None else self.place[self.chosen]
        sizes: Floats = np.bincount(place, minlength=self.n).astype(np.float64)
        return sizes

    @cached_property
    def alone(self) -> Samples:
        """The clusters as one sample."""
        return Samples(self, np.zeros(self.n, np.int64), 1)

    @property
    def n_items(self) -> int:
        """Number of items."""
        return int(self.alone.n_items[0])

    @property
    def n_clusters(self) -> int:
        """Number of clusters with an item."""
        return int(self.alone.n_clusters[0])

    @property
    def effective(self) -> float:
        """How many clusters of equal size carry as much: (sum n)^2 / sum n^2 (Kish)."""
        return float(self.alone.effective[0])

    @property
    def degrees(self) -> float:
        """Degrees of freedom of a mean's standard error, as ``Samples.degrees``."""
        return float(self.alone.degrees[0])

    def only(self, values: NDArray[Any]) -> NDArray[Any]:
        """The values, all finite, of items that count, and 0 of others. Shapes: values [n_items] -> [n_items]."""
        return values if self._kept is None else values * self._kept

    def sums(self, values: NDArray[Any]) -> Floats:
        """Sum per cluster of values that are 0 where nothing counts. Shapes: values [n_items] -> [n]."""
        if self._starts is not None:
            return np.add.reduceat(values, self._starts, dtype=np.float64)
        return np.asarray(np.bincount(self.place, weights=values, minlength=self.n), np.float64)

    def largest(self, values: Floats) -> Floats:
        """Largest value per cluster, at least 0. Shapes: values [n_items] -> [n]."""
        found = np.zeros(self.n)
        np.maximum.at(found, self.place, values)
        return found

    def each(self, of_clusters: Floats) -> Floats:
        """Its cluster's number for each item. Shapes: of_clusters [n] -> [n_items]."""
        if self._starts is not None:
            return np.repeat(of_clusters, self._lengths)
        return of_clusters[self.place]

    @cached_property
    def _kept(self) -> Floats | None:
        return None if self.chosen is None else self.chosen.astype(np.float64)

    @cached_property
    def _lengths(self) -> NDArray[np.int64]:
        return np.bincount(self.place, minlength=self.n)

    @cached_property
    def _starts(self) -> NDArray[np.intp] | None:
        """Where each cluster starts, if its items stand together, in the order of the clusters."""
        starts = np.flatnonzero(np.diff(self.place, prepend=-1))
        return starts if np.array_equal(self.place[starts], np.arange(self.n)) else None


class Values:
    """A number per item, and what is summed of it over clusters.

    Args:
        each: 0 of items that are not chosen. Shape [n_items].
        clusters: The clusters.
    """

    def __init__(self, each: Floats, clusters: Clusters) -> None:
        self.each = each
        self.clusters = clusters
        self._less: tuple[Values, Values] | None = None

    @cached_property
    def sums(self) -> Floats:
        """Shape [n_clusters]."""
        return self.clusters.sums(self.each)

    @cached_property
    def squares(self) -> Floats:
        """Sums of squares. Shape [n_clusters]."""
        return self.clusters.sums(np.square(self.each))

    @cached_property
    def gains(self) -> tuple[Floats, Floats]:
        """Sums of what is above 0, and of the squares of that. Shape [n_clusters] each."""
        gain = np.maximum(self.each, 0.0)
        return self.clusters.sums(gain), self.clusters.sums(np.square(gain))

    @cached_property
    def largest(self) -> Floats:
        """Largest distance from 0. Shape [n_clusters]."""
        return self.clusters.largest(np.abs(self.each))

    @cached_property
    def peak(self) -> float:
        """The largest of all."""
        return max(float(self.each.max(initial=0.0)), -float(self.each.min(initial=0.0)))

    def less(self, other: Values) -> Values:
        """These less others of the same items, worked out once for the same."""
        if self._less is None or self._less[0] is not other:
            self._less = other, Values(self.each - other.each, self.clusters)
        return self._less[1]


@dataclass(frozen=True, eq=False)
class Samples:
    """Samples of clusters, none of which is in two.

    Args:
        clusters: The clusters.
        sample: Of each cluster, the number of its sample. Shape [n_clusters].
        n: Number of samples, of which some can be empty.
    """

    clusters: Clusters
    sample: NDArray[np.int64]
    n: int

    @property
    def sizes(self) -> Floats:
        """Items per cluster. Shape [n_clusters]."""
        return self.clusters.sizes

    @cached_property
    def n_items(self) -> Floats:
        """Items per sample. Shape [n]."""
        return self.totals(self.sizes)

    @cached_property
    def n_clusters(self) -> NDArray[np.int64]:
        """Clusters with an item, per sample. Shape [n]."""
        return np.bincount(self.sample[self.sizes > 0], minlength=self.n)

    @cached_property
    def squared_sizes(self) -> Floats:
        """Sum of the squared sizes of each sample's clusters. Shape [n]."""
        return self.totals(self.sizes**2)

    @cached_property
    def effective(self) -> Floats:
        """How many clusters of equal size carry as much (Kish). Shape [n]."""
        return self.alike(self.sizes)

    @cached_property
    def degrees(self) -> Floats:
        """Degrees of freedom of each mean's standard error, at least 1. Shape [n].

        Satterthwaite's, the smaller of those for independent items and for clusters whose items are all alike.
        """
        sizes = [self.sizes[(self.sample == number) & (self.sizes > 0)] for number in range(self.n)]
        return np.array(
            [min(_degrees(one, one), _degrees(one, one**2)) if len(one) > 1 else 1.0 for one in sizes], np.float64
        )

    @cached_property
    def student(self) -> _Student:
        """What is known of the variances of these samples' means."""
        return _Student(self.degrees, self.n_items)

    @cached_property
    def weights(self) -> Floats:
        """Items per sample, to divide by: 1 where there is none. Shape [n]."""
        return np.maximum(self.n_items, 1.0)

    @cached_property
    def shares(self) -> Floats:
        """Share of the sample's items that each cluster has. Shape [n_clusters]."""
        return self.sizes / self.weights[self.sample]

    @cached_property
    def rests(self) -> Floats:
        """What is left of the sample without each cluster, 1 where that is nothing. Shape [n_clusters]."""
        rests: Floats = 1 - self.shares
        rests[rests == 0] = 1.0
        return rests

    def totals(self, of_clusters: Floats) -> Floats:
        """Sum per sample. Shapes: of_clusters [n_clusters] -> [n]."""
        return np.asarray(np.bincount(self.sample, weights=of_clusters, minlength=self.n), np.float64)

    def alike(self, of_clusters: Floats) -> Floats:
        """How many equal clusters carry as much: (sum x)^2 / sum x^2 (Kish), 0 where all are 0.

        Shapes: of_clusters [n_clusters], none below 0 -> [n].
        """
        totals, squares = self.totals(of_clusters), self.totals(of_clusters**2)
        return np.divide(totals**2, squares, out=np.zeros(self.n), where=squares > 0)

    def each(self, of_samples: NDArray[Any]) -> NDArray[Any]:
        """Its sample's number for each item. Shapes: of_samples [n] -> [n_items]."""
        return self.clusters.each(of_samples[self.sample])


@dataclass(frozen=True, eq=False)
class Means:
    """What each item adds to the estimate of its sample.

    Args:
        values: Per item; their mean over a sample is its estimate.
        samples: Of the clusters of these.
        unit: What one item adds if its answer changes wholly: 1 for a share. Shape [n].
        span: The largest absolute value that an estimate can have.
        between: For a share, and for a score that is one stretched, the two values between which it lies; ``None`` for
            a difference, and for a score of what speaks for and what against.

    Raises:
        ValueError: If a value is not finite.
    """

    values: Values
    samples: Samples
    unit: Floats
    span: float = 1.0
    between: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if not np.isfinite(self.mean).all():  # one that is not makes the mean so
            raise ValueError("contributions are finite")

    @cached_property
    def mean(self) -> Floats:
        """The estimates; 0 of an empty sample. Shape [n]."""
        return self.samples.totals(self.values.sums) / self.samples.weights

    @cached_property
    def ends(self) -> _Ends:
        """Their intervals at any level."""
        spread = _gained_less_lost(self) if self.between is None else _of_shares(self, self.between)
        return _Ends(self.mean, self.span, self.between, spread, self.samples.n_clusters < 2)


def standard_errors(means: Means) -> Floats:
    """Each mean's cluster-robust standard error, as ``clustered.cr2``; NaN with fewer than two clusters. Shape [n]."""
    return np.where(means.samples.n_clusters < 2, np.nan, np.sqrt(_variances(means.values.sums, means.samples)))


def intervals(means: Means, level: float | Floats) -> tuple[Floats, Floats]:
    """Interval of each mean, as ``clustered.clustered_interval``; NaN with fewer than two clusters.

    Args:
        means: Of several samples.
        level: Two-sided, between 0 and 1; one, or of each sample. Shape [] or [n].

    Returns:
        Lower and upper ends. Shape [n] each.

    Raises:
        ValueError: If a level is not between 0 and 1.
    """
    if not np.all((level > 0) & (level < 1)):
        raise ValueError(f"a level lies between 0 and 1, not at {level}")
    return means.ends.at(level)


def p_values(means: Means) -> Floats:
    """Each mean's two-sided p-value, as ``clustered.clustered_p``; NaN with fewer than two clusters. Shape [n]."""
    samples = means.samples
    sums = means.values.sums
    p = np.array([sign_flip(sums[samples.sample == number]) for number in range(samples.n)], np.float64)
    p[samples.n_clusters < 2] = np.nan
    asked = np.flatnonzero(p <= _LOOK_BELOW)
    if len(asked):
        # Where the interval excludes zero at p already, there is nothing to search.
        ends = means.ends.only(asked)
        asked = asked[~ends.beyond(0.0, ends.mean > 0, p[asked] / 2)]
    if len(asked):
        ends = means.ends.only(asked)
        allowed = _searched(ends, 0.0, ends.mean > 0, precision=0.05, excluded=p[asked] / 2)
        p[asked] = np.minimum(np.maximum(p[asked], 2 * allowed), 1.0)
    return p


def p_beyond(means: Means, threshold: float, *, above: NDArray[np.bool_], precision: float) -> Floats:
    """Each mean's one-sided p-value for lying beyond a threshold, as ``clustered.p_above``. Shape [n].

    Args:
        means: Of several samples; one of fewer than two clusters has 0.5.
        threshold: In units of the estimates.
        above: Whether above it is meant, else below. Shape [n].
        precision: Of the p-value, as a share of it.
    """
    return _searched(means.ends, threshold, above, precision=precision)


def _searched(
    ends: _Ends, threshold: float, above: NDArray[np.bool_], *, precision: float, excluded: Floats | None = None
) -> Floats:
    """The smallest alpha at which one-sided bounds lie beyond a threshold, 0.5 where none does. Shape [n].

    Args:
        ends: Of the means.
        threshold: As in ``p_beyond``, likewise ``above`` and ``precision``.
        above: See threshold.
        precision: See threshold.
        excluded: An alpha that is known to be too small. Shape [n].
    """
    high = np.full(len(above), 0.5 - _NARROWEST)
    outside = np.where(above, ends.mean > threshold, ends.mean < threshold)
    outside &= ends.beyond(threshold, above, high)
    if excluded is None:
        low = np.full(len(above), _SMALLEST)
        least = outside & ends.beyond(threshold, above, low)
    else:
        low, least = np.where(outside, excluded, high), np.zeros_like(outside)
    searched = outside & ~least
    high = np.where(least, low, np.where(outside, high, 0.5))
    while (open_ := searched & (high / low > 1 + precision)).any():
        middle = np.sqrt(low * high)
        found = ends.beyond(threshold, above, middle)
        high, low = np.where(open_ & found, middle, high), np.where(open_ & ~found, middle, low)
    return high


def sign_flip(sums: Floats, *, draws: int = DRAWS) -> float:
    """As ``clustered.sign_flip``, from the sums of one sample's clusters. Shapes: sums [n_clusters]."""
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
    least = least_p(draws)
    for batch in range(_batches(draws)):
        totals = np.zeros(_BATCH, np.float32)
        for start in range(0, len(single), _BLOCK):
            part = single[start : start + _BLOCK]
            totals += _signs(batch, start)[:, : len(part)] @ part
        as_far += int(np.count_nonzero(np.abs(totals) >= seen - 1e-5 * size))
        drawn += _BATCH
        if as_far >= ENOUGH:
            return as_far / drawn
        if not as_far and not batch and _at_most(sums, seen - 1e-5 * size) <= least:
            return least
    return (1 + as_far) / (drawn + 1)


def least_p(draws: int = DRAWS) -> float:
    """The smallest p-value of :func:`sign_flip` where signs are drawn."""
    return 1 / (_batches(draws) * _BATCH + 1)


def _batches(draws: int) -> int:
    return -(-draws // _BATCH)


def _at_most(sums: Floats, far: float) -> float:
    """How often, at most, sums with signs at random are as far from 0. Shapes: sums [n_clusters], none 0.

    Chernoff 1952, Annals of Mathematical Statistics 23:493-507.
    """
    rates = far / np.square(sums).sum() * _RATES
    scaled = np.abs(sums) * rates[:, None]
    each = np.logaddexp(scaled, -scaled) - np.log(2)  # the logarithms of hyperbolic cosines
    return float(2 * np.exp((each.sum(axis=1) - rates * far).min()))


# Far below what a first look of several may spend, and what Holm asks for after it.
_SMALLEST = 1e-12
# At levels below, quantiles of t are lost in rounding.
_NARROWEST = 1e-6
_LOOK_BELOW = 0.2
_BATCH, _BLOCK = 4096, 64
_RATES = np.geomspace(1, 8, 10)  # any gives a bound; 1 is best where the sums are not far, more where they are


# In blocks of clusters, so that all numbers of clusters share them.
@lru_cache(maxsize=128)
def _signs(batch: int, start: int) -> NDArray[np.float32]:
    """Signs at random for the clusters from ``start`` on. Shape [_BATCH, _BLOCK]."""
    drawn = stream(Domain.SIGN_FLIP, 0, batch, start).integers(0, 2, size=(_BATCH, _BLOCK), dtype=np.int8)
    return (2 * drawn - 1).astype(np.float32)


def _variances(sums: Floats, samples: Samples) -> Floats:
    """Of each mean, CR2. Shapes: sums [n_clusters] -> [n]."""
    deviations = sums - samples.shares * samples.totals(sums)[samples.sample]
    return samples.totals(deviations**2 / samples.rests) / samples.weights**2


def _degrees(sizes: Floats, variances: Floats) -> float:
    """Satterthwaite's degrees of freedom of a sample's variance if cluster sums have these variances.

    Shapes: sizes [n_clusters], variances [n_clusters].
    """
    n = sizes.sum()
    cross = np.outer(sizes, variances) / n
    covariance = np.diag(variances) - cross - cross.T + np.outer(sizes, sizes) * variances.sum() / n**2
    weights = 1 / np.sqrt(1 - sizes / n)
    covariance *= np.outer(weights, weights)
    return float(max(np.trace(covariance) ** 2 / (covariance**2).sum(), 1.0))


class _Student:
    """Degrees of freedom, and what follows from them at a level.

    Args:
        degrees: Of the standard error of each mean. Shape [n].
        n_items: Items behind it. Shape [n].
    """

    def __init__(self, degrees: Floats, n_items: Floats) -> None:
        self._degrees = degrees
        self._n_items = n_items
        self._known: dict[float, tuple[Floats, Floats]] = {}

    def at(self, level: float | Floats) -> tuple[Floats, Floats]:
        """What a variance that is only estimated costs. Shapes: level [] or [n] -> [n] each.

        Returns:
            Student's quantiles, that a mean lies within so many standard errors; and by how much fewer items count.
        """
        if not isinstance(level, float):
            return self._worked_out(level)
        if level not in self._known:
            self._known[level] = self._worked_out(level)
        return self._known[level]

    def only(self, which: NDArray[Any]) -> _Student:
        """Of some means. Shapes: which [some]."""
        return _Student(self._degrees[which], self._n_items[which])

    def _worked_out(self, level: float | Floats) -> tuple[Floats, Floats]:
        p = (1 + level) / 2
        quantiles: Floats = special.stdtrit(self._degrees, p)
        p = np.maximum(p, 0.5 + _NARROWEST)
        of_items = special.stdtrit(np.maximum(self._n_items - 1, 1), p)
        return quantiles, np.square(of_items / special.stdtrit(self._degrees, p))


@dataclass(frozen=True)
class _Rates:
    """Means of 0..1 with the effective numbers of items behind them. Shapes: [n] each.

    Args:
        share: The means.
        items: Effective numbers, not yet less for the few degrees of freedom of their variances.
        estimated: Whether ``items`` rests on an estimated variance.
        most: Items that these cannot be more than.
        student: Of the samples.
    """

    share: Floats
    items: Floats
    estimated: NDArray[np.bool_]
    most: Floats
    student: _Student

    def ends(self, level: float | Floats) -> tuple[Floats, Floats]:
        """Clopper and Pearson's intervals for the effective numbers of items (Korn and Graubard 1998)."""
        alpha = (1 - level) / 2
        shrink = self.student.at(level)[1]
        items = np.where(self.estimated, np.maximum(np.minimum(self.items * shrink, self.most), 1e-6), self.items)
        hits, share = self.share * items, self.share
        low, high = np.zeros(len(share)), np.ones(len(share))
        special.betaincinv(hits, items - hits + 1, alpha, out=low, where=share > 0)
        special.betaincinv(hits + 1, items - hits, 1 - alpha, out=high, where=share < 1)
        return np.minimum(low, share), np.maximum(high, share)

    def only(self, which: NDArray[Any], student: _Student) -> _Rates:
        """Of some samples, which have this. Shapes: which [some]."""
        return _Rates(self.share[which], self.items[which], self.estimated[which], self.most[which], student)


@dataclass(frozen=True)
class _Balances:
    """What was gained less what was lost. Shapes: [n] each.

    Args:
        gained: Of ``scale``.
        lost: Likewise.
        together: Correlation of the two.
        scale: What both are shares of.
        mean: The estimates.
        error: Of the estimates.
    """

    gained: _Rates
    lost: _Rates
    together: Floats
    scale: Floats
    mean: Floats
    error: Floats

    @property
    def student(self) -> _Student:
        """Of the samples."""
        return self.gained.student

    def ends(self, level: float | Floats) -> tuple[Floats, Floats]:
        """The union of Student's t and square-and-add of the two rates (Zou and Donner 2008)."""
        gained, lost = self.gained.ends(level), self.lost.ends(level)
        up = _square_and_add(gained[1] - self.gained.share, self.lost.share - lost[0], self.together)
        down = _square_and_add(self.gained.share - gained[0], lost[1] - self.lost.share, self.together)
        share = self.gained.share - self.lost.share
        half = self.student.at(level)[0] * self.error
        low, high = self.scale * (share - down), self.scale * (share + up)
        return np.minimum(self.mean - half, low), np.maximum(self.mean + half, high)

    def only(self, which: NDArray[Any], student: _Student) -> _Balances:
        """As of ``_Rates``."""
        gained, lost = self.gained.only(which, student), self.lost.only(which, student)
        arrays = (self.together, self.scale, self.mean, self.error)
        return _Balances(gained, lost, *(array[which] for array in arrays))


@dataclass(frozen=True)
class _Ends:
    """Intervals of some means at any level. Shapes: mean, alone [n].

    Args:
        mean: The estimates.
        span: As in ``Means``, likewise ``between``.
        between: See span.
        spread: What the intervals are made of.
        alone: Whether there are fewer than two clusters.
    """

    mean: Floats
    span: float
    between: tuple[float, float] | None
    spread: _Rates | _Balances
    alone: NDArray[np.bool_]

    def at(self, level: float | Floats) -> tuple[Floats, Floats]:
        """Lower and upper ends, as of :func:`intervals`."""
        mean = self.mean
        low, high = self.spread.ends(level)
        if self.between is None:
            # A mean over categories of 1 each can be 1 and a bit. Rounding must not leave the mean outside.
            span = np.maximum(self.span, np.abs(mean))
            low, high = np.maximum(np.minimum(low, mean), -span), np.minimum(np.maximum(high, mean), span)
        else:
            least, most = self.between
            low, high = (least + (most - least) * end for end in (low, high))
            low, high = np.minimum(low, mean), np.maximum(high, mean)
        return np.where(self.alone, np.nan, low), np.where(self.alone, np.nan, high)

    def beyond(self, threshold: float, above: NDArray[np.bool_], alpha: Floats) -> NDArray[np.bool_]:
        """Whether the one-sided bounds of error alpha lie beyond a threshold. Shapes: above, alpha [n] -> [n]."""
        low, high = self.at(1 - 2 * alpha)
        return np.where(above, low > threshold, high < threshold)

    def only(self, which: NDArray[Any]) -> _Ends:
        """Of some of the means. Shapes: which [some]."""
        spread = self.spread.only(which, self.spread.student.only(which))
        return _Ends(self.mean[which], self.span, self.between, spread, self.alone[which])


_ROUNDING = 1e-14
"""Below it a share is none, and items whose variance it is do not differ."""

_ALIKE = 1e-12
"""Squared deviations that are so small a part of what they are the difference of are none."""


def _gained_less_lost(means: Means) -> _Balances:
    samples, values, scale = means.samples, means.values, means.unit
    if values.peak > scale.min(initial=np.inf):
        scale = scale.copy()
        np.maximum.at(scale, samples.sample, values.largest)
    to = scale[samples.sample]
    up, up_squares = values.gains
    gained = _without_rounding(samples, up / to, up_squares / to**2)
    lost = _without_rounding(samples, (up - values.sums) / to, (values.squares - up_squares) / to**2)
    together = _correlations(samples, gained[0], lost[0])
    errors = np.sqrt(_variances(values.sums, samples))
    return _Balances(_rates(*gained, samples), _rates(*lost, samples), together, scale, means.mean, errors)


def _without_rounding(samples: Samples, sums: Floats, squares: Floats) -> tuple[Floats, Floats]:
    """What is left of changes that cancel is no change. Shapes: sums, squares [n_clusters]."""
    kept = (samples.totals(sums) > _ROUNDING * samples.weights)[samples.sample]
    return sums * kept, squares * kept


def _of_shares(means: Means, between: tuple[float, float]) -> _Rates:
    samples, values, (least, most) = means.samples, means.values, between
    width, sizes = most - least, samples.sizes
    sums, squares = values.sums, values.squares
    if (least, width) != (0.0, 1.0):
        squares = (squares - least * (2 * sums - least * sizes)) / width**2
        sums = (sums - least * sizes) / width
    return _rates(sums, squares, samples, unit=np.maximum(means.unit / width, 1.0), by_spread=True)


def _rates(
    sums: Floats, squares: Floats, samples: Samples, *, unit: float | Floats = 1.0, by_spread: bool = False
) -> _Rates:
    """What Korn and Graubard's intervals of means of 0..1 rest on.

    Args:
        sums: Per cluster. Shape [n_clusters].
        squares: Sums of squares. Shape [n_clusters].
        samples: Of the clusters.
        unit: The most that one item can move by. Shape [] or [n].
        by_spread: Whether a cluster has as much of what is rare as its items are unlike the mean; else, its sum.
    """
    n = samples.weights
    share = np.minimum(np.maximum(samples.totals(sums) / n, 0.0), 1.0)
    share[share < _ROUNDING] = 0.0
    middle = share[samples.sample]
    unlike = squares - middle * (2 * sums - middle * samples.sizes)
    unlike[unlike <= _ALIKE * (squares + middle**2 * samples.sizes)] = 0.0
    changed = np.maximum(samples.alike(unlike if by_spread else sums), 1.0)
    believed = 1 + ICC * (samples.squared_sizes / n - 1) * np.minimum(1.0, FEW_CLUSTERS / changed)
    variance = np.maximum(_variances(sums, samples), believed * samples.totals(unlike) / n**2)
    estimated = variance > _ROUNDING / n
    items = n / (believed * unit)
    np.divide(share * (1 - share), variance, out=items, where=estimated)
    return _Rates(share, items, estimated, n / unit, samples.student)


def _correlations(samples: Samples, first: Floats, second: Floats) -> Floats:
    """Of two means each, from their sums per cluster; 0 where one does not vary. Shapes: [n_clusters] each -> [n]."""
    weights = 1 / np.sqrt(samples.rests)
    one, other = ((sums - samples.shares * samples.totals(sums)[samples.sample]) * weights for sums in (first, second))
    norms = np.sqrt(samples.totals(one**2) * samples.totals(other**2))
    return np.divide(samples.totals(one * other), norms, out=np.zeros(samples.n), where=norms > 0)


def _square_and_add(first: Floats, second: Floats, correlation: Floats) -> Floats:
    return np.sqrt(np.maximum(first**2 - 2 * correlation * first * second + second**2, 0.0))
