"""Tiny models of every family, with random weights and a real tokenizer: for tests, examples and dry runs.

They have learned nothing. What they answer says nothing about any model; that they run through every stage does.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import CONFIG_MAPPING, AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

from secateur.models.families import family_of

_SHAPE: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 4096,
    # Ten times the usual spread: with the usual one all answers of a random model are alike.
    "initializer_range": 0.2,
}

_BY_FAMILY: dict[str, dict[str, Any]] = {
    # Heads wider than hidden_size / heads, as in the published sizes.
    "gemma": {"head_dim": 16, "tie_word_embeddings": True},
    "qwen3": {"head_dim": 16},
    "opt": {"ffn_dim": 48, "word_embed_proj_dim": 32, "init_std": 0.2},
    "gpt_neox": {"use_parallel_residual": True, "attention_bias": True, "rotary_pct": 0.5},
    "mistral": {"sliding_window": 64, "head_dim": 8},
    "gemma2": {"sliding_window": 64, "head_dim": 8, "query_pre_attn_scalar": 8, "tie_word_embeddings": True},
    "phi3": {"sliding_window": 64},
}

_MOVED = (".bias", ".q_norm.weight", ".k_norm.weight")
"""Ends of the names of vectors that are moved off where they start, 0 or 1: there, one that is lost would not show."""

CHAT_TEMPLATE = (
    "{{ bos_token }}{% for turn in messages %}<|{{ turn['role'] }}|>\n{{ turn['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
"""A chat template with a system role."""

CHAT_TEMPLATE_NO_SYSTEM = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}" + CHAT_TEMPLATE
)
"""The same, refusing a system turn as Gemma's does."""

_SPECIAL = ["<unk>", "<s>", "</s>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"]


def tiny_tokenizer(texts: list[str], *, vocabulary: int = 512, chat_template: str | None = CHAT_TEMPLATE) -> Any:
    """A byte-level BPE tokenizer trained on ``texts``, with begin and end tokens and a chat template."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=_SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    make: Any = PreTrainedTokenizerFast  # its constructor has no annotations
    return make(
        tokenizer_object=tokenizer,
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        chat_template=chat_template,
        clean_up_tokenization_spaces=False,
    )


def build_tiny_model(
    folder: Path,
    *,
    family: str = "llama",
    texts: list[str],
    seed: int = 0,
    chat_template: str | None = CHAT_TEMPLATE,
    dtype: torch.dtype = torch.float32,
    vocabulary: int = 512,
    **shape: Any,
) -> Path:
    """Write a tiny model with random weights and its tokenizer, as ``save_pretrained`` does.

    Args:
        folder: Where to; made if missing.
        family: A name in ``FAMILIES``.
        texts: What the tokenizer is trained on.
        seed: Of the weights.
        chat_template: ``None`` for a model without one.
        dtype: Of the saved weights.
        vocabulary: Tokens the tokenizer may have.
        shape: Fields of the model's config that replace the tiny ones.

    Raises:
        UnsupportedModelError: For an unknown family.
    """
    tokenizer = tiny_tokenizer(texts, vocabulary=vocabulary, chat_template=chat_template)
    known = CONFIG_MAPPING[family_of(family).name]()
    fields = {key: value for key, value in _SHAPE.items() if hasattr(known, key)} | _BY_FAMILY.get(family, {}) | shape
    config = AutoConfig.for_model(
        family,
        vocab_size=len(tokenizer),
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.eos_token_id,
        **fields,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        from_config: Any = AutoModelForCausalLM.from_config  # no annotations
        model = from_config(config).to(dtype)
        for name, parameter in model.named_parameters():
            if name.endswith(_MOVED):
                parameter.data += torch.empty_like(parameter).normal_(std=0.2)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
