"""Several means at once are what each of them is alone."""

import math

import numpy as np
import pytest

from secateur.statistics.clustered import Contributions, clustered_interval, clustered_p, cr2, p_above
from secateur.statistics.samples import (
    Clusters,
    Means,
    Samples,
    Values,
    intervals,
    p_beyond,
    p_values,
    standard_errors,
)

SIZES = ([4] * 12, [1, 2, 3, 5, 8, 13, 21], [9], [1] * 30, [7, 3], [])
"""Items per cluster of each sample; one is of one cluster, and one is empty."""

BETWEEN = pytest.mark.parametrize("between", [None, (0.0, 1.0), (-1.0, 1.0)], ids=["change", "share", "stretched"])


def draw(rng, between):
    """Values of all samples, one array each, of common and of rare kinds."""
    kinds = {None: [-1.0, 0, 0.4, 1], (0.0, 1.0): [0.0, 0.2, 1], (-1.0, 1.0): [-1.0, 0.6, 1]}[between]
    found = []
    for number, sizes in enumerate(SIZES):
        rare = 0.02 if number % 2 else 0.3
        weights = [1 - rare * (len(kinds) - 1), *[rare] * (len(kinds) - 1)]
        found.append(rng.choice(kinds, size=sum(sizes), p=weights))
    return found


def together(parts, between, *, shuffled=None, padded=0):
    """The samples side by side; in another order of items, and with items that do not count."""
    places, sample = [], []
    for number, sizes in enumerate(SIZES):
        places.append(len(sample) + np.repeat(np.arange(len(sizes)), sizes))
        sample += [number] * len(sizes)
    place, values = np.concatenate(places).astype(np.int64), np.concatenate(parts)
    chosen = None
    if padded:
        chosen = np.concatenate([np.ones(len(place), np.bool_), np.zeros(padded, np.bool_)])
        place, values = np.append(place, np.zeros(padded, np.int64)), np.append(values, np.full(padded, 0.7))
    if shuffled is not None:
        order = shuffled.permutation(len(place))
        place, values = place[order], values[order]
        chosen = None if chosen is None else chosen[order]
    clusters = Clusters(place, chosen)
    unit = np.array([1.0, 2, 1, 1.5, 1, 1])
    samples = Samples(clusters, np.array(sample), len(SIZES))
    return Means(Values(clusters.only(values), clusters), samples, unit, span=2.0, between=between)


def alone(parts, means, number, between):
    sizes = SIZES[number]
    clusters = Clusters(np.repeat(np.arange(len(sizes)), sizes))
    return Contributions(parts[number], clusters, unit=float(means.unit[number]), span=2.0, between=between)


@BETWEEN
@pytest.mark.parametrize("how", ["in order", "shuffled", "with others"])
@pytest.mark.parametrize("seed", range(3))
def test_each_of_several_is_what_it_is_alone(between, how, seed):
    rng = np.random.default_rng(seed)
    parts = draw(rng, between)
    options = {"in order": {}, "shuffled": {"shuffled": rng}, "with others": {"shuffled": rng, "padded": 11}}[how]
    means = together(parts, between, **options)
    low, high = intervals(means, 0.9)
    errors, p = standard_errors(means), p_values(means)
    above = means.mean > 0.1
    beyond = p_beyond(means, 0.1, above=above, precision=1e-4)
    for number in range(len(SIZES) - 1):
        one = alone(parts, means, number, between)
        assert means.mean[number] == pytest.approx(one.mean, abs=1e-14)
        assert means.samples.n_items[number] == one.clusters.n_items
        assert means.samples.n_clusters[number] == one.clusters.n_clusters
        assert means.samples.effective[number] == pytest.approx(one.clusters.effective)
        interval = clustered_interval(one, level=0.9)
        if interval is None:
            assert one.clusters.n_clusters == 1
            assert all(math.isnan(found[number]) for found in (low, high, errors, p))
            continue
        assert (low[number], high[number]) == pytest.approx(interval, abs=1e-9)
        assert (errors[number], means.samples.degrees[number]) == pytest.approx((cr2(one).value, cr2(one).df))
        assert p[number] == pytest.approx(clustered_p(one), rel=1e-9)
        side, threshold = (one, 0.1) if above[number] else (one.negated, -0.1)
        assert beyond[number] == pytest.approx(p_above(side, threshold), rel=1e-6)
    # Nothing is known of an empty sample, and it spoils no other.
    assert means.mean[-1] == 0
    assert all(math.isnan(found[-1]) for found in (low, high, errors, p))


def test_a_level_of_each_sample_is_its_own():
    means = together(draw(np.random.default_rng(0), None), None)
    levels = np.array([0.5, 0.8, 0.9, 0.95, 0.99, 0.9])
    low, high = intervals(means, levels)
    for number, level in enumerate(levels[:-1]):
        one = intervals(means, float(level))
        assert (low[number], high[number]) == pytest.approx((one[0][number], one[1][number]), nan_ok=True)


def test_values_that_are_all_alike_do_not_differ_by_rounding():
    """0.9 has no exact binary form: sums of thousands of it are not thousands of times it."""
    clusters = Clusters(np.repeat(np.arange(24), 143))
    even = Contributions(np.full(3432, 0.9), clusters, between=(0, 1))
    exact = Contributions(np.full(3432, 0.875), clusters, between=(0, 1))
    widths = [np.diff(clustered_interval(one))[0] for one in (even, exact)]
    assert widths[0] == pytest.approx(widths[1], rel=0.1)


@pytest.mark.parametrize("residue", [5e-17, -5e-17])
def test_what_rounding_leaves_of_changes_that_cancel_is_no_change(residue):
    clusters = Clusters(np.repeat(np.arange(100), 20))
    nothing = clustered_interval(Contributions(np.zeros(2000), clusters))
    assert clustered_interval(Contributions(np.full(2000, residue), clusters)) == pytest.approx(nothing, rel=1e-9)
    one = np.zeros(2000)
    one[7] = 1.0
    wanted = clustered_interval(Contributions(one, clusters))
    assert clustered_interval(Contributions(one + residue * (one == 0), clusters)) == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("level", [0.0, 1.0, 95.0, -1.0])
def test_a_level_that_is_none_is_refused(level):
    means = together(draw(np.random.default_rng(0), None), None)
    with pytest.raises(ValueError, match="a level lies between 0 and 1"):
        intervals(means, level)


def test_what_does_not_count_is_not_summed():
    clusters = Clusters(np.array([0, 0, 1, 1]), np.array([True, False, False, False]))
    values = Values(clusters.only(np.array([0.5, 9, 9, 9])), clusters)
    assert values.sums.tolist() == [0.5, 0]
    assert values.squares.tolist() == [0.25, 0]
    assert [part.tolist() for part in values.gains] == [[0.5, 0], [0.25, 0]]
    assert clusters.sizes.tolist() == [1, 0]
    assert (clusters.n, clusters.n_clusters, clusters.n_items) == (2, 1, 1)


def test_less_is_worked_out_once_for_the_same():
    clusters = Clusters(np.array([0, 0, 1]))
    one, other, third = (Values(np.full(3, value), clusters) for value in (1.0, 0.25, 0.5))
    found = one.less(other)
    assert found.each.tolist() == [0.75] * 3
    assert one.less(other) is found
    assert one.less(third).each.tolist() == [0.5] * 3


def test_a_value_that_is_not_finite_is_refused():
    clusters = Clusters(np.array([0, 1]))
    with pytest.raises(ValueError, match="finite"):
        Means(Values(np.array([math.nan, 0.0]), clusters), clusters.alone, np.ones(1))
