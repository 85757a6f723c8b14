"""What a planned comparison can decide, against what such comparisons then decide."""

import numpy as np
import pytest

from secateur.statistics.clustered import Contributions, clustered_interval
from secateur.statistics.detectable import design_effect, detectable_margin
from secateur.statistics.samples import Clusters


def test_about_three_standard_errors_where_clusters_are_many_and_alike():
    clusters = Clusters.of(np.repeat(np.arange(1000), 10))
    error = np.sqrt(0.2 / 10_000)
    assert detectable_margin(clusters, 0.2, icc=0.0) == pytest.approx(2.93 * error, rel=0.01)


def test_a_design_effect_is_that_of_equal_clusters():
    assert design_effect(np.full(30, 20.0), 0.1) == pytest.approx(1 + 0.1 * 19)


def test_where_nothing_changes_the_exact_bound_is_left():
    clusters = Clusters.of(np.repeat(np.arange(50), 20))
    nothing = clustered_interval(Contributions(np.zeros(1000), clusters), level=0.9)[1]
    assert detectable_margin(clusters, 0.0) == pytest.approx(nothing)


def test_one_cluster_decides_nothing():
    assert detectable_margin(Clusters.of(np.zeros(10)), 0.05) is None


@pytest.mark.parametrize(("n_clusters", "size"), [(25, 40), (120, 16)])
def test_such_comparisons_are_settled_about_as_often_as_said(n_clusters, size):
    """Wide bands, because the interval is cautious where little changes: 60 % to all of them."""
    generator = np.random.default_rng(5)
    clusters = Clusters.of(np.repeat(np.arange(n_clusters), size))
    changed, icc = 0.2, 0.1
    margin = detectable_margin(clusters, changed, icc=icc)
    settled = 0
    for _ in range(300):
        # As many one way as the other, alike within clusters.
        lean = generator.beta(0.5 * (1 - icc) / icc, 0.5 * (1 - icc) / icc, size=n_clusters)[clusters.place]
        turned = generator.random(clusters.n_items) < changed
        values = np.where(turned, np.where(generator.random(clusters.n_items) < lean, 1.0, -1.0), 0.0)
        low, high = clustered_interval(Contributions(values, clusters), level=0.9)
        settled += -margin < low and high < margin
    assert 0.6 <= settled / 300 <= 1.0
