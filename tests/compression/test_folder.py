"""`secateur prune`: the folder must be what plain transformers loads, and answer as the pruned model in memory does."""

import json
import shutil

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tests.tiny import ALL_FAMILIES, TEXTS, tiny_folder
from transformers import AutoModelForCausalLM, AutoTokenizer

from secateur.compression.methods import METHODS
from secateur.compression.realise import realise
from secateur.compression.recipe import recipe
from secateur.errors import ConfigError, InputError, StoreUnwritableError
from secateur.models.checkpoint import Checkpoint
from secateur.models.families import all_linears
from secateur.models.loading import load_model
from secateur.models.tiny import build_tiny_model
from secateur.study.prune import PruneRequest, prune_to_folder

CALIBRATION = {"sequences": 4, "length": 48}


def prune(family, out, method="wanda", sparsity="0.5", **options):
    text = CALIBRATION if METHODS[method].needs_inputs else {}
    asked = PruneRequest(model=str(tiny_folder(family)), method=method, sparsity=sparsity, **text, **options)
    return prune_to_folder(asked, out, offline=True)


@pytest.mark.parametrize("family", ALL_FAMILIES)
@pytest.mark.parametrize("method", ["random", "magnitude", "wanda"])
def test_plain_transformers_gives_the_same_logits(family, method, tmp_path):
    made = prune(family, tmp_path / "out", method)
    plain = AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    in_memory = load_model(Checkpoint(tiny_folder(family), "m"))
    planned = recipe(method, "0.5", calibration="c")
    again = realise(in_memory, planned, statistics=made.statistics)
    assert again.digest == made.digest
    ids = torch.tensor([tokenizer("Who had forgotten the key?").input_ids])
    with torch.no_grad():
        assert torch.equal(plain(ids).logits, in_memory.model(ids).logits)


def test_nothing_but_the_masks_differs_from_the_base(tmp_path):
    prune("gemma2", tmp_path / "out", "magnitude", "0.3")
    in_memory = load_model(Checkpoint(tiny_folder("gemma2"), "m"))
    realise(in_memory, recipe("magnitude", "0.3"))
    linears = dict(all_linears(in_memory.model, in_memory.family))
    base, pruned = (load_file(folder / "model.safetensors") for folder in (tiny_folder("gemma2"), tmp_path / "out"))
    assert base.keys() == pruned.keys()
    for name, tensor in base.items():
        layer = name.removesuffix(".weight")
        tensor = linears[layer].weight if layer in linears else tensor
        assert torch.equal(pruned[name], tensor), name
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        assert (tmp_path / "out" / name).read_bytes() == (tiny_folder("gemma2") / name).read_bytes()


def test_the_card_states_what_was_done(tmp_path):
    made = prune("phi3", tmp_path / "out")
    facts = json.loads((tmp_path / "out" / "secateur.json").read_text())
    weights = load_file(tmp_path / "out" / "model.safetensors")
    assert facts["zeros_in_whole_model"] == sum(int((tensor == 0).sum()) for tensor in weights.values())
    assert facts["weights_in_whole_model"] == sum(tensor.numel() for tensor in weights.values())
    assert facts["realised_digest"] == made.digest
    assert facts["achieved_sparsity"] == 0.5
    card = (tmp_path / "out" / "README.md").read_text()
    for fact in (
        "wanda 0.5",
        "0.500000",
        made.digest,
        facts["base_digest"],
        "packaged: 4 sequences of 48 tokens, seed 0",
    ):
        assert fact in card, fact
    assert str(tiny_folder("phi3").parent) not in card, "a path of the maker's machine is nobody's business"


def test_bf16_weights_stay_bf16_and_shards_stay_shards(tmp_path):
    base = build_tiny_model(tmp_path / "base", family="llama", texts=TEXTS, dtype=torch.bfloat16)
    weights = load_file(base / "model.safetensors")
    names = sorted(weights)
    for file, part in (("a.safetensors", names[::2]), ("b.safetensors", names[1::2])):
        save_file({name: weights[name] for name in part}, base / file, metadata={"format": "pt", "kept": "yes"})
    index = {n: "a.safetensors" if i % 2 == 0 else "b.safetensors" for i, n in enumerate(names)}
    (base / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}))
    (base / "model.safetensors").unlink()
    made = prune_to_folder(PruneRequest(model=str(base), method="magnitude", sparsity="0.5"), tmp_path / "out")
    assert made.achieved_sparsity == 0.5
    with safe_open(tmp_path / "out" / "a.safetensors", framework="pt") as file:
        assert file.metadata()["kept"] == "yes"
        assert all(file.get_tensor(name).dtype == torch.bfloat16 for name in list(file.keys()))
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "out").dtype == torch.bfloat16


def test_biases_are_kept(tmp_path):
    prune("qwen2", tmp_path / "out", "magnitude", "1")
    weights = load_file(tmp_path / "out" / "model.safetensors")
    assert not weights["model.layers.0.self_attn.q_proj.weight"].any()
    assert weights["model.layers.0.self_attn.q_proj.bias"].any()


def test_a_folder_that_is_not_empty_is_never_touched(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("x")
    with pytest.raises(InputError, match="The output folder is not empty"):
        prune("llama", tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine"]


def test_a_file_in_the_way_is_never_touched(tmp_path):
    (tmp_path / "out").write_text("x")
    with pytest.raises(InputError, match="The output is a file"):
        prune("llama", tmp_path / "out")


@pytest.mark.parametrize(("options", "fault"), [({"mask_seed": 3}, "--mask-seed"), ({"one_shot": True}, "--one-shot")])
def test_an_option_the_method_does_not_use_is_refused(options, fault, tmp_path):
    with pytest.raises(ConfigError, match=f"{fault}: magnitude does not use it"):
        prune("llama", tmp_path / "out", "magnitude", **options)


def test_a_model_given_as_the_current_folder_has_its_name_on_the_card(tmp_path, monkeypatch):
    monkeypatch.chdir(shutil.copytree(tiny_folder("llama"), tmp_path / "my-model"))
    prune_to_folder(PruneRequest(model=".", method="wanda", sparsity="0.5"), tmp_path / "out", offline=True)
    card = (tmp_path / "out" / "README.md").read_text()
    assert "# my-model, pruned: wanda 0.5" in card
    assert "packaged: 32 sequences of 256 tokens" in card, "the packaged corpus has text enough for the defaults"


@pytest.mark.parametrize("step", ["shards._reserve", "shards._write_all", "folder.write_text"])
def test_a_disk_that_fills_up_leaves_nothing_behind(step, tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(f"secateur.compression.{step}", full)
    with pytest.raises(StoreUnwritableError, match="The disk is full"):
        prune("llama", tmp_path / "out", "magnitude")
    assert list(tmp_path.iterdir()) == []


def test_the_card_of_a_strange_name_is_still_a_card(tmp_path):
    base = shutil.copytree(tiny_folder("llama"), tmp_path / "a|b<script>")
    prune_to_folder(PruneRequest(model=str(base), method="magnitude", sparsity="0.5"), tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text()
    assert "a|b" not in card
    assert "<script>" not in card
