"""The published tests against scipy, statsmodels, and definitions."""

import math

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.stats import chi2_contingency
from statsmodels.stats.proportion import proportion_effectsize
from tests.reference import published as slow

from secateur.statistics.published import (
    NO_ANSWERS,
    NO_CONVERGENCE,
    ONE_OUTCOME,
    SEPARATION,
    SINGULAR,
    chi_squared,
    cohens_h,
    logistic_regression,
    truncated_count,
)

TABLES = [
    (65, 1000, 120, 990),
    (0, 50, 1, 50),
    (30, 60, 31, 60),
    (5, 5, 4, 5),
    (1, 2, 0, 90_000),
    (812, 9_200, 790, 9_199),
]


@pytest.mark.parametrize(("a", "n", "b", "m"), TABLES)
def test_chi_squared_is_scipys_and_the_definition(a, n, b, m):
    found = chi_squared(a, n, b, m)
    expected = chi2_contingency([[a, n - a], [b, m - b]])
    assert (found.statistic, found.p) == pytest.approx((expected[0], expected[1]), rel=1e-12)
    assert (found.statistic, found.p) == pytest.approx(slow.chi_squared(a, n, b, m), rel=1e-9, abs=1e-12)
    assert found.n == n + m
    assert not found.note


def test_equal_shares_and_differences_below_the_correction_give_nothing():
    assert (chi_squared(30, 60, 30, 60).statistic, chi_squared(30, 60, 30, 60).p) == (0.0, 1.0)
    assert chi_squared(30, 60, 30, 61).p == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("counts", "note"),
    [
        ((0, 50, 0, 40), ONE_OUTCOME),
        ((50, 50, 40, 40), ONE_OUTCOME),
        ((0, 0, 1, 40), NO_ANSWERS),
        ((1, 4, 0, 0), NO_ANSWERS),
    ],
)
def test_what_has_no_expectation_is_undefined_and_says_why(counts, note):
    found = chi_squared(*counts)
    assert (found.statistic, found.p, found.note) == (None, None, note)
    assert found.n == counts[1] + counts[3]


@pytest.mark.parametrize("counts", [(5, 4, 0, 4), (-1, 4, 0, 4), (0, 4, 9, 4)])
def test_counts_out_of_range_are_refused(counts):
    with pytest.raises(ValueError, match=" of 4"):
        chi_squared(*counts)


def test_counts_are_truncated_as_published():
    assert truncated_count(0.29, 100) == 28  # 0.29 * 100 is 28.999999999999996
    assert truncated_count(29 / 100, 100) == 28
    assert truncated_count(0.0, 0) == 0
    assert truncated_count(1.0, 7) == 7
    rates = [truncated_count(k / 49, 49) for k in range(50)]
    assert set(np.arange(50) - rates) == {0, 1}
    with pytest.raises(ValueError, match=r"a rate of 1\.5 of 3"):
        truncated_count(1.5, 3)


@pytest.mark.parametrize(("base", "other"), [(0.1, 0.4), (0.4, 0.1), (0.0, 1.0), (0.3, 0.3)])
def test_cohens_h_is_statsmodels(base, other):
    found = cohens_h(base, other, n=12)
    assert found.value == pytest.approx(proportion_effectsize(other, base), abs=1e-12)
    assert found.n == 12
    assert -math.pi <= found.value <= math.pi


def test_cohens_h_refuses_what_is_no_share():
    with pytest.raises(ValueError, match="between 0 and 1"):
        cohens_h(-0.1, 0.5, n=1)


def grid(seed=0, *, levels=(10, 30, 50), methods=("random", "wanda"), categories=("Age", "SES", "Religion")):
    rng = np.random.default_rng(seed)
    rows = [(0.0, c, "dense") for c in categories] + [
        (float(s), c, m) for m in methods for s in levels for c in categories
    ]
    total = rng.integers(20, 90, len(rows))
    return (
        [list(column) for column in zip(*rows, strict=True)],
        rng.binomial(total, rng.uniform(0.1, 0.6, len(rows))),
        total,
    )


