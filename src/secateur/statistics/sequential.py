"""Testing while items are still being asked: a finite list, sampled without replacement, looked at as often as wanted.

By betting (Waudby-Smith and Ramdas 2024, JRSS B 86:1-27, section 5, sampling without replacement): a gambler who bets,
before each item, against "the mean of the whole list is ``mean`` or more" can only by luck become rich where that is
true; the chance of ever multiplying the stake by 1 / alpha is at most alpha (Ville's inequality). So one may stop
whenever enough was won.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MOST = 0.75
"""Share of the stake that a single item can lose at most."""


def evidence_below(values: NDArray[np.float64], n: int, mean: float) -> float:
    """How much a bet against "the mean of all n is ``mean`` or more" has multiplied its stake, at its best so far.

    Args:
        values: Those seen so far, in the random order they were drawn, each 0..1. Shape [n_seen].
        n: How many there are, at least ``n_seen``.
        mean: 0..1.

    Returns:
        At least 1; infinite where what was seen makes it impossible. 1 / alpha or more refutes it at alpha.
    """
    seen = len(values)
    if not 0 <= seen <= n:
        raise ValueError(f"{seen} of {n} values")
    if not seen:
        return 1.0
    sums = np.concatenate([[0.0], np.cumsum(values)])
    if sums[-1] + (n - seen) < n * mean * (1 - 1e-12):
        return float("inf")
    before, left = sums[:-1], n - np.arange(seen)
    needed = (n * mean - before) / left  # mean of what is left, if the hypothesis just holds
    # Guesses of mean and variance from what was seen before each item, with one made-up item at 1/2.
    count = np.arange(1, seen + 1)
    guess = (0.5 + before) / count
    spread = (0.25 + np.concatenate([[0.0], np.cumsum((values - (0.5 + sums[1:]) / (count + 1)) ** 2)])[:-1]) / count
    gap = needed - guess
    bet = np.clip(gap / (spread + gap**2), 0.0, MOST / np.maximum(1 - needed, 1e-9))
    bet[(needed <= 0) | (needed >= 1)] = 0.0
    wealth = np.cumsum(np.log1p(-bet * (values - needed)))
    return float(np.exp(min(max(wealth.max(), 0.0), 700.0)))


def bounds(values: NDArray[np.float64], n: int, *, alpha: float) -> tuple[float, float]:
    """One-sided bounds of a list's mean, each failing with a chance of at most alpha over all looks together.

    Args:
        values: Those seen so far, in random order, each 0..1. Shape [n_seen].
        n: How many there are.
        alpha: Between 0 and 1, for each of the two.

    Returns:
        Low and high, within 0..1; equal once all were seen.
    """
    if len(values) == n:
        return float(values.mean()), float(values.mean())
    high = _largest_standing(values, n, alpha)
    low = 1 - _largest_standing(1 - values, n, alpha)
    middle = float(values.mean()) if len(values) else 0.5
    return min(low, middle), max(high, middle)


def _largest_standing(values: NDArray[np.float64], n: int, alpha: float) -> float:
    """The largest mean that is not refuted from above; refuted means are those above it."""
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if evidence_below(values, n, middle) >= 1 / alpha:
            high = middle
        else:
            low = middle
    return high


_HALVINGS = 20
