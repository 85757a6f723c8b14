"""A whole small study on real tiny models and the planted items."""

import json
import os
import shutil
import signal
import subprocess
import sys
import weakref
from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from tests.tiny import tiny_folder

from secateur.errors import (
    ConfigError,
    InputError,
    StoreBusyError,
    StoreMismatchError,
    UnsupportedModelError,
    UserError,
)
from secateur.inference.tree_backend import TreeBackend
from secateur.items.conversations import document_of
from secateur.items.corpora import Corpus
from secateur.items.text_protocols import TEXT_PROTOCOLS
from secateur.models.chat import render_conversation
from secateur.models.tiny import CHAT_TEMPLATE_NO_SYSTEM
from secateur.records.complete import rows_present
from secateur.records.store import Store
from secateur.report import write_report
from secateur.report.published import methods_as_published
from secateur.report.read import read_report_data
from secateur.report.tables import TABLES
from secateur.study import reading
from secateur.study import run as run_module
from secateur.study.config import parse_study
from secateur.study.missing import missing_rows
from secateur.study.plan import make_plan
from secateur.study.run import run_study

FILE = {
    "study": "tiny",
    "variants": ["dense", {"method": ["random", "magnitude", "wanda"], "sparsity": [0.3, 0.5]}],
    "benchmark": {"name": "planted", "limit": 30},
    "readouts": {
        "letter": {"orders": "rotations"},
        "sampled": {"orders": "fixed", "seeds": [42, 123], "floor_seeds": [1, 2]},
    },
    "perplexity": {"corpus": "packaged", "window": 64, "windows": 6},
    "calibration": {"corpus": "packaged", "sequences": 4, "length": 48},
}


def study(*families, **changes):
    models = [str(tiny_folder(family)) for family in families or ("llama",)]
    return parse_study(FILE | {"models": models} | changes)


class Notes(run_module.Silent):
    """Keeps what a run tells its user."""

    def __init__(self, notes):
        self.notes = notes

    def note(self, text):
        self.notes.append(text)


def contents(store):
    """Every file that must not differ between runs."""
    skipped = {"lock", "lock.json", "log.jsonl"}
    return {
        path.relative_to(store.path).as_posix(): path.read_bytes()
        for path in store.path.rglob("*")
        if path.is_file() and path.name not in skipped
    }


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    outcome = run_study(study(), folder / "store", base=folder, offline=True)
    return outcome, Store.open(folder / "store")


def test_every_planned_row_is_there(finished):
    outcome, store = finished
    assert outcome.rows_added == outcome.rows_wanted
    by_cell = {cell.id: cell.rows for cell in store.cells()}
    planned = {cell.spec.id: cell.rows for _, cell in outcome.plan.cells()}
    assert len(planned) == 14
    for cell, rows in planned.items():
        assert {table: n for table, n in by_cell[cell].items() if n} == rows
    assert store.check() == []
    assert outcome.plan.n_rows == {"letter": 7 * 30 * 3, "sampled": 7 * 30 * 2 + 30 * 2, "text": 7 * 6}
    assert outcome.plan.floor_rows == 60


def test_only_dense_models_are_asked_with_floor_seeds(finished):
    outcome, store = finished
    for _, cell in outcome.plan.cells():
        if cell.spec.task == "ask":
            seeds = set(store.read(cell.spec.id, "sampled")["seed"].unique())
            assert seeds == ({42, 123, 1, 2} if cell.variant.recipe is None else {42, 123})


def test_the_store_says_what_each_variant_became(finished):
    outcome, store = finished
    variants = {variant["label"]: variant for variant in store.variants()}
    assert set(variants) == {"dense"} | {f"{m} {s}" for m in ("random", "magnitude", "wanda") for s in (0.3, 0.5)}
    assert variants["dense"]["realised"] is None
    for label in ("random 0.5", "magnitude 0.5", "wanda 0.5"):
        assert variants[label]["n_removed"] * 2 == variants[label]["n_weights"]
    wanda = store.realisation(variants["wanda 0.3"]["planned"])
    assert set(wanda.statistics()) == set(wanda.layers()["layer"].to_pylist())
    (plan,) = store.plans()
    assert plan["digest"] == outcome.plan_digest
    assert plan["text"]["protocol"] == "packaged-64-bos"


