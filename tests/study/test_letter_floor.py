"""The floor of the letter readout on a real tiny model: dense asked again in batches that are cut otherwise."""

import polars as pl
import pytest
from tests.tiny import tiny_folder

from secateur.cli.compare import print_comparison
from secateur.errors import ConfigError
from secateur.metrics.table import NO_FLOOR
from secateur.records.store import Store
from secateur.report.claims import make_claims
from secateur.report.compare import compare_store
from secateur.report.read import read_report_data
from secateur.report.tables import TABLES
from secateur.study.config import parse_study
from secateur.study.missing import missing_rows
from secateur.study.outline import outline_study
from secateur.study.plan import make_plan
from secateur.study.run import run_study

FILE = {
    "study": "letter floor",
    "variants": ["dense", {"method": "random", "sparsity": [0.3, 0.6]}],
    "benchmark": {"name": "planted", "limit": 60},
    "readouts": {"letter": {"orders": "rotations", "floor": "batches"}},
}


def study(**changes):
    return parse_study(FILE | {"models": [str(tiny_folder("llama"))]} | changes)


@pytest.fixture(scope="module", params=["torch-tree", "torch"])
def finished(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("floor")
    config = study(compute={"backend": request.param})
    return run_study(config, folder / "store", base=folder, offline=True), Store.open(folder / "store")


def test_the_floor_is_asked_of_dense_alone_by_the_other_backend(finished, tmp_path):
    outcome, store = finished
    backend = outcome.plan.config.compute.backend
    (floor,) = [cell for _, cell in outcome.plan.cells() if cell.spec.task == "floor"]
    assert floor.variant.label == "dense"
    assert floor.rows == {"letter": 180}
    assert {floor.spec.protocol["backend"], backend} == {"torch-tree", "torch"}
    assert outcome.rows_added == sum(outcome.plan.n_rows.values()) == 4 * 180
    assert store.check() == []
    assert missing_rows(outcome.plan, store) == 0
    assert outline_study(outcome.plan.config, base=tmp_path).n_rows["letter"] == 4 * 180
    assert run_study(outcome.plan.config, store.path, base=tmp_path, offline=True).rows_added == 0


def test_a_lossless_change_flips_nothing_and_what_is_pruned_exceeds_it(finished):
    data = read_report_data(finished[1])
    rows = data.pairs.filter(pl.col("readout") == "letter", pl.col("category") == "all", pl.col("metric") == "flips")
    assert rows.height == 4  # two variants, two conditions
    assert rows["floor"].to_list() == [0.0] * 4  # the tiny model has no near-ties among these
    assert (rows["floor_high"] > 0).all()
    assert set(rows["floor_note"]) == {""}
    dense = data.dense_of(data.variants[0].model)
    assert dense.rows == {"letter": (180, 180), "letter, floor": (180, 180)}
    excess = data.changes.filter(pl.col("metric") == "became_biased", pl.col("category") == "all")
    assert excess["before"].to_list() == [0.0, 0.0]
    assert "batches that are cut otherwise" in TABLES["became_biased"](data).about
    assert "No floor for the letter" not in " ".join(claim.text for claim in make_claims(data))
    floors = data.moves.filter(floor=True)
    assert floors.filter(pl.col("from") != pl.col("to"))["pairs"].sum() == 0
    cut = data.moves.filter(~pl.col("floor"))
    assert cut["excess"].null_count() == 0
    # Nothing moved in the floor, so what is no move is less than there by as much as moved.
    moved = cut.filter(pl.col("from") != pl.col("to"))
    assert moved["excess"].to_list() == moved["share"].to_list()


def test_a_comparison_has_letters_over_their_floor(finished, capsys):
    found = compare_store(finished[1])
    flips = found.excesses.filter(pl.col("metric") == "flips", pl.col("by") == "all", pl.col("weighting") == "items")
    assert set(flips["readout"]) == {"letter"}
    assert flips.height == 4
    assert set(flips["before"]) == {0.0}
    data = read_report_data(finished[1])
    rows = data.pairs.filter(metric="flips", readout="letter", category="all").sort("variant", "condition")
    assert sorted(rows["excess"]) == pytest.approx(sorted(flips["value"]))
    print_comparison(found, by="all", metrics=[])
    said = capsys.readouterr().out
    assert "letter, ambig: what became of the answers, over the floor" in said
    print_comparison(found, by="all", metrics=["usr_all"])
    assert "over the floor" not in capsys.readouterr().out


def test_without_it_the_numbers_are_the_same_and_have_no_floor(finished, tmp_path):
    config = study(
        compute={"backend": finished[0].plan.config.compute.backend}, readouts={"letter": {"orders": "rotations"}}
    )
    run_study(config, tmp_path / "store", base=tmp_path, offline=True)
    alone = read_report_data(Store.open(tmp_path / "store"))
    data = read_report_data(finished[1])
    assert alone.metrics.equals(data.metrics)
    assert set(alone.pairs["floor_note"]) == {NO_FLOOR}
    assert alone.pairs["value"].equals(data.pairs["value"])
    assert "No floor for the letter" in " ".join(claim.text for claim in make_claims(alone))


def test_faults_are_named(tmp_path):
    with pytest.raises(ConfigError, match=r"readouts.letter.floor"):
        study(readouts={"letter": {"floor": "other seeds"}})
    with pytest.raises(ConfigError, match="backend scripted has none that cuts batches otherwise"):
        make_plan(study(compute={"backend": "scripted"}), base=tmp_path, offline=True)
