"""Clustered standard errors, intervals and tests against matrices, brute force, scipy and statsmodels."""

import itertools
import math

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats
from tests.reference import clustered as slow

from secateur.statistics import clopper_pearson_zero, samples
from secateur.statistics.clustered import (
    Contributions,
    clustered_interval,
    clustered_p,
    cr2,
    p_above,
    sign_flip,
)
from secateur.statistics.samples import DRAWS, ICC, Clusters

SIZES = {
    "unequal": [1, 2, 3, 5, 8, 13, 21],
    "one of most items": [40, 3, 2, 2, 1],
    "singletons": [1] * 25,
    "two": [7, 3],
    "two alike": [5, 5],
    "equal": [4] * 12,
}
SETS = pytest.mark.parametrize("sizes", SIZES.values(), ids=list(SIZES))


def places(sizes):
    return np.repeat(np.arange(len(sizes)), sizes)


def contributions(values, sizes, **options):
    return Contributions(np.asarray(values, np.float64), Clusters(places(sizes)), **options)


def per_cluster(sums, **options):
    """Clusters of one item each."""
    return contributions(sums, [1] * len(sums), **options)


def changes(rng, sizes, rate=0.3, worse=0.6):
    """Gained and lost items, more of them in some clusters than in others."""
    rates = np.repeat(np.minimum(rng.exponential(rate, len(sizes)), 1), sizes)
    changed = rng.random(len(rates)) < rates
    return np.where(changed, np.where(rng.random(len(rates)) < worse, 1.0, -1.0), 0.0)


KINDS = {
    "changes": changes,
    "rare changes": lambda rng, sizes: changes(rng, sizes, rate=0.02),
    "worse only": lambda rng, sizes: changes(rng, sizes, worse=1.0),
    "fifths": lambda rng, sizes: rng.integers(-5, 6, sum(sizes)) / 5,
    "continuous": lambda rng, sizes: rng.uniform(-1, 1, sum(sizes)),
    "constant": lambda rng, sizes: np.full(sum(sizes), 0.3),
    "all": lambda rng, sizes: np.ones(sum(sizes)),
    "none": lambda rng, sizes: np.zeros(sum(sizes)),
}


@pytest.fixture(params=KINDS.values(), ids=list(KINDS))
def kind(request):
    return request.param


# Clusters and contributions


def test_names_become_places_and_sizes():
    clusters = Clusters.of(np.array(["b", "a", "b", "c", "b"]))
    assert clusters.place.tolist() == [1, 0, 1, 2, 1]
    assert clusters.sizes.tolist() == [1, 3, 1]
    assert (clusters.n_items, clusters.n_clusters) == (5, 3)
    assert clusters.effective == pytest.approx(25 / 11)
    assert clusters.sums(np.array([1.0, 2, 3, 4, 5])).tolist() == [2, 9, 4]


@pytest.mark.parametrize(
    ("values", "complaint"),
    [([], "0 values, 3 items"), ([1.0, 2], "2 values, 3 items"), ([1.0, math.nan, 0], "finite")],
)
def test_contributions_refuse(values, complaint):
    with pytest.raises(ValueError, match=complaint):
        Contributions(np.array(values), Clusters.of(np.arange(3)))


# Standard error


@SETS
def test_the_standard_error_is_the_sandwichs(sizes, kind):
    values = kind(np.random.default_rng(3), sizes)
    found = cr2(contributions(values, sizes))
    assert found.value == pytest.approx(slow.cr2(values, places(sizes)), rel=1e-9, abs=1e-15)


@SETS
def test_degrees_of_freedom_are_the_smaller_of_bell_and_mccaffreys_for_two_working_models(sizes):
    by_model = [slow.degrees(places(sizes), alike=alike) for alike in (False, True)]
    found = cr2(contributions(np.arange(sum(sizes)), sizes))
    assert found.df == pytest.approx(min(by_model), rel=1e-9)


def test_equal_clusters_have_their_number_less_one_degrees():
    for n_clusters in (2, 5, 130):
        assert Clusters(places([7] * n_clusters)).degrees == pytest.approx(n_clusters - 1)


