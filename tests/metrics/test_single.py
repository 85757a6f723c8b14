"""A variant's own intervals: by definition, the same in tables and limits, and where there can be none."""

import math

import numpy as np
import polars as pl
import pytest
from tests.metrics.builders import answered, letter_rows, make_items, sampled_rows
from tests.reference import clustered as slow

from secateur.metrics import METRICS, count_outcomes, metric_table, pair_outcomes
from secateur.metrics.counts import CONDITIONS, NO_INTERVAL
from secateur.metrics.single import CLUSTERED_SCORE, CLUSTERED_SHARE, ONE_CLUSTER, single
from secateur.records.outcomes import letter_outcomes, sampled_outcomes
from secateur.statistics.clustered import Contributions, clustered_interval
from secateur.statistics.samples import Clusters

ITEMS = make_items(90, seed=5, conditions=CONDITIONS, without_roles=0.1)
SAID = ["A", "B", "C", "Unknown", "nonsense"]
WITH_TERMS = [metric for metric in METRICS.values() if metric.terms is not None]


def counted(over="answers", seed=0):
    rng = np.random.default_rng(seed)
    if over == "pairs":
        sides = [sampled_outcomes(sampled_rows(ITEMS, SAID, rng=rng, keep=0.8), ITEMS) for _ in range(2)]
        return pair_outcomes(*sides, ITEMS)
    return count_outcomes(sampled_outcomes(sampled_rows(ITEMS, SAID, rng=rng, keep=0.8), ITEMS), ITEMS)


def scored():
    return count_outcomes(letter_outcomes(letter_rows(ITEMS, nonfinite=0.1), ITEMS, min_mass=0.5), ITEMS)


def by_hand(name, counts):
    """What each item adds, its cluster, and the most that one answer adds."""
    kept = [i for i in range(counts.n_items) if name == "accuracy" or counts.has_roles[i]]
    place = [int(counts.cluster[i]) for i in kept]
    if name == "accuracy":
        return [counts.right[i] / counts.answers[i] for i in kept], place, 1.0
    if name == "diff_bias_ambig":
        return [(counts.stereotype[i] - counts.counter[i]) / counts.answers[i] for i in kept], place, 1.0
    part = [counts.stereotype[i] / counts.answers[i] for i in kept]
    whole = [counts.parsed[i] / counts.answers[i] for i in kept]
    rate, parsed = math.fsum(part) / math.fsum(whole), math.fsum(whole) / len(kept)
    return [rate + (p - rate * w) / parsed for p, w in zip(part, whole, strict=True)], place, 1 / parsed


@pytest.mark.parametrize("level", [0.9, 0.95])
@pytest.mark.parametrize("category", [None, "Age"])
@pytest.mark.parametrize("name", ["accuracy", "srs", "diff_bias_ambig"])
def test_a_mean_a_ratio_and_a_score_have_the_interval_of_the_definition(name, category, level):
    counts = counted().of(condition="ambig", category=category)
    values, place, unit = by_hand(name, counts)
    estimate = METRICS[name].function(counts, level=level)
    assert estimate.value == pytest.approx(math.fsum(values) / len(values))
    if name == "diff_bias_ambig":
        expected = slow.interval(np.array(values), place, level, unit=unit)
    else:
        expected = slow.share_interval(values, place, level, unit=unit)
    assert (estimate.low, estimate.high) == pytest.approx(expected, rel=1e-6)
    assert estimate.method == (CLUSTERED_SCORE if name == "diff_bias_ambig" else CLUSTERED_SHARE)
    assert (estimate.level, estimate.target) == (level, "templates")
    assert estimate.n_clusters == len(set(place))


@pytest.mark.parametrize("metric", WITH_TERMS, ids=lambda metric: metric.name)
def test_a_table_and_a_limit_tell_the_same(metric):
    counts = scored() if metric.soft else counted(metric.over)
    part = counts.of(condition=metric.conditions[0])
    found = single(part, metric.terms)
    assert metric.function(part) == found.estimate
    assert (metric.terms(part).range, found.estimate.target) == (metric.range, "templates")
    assert metric.range[0] <= found.estimate.low <= found.estimate.value <= found.estimate.high <= metric.range[1]
    assert found.contributions.mean == pytest.approx(found.estimate.value)


