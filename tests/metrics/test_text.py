"""Perplexity and bits per byte."""

import math

import numpy as np
import polars as pl
import pytest
from scipy.stats import t, ttest_1samp

from secateur.errors import InputError
from secateur.metrics import TextCounts, TextPairs, count_text, pair_text
from secateur.metrics.text import bits_per_byte, log_perplexity_change, perplexity, perplexity_ratio


def counts(nll, tokens, n_bytes=None, missing=0):
    tokens = np.array(tokens, np.int64)
    n_bytes = tokens * 4 if n_bytes is None else np.array(n_bytes, np.int64)
    return TextCounts(np.array(nll, np.float64), tokens, n_bytes, missing)


def test_equal_windows_give_the_exponential_of_the_mean():
    estimate = perplexity(counts([200.0, 220.0, 210.0], [100, 100, 100]))
    assert estimate.value == pytest.approx(math.exp(2.1))
    half = t.ppf(0.975, 2) * 0.1 / math.sqrt(3)
    assert (estimate.low, estimate.high) == pytest.approx((math.exp(2.1 - half), math.exp(2.1 + half)))
    assert (estimate.n_items, estimate.n_answers, estimate.n_clusters) == (3, 300, None)


def test_windows_weigh_by_their_tokens():
    assert perplexity(counts([10.0, 900.0], [10, 300])).value == pytest.approx(math.exp(910 / 310))


def test_bits_per_byte_is_per_byte_and_in_bits():
    estimate = bits_per_byte(counts([10.0, 900.0], [10, 300], [40, 1500]))
    assert estimate.value == pytest.approx(910 / math.log(2) / 1540)
    assert estimate.low < estimate.value < estimate.high


@pytest.mark.parametrize("metric", [perplexity, bits_per_byte])
@pytest.mark.parametrize(
    ("what", "reason"),
    [
        (counts([1.0, math.nan, math.inf], [1, 1, 1]), "2 of 3 windows not finite"),
        (counts([1.0, 2.0], [1, 1], missing=3), "3 of 5 windows not read"),
        (counts([], []), "no windows"),
        (counts([0.0], [0]), "no scored text"),
    ],
)
def test_where_there_is_no_value(metric, what, reason):
    estimate = metric(what)
    assert (estimate.value, estimate.note) == (None, reason)


def test_one_window_has_no_interval():
    estimate = perplexity(counts([200.0], [100]))
    assert (estimate.low, estimate.high, estimate.note) == (None, None, "one window: no interval")


@pytest.mark.parametrize("n", [2, 3, 10])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_windows_of_equal_length_have_the_interval_of_a_one_sample_t_test(n, level):
    rng = np.random.default_rng(n)
    per_token = rng.uniform(1, 3, n)
    what = counts(100 * per_token, [100] * n, [400] * n)
    low, high = ttest_1samp(per_token, 0).confidence_interval(level)
    found = perplexity(what, level=level)
    assert (found.low, found.high) == pytest.approx((math.exp(low), math.exp(high)))
    found = bits_per_byte(what, level=level)
    assert (found.low, found.high) == pytest.approx((low / 4 / math.log(2), high / 4 / math.log(2)))
    dense = rng.uniform(1, 3, n)
    low, high = ttest_1samp(per_token - dense, 0).confidence_interval(level)
    found = log_perplexity_change(pairs(100 * dense, 100 * per_token, [100] * n), level=level)
    assert (found.low, found.high) == pytest.approx((low, high))


def test_the_interval_of_four_windows_covers():
    """The normal quantile would miss about one in seven."""
    rng = np.random.default_rng(3)
    made = [perplexity(counts(100 * rng.normal(2, 0.1, 4), [100] * 4)) for _ in range(2000)]
    assert 0.94 < np.mean([one.low <= math.exp(2) <= one.high for one in made]) < 0.96


def test_a_perplexity_beyond_floating_point_is_undefined():
    assert "beyond floating point" in perplexity(counts([1e5, 1e5], [10, 10])).note


def test_its_interval_covers():
    rng = np.random.default_rng(6)
    hits = []
    for _ in range(1500):
        tokens = rng.integers(50, 400, 80)
        nll = 2.0 * tokens + rng.normal(0, 12, 80) + rng.normal(0, 0.05, 80) * tokens
        estimate = perplexity(counts(nll, tokens))
        hits.append(estimate.low <= math.exp(2.0) <= estimate.high)
    assert 0.92 < np.mean(hits) < 0.97


def test_windows_are_joined_at_each_place_and_missing_ones_counted():
    windows = pl.DataFrame(
        {
            "window": pl.Series([1, 2, 1, 3], dtype=pl.UInt64),
            "corpus": ["a", "a", "a", "b"],
            "index": [0, 1, 2, 0],
            "n_tokens": [10, 20, 10, 5],
            "n_bytes": [40, 80, 41, 20],
        }
    )
    text = pl.DataFrame({"window": pl.Series([1, 2], dtype=pl.UInt64), "nll": [5.0, math.nan]})
    joined = count_text(text, windows, corpus="a")
    assert joined.n_tokens.tolist() == [10, 20, 10]
    assert joined.n_bytes.tolist() == [40, 80, 41]
    assert joined.n_missing == 0
    assert perplexity(joined).note == "1 of 3 windows not finite"
    assert perplexity(count_text(text, windows, corpus="b")).note == "1 of 1 windows not read"
    with pytest.raises(InputError, match=r"No window belongs[^$]*allowed: +a, b[^$]*got: +c"):
        count_text(text, windows, corpus="c")


