"""Intervals and corrections where they have a closed form, among them those of models that always say the same."""

import math

import pytest
from tests.known.counting import groups

from secateur.metrics.bias import BOX, DIFFERENCE, TWO_GROUPS
from secateur.metrics.counts import WILSON
from secateur.metrics.transitions import EXACT_ZERO
from secateur.records.answers import SAMPLED
from secateur.statistics import (
    benjamini_hochberg,
    chi_squared,
    clopper_pearson_zero,
    cohens_h,
    difference_of_shares,
    holm,
    truncated_count,
    wilson,
)

Z2 = 1.959963984540054**2


def none_of(n):
    """Wilson's upper end where none of n was seen."""
    return Z2 / (n + Z2)


def every_of(n):
    return n / (n + Z2)


def none_paired(n):
    """Clopper and Pearson's."""
    return 1 - 0.025 ** (1 / n)


def nothing_but(n):
    """Of a difference P(first) - P(second) where only the first was seen: Wilson's for a share of 1, stretched."""
    return 2 * every_of(n) - 1


ENDS = {
    # method and value -> ends, of n items
    (WILSON, 0): lambda n: (0, none_of(n)),
    (WILSON, 1): lambda n: (every_of(n), 1),
    (DIFFERENCE, 1): lambda n: (nothing_but(n), 1),
    (DIFFERENCE, -1): lambda n: (-1, -nothing_but(n)),
    (DIFFERENCE, 0): lambda n: (-none_of(n), none_of(n)),
    (EXACT_ZERO, 0): lambda n: (0, none_paired(n)),
    (EXACT_ZERO, 1): lambda n: (1 - none_paired(n), 1),
}

CONSTANT = ("always the stereotype", "always the counter", "always unknown", "never parses", "not finite")


def test_intervals_of_models_that_always_say_the_same(told, known):
    """A rate of 0 or 1, a difference of -1, 0 or 1: never an interval without width."""
    data = told["fixed"]
    by_group = groups(known)
    seen = set()
    keys = [variant.key for variant in data.variants if variant.label in CONSTANT]
    for row in [*data.metrics.iter_rows(named=True), *data.pairs.iter_rows(named=True)]:
        other = row["metric"].startswith(("group_preference", "letter_")) or row["metric"] == "s_dis"
        place = (row["method"], row["value"])
        if row["variant"] not in keys or row["readout"] != SAMPLED or row["low"] is None or other or place not in ENDS:
            continue
        assert (row["low"], row["high"]) == pytest.approx(ENDS[place](row["n_items"]), abs=1e-12), row["metric"]
        group = by_group[row["category"], row["condition"]]
        assert row["n_items"] in (len(group.kept), len(group.items))
        seen.add(place)
    assert seen == set(ENDS)


def test_intervals_of_scores_made_of_two(told, known):
    """s_amb, diff-bias of disambiguated items and became biased (paper), of a model that is always the stereotype."""
    data = told["fixed"]
    key = next(variant.key for variant in data.variants if variant.label == "always the stereotype")
    by_group = groups(known)
    rows = [*data.metrics.iter_rows(named=True), *data.pairs.iter_rows(named=True)]
    methods = set()
    for row in rows:
        if (row["variant"], row["readout"]) != (key, SAMPLED):
            continue
        group = by_group.get((row["category"], row["condition"]))
        if row["metric"] == "diff_bias_disambig":
            # Square-and-add of two Wilson intervals, at 1 of n1 and at 0 of n2.
            n1 = sum(item.options[item.label].role == "stereotype" for item in group.kept)
            n2 = len(group.kept) - n1
            assert row["low"] == pytest.approx(1 - math.hypot(none_of(n1), none_of(n2)))
            assert (row["high"], row["method"]) == (1, TWO_GROUPS)
        elif row["metric"] == "s_amb":
            # Both factors at the level (1 + 0.95) / 2, z = 2.2414: a share of 1 is at least n / (n + z^2).
            n, z2 = len(group.kept), 2.241402727604947**2
            least = n / (n + z2)
            assert row["low"] == pytest.approx(least * (2 * least - 1))
            assert (row["high"], row["method"]) == (1, BOX)
        elif row["metric"] == "became_biased_paper":
            assert (row["low"], row["high"], row["method"]) == (1 - none_paired(len(group.kept)), 1, EXACT_ZERO)
        else:
            continue
        methods.add(row["metric"])
    assert methods == {"diff_bias_disambig", "s_amb", "became_biased_paper"}