def test_variants_answer_differently_and_readouts_agree_with_each_other(finished):
    outcome, store = finished
    scores = {
        cell.variant.label: store.read(cell.spec.id, "letter").sort("item", "order")["logprob_a"].to_numpy()
        for _, cell in outcome.plan.cells()
        if cell.spec.task == "ask"
    }
    labels = list(scores)
    for i, label in enumerate(labels):
        for other in labels[i + 1 :]:
            assert np.abs(scores[label] - scores[other]).max() > 1e-3, (label, other)


def test_running_again_asks_nothing_and_loads_no_model(finished, monkeypatch, tmp_path):
    _, store = finished
    before = contents(store)
    monkeypatch.setattr(run_module, "load_model", lambda *a, **k: pytest.fail("loaded for nothing"))
    again = run_study(study(), store.path, base=tmp_path, offline=True)
    assert again.rows_added == 0
    assert contents(store) == before


def test_dense_weights_come_back_once_for_every_change_of_variant(finished, tmp_path, monkeypatch):
    """A model that was just loaded is dense."""
    usual, back = run_module.restore_dense, []
    monkeypatch.setattr(run_module, "restore_dense", lambda loaded: back.append(1) or usual(loaded))
    run_study(study(), tmp_path / "store", base=tmp_path, offline=True)
    assert len(back) == 5
    assert contents(Store.open(tmp_path / "store")) == contents(finished[1])


def test_an_interrupted_study_ends_with_the_same_bytes(finished, tmp_path, monkeypatch):
    """Interrupted inside a Wanda cell: the masks then follow from the stored norms, not from a new calibration."""
    _, store = finished
    real, cells = run_module.run_ask, []

    def stop(*args, **kwargs):
        cells.append(1)
        result = real(*args, **kwargs)
        if len(cells) == 6:
            raise KeyboardInterrupt
        return result

    monkeypatch.setattr(run_module, "run_ask", stop)
    with pytest.raises(KeyboardInterrupt):
        run_study(study(), tmp_path / "store", base=tmp_path, offline=True)
    monkeypatch.setattr(run_module, "run_ask", real)
    run_study(study(), tmp_path / "store", base=tmp_path, offline=True)
    assert contents(Store.open(tmp_path / "store")) == contents(store)


def test_too_little_memory_is_noted_and_remembered(finished, tmp_path, monkeypatch):
    usual, sizes = TreeBackend._answer_tree, []

    def answer(self, tree):
        sizes.append(len(tree))
        if len(tree) > 1024:
            raise torch.OutOfMemoryError("no memory")
        return usual(self, tree)

    monkeypatch.setattr(TreeBackend, "_answer_tree", answer)
    run_study(study(), tmp_path / "store", base=tmp_path, offline=True)
    assert [size > 1024 for size in sizes[:3]] == [True, True, False]
    assert max(sizes[2:]) <= 1024  # the other cells begin with what fits
    store = Store.open(tmp_path / "store")
    events = [json.loads(line) for line in (store.path / "log.jsonl").read_text().splitlines()]
    assert [event["token_budget"] for event in events if event["event"] == "out of memory"] == [2048, 1024]
    assert store.check() == []
    assert {cell.id: cell.rows for cell in store.cells()} == {cell.id: cell.rows for cell in finished[1].cells()}


def test_too_little_memory_for_text_leaves_the_batches_of_questions(tmp_path, monkeypatch):
    usual_read, usual_answer, read, asked = TreeBackend._read_batch, TreeBackend._answer_tree, [], []

    def read_batch(self, batch, *args):
        read.append(sum(len(window.tokens) for window in batch))
        if read[-1] > 256:
            raise torch.OutOfMemoryError("no memory")
        return usual_read(self, batch, *args)

    def answer_tree(self, tree):
        asked.append((len(read), len(tree)))
        return usual_answer(self, tree)

    monkeypatch.setattr(TreeBackend, "_read_batch", read_batch)
    monkeypatch.setattr(TreeBackend, "_answer_tree", answer_tree)
    few = study(
        variants=["dense", {"method": "random", "sparsity": 0.5}],
        readouts={"letter": {"orders": "fixed"}},
        compute={"token_budget": 1024},
    )
    run_study(few, tmp_path / "store", base=tmp_path, offline=True)
    assert read == [6 * 64] * 2 + [4 * 64, 2 * 64] * 2
    assert max(size for after, size in asked if after) > 512


