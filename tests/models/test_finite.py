import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.tiny import ALL_FAMILIES, tiny_checkpoint

from secateur.errors import InputError
from secateur.models.checkpoint import Checkpoint
from secateur.models.finite import check_finite, damage
from secateur.models.loading import load_model


def spoil(folder, edit):
    weights = load_file(folder / "model.safetensors")
    edit(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return Checkpoint(folder, "m")


@pytest.mark.parametrize("family", ALL_FAMILIES)
def test_whole_models(family):
    checkpoint = tiny_checkpoint(family)
    assert damage(checkpoint) == {}
    check_finite(checkpoint, torch.float16)


def test_values_are_counted_in_model_order(folder):
    def edit(weights):
        weights["lm_head.weight"][0, :3] = float("inf")
        weights["model.layers.1.mlp.up_proj.weight"][0, 0] = float("nan")
        weights["model.layers.0.input_layernorm.weight"][:] = -float("inf")

    checkpoint = spoil(folder, edit)
    found = damage(checkpoint)
    size = checkpoint.config["hidden_size"]
    assert list(found.items()) == [
        ("model.layers.0.input_layernorm.weight", size),
        ("model.layers.1.mlp.up_proj.weight", 1),
        ("lm_head.weight", 3),
    ]
    told = rf"(?s)NaN or infinite.*input_layernorm\.weight \({size} values\), .*up_proj\.weight \(1 value\), lm_head"
    with pytest.raises(InputError, match=told):
        check_finite(checkpoint)
    with pytest.raises(InputError, match=told):
        load_model(checkpoint)


def test_tensors_that_no_weight_is_loaded_from_may_be_anything(folder):
    name = "model.layers.0.self_attn.rotary_emb.inv_freq"
    checkpoint = spoil(folder, lambda weights: weights.update({name: torch.full((4,), float("inf"))}))
    assert damage(checkpoint) == {}
    check_finite(checkpoint, torch.float16)
    load_model(checkpoint)


def test_finite_weights_too_large_for_the_dtype(folder):
    checkpoint = spoil(folder, lambda weights: weights["model.norm.weight"].__setitem__(0, 65520.0))
    check_finite(checkpoint, torch.bfloat16)
    told = r"(?s)finite and too large for float16.*allowed: +up to 65504.*got: +model\.norm\.weight"
    with pytest.raises(InputError, match=told):
        check_finite(checkpoint, torch.float16)
    with pytest.raises(InputError, match=told):
        load_model(checkpoint, dtype=torch.float16)
    spoil(folder, lambda weights: weights["model.norm.weight"].__setitem__(0, 65519.0))
    check_finite(Checkpoint(folder, "m"), torch.float16)
