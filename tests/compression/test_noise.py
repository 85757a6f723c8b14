"""The placebo on real tiny models, against a slow definition."""

import math

import numpy as np
import pytest
import torch
from tests.tiny import ALL_FAMILIES, tiny_checkpoint, tiny_model

from secateur.compression.dense import restore_dense
from secateur.compression.noise import STRENGTHS, Noise, add_noise, noise_signs, noise_strength, noisy_layer
from secateur.compression.recipe import planned_digest
from secateur.errors import InputError, VerificationError
from secateur.models.families import all_linears
from secateur.models.loading import load_model
from secateur.randomness import Domain, bits


def everything(loaded):
    return {name: value.clone() for name, value in loaded.model.state_dict().items()}


def signs_bit_by_bit(n, layer, seed):
    words = bits(Domain.NOISE, seed, layer).random_raw(n // 64 + 1)
    return [1 if int(words[k // 64]) >> (k % 64) & 1 else -1 for k in range(n)]


@pytest.mark.parametrize("family", ALL_FAMILIES)
def test_each_linear_gets_noise_of_its_own_size_and_nothing_else_changes(family):
    loaded = tiny_model(family)
    before = everything(loaded)
    made = add_noise(loaded, Noise(noise_strength("0.2"), 3))
    linears = {f"{name}.weight" for name, _ in all_linears(loaded.model, loaded.family)}
    for name, value in everything(loaded).items():
        if name not in linears:
            assert torch.equal(value, before[name]), name
            continue
        layer = name.removesuffix(".weight")
        dense = before[name].double()
        size = math.sqrt(sum(float(x) ** 2 for x in dense.reshape(-1)[:]) / dense.numel())
        signs = torch.tensor(signs_bit_by_bit(dense.numel(), layer, 3)).reshape(dense.shape)
        torch.testing.assert_close(value, (dense + 0.2 * size * signs).float(), rtol=1e-5, atol=1e-8)
        assert float((value.double() - dense).norm() / dense.norm()) == pytest.approx(0.2, rel=1e-4)
    assert made.removed == 0
    assert made.achieved_sparsity == 0
    assert {f"{name}.weight" for name in made.layer_digests} == linears
    restore_dense(loaded)
    assert all(torch.equal(value, before[name]) for name, value in everything(loaded).items())


def test_signs_are_fair_and_differ_between_layers_and_seeds():
    one, layer, seed = (
        noise_signs((200, 300), name, number).double() for name, number in (("a", 0), ("b", 0), ("a", 1))
    )
    for signs in (one, layer, seed):
        assert signs.unique().tolist() == [-1, 1]
        assert abs(float(signs.mean())) < 4 / math.sqrt(signs.numel())
    for other in (layer, seed):
        assert abs(float((one * other).mean())) < 4 / math.sqrt(one.numel())
    assert torch.equal(noise_signs((7, 9), "a", 0).reshape(-1), noise_signs((1, 63), "a", 0).reshape(-1))


def test_the_same_noise_in_every_compute_dtype():
    made = [
        add_noise(load_model(tiny_checkpoint("llama"), dtype=dtype), Noise(noise_strength("0.2"))).digest
        for dtype in (torch.float32, torch.bfloat16)
    ]
    assert made[0] == made[1]
    loaded = tiny_model("llama")
    assert add_noise(loaded, Noise(noise_strength("0.2"), 1)).digest != made[0]


def test_a_matrix_of_zeros_stays_one():
    weight = torch.zeros(4, 6)
    noisy_layer(Noise(noise_strength("0.5")), "a", torch.zeros(4, 6), weight)
    assert not weight.any()


def test_noise_that_rounding_swallows_is_refused():
    stored = torch.linspace(1, 2, 4096).reshape(64, 64).to(torch.bfloat16)
    with pytest.raises(VerificationError, match="not what was planned") as error:
        noisy_layer(Noise(noise_strength("0.0005")), "a", stored, stored.clone())
    assert "stronger" in str(error.value)
    noisy_layer(Noise(noise_strength("0.0005")), "a", stored, stored.float())


def test_noise_that_overflows_is_refused():
    stored = torch.full((4, 4), 3e38)
    with pytest.raises(VerificationError, match="not what was planned"):
        noisy_layer(Noise(noise_strength("0.5")), "a", stored, stored.clone())


@pytest.mark.parametrize("strength", ["0", "-0.1", "4.1", "nan", "inf", "", "1e99999", "0.1.1"])
def test_strengths_that_are_none(strength):
    with pytest.raises(InputError, match="no noise of this strength"):
        noise_strength(strength)


def test_what_a_placebo_is_called():
    assert Noise(noise_strength(0.1)).label == "noise 0.1"
    assert Noise(noise_strength("1/3"), 2).label == "noise 1/3 noise-seed-2"
    assert Noise(noise_strength("0.1")).plain == {"placebo": "noise", "strength": "1/10", "noise_seed": 0}
    with pytest.raises(InputError, match="noise seed"):
        Noise(noise_strength("0.1"), 2**32)
    planned = {planned_digest("m", Noise(noise_strength(s), seed)) for s in STRENGTHS for seed in (0, 1)}
    assert len(planned) == 2 * len(STRENGTHS)
    assert planned_digest("m", None) not in planned


def test_noise_is_reproducible_to_the_bit():
    """The first signs of one stream, worked out once: they must never change under a store."""
    assert noise_signs((2, 8), "model.layers.0.mlp.up_proj", 0).tolist() == FIRST_SIGNS
    assert np.abs(noise_signs((2, 8), "x", 0).numpy()).min() == 1


FIRST_SIGNS = [[-1, -1, 1, -1, -1, 1, -1, -1], [-1, -1, -1, -1, -1, -1, -1, -1]]


@pytest.mark.parametrize("family", ALL_FAMILIES)
def test_what_was_done_to_a_model_before_leaves_no_trace(family):
    dense, used = tiny_model(family), tiny_model(family)
    with torch.no_grad():
        for _, linear in all_linears(used.model, used.family):
            linear.weight.fill_(float("nan"))
    planned = Noise(noise_strength("0.5"), 3)
    assert add_noise(used, planned) == add_noise(dense, planned)
    expected = everything(dense)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in everything(used).items())
