"""Variants of real tiny models against slow definitions written from the papers."""

from collections import Counter

import numpy as np
import pytest
import torch
from tests.reference.pruning import lowest_go, wanda_kept, whole_forward_inputs
from tests.tiny import ALL_FAMILIES, tiny_checkpoint, tiny_model

from secateur.compression.dense import restore_dense
from secateur.compression.layer import mask_digest
from secateur.compression.realise import realise
from secateur.compression.recipe import planned_digest, recipe
from secateur.compression.verify import verify_layer
from secateur.errors import InputError, SparsityMismatchError, UnsupportedModelError
from secateur.models.families import all_linears, blocks_of, linears_of
from secateur.models.loading import load_model
from secateur.models.weight_file import WeightFile

SEQUENCES = [[1, *range(10 + 7 * i, 80 + 7 * i)] for i in range(5)]
LEVEL = "0.29"


def weights_of(loaded):
    return {name: linear.weight.detach().clone() for name, linear in all_linears(loaded.model, loaded.family)}


def everything_else(loaded):
    pruned = {f"{name}.weight" for name, _ in all_linears(loaded.model, loaded.family)}
    return {name: value.clone() for name, value in loaded.model.state_dict().items() if name not in pruned}


@pytest.mark.parametrize("family", ALL_FAMILIES)
def test_magnitude_against_sorting(family):
    loaded = tiny_model(family)
    dense, others = weights_of(loaded), everything_else(loaded)
    made = realise(loaded, recipe("magnitude", LEVEL))
    for name, weight in weights_of(loaded).items():
        kept = torch.tensor(lowest_go(dense[name].abs(), LEVEL, "tensor"))
        assert torch.equal(weight, torch.where(kept, dense[name], 0.0)), name
        assert made.layer_digests[name] == mask_digest(name, kept)
    for name, value in everything_else(loaded).items():
        assert torch.equal(value, others[name]), f"{name} is no linear of a block and must not change"


@pytest.mark.parametrize("family", ALL_FAMILIES)
def test_propagated_wanda_against_the_unmodified_forward_pass(family):
    """Norms of each block from hooks on the whole model, whose earlier blocks are pruned already."""
    loaded, reference = tiny_model(family), tiny_model(family)
    made = realise(loaded, recipe("wanda", LEVEL, calibration="c"), sequences=SEQUENCES)
    masks = {}
    for index, block in enumerate(blocks_of(reference.model, reference.family)):
        linears = linears_of(block, reference.family, f"{reference.family.blocks}.{index}")
        inputs = whole_forward_inputs(reference.model, list(linears), SEQUENCES)
        for name, linear in linears.items():
            sums = inputs[name].double().square().sum(0)
            np.testing.assert_allclose(made.statistics[name], sums.numpy(), rtol=1e-5)
            kept = torch.tensor(wanda_kept(linear.weight, inputs[name], LEVEL))
            assert made.layer_digests[name] == mask_digest(name, kept), name
            masks[name] = kept
        with torch.no_grad():
            for name, linear in linears.items():
                linear.weight *= masks[name]


@pytest.mark.parametrize("family", ALL_FAMILIES)
def test_one_shot_wanda_takes_the_dense_models_norms(family):
    loaded, reference = tiny_model(family), tiny_model(family)
    names = [name for name, _ in all_linears(reference.model, reference.family)]
    inputs = whole_forward_inputs(reference.model, names, SEQUENCES)
    one_shot = recipe("wanda", LEVEL, calibration="c", propagation="one-shot")
    made = realise(loaded, one_shot, sequences=SEQUENCES)
    for name in names:
        np.testing.assert_allclose(made.statistics[name], inputs[name].double().square().sum(0).numpy(), rtol=1e-5)
    propagated = realise(tiny_model(family), recipe("wanda", LEVEL, calibration="c"), sequences=SEQUENCES)
    assert propagated.digest != made.digest