@pytest.mark.parametrize(("what", "label"), [("load_model", "dense"), ("realise", "random 0.5")])
def test_too_little_memory_for_the_weights_is_not_blamed_on_batches(what, label, tmp_path, monkeypatch):
    def short(*args, **options):
        raise torch.OutOfMemoryError("tried to allocate 2 GiB\nand so on")

    monkeypatch.setattr(run_module, what, short)
    few = study(benchmark={"name": "planted", "limit": 2}, variants=["dense", {"method": "random", "sparsity": 0.5}])
    with pytest.raises(
        UserError, match=rf"(?s)memory for the model, or.*where: .*, {label}, float32 on cpu.*got: .*GiB\n.*next: "
    ) as raised:
        run_study(few, tmp_path / "store", base=tmp_path, offline=True)
    assert "token_budget" not in str(raised.value)
    assert "compute.dtype bfloat16" in str(raised.value)


def test_adding_seeds_orders_items_and_variants_extends_the_cells(finished, tmp_path):
    run_study(
        study(
            benchmark={"name": "planted", "limit": 10},
            variants=["dense", {"method": "wanda", "sparsity": 0.3}],
            readouts={"letter": {"orders": "fixed"}, "sampled": {"seeds": [42]}},
            perplexity={"corpus": "packaged", "window": 64, "windows": 2},
        ),
        tmp_path / "store",
        base=tmp_path,
        offline=True,
    )
    outcome = run_study(study(), tmp_path / "store", base=tmp_path, offline=True)
    assert outcome.rows_added == outcome.rows_wanted - 2 * (10 + 10 + 2)
    _, whole = finished
    extended = Store.open(tmp_path / "store")
    assert {cell.id for cell in extended.cells()} == {cell.id for cell in whole.cells()}
    for cell in whole.cells():
        for table, keys in (("sampled", ["item", "order", "seed"]), ("text", ["window"])):
            if table in cell.rows:
                mine, theirs = (s.read(cell.id, table).sort(keys) for s in (extended, whole))
                if table == "sampled":
                    assert mine.equals(theirs)
                else:
                    np.testing.assert_allclose(mine["nll"], theirs["nll"], rtol=1e-5)


def test_two_models_of_two_families_share_a_store(tmp_path):
    few = {
        "variants": ["dense", {"method": "magnitude", "sparsity": 0.5}],
        "benchmark": {"name": "planted", "limit": 5},
    }
    outcome = run_study(study("phi3", "gemma2", **few), tmp_path / "store", base=tmp_path, offline=True)
    assert len(Store.open(tmp_path / "store").models()) == 2
    assert outcome.rows_added == outcome.rows_wanted


def test_a_variant_that_comes_out_differently_is_refused(finished, tmp_path, monkeypatch):
    """As when another version or machine prunes other weights under the same name."""
    few = {"variants": ["dense", {"method": "random", "sparsity": 0.5}], "benchmark": {"name": "planted", "limit": 5}}
    run_study(study(**few), tmp_path / "store", base=tmp_path, offline=True)
    from dataclasses import replace

    from secateur.compression import random as random_module
    from secateur.compression.methods import METHODS

    def other(weight, stats):
        return random_module.random_scores(weight, stats).flip(0)

    monkeypatch.setitem(METHODS, "random", replace(METHODS["random"], scores=other))
    few["benchmark"]["limit"] = 6
    with pytest.raises(StoreMismatchError, match=r"(?s)came out differently from the first time.*model\.layers\.0"):
        run_study(study(**few), tmp_path / "store", base=tmp_path, offline=True)


def test_masks_do_not_depend_on_what_is_computed_in(finished, tmp_path):
    """Random and magnitude take the weights as stored; what Wanda measures does depend on the dtype."""
    few = {"benchmark": {"name": "planted", "limit": 3}, "compute": {"dtype": "bfloat16"}}
    run_study(study(**few), tmp_path / "store", base=tmp_path, offline=True)
    _, store = finished
    mine, theirs = (
        {v["label"]: v["realised"] for v in s.variants() if v["label"].startswith(("random", "magnitude"))}
        for s in (Store.open(tmp_path / "store"), store)
    )
    assert mine == theirs
    assert len(mine) == 4


def test_a_cell_that_another_process_holds_is_passed_over(tmp_path):
    few = study(benchmark={"name": "planted", "limit": 4}, variants=["dense", {"method": "magnitude", "sparsity": 0.5}])
    plan = make_plan(few, base=tmp_path, offline=True)
    store = Store.create(tmp_path / "store")
    run_module.register(store, plan)
    first = plan.models[0].cells[0]
    with store.write_cell(first.spec), pytest.raises(StoreBusyError):
        run_study(few, store.path, base=tmp_path, offline=True)
    assert missing_rows(plan, store) == sum(first.rows.values())
    assert run_study(few, store.path, base=tmp_path, offline=True).rows_added == sum(first.rows.values())
    assert missing_rows(plan, store) == 0