def pairs(dense, variant, tokens, missing=0):
    return TextPairs(np.array(dense, float), np.array(variant, float), np.array(tokens, np.int64), missing)


def test_the_change_is_the_difference_of_means_and_the_ratio_its_exponential():
    both = pairs([20.0, 900.0, 31.0], [25.0, 960.0, 31.5], [10, 300, 12])
    change, ratio = log_perplexity_change(both), perplexity_ratio(both)
    assert change.value == pytest.approx((1016.5 - 951) / 322)
    before, after = (perplexity(counts(nll, [10, 300, 12])).value for nll in (both.dense, both.variant))
    assert ratio.value == pytest.approx(after / before)
    assert (ratio.low, ratio.high) == pytest.approx((math.exp(change.low), math.exp(change.high)))
    assert (change.n_items, change.n_answers, change.n_clusters) == (3, 322, None)


def test_paired_windows_leave_out_what_is_hard_for_both():
    """A change of 0.1 nats per token everywhere has next to no error, however much the windows differ."""
    rng = np.random.default_rng(1)
    tokens = rng.integers(50, 400, 40)
    dense = rng.uniform(1, 5, 40) * tokens
    change = log_perplexity_change(pairs(dense, dense + 0.1 * tokens + rng.normal(0, 0.1, 40), tokens))
    assert change.value == pytest.approx(0.1, abs=0.001)
    alone = perplexity(counts(dense, tokens))
    assert change.high - change.low < 0.01 * math.log(alone.high / alone.low)


def test_the_paired_interval_covers():
    rng = np.random.default_rng(8)
    hits = []
    for _ in range(1500):
        tokens = rng.integers(50, 400, 60)
        dense = rng.uniform(1, 5, 60) * tokens
        variant = dense + (0.05 + rng.normal(0, 0.03, 60)) * tokens
        estimate = log_perplexity_change(pairs(dense, variant, tokens))
        hits.append(estimate.low <= 0.05 <= estimate.high)
    assert 0.92 < np.mean(hits) < 0.97


def test_equal_models_change_nothing_and_have_no_interval():
    change = log_perplexity_change(pairs([20.0, 30.0], [20.0, 30.0], [10, 10]))
    assert (change.value, change.low, change.high) == (0, None, None)
    assert change.note == "no window differs from another: no interval"
    assert perplexity_ratio(pairs([20.0, 30.0], [20.0, 30.0], [10, 10])).value == 1


@pytest.mark.parametrize("metric", [log_perplexity_change, perplexity_ratio])
@pytest.mark.parametrize(
    ("what", "reason"),
    [
        (pairs([1.0, math.nan], [1.0, 2.0], [1, 1]), "1 of 2 windows not finite in the dense model"),
        (pairs([1.0, 2.0], [1.0, math.nan], [1, 1]), "1 of 2 windows not finite"),
        (pairs([1.0], [1.0], [1], missing=2), "2 of 3 windows not read"),
        (pairs([], [], []), "no windows"),
    ],
)
def test_where_there_is_no_change_to_tell(metric, what, reason):
    estimate = metric(what)
    assert (estimate.value, estimate.note) == (None, reason)


def test_a_ratio_beyond_floating_point_is_undefined():
    assert "beyond floating point" in perplexity_ratio(pairs([1.0, 1.0], [1e5, 1e5], [10, 10])).note
    one = log_perplexity_change(pairs([1.0], [2.0], [10]))
    assert (one.value, one.low, one.note) == (pytest.approx(0.1), None, "one window: no interval")


def test_pairs_are_joined_at_each_place_and_need_both_sides():
    windows = pl.DataFrame(
        {
            "window": pl.Series([1, 2, 1], dtype=pl.UInt64),
            "corpus": ["a", "a", "a"],
            "index": [0, 1, 2],
            "n_tokens": [10, 20, 10],
            "n_bytes": [40, 80, 41],
        }
    )
    dense = pl.DataFrame({"window": pl.Series([2, 1], dtype=pl.UInt64), "nll": [7.0, 5.0]})
    variant = pl.DataFrame({"window": pl.Series([1, 2], dtype=pl.UInt64), "nll": [6.0, 9.0]})
    both = pair_text(dense, variant, windows, corpus="a")
    assert (both.dense.tolist(), both.variant.tolist()) == ([5, 7, 5], [6, 9, 6])
    assert (both.n_tokens.tolist(), both.n_missing) == ([10, 20, 10], 0)
    assert pair_text(dense, variant.head(1), windows, corpus="a").n_missing == 1
    with pytest.raises(InputError, match="No window belongs"):
        pair_text(dense, variant, windows, corpus="b")