def test_with_an_item_a_cluster_it_is_the_usual_standard_error():
    values = np.random.default_rng(0).normal(size=40)
    found = cr2(per_cluster(values))
    assert found.value == pytest.approx(stats.sem(values))
    assert found.df == pytest.approx(39)


def test_two_clusters_have_one_degree_and_half_their_difference():
    found = cr2(contributions([0.0, 0, 1, 1], [2, 2]))
    assert (found.value, found.df) == pytest.approx((0.5, 1.0))


def test_with_equal_clusters_it_is_statsmodels_cr1():
    rng = np.random.default_rng(1)
    sizes = [6] * 15
    values = rng.normal(size=90) + np.repeat(rng.normal(size=15), 6)
    # statsmodels multiplies by G / (G - 1) * (n - 1) / (n - k), which for a mean is 1 / (1 - 1 / G).
    fitted = sm.OLS(values, np.ones(90)).fit(cov_type="cluster", cov_kwds={"groups": places(sizes)})
    assert cr2(contributions(values, sizes)).value == pytest.approx(fitted.bse[0], rel=1e-9)


def test_with_unequal_clusters_it_lies_between_statsmodels_cr1_without_factor_and_that_of_the_largest():
    rng = np.random.default_rng(2)
    sizes = SIZES["unequal"]
    values = rng.normal(size=sum(sizes))
    plain = sm.OLS(values, np.ones(len(values))).fit(
        cov_type="cluster", cov_kwds={"groups": places(sizes), "use_correction": False}
    )
    found = cr2(contributions(values, sizes)).value ** 2
    assert plain.bse[0] ** 2 < found < plain.bse[0] ** 2 / (1 - max(sizes) / sum(sizes))


@pytest.mark.parametrize("sizes", [SIZES["unequal"], SIZES["one of most items"]])
def test_it_is_unbiased_for_independent_items_whatever_the_sizes(sizes):
    rng = np.random.default_rng(5)
    n = sum(sizes)
    squares = [cr2(contributions(rng.normal(size=n), sizes)).value ** 2 for _ in range(4000)]
    error = np.std(squares) / math.sqrt(len(squares))
    assert np.mean(squares) == pytest.approx(1 / n, abs=4 * error)


def test_one_cluster_has_neither_error_nor_interval_but_a_test_that_says_nothing():
    alone = contributions([0.0, 1, 1], [3])
    assert cr2(alone) is None
    assert clustered_interval(alone) is None
    assert sign_flip(alone) == 1.0


# Interval


@SETS
@pytest.mark.parametrize("level", [0.5, 0.9, 0.95, 0.999])
def test_the_interval_is_that_of_the_definitions(sizes, kind, level):
    values = kind(np.random.default_rng(8), sizes)
    found = clustered_interval(contributions(values, sizes), level=level)
    assert found == pytest.approx(slow.interval(values, places(sizes), level), rel=1e-6, abs=1e-9)


@SETS
def test_the_interval_holds_its_mean_and_has_width(sizes, kind):
    for seed in range(20):
        of = contributions(kind(np.random.default_rng(seed), sizes), sizes)
        low, high = clustered_interval(of)
        assert -1 <= low <= of.mean <= high <= 1
        assert high - low > 1e-3


@SETS
def test_turning_the_contributions_turns_the_interval(sizes, kind):
    values = kind(np.random.default_rng(4), sizes)
    low, high = clustered_interval(contributions(values, sizes))
    assert clustered_interval(contributions(-values, sizes)) == pytest.approx((-high, -low), abs=1e-12)


@SETS
def test_a_higher_level_holds_a_lower_one(sizes, kind):
    of = contributions(kind(np.random.default_rng(6), sizes), sizes)
    intervals = [clustered_interval(of, level=level) for level in (0.5, 0.8, 0.9, 0.95, 0.99)]
    for (low, high), (lower, higher) in itertools.pairwise(intervals):
        assert lower <= low
        assert high <= higher
        assert higher - lower > high - low or (lower, higher) == (-1, 1)


