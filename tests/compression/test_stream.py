"""A checkpoint pruned file by file against the same model pruned in memory: the same bytes, whatever the shape."""

import json
import os
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.reference.pruned_folder import base_digest, prune_in_memory
from tests.tiny import ALL_FAMILIES, TEXTS, tiny_folder

from secateur.compression import stream
from secateur.compression.finished import FinishedBlocks
from secateur.compression.methods import METHODS
from secateur.compression.realise import realise
from secateur.compression.recipe import planned_digest, recipe
from secateur.compression.stream import prune_files
from secateur.errors import InputError, StoreBusyError, StoreUnwritableError, UnsupportedModelError
from secateur.models.checkpoint import Checkpoint
from secateur.models.hollow import hollow_model
from secateur.models.loading import load_model, load_tokenizer
from secateur.models.tiny import build_tiny_model
from secateur.records.lease import lease
from secateur.study.prune import PruneRequest, prune_to_folder

SEQUENCES = [[1, *range(10 + 7 * i, 80 + 7 * i)] for i in range(5)]
DTYPES = [torch.float32, torch.bfloat16, torch.float16]


def planned_for(method, level="0.5", **options):
    return recipe(method, level, calibration="c", **options)


def in_files(base, planned, out):
    checkpoint = Checkpoint(base, str(base))
    hollow = hollow_model(checkpoint, load_tokenizer(checkpoint), device="cpu", dtype=torch.float32)
    return prune_files(hollow, planned, out, sequences=SEQUENCES if planned.spec.needs_inputs else None)


def in_shards(base, n=3):
    """Split a folder's weights so that blocks and fused matrices lie across files in no order."""
    weights = load_file(base / "model.safetensors")
    names = sorted(weights, key=lambda name: name[::-1])
    index = {name: f"model-{place % n}.safetensors" for place, name in enumerate(names)}
    for file in set(index.values()):
        save_file({name: weights[name] for name in names if index[name] == file}, base / file, {"format": "pt"})
    (base / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}))
    (base / "model.safetensors").unlink()
    return base


def same(base, planned, tmp_path):
    expected = prune_in_memory(base, planned, tmp_path / "expected", SEQUENCES)
    made = in_files(base, planned, tmp_path / "out")
    for file in (tmp_path / "expected").iterdir():
        assert (tmp_path / "out" / file.name).read_bytes() == file.read_bytes(), file.name
    assert made.layer_digests == expected.layer_digests
    assert list(made.layer_digests) == list(expected.layer_digests)
    assert made.layers == expected.layers
    assert made.digest == expected.digest
    assert made.statistics.keys() == expected.statistics.keys()
    for name, sums in expected.statistics.items():
        assert (made.statistics[name] == sums).all()
    facts = json.loads((tmp_path / "out" / "secateur.json").read_text())
    weights = [t for f in (tmp_path / "out").glob("*.safetensors") for t in load_file(f).values()]
    assert facts["base_digest"] == base_digest(base) == Checkpoint(base, "m").digest
    assert facts["planned_digest"] == planned_digest(base_digest(base), planned)
    assert facts["realised_digest"] == expected.digest
    assert facts["zeros_in_whole_model"] == sum(int((tensor == 0).sum()) for tensor in weights)
    assert facts["weights_in_whole_model"] == sum(tensor.numel() for tensor in weights)
    assert {path.name for path in tmp_path.iterdir()} - {"base"} == {"expected", "out"}


def walks(family, method):
    return METHODS[method].passes != ("pia",) or family not in ("opt", "gpt_neox")


@pytest.mark.parametrize("family", ALL_FAMILIES)
@pytest.mark.parametrize("method", METHODS)
def test_the_same_bytes_as_in_memory(family, method, tmp_path):
    if walks(family, method):
        same(tiny_folder(family), planned_for(method), tmp_path)


@pytest.mark.parametrize("family", ALL_FAMILIES)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("method", ["magnitude", "wanda"])
def test_the_same_bytes_in_shards_of_every_dtype(family, dtype, method, tmp_path):
    base = in_shards(build_tiny_model(tmp_path / "base", family=family, texts=TEXTS, dtype=dtype))
    same(base, planned_for(method, "0.29"), tmp_path)


@pytest.mark.parametrize("options", [{"per": "row"}, {"per": "tensor"}, {"propagation": "one-shot"}], ids=str)
@pytest.mark.parametrize("level", ["0", "1/3", "1"])
def test_the_same_bytes_at_every_level(options, level, tmp_path):
    same(tiny_folder("qwen2"), planned_for("wanda", level, **options), tmp_path)


