"""The tidy tables, floors and couplings; the table of metrics and its page."""

import inspect
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.metrics.builders import answered, letter_rows, make_items, sampled_rows

from secateur.errors import InputError
from secateur.metrics import (
    METRICS,
    align_seeds,
    count_outcomes,
    metric_table,
    pair_outcomes,
    transition_counts,
    transition_excess,
    transition_table,
)
from secateur.metrics.table import METRIC_COLUMNS, NO_FLOOR, TRANSITION_COLUMNS, UNEQUAL_COUPLING, UNEQUAL_SEEDS
from secateur.records.outcomes import letter_outcomes, sampled_outcomes

ITEMS = make_items(40, seed=4, conditions=("ambig", "disambig"))
SAID = ["A", "B", "C", "Unknown", "nonsense"]


def sampled(seeds=(1, 2, 3), *, draw=0, texts=SAID):
    rng = np.random.default_rng(draw)
    return sampled_outcomes(sampled_rows(ITEMS, texts, seeds=seeds, rng=rng), ITEMS)


def letter(draw=0):
    return letter_outcomes(letter_rows(ITEMS, rng=np.random.default_rng(draw)), ITEMS, min_mass=0.5)


def test_one_row_per_variant_readout_category_condition_and_metric():
    table = metric_table([("dense", "sampled", sampled()), ("dense", "letter", letter())], ITEMS)
    assert table.schema == pl.Schema(METRIC_COLUMNS)
    assert not table.select("variant", "readout", "category", "condition", "metric").is_duplicated().any()
    assert set(table["category"]) == {"all", "Age", "Religion"}
    answers = [metric for metric in METRICS.values() if metric.over == "answers"]
    expected = sum(len(m.conditions) for m in answers) + sum(len(m.conditions) for m in answers if not m.soft)
    assert table.height == expected * 3
    assert not table.filter(pl.col("readout") == "sampled")["metric"].str.starts_with("soft").any()
    undefined = table.filter(pl.col("value").is_null())
    assert (undefined["note"] != "").all()


def test_a_row_is_the_estimate():
    table = metric_table([("dense", "letter", letter())], ITEMS, level=0.9)
    row = table.row(by_predicate=(pl.col("metric") == "srs") & (pl.col("category") == "Age"), named=True)
    part = count_outcomes(letter(), ITEMS).of(category="Age", condition="ambig")
    estimate = METRICS["srs"].function(part, level=0.9)
    assert {name: row[name] for name in ("value", "low", "high", "n_items", "method", "level")} == {
        name: getattr(estimate, name) for name in ("value", "low", "high", "n_items", "method", "level")
    }


def test_all_weighs_items_not_categories():
    table = metric_table([("dense", "sampled", sampled())], ITEMS).filter(pl.col("metric") == "diff_bias_ambig")
    rows = {row["category"]: row for row in table.iter_rows(named=True)}
    parts = [rows["Age"], rows["Religion"]]
    assert parts[0]["n_items"] != parts[1]["n_items"]
    weighted = sum(row["value"] * row["n_items"] for row in parts) / sum(row["n_items"] for row in parts)
    assert rows["all"]["value"] == pytest.approx(weighted)


def test_a_category_without_answers_has_rows_that_say_so():
    some = sampled().join(ITEMS.filter(pl.col("category") == "Age").select("item"), on="item", how="semi")
    table = metric_table([("dense", "sampled", some)], ITEMS)
    assert set(table.filter(pl.col("category") == "Religion")["note"]) == {"no items"}


def test_no_variants_give_an_empty_table():
    assert metric_table([], ITEMS).schema == pl.Schema(METRIC_COLUMNS)
    assert transition_table(sampled(), [], ITEMS, readout="sampled").schema == pl.Schema(TRANSITION_COLUMNS)


def test_a_missing_floor_says_so():
    table = transition_table(sampled(), [("cut", sampled(draw=1))], ITEMS, readout="sampled")
    assert table["floor"].null_count() == table.height
    assert set(table["floor_note"]) == {NO_FLOOR}


def test_a_fair_floor_has_other_seeds_on_both_sides():
    dense, floor = sampled(), sampled((11, 12, 13), draw=1)
    table = transition_table(dense, [("cut", sampled((11, 12, 13), draw=2))], ITEMS, readout="sampled", floor=floor)
    assert set(table["floor_note"]) == {""}
    row = table.row(
        by_predicate=(pl.col("metric") == "became_biased")
        & (pl.col("category") == "all")
        & (pl.col("condition") == "ambig"),
        named=True,
    )
    pairs = pair_outcomes(dense, align_seeds(floor, like=dense), ITEMS).of(condition="ambig")
    estimate = METRICS["became_biased"].function(pairs)
    assert (row["floor"], row["floor_low"], row["floor_high"]) == (estimate.value, estimate.low, estimate.high)
    assert row["n_answers"] == estimate.n_answers == 60


