"""Architectures as data: where the blocks are and which linears in them are pruned.

To add one, add an entry to :data:`FAMILIES`; no other module knows an architecture's name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from secateur.errors import UnsupportedModelError

if TYPE_CHECKING:
    from torch import nn  # imported where it is used, so that listing the families costs nothing


@dataclass(frozen=True)
class PublishedPass:
    """Where the published pass finds its way through a model; ``docs/design/published.md`` says what it computes.

    Args:
        embeddings: Path of the embedding table inside the model. The table's rows are what the pass starts from; the
            module around them may scale what it gives.
        attention_norm: Path, inside a block, of the norm whose output attention is given.
        attention: Path, inside a block, of attention.
        mlp_norm: Path, inside a block, of the norm whose output the MLP is given.
        mlp: Path, inside a block, of the MLP.
    """

    embeddings: str
    attention_norm: str
    attention: str
    mlp_norm: str
    mlp: str


@dataclass(frozen=True)
class Family:
    """One architecture.

    Args:
        name: ``model_type`` in the model's ``config.json``.
        blocks: Path of the list of transformer blocks inside the model.
        linears: Paths, inside a block, of every linear layer, in the order the forward pass meets them.
        summary: One line for listings.
        published_pass: What the published pass walks through; ``None`` where modules of those names are missing.
        stored_as: Pairs of a tensor's name in the model and its name in the files, where they differ.
    """

    name: str
    blocks: str
    linears: tuple[str, ...]
    summary: str
    published_pass: PublishedPass | None = None
    stored_as: tuple[tuple[str, str], ...] = ()

    @property
    def docs(self) -> str:
        """Its place in the documentation, from the root of the repository."""
        return f"docs/families.md#{self.name}"


_SEPARATE = (
    "self_attn.q_proj",
    "self_attn.k_proj",
    "self_attn.v_proj",
    "self_attn.o_proj",
    "mlp.gate_proj",
    "mlp.up_proj",
    "mlp.down_proj",
)
_FUSED = ("self_attn.qkv_proj", "self_attn.o_proj", "mlp.gate_up_proj", "mlp.down_proj")
_OPT = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj", "fc1", "fc2")
_NEOX = ("attention.query_key_value", "attention.dense", "mlp.dense_h_to_4h", "mlp.dense_4h_to_h")

_LLAMA_LIKE = PublishedPass(
    embeddings="model.embed_tokens",
    attention_norm="input_layernorm",
    attention="self_attn",
    mlp_norm="post_attention_layernorm",
    mlp="mlp",
)

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        Family("llama", "model.layers", _SEPARATE, "Llama 2 and 3 and models of their shape", _LLAMA_LIKE),
        Family(
            "mistral", "model.layers", _SEPARATE, "Mistral 7B; sliding-window attention in some versions", _LLAMA_LIKE
        ),
        Family("gemma", "model.layers", _SEPARATE, "Gemma 1; scaled and tied embeddings", _LLAMA_LIKE),
        Family(
            "gemma2",
            "model.layers",
            _SEPARATE,
            "Gemma 2; four norms a block, soft-capped logits",
            _LLAMA_LIKE,
        ),
        Family("phi3", "model.layers", _FUSED, "Phi-3 and 3.5; query, key, value and gate, up are fused", _LLAMA_LIKE),
        Family(
            "qwen2",
            "model.layers",
            _SEPARATE,
            "Qwen 2 and 2.5; biases on query, key, value",
            _LLAMA_LIKE,
        ),
        Family(
            "qwen3",
            "model.layers",
            _SEPARATE,
            "Qwen 3, dense; norms on each head's query and key",
            _LLAMA_LIKE,
        ),
        Family("opt", "model.decoder.layers", _OPT, "OPT; learned positions, biases, no gate in the MLP"),
        Family(
            "gpt_neox",
            "gpt_neox.layers",
            _NEOX,
            "Pythia and GPT-NeoX; query, key, value are fused, biases",
            stored_as=(("lm_head.weight", "embed_out.weight"),),
        ),
    )
}
"""Architectures by ``model_type``."""


def family_of(model_type: str) -> Family:
    """The entry for a ``model_type``.

    Raises:
        UnsupportedModelError: If there is none; the message lists what there is and where to add one.
    """
    try:
        return FAMILIES[model_type]
    except KeyError:
        raise UnsupportedModelError(
            "This architecture is not in the table of families.",
            allowed=", ".join(FAMILIES),
            got=model_type or "no model_type in config.json",
            todo="add an entry to FAMILIES in secateur/models/families.py (docs/families.md shows how)",
        ) from None


def blocks_of(model: nn.Module, family: Family) -> nn.ModuleList:
    """The model's transformer blocks, first to last.

    Raises:
        UnsupportedModelError: If they are not where the family says.
    """
    from torch import nn

    try:
        blocks = model.get_submodule(family.blocks)
    except AttributeError:
        blocks = None
    if not isinstance(blocks, nn.ModuleList):
        raise UnsupportedModelError(
            "The model's blocks are not where its family says.", where=family.name, allowed=family.blocks
        )
    return blocks


def linears_of(block: nn.Module, family: Family, prefix: str) -> dict[str, nn.Linear]:
    """Full layer name -> linear, for every linear of one block.

    Args:
        block: One of :func:`blocks_of`.
        family: Its family.
        prefix: The block's own path in the model, for example ``model.layers.3``.

    Raises:
        UnsupportedModelError: If the block has a linear the family does not list, or lacks one: pruning
            some layers and silently not others is what this check forbids.
    """
    from torch import nn

    found = {name: module for name, module in block.named_modules() if isinstance(module, nn.Linear)}
    if set(found) != set(family.linears):
        raise UnsupportedModelError(
            "The linears of a block are not those its family lists.",
            where=prefix,
            allowed=", ".join(family.linears),
            got=", ".join(found) or "no linears",
            todo="correct the entry in secateur/models/families.py",
        )
    return {f"{prefix}.{name}": found[name] for name in family.linears}


def all_linears(model: nn.Module, family: Family) -> Iterator[tuple[str, nn.Linear]]:
    """Every linear that is pruned, with its full name, in model order."""
    for linears in linears_by_block(model, family):
        yield from linears.items()


def linears_by_block(model: nn.Module, family: Family) -> Iterator[dict[str, nn.Linear]]:
    """For each block in order, full layer name -> linear."""
    for index, block in enumerate(blocks_of(model, family)):
        yield linears_of(block, family, f"{family.blocks}.{index}")
