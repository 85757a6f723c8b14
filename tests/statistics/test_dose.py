"""The dose-response regression against its definition, and against single items."""

import numpy as np
import pytest
from statsmodels.regression.linear_model import OLS

from secateur.statistics.dose import FEW_CLUSTERS, NO_DOSE, NO_RESIDUAL, SINGULAR, dose_response

VARIANTS = [("dense", 0.0), ("a", 0.2), ("a", 0.5), ("b", 0.3), ("b", 0.6)]


def made_up(seed=0, *, slopes=(0.4, -0.2), noise=0.2):
    """Rows of single items: share, sparsity, method, category, cluster."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(2, 9, 14)
    rows = []
    for cluster, size in enumerate(sizes):
        category = "xy"[cluster % 2]
        for _ in range(size):
            own = 0.3 + 0.1 * (category == "y") + noise * rng.normal()
            for method, sparsity in VARIANTS:
                slope = {"a": slopes[0], "b": slopes[1]}.get(method, 0.0)
                rows.append((own + slope * sparsity + noise * rng.normal(), sparsity, method, category, cluster))
    return rows


def together(rows):
    """The same, a row per cluster and variant."""
    found = {}
    for share, *where in rows:
        found.setdefault(tuple(where), []).append(share)
    share = np.array([np.mean(each) for each in found.values()])
    items = np.array([float(len(each)) for each in found.values()])
    sparsity, method, category, cluster = zip(*found, strict=True)
    return share, items, np.array(sparsity), method, category, np.array(cluster)


def test_coefficients_are_those_of_single_items_and_errors_nearly():
    rows = made_up()
    share, sparsity, method, category, cluster = (np.array(column) for column in zip(*rows, strict=True))
    design = np.stack(
        [sparsity * (method == "a"), sparsity * (method == "b"), category == "x", category == "y"], axis=1
    ).astype(float)
    single = OLS(share, design).fit(cov_type="cluster", cov_kwds={"groups": cluster}, use_t=True)
    fit = dose_response(*together(rows))
    assert [slope.value for slope in fit.slopes[:2]] == pytest.approx(single.params[:2], abs=1e-12)
    # Only the correction for the number of rows differs.
    assert [slope.error for slope in fit.slopes[:2]] == pytest.approx(single.bse[:2], rel=0.05)
    assert (fit.n_clusters, fit.note) == (14, "")


def test_differences_of_slopes_are_beside_the_slopes():
    a, b, between = dose_response(*together(made_up())).slopes
    assert (a.method, a.against, b.method, between.method, between.against) == ("a", "", "b", "b", "a")
    assert between.value == pytest.approx(b.value - a.value)
    assert between.low < between.value < between.high
    assert between.p < 0.01


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    held = [
        slope.low < truth < slope.high
        for seed in range(200)
        for slope, truth in zip(dose_response(*together(made_up(seed))).slopes, (0.4, -0.2, -0.6), strict=True)
    ]
    assert 0.91 < np.mean(held) < 0.98


def test_items_of_a_cluster_do_not_count_as_independent():
    """Copies of every item make no error smaller."""
    rows = made_up()
    once, twice = (dose_response(*together(many)).slopes[0].error for many in (rows, rows * 4))
    assert once == pytest.approx(twice)


def test_an_exact_line_has_no_error_and_says_so():
    fit = dose_response(*together(made_up(noise=0.0)))
    assert [slope.value for slope in fit.slopes] == pytest.approx([0.4, -0.2, -0.6])
    assert fit.note == NO_RESIDUAL
    assert fit.slopes[0].p is None


def test_what_has_no_fit_says_why():
    rows = [row for row in made_up() if row[2] == "dense"]
    assert dose_response(*together(rows)).note == NO_DOSE
    rows = [row for row in made_up() if row[4] == 0]
    assert dose_response(*together(rows)).note == FEW_CLUSTERS


def test_a_category_without_items_cannot_be_told_apart():
    fit = dose_response(
        np.array([0.1, 0.2, 0.3, 0.5]),
        np.array([0.0, 0.0, 1.0, 1.0]),
        np.array([0.0, 0.5, 0.0, 0.5]),
        ["dense", "a", "dense", "a"],
        ["x", "x", "y", "y"],
        np.array([0, 0, 1, 1]),
    )
    assert (fit.slopes, fit.note) == ((), SINGULAR)
