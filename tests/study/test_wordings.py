"""A study in other words on a real tiny model: planned, run, extended, reported."""

import json
import shutil
from importlib import resources

import numpy as np
import polars as pl
import pytest
import yaml
from tests.tiny import tiny_folder

from secateur.cli.outline import print_outline
from secateur.errors import ConfigError, InputError
from secateur.metrics.counts import NO_PARSED
from secateur.records.outcomes import MIN_LETTER_MASS, average_orders
from secateur.records.store import Store
from secateur.report.claims import make_claims
from secateur.report.read import read_report_data
from secateur.report.tables import TABLES
from secateur.study.config import parse_study
from secateur.study.missing import missing_rows
from secateur.study.outline import outline_study
from secateur.study.plan import make_plan
from secateur.study.policy import parse_policy
from secateur.study.run import run_study

WORDINGS = ["terse-v1", "question-first-v1"]
PLACEBO = {"placebo": "noise", "strength": 0.5}
FILE = {
    "study": "wordings",
    "variants": ["dense", {"method": ["random", "magnitude"], "sparsity": 0.4}, PLACEBO],
    "benchmark": {"name": "planted", "limit": 40},
    "readouts": {"letter": {"orders": "rotations", "other_prompts": WORDINGS}, "sampled": {"seeds": [1, 2]}},
    "perplexity": {"corpus": "packaged", "window": 64, "windows": 4, "divergence": {"every": 16, "top": 16}},
}


def study(**changes):
    return parse_study(FILE | {"models": [str(tiny_folder("llama"))]} | changes)


def letters(*wordings):
    return FILE["readouts"] | {"letter": {"orders": "rotations", **({"other_prompts": wordings} if wordings else {})}}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wordings")
    return run_study(study(), folder / "store", base=folder, offline=True), Store.open(folder / "store")


@pytest.fixture(scope="module")
def data(finished):
    return read_report_data(finished[1])


def test_every_variant_but_placebos_is_asked_in_every_wording(finished, tmp_path):
    outcome, store = finished
    plan = outcome.plan
    asked = {(cell.variant.label, cell.wording): cell.rows for _, cell in plan.cells() if cell.wording}
    labels = ("dense", "random 0.4", "magnitude 0.4")
    assert asked == {(label, wording): {"letter": 120} for label in labels for wording in WORDINGS}
    assert plan.rows_of("wording") == 720
    assert outcome.rows_added == outcome.rows_wanted == sum(plan.n_rows.values())
    assert store.check() == []
    assert missing_rows(plan, store) == 0
    assert run_study(study(), store.path, base=tmp_path, offline=True).rows_added == 0


def test_before_models_are_there_the_same_is_counted(finished, tmp_path, capsys):
    outline = outline_study(study(), base=tmp_path)
    assert outline.n_rows["letter"] == finished[0].plan.n_rows["letter"]
    assert outline.rows_of("wording") == finished[0].plan.rows_of("wording") == 720
    print_outline(outline)
    said = " ".join(capsys.readouterr().out.split())
    assert "letter, in other wordings" in said
    assert "(of the letter, 720 are in other wordings)" in said


def test_a_study_in_one_wording_has_the_cells_it_always_had_and_a_further_one_asks_only_itself(tmp_path):
    plain = study(readouts=letters())
    first = run_study(plain, tmp_path / "store", base=tmp_path, offline=True)
    more = run_study(study(readouts=letters("terse-v1")), tmp_path / "store", base=tmp_path, offline=True)
    assert more.rows_added == 360
    assert {cell.spec.id for _, cell in first.plan.cells()} < {cell.spec.id for _, cell in more.plan.cells()}
    plans = {said["study"] + str(said["letter"]) for said in Store.open(tmp_path / "store").plans()}
    assert len(plans) == 2
    assert any("other_prompts" not in said for said in plans)