@pytest.mark.parametrize("method", ["random", "magnitude", "wanda"])
@pytest.mark.parametrize("pattern", ["2:4", "4:8"])
def test_the_same_bytes_in_a_pattern(method, pattern, tmp_path):
    planned = planned_for(method, None, pattern=pattern)
    same(tiny_folder("llama"), planned, tmp_path)


@pytest.mark.parametrize("method", ["magnitude", "wanda"])
def test_a_pattern_that_does_not_fit_is_refused_before_anything_is_read(method, tmp_path, monkeypatch):
    monkeypatch.setattr(stream, "folder_in_the_making", None)
    base, planned = tiny_folder("llama"), planned_for(method, None, pattern="1:3")
    match = r"(?s)The pattern 1:3 does not fit this model.*layers\.0\.self_attn\.q_proj, 32 x 32 \(and 11 more\)"
    with pytest.raises(InputError, match=match):
        in_files(base, planned, tmp_path / "out")
    with pytest.raises(InputError, match=match):
        realise(load_model(Checkpoint(base, "m")), planned)
    assert list(tmp_path.iterdir()) == []


def test_zeros_of_both_signs_and_what_nobody_loads_are_copied_bit_for_bit(tmp_path):
    base = shutil.copytree(tiny_folder("gpt_neox"), tmp_path / "base")
    weights = load_file(base / "model.safetensors")
    weights["gpt_neox.layers.0.attention.dense.weight"][0, :9] = torch.tensor([0.0, -0.0, 1e-42] * 3)
    weights["gpt_neox.layers.0.attention.bias"] = torch.ones(4, 4, dtype=torch.bool)  # as old files have it
    weights["gpt_neox.layers.0.attention.masked_bias"] = torch.tensor(float("-inf"))
    weights["gpt_neox.layers.1.attention.rotary_emb.inv_freq"] = torch.empty(0)
    save_file(weights, base / "model.safetensors", {"format": "pt"})
    same(base, planned_for("magnitude"), tmp_path)


def test_bytes_are_read_in_pieces_that_do_not_matter(tmp_path, monkeypatch):
    monkeypatch.setattr("secateur.models.weight_file.PIECE", 64)
    same(tiny_folder("llama"), planned_for("wanda"), tmp_path)


def test_no_more_than_a_block_is_in_memory(tmp_path, monkeypatch):
    """Weights that are there while a block runs: its own, and nothing of other blocks, embeddings or the head."""
    there = []
    real = stream.observe_block

    def looking(walk, index, planned):
        held = {name for name, weight in models[0].named_parameters() if not weight.is_meta}
        there.append((held, {name for name in models[0].state_dict() if name.startswith(f"model.layers.{index}.")}))
        return real(walk, index, planned)

    monkeypatch.setattr(stream, "observe_block", looking)
    checkpoint = Checkpoint(tiny_folder("mistral"), "tiny")
    hollow = hollow_model(checkpoint, load_tokenizer(checkpoint), device="cpu", dtype=torch.float32)
    models = [hollow.model]
    prune_files(hollow, planned_for("wanda"), tmp_path / "out", sequences=SEQUENCES)
    assert len(there) == 2
    assert all(held == of_block for held, of_block in there)


def spoiled(tmp_path, edit, family="llama"):
    base = shutil.copytree(tiny_folder(family), tmp_path / "base")
    weights = load_file(base / "model.safetensors")
    edit(weights)
    save_file(weights, base / "model.safetensors", {"format": "pt"})
    return base


