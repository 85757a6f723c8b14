"""Betting on a finite list: what it says must hold whenever one looks."""

import numpy as np
import pytest

from secateur.statistics.sequential import bounds, evidence_below


def by_definition(values, n, mean):
    """The wealth of the same gambler, item by item."""
    wealth = best = 1.0
    seen, sum_, squares = 0, 0.0, 0.0
    for value in values:
        left = n - seen
        needed = (n * mean - sum_) / left
        guess = (0.5 + sum_) / (seen + 1)
        spread = (0.25 + squares) / (seen + 1)
        bet = 0.0
        if 0 < needed < 1:
            bet = min(max((needed - guess) / (spread + (needed - guess) ** 2), 0.0), 0.75 / (1 - needed))
        wealth *= 1 - bet * (value - needed)
        best = max(best, wealth)
        seen, sum_ = seen + 1, sum_ + value
        squares += (value - (0.5 + sum_) / (seen + 1)) ** 2
    return best


@pytest.mark.parametrize("mean", [0.3, 0.5, 0.55, 0.65])
def test_the_wealth_is_that_of_a_gambler_who_bets_item_by_item(mean):
    values = np.random.default_rng(2).choice([0.0, 0.5, 1.0], size=200, p=[0.1, 0.6, 0.3])
    assert evidence_below(values, 400, mean) == pytest.approx(by_definition(values, 400, mean), rel=1e-9)


@pytest.mark.parametrize("kind", ["rare", "common", "half"])
def test_at_the_hypothesis_nobody_becomes_rich_too_often_however_often_one_looks(kind):
    """Over all looks together: 5 % plus two standard errors of 400 lists."""
    generator = np.random.default_rng(3)
    n, rich = 500, 0
    for _ in range(400):
        ones = {"rare": 10, "common": 150, "half": 250}[kind]
        values = generator.permutation(np.repeat([1.0, 0.0], [ones, n - ones]))
        rich += evidence_below(values[:-1], n, ones / n) >= 20
    assert rich / 400 <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 400)


def test_a_list_that_is_far_below_is_told_early():
    values = np.full(256, 0.5)
    assert evidence_below(values, 2000, 0.51) >= 20
    assert evidence_below(values, 2000, 0.5) == 1.0


def test_what_can_no_longer_be_is_refuted_for_certain():
    assert evidence_below(np.zeros(60), 100, 0.5) == np.inf
    assert evidence_below(np.zeros(50), 100, 0.5) < np.inf


def test_bounds_hold_the_mean_and_close_in():
    generator = np.random.default_rng(4)
    values = generator.permutation(np.repeat([1.0, 0.5, 0.0], [60, 880, 60]))
    widths = []
    for seen in (0, 50, 200, 500, 900, 1000):
        low, high = bounds(values[:seen], 1000, alpha=0.05)
        assert 0 <= low <= 0.5 <= high <= 1
        widths.append(high - low)
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] == 0


def test_bounds_turn_with_their_values():
    values = np.random.default_rng(5).random(100)
    low, high = bounds(values, 300, alpha=0.05)
    assert bounds(1 - values, 300, alpha=0.05) == pytest.approx((1 - high, 1 - low))


def test_more_than_there_are():
    with pytest.raises(ValueError, match="5 of 3 values"):
        evidence_below(np.zeros(5), 3, 0.5)
