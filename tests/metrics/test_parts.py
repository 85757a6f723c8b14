"""Parts of items: numbers of each are those of its items alone, and what is shared is the same object."""

from dataclasses import replace

import numpy as np
import pytest
from tests.metrics.builders import letter_rows, make_items, sampled_rows

from secateur.metrics import METRICS, count_outcomes
from secateur.metrics.parts import parts_of
from secateur.records.outcomes import letter_outcomes, sampled_outcomes
from secateur.records.parsers import STRICT

CLUSTER = np.array([5, 5, 2, 2, 9, 9, 9])


def test_totals_and_items_are_those_of_each_part():
    parts = parts_of(np.array([0, 0, 2, 2, -1, -1, -1]), 3, CLUSTER)
    assert parts.n_items.tolist() == [2, 0, 2]
    assert parts.samples.n_clusters.tolist() == [1, 0, 1]
    assert parts.total(np.arange(7)).tolist() == [1, 0, 5]
    assert parts.take(np.arange(7)).tolist() == [0, 1, 2, 3]
    assert parts.items_of(2).tolist() == [False, False, True, True, False, False, False]


def test_a_cluster_in_two_parts_is_a_cluster_of_each():
    parts = parts_of(np.array([0, 1, 0, 1, 1, 1, -1]), 2, CLUSTER)
    assert parts.samples.n_clusters.tolist() == [2, 3]
    assert parts.total(np.array([1.0, 2, 4, 8, 16, 32, 64])).tolist() == [5, 58]


def test_parts_of_the_same_items_share_their_clusters():
    whole, halves = parts_of(np.zeros(7, np.int64), 1, CLUSTER), parts_of(np.array([0, 0, 0, 0, 1, 1, 1]), 2, CLUSTER)
    assert whole.clusters is halves.clusters
    where = np.array([True, False, True, True, True, False, True])
    assert whole.within(where).clusters is halves.within(where).clusters
    assert whole.within(where).clusters is not whole.clusters
    assert halves.within(where).n_items.tolist() == [3, 2]
    assert halves.within(np.ones(7, np.bool_)) is halves


@pytest.mark.parametrize("name", [name for name, metric in METRICS.items() if metric.over == "answers"])
def test_a_metric_over_parts_is_its_function_of_each(name):
    """With a category that was not asked, and one in which nothing could be read."""
    metric = METRICS[name]
    items = make_items(
        240, seed=4, conditions=("ambig", "disambig"), without_roles=0.2, categories=("Age", "Race", "Religion", "SES")
    )
    rng = np.random.default_rng(2)
    if metric.soft:
        outcomes = letter_outcomes(letter_rows(items, rng=rng, nonfinite=0.1, ties=0.1), items, min_mass=0.0)
    else:
        outcomes = sampled_outcomes(sampled_rows(items, ["A", "B", "C", "Unknown", "nonsense"], rng=rng), items, STRICT)
    counts = count_outcomes(outcomes, items)
    names = counts.categories
    counts = counts.select(counts.category != 0)
    silent = counts.category == 1
    for field in ("stereotype", "counter", "unknown", "unassigned", "right", "letters", "scored"):
        getattr(counts, field)[silent] = 0
    counts.unparsed[silent] = counts.answers[silent]
    for condition in metric.conditions:
        part = counts.of(condition=condition)
        (found,) = metric.estimates(part, [part.by_category], level=0.9)
        alone = [metric.function(part.of(category=category), level=0.9) for category in names]
        for one, other in zip(found, alone, strict=True):
            assert (one.note, one.method, one.n_items) == (other.note, other.method, other.n_items)
            assert (one.n_answers, one.n_clusters) == (other.n_answers, other.n_clusters)
            for end in ("value", "low", "high"):
                assert getattr(one, end) == pytest.approx(getattr(other, end), abs=1e-10)


def test_a_metric_that_is_but_a_function_is_asked_part_by_part():
    items = make_items(60, seed=1, categories=("Age", "Race", "SES"))
    counts = count_outcomes(sampled_outcomes(sampled_rows(items, ["A", "B", "C"]), items, STRICT), items)
    partitions = [counts.whole, counts.by_category]
    by_terms = METRICS["accuracy"].estimates(counts, partitions, level=0.9)
    assert replace(METRICS["accuracy"], terms=None).estimates(counts, partitions, level=0.9) == by_terms
    assert [len(found) for found in by_terms] == [1, 3]