def test_the_excess_is_the_figure_less_its_floor_over_the_items_that_have_both():
    dense, floor = sampled(), sampled((11, 12, 13), draw=1)
    cut = sampled((11, 12, 13), draw=2)
    table = transition_table(dense, [("cut", cut)], ITEMS, readout="sampled", floor=floor)
    defined = table.filter(pl.col("value").is_not_null(), pl.col("floor").is_not_null())
    assert defined.height > 10
    assert (defined["value"] - defined["floor"]).to_list() == pytest.approx(defined["excess"].to_list())
    # An item whose pairs cannot be told from its floor's adds nothing; and the interval is that of a paired difference.
    same = transition_table(dense, [("again", floor)], ITEMS, readout="sampled", floor=floor)
    known = same.filter(pl.col("excess").is_not_null())
    assert known.height > 10
    assert (known["excess"] == 0).all()
    assert (known["excess_low"] < 0).all()
    half = cut.filter(pl.col("item").is_in(ITEMS.filter(pl.col("category") == "Age")["item"].implode()))
    few = transition_table(dense, [("cut", half)], ITEMS, readout="sampled", floor=floor)
    (of_age,) = table.filter(category="Age", metric="flips", condition="ambig")["excess"]
    (of_all,) = few.filter(category="all", metric="flips", condition="ambig")["excess"]
    assert of_all == pytest.approx(of_age)
    assert table.filter(category="Age", metric="flips")["floor_note"].n_unique() == 1


def test_without_a_floor_there_is_no_excess():
    table = transition_table(sampled(), [("cut", sampled(draw=1))], ITEMS, readout="sampled")
    assert table["excess"].null_count() == table.height


@pytest.mark.parametrize(("by", "condition"), [("outcome", "ambig"), ("correctness", "disambig")])
def test_every_transition_has_its_excess_over_the_floor(by, condition):
    dense = sampled()
    floor, figure = (
        pair_outcomes(dense, align_seeds(sampled((11, 12, 13), draw=draw), like=dense), ITEMS).of(condition=condition)
        for draw in (1, 2)
    )
    found = transition_excess(floor, figure, by=by)
    shares = [transition_counts(pairs, by=by)["share"] for pairs in (floor, figure)]
    assert found["excess"].to_list() == pytest.approx((shares[1] - shares[0]).to_list())
    assert ((found["excess_low"] <= found["excess"]) & (found["excess"] <= found["excess_high"])).all()
    # All shares add up to one on both sides, so what one gains others lose.
    assert found["excess"].sum() == pytest.approx(0)


def test_transitions_without_items_have_no_excess():
    none = pair_outcomes(sampled(), sampled(draw=1), ITEMS).select(np.zeros(40, bool))
    assert transition_excess(none, none)["excess"].null_count() == 16


def test_an_unfair_floor_says_so():
    table = transition_table(
        sampled(), [("cut", sampled(draw=2))], ITEMS, readout="sampled", floor=sampled((11, 12), draw=1)
    )
    assert set(table["floor_note"]) == {f"{UNEQUAL_COUPLING}; {UNEQUAL_SEEDS}"}
    assert table["floor"].null_count() < table.height
    assert table["excess"].null_count() == table.height


def test_letters_have_a_floor_too():
    table = transition_table(letter(), [("cut", letter(1))], ITEMS, readout="letter", floor=letter())
    assert set(table.filter(pl.col("metric") == "flips")["floor"]) == {0.0}


def test_seeds_are_aligned_by_rank():
    aligned = align_seeds(sampled((50, 7, 900, 1000)), like=sampled((3, 1, 2)))
    assert set(aligned["seed"]) == {1, 2, 3}
    assert aligned.height == 120


def test_answers_without_a_partner_are_noted():
    pairs = pair_outcomes(sampled((1, 2, 3)), sampled((2, 3, 4), draw=1), ITEMS)
    assert (pairs.unpaired_dense, pairs.unpaired_variant) == (40, 40)
    assert METRICS["flips"].function(pairs).note == (
        "in the whole comparison 40 dense answers and 40 of the variant had no partner"
    )


def test_different_readouts_cannot_be_paired():
    with pytest.raises(InputError, match="two different readouts"):
        pair_outcomes(sampled(), letter(), ITEMS)


def test_an_answer_that_stands_twice_cannot_be_paired():
    with pytest.raises(InputError, match=r"more than once[^$]*item, order, seed"):
        pair_outcomes(pl.concat([sampled(), sampled()]), sampled(), ITEMS)


def test_unknown_items_cannot_be_counted():
    with pytest.raises(InputError, match="not in the items table"):
        count_outcomes(sampled(), ITEMS[:3])


@pytest.mark.parametrize("column", ["polarity", "condition"])
def test_a_polarity_or_condition_that_does_not_exist_is_an_error(column):
    with pytest.raises(InputError, match=f"{column} that does not exist[^$]*got: +maybe"):
        count_outcomes(sampled(), ITEMS.with_columns(pl.lit("maybe").alias(column)))


def test_counts_add_up():
    counts = count_outcomes(sampled_outcomes(answered(ITEMS, "unknown"), ITEMS), ITEMS)
    total = counts.stereotype + counts.counter + counts.unknown + counts.unparsed + counts.unassigned
    assert (total == counts.answers).all()
    assert counts.clusters.n == ITEMS["cluster"].n_unique()


@pytest.mark.parametrize("metric", METRICS.values(), ids=lambda metric: metric.name)
def test_every_metric_is_described(metric):
    assert METRICS[metric.name] is metric
    assert metric.range[0] < metric.range[1]
    for value in (metric.neutral, metric.guess):
        assert value is None or metric.range[0] <= value <= metric.range[1]
    assert metric.source
    assert metric.better is None or metric.neutral is None
    assert bool(metric.conditions) == (metric.over in ("answers", "pairs"))
    assert inspect.getdoc(metric.function)
    page = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
    assert f"`{metric.name}`" in page
