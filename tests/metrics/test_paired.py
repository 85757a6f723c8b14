"""Paired differences: terms say the same as the metrics, and a difference is one metric less the other."""

import numpy as np
import polars as pl
import pytest
from tests.metrics.builders import letter_rows, make_items, sampled_rows

from secateur.metrics import METRICS, count_outcomes, pair_outcomes
from secateur.metrics.counts import CONDITIONS
from secateur.metrics.differences import counted_differences, difference_table, excess_table, stereotyped_groups
from secateur.metrics.metric import BOTH
from secateur.metrics.paired import NO_COMMON_ITEMS, put_beside
from secateur.records.outcomes import letter_outcomes, sampled_outcomes
from secateur.records.parsers import STRICT

SAID = ["A", "B", "C", "Unknown", "nonsense", "A or B", ""]
WITH_TERMS = [metric for metric in METRICS.values() if metric.terms is not None]


@pytest.fixture(scope="module")
def items():
    table = make_items(120, seed=3, conditions=BOTH, without_roles=0.1)
    groups = [pl.Series(f"group_{place}", [f"g{(n + place) % 4}" for n in range(120)]) for place in range(3)]
    return table.with_columns(groups)


@pytest.fixture(scope="module")
def letters(items):
    rng = np.random.default_rng(4)
    return [
        letter_outcomes(
            letter_rows(items, orders=("012", "120"), nonfinite=0.1, ties=0.1, rng=rng), items, min_mass=0.2
        )
        for _ in range(2)
    ]


@pytest.fixture(scope="module")
def sampled(items):
    rng = np.random.default_rng(5)
    return [
        sampled_outcomes(sampled_rows(items, SAID, orders=("012", "120"), rng=rng), items, STRICT) for _ in range(3)
    ]


def counted(metric, letters, sampled, items):
    """Two things that the metric can be taken of."""
    if metric.over == "answers":
        return [count_outcomes(frame, items) for frame in (letters if metric.soft else sampled[:2])]
    return [pair_outcomes(sampled[0], frame, items) for frame in sampled[1:]]


@pytest.mark.parametrize("metric", WITH_TERMS, ids=lambda metric: metric.name)
def test_terms_give_the_metric_and_its_difference(metric, letters, sampled, items):
    sides = counted(metric, letters, sampled, items)
    beside = put_beside(*sides)
    for condition in metric.conditions:
        chosen = beside.first.condition == CONDITIONS.index(condition)
        found = beside.difference(metric, chosen)
        before, after = (metric.function(side.of(condition=condition)).value for side in sides)
        assert found.before == pytest.approx(before, abs=1e-12)
        assert found.after == pytest.approx(after, abs=1e-12)
        assert found.contributions.mean == pytest.approx(after - before, abs=1e-12)


@pytest.mark.parametrize("metric", WITH_TERMS, ids=lambda metric: metric.name)
def test_contributions_say_what_leaving_an_item_out_changes(metric, letters, sampled, items):
    """To first order: the slope of the metric in an item's weight, against a finite difference."""
    side = counted(metric, letters, sampled, items)[0]
    terms = metric.terms(side)
    chosen = terms.where & (side.condition == CONDITIONS.index(metric.conditions[0]))
    one = terms.linearised(side.some(chosen))
    value, each = one.value[0], one.values.each[chosen]
    numbers, n, step = terms.numbers[chosen], int(chosen.sum()), 1e-6
    for item in range(0, n, 7):
        weights = np.ones(n)
        weights[item] += step
        moved = float(terms.of((numbers * weights[:, None]).sum(axis=0) / weights.sum()))
        assert (moved - value) / step * n == pytest.approx(each[item] - value, abs=1e-4)


def test_metrics_of_answers_and_pairs_all_have_terms_but_these():
    without = {metric.name for metric in METRICS.values() if metric.over in ("answers", "pairs") and not metric.terms}
    assert without == {"items_left_out", "letter_share_max", "letter_entropy"}


def test_category_weighting_is_the_mean_over_categories(sampled, items):
    metric = METRICS["usr_all"]
    beside = put_beside(*(count_outcomes(frame, items) for frame in sampled[:2]))
    chosen = beside.first.condition == 0
    each = [
        beside.difference(metric, chosen & (beside.first.category == number)).contributions.mean
        for number in np.unique(beside.first.category[chosen & beside.first.has_roles])
    ]
    found = beside.difference(metric, chosen, weighting="categories").contributions.mean
    assert found == pytest.approx(np.mean(each), abs=1e-12)
    assert found != pytest.approx(beside.difference(metric, chosen).contributions.mean, abs=1e-6)


