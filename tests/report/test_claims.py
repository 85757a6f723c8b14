"""Claims: every number is a query, and what cannot be concluded is said."""

from dataclasses import replace

import polars as pl
import pytest
from tests.report.scripted_study import ScriptedStudy, build

from secateur.items.item import Condition
from secateur.metrics.catalogue import METRICS
from secateur.records.store import Store
from secateur.report import format as fmt
from secateur.report.claims import limits, make_claims, overview
from secateur.report.data import UNCHECKED
from secateur.report.evidence import slope_text
from secateur.report.read import read_report_data
from secateur.report.states import find_states
from secateur.report.tables import TABLES

TINY = {"methods": ("wanda",), "levels": (0.5,), "templates": 3, "per_template": 2, "categories": ("Age",)}


COUNTED = ("changes_counted", "survival_counts", "wording_counts", "perplexity_gate")
"""Tables of whole numbers."""


def claims_of(tmp_path, **changes):
    data = read_report_data(Store.open(build(tmp_path / "x.store", ScriptedStudy(**{**TINY, **changes}))))
    return data, make_claims(data)


def texts(claims, kind):
    return [claim.text for claim in claims if claim.kind == kind]


def test_every_number_is_found_again_by_its_query(scripted_data):
    tables = {name: make(scripted_data) for name, make in TABLES.items()}
    quantities = [q for claim in make_claims(scripted_data) for q in claim.quantities]
    assert len(quantities) > 30
    for quantity in quantities:
        rows = tables[quantity.table].frame.filter(*(pl.col(name) == value for name, value in quantity.where))
        assert rows.height == 1
        row = rows.row(0, named=True)
        if quantity.table == "changes":
            expected = fmt.difference(row, METRICS[row["metric"]])
        elif quantity.table == "directions":
            place = dict(zip(("value", "low", "high"), (row[name] for name in quantity.columns), strict=True))
            if quantity.columns[0] == "new_direction":
                expected = fmt.share((place["low"], place["high"]), place["value"])
            else:
                expected = fmt.difference({**place, "note": ""}, METRICS["srs_all"])
        elif quantity.table == "dose_regression":
            expected = slope_text(row)
        elif quantity.table in COUNTED:
            expected = fmt.count(row[quantity.columns[0]])
        elif quantity.table == "sparsity":
            expected = fmt.sparsity(row["achieved_sparsity"])
        elif quantity.table == "items":
            expected = (
                f"{row[quantity.columns[0]]:.1f}"
                if "effective" in quantity.columns[0]
                else str(row[quantity.columns[0]])
            )
        elif quantity.columns == ("value", "low", "high"):
            expected = fmt.estimate(row, METRICS[row["metric"]])
        else:
            expected = fmt.value(row[quantity.columns[0]], METRICS[row["metric"]])
        assert quantity.text == expected


def test_every_link_leads_to_a_row(scripted_data):
    anchors = {
        table.anchor(row)
        for make in TABLES.values()
        for table in [make(scripted_data)]
        for row in table.frame.iter_rows(named=True)
    }
    rows = [claim.row for claim in make_claims(scripted_data) if claim.row]
    assert rows
    assert set(rows) <= anchors


def test_a_broken_variant_is_called_broken_and_not_biased(scripted_data):
    found = [text for text in texts(make_claims(scripted_data), "finding") if text.startswith("random 0.7")]
    assert len(found) == 1
    assert "is broken, not biased" in found[0]
    assert "says nothing about stereotypes" in found[0]
    guessing = [text for text in texts(make_claims(scripted_data), "finding") if text.startswith("random 0.5")]
    assert "no better than guessing" in guessing[0]


def test_a_change_is_told_with_its_floor_and_both_perplexities(scripted_data):
    text = next(text for text in texts(make_claims(scripted_data), "finding") if text.startswith("wanda 0.7"))
    for part in (
        "achieved sparsity 69.14 %",
        "perplexity went from",
        "beside a floor of",
        "unknown rate USR",
        "SRS intervals",
    ):
        assert part in text


def test_the_variant_furthest_from_dense_is_named_with_both_values(tmp_path):
    data, claims = claims_of(tmp_path, levels=(0.3, 0.5, 0.7), templates=10, per_template=10, lean=3.0)
    (claim,) = [c for c in claims if " pruned variants " in c.text]
    dense, *pruned = data.variants
    rates = {v.label: data.metric(v, "srs", readout=data.main_readout, condition="ambig") for v in data.variants}
    assert [v.label for v in pruned if rates[v.label]["low"] > rates[dense.label]["high"]] == ["wanda 0.7"]
    furthest, own = (fmt.estimate(rates[label], METRICS["srs"]) for label in ("wanda 0.7", dense.label))
    assert "Furthest apart is wanda 0.7 (" in claim.text
    assert f"SRS {furthest} beside {own}, perplexity " in claim.text


def test_nothing_is_furthest_where_no_interval_is_apart(tmp_path):
    _, claims = claims_of(tmp_path, levels=(0.3,), templates=10, per_template=10, lean=0.0)
    assert not [c for c in claims if "Furthest" in c.text]


