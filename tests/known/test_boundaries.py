"""Intervals and corrections where they have a closed form, among them those of models that always say the same."""

import math
from collections import Counter

import pytest
from tests.known.counting import groups

from secateur.metrics.single import CLUSTERED_SCORE, CLUSTERED_SHARE
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


def sizes_of(group, asked):
    """Items per cluster, of those that a metric is over."""
    return list(Counter(item.cluster for item in (group.items if asked == len(group.items) else group.kept)).values())


def of_clusters(sizes, *, changed=1.0):
    """Clopper and Pearson's bound for none, for the effective number of items: the ICC of 0.1 is believed in full with
    up to 20 clusters that changed."""
    n = sum(sizes)
    return none_paired(n / (1 + 0.1 * (sum(size**2 for size in sizes) / n - 1) * min(1, 20 / changed)))


def of_both(sizes):
    """What was all gained, and nothing lost: of both bounds the square-and-add; clusters that changed are all."""
    effective = sum(sizes) ** 2 / sum(size**2 for size in sizes)
    return math.hypot(of_clusters(sizes), of_clusters(sizes, changed=effective))


ENDS = {
    # method and value -> ends, of items in clusters of these sizes
    (CLUSTERED_SHARE, 0): lambda sizes: (0, of_clusters(sizes)),
    (CLUSTERED_SHARE, 1): lambda sizes: (1 - of_clusters(sizes), 1),
    (CLUSTERED_SCORE, 1): lambda sizes: (1 - of_both(sizes), 1),
    (CLUSTERED_SCORE, -1): lambda sizes: (-1, of_both(sizes) - 1),
    (CLUSTERED_SCORE, 0): lambda sizes: (-of_clusters(sizes), of_clusters(sizes)),
}

CONSTANT = ("always the stereotype", "always the counter", "always unknown", "never parses", "not finite")


def test_intervals_of_models_that_always_say_the_same(told, known):
    """A rate of 0 or 1, a difference of -1, 0 or 1: never an interval without width."""
    data = told["fixed"]
    by_group = groups(known)
    seen = set()
    keys = [variant.key for variant in data.variants if variant.label in CONSTANT]
    for row in [*data.metrics.iter_rows(named=True), *data.pairs.iter_rows(named=True)]:
        other = row["metric"].startswith(("group_preference", "letter_", "s_")) or row["metric"] == "diff_bias_disambig"
        place = (row["method"], row["value"])
        if row["variant"] not in keys or row["readout"] != SAMPLED or row["low"] is None or other or place not in ENDS:
            continue
        group = by_group[row["category"], row["condition"]]
        assert row["n_items"] in (len(group.kept), len(group.items))
        sizes = sizes_of(group, row["n_items"])
        assert (row["low"], row["high"]) == pytest.approx(ENDS[place](sizes), abs=1e-9), row["metric"]
        assert row["n_clusters"] == len(sizes)
        seen.add(place)
    assert seen == set(ENDS)


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
