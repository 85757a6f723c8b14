"""Tests that take answers as independent: what is usually computed, to stand beside the clustered ones as *naive*."""

from __future__ import annotations

from scipy import special


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
    # Twice the tail less the probability of what was seen is the tail with it and the tail without.
    tails = (special.betainc(n - k, k + 1, 0.5) for k in (seen, seen - 1) if k >= 0)
    return min(1.0, float(sum(tails)))