def test_two_processes_do_not_measure_one_variant_at_once(finished, tmp_path, monkeypatch):
    """The second one, begun while the first calibrates, goes on with what is free."""
    usual, measured, second = run_module.realise, [], []

    def realise(loaded, recipe, *, statistics, **options):
        if recipe.spec.needs_inputs and statistics is None:
            measured.append(recipe.label)
            if len(measured) == 1:
                with pytest.raises(StoreBusyError, match="this cell"):
                    run_study(study(), tmp_path / "store", base=tmp_path, offline=True, progress=Notes(second))
        return usual(loaded, recipe, statistics=statistics, **options)

    monkeypatch.setattr(run_module, "realise", realise)
    run_study(study(), tmp_path / "store", base=tmp_path, offline=True)
    assert measured == ["wanda 0.3", "wanda 0.5"]
    held = [note for note in second if "Going on with the next cell" in note]
    assert [note.partition(":")[0].split(", ", 1)[1] for note in held] == ["wanda 0.3, ask", "wanda 0.3, text"] * 2
    assert "writing this variant" in held[1]
    assert contents(Store.open(tmp_path / "store")) == contents(finished[1])


def test_a_cell_that_another_process_holds_keeps_no_model_in_memory(tmp_path, monkeypatch):
    few = study(
        "llama",
        "mistral",
        benchmark={"name": "planted", "limit": 4},
        variants=["dense", {"method": "magnitude", "sparsity": 0.5}],
    )
    plan = make_plan(few, base=tmp_path, offline=True)
    store = Store.create(tmp_path / "store")
    run_module.register(store, plan)
    usual, loaded = run_module.load_model, []

    def load(*args, **options):
        assert [model() for model in loaded] == [None] * len(loaded), "an earlier model is still in memory"
        found = usual(*args, **options)
        loaded.append(weakref.ref(found.model))
        return found

    monkeypatch.setattr(run_module, "load_model", load)
    with store.write_cell(plan.models[0].cells[-1].spec), pytest.raises(StoreBusyError):
        run_study(few, store.path, base=tmp_path, offline=True)
    assert len(loaded) == 2


def test_what_is_missing_is_judged_by_rows_and_not_by_their_number(finished, tmp_path):
    """A store full of other seeds lacks everything of this plan."""
    outcome, store = finished
    assert missing_rows(outcome.plan, store) == 0
    other = study(readouts={"sampled": {"seeds": [7, 8], "floor_seeds": [42, 123]}}, perplexity=None)
    plan = make_plan(other, base=tmp_path, offline=True)
    assert missing_rows(plan, store) == 7 * 30 * 2, "only the dense model's floor seeds are there"
    assert missing_rows(plan, None) == 7 * 30 * 2 + 30 * 2


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"perplexity": {"corpus": "packaged", "window": 5000}}, "perplexity.window"),
        ({"calibration": {"corpus": "packaged", "sequences": 1, "length": 5000}}, "calibration.length"),
    ],
)
def test_text_beyond_the_models_context_is_refused(changes, what, tmp_path):
    with pytest.raises(
        InputError, match=rf"(?s)longer than the model's context.*{what}.*at most 4,096 tokens.*got: +5,000"
    ):
        make_plan(study(**changes), base=tmp_path, offline=True)


def test_conversations_are_read_through_each_models_own_template(tmp_path, monkeypatch):
    """As the published study's perplexity; what a template refuses is counted where a reader of the plan sees it."""
    talk = [
        [{"role": "system", "content": "Be brief."}, {"role": "user", "content": f"Who forgot key {n}?"}]
        if n % 3 == 0
        else [{"role": "user", "content": f"Who forgot key {n}?"}, {"role": "assistant", "content": "The miller."}]
        for n in range(60)
    ]
    corpus = Corpus("tulu-3", tuple(map(document_of, talk)), "made up")
    monkeypatch.setattr(reading, "load_conversations", lambda name, *, offline: corpus)
    short = replace(TEXT_PROTOCOLS["tulu3-512x256"], window=32, windows=20)
    monkeypatch.setitem(TEXT_PROTOCOLS, short.name, short)
    models = [str(tiny_folder("llama")), str(tiny_folder("gemma2", CHAT_TEMPLATE_NO_SYSTEM))]
    config = study(models=models, variants=["dense"], perplexity={"protocol": short.name}, calibration=None)
    plan = make_plan(config, base=tmp_path, offline=True)
    for model in plan.models:
        rendered = [render_conversation(model.tokenizer, turns) for turns in talk]
        ids = [i for text in rendered if text for i in model.tokenizer(text, add_special_tokens=False).input_ids]
        assert [list(w.tokens) for w in model.windows] == [ids[k : k + 32] for k in range(0, 20 * 32, 32)]
    assert plan.models[0].text.refused == 0
    refused, rendered = plan.models[1].text.refused, plan.models[1].text.rendered
    assert 0 < refused < rendered < 40
    store = Store.create(tmp_path / "store")
    run_module.register(store, plan)
    (said,) = (one["text"] for one in store.plans())
    assert (said["protocol"], said["window"], said["windows"], said["bos"]) == (
        "tulu3-512x256", 32, 20, "what the chat template writes",
    )  # fmt: skip
    assert said["left_out"] == [
        f"{plan.models[1].name}: its chat template refused {refused} of the first {refused + rendered} conversations"
    ]