def test_other_words_are_not_mixed_with_the_answers(data, tmp_path):
    run_study(study(readouts=letters()), tmp_path / "store", base=tmp_path, offline=True)
    alone = read_report_data(Store.open(tmp_path / "store"))
    for name in ("summary", "metrics", "changes", "letters", "published_tests", "directions"):
        if name in TABLES:
            assert TABLES[name](data).frame.equals(TABLES[name](alone).frame), name
    for name in ("wordings", "reworded", "wording_counts"):
        table = TABLES[name](alone)
        assert table.n_rows == 0
        assert "other_prompts" in table.empty


def test_rows_in_other_words_are_counted_apart(data):
    for variant in data.variants:
        assert [variant.rows[f"letter, {wording}"] for wording in WORDINGS] == [(120, 120)] * 2
        assert variant.rows["letter"] == (120, 120)
    assert data.placebos[0].rows.keys() == {"letter", "sampled", "text", "divergence"}
    assert data.rows[0] == data.rows[1]


def test_levels_are_those_of_the_records(data, finished):
    """The unknown rate in other words, from the rows themselves."""
    _, store = finished
    items = store.item_set(data.plan["items"])
    ambiguous = items.filter(pl.col("condition") == "ambig").select("item")
    cells = [cell for cell in data.plan["models"][0]["cells"] if cell["task"] == "wording"]
    assert len(cells) == 6
    for cell in cells:
        row = data.wordings.filter(variant=cell["variant"], wording=cell["wording"], metric="usr_all")
        averaged = average_orders(store.read(cell["cell"], "letter"), items, min_mass=MIN_LETTER_MASS)
        unknown = averaged.join(ambiguous, on="item")["outcome"] == "unknown"
        assert row["after"].item() == pytest.approx(unknown.mean())
        assert row["n_items"].item() == ambiguous.height == len(unknown)
        assert row["value"].item() == pytest.approx(row["after"].item() - row["before"].item())


def test_changes_there_are_levels_there(data):
    dense = data.dense_of(data.variants[0].model).key
    levels = {
        (row["variant"], row["wording"], row["condition"], row["metric"]): row
        for row in data.wordings.iter_rows(named=True)
    }
    assert data.reworded.height
    for row in data.reworded.iter_rows(named=True):
        own = levels[row["variant"], row["wording"], row["condition"], row["metric"]]
        base = levels[dense, row["wording"], row["condition"], row["metric"]]
        if None in (own["before"], own["after"], base["before"], base["after"]):
            assert row["value"] is None
            continue
        assert row["before"] == pytest.approx(own["before"] - base["before"], abs=1e-12)
        assert row["after"] == pytest.approx(own["after"] - base["after"], abs=1e-12)
        assert row["value"] == pytest.approx(row["after"] - row["before"], abs=1e-12)
        assert row["low"] <= row["value"] <= row["high"]
        assert row["there_low"] <= row["after"] <= row["there_high"]
        assert row["p_holm"] >= row["p"]
    kept = data.reworded.filter(pl.col("there_p").is_not_null())
    assert np.all(kept["there_p_holm"].to_numpy() >= kept["there_p"].to_numpy())


def test_a_model_that_says_nothing_there_is_told_as_that(data):
    """The tiny model guesses in any words."""
    names = {state.name for state in data.wording_states.values()}
    assert names <= {"broken", "no better than guessing", "ok"}
    said = [claim.text for claim in make_claims(data) if "other words" in claim.text]
    assert len(said) == len(WORDINGS)


def faults(readouts):
    with pytest.raises(ConfigError) as error:
        study(readouts=readouts)
    return str(error.value)


def test_faults_are_named():
    assert "readouts.letter.other_prompts: 'x' is not of terse-v1, question-first-v1" in faults(letters("x"))
    assert "'x', 'y' are not of terse-v1" in faults(letters("x", "terse-v1", "y"))
    assert "one stands there twice" in faults(letters("terse-v1", "terse-v1"))
    assert "(letters-v1 is the study's own)" in faults(letters("letters-v1"))