@pytest.mark.parametrize("method", ["magnitude", "wanda"])
@pytest.mark.parametrize(
    ("edit", "error", "message"),
    [
        (lambda w: w.pop("model.layers.0.mlp.up_proj.weight"), UnsupportedModelError, "missing tensors"),
        (lambda w: w.pop("model.norm.weight"), UnsupportedModelError, "missing tensors"),
        (lambda w: w.update(stranger=torch.ones(2)), UnsupportedModelError, "unexpected tensors"),
        (lambda w: w.update({"model.norm.weight": torch.ones(5)}), UnsupportedModelError, "mismatched tensors"),
        (
            lambda w: [w.update({name.removeprefix("model."): w.pop(name)}) for name in list(w)],
            UnsupportedModelError,
            r"(?s)missing tensors.*save it with save_pretrained",
        ),
        (
            lambda w: w["model.layers.1.mlp.up_proj.weight"].__setitem__((0, 0), float("nan")),
            InputError,
            r"(?s)NaN or infinite.*got:     model\.layers\.1\.mlp\.up_proj\.weight",
        ),
        (
            lambda w: w["model.embed_tokens.weight"].__setitem__((0, 0), -float("inf")),
            InputError,
            r"(?s)NaN or infinite.*got:     model\.embed_tokens\.weight",
        ),
        (
            lambda w: w.update({"model.layers.0.mlp.up_proj.weight": torch.zeros(48, 32).to(torch.float8_e4m3fn)}),
            UnsupportedModelError,
            r"(?s)cannot be pruned.*allowed: float32, bfloat16, float16.*float8",
        ),
    ],
)
def test_a_checkpoint_that_cannot_be_pruned_is_refused(method, edit, error, message, tmp_path):
    base = spoiled(tmp_path, edit)
    with pytest.raises(error, match=message):
        in_files(base, planned_for(method), tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["base"]


def test_a_linear_that_shares_its_weight_is_refused(tmp_path, monkeypatch):
    base, real = tiny_folder("llama"), stream_meta_model()

    def tied(config, **options):
        model = real(config, **options)
        model.model.layers[1].mlp.up_proj.weight = model.model.layers[0].mlp.up_proj.weight
        return model

    monkeypatch.setattr("secateur.models.hollow.meta_model", tied)
    with pytest.raises(UnsupportedModelError, match=r"(?s)shares its weight.*layers\.1\.mlp\.up_proj and .*layers\.0"):
        in_files(base, planned_for("magnitude"), tmp_path / "out")


def stream_meta_model():
    from secateur.models.hollow import meta_model

    return meta_model


def test_a_quantized_checkpoint_is_refused(tmp_path):
    base = shutil.copytree(tiny_folder("llama"), tmp_path / "base")
    config = json.loads((base / "config.json").read_text()) | {"quantization_config": {"quant_method": "gptq"}}
    (base / "config.json").write_text(json.dumps(config))
    with pytest.raises(UnsupportedModelError, match="The checkpoint is quantized"):
        prune_to_folder(PruneRequest(str(base), "magnitude", "0.5"), tmp_path / "out")


def test_an_index_that_names_the_wrong_file_is_refused(tmp_path):
    base = in_shards(shutil.copytree(tiny_folder("llama"), tmp_path / "base"))
    index = json.loads((base / "model.safetensors.index.json").read_text())
    index["weight_map"]["model.norm.weight"] = next(
        file for file in index["weight_map"].values() if file != index["weight_map"]["model.norm.weight"]
    )
    (base / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(InputError, match=r"(?s)has not the tensor that the index names.*model\.norm\.weight"):
        in_files(base, planned_for("magnitude"), tmp_path / "out")


def test_an_index_that_names_a_tensor_no_file_holds_is_refused(tmp_path):
    base = in_shards(shutil.copytree(tiny_folder("llama"), tmp_path / "base"))
    file = base / "model.safetensors.index.json"
    index = json.loads(file.read_text())
    weights = load_file(base / index["weight_map"]["model.norm.weight"])
    del weights["model.norm.weight"]
    save_file(weights, base / index["weight_map"]["model.norm.weight"], {"format": "pt"})
    with pytest.raises(InputError, match=r"(?s)has not the tensor that the index names.*model\.norm\.weight"):
        in_files(base, planned_for("magnitude"), tmp_path / "out")


def test_a_tensor_that_stands_in_two_files_is_refused(tmp_path):
    base = in_shards(shutil.copytree(tiny_folder("llama"), tmp_path / "base"))
    index = json.loads((base / "model.safetensors.index.json").read_text())["weight_map"]
    name = "model.layers.0.mlp.up_proj.weight"
    other = base / next(file for file in sorted(index.values()) if file != index[name])
    save_file(load_file(other) | {name: load_file(base / index[name])[name]}, other, {"format": "pt"})
    with pytest.raises(InputError, match=r"(?s)more than one weight file.*up_proj"):
        in_files(base, planned_for("magnitude"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_activations_that_are_not_finite_stop_it(tmp_path):
    base = spoiled(tmp_path, lambda w: w["model.layers.1.input_layernorm.weight"].fill_(3e38))
    with pytest.raises(UnsupportedModelError, match=r"inputs are NaN or infinite\.\n  where:   model\.layers\.1"):
        in_files(base, planned_for("wanda"), tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["base"]


def test_methods_that_need_text_need_sequences(tmp_path):
    checkpoint = Checkpoint(tiny_folder("llama"), "m")
    hollow = hollow_model(checkpoint, load_tokenizer(checkpoint), device="cpu", dtype=torch.float32)
    with pytest.raises(InputError, match="wanda needs calibration sequences"):
        prune_files(hollow, planned_for("wanda"), tmp_path / "out")


def test_two_at_once_are_refused(tmp_path):
    with (
        lease(tmp_path / ".out.partial", what="something"),
        pytest.raises(StoreBusyError, match="already writing the pruned model"),
    ):
        in_files(tiny_folder("llama"), planned_for("magnitude"), tmp_path / "out")
    in_files(tiny_folder("llama"), planned_for("magnitude"), tmp_path / "out")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="permissions do not bind this user")
def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "shut").mkdir(mode=0o500)
    with pytest.raises(StoreUnwritableError, match="cannot be written"):
        in_files(tiny_folder("llama"), planned_for("magnitude"), tmp_path / "shut" / "out")


def test_a_file_where_the_parent_should_be(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreUnwritableError, match="There is a file where a folder is needed"):
        in_files(tiny_folder("llama"), planned_for("magnitude"), tmp_path / "file" / "out")


class StoppedError(Exception):
    """Stands for whatever ends a run."""


def stop_after(monkeypatch, n):
    """End a run when ``n`` blocks are finished; gives the blocks that are observed."""
    observed, real = [], stream.observe_block

    def counting(walk, index, planned):
        if len(observed) == n:
            raise StoppedError
        observed.append(index)
        return real(walk, index, planned)

    monkeypatch.setattr(stream, "observe_block", counting)
    return observed


@pytest.mark.parametrize("options", [{}, {"propagation": "one-shot"}], ids=str)
def test_a_stopped_calibration_goes_on_from_its_last_finished_block(options, tmp_path, monkeypatch):
    base = build_tiny_model(tmp_path / "base", texts=TEXTS, num_hidden_layers=4)
    planned = planned_for("wanda", **options)
    expected = prune_in_memory(base, planned, tmp_path / "expected", SEQUENCES)
    for expect, n in (([0, 1], 2), ([2], 1), ([3], 9)):
        with monkeypatch.context() as patch:
            observed = stop_after(patch, n)
            if n < 9:
                with pytest.raises(StoppedError):
                    in_files(base, planned, tmp_path / "out")
                assert not (tmp_path / "out").exists()
                assert not list(tmp_path.glob(".out.partial/**/config.json"))
                assert not list(tmp_path.glob(".out.partial/model"))
            else:
                made = in_files(base, planned, tmp_path / "out")
        assert observed == expect
    assert made.digest == expected.digest
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == (
        tmp_path / "expected" / "model.safetensors"
    ).read_bytes()
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("change", ["level", "weights", "text"])
def test_another_calibration_never_goes_on_from_it(change, tmp_path, monkeypatch):
    base = shutil.copytree(tiny_folder("llama"), tmp_path / "base")
    planned = planned_for("wanda")
    with monkeypatch.context() as patch:
        stop_after(patch, 1)
        with pytest.raises(StoppedError):
            in_files(base, planned, tmp_path / "out")
    if change == "level":
        planned = planned_for("wanda", "0.3")
    elif change == "text":
        planned = recipe("wanda", "0.5", calibration="other")
    else:
        weights = load_file(base / "model.safetensors")
        weights["model.norm.weight"] += 1
        save_file(weights, base / "model.safetensors", {"format": "pt"})
    observed = stop_after(monkeypatch, 9)
    same(base, planned, tmp_path)
    assert observed == [0, 1]


def test_hidden_states_that_somebody_removed_are_made_again(tmp_path, monkeypatch):
    base, planned = tiny_folder("llama"), planned_for("wanda")
    with monkeypatch.context() as patch:
        stop_after(patch, 1)
        with pytest.raises(StoppedError):
            in_files(base, planned, tmp_path / "out")
    for path in tmp_path.glob(".out.partial/calibration/*/hidden*"):
        path.unlink()
    same(base, planned, tmp_path)


def test_damaged_calibration_says_what_to_remove(tmp_path):
    kept = FinishedBlocks(tmp_path / "a", 2, torch.device("cpu"))
    kept.hidden.append(torch.ones(1, 2, 3))
    kept.hidden.change(lambda batch: batch)
    kept.finish({"layer": torch.arange(3.0)})
    for path in (tmp_path / "a").iterdir():
        path.write_bytes(b"damaged")
    again = FinishedBlocks(tmp_path / "a", 2, torch.device("cpu"))
    with pytest.raises(InputError, match="remove the folder"):
        again.statistics(0)
    with pytest.raises(InputError, match="remove the folder"):
        list(again.hidden)


def test_statistics_come_back_as_they_were(tmp_path):
    kept = FinishedBlocks(tmp_path / "a", 2, torch.device("cpu"))
    kept.hidden.append(torch.ones(1, 2, 3))
    kept.hidden.change(lambda batch: batch + 1)
    kept.finish({"layer": torch.arange(3.0)})
    again = FinishedBlocks(tmp_path / "a", 2, torch.device("cpu"))
    assert len(again) == 1
    assert again.statistics(0)["layer"].tolist() == [0, 1, 2]
    assert [batch.tolist() for batch in again.hidden] == [[[[2.0] * 3] * 2]]
    FinishedBlocks(tmp_path / "b", 2, torch.device("cpu"))
    assert [path.name for path in tmp_path.iterdir()] == ["b"]