@pytest.mark.parametrize(
    ("read", "name", "bos"),
    [
        ({"protocol": "packaged-256"}, "packaged-256", "first token of every window"),
        ({"window": 64, "windows": 6, "bos": "once"}, "packaged-64-bosonce", "once, before the whole text"),
        ({"window": 64, "windows": 6, "bos": "none"}, "packaged-64-nobos", "none"),
    ],
)
def test_a_protocol_has_a_name_and_says_where_bos_stands(read, name, bos, tmp_path):
    plan = make_plan(study(variants=["dense"], perplexity=read), base=tmp_path, offline=True)
    assert (plan.text["protocol"], plan.text["bos"]) == (name, bos)
    first = [window.tokens[0] == plan.models[0].tokenizer.bos_token_id for window in plan.models[0].windows]
    assert first == [{"once": place == 0, "none": False}.get(read.get("bos"), True) for place in range(len(first))]


READ = {"corpus": "packaged", "window": 64, "windows": 6}
LOOKED = {
    "variants": ["dense", {"method": "magnitude", "sparsity": [0.0, 0.3, 0.6]}],
    "benchmark": {"name": "planted", "limit": 4},
    "calibration": None,
    "perplexity": {**READ, "divergence": {"every": 7, "top": 10_000}},
}


def text_numbers(store):
    """Label, metric -> row of the report's data."""
    data = read_report_data(store)
    labels = {variant.key: variant.label for variant in data.variants}
    rows = data.metrics.filter(readout="text").iter_rows(named=True)
    return {(labels[row["variant"]], row["metric"]): row for row in rows}


@pytest.fixture(scope="module")
def looked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("looked")
    outcome = run_study(study(**LOOKED), folder / "store", base=folder, offline=True)
    return outcome, Store.open(folder / "store")


def test_divergence_from_dense_is_a_task_of_its_own(looked):
    outcome, store = looked
    assert outcome.rows_added == outcome.rows_wanted
    assert (outcome.plan.n_rows["reference"], outcome.plan.n_rows["divergence"]) == (6, 3 * 6)
    assert store.check() == []
    assert missing_rows(outcome.plan, store) == 0
    assert missing_rows(outcome.plan, None) == outcome.rows_wanted
    (plan,) = store.plans()
    assert plan["text"]["divergence"] == {"every": 7, "top": 10_000, "subset": "packaged-64-bos/every-7/top-10000"}
    assert plan["models"][0]["vocabulary"] == outcome.plan.models[0].checkpoint.config["vocab_size"]
    for cell in plan["models"][0]["cells"]:
        assert sum(rows_present(store, plan, plan["models"][0], cell).values()) == sum(cell["rows"].values())


def test_the_numbers_of_text_beside_dense(looked):
    _, store = looked
    found = text_numbers(store)
    nothing_removed = "magnitude 0"
    for metric, neutral in (("kl", 0), ("top1_agreement", 1), ("log_perplexity_change", 0), ("perplexity_ratio", 1)):
        assert ("dense", metric) not in found
        assert found[nothing_removed, metric]["value"] == neutral, metric
    assert found["magnitude 0.6", "kl"]["value"] > found["magnitude 0.3", "kl"]["value"] > 0
    row = found["magnitude 0.6", "kl"]
    assert row["low"] < row["value"] < row["high"]
    assert (row["n_items"], row["n_answers"], row["note"]) == (6, 6 * 9, ""), "all tokens were kept: exact"
    dense, pruned = (found[label, "perplexity"]["value"] for label in ("dense", "magnitude 0.6"))
    assert found["magnitude 0.6", "perplexity_ratio"]["value"] == pytest.approx(pruned / dense)
    assert found["magnitude 0.6", "log_perplexity_change"]["value"] == pytest.approx(np.log(pruned / dense))
    shown = TABLES["perplexity"](read_report_data(store)).frame
    assert {"kl", "top1_agreement", "log_perplexity_change"} <= set(shown["metric"])


