"""Verdicts on a difference against a margin that was fixed beforehand."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

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