@pytest.mark.parametrize("n", [1, 2, 10, 1000])
def test_closed_forms(n):
    assert wilson(0, n) == pytest.approx((0, none_of(n)))
    assert wilson(n, n) == pytest.approx((every_of(n), 1))
    assert clopper_pearson_zero(n) == pytest.approx(none_paired(n))
    assert difference_of_shares(n, 0, n) == pytest.approx((nothing_but(n), 1))
    assert difference_of_shares(0, n, n) == pytest.approx((-1, -nothing_but(n)))
    assert difference_of_shares(0, 0, n) == pytest.approx((-none_of(n), none_of(n)))
    # Half and half: Wilson's is symmetric about 1/2, of half-width z / (2 sqrt(n + z^2)).
    half = math.sqrt(Z2 / (n + Z2)) / 2
    assert wilson(n / 2, n) == pytest.approx((0.5 - half, 0.5 + half))
    assert difference_of_shares(n / 2, n / 2, n) == pytest.approx((-2 * half, 2 * half))


@pytest.mark.parametrize(
    ("shares", "h"),
    [((0, 1), math.pi), ((1, 0), -math.pi), ((1 / 4, 3 / 4), math.pi / 3), ((0, 1 / 2), math.pi / 2), ((0.3, 0.3), 0)],
)
def test_cohens_h(shares, h):
    assert cohens_h(*shares, n=1).value == pytest.approx(h)


@pytest.mark.parametrize(
    ("table", "statistic"),
    [
        ((0, 10, 10, 10), 2 * (10 - 1) ** 2 / 10),  # nothing against everything: 2 (n - 1)^2 / n
        ((50, 100, 50, 100), 0),
        ((5, 10, 6, 10), 0),  # by less than the correction
        ((10, 100, 30, 100), 200 * (2000 - 100) ** 2 / (40 * 160 * 100 * 100)),
    ],
)
def test_chi_squared(table, statistic):
    found = chi_squared(*table)
    assert found.statistic == pytest.approx(statistic, abs=1e-12)
    assert found.p == pytest.approx(math.erfc(math.sqrt(statistic / 2)))


def test_truncated_counts():
    """0.29 x 100 is 28.999999999999996 in floating point, so 29 answers of 100 are counted as 28."""
    assert [truncated_count(k / 100, 100) for k in (28, 29, 30)] == [28, 28, 30]


@pytest.mark.parametrize(
    ("p", "by_holm", "by_bh"),
    [
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02], [0.02, 0.04, 0.04, 0.02]),
        ([0.02] * 5, [0.1] * 5, [0.02] * 5),
        ([0.0, 1.0], [0.0, 1.0], [0.0, 1.0]),
        ([0.6, 0.7], [1.0, 1.0], [0.7, 0.7]),
        ([0.05], [0.05], [0.05]),
        ([], [], []),
    ],
)
def test_corrections(p, by_holm, by_bh):
    assert holm(p).tolist() == pytest.approx(by_holm)
    assert benjamini_hochberg(p).tolist() == pytest.approx(by_bh)


def test_corrections_within_a_larger_family():
    """Declared comparisons without a p-value count as not rejected."""
    assert holm([0.01, 0.02], family=10).tolist() == pytest.approx([0.1, 0.18])
    assert benjamini_hochberg([0.01, 0.02], family=10).tolist() == pytest.approx([0.1, 0.1])
