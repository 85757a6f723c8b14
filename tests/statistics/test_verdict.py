"""Verdicts on both sides of every edge."""

import math

import pytest
from scipy import stats

from secateur.statistics.estimate import Estimate
from secateur.statistics.verdict import Judgement, Verdict, judge

MARGIN = 0.02
UP, DOWN = math.nextafter(MARGIN, 1), math.nextafter(MARGIN, 0)


def estimate(low, high, **options):
    middle = None if low is None else (low + high) / 2
    return Estimate(middle, low, high, 0.9, "test", 100, 100, 10, **options)


@pytest.mark.parametrize(
    ("low", "high", "verdict", "changed"),
    [
        (-0.01, 0.01, "equivalent", False),
        (0.001, 0.01, "equivalent", True),
        (-0.01, -0.001, "equivalent", True),
        (0.0, 0.01, "equivalent", False),
        (-0.01, 0.0, "equivalent", False),
        (-DOWN, DOWN, "equivalent", False),
        (-MARGIN, 0.01, "inconclusive", False),
        (-0.01, MARGIN, "inconclusive", False),
        (0.01, 0.03, "inconclusive", True),
        (-0.03, -0.01, "inconclusive", True),
        (-0.05, 0.05, "inconclusive", False),
        (MARGIN, 0.05, "inconclusive", True),
        (UP, 0.05, "worse", True),
        (-0.05, -MARGIN, "inconclusive", True),
        (-0.05, -UP, "better", True),
    ],
)
def test_every_verdict_and_its_edges(low, high, verdict, changed):
    assert judge(estimate(low, high), MARGIN) == Judgement(Verdict(verdict), MARGIN, changed)


@pytest.mark.parametrize("low", [-0.06, -0.03, -0.01, 0.005, 0.025])
def test_turned_differences_have_turned_verdicts(low):
    turned = {Verdict.WORSE: Verdict.BETTER, Verdict.BETTER: Verdict.WORSE}
    found, other = judge(estimate(low, low + 0.01), MARGIN), judge(estimate(-low - 0.01, -low), MARGIN)
    assert other.verdict == turned.get(found.verdict, found.verdict)
    assert other.changed == found.changed


def test_an_undefined_difference_is_inconclusive_and_says_why():
    found = judge(estimate(None, None, note="no item was asked of both"), MARGIN)
    assert found == Judgement(Verdict.INCONCLUSIVE, MARGIN, changed=False, reason="no item was asked of both")


@pytest.mark.parametrize(("note", "reason"), [("all of one cluster", "all of one cluster"), ("", "no interval")])
def test_so_is_one_without_an_interval(note, reason):
    alone = Estimate(0.5, None, None, 0.9, "no interval", 5, 5, 1, note=note)
    assert judge(alone, MARGIN) == Judgement(Verdict.INCONCLUSIVE, MARGIN, changed=False, reason=reason)


@pytest.mark.parametrize("margin", [0, -0.02, math.nan])
def test_a_margin_is_above_0(margin):
    with pytest.raises(ValueError, match="a margin is above 0, not"):
        judge(estimate(-0.01, 0.01), margin)


@pytest.mark.parametrize(
    ("mean", "error"), [(0.0, 0.01), (0.004, 0.01), (0.0036, 0.01), (-0.01, 0.004), (0.019, 0.001)]
)
def test_equivalent_at_level_90_is_two_one_sided_tests_at_5_percent(mean, error):
    half = stats.norm.ppf(0.95) * error
    found = judge(Estimate(mean, mean - half, mean + half, 0.9, "normal", 100, 100, 10), MARGIN)
    p = max(stats.norm.sf((mean + MARGIN) / error), stats.norm.cdf((mean - MARGIN) / error))
    assert (found.verdict is Verdict.EQUIVALENT) == (p < 0.05)
