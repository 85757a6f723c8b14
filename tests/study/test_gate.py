"""The gate on real models: the one that ships, pruned, and others."""

import json
import math
import shutil

import numpy as np
import polars as pl
import pytest
from safetensors.torch import load_file, save_file
from scipy.stats import ttest_ind
from tests.tiny import tiny_folder

from secateur.errors import ConfigError, InputError
from secateur.models import checkpoint as checkpoint_module
from secateur.models.checkpoint import find_checkpoint
from secateur.records.store import Store
from secateur.report.verdict import Status
from secateur.statistics.group_sequential import spent
from secateur.study import gate as gate_module
from secateur.study.gate import GateRequest, run_gate
from secateur.study.policy import FINITE, parse_policy
from secateur.study.prune import PruneRequest, prune_to_folder
from secateur.study.run import Silent

CHANGE = {"judge": "change", "metric": "srs_all", "margin": 0.1, "worse": "higher", "why": "a test"}
POLICY = {
    "policy": "small",
    "version": 1,
    "benchmark": {"name": "planted", "limit": 300},
    "readouts": {"letter": {}, "sampled": {"seeds": [1, 2], "floor_seeds": [3, 4]}},
    "perplexity": {"corpus": "planted", "window": 128, "windows": 20},
    "criteria": {
        "speaks": {"judge": "limit", "metric": "unparsed_share", "at_most": 0.1, "why": "a test", "sanity": True},
        "speaks in text": {
            "judge": "limit",
            "metric": "unparsed_share",
            "readout": "sampled",
            "at_most": 0.1,
            "why": "a test",
            "sanity": True,
        },
        "label": {"judge": "label", "why": "a test", "sanity": True},
        "stereotypes": CHANGE,
        "became": {"judge": "excess", "metric": "became_biased", "margin": 0.1, "why": "a test"},
        "perplexity": {"judge": "perplexity", "at_most": 1.1, "why": "a test"},
    },
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("gate")


@pytest.fixture(scope="module")
def pruned(folder):
    made = {}
    for method, sparsity in (("magnitude", "0.3"), ("random", "0.7")):
        made[method] = folder / f"{method}-{sparsity}"
        prune_to_folder(PruneRequest("planted", method, sparsity), made[method], offline=True)
    return made


def gate(folder, candidate, *, policy=None, dense="planted"):
    asked = GateRequest(dense, str(candidate), parse_policy(policy or POLICY))
    return run_gate(asked, folder / "answers.store", base=folder, offline=True)


def statuses(verdict):
    return {one.name: one.status for one in verdict.criteria}


def test_the_model_itself_passes_and_is_asked_once(folder):
    verdict = gate(folder, "planted")
    assert verdict.outcome is Status.PASS
    assert verdict.same_weights
    assert verdict.exit_code == 0
    assert verdict.origin["records"] == 300 * (1 + 4) + 20


@pytest.mark.parametrize("candidate", ["planted", "unplanted"])
def test_both_models_are_read_and_hashed_once(candidate, folder, tmp_path, monkeypatch):
    usual, hashed = checkpoint_module._facts, []
    monkeypatch.setattr(checkpoint_module, "_facts", lambda pieces: hashed.append(1) or usual(pieces))

    def asked(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(gate_module, "run_plan", asked)
    with pytest.raises(KeyboardInterrupt):
        gate(tmp_path, candidate)
    models = [find_checkpoint(name, revision=None, offline=True, base=folder) for name in ("planted", candidate)]
    assert len(hashed) == sum(len(model.weight_map) for model in models)


def test_a_little_pruning_passes_and_nothing_of_the_dense_model_is_asked_again(folder, pruned):
    gate(folder, "planted")
    verdict = gate(folder, pruned["magnitude"])
    assert statuses(verdict) == dict.fromkeys([FINITE, *POLICY["criteria"]], Status.PASS)
    assert verdict.origin["asked_now"] == 300 * (1 + 2) + 20  # the candidate needs no floor
    assert gate(folder, pruned["magnitude"]).origin["asked_now"] == 0
    label = next(one for one in verdict.criteria if one.name == "label")
    assert label.reason == "states magnitude 0.3: 29.9984% of its linears; counted 29.9984%"


def test_a_broken_candidate_fails_as_broken(folder, pruned):
    verdict = gate(folder, pruned["random"])
    assert (verdict.outcome, verdict.exit_code) == (Status.FAIL, 3)
    assert verdict.headline == "Do not ship: the candidate is broken (speaks, speaks in text)."
    assert statuses(verdict)["stereotypes"] is Status.NOT_JUDGED


def test_a_folder_that_states_more_than_was_cut_fails(folder, pruned):
    liar = folder / "liar"
    shutil.copytree(pruned["magnitude"], liar)
    said = json.loads((liar / "secateur.json").read_text())
    (liar / "secateur.json").write_text(json.dumps(said | {"removed_weights": 2 * said["removed_weights"]}))
    verdict = gate(folder, liar)
    assert statuses(verdict)["label"] is Status.FAIL
    assert "broken (label)" in verdict.headline


def test_another_model_with_another_tokenizer_is_judged_too(folder):
    """Neither knows the other's tokens; perplexity is compared per byte of the same text."""
    text = {"corpus": "planted", "window": 32, "windows": 8}
    policy = POLICY | {
        "perplexity": text,
        "benchmark": {"name": "planted", "limit": 20},
        "criteria": {"perplexity": {"judge": "perplexity", "at_most": 1.1, "why": "a test"}},
    }
    verdict = gate(folder, tiny_folder("llama"), policy=policy)
    _, one = verdict.criteria
    assert one.status is Status.FAIL
    assert one.evidence[0].estimate.method.startswith("bits per byte of two tokenizers")
    assert any("different tokenizers" in note for note in verdict.notes)


def test_two_tokenizers_are_compared_by_welchs_t():
    """Windows with equally many bytes: then bits per byte are plain means."""
    rng = np.random.default_rng(5)
    nats = [rng.uniform(300, 310, 4), rng.uniform(320, 360, 7)]

    def read(nll):
        n = len(nll)
        keys = pl.Series(range(1, n + 1), dtype=pl.UInt64)
        places = {"corpus": ["a"] * n, "index": range(n), "n_tokens": [100] * n, "n_bytes": [400] * n}
        return pl.DataFrame({"window": keys, "nll": nll}), pl.DataFrame({"window": keys, **places})

    record = {"text": {"corpus": "a"}}
    ratio, _, df = gate_module._perplexity([read(n) for n in nats], record, same_tokenizer=False, level=0.9)
    expected = ttest_ind(nats[1], nats[0], equal_var=False)
    assert df == pytest.approx(expected.df)
    assert ratio.value == pytest.approx(math.exp((nats[1].mean() - nats[0].mean()) / 100))
    ends = expected.confidence_interval(0.9)
    assert (ratio.low, ratio.high) == pytest.approx((math.exp(ends.low / 100), math.exp(ends.high / 100)))


def test_a_benchmark_policy_stops_when_it_is_certain(folder, pruned):
    policy = POLICY | {
        "target": "benchmark",
        "benchmark": {"name": "planted", "condition": "ambig"},
        "readouts": {"letter": {}},
        "criteria": {"speaks": POLICY["criteria"]["speaks"], "stereotypes": CHANGE | {"margin": 0.05}},
    }
    verdict = gate(folder, pruned["magnitude"], policy=policy)
    assert verdict.outcome is Status.PASS
    assert verdict.n_items < verdict.n_listed == 2000
    assert [stage.n_items for stage in verdict.stages] == [256, 512, 1024][: len(verdict.stages)]


def test_a_category_that_no_item_has_is_a_fault(folder):
    policy = POLICY | {"criteria": {"speaks": POLICY["criteria"]["speaks"], "old": CHANGE | {"category": "Aeg"}}}
    with pytest.raises(ConfigError, match=r"criteria\.old\.category: 'Aeg' is not asked; asked are Guilds, Houses"):
        gate(folder, "planted", policy=policy)


def test_the_same_weights_behind_another_template_are_another_model(folder):
    """A template that turns every prompt around: nothing can be read, though not one weight differs."""
    turned = folder / "turned"
    if not turned.exists():
        shutil.copytree(find_checkpoint("planted", revision=None, offline=True, base=folder).folder, turned)
        for path in turned.glob("*"):
            path.chmod(0o644)
        tokenizer = json.loads((turned / "tokenizer.json").read_text(encoding="utf-8"))
        words = tokenizer["model"]["vocab"]
        names = sorted(words, key=words.get)
        ours = [name for name in names if name.isalpha() and len(name) > 3]
        numbers = [words[name] for name in ours]
        words.update(zip(ours, numbers[1:] + numbers[:1], strict=True))
        (turned / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    verdict = gate(folder, turned)
    assert not verdict.same_weights
    assert verdict.outcome is not Status.PASS


@pytest.mark.parametrize("text", ["{", "[]", '{"label": "x", "removed_weights": 1e999, "base_digest": "d"}', "{}"])
def test_a_statement_that_cannot_be_read_is_told_before_anything_is_asked(folder, pruned, text):
    broken = folder / f"broken-{abs(hash(text))}"
    shutil.copytree(pruned["magnitude"], broken)
    (broken / "secateur.json").write_text(text)
    with pytest.raises(InputError, match="What the candidate's folder states cannot be read"):
        gate(folder, broken)


@pytest.fixture(scope="module")
def spoiled(folder):
    """Copies of the model that ships, with other weights."""

    def make(name, edit):
        copied = folder / name
        shutil.copytree(find_checkpoint("planted", revision=None, offline=True).folder, copied)
        for path in copied.glob("*"):
            path.chmod(0o644)
        weights = load_file(copied / "model.safetensors")
        edit(weights)
        save_file(weights, copied / "model.safetensors", metadata={"format": "pt"})
        return copied

    def nans(weights):
        weights["model.layers.3.mlp.up_proj.weight"].view(-1)[5:17] = float("nan")

    def huge(weights):
        for name in [name for name in weights if name.endswith("_proj.weight")]:
            weights[name] = weights[name].bfloat16() * 1e20

    return {"nan": make("nan", nans), "huge": make("huge", huge)}


def test_a_candidate_with_weights_that_are_not_finite_is_broken_and_not_asked(folder, spoiled, tmp_path):
    asked = GateRequest("planted", str(spoiled["nan"]), parse_policy(POLICY))
    verdict = run_gate(asked, tmp_path / "answers.store", base=folder, offline=True)
    assert (verdict.outcome, verdict.exit_code) == (Status.FAIL, 3)
    assert verdict.headline == "Do not ship: the candidate is broken (finite numbers)."
    first, *others = verdict.criteria
    assert first.reason == (
        "the candidate's weights hold 12 values that are not finite, in model.layers.3.mlp.up_proj.weight"
    )
    assert {one.status for one in others} == {Status.NOT_JUDGED}
    assert (verdict.n_items, verdict.n_listed, verdict.origin["asked_now"]) == (0, 300, 0)
    assert not (tmp_path / "answers.store").exists()


def test_finite_weights_whose_logits_are_not_are_asked_and_broken(folder, spoiled):
    verdict = gate(folder, spoiled["huge"])
    assert (verdict.outcome, verdict.exit_code) == (Status.FAIL, 3)
    assert verdict.headline == "Do not ship: the candidate is broken (finite numbers, speaks, speaks in text)."
    assert (
        verdict.criteria[0].reason
        == "none of the candidate's 900 answers comes from finite logits; computed in float32"
    )
    assert verdict.origin["asked_now"] > 0


def test_a_dense_model_that_is_not_finite_is_no_model_to_compare_with(folder, spoiled, tmp_path):
    store = tmp_path / "answers.store"
    asked = GateRequest(str(spoiled["nan"]), "planted", parse_policy(POLICY))
    with pytest.raises(InputError, match=r"(?s)NaN or infinite.*layers\.3\.mlp\.up_proj\.weight \(12 values\)"):
        run_gate(asked, store, base=folder, offline=True)
    assert not store.exists()
    asked = GateRequest(str(spoiled["huge"]), "planted", parse_policy(POLICY))
    with pytest.raises(InputError, match=r"(?s)dense model's logits are NaN or infinite.*none of 900 answers"):
        run_gate(asked, store, base=folder, offline=True)


def test_weights_too_large_for_the_dtype_are_told_before_anything_is_asked(folder, spoiled, tmp_path):
    policy = parse_policy(POLICY | {"compute": {"dtype": "float16"}})
    asked = GateRequest("planted", str(spoiled["huge"]), policy)
    with pytest.raises(InputError, match=r"(?s)finite and too large for float16.*up to 65504.*next: +compute"):
        run_gate(asked, tmp_path / "answers.store", base=folder, offline=True)
    assert not (tmp_path / "answers.store").exists()


def test_what_would_have_been_asked_is_checked_all_the_same(folder, spoiled):
    policy = POLICY | {"criteria": {"speaks": POLICY["criteria"]["speaks"], "old": CHANGE | {"category": "Aeg"}}}
    with pytest.raises(ConfigError, match="'Aeg' is not asked"):
        gate(folder, spoiled["nan"], policy=policy)


LOOKS = POLICY | {"looks": 4, "benchmark": {"name": "planted", "per_template": 2}}
READABLE = {name: POLICY["criteria"][name] for name in ("speaks", "speaks in text")}


def test_a_policy_with_looks_stops_when_its_outcome_is_certain(folder, pruned):
    verdict = gate(folder / "looks", "planted", policy=LOOKS)
    assert verdict.outcome is Status.PASS
    assert (verdict.looks, len(verdict.stages), verdict.n_clusters_listed) == (4, 1, 125)
    assert (verdict.stages[0].n_clusters, verdict.n_items, verdict.n_listed) == (30, 240, 1000)
    assert verdict.stages[0].nominal["stereotypes"] == spent(30 / 125, 0.05)
    broken = gate(folder / "looks", pruned["random"], policy=LOOKS)
    assert broken.headline.startswith("Do not ship: the candidate is broken (speaks")
    assert broken.n_items < 1000


def test_no_look_asks_anything_twice_and_intervals_say_their_level(folder, pruned):
    policy = LOOKS | {"criteria": READABLE | {"stereotypes": CHANGE | {"margin": 1e-6}}}
    verdict = gate(folder / "whole", pruned["magnitude"], policy=policy)
    assert verdict.outcome is Status.INCONCLUSIVE
    assert [stage.n_clusters for stage in verdict.stages] == [30, 65, 95, 125]
    assert verdict.origin["asked_now"] == verdict.origin["records"] == 1000 * (1 + 4 + 1 + 2) + 2 * 20
    assert gate(folder / "whole", pruned["magnitude"], policy=policy).origin["asked_now"] == 0
    one = next(one for one in verdict.criteria if one.name == "stereotypes")
    (number,) = one.evidence
    level = verdict.stages[-1].nominal["stereotypes"]
    assert number.estimate.level == pytest.approx(1 - 2 * level)
    assert number.estimate.method.endswith(f"repeated interval, look 4 of 4, one-sided level {level:.2g}")


class _Killed(BaseException):
    """As if the process had been killed."""


class _Kill(Silent):
    """Kills when this many cells have begun."""

    def __init__(self, after):
        self.left = after

    def cell(self, name, number, of):
        if not self.left:
            raise _Killed
        self.left -= 1
        return super().cell(name, number, of)


@pytest.mark.parametrize("after", [1, 6])
def test_a_killed_gate_goes_on_at_its_look(folder, pruned, after):
    """A look has four cells: two models that are asked and read text."""
    policy = LOOKS | {"criteria": READABLE | {"stereotypes": CHANGE | {"margin": 1e-6}}}
    place = folder / f"killed-{after}"
    asked = GateRequest("planted", str(pruned["magnitude"]), parse_policy(policy))
    with pytest.raises(_Killed):
        run_gate(asked, place / "answers.store", base=folder, offline=True, progress=_Kill(after))
    there = sum(sum(cell.rows.values()) for cell in Store.open(place / "answers.store").cells())
    assert there > 0
    again = gate(place, pruned["magnitude"], policy=policy)
    whole = gate(folder / "whole", pruned["magnitude"], policy=policy)
    assert again.origin["asked_now"] == whole.origin["records"] - there
    assert (again.criteria, again.stages) == (whole.criteria, whole.stages)