def test_perplexities_are_told_at_the_middle_level(scripted_data):
    (claim,) = [c for c in make_claims(scripted_data) if "perplexity goes from" in c.text]
    told = {dict(quantity.where)["variant_id"] for quantity in claim.quantities}
    middle = {v.key for v in scripted_data.variants if v.dense or v.nominal == 0.5}  # of 0.1, 0.5, 0.7
    assert told == middle
    assert len(told) == 3


def test_what_is_left_out_is_counted(scripted_data):
    text = next(text for text in texts(make_claims(scripted_data), "finding") if text.startswith("Left out"))
    left = scripted_data.items.filter(category="all")["left_out"].sum()
    assert f"{left} of" in text
    assert "Perplexity is undefined for random 0.7" in text


def test_limits(scripted_data):
    text = " ".join(texts(make_claims(scripted_data), "limit"))
    for part in (
        "take clusters of templates as the sample",
        "8 clusters",
        "described, not judged",
        "a change that is not shown is not shown to be none",
        "No floor for the letter",
        "Fewer than three masks per level",
    ):
        assert part in text
    assert "no placebo" in text
    assert "Only ambiguous" not in text


def test_masks_are_counted_for_each_way_of_pruning(scripted_data):
    dense, wanda = scripted_data.variants[0], next(v for v in scripted_data.variants if v.label == "wanda 0.5")

    def told(series):
        made = [
            replace(wanda, key=f"{one} {seed}", series=one, seed=f"calibration_seed {seed}")
            for one, seeds in series.items()
            for seed in range(seeds)
        ]
        data = replace(scripted_data, variants=(dense, *made))
        return [text for text in texts(list(limits(data)), "limit") if "masks per level" in text]

    assert told({"wanda": 3}) == []
    (two,) = told({"wanda": 2})
    assert two.startswith("Fewer than three masks per level (wanda): ")
    (of_three,) = told({"wanda": 1, "wanda, per layer": 1, "wanda, propagation once": 1})
    assert "(wanda; wanda, per layer; wanda, propagation once)" in of_three


def test_a_variant_that_is_incomplete_and_may_guess_is_told_as_both(scripted_data):
    """Its missing records must not hide that nobody looked whether it guesses."""
    variant = next(v for v in scripted_data.variants if v.label == "wanda 0.5")
    lacking = replace(variant, rows={**variant.rows, "sampled": (3, 12)})
    ambiguous = scripted_data.metrics.filter(pl.col("condition") == "ambig", pl.col("variant") == variant.key)
    state = find_states([lacking], ["sampled"], ambiguous)[variant.key, "sampled"]
    assert (state.name, state.readable) == (UNCHECKED, True)
    assert state.reasons == ("no disambiguated item was asked", "3 of 12 records")
    mixed = {**scripted_data.states, (variant.key, scripted_data.main_readout): state}
    (text,) = [claim.text for claim in overview(replace(scripted_data, states=mixed))]
    assert "(whether 1 of them merely guess was not checked, as no disambiguated item was asked)" in text


def test_a_complete_store_has_no_warning(scripted_data):
    assert texts(make_claims(scripted_data), "warning") == []


def test_an_incomplete_store_warns_with_counts(tmp_path):
    data, claims = claims_of(tmp_path, limit=10, text=False)
    have, want = data.rows
    assert 0 < have < want
    assert f"{have:,} of the {want:,}" in texts(claims, "warning")[0]
    assert any("lack one of the planned orders" in text for text in texts(claims, "warning"))


def test_what_was_not_run_is_named(tmp_path):
    _, claims = claims_of(tmp_path, skip=("wanda 0.5",))
    assert "Planned and not run: wanda 0.5." in texts(claims, "warning")


def test_a_missing_dense_model_leaves_nothing_to_compare(tmp_path):
    _, claims = claims_of(tmp_path, skip=("dense",))
    assert any("nothing to compare with" in text for text in texts(claims, "finding"))


def test_a_dense_model_that_does_not_do_the_task_is_said_first(tmp_path):
    _, claims = claims_of(tmp_path, dense_collapsed=True)
    assert any("dense model itself is broken" in text for text in texts(claims, "warning"))


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"conditions": (Condition.AMBIG,)}, "Only ambiguous items were asked"),
        ({"floor": False}, "No floor for the letter and the sampled readout"),
        ({"letter": "fixed"}, "The letter readout has one order"),
    ],
)
def test_limits_follow_the_study(tmp_path, changes, part):
    _, claims = claims_of(tmp_path, **changes)
    assert part in " ".join(texts(claims, "limit"))


def test_models_are_named_where_there_are_several(tmp_path):
    data, claims = claims_of(tmp_path, models=("acme/one", "acme/two"))
    for name in data.models.values():
        assert any(f"{name}, wanda 0.5" in text for text in texts(claims, "finding"))


def test_a_limit_is_told_only_where_it_is_one(scripted_data, rich_data):
    """The one has other words and no placebo, the other a placebo and one wording."""
    worded, with_placebo = (" ".join(texts(make_claims(data), "limit")) for data in (scripted_data, rich_data))
    assert "no placebo" in worded
    assert "one wording" not in worded
    assert "no placebo" not in with_placebo
    assert "one wording" in with_placebo
