"""Tests that take answers as independent: what is usually computed, to stand beside the clustered ones as *naive*."""

from __future__ import annotations

from scipy import stats


def mcnemar_mid_p(gained: int, lost: int) -> float:
    """Two-sided mid-p value of McNemar's test: of pairs that differ, whether as many differ one way as the other.

    Twice the binomial tail at one half, with half of the probability of what was seen taken off. Fagerland, Lydersen
    and Laake 2013, BMC Medical Research Methodology 13:91.

    Args:
        gained: Pairs that have it only afterwards.
        lost: Pairs that had it only before.

    Returns:
        Above 0, at most 1; 1 where no pair differs.
    """
    n = gained + lost
    if n == 0:
        return 1.0
    seen = min(gained, lost)
    return min(1.0, float(2 * stats.binom.cdf(seen, n, 0.5) - stats.binom.pmf(seen, n, 0.5)))
