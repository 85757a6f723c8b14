"""Shapes from configs, against loaded models and against what is known of the published ones."""

import json
import math

import pytest
from tests.tiny import ALL_FAMILIES, tiny_folder, tiny_model

from secateur.errors import UnsupportedModelError
from secateur.models.checkpoint import Checkpoint
from secateur.models.families import all_linears
from secateur.models.published import PUBLISHED
from secateur.models.shapes import linear_shapes, meta_model

KNOWN = {
    # Linears, weights in them, parameters of the whole model; the last is the count the Hub states for the files.
    "google/gemma-2-9b-it": (42 * 7, 8_323_596_288, 9_241_705_984),
    "mistralai/Mistral-7B-Instruct-v0.3": (32 * 7, 6_979_321_856, 7_248_023_552),
    "microsoft/Phi-3.5-mini-instruct": (32 * 4, 3_623_878_656, 3_821_079_552),
}


def by_hand(blocks, hidden, inner, query, key_value, vocabulary, *, norms, embeddings):
    """Weights of the linears (query, output; key, value; gate, up, down), and of the whole with norms, embeddings."""
    linears = blocks * hidden * (2 * query + 2 * key_value + 3 * inner)
    return linears, linears + (blocks * norms + 1) * hidden + embeddings * vocabulary * hidden


@pytest.mark.parametrize("family", ALL_FAMILIES)
def test_a_config_gives_the_shapes_of_its_model(family):
    config = json.loads((tiny_folder(family) / "config.json").read_text())
    loaded = tiny_model(family)
    expected = [(name, tuple(linear.weight.shape)) for name, linear in all_linears(loaded.model, loaded.family)]
    assert list(linear_shapes(config).items()) == expected
    assert linear_shapes(config) == Checkpoint(tiny_folder(family), "m").linear_shapes()


@pytest.mark.parametrize("name", PUBLISHED)
def test_sizes_of_the_published_models(name):
    model, shapes = meta_model(PUBLISHED[name]), linear_shapes(PUBLISHED[name])
    assert all(parameter.is_meta for parameter in model.parameters())
    pruned = sum(math.prod(shape) for shape in shapes.values())
    assert (len(shapes), pruned, sum(p.numel() for p in model.parameters())) == KNOWN[name]


def test_sizes_of_the_published_models_by_hand():
    assert [known[1:] for known in KNOWN.values()] == [
        by_hand(42, 3584, 14336, 16 * 256, 8 * 256, 256_000, norms=4, embeddings=1),
        by_hand(32, 4096, 14336, 32 * 128, 8 * 128, 32_768, norms=2, embeddings=2),
        by_hand(32, 3072, 8192, 32 * 96, 32 * 96, 32_064, norms=2, embeddings=2),
    ]


def test_single_layers_of_the_published_models():
    gemma, phi = (linear_shapes(PUBLISHED[n]) for n in ("google/gemma-2-9b-it", "microsoft/Phi-3.5-mini-instruct"))
    assert gemma["model.layers.41.self_attn.k_proj"] == (2048, 3584)
    assert gemma["model.layers.0.mlp.down_proj"] == (3584, 14336)
    assert phi["model.layers.31.self_attn.qkv_proj"] == (9216, 3072)
    assert phi["model.layers.0.mlp.gate_up_proj"] == (16384, 3072)


@pytest.mark.parametrize(
    ("fields", "got"),
    [
        ({"hidden_size": "wide"}, "expected int"),
        ({"num_attention_heads": 0}, "ZeroDivisionError"),
        ({"hidden_act": "none"}, "KeyError"),
        ({"hidden_size": 33}, "not a multiple"),
    ],
)
def test_a_config_that_cannot_be_built_is_an_error(fields, got):
    with pytest.raises(
        UnsupportedModelError,
        match=rf"(?s)cannot build a model.*where:   llama.*got: .*{got}.*next:    check the sizes",
    ):
        linear_shapes({"model_type": "llama"} | fields)


@pytest.mark.parametrize("config", [{}, {"model_type": "mamba"}])
def test_an_unknown_architecture_has_no_shapes(config):
    with pytest.raises(UnsupportedModelError, match="not in the table of families"):
        linear_shapes(config)
