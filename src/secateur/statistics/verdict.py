"""Verdicts on a difference against a margin that was fixed beforehand."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from secateur.statistics.clustered import Contributions, clustered_interval
from secateur.statistics.estimate import Estimate


class Verdict(StrEnum):
    """What can be said of a difference; a positive difference is a change for the worse."""

    EQUIVALENT = "equivalent"
    """The whole interval is within the margin on both sides."""
    WORSE = "worse"
    """The whole interval is above the margin."""
    BETTER = "better"
    """The whole interval is below minus the margin."""
    INCONCLUSIVE = "inconclusive"
    """None of these: the interval crosses the margin."""


@dataclass(frozen=True)
class Judgement:
    """A verdict and what it rests on.

    Args:
        verdict: See :class:`Verdict`.
        margin: Largest difference that does not matter, above 0, in units of the estimate.
        changed: Whether 0 is outside the interval: equivalent, and all the same not unchanged.
        reason: Why nothing could be judged; else empty.
    """

    verdict: Verdict
    margin: float
    changed: bool
    reason: str = ""


def judge(estimate: Estimate, margin: float) -> Judgement:
    """Judge a difference whose positive side is the worse one.

    With an interval of level 0.90 *equivalent* is the test of Schuirmann (1987, Journal of Pharmacokinetics and
    Biopharmaceutics 15:657-680) at 0.05: two one-sided tests.

    Args:
        estimate: The difference with its two-sided interval.
        margin: Above 0.

    Raises:
        ValueError: If the margin is not above 0.
    """
    if not margin > 0:
        raise ValueError(f"a margin is above 0, not {margin}")
    if estimate.low is None or estimate.high is None:
        return Judgement(Verdict.INCONCLUSIVE, margin, changed=False, reason=estimate.note or "no interval")
    changed = estimate.low > 0 or estimate.high < 0
    if estimate.low > margin:
        return Judgement(Verdict.WORSE, margin, changed)
    if estimate.high < -margin:
        return Judgement(Verdict.BETTER, margin, changed)
    if -margin < estimate.low and estimate.high < margin:
        return Judgement(Verdict.EQUIVALENT, margin, changed)
    return Judgement(Verdict.INCONCLUSIVE, margin, changed)


def p_above(contributions: Contributions, threshold: float) -> float | None:
    """One-sided p-value for an estimate above a threshold: the smallest alpha at which the lower bound is above it.

    The bound at alpha is the lower end of the clustered interval of level 1 - 2 alpha, so test and interval agree.

    Returns:
        0..1, to 1e-6; 0.5 where even the estimate is not above; ``None`` with fewer than two clusters.
    """
    if contributions.clusters.n_clusters < 2:
        return None

    def above(alpha: float) -> bool:
        interval = clustered_interval(contributions, level=1 - 2 * alpha)
        return interval is not None and interval[0] > threshold

    low, high = _SMALLEST, 0.5 - _SMALLEST
    if contributions.mean <= threshold or not above(high):
        return 0.5
    if above(low):
        return low
    while high - low > _SMALLEST / 2 and high / low > 1 + 1e-4:
        middle = (low * high) ** 0.5
        low, high = (low, middle) if above(middle) else (middle, high)
    return high


_SMALLEST = 1e-6