@SETS
def test_units_scale_the_interval(sizes, kind):
    values = kind(np.random.default_rng(7), sizes)
    low, high = clustered_interval(contributions(values, sizes))
    scaled = clustered_interval(contributions(3 * values, sizes, unit=3, span=3))
    assert scaled == pytest.approx((3 * low, 3 * high), abs=1e-9)


@SETS
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_nothing_changed_is_an_exact_bound(sizes, level):
    n = sum(sizes)
    design_effect = 1 + ICC * (sum(size * size for size in sizes) / n - 1)
    bound = clopper_pearson_zero(n / design_effect, level=level)
    found = clustered_interval(contributions(np.zeros(n), sizes), level=level)
    assert found == pytest.approx((-bound, bound))


def test_everything_changed_is_the_same_bound_from_the_other_side():
    sizes = [10] * 30
    n, weight = 300, 20 / 30
    bound = clopper_pearson_zero(n / (1 + ICC * 9 * weight))
    none = clopper_pearson_zero(n / (1 + ICC * 9))
    assert clustered_interval(contributions(np.ones(n), sizes)) == pytest.approx((1 - math.hypot(bound, none), 1))


def test_rounding_does_not_turn_a_constant_into_something_that_varies():
    sizes = SIZES["unequal"]
    whole = clustered_interval(contributions(np.ones(sum(sizes)), sizes))
    for less in (1e-16, 1e-15, 1e-13):
        assert clustered_interval(contributions(np.full(sum(sizes), 1 - less), sizes)) == pytest.approx(whole, abs=1e-9)


def test_a_mean_that_rounding_put_over_its_span_stays_inside_its_interval():
    over = float(np.nextafter(1.0, 2.0))
    of = contributions(np.full(10, over), [5, 5])
    low, high = clustered_interval(of)
    assert low <= of.mean <= high
    assert clustered_interval(contributions(np.full(10, -over), [5, 5])) == (-high, -low)


def test_alike_items_make_it_wider():
    sizes = [10] * 30
    spread = np.tile([1.0, 1, 1, 0, 0, 0, 0, 0, 0, 0], 30)
    together = np.repeat(np.arange(30) < 9, 10).astype(float)
    widths = [np.diff(clustered_interval(contributions(values, sizes)))[0] for values in (spread, together)]
    assert widths[1] > 2 * widths[0]


def test_with_many_clusters_and_common_changes_it_is_close_to_t_with_cr2():
    rng = np.random.default_rng(9)
    sizes = [20] * 300
    values = changes(rng, sizes, rate=0.4)
    of = contributions(values, sizes)
    error = cr2(of)
    half = stats.t.ppf(0.975, error.df) * error.value
    low, high = clustered_interval(of)
    assert low <= of.mean - half
    assert high >= of.mean + half
    assert high - low < 2.1 * half


def test_rare_changes_in_one_cluster_are_believed_to_be_clustered():
    sizes = [50] * 24
    one = np.zeros(1200)
    one[:3] = 1
    low, high = clustered_interval(contributions(one, sizes))
    error = cr2(contributions(one, sizes))
    assert high > one.mean() + 1.5 * stats.t.ppf(0.975, error.df) * error.value
    assert low <= 0


@pytest.mark.parametrize("level", [0, 1, 95, -0.1, math.nan])
def test_a_level_is_between_0_and_1(level):
    with pytest.raises(ValueError, match="level lies between 0 and 1"):
        clustered_interval(per_cluster([0.0, 1]), level=level)


# Test


@pytest.mark.parametrize("n_clusters", [2, 3, 7, 11])
@pytest.mark.parametrize("values", ["fifths", "continuous", "changes"])
def test_all_signs_are_gone_through(n_clusters, values):
    rng = np.random.default_rng(n_clusters)
    for _ in range(5):
        sizes = rng.integers(1, 6, n_clusters)
        found = KINDS[values](rng, sizes)
        assert sign_flip(contributions(found, sizes)) == pytest.approx(slow.sign_flip(found, places(sizes)))


