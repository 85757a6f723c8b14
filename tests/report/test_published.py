"""The published tables and those that set the corrected figures beside them."""

import math

import polars as pl
import pytest
from tests.report.scripted_study import GREEDY, ScriptedStudy, build

from secateur.items.item import Condition
from secateur.metrics import published
from secateur.metrics.counts import count_outcomes
from secateur.records.outcomes import sampled_outcomes
from secateur.records.store import Store
from secateur.report import as_published
from secateur.report.claims import make_claims
from secateur.report.published import CORRECTING, NOT_SAMPLED, PUBLISHED
from secateur.report.read import read_report_data
from secateur.report.table import to_markdown
from secateur.report.tables import TABLES

SMALL = {"methods": ("magnitude", "wanda", "wanda-pia"), "levels": (0.3, 0.5), "templates": 4, "per_template": 3}


@pytest.fixture
def data(rich_data):
    return rich_data


@pytest.fixture
def store(rich_store):
    return rich_store


def rows(data, name):
    return TABLES[name](data).frame


def test_every_table_is_in_the_report_and_says_its_parser(data):
    for name, make in PUBLISHED.items():
        table = make(data)
        assert TABLES[name] is make
        assert table.name == name
        assert "Answers read by parser pia, ambiguous items; 2 items without roles are left out." in table.about
        assert table.folded
    for name, make in CORRECTING.items():
        assert TABLES[name] is make
        assert not make(data).folded


def test_rates_are_of_the_stored_answers_read_by_the_published_parser(data, store):
    plan = store.plans()[0]
    items = store.item_set(plan["items"])
    entry = next(c for c in plan["models"][0]["cells"] if c["label"] == "wanda 0.5" and c["task"] == "ask")
    sampled = store.read(entry["cell"], "sampled").filter(pl.col("seed").is_in(plan["sampled"]["seeds"]))
    counts = published.count_items(count_outcomes(sampled_outcomes(sampled, items, GREEDY), items))
    row = rows(data, "published_rates").filter(variant="wanda 0.5", category="all").row(0, named=True)
    assert row["n"] == counts["n"].sum()
    assert row["srs"] == counts["stereotype"].sum() / counts["n_valid"].sum()


def test_without_the_published_parser_the_reports_own_is_used_and_named(store, monkeypatch):
    monkeypatch.setattr(as_published, "PUBLISHED_PARSER", "none of this name")
    found = read_report_data(store)
    assert found.published.parser == "strict"
    assert "parser strict" in PUBLISHED["published_rates"](found).about


def test_every_published_table_has_the_achieved_sparsity(data):
    for name in PUBLISHED:
        wanted = {"achieved_low", "achieved_high"} if name == "published_dose_response" else {"achieved_sparsity"}
        if name != "published_regression":  # its rows are terms
            assert wanted <= set(rows(data, name).columns), name


def test_transitions_have_their_floor_with_the_same_coupling(data):
    frame = rows(data, "published_transitions")
    floor = frame.filter(draws="floor")
    assert floor["variant"].to_list() == ["dense again (floor)"]
    pruned = len(data.variants) - 1
    assert frame["draws"].value_counts(sort=False).sort("draws")["count"].to_list() == [1, pruned, pruned]
    side = rows(data, "side_by_side")
    assert side["floor"].unique().to_list() == floor["share"].to_list()
    for draws, column in (("same draws", "became_biased_paper"), ("other draws", "became_biased_other_draws")):
        shares = dict(frame.filter(draws=draws).select("variant", "share").iter_rows())
        shown = dict(side.select("variant", column).iter_rows())
        assert {name: shown[name] for name in shares} == shares


def test_the_other_draws_are_those_of_the_corrected_figure_under_the_same_parser(store):
    """Under one parser the published definition over other draws is the metric became_biased_paper, floor and all."""
    data = read_report_data(store, parser="pia")
    frame = rows(data, "published_transitions").filter(draws="other draws")
    for variant in data.variants:
        if not variant.dense:
            ours = data.pair(variant, "became_biased_paper", readout="sampled")
            (share,) = frame.filter(variant_id=variant.key)["share"]
            assert share == pytest.approx(ours["value"])
            (floor,) = rows(data, "published_transitions").filter(draws="floor")["share"]
            assert floor == pytest.approx(ours["floor"])


def test_a_report_by_the_published_parser_says_so_first(store, data):
    by_pia = read_report_data(store, parser="pia")
    first = make_claims(by_pia)[0]
    assert first.kind == "warning"
    assert first.text.startswith("Sampled answers are read by parser pia, which takes nearly any text for an answer")
    assert "read by parser" not in " ".join(claim.text for claim in make_claims(data))
    assert {key for key, state in data.states.items() if state.name == "broken"} <= {
        key for key, state in by_pia.states.items() if state.name == "broken"
    }


def test_the_mean_over_methods_stands_beside_its_methods(data):
    frame = rows(data, "published_dose_response").filter(level=0.5)
    single = frame.filter(pl.col("method") != "all")
    mean = frame.filter(method="all").row(0, named=True)
    assert mean["percent"] == pytest.approx(single["percent"].mean(), abs=0.0051)
    assert mean["methods"] == 3
    assert mean["achieved_low"] < 0.35
    assert mean["achieved_high"] > 0.45


