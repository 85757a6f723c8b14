"""Closed-form intervals against scipy, published values and simulation."""

import math

import numpy as np
import pytest
from scipy.stats import binomtest, norm, t, ttest_ind

from secateur.statistics import (
    clopper_pearson_zero,
    difference_of_shares,
    independent_difference,
    t_above,
    t_value,
    welch_df,
    wilson,
    z_value,
)


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95, 0.999])
def test_the_normal_quantile_is_scipys(level):
    assert z_value(level) == pytest.approx(norm.ppf((1 + level) / 2), rel=1e-12)


@pytest.mark.parametrize("df", [1, 2.5, 9, 400])
@pytest.mark.parametrize("level", [0.5, 0.9, 0.95, 0.999])
def test_the_quantile_and_the_tail_of_students_t_are_scipys(level, df):
    assert t_value(level, df) == pytest.approx(t.ppf((1 + level) / 2, df), rel=1e-9)
    assert t_above(t_value(level, df), df) == pytest.approx((1 - level) / 2, rel=1e-9)
    assert t_above(-1.3, df) == pytest.approx(t.sf(-1.3, df), rel=1e-9)


def test_students_t_is_wide_for_few_and_normal_for_many():
    assert t_value(0.95, 1) == pytest.approx(math.tan(0.475 * math.pi))  # Cauchy's
    assert t_value(0.95, 1e7) == pytest.approx(z_value(0.95), rel=1e-6)
    for wrong in ((1.0, 3), (0.0, 3), (0.9, 0)):
        with pytest.raises(ValueError, match="degrees of freedom"):
            t_value(*wrong)
    with pytest.raises(ValueError, match="degrees of freedom"):
        t_above(1.0, 0)


def test_welchs_degrees_of_freedom_are_scipys():
    rng = np.random.default_rng(2)
    a, b = rng.normal(0, 1, 5), rng.normal(0, 4, 12)
    errors = [float(x.std(ddof=1)) / math.sqrt(len(x)) for x in (a, b)]
    assert welch_df(errors[0], 5, errors[1], 12) == pytest.approx(ttest_ind(a, b, equal_var=False).df)
    assert welch_df(1.0, 5, 0.0, 12) == 4
    assert welch_df(1.0, 8, 1.0, 8) == pytest.approx(14)
    for wrong in ((0.0, 5, 0.0, 5), (1.0, 1, 1.0, 5), (-1.0, 5, 1.0, 5)):
        with pytest.raises(ValueError, match="standard errors"):
            welch_df(*wrong)


@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
@pytest.mark.parametrize(("k", "n"), [(0, 1), (1, 1), (0, 50), (1, 50), (25, 50), (50, 50), (3, 7), (130, 12148)])
def test_wilson_is_scipys(k, n, level):
    expected = binomtest(k, n).proportion_ci(confidence_level=level, method="wilson")
    assert wilson(k, n, level=level) == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize("n", [1, 3, 37, 12148])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_the_bound_for_none_seen_is_scipys_exact_one(n, level):
    expected = binomtest(0, n).proportion_ci(confidence_level=level, method="exact")
    assert clopper_pearson_zero(n, level=level) == pytest.approx(expected.high, rel=1e-12)


def test_wilson_takes_fractions():
    low, high = wilson(2.5, 7.3)
    assert wilson(2, 7.3)[0] < low < 2.5 / 7.3 < high < wilson(3, 7.3)[1]


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((56, 70), (48, 80), (0.0524, 0.3339)),
        ((9, 10), (3, 10), (0.1705, 0.8090)),
        ((6, 7), (2, 7), (0.0582, 0.8062)),
        ((5, 56), (0, 29), (-0.0381, 0.1926)),
        ((0, 10), (0, 20), (-0.1611, 0.2775)),
        ((10, 10), (0, 20), (0.6791, 1.0)),
    ],
)
def test_the_difference_of_independent_shares_is_newcombes(first, second, expected):
    assert independent_difference(*first, *second) == pytest.approx(expected, abs=6e-5)


@pytest.mark.parametrize("k", [0, 1, 30, 99, 100])
def test_with_two_categories_only_the_difference_is_wilson_stretched(k):
    expected = [2 * end - 1 for end in wilson(k, 100)]
    assert difference_of_shares(k, 100 - k, 100) == pytest.approx(expected)


def test_the_difference_of_shares_turns_its_sign_with_its_arguments():
    low, high = difference_of_shares(12, 40, 100)
    assert difference_of_shares(40, 12, 100) == pytest.approx((-high, -low))


@pytest.mark.parametrize("n", [1, 10, 5000])
def test_no_difference_seen_still_has_width(n):
    low, high = difference_of_shares(0, 0, n)
    assert low == -high
    assert high == pytest.approx(wilson(0, n)[1])


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        (lambda: wilson(1, 0), "1 successes of 0"),
        (lambda: wilson(-1, 5), "-1 successes"),
        (lambda: wilson(6, 5), "6 successes of 5"),
        (lambda: wilson(math.nan, 5), "nan successes"),
        (lambda: wilson(1, 5, level=95), "between 0 and 1"),
        (lambda: difference_of_shares(4, 4, 5), "4 and 4 of 5"),
        (lambda: clopper_pearson_zero(0), "n 0"),
    ],
)
def test_what_they_refuse(call, complaint):
    with pytest.raises(ValueError, match=complaint):
        call()


def covered(truth, intervals):
    return np.mean([low <= truth <= high for low, high in intervals])


@pytest.mark.parametrize("p", [0.02, 0.1, 0.33, 0.9])
def test_wilson_covers(p):
    rng = np.random.default_rng(1)
    assert 0.93 < covered(p, [wilson(int(k), 300) for k in rng.binomial(300, p, 4000)]) < 0.985


@pytest.mark.parametrize(
    "shares", [(0.01, 0.02, 0.97), (0.3, 0.3, 0.4), (0.5, 0.1, 0.4), (0.02, 0.0, 0.98), (0.6, 0.4, 0.0)]
)
def test_the_difference_of_shares_covers(shares):
    rng = np.random.default_rng(2)
    draws = rng.multinomial(300, shares, 4000)
    intervals = [difference_of_shares(int(a), int(b), 300) for a, b, _ in draws]
    assert 0.93 < covered(shares[0] - shares[1], intervals) <= 1.0
    if min(shares[:2]) > 0.05:
        assert covered(shares[0] - shares[1], intervals) < 0.97


@pytest.mark.parametrize(("p1", "p2"), [(0.02, 0.01), (0.3, 0.5), (0.95, 0.9)])
def test_the_difference_of_independent_shares_covers(p1, p2):
    rng = np.random.default_rng(3)
    draws = zip(rng.binomial(200, p1, 4000), rng.binomial(120, p2, 4000), strict=True)
    intervals = [independent_difference(int(a), 200, int(b), 120) for a, b in draws]
    assert 0.93 < covered(p1 - p2, intervals) < 0.99


def test_for_means_of_several_answers_wilson_is_wide_rather_than_narrow():
    rng = np.random.default_rng(4)
    rates = rng.beta(2, 4, (2000, 200))
    totals = (rng.binomial(5, rates) / 5).sum(axis=1)
    assert covered(1 / 3, [wilson(float(k), 200) for k in totals]) > 0.97