def test_adding_divergence_reads_nothing_again_and_keeping_less_gives_a_lower_bound(looked, tmp_path):
    outcome, store = looked
    run_study(study(**LOOKED | {"perplexity": READ}), tmp_path / "store", base=tmp_path, offline=True)
    config = study(**LOOKED | {"perplexity": {**READ, "divergence": {"every": 7, "top": 20}}})
    assert run_study(config, tmp_path / "store", base=tmp_path, offline=True).rows_added == 4 * 6
    less, exact = text_numbers(Store.open(tmp_path / "store")), text_numbers(store)
    row = less["magnitude 0.6", "kl"]
    assert 0 < row["value"] < exact["magnitude 0.6", "kl"]["value"]
    assert row["note"] == f"lower bound: top 20 of {outcome.plan.models[0].vocabulary} tokens"
    assert {k: v for k, v in less["magnitude 0.6", "top1_agreement"].items() if k != "variant"} == {
        k: v for k, v in exact["magnitude 0.6", "top1_agreement"].items() if k != "variant"
    }


def test_variants_wait_for_the_dense_models_cell(tmp_path):
    """Another process is at it: the rest is done, then it is said what is missing; a later run finishes."""
    config = study(**LOOKED)
    plan = make_plan(config, base=tmp_path, offline=True)
    store = Store.create(tmp_path / "store")
    run_module.register(store, plan)
    notes = []
    with store.write_cell(plan.models[0].reference), pytest.raises(StoreBusyError, match="writing this cell"):
        run_study(config, store.path, base=tmp_path, offline=True, progress=Notes(notes))
    waits = [note for note in notes if "The dense model's divergence cell, which this cell needs, is not" in note]
    assert len(waits) == 6, "each is tried twice"
    assert missing_rows(plan, store) == 4 * 6
    assert run_study(config, store.path, base=tmp_path, offline=True).rows_added == 4 * 6


def test_a_study_interrupted_between_divergence_cells_ends_with_the_same_bytes(looked, tmp_path, monkeypatch):
    _, store = looked
    real, cells = run_module.run_divergence, []

    def stop(*args, **kwargs):
        cells.append(1)
        if len(cells) == 3:
            raise KeyboardInterrupt
        return real(*args, **kwargs)

    monkeypatch.setattr(run_module, "run_divergence", stop)
    with pytest.raises(KeyboardInterrupt):
        run_study(study(**LOOKED), tmp_path / "store", base=tmp_path, offline=True)
    run_study(study(**LOOKED), tmp_path / "store", base=tmp_path, offline=True)
    assert contents(Store.open(tmp_path / "store")) == contents(store)


def test_a_store_keeps_its_dtype(finished, tmp_path):
    _, store = finished
    assert store.settings == {"dtype/cpu": "float32"}
    with pytest.raises(StoreMismatchError, match="dtype/cpu"):
        run_study(study(compute={"dtype": "bfloat16"}), store.path, base=tmp_path, offline=True)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        (
            {"variants": ["dense", {"method": "wanda-pia", "sparsity": 0.5, "per": "tensor"}]},
            "variants.1.per: 'tensor' is not one of row, which wanda-pia has",
        ),
        (
            {"variants": ["dense", {"method": "wanda", "sparsity": 0.5, "propagation": "pia"}]},
            "variants.1.propagation: 'pia' is not one of propagated, one-shot, which wanda has",
        ),
        (
            {"variants": ["dense", {"method": "wander", "sparsity": 0.5}]},
            "variants.1.method: 'wander' is not one of random",
        ),
        ({"calibration": None}, "calibration: missing; wanda (variants.1) needs it"),
        ({"benchmark": {"name": "bbc"}}, "benchmark.name: 'bbc' is not one of bbq, planted"),
        ({"compute": {"backend": "abacus"}}, "compute.backend: 'abacus' is not one of torch"),
        (
            {"variants": ["dense", {"method": "magnitude", "sparsity": [0.5, "1/2"]}]},
            "variants: magnitude 0.5 is there twice",
        ),
    ],
)
def test_plans_that_make_no_sense(changes, fault, tmp_path):
    with pytest.raises(ConfigError) as caught:
        make_plan(study(**changes), base=tmp_path, offline=True)
    assert any(found.startswith(fault) for found in caught.value.faults), caught.value.faults


