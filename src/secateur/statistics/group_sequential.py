"""A few looks at data that grow: how much of an error rate each look may spend.

A test looked at several times errs more often than one looked at once. Here the rate alpha is spent bit by bit, as
a function of how much of the data is in (Lan and DeMets 1983, Biometrika 70:659-663), by the function that comes close
to O'Brien and Fleming (1979, Biometrics 35:549-556): next to nothing early, nearly all at the last look. The level left
for each look follows from the joint distribution of its test statistics, sums with independent increments, integrated
look by look (Armitage, McPherson and Rowe 1969, JRSS A 132:235-244). Intervals at these levels are repeated confidence
intervals (Jennison and Turnbull 1989, JRSS B 51:305-361): all of them together hold with the promised chance, so one
may stop at any look, for whatever reason.

Everything is one-sided. ``information`` says, for each look, which part of the variance of the final sum is in: above
0, rising, at most 1; the last look has 1 if the data are complete there.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

LEAST = 1e-6
"""A look that could spend less is none: no tail of a statistic is known so far out."""

LARGEST_ALPHA = 0.5


def spent(information: float, alpha: float) -> float:
    """How much of alpha may be spent by then: 2 - 2 Phi(z / sqrt(information)) with z the quantile at 1 - alpha / 2.

    Args:
        information: Part of it that is in, above 0; from 1 on everything is spent.
        alpha: One-sided error rate over all looks, 0..0.5.
    """
    if information >= 1:
        return alpha
    return float(2 * special.ndtr(special.ndtri(alpha / 2) / np.sqrt(information)))


@lru_cache(maxsize=4096)
def nominal_levels(information: tuple[float, ...], alpha: float) -> tuple[float, ...]:
    """One-sided level of each look, with which all of them together err with a chance of alpha.

    Args:
        information: At each look.
        alpha: One-sided error rate over all looks, above 0, at most 0.5.

    Returns:
        Each above 0 and at most alpha; alpha itself for a single look with everything.

    Raises:
        ValueError: If the information does not rise within 0..1, or alpha is out of range.
    """
    steps = np.diff([0.0, *information])
    if not len(steps) or not (steps > 0).all() or information[-1] > 1:
        raise ValueError(f"information rises within 0 and 1, not as {information}")
    if not 0 < alpha <= LARGEST_ALPHA:
        raise ValueError(f"an error rate lies above 0 and at most at {LARGEST_ALPHA}, not at {alpha}")
    levels = [spent(information[0], alpha)]
    bound = -float(special.ndtri(levels[0])) * information[0] ** 0.5
    nodes, weights = _nodes(bound, information[0])
    inside = weights * _normal(nodes, information[0])  # what has not crossed yet
    for place in range(1, len(information)):
        wanted = spent(information[place], alpha) - spent(information[place - 1], alpha)
        bound = _bound(nodes, inside, float(steps[place]), wanted)
        levels.append(float(special.ndtr(-bound / information[place] ** 0.5)))
        if place + 1 < len(information):
            after, weights = _nodes(bound, information[place])
            inside = weights * (_normal(after[:, None] - nodes, steps[place]) @ inside)
            nodes = after
    return tuple(levels)


def _bound(nodes: NDArray[np.float64], inside: NDArray[np.float64], variance: float, wanted: float) -> float:
    """The sum that is passed with this chance after one more increment. Shapes: nodes, inside [n_nodes]."""

    def excess(bound: float) -> float:
        return float(inside @ special.ndtr((nodes - bound) / variance**0.5)) - wanted

    return float(optimize.brentq(excess, 0.0, _FAR, xtol=1e-12)) if excess(0.0) > 0 else 0.0


def repeated_p(information: tuple[float, ...], p: float) -> float:
    """The smallest alpha at which the last of these looks would reject, whose own one-sided p-value is ``p``.

    Jennison and Turnbull's repeated p-value: at most alpha exactly where the repeated confidence interval lies beyond.
    The chance that it is ever at most alpha, at any look, is at most alpha. So it can be corrected for several tests.

    Args:
        information: At each look up to this one.
        p: 0..1.

    Returns:
        At least p; 1 where no alpha up to 0.5 would do.
    """
    if len(information) == 1 and information[0] >= 1:
        return p
    if p >= nominal_levels(information, LARGEST_ALPHA)[-1]:
        return 1.0
    if p <= nominal_levels(information, _TINY)[-1]:
        return _TINY

    def level(exponent: float) -> float:
        return float(np.log(nominal_levels(information, float(np.exp(exponent)))[-1] / p))

    return float(np.exp(optimize.brentq(level, np.log(_TINY), np.log(LARGEST_ALPHA), xtol=1e-7)))


_TINY = 1e-9
_FAR = 40.0
_NODES = np.polynomial.legendre.leggauss(240)
_TAIL = 9.0
"""Standard deviations below which nothing is integrated."""


def _nodes(bound: float, variance: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where to integrate below a bound, and the weights. Shapes: [n_nodes] each."""
    low = -_TAIL * variance**0.5
    half = (bound - low) / 2
    return low + half * (_NODES[0] + 1), half * _NODES[1]


def _normal(x: NDArray[np.float64], variance: float) -> NDArray[np.float64]:
    """Density around 0. Any shape."""
    density: NDArray[np.float64] = np.exp(-(x**2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)
    return density