@pytest.mark.parametrize("n_clusters", [4, 9, 12])
def test_it_is_scipys_permutation_test(n_clusters):
    rng = np.random.default_rng(n_clusters)
    sums = rng.normal(0.5, 1, n_clusters)
    expected = stats.permutation_test(
        (sums, np.zeros(n_clusters)),
        lambda a, b, axis: np.sum(a - b, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=np.inf,
    )
    assert sign_flip(per_cluster(sums, span=9)) == pytest.approx(expected.pvalue)


def exact(sums):
    totals = np.zeros(1)
    for value in sums:
        totals = np.concatenate([totals + value, totals - value])
    return np.mean(np.abs(totals) >= abs(sum(sums)) - 1e-9)


@pytest.mark.parametrize("n_clusters", [17, 18, 19, 20])
@pytest.mark.parametrize("shift", [0.0, 0.3, 0.6, 0.9])
def test_drawn_signs_agree_with_all_signs(n_clusters, shift):
    sums = np.random.default_rng(n_clusters).normal(shift, 1, n_clusters)
    p = exact(sums)
    found = sign_flip(per_cluster(sums, span=99))
    # It stops at 200 as far, or at the last draw: 7 % of p, or that of a count of p times the draws.
    assert found == pytest.approx(p, abs=4 * p * max(200**-0.5, (p * DRAWS) ** -0.5) + 2 / DRAWS)


def test_more_draws_come_closer():
    sums = np.random.default_rng(2).normal(0.7, 1, 20)
    assert sign_flip(per_cluster(sums, span=99), draws=1) == pytest.approx(exact(sums), abs=0.01)


def test_the_smallest_p_is_one_of_all_draws():
    p = sign_flip(per_cluster(np.ones(60)))
    assert 0 < p < 1.1 / DRAWS
    assert sign_flip(per_cluster(np.ones(10))) == 2 / 2**10


@pytest.mark.parametrize("shift", [0.0, 0.5, 1.0, 2.0, 9.0])
@pytest.mark.parametrize("n_clusters", [17, 20])
def test_the_bound_on_p_is_one(n_clusters, shift):
    for seed in range(20):
        sums = np.random.default_rng(seed).normal(shift, 1, n_clusters)
        bound = samples._at_most(sums, abs(float(sums.sum())))
        assert exact(sums) <= bound * (1 + 1e-12)
        assert bound <= max(30 * exact(sums), 2 * 0.7**n_clusters)


@pytest.mark.parametrize("shift", [0.4, 0.6, 0.8, 1.5])
def test_no_more_signs_are_drawn_where_p_is_known_to_be_the_least(shift, monkeypatch):
    cases = [per_cluster(np.random.default_rng(seed).normal(shift, 1, 60), span=99) for seed in range(25)]
    quick = [sign_flip(case) for case in cases]
    monkeypatch.setattr(samples, "_at_most", lambda *_: 1.0)
    for fast, slow_ in zip(quick, [sign_flip(case) for case in cases], strict=True):
        assert fast == slow_ or fast < 1 / DRAWS < slow_ < 5 / DRAWS
    assert min(quick) < 1 / DRAWS or shift < 0.6


def test_the_same_input_gives_the_same_p():
    values = np.random.default_rng(0).normal(size=200)
    of = [contributions(values, [4] * 50, span=9) for _ in range(2)]
    assert sign_flip(of[0]) == sign_flip(of[1])


def test_clusters_that_are_zero_do_not_matter():
    sums = np.random.default_rng(1).normal(0.4, 1, 40)
    with_zeros = np.insert(sums, [0, 7, 7, 40], 0.0)
    assert sign_flip(per_cluster(with_zeros, span=9)) == sign_flip(per_cluster(sums, span=9))


@pytest.mark.parametrize("n_clusters", [5, 16, 17, 130])
def test_zero_has_p_1_also_when_rounding_leaves_something(n_clusters):
    for seed in range(20):
        sums = np.random.default_rng(seed).integers(-5, 6, n_clusters) / 5
        sums[-1] = -np.round(5 * sums[:-1].sum()) / 5
        assert sign_flip(per_cluster(sums, span=999)) == 1.0
    assert sign_flip(per_cluster(np.zeros(n_clusters))) == 1.0


@pytest.mark.parametrize("n_clusters", [6, 12, 16, 17, 130])
def test_ties_count_whatever_the_unit(n_clusters):
    rng = np.random.default_rng(n_clusters)
    for _ in range(30):
        sums = rng.integers(-20, 21, n_clusters).astype(float)
        assert sign_flip(per_cluster(sums / 5, span=999)) == sign_flip(per_cluster(sums, span=9999))
    assert sign_flip(per_cluster([0.1, 0.2, -0.3])) == 1.0
    assert sign_flip(per_cluster([0.1, 0.2, 0.3])) == 2 / 8


@pytest.mark.parametrize("n_clusters", [8, 30])
def test_p_is_uniform_when_nothing_differs(n_clusters):
    rng = np.random.default_rng(n_clusters)
    sizes = rng.integers(5, 60, n_clusters)
    p = []
    for _ in range(1500):
        shift = np.repeat(rng.standard_t(4, n_clusters), sizes)
        p.append(sign_flip(contributions(shift + rng.normal(size=sizes.sum()), sizes, span=999)))
    assert stats.kstest(p, "uniform").pvalue > 0.001


def test_p_is_small_for_what_is_large():
    sums = np.random.default_rng(3).normal(size=25)
    p = [sign_flip(per_cluster(sums + shift, span=99)) for shift in (0.3, 0.6, 0.9, 1.5)]
    assert p == sorted(p, reverse=True)
    assert p[-1] < 1e-4 < 0.01 < p[0]


def test_p_is_never_below_what_the_interval_allows():
    """Gains spread thinly and losses in one cluster that a study mostly misses: flipping signs alone sees a change."""
    clusters = Clusters.of(np.repeat(np.arange(40), 50))
    values = np.zeros(2000)
    values[::100] = 1.0  # one gain in every other cluster
    contributions = Contributions(values, clusters)
    assert sign_flip(contributions) < 1e-4
    p = clustered_p(contributions)
    assert p > 10 * sign_flip(contributions)
    for level, excluded in ((1 - 1.2 * p, True), (1 - 0.8 * p, False)):
        assert (clustered_interval(contributions, level=level)[0] > 0) is excluded


@pytest.mark.parametrize("n_clusters", [2, 3, 7, 130])
def test_where_hardly_any_level_is_asked_for_the_ends_meet_and_p_is_a_half(n_clusters):
    rng = np.random.default_rng(n_clusters)
    values = (rng.random(7 * n_clusters) < 0.4) - 0.9 * (rng.random(7 * n_clusters) < 0.3)
    one = Contributions(values, Clusters.of(np.repeat(np.arange(n_clusters), 7)))
    widths = []
    for level in (1e-3, 1e-6, 1e-9, 1e-12, 1e-15):
        low, high = clustered_interval(one, level=level)
        assert low <= one.mean <= high
        widths.append(high - low)
    assert widths == sorted(widths, reverse=True)
    nearly = p_above(one, one.mean - 1e-9)
    assert 0.3 < nearly <= 0.5


def test_p_above_agrees_with_the_bound():
    generator = np.random.default_rng(8)
    clusters = Clusters.of(np.repeat(np.arange(30), 20))
    contributions = Contributions(generator.choice([0.0, 1.0], p=[0.8, 0.2], size=600), clusters)
    p = p_above(contributions, 0.15)
    assert clustered_interval(contributions, level=1 - 2 * (p * 1.01))[0] > 0.15
    assert clustered_interval(contributions, level=1 - 2 * (p * 0.99))[0] <= 0.15
    assert p_above(contributions, 0.9) == 0.5
    assert p_above(Contributions(np.ones(5), Clusters.of(np.zeros(5))), 0.5) is None
    assert clustered_p(Contributions(np.ones(5), Clusters.of(np.zeros(5)))) is None
