"""A study with placebos on a real tiny model: planned, run, resumed, reported."""

from pathlib import Path

import polars as pl
import pytest
import yaml
from tests.tiny import tiny_folder

from secateur.errors import ConfigError
from secateur.metrics.matched import BEYOND
from secateur.metrics.table import ALL
from secateur.records.store import Store
from secateur.report.figure import drawing
from secateur.report.figures import FIGURES
from secateur.report.matched import MATCHED, METHOD, PLACEBO
from secateur.report.read import read_report_data
from secateur.report.tables import TABLES
from secateur.report.write import report_files
from secateur.study import run as run_module
from secateur.study.config import parse_study
from secateur.study.plan import make_plan
from secateur.study.run import run_study

PLACEBOS = {"placebo": "noise", "strength": [0.2, 1.5], "noise_seed": [0, 1]}
FILE = {
    "study": "placebos",
    "variants": ["dense", {"method": ["random", "magnitude"], "sparsity": [0.3, 0.5]}, PLACEBOS],
    "benchmark": {"name": "planted", "limit": 60},
    "readouts": {"letter": {"orders": "fixed"}},
    "perplexity": {"corpus": "packaged", "window": 64, "windows": 6, "divergence": {"every": 8, "top": 64}},
}


def study(**changes):
    return parse_study(FILE | {"models": [str(tiny_folder("llama"))]} | changes)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("placebos")
    outcome = run_study(study(), folder / "store", base=folder, offline=True)
    return outcome, Store.open(folder / "store")


@pytest.fixture(scope="module")
def data(finished):
    # The tiny model hardly ever means a letter; with a threshold it would answer nothing.
    return read_report_data(finished[1], min_mass=0.0)


def test_placebos_are_planned_and_asked_as_variants_are(finished, tmp_path):
    outcome, store = finished
    labels = [variant.label for variant in outcome.plan.models[0].variants]
    assert labels[5:] == ["noise 0.2", "noise 0.2 noise-seed-1", "noise 1.5", "noise 1.5 noise-seed-1"]
    assert outcome.rows_added == outcome.rows_wanted
    assert store.check() == []
    assert run_study(study(), store.path, base=tmp_path, offline=True).rows_added == 0