def test_a_study_that_is_refused_leaves_no_store(tmp_path):
    with pytest.raises(ConfigError):
        run_study(study(benchmark={"name": "bbc"}), tmp_path / "store", base=tmp_path, offline=True)
    assert not (tmp_path / "store").exists()


def test_the_same_model_twice_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="two entries have the same weights"):
        make_plan(study("llama", "llama"), base=tmp_path, offline=True)


def test_too_little_text_is_an_error(tmp_path):
    with pytest.raises(InputError, match="too little text"):
        make_plan(study(perplexity={"corpus": "packaged", "window": 64, "windows": 10**6}), base=tmp_path, offline=True)


def test_mask_seeds_are_levels_only_of_methods_that_use_them(tmp_path):
    both = ["dense", {"method": ["random", "magnitude"], "sparsity": 0.5, "mask_seed": [0, 1, 2]}]
    plan = make_plan(study(variants=both), base=tmp_path, offline=True)
    assert [variant.label for variant in plan.models[0].variants] == [
        "dense", "random 0.5", "random 0.5 mask-seed-1", "random 0.5 mask-seed-2", "magnitude 0.5",
    ]  # fmt: skip


def test_calibration_seeds_are_levels_of_the_methods_that_need_text(tmp_path):
    entry = {"method": ["magnitude", "wanda", "wanda-pia"], "sparsity": 0.5}
    calibration = FILE["calibration"] | {"seed": [0, 7]}
    config = study(variants=["dense", entry], calibration=calibration, perplexity=None)
    outcome = run_study(config, tmp_path / "store", base=tmp_path, offline=True)
    (model,) = outcome.plan.models
    labels = [variant.label for variant in model.variants]
    assert labels == [
        "dense",
        "magnitude 0.5",
        "wanda 0.5",
        "wanda 0.5 calibration-seed-7",
        "wanda-pia 0.5",
        "wanda-pia 0.5 calibration-seed-7",
    ]
    store = Store.open(tmp_path / "store")
    made = {variant["label"]: variant for variant in store.variants()}
    assert len({one["realised"] for one in made.values()}) == len(made)
    seeds = {cell["label"]: cell["calibration_seed"] for cell in store.plans()[0]["models"][0]["cells"]}
    assert seeds["wanda 0.5"] == 0
    assert seeds["wanda 0.5 calibration-seed-7"] == 7
    assert seeds["magnitude 0.5"] is None
    # The seed's variant is the same in a study that has this seed alone.
    alone = study(variants=["dense", entry], calibration=FILE["calibration"] | {"seed": 7}, perplexity=None)
    assert run_study(alone, tmp_path / "store", base=tmp_path, offline=True).rows_added == 0


def test_the_published_methods_and_families_without_their_pass(tmp_path):
    variants = ["dense", {"method": ["wanda-pia", "random-pia"], "sparsity": 0.5}]
    with pytest.raises(
        ConfigError, match=r"wanda-pia is not defined for .*: the published calibration pass knows no opt"
    ):
        make_plan(study("opt", variants=variants), base=tmp_path, offline=True)
    make_plan(study("opt", variants=["dense", {"method": "random-pia", "sparsity": 0.5}]), base=tmp_path, offline=True)


def test_the_studys_own_grid(bbq_folder, tmp_path):
    """Dense and three methods at four levels over the five categories: 13 x 12,148 x 5 sampled records a model."""
    config = study(
        variants=["dense", {"method": ["random", "magnitude", "wanda"], "sparsity": [0.1, 0.3, 0.5, 0.7]}],
        benchmark={
            "name": "bbq",
            "folder": str(bbq_folder),
            "categories": ["Age", "Gender_identity", "Race_ethnicity", "Religion", "SES"],
            "condition": "ambig",
        },
        readouts={"sampled": {"floor_seeds": [1, 2, 3, 4, 5]}},
        perplexity=None,
    )
    plan = make_plan(config, base=tmp_path, offline=True)
    assert len(plan.items) == 12_148
    assert plan.n_rows["sampled"] - plan.floor_rows == 2_368_860 // 3
    assert plan.floor_rows == 60_740