@pytest.mark.parametrize("seed", range(3))
def test_the_regression_is_that_of_single_rows(seed):
    (sparsity, category, method), hits, total = grid(seed)
    found = logistic_regression(sparsity, category, method, hits, total)
    single, y = [], []
    for s, c, m, k, n in zip(sparsity, category, method, hits, total, strict=True):
        for place in range(n):
            single.append([1.0, s, c == "Religion", c == "SES", m == "random", m == "wanda"])
            y.append(place < k)
    fit = sm.Logit(np.array(y, float), np.array(single, float)).fit(disp=0, tol=1e-12, maxiter=100)
    assert [t.name for t in found.terms] == [
        "intercept",
        "sparsity",
        "category Religion",
        "category SES",
        "method random",
        "method wanda",
    ]
    assert [t.coefficient for t in found.terms] == pytest.approx(list(fit.params), abs=1e-7)
    assert [t.error for t in found.terms] == pytest.approx(list(fit.bse), rel=1e-6)
    assert [t.z for t in found.terms] == pytest.approx(list(fit.tvalues), abs=1e-5)
    assert [t.p for t in found.terms] == pytest.approx(list(fit.pvalues), abs=1e-7)
    assert [(t.low, t.high) for t in found.terms] == [pytest.approx(tuple(ends), abs=1e-6) for ends in fit.conf_int()]
    assert found.n == len(y)
    assert found.log_likelihood == pytest.approx(fit.llf, rel=1e-9)
    assert found.pseudo_r2 == pytest.approx(fit.prsquared, abs=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_shares_near_their_ends_are_fitted_as_by_statsmodels(seed):
    rng = np.random.default_rng(seed)
    (sparsity, category, method), _, _ = grid(seed, levels=(10, 30, 70))
    fitted = 0
    for centre in (-9, -4, 0, 6):
        total = rng.integers(1, 10 ** rng.integers(2, 7), len(sparsity))
        hits = rng.binomial(total, 1 / (1 + np.exp(-rng.normal(centre, rng.choice([0.1, 2, 5]), len(sparsity)))))
        found = logistic_regression(sparsity, category, method, hits, total)
        assert found.note != NO_CONVERGENCE
        if not found.terms:
            continue
        fitted += 1
        columns = [np.ones(len(sparsity)), np.array(sparsity)]
        columns += [np.array(category) == name for name in sorted(set(category))[1:]]
        columns += [np.array(method) == name for name in sorted(set(method))[1:]]
        counts = np.stack([hits, total - hits], axis=1)
        fit = sm.GLM(counts, np.stack(columns, axis=1).astype(float), family=sm.families.Binomial()).fit(tol=1e-12)
        away = (np.array([t.coefficient for t in found.terms]) - fit.params) / fit.bse
        assert np.abs(away).max() < 1e-5
        assert [t.error for t in found.terms] == pytest.approx(list(fit.bse), rel=1e-5)
    assert fitted > 1


def test_nothing_to_find_is_found():
    found = logistic_regression([0, 25, 50], ["a"] * 3, ["m"] * 3, [141, 3, 141], [190] * 3)
    assert found.terms[1].coefficient == pytest.approx(0, abs=1e-12)
    assert found.terms[1].p == pytest.approx(1)


def test_one_level_per_method_is_singular_and_gives_no_number():
    (sparsity, category, method), hits, total = grid(levels=(50,))
    found = logistic_regression(sparsity, category, method, hits, total)
    assert (found.terms, found.note, found.n) == ((), SINGULAR, total.sum())
    assert found.log_likelihood is None


@pytest.mark.parametrize("value", [0, 1])
def test_a_category_with_one_outcome_is_separated_and_gives_no_number(value):
    (sparsity, category, method), hits, total = grid()
    hits = np.where(np.array(category) == "SES", value * total, hits)
    assert logistic_regression(sparsity, category, method, hits, total).note == SEPARATION


def test_one_group_without_an_outcome_is_no_separation():
    (sparsity, category, method), hits, total = grid()
    hits[4] = 0
    assert logistic_regression(sparsity, category, method, hits, total).terms


def test_complete_separation_by_level_is_found():
    found = logistic_regression([0, 10, 20, 30], ["x"] * 4, ["dense"] * 4, [0, 0, 9, 9], [9] * 4)
    assert found.note == SEPARATION


def test_groups_without_answers_do_not_count():
    (sparsity, category, method), hits, total = grid()
    more = logistic_regression([*sparsity, 70.0], [*category, "Zeta"], [*method, "zeta"], [*hits, 0], [*total, 0])
    assert more == logistic_regression(sparsity, category, method, hits, total)


@pytest.mark.parametrize(("k", "n", "note"), [(0, 4, ONE_OUTCOME), (4, 4, ONE_OUTCOME), (0, 0, NO_ANSWERS)])
def test_a_single_outcome_has_no_fit(k, n, note):
    assert logistic_regression([0, 10], ["x", "x"], ["dense", "wanda"], [k, k], [n, n]).note == note


def test_counts_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="more successes"):
        logistic_regression([0], ["x"], ["dense"], [3], [2])
    with pytest.raises(ValueError, match="groups: 2, 1, 1, 1, 1"):
        logistic_regression([0, 1], ["x"], ["dense"], [1], [2])
