import pytest
import torch
from tests.tiny import ALL_FAMILIES, tiny_checkpoint, tiny_model
from torch import nn

from secateur.errors import UnsupportedModelError
from secateur.models.families import FAMILIES, Family, all_linears, blocks_of, family_of, linears_of
from secateur.models.shapes import meta_model


@pytest.mark.parametrize("name", ALL_FAMILIES)
def test_every_linear_outside_the_head_is_listed(name):
    loaded = tiny_model(name)
    listed = dict(all_linears(loaded.model, loaded.family))
    found = {n: m for n, m in loaded.model.named_modules() if isinstance(m, nn.Linear) and n != "lm_head"}
    assert listed == found
    assert len(listed) == 2 * len(FAMILIES[name].linears)


def test_an_unknown_architecture_says_how_to_add_it():
    with pytest.raises(
        UnsupportedModelError, match=r"(?s)allowed: llama.*got:     mamba.*next:    add an entry to FAMILIES"
    ):
        family_of("mamba")


def test_a_linear_the_family_does_not_list_is_an_error():
    block = nn.Module()
    block.up, block.extra = nn.Linear(2, 2), nn.Linear(2, 2)
    family = Family("toy", "layers", ("up",), "toy")
    with pytest.raises(UnsupportedModelError, match=r"(?s)where:   layers\.0.*allowed: up.*got:     up, extra"):
        linears_of(block, family, "layers.0")


def test_blocks_elsewhere_are_an_error():
    with pytest.raises(UnsupportedModelError, match="blocks are not where its family says"):
        list(all_linears(nn.Module(), FAMILIES["llama"]))


@pytest.mark.parametrize("name", ALL_FAMILIES)
def test_tiny_models_answer_with_finite_numbers(name):
    loaded = tiny_model(name)
    with torch.no_grad():
        assert torch.isfinite(loaded.model(torch.arange(10, 90)[None]).logits).all()


def test_attention_that_is_capped_by_the_config_is_capped():
    """In whichever way a version of transformers would attend of itself."""
    loaded, shapes = tiny_model("gemma2"), meta_model(tiny_checkpoint("gemma2").config)
    assert loaded.model.config._attn_implementation == shapes.config._attn_implementation == "eager"
    tokens = torch.arange(10, 90)[None]
    with torch.no_grad():
        usual = loaded.model(tokens).logits
        for block in blocks_of(loaded.model, loaded.family):
            block.self_attn.attn_logit_softcapping = 1e-3
        assert not torch.allclose(loaded.model(tokens).logits, usual, atol=1e-4)


@pytest.mark.parametrize("name", ALL_FAMILIES)
def test_the_published_pass_is_known_exactly_where_its_modules_are(name):
    model, family = tiny_model(name).model, FAMILIES[name]
    llama = FAMILIES["llama"].published_pass
    inside = [llama.attention_norm, llama.attention, llama.mlp_norm, llama.mlp]
    modules = dict(model.named_modules())
    there = [path in modules for path in [llama.embeddings, *(f"{family.blocks}.1.{path}" for path in inside)]]
    assert (family.published_pass == llama) == all(there)
    assert family.published_pass in (llama, None)
    if all(there):
        assert modules[llama.embeddings] is model.get_input_embeddings()