@pytest.mark.slow
def test_a_real_run_killed_and_resumed(finished, tmp_path):
    """The process of a real model run is killed several times at moments spread over it."""
    _, store = finished
    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump(FILE | {"models": [str(tiny_folder("llama"))]}))
    command = [
        sys.executable,
        "-m",
        "secateur",
        "study",
        "run",
        str(file),
        "--store",
        str(tmp_path / "store"),
        "--offline",
    ]
    killed = 0
    for delay in np.linspace(3, 9, 13):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(delay)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            killed += 1
    assert killed >= 3
    subprocess.run(command, check=True, capture_output=True)
    assert contents(Store.open(tmp_path / "store")) == contents(store)


def test_a_pattern_is_a_series_of_its_own(tmp_path):
    variants = [
        "dense",
        {"method": ["magnitude", "magnitude-pia"], "sparsity": 0.5},
        {"method": ["magnitude", "random"], "pattern": "2:4"},
    ]
    run_study(study(variants=variants, perplexity=None), tmp_path / "s", base=tmp_path, offline=True)
    data = read_report_data(Store.open(tmp_path / "s"))
    shown = {variant.label: (variant.series, variant.nominal, variant.achieved) for variant in data.variants}
    assert shown["magnitude 2:4"] == ("magnitude, pattern 2:4", 0.5, 0.5)
    assert shown["random 2:4"][0] == "random, pattern 2:4"
    assert shown["magnitude 0.5"][0] == "magnitude, per tensor"
    names = {variant.label: variant.method for variant in data.variants}
    assert names["magnitude 2:4"] == "magnitude 2:4"
    assert names["magnitude 0.5"] == "magnitude"
    beside = methods_as_published(data).frame
    assert beside["variant"].to_list() == ["magnitude 0.5"], "a pattern has no published form"
    assert "magnitude, pattern 2:4" in write_report(tmp_path / "s", tmp_path / "r").read_text(encoding="utf-8")


def test_a_pattern_that_does_not_fit_is_refused_before_anything_is_asked(tmp_path):
    variants = [
        "dense",
        {"method": "wanda", "pattern": ["3:7", "2:4"]},
        {"method": "random", "pattern": ["2:5", "3:7"]},
    ]
    with pytest.raises(ConfigError) as caught:
        run_study(study(variants=variants), tmp_path / "s", base=tmp_path, offline=True)
    assert [fault.split(" does")[0] for fault in caught.value.faults] == [
        "variants: the pattern 3:7",
        "variants: the pattern 2:5",
    ]
    assert "q_proj, 32 x 32 (and " in caught.value.faults[0]
    assert not (tmp_path / "s").exists()


def spoiled(folder, name, value):
    """A tiny llama with one weight full of a value."""
    shutil.copytree(tiny_folder("llama"), folder)
    weights = load_file(folder / "model.safetensors")
    weights[name].fill_(value)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return str(folder)


def test_a_model_with_weights_that_are_not_finite_is_told_before_any_model_is_asked(tmp_path):
    damaged = spoiled(tmp_path / "nan", "model.layers.1.mlp.up_proj.weight", float("nan"))
    config = parse_study(FILE | {"models": [str(tiny_folder("mistral")), damaged]})
    with pytest.raises(InputError, match=r"(?s)NaN or infinite.*where: +.*nan.*layers\.1\.mlp\.up_proj\.weight \("):
        run_study(config, tmp_path / "store", base=tmp_path, offline=True)
    assert not (tmp_path / "store").exists()


def test_a_model_whose_logits_are_not_finite_is_counted_as_such(tmp_path):
    """Weight-only methods go on; one that needs activations says which are not finite, and what was asked is kept."""
    overflowing = spoiled(tmp_path / "huge", "model.layers.0.input_layernorm.weight", 3e38)
    variants = ["dense", {"method": "magnitude", "sparsity": 0.3}]
    config = parse_study(FILE | {"models": [overflowing], "variants": variants})
    run_study(config, tmp_path / "store", base=tmp_path, offline=True)
    store = Store.open(tmp_path / "store")
    metrics = read_report_data(store).metrics
    shares = metrics.filter(metrics["metric"] == "nonfinite_share")
    assert set(shares["value"].drop_nulls()) == {1.0}
    wanda = parse_study(FILE | {"models": [overflowing], "variants": [*variants, {"method": "wanda", "sparsity": 0.3}]})
    with pytest.raises(
        UnsupportedModelError, match=r"(?s)Calibration inputs are NaN or infinite.*where: +model\.layers"
    ):
        run_study(wanda, tmp_path / "store", base=tmp_path, offline=True)