@pytest.mark.parametrize("metric", WITH_TERMS, ids=lambda metric: metric.name)
def test_of_one_cluster_there_is_no_interval(metric):
    items = ITEMS.with_columns(cluster=pl.lit("one"))
    if metric.over == "pairs":
        sides = [sampled_outcomes(sampled_rows(items, SAID, rng=np.random.default_rng(k)), items) for k in (1, 2)]
        counts = pair_outcomes(*sides, items)
    elif metric.soft:
        counts = count_outcomes(letter_outcomes(letter_rows(items), items, min_mass=0.5), items)
    else:
        counts = count_outcomes(sampled_outcomes(sampled_rows(items, SAID), items), items)
    estimate = metric.function(counts.of(condition=metric.conditions[0]))
    assert estimate.value is not None
    assert (estimate.low, estimate.high, estimate.method, estimate.n_clusters) == (None, None, NO_INTERVAL, 1)
    assert estimate.note.startswith(ONE_CLUSTER)


def test_seeds_and_orders_are_one_item():
    """Asking an item more often gives it no more weight and the interval no less width."""
    items = make_items(90, seed=5, conditions=CONDITIONS)
    role = {True: "stereotype", False: "unknown"}
    once, often = (
        count_outcomes(
            sampled_outcomes(
                pl.concat(answered(items[i], role[i % 3 == 0], seeds=seeds) for i in range(90)),
                items,
            ),
            items,
        )
        for seeds in ((1,), (1, 2, 3, 4, 5))
    )
    for name in ("srs", "srs_worst", "accuracy", "diff_bias_ambig"):
        one, more = (METRICS[name].function(counts.of(condition="ambig")) for counts in (once, often))
        assert (one.low, one.high, one.n_items) == (more.low, more.high, more.n_items)
        assert more.n_answers == 5 * one.n_answers


def test_clusters_that_are_alike_make_it_wider():
    spread = np.tile([1.0, 0, 0, 0], 100)
    together = np.repeat(np.arange(40) < 10, 10).astype(float)
    clusters = Clusters.of(np.repeat(np.arange(40), 10))
    widths = [
        np.diff(clustered_interval(Contributions(values, clusters, between=(0, 1))))[0] for values in (spread, together)
    ]
    assert widths[1] > 2 * widths[0]


def test_rates_near_0_and_near_1_are_treated_alike():
    """Misses of a share near 1 are as rare, and sit in as few clusters, as hits of one near 0."""
    rng = np.random.default_rng(3)
    clusters = Clusters.of(np.repeat(np.arange(130), rng.integers(4, 200, 130)))
    values = (rng.random(clusters.n_items) < 0.01).astype(float)
    low, high = clustered_interval(Contributions(values, clusters, between=(0, 1)))
    assert clustered_interval(Contributions(1 - values, clusters, between=(0, 1))) == pytest.approx((1 - high, 1 - low))
    stretched = clustered_interval(Contributions(2 * values - 1, clusters, unit=2, span=1, between=(-1, 1)))
    assert stretched == pytest.approx((2 * low - 1, 2 * high - 1))
    turned = Contributions(values, clusters, between=(0, 1)).negated
    assert clustered_interval(turned) == pytest.approx((-high, -low))


def test_the_largest_letter_share_and_entropy():
    counts = counted()
    largest = METRICS["letter_share_max"].function(counts)
    letter = METRICS[f"letter_share_{largest.note[-1].lower()}"].function(counts)
    assert (largest.value, largest.high, largest.method) == (letter.value, letter.high, CLUSTERED_SHARE)
    assert largest.low == max(letter.low, 1 / 3)
    assert METRICS["letter_entropy"].function(counts).method == NO_INTERVAL


def test_tables_have_them_for_every_category():
    frame = sampled_outcomes(sampled_rows(ITEMS, SAID), ITEMS)
    table = metric_table([("dense", "sampled", frame)], ITEMS)
    rows = table.filter(pl.col("low").is_not_null())
    assert set(rows["method"]) == {CLUSTERED_SHARE, CLUSTERED_SCORE}
    assert rows["n_clusters"].min() >= 2
    assert set(table.filter(pl.col("low").is_null() & pl.col("value").is_not_null())["metric"]) == {
        "letter_entropy",
        "items_left_out",
    }


def test_rounding_does_not_make_clusters_unlike():
    clusters = Clusters.of(np.repeat(np.arange(130), 16))
    values = np.full(clusters.n_items, 0.2)
    even = clustered_interval(Contributions(values, clusters, between=(0, 1)))
    values[::3] += 1e-16
    assert clustered_interval(Contributions(values, clusters, between=(0, 1))) == pytest.approx(even, abs=1e-9)