def test_items_of_one_side_only_are_left_out_and_counted(sampled, items):
    counts = count_outcomes(sampled[0], items)
    beside = put_beside(counts, counts.select(np.arange(counts.n_items) >= 10))
    assert (beside.n_items, beside.lost_first, beside.lost_second) == (counts.n_items - 10, 10, 0)
    table = difference_table(
        sampled[0],
        sampled[1].filter(pl.col("item").is_in(counts.item[10:].tolist())),
        items,
        names=("a", "b"),
        readout="sampled",
    )
    assert table["note"].str.contains("10 and 0 items were asked of one side only").any()


def test_items_all_without_roles_have_no_differences_and_give_no_warning():
    items = make_items(40, without_roles=1.0)
    rngs = [np.random.default_rng(seed) for seed in range(2)]
    frames = [sampled_outcomes(sampled_rows(items, ["A", "B"], rng=rng), items, STRICT) for rng in rngs]
    beside = put_beside(*(count_outcomes(frame, items) for frame in frames))
    metrics, by = ("srs", "unparsed_share"), ("all", "category")
    table = counted_differences(beside, items, metrics=metrics, names=("a", "b"), readout="sampled", by=by)
    undefined = dict(table.group_by("metric").agg(pl.col("value").null_count() / pl.len()).iter_rows())
    assert undefined == {"srs": 1, "unparsed_share": 0}
    assert beside.difference(METRICS["srs"], weighting="categories").contributions is None


def test_nothing_in_common_is_undefined_with_its_reason(sampled, items):
    counts = count_outcomes(sampled[0], items)
    half = np.arange(counts.n_items) < 10
    found = put_beside(counts.select(half), counts.select(~half)).difference(METRICS["usr_all"])
    assert found.contributions is None
    assert found.reason == NO_COMMON_ITEMS


def test_a_metric_undefined_on_one_side_says_on_which(items, sampled):
    silent = sampled[1].with_columns(
        outcome=pl.lit("unparsed").cast(sampled[1].schema["outcome"]), option=None, letter=None
    )
    table = difference_table(sampled[0], silent, items, names=("a", "b"), readout="sampled")
    row = table.filter((pl.col("metric") == "srs") & (pl.col("by") == "all")).row(0, named=True)
    assert row["value"] is None
    assert row["note"] == "undefined in the second"


def test_a_table_has_every_part_and_its_naive_test(items, sampled):
    pairs = pair_outcomes(*sampled[:2], items)
    table = difference_table(*sampled[:2], items, names=("a", "b"), readout="sampled", pairs=pairs)
    assert set(table["by"]) == {"all", "category", "polarity", "group"}
    rates = table.filter((pl.col("metric") == "usr_all") & (pl.col("weighting") == "items"))
    assert rates["p_naive"].null_count() == 0
    assert (table["low"].drop_nulls() <= table.filter(pl.col("low").is_not_null())["value"]).all()
    assert table.filter(pl.col("metric") == "diff_bias_ambig")["p_naive"].null_count() > 0


def test_excess_is_figure_less_floor(items, sampled):
    floor, figure = (pair_outcomes(sampled[0], frame, items) for frame in sampled[1:])
    table = excess_table(floor, figure, items, names=("dense", "variant"), readout="sampled")
    row = table.filter((pl.col("metric") == "flips") & (pl.col("by") == "all") & (pl.col("weighting") == "items"))
    flips = METRICS["flips"].function
    expected = flips(figure.of(condition="ambig")).value - flips(floor.of(condition="ambig")).value
    assert row["value"][0] == pytest.approx(expected, abs=1e-12)


def test_groups_are_those_the_stereotype_is_about(items):
    keys = items["item"].to_numpy()
    found = stereotyped_groups(keys, items)
    for item, group in zip(items.iter_rows(named=True), found, strict=True):
        wanted = "stereotype" if item["polarity"] == "neg" else "counter"
        roles = [item[f"role_{place}"] for place in range(3)]
        if roles.count("stereotype") != 1:
            assert group == ""
        else:
            assert group == f"{item['category']}: {item[f'group_{roles.index(wanted)}']}"
