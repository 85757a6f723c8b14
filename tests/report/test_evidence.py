"""What can be relied on: paired, clustered differences in the report."""

import polars as pl
import pytest
from tests.report.scripted_study import ScriptedStudy, build

from secateur.records.store import Store
from secateur.report.changes import CHANGE_COLUMNS, EXCESSES, PRIMARY
from secateur.report.claim import EVIDENCE
from secateur.report.claims import make_claims
from secateur.report.compare import compare_store
from secateur.report.read import read_report_data
from secateur.report.tables import TABLES


@pytest.fixture(scope="module")
def compared(scripted_store):
    return compare_store(Store.open(scripted_store))


def evidence_of(data):
    return [claim for claim in make_claims(data) if claim.kind == EVIDENCE]


def test_changes_are_those_of_a_comparison(scripted_data, compared):
    """The report reads answers once and takes the shown metrics alone; its numbers are those of ``compare``."""
    labels = {variant.key: f"{variant.model_name}, {variant.label}" for variant in scripted_data.variants}
    theirs = {
        (row["variant"], row["readout"], row["condition"], row["part"], row["metric"]): row
        for frame in (compared.differences, compared.excesses)
        for row in frame.filter(pl.col("by").is_in(["all", "category"]), weighting="items").iter_rows(named=True)
    }
    assert scripted_data.changes.columns == list(CHANGE_COLUMNS)
    assert set(scripted_data.changes["metric"]) == {*PRIMARY, *EXCESSES}
    for row in scripted_data.changes.iter_rows(named=True):
        place = tuple(row[name] for name in ("readout", "condition", "category", "metric"))
        other = theirs[labels[row["variant"]], *place]
        for name in ("before", "after", "value", "low", "high", "p", "p_naive", "n_items", "n_answers", "n_clusters"):
            assert row[name] == pytest.approx(other[name], abs=1e-12), (place, name)
        if "p_holm" in other:
            assert row["p_holm"] == pytest.approx(other["p_holm"])


def test_changes_are_of_what_the_summary_tells(scripted_data):
    dense = scripted_data.variants[0]
    for variant in scripted_data.variants[1:]:
        change = scripted_data.change(variant, "usr_all", readout="sampled")
        rows = [scripted_data.metric(v, "usr_all", readout="sampled", condition="ambig") for v in (dense, variant)]
        assert change["value"] == pytest.approx(rows[1]["value"] - rows[0]["value"])
        assert change["low"] <= change["value"] <= change["high"]


def test_an_excess_is_the_figure_less_its_floor(scripted_data):
    for variant in scripted_data.variants[1:]:
        pair = scripted_data.pair(variant, "became_biased", readout="sampled")
        excess = scripted_data.change(variant, "became_biased", readout="sampled")
        assert excess["before"] == pytest.approx(pair["floor"])
        assert excess["after"] == pytest.approx(pair["value"])
        assert scripted_data.change(variant, "became_biased", readout="letter") is None


def test_stricter_tests_leave_fewer(scripted_data):
    frame = TABLES["changes_counted"](scripted_data).frame
    assert (frame["holm"] <= frame["bh"]).all()
    assert (frame["bh"] <= frame["clustered"]).all()
    assert (frame["more"] + frame["less"] == frame["holm"]).all()
    assert (frame["tested"] <= frame["variants"]).all()


def test_only_variants_that_can_be_read_are_counted(scripted_data):
    readable = [v for v in scripted_data.variants[1:] if scripted_data.state(v, "sampled").readable]
    assert 0 < len(readable) < len(scripted_data.variants) - 1
    frame = TABLES["changes_counted"](scripted_data).frame
    assert set(frame["variants"]) == {len(readable)}
    assert all(f"{len(readable)} variants that can be read" in claim.text for claim in evidence_of(scripted_data))


def test_nothing_read_is_no_change(tmp_path):
    study = ScriptedStudy(methods=("wanda",), levels=(0.3, 0.5), templates=3, per_template=2, mute=("wanda 0.5",))
    data = read_report_data(Store.open(build(tmp_path / "x.store", study)))
    table = TABLES["changes"](data)
    muted = table.frame.filter(variant="wanda 0.5", metric="diff_bias_ambig", readout="sampled")
    assert set(muted["note"]) == {"no parsed answer"}
    titles = [column.title for column in table.columns]
    rows = [cells for cells in table.rows if {"wanda 0.5", "sampled", "diff-bias, ambiguous"} <= set(cells)]
    assert {cells[titles.index("Change")] for cells in rows} == {"undefined (no parsed answer)"}
    assert {cells[titles.index("p")] for cells in rows} == {"\u2013"}


def test_without_a_dense_model_there_is_no_evidence(tmp_path):
    study = ScriptedStudy(methods=("wanda",), levels=(0.5,), templates=3, per_template=2, skip=("dense",))
    data = read_report_data(Store.open(build(tmp_path / "x.store", study)))
    assert evidence_of(data) == []
    assert TABLES["changes"](data).n_rows == 0
    assert TABLES["changes_counted"](data).n_rows == 0