def test_the_family_is_all_comparisons_of_the_study(tmp_path):
    study = ScriptedStudy(**{**SMALL, "models": ("acme/one", "acme/two")})
    found = read_report_data(Store.open(build(tmp_path / "x.store", study)))
    frame = rows(found, "published_tests")
    assert frame.height == 2 * 3 * 2 * 2
    least = frame.filter(pl.col("p") == pl.col("p").min()).row(0, named=True)
    assert least["p_holm"] == pytest.approx(min(1, 24 * least["p"]))
    side = rows(found, "side_by_side")
    for name in ("significant", "significant_holm", "significant_bh"):
        assert side[name].sum() == frame[name].sum()
    assert side.filter(pl.col("variant") != "dense")["comparisons"].unique().to_list() == [2]


def test_the_gap_has_single_variants_and_their_mean(data):
    frame = rows(data, "published_evaluation_gap")
    mean = frame.filter(variant="mean over methods", level=0.5).row(0, named=True)
    single = frame.filter((pl.col("level") == 0.5) & (pl.col("variant") != "mean over methods"))
    assert mean["perplexity_percent"] == pytest.approx(single["perplexity_percent"].mean())
    assert mean["achieved_sparsity"] is None


def test_the_method_comparison_is_at_fifty_per_cent(data):
    frame = rows(data, "published_method_comparison")
    assert set(frame["variant"]) == {"magnitude 0.5", "wanda 0.5", "wanda-pia 0.5"}
    assert set(frame["category"]) == {"Age", "Religion"}


def test_the_subset_says_how_many_items_it_kept(data):
    frame = rows(data, "published_latent_bias")
    dense = frame.filter(variant="dense", category="all").row(0, named=True)
    assert 0 < dense["retained"] < dense["items"]
    assert dense["n"] == 3 * dense["retained"]
    assert dense["srs"] >= 0.2


def test_latency_and_size_are_the_plans_or_not_measured(data, scripted_data):
    table = TABLES["published_edge"](data)
    assert table.frame["latency_p95_s"].unique().to_list() == [0.5]
    assert {row[-1] for row in table.rows} == {"18.50 GB"}
    table = TABLES["published_edge"](scripted_data)
    assert table.frame["latency_mean_s"].null_count() == table.n_rows
    assert {tuple(row[-4:]) for row in table.rows} == {("not measured",) * 4}
    assert (table.frame["entropy"] <= math.log2(3) + 1e-6).all()


def test_the_regression_has_a_row_per_term_or_says_why_not(data, tmp_path):
    frame = rows(data, "published_regression")
    assert frame["term"].to_list()[:2] == ["intercept", "sparsity"]
    study = ScriptedStudy(**{**SMALL, "levels": (0.5,)})
    found = TABLES["published_regression"](read_report_data(Store.open(build(tmp_path / "x.store", study))))
    assert found.frame["coefficient"].to_list() == [None]
    assert "singular design" in to_markdown(found)


def test_parsers_stand_side_by_side(data):
    frame = rows(data, "parsers")
    own = {v.key: data.metric(v, "srs", readout="sampled", condition="ambig")["value"] for v in data.variants}
    assert dict(frame.select("variant_id", "srs_strict").iter_rows()) == own
    assert {"srs_pia", "usr_pia", "unparsed_share_pia", "unparsed_share_strict"} <= set(frame.columns)


def test_methods_are_paired_with_their_published_form(data):
    frame = rows(data, "methods_as_published")
    assert frame["variant"].to_list() == ["wanda 0.3", "wanda 0.5"]
    assert frame["variant_pia"].to_list() == ["wanda-pia 0.3", "wanda-pia 0.5"]
    assert (frame["achieved_sparsity_pia"] < 0.75 * frame["achieved_sparsity"]).all()
    assert frame["perplexity"].null_count() == frame["srs_pia"].null_count() == 0


@pytest.mark.parametrize(
    "changes",
    [{"sampled": None}, {"conditions": (Condition.DISAMBIG,)}],
    ids=["no sampled readout", "no ambiguous items"],
)
def test_without_sampled_ambiguous_answers_tables_are_empty_and_say_why(tmp_path, changes):
    found = read_report_data(Store.open(build(tmp_path / "x.store", ScriptedStudy(**{**SMALL, **changes}))))
    assert found.published is None
    for make in PUBLISHED.values():
        table = make(found)
        assert (table.n_rows, table.empty) == (0, NOT_SAMPLED)


def test_a_dense_model_that_was_not_run_leaves_nothing_to_compare(tmp_path):
    study = ScriptedStudy(**{**SMALL, "skip": ("dense",)})
    found = read_report_data(Store.open(build(tmp_path / "x.store", study)))
    assert rows(found, "published_tests")["p"].null_count() == rows(found, "published_tests").height
    assert rows(found, "published_transitions")["share"].null_count() == len(found.variants) - 1
    assert rows(found, "published_latent_bias").height == 0
    for make in TABLES.values():
        to_markdown(make(found))