def test_the_walk_does_not_depend_on_how_sequences_are_batched(monkeypatch):
    results = []
    for tokens in (4096, 142, 71):
        monkeypatch.setattr("secateur.models.walk._TOKENS_PER_BATCH", tokens)
        made = realise(tiny_model("gemma2"), recipe("wanda", LEVEL, calibration="c"), sequences=SEQUENCES)
        results.append(made)
    for other in results[1:]:
        for name, sums in results[0].statistics.items():
            np.testing.assert_allclose(other.statistics[name], sums, rtol=1e-5)


def test_wanda_computes_no_product_that_nobody_needs():
    loaded, first, last = tiny_model("llama"), Counter(), Counter()
    for index, block in enumerate(blocks_of(loaded.model, loaded.family)):
        block.self_attn.q_proj.register_forward_hook(lambda *_, index=index: first.update([index]))
        block.mlp.down_proj.register_forward_hook(lambda *_, index=index: last.update([index]))
    realise(loaded, recipe("wanda", LEVEL, calibration="c"), sequences=SEQUENCES)
    # What the linears of both blocks see, of the last one without its product; what the pruned first gives the second.
    assert (first, last) == ({0: 2, 1: 1}, {0: 1})


@pytest.mark.parametrize("family", ALL_FAMILIES)
def test_the_same_masks_follow_from_stored_statistics(family):
    wanda = recipe("wanda", "0.5", calibration="c")
    made = realise(tiny_model(family), wanda, sequences=SEQUENCES)
    again = realise(tiny_model(family), wanda, statistics=made.statistics)
    assert again.digest == made.digest


def test_random_masks_depend_on_seed_and_layer_and_on_no_weight():
    def masks(family, seed):
        return realise(tiny_model(family), recipe("random", "0.5", mask_seed=seed)).layer_digests

    assert masks("llama", 0) == masks("llama", 0)
    assert not set(masks("llama", 0).values()) & set(masks("llama", 1).values())
    assert masks("llama", 0) == masks("gemma2", 0)  # same names and shapes, other weights
    assert len(set(masks("llama", 0).values())) == len(masks("llama", 0))


def test_random_masks_remove_every_place_equally_often():
    shares = []
    for seed in range(40):
        loaded = tiny_model("llama")
        realise(loaded, recipe("random", "0.5", mask_seed=seed))
        shares.append((loaded.model.model.layers[1].mlp.up_proj.weight != 0).float())
    share = torch.stack(shares).mean(0)
    # 40 draws a place, mean 1/2: the standard error of a row's mean (32 places) is 0.014.
    assert abs(float(share.mean()) - 0.5) < 0.001
    assert float((share.mean(1) - 0.5).abs().max()) < 5 * 0.014


@pytest.mark.parametrize("method", ["random", "magnitude", "wanda"])
@pytest.mark.parametrize("per", ["row", "tensor"])
def test_strength_0_changes_no_bit_and_1_removes_all(method, per):
    loaded = tiny_model("qwen2")
    before = {name: value.clone() for name, value in loaded.model.state_dict().items()}
    none = recipe(method, 0, per=per, calibration="c")
    assert realise(loaded, none, sequences=SEQUENCES).removed == 0
    assert all(torch.equal(value, before[name]) for name, value in loaded.model.state_dict().items())
    everything = realise(loaded, recipe(method, 1, per=per, calibration="c"), sequences=SEQUENCES)
    assert everything.achieved_sparsity == 1
    assert not any(bool(weight.any()) for weight in weights_of(loaded).values())


def test_dense_weights_come_back_bit_for_bit():
    loaded = tiny_model("phi3")
    before = weights_of(loaded)
    realise(loaded, recipe("magnitude", "0.5"))
    assert any(not torch.equal(weight, before[name]) for name, weight in weights_of(loaded).items())
    restore_dense(loaded)
    assert all(torch.equal(weight, before[name]) for name, weight in weights_of(loaded).items())


def test_weights_that_are_in_memory_as_stored_are_not_read_again(monkeypatch):
    loaded, narrow = tiny_model("llama"), load_model(tiny_checkpoint("llama"), dtype=torch.bfloat16)
    read, usual = [], WeightFile.read
    monkeypatch.setattr(WeightFile, "read", lambda file, name: read.append(name) or usual(file, name))
    made = realise(loaded, recipe("magnitude", "0.5"))
    assert read == []
    again = realise(narrow, recipe("magnitude", "0.5"))
    assert len(read) == len(again.layers)
    assert again.digest == made.digest


