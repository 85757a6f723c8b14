"""KL from dense and top-1 agreement, from what is stored of windows."""

import math

import numpy as np
import polars as pl
import pytest
from scipy.stats import ttest_1samp

from secateur.errors import InputError
from secateur.metrics import DivergenceCounts, count_divergence
from secateur.metrics.divergence import ALL_WINDOWS, kl, top1_agreement


def counts(nats, agree, positions, missing=0, top=256, vocabulary=32_064):
    return DivergenceCounts(
        np.array(nats, float), np.array(agree, np.int64), np.array(positions, np.int64), missing, top, vocabulary
    )


def test_both_are_means_over_positions():
    what = counts([1.0, 5.0, 3.0], [9, 18, 3], [10, 20, 5])
    assert kl(what).value == pytest.approx(9 / 35)
    assert top1_agreement(what).value == pytest.approx(30 / 35)
    for estimate in (kl(what), top1_agreement(what)):
        assert estimate.low < estimate.value < estimate.high
        assert (estimate.n_items, estimate.n_answers) == (3, 35)


@pytest.mark.parametrize(
    ("top", "vocabulary", "note"),
    [
        (256, 32_064, "lower bound: top 256 of 32,064 tokens"),
        (256, None, "lower bound: top 256 of the vocabulary"),
        (512, 512, ""),
        (1000, 512, ""),
    ],
)
def test_a_lower_bound_is_called_one(top, vocabulary, note):
    assert kl(counts([1.0, 2.0], [1, 1], [10, 10], top=top, vocabulary=vocabulary)).note == note


def test_no_change_is_zero_and_full_agreement_with_a_bound_that_has_width():
    same = counts([0.0] * 20, [10] * 20, [10] * 20, top=512, vocabulary=512)
    assert (kl(same).value, kl(same).low) == (0, None)
    assert kl(same).note == "no window differs from another: no interval"
    agreement = top1_agreement(same)
    assert (agreement.value, agreement.high, agreement.method) == (1, 1, ALL_WINDOWS)
    assert agreement.low == pytest.approx(0.025 ** (1 / 20))
    none = top1_agreement(counts([1.0] * 20, [0] * 20, [10] * 20))
    assert (none.value, none.low, none.high) == (0, 0, pytest.approx(1 - 0.025 ** (1 / 20)))


def test_intervals_stay_within_the_range():
    wide = counts([0.0, 0.0, 0.0, 90.0], [0, 10, 10, 10], [10] * 4)
    assert kl(wide).low == 0
    assert top1_agreement(wide).high == 1


@pytest.mark.parametrize("metric", [kl, top1_agreement])
@pytest.mark.parametrize(
    ("what", "reason"),
    [
        (counts([1.0, math.nan], [1, 1], [5, 5]), "1 of 2 windows not finite"),
        (counts([1.0], [1], [5], missing=1), "1 of 2 windows not read"),
        (counts([], [], []), "no windows"),
    ],
)
def test_where_there_is_no_value(metric, what, reason):
    estimate = metric(what)
    assert (estimate.value, estimate.note) == (None, reason)


def test_one_window_has_no_interval():
    one = counts([1.0], [3], [5], vocabulary=256)
    assert (kl(one).low, kl(one).note) == (None, "one window: no interval")
    assert (top1_agreement(one).low, top1_agreement(one).note) == (None, "one window: no interval")


@pytest.mark.parametrize("n", [2, 3, 10])
def test_windows_with_equally_many_positions_have_the_interval_of_a_one_sample_t_test(n):
    rng = np.random.default_rng(n)
    per_position, agreeing = rng.uniform(0.4, 0.5, n), 800 + rng.permutation(n)
    what = counts(1000 * per_position, agreeing, [1000] * n)
    low, high = ttest_1samp(per_position, 0).confidence_interval(0.95)
    assert (kl(what).low, kl(what).high) == pytest.approx((max(low, 0), high))
    low, high = ttest_1samp(agreeing / 1000, 0).confidence_interval(0.95)
    assert (top1_agreement(what).low, top1_agreement(what).high) == pytest.approx((low, high))


def test_intervals_cover():
    rng = np.random.default_rng(4)
    hits = {"kl": [], "top1": []}
    for _ in range(1500):
        level = rng.gamma(4, 0.05, 100)  # windows differ in how far they are from dense; the mean is 0.2
        positions = rng.integers(20, 32, 100)
        what = counts(rng.gamma(positions, level), rng.binomial(positions, 1 - level.clip(0, 0.9)), positions)
        for name, metric, truth in (("kl", kl, 0.2), ("top1", top1_agreement, 0.8)):
            estimate = metric(what)
            hits[name].append(estimate.low <= truth <= estimate.high)
    assert 0.92 < np.mean(hits["kl"]) < 0.97
    assert 0.92 < np.mean(hits["top1"]) < 0.97


def test_windows_are_joined_at_each_place_and_missing_ones_counted():
    windows = pl.DataFrame(
        {
            "window": pl.Series([1, 2, 1], dtype=pl.UInt64),
            "corpus": ["a", "a", "a"],
            "index": [0, 1, 2],
            "n_tokens": [10, 20, 10],
            "n_bytes": [40, 80, 41],
        }
    )
    rows = pl.DataFrame(
        {"window": pl.Series([2, 1], dtype=pl.UInt64), "positions": [4, 2], "kl": [0.5, 0.25], "agree": [3, 2]}
    )
    found = count_divergence(rows, windows, corpus="a", top=8, vocabulary=64)
    assert found.kl.tolist() == [0.25, 0.5, 0.25]
    assert (found.agree.tolist(), found.positions.tolist()) == ([2, 3, 2], [2, 4, 2])
    assert (found.n_missing, found.top, found.vocabulary) == (0, 8, 64)
    assert count_divergence(rows.head(1), windows, corpus="a", top=8, vocabulary=64).n_missing == 2
    with pytest.raises(InputError, match="No window belongs"):
        count_divergence(rows, windows, corpus="b", top=8, vocabulary=64)