def test_weights_come_back_before_pruning_and_not_before_noise(finished, tmp_path, monkeypatch):
    """Noise is written over whatever was there."""
    usual, back = run_module.restore_dense, []
    monkeypatch.setattr(run_module, "restore_dense", lambda loaded: back.append(1) or usual(loaded))
    run_study(study(), tmp_path / "store", base=tmp_path, offline=True)
    assert len(back) == 3
    mine, theirs = (
        {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*.parquet")}
        for folder in (tmp_path / "store", finished[1].path)
    )
    assert mine == theirs


def test_another_strength_asks_only_itself(finished, tmp_path):
    _, store = finished
    longer = study(variants=[*FILE["variants"][:2], PLACEBOS | {"strength": [0.2, 0.7, 1.5], "noise_seed": 0}])
    plan = make_plan(longer, base=tmp_path, offline=True)
    there = {cell.id for cell in store.cells()}
    assert {cell.variant.label for _, cell in plan.cells() if cell.spec.id not in there} == {"noise 0.7"}


def test_a_placebo_is_in_no_count_of_variants(data):
    assert [variant.label for variant in data.variants] == [
        "dense",
        "random 0.3",
        "random 0.5",
        "magnitude 0.3",
        "magnitude 0.5",
    ]
    assert [(v.strength, v.seed, v.achieved, v.series) for v in data.placebos] == [
        (0.2, "noise_seed 0", None, "noise"),
        (0.2, "noise_seed 1", None, "noise"),
        (1.5, "noise_seed 0", None, "noise"),
        (1.5, "noise_seed 1", None, "noise"),
    ]
    keys = {v.key for v in data.placebos}
    for name in ("summary", "sparsity", "layers", "directions", "became_biased", "perplexity_blindness"):
        if name in TABLES:
            frame = TABLES[name](data).frame
            assert "variant_id" not in frame.columns or not keys & set(frame["variant_id"]), name
    assert keys <= set(TABLES["metrics"](data).frame["variant_id"])
    assert keys <= set(TABLES["changes"](data).frame["variant_id"])
    have, want = data.rows
    assert have == want


def test_placebos_do_not_change_the_numbers_of_variants(data, tmp_path):
    without = study(variants=FILE["variants"][:2], study="without")
    outcome = run_study(without, tmp_path / "store", base=tmp_path, offline=True)
    assert outcome.rows_added
    alone = read_report_data(Store.open(tmp_path / "store"), min_mass=0.0)
    for name in ("summary", "changes_counted", "changes", "directions", "perplexity_blindness", "dose_regression"):
        ours, theirs = TABLES[name](data), TABLES[name](alone)
        kept = ours.frame
        if "variant_id" in kept.columns:
            kept = kept.filter(~pl.col("variant_id").is_in([v.key for v in data.placebos]))
        assert kept.equals(theirs.frame), name
    assert alone.placebos == ()


def test_every_variant_stands_beside_noise_and_the_other_method(data):
    rows = data.matched
    assert set(rows["metric"]) == set(MATCHED)
    assert set(rows["category"]) == {ALL}
    labels = {v.key: v.label for v in data.variants}
    found = {(labels[row["variant"]], row["reference"], row["kind"]) for row in rows.iter_rows(named=True)}
    others = {"random": "magnitude", "magnitude": "random"}
    assert found == {
        (label, reference, kind)
        for label in list(labels.values())[1:]
        for reference, kind in (("noise", PLACEBO), (others[label.split()[0]], METHOD))
    }
    known = rows.filter(pl.col("value").is_not_null())
    assert known.height
    assert ((known["change"] - known["matched"] - known["value"]).abs() < 1e-12).all()
    assert ((known["low"] <= known["value"]) & (known["value"] <= known["high"])).all()
    several = known.filter(kind=PLACEBO)
    assert (several["n_curves"] == 2).all()
    assert ((several["least"] <= several["value"]) & (several["value"] <= several["most"])).all()
    assert known.filter(kind=METHOD)["least"].null_count() == known.filter(kind=METHOD).height
    beyond = rows.filter(pl.col("value").is_null())
    assert (beyond["note"] != "").all()


def test_the_page_tells_of_it(data):
    files = report_files(data)
    page = files["index.html"].decode()
    assert "Stereotype or damage" in page
    assert "figures/matched.svg" in files
    with drawing():
        figure = FIGURES["matched"](data)
    assert figure.canvas is not None
    assert any("beside noise at the same KL" in line for line in figure.caption)


def test_without_divergence_or_placebo_there_is_nothing_to_match(tmp_path):
    one = study(
        variants=["dense", {"method": "random", "sparsity": 0.5}],
        perplexity=FILE["perplexity"] | {"divergence": None},
        study="none",
    )
    run_study(one, tmp_path / "store", base=tmp_path, offline=True)
    found = read_report_data(Store.open(tmp_path / "store"))
    for name in ("matched", "matched_counts"):
        table = TABLES[name](found)
        assert table.frame.height == 0
        assert "perplexity.divergence" in table.empty
    with drawing():
        assert FIGURES["matched"](found).canvas is None


def test_a_placebo_with_the_most_unread_answers_is_not_drawn_among_the_variants(tmp_path):
    """The loudest noise leaves nothing to read, and magnitude 0.3 all."""
    loud = study(
        models=["planted"],
        variants=["dense", {"method": "magnitude", "sparsity": 0.3}, {"placebo": "noise", "strength": 4}],
        benchmark={"name": "planted", "limit": 40},
        readouts={"letter": {"orders": "fixed"}, "sampled": {"seeds": [1]}},
    )
    run_study(loud, tmp_path / "store", base=tmp_path, offline=True)
    data = read_report_data(Store.open(tmp_path / "store"))
    unread = {row["variant"]: row["unparsed"] for row in data.letters.filter(readout="sampled").iter_rows(named=True)}
    assert max(unread, key=unread.__getitem__) == data.placebos[0].key
    assert data.state(data.placebos[0], "sampled").name == "broken"
    with drawing():
        assert "magnitude 0.3" in " ".join(FIGURES["letters"](data).caption) or FIGURES["letters"](data).canvas
    sampled = data.matched.filter(readout="sampled", kind=PLACEBO)
    assert sampled.height
    assert sampled["value"].null_count() == sampled.height
    assert set(sampled["note"]) == {BEYOND}


def faults(**changes):
    with pytest.raises(ConfigError) as error:
        make_plan(study(**changes), base=Path(), offline=True)
    return str(error.value)


def test_a_placebo_needs_a_kl_to_be_matched_by():
    assert "perplexity.divergence: missing; a placebo (variants.2) is matched by KL" in faults(perplexity=None)


def test_the_same_placebo_twice():
    assert "noise 0.2 is there twice" in faults(variants=["dense", PLACEBOS | {"strength": [0.2, "1/5"]}])


@pytest.mark.parametrize(
    ("placebo", "said"),
    [
        ({"placebo": "sugar"}, "variants.1.placebo"),
        (PLACEBOS | {"strength": 0}, "0 is no strength above 0 and at most 4"),
        (PLACEBOS | {"strength": []}, "must not be empty"),
        (PLACEBOS | {"strength": True}, "True is not a number"),
        (PLACEBOS | {"sparsity": 0.1}, "variants.1.sparsity: unknown key"),
        (PLACEBOS | {"method": "random"}, "variants.1.method: unknown key"),
        (PLACEBOS | {"noise_seed": -1}, "variants.1.noise_seed"),
    ],
)
def test_faults_of_a_placebo_are_named(placebo, said):
    with pytest.raises(ConfigError) as error:
        study(variants=["dense", placebo])
    assert said in str(error.value)


def test_strengths_have_a_default():
    config = study(variants=["dense", yaml.safe_load("placebo: noise")])
    assert [float(strength) for strength in config.variants[1].strength] == [0.1, 0.2, 0.4, 0.6, 0.8, 1.2]