def test_zeros_that_were_there_are_reported_apart():
    loaded = tiny_model("llama")
    name, linear = next(all_linears(loaded.model, loaded.family))
    with torch.no_grad():
        linear.weight[0, :5] = 0
    made = realise(loaded, recipe("random", "0.25"))
    assert made.layers[0].layer == name
    assert made.layers[0].zeros_before == 5
    assert made.layers[0].removed == linear.weight.numel() // 4


def test_missing_calibration_is_an_error():
    with pytest.raises(InputError, match=r"wanda needs calibration text\.\n  next:    name a corpus"):
        recipe("wanda", 0.5)
    with pytest.raises(InputError, match="wanda needs calibration sequences or stored statistics"):
        realise(tiny_model("llama"), recipe("wanda", 0.5, calibration="c"))


def test_activations_that_are_not_finite_stop_wanda():
    loaded = tiny_model("llama")
    with torch.no_grad():
        loaded.model.model.embed_tokens.weight[20] = float("inf")
    with pytest.raises(
        UnsupportedModelError, match=r"(?s)NaN or infinite\.\n  where:   model\.layers\.0.*next: +compute"
    ):
        realise(loaded, recipe("wanda", 0.5, calibration="c"), sequences=SEQUENCES)


def test_a_layer_that_is_not_what_its_recipe_says_is_an_error():
    weight = torch.ones(4, 8)
    kept = torch.ones(4, 8, dtype=torch.bool)
    kept[0, :8] = kept[1, :8] = False  # half of all, but not half of each row
    weight[~kept] = 0
    with pytest.raises(
        SparsityMismatchError,
        match=r"(?s)where:   layer, wanda 0\.5.*16 of 32 weights removed, equally in each row.*16 removed",
    ):
        verify_layer(recipe("wanda", 0.5, calibration="c"), "layer", weight, kept, 0)
    verify_layer(recipe("magnitude", 0.5), "layer", weight, kept, 0)
    weight[0, 0] = 1
    with pytest.raises(SparsityMismatchError, match="1 of them not zero"):
        verify_layer(recipe("magnitude", 0.5), "layer", weight, kept, 0)


def test_identity_covers_what_a_method_uses_and_nothing_else():
    def planned(*args, **kwargs):
        return planned_digest("base", recipe(*args, **kwargs))

    assert planned("magnitude", 0.5) == planned(
        "magnitude", "0.5", mask_seed=7, calibration="c", propagation="one-shot"
    )
    assert planned("random", 0.5) != planned("random", 0.5, mask_seed=7)
    assert planned("random", 0.5) == planned("random", 0.5, calibration="c")
    wanda = planned("wanda", 0.5, calibration="c")
    assert wanda != planned("wanda", 0.5, calibration="d")
    assert wanda != planned("wanda", 0.5, calibration="c", propagation="one-shot")
    assert wanda != planned("wanda", 0.5, calibration="c", per="tensor")
    assert wanda == planned("wanda", "1/2", calibration="c", mask_seed=3)
    assert planned_digest("base", None) != planned_digest("other", None)


def test_an_unknown_method_is_an_error():
    with pytest.raises(
        InputError, match=r"no such pruning method\.\n  allowed: random, magnitude, wanda, .*\n  got:     wander"
    ):
        recipe("wander", 0.5)


def test_a_group_or_a_propagation_a_method_does_not_have_is_an_error():
    with pytest.raises(
        InputError, match=r"magnitude-pia has no such comparison group\.\n  allowed: tensor\n  got:     row"
    ):
        recipe("magnitude-pia", 0.5, per="row")
    with pytest.raises(
        InputError, match=r"wanda has no such propagation\.\n  allowed: propagated, one-shot\n  got:     pia"
    ):
        recipe("wanda", 0.5, propagation="pia", calibration="c")
