"""McNemar's mid-p value against published and statsmodels' values."""

import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar

from secateur.statistics.naive import mcnemar_mid_p


def test_it_is_fagerland_lydersen_and_laakes():
    assert mcnemar_mid_p(1, 7) == pytest.approx(0.0391, abs=5e-5)
    assert mcnemar([[1, 1], [7, 12]], exact=True).pvalue == pytest.approx(0.0703, abs=5e-5)


@pytest.mark.parametrize(("gained", "lost"), [(0, 1), (1, 7), (7, 1), (12, 30), (0, 40), (250, 310), (59, 60)])
def test_it_is_the_exact_test_less_the_probability_of_what_was_seen(gained, lost):
    expected = mcnemar([[0, gained], [lost, 0]], exact=True).pvalue - stats.binom.pmf(gained, gained + lost, 0.5)
    assert mcnemar_mid_p(gained, lost) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("gained", "lost"), [(10**5, 10**5 + 900), (10**9, 10**9 + 10**5), (3 * 10**9, 3 * 10**9 + 10**5)]
)
def test_huge_counts_are_no_matter(gained, lost):
    """Far from the ends the normal approximation is as good."""
    z = (lost - gained) / (gained + lost) ** 0.5
    assert mcnemar_mid_p(gained, lost) == pytest.approx(2 * stats.norm.sf(z), rel=1e-4)


@pytest.mark.parametrize("pairs", [1, 3, 200])
def test_as_many_either_way_is_1(pairs):
    assert mcnemar_mid_p(pairs, pairs) == pytest.approx(1.0)


def test_where_no_pair_differs_nothing_is_said():
    assert mcnemar_mid_p(0, 0) == 1.0


@pytest.mark.parametrize("n", [1, 8, 51])
def test_directions_weigh_the_same_and_more_one_way_is_smaller(n):
    p = [mcnemar_mid_p(k, n - k) for k in range(n // 2 + 1)]
    assert p == sorted(p)
    assert p == [mcnemar_mid_p(n - k, k) for k in range(n // 2 + 1)]
    assert all(0 < value <= 1 for value in p)