def test_a_gate_judges_one_wording():
    shipped = resources.files("secateur.study") / "policies" / "default.yaml"
    policy = yaml.safe_load(shipped.read_text(encoding="utf-8"))
    policy["readouts"]["letter"]["other_prompts"] = ["terse-v1"]
    with pytest.raises(ConfigError, match="a gate judges answers in one wording"):
        parse_policy(policy)


def test_the_plan_tells_how_many_records_are_in_other_words(finished, tmp_path, capsys):
    from secateur.cli.show import print_plan

    print_plan(make_plan(study(), base=tmp_path, offline=True), finished[1])
    said = capsys.readouterr().out
    assert "(of the letter, 720 are in other wordings)" in said
    assert "0 are to be asked" in said


def test_a_wording_too_long_for_the_model_ends_the_run_before_anything_is_asked(tmp_path):
    """The other wording is the longest of all; the study's own fits."""
    folder = shutil.copytree(tiny_folder("llama"), tmp_path / "short")
    longest = {}
    plan = make_plan(study(), base=tmp_path, offline=True)
    for wording in ("", *WORDINGS):
        longest[wording] = max(len(r.tokens) for r in plan.base_requests(plan.models[0], wording, letters_alone=True))
    config = json.loads((folder / "config.json").read_text())
    config["max_position_embeddings"] = max(longest["question-first-v1"] - 1, 70)
    (folder / "config.json").write_text(json.dumps(config))
    assert longest[""] + 5 < config["max_position_embeddings"]
    asked = study(models=[str(folder)], readouts=letters("question-first-v1"))
    with pytest.raises(InputError, match="the longest prompt in the wording question-first-v1"):
        run_study(asked, tmp_path / "store", base=tmp_path, offline=True)
    assert all(sum(cell.rows.values()) == 0 for cell in Store.open(tmp_path / "store").cells())


def test_answers_that_cannot_be_read_there_are_no_neutral_ones(finished):
    """A letter mass of nearly 1 is asked for, so that the tiny model answers nothing in any wording."""
    data = read_report_data(finished[1], min_mass=0.999999)
    zeros = data.wordings.filter(pl.col("metric").is_in(["diff_bias_ambig", "group_preference", "flips"]))
    assert zeros.height
    assert set(zeros["note"]) == {NO_PARSED}
    assert zeros["value"].null_count() == zeros.height
    assert (
        data.reworded.filter(metric="diff_bias_ambig")["p"].null_count()
        == data.reworded.filter(metric="diff_bias_ambig").height
    )
    (first, *_) = [claim.text for claim in make_claims(data) if "other words" in claim.text]
    assert "so no change from dense can be told there" in first


def test_a_study_of_dense_alone_tells_what_hangs_on_the_words(tmp_path):
    alone = study(variants=["dense"], readouts=letters("terse-v1"), perplexity=None)
    run_study(alone, tmp_path / "store", base=tmp_path, offline=True)
    data = read_report_data(Store.open(tmp_path / "store"), min_mass=0.0)
    (said,) = [claim.text for claim in make_claims(data) if "other words" in claim.text]
    assert "dense gives another answer to" in said
    assert "no pruned variant" in TABLES["reworded"](data).empty
    assert TABLES["wordings"](data).n_rows


def test_the_answers_of_a_store_are_those_of_the_study(finished):
    _, store = finished
    tasks = {cell.id: cell.task for cell in store.cells()}
    assert {tasks[cell] for cell in store.scan("letter").collect()["cell"].unique()} == {"ask"}
    assert {tasks[cell] for cell in store.scan("letter", task="wording").collect()["cell"].unique()} == {"wording"}
    rows = store.scan("letter").collect()
    assert rows.select("cell", "item", "order").is_duplicated().sum() == 0
