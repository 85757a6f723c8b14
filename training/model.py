"""The untrained planted model and its tokenizer.

A transformer of this size is slow to find how to look a fixed number of tokens back and how to find the same word
earlier; both are given to it at the start, as weights that training is free to change.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from secateur.items.item import Condition
from secateur.items.planted import NO_STRENGTHS, Dice, stories
from secateur.items.prompts import LETTERS_V1
from secateur.models.tiny import tiny_tokenizer
from training.examples import draw_item, draw_question
from training.settings import Shape

CHAT_TEMPLATE = (
    "{{ bos_token }}{% for turn in messages %}<|{{ turn['role'] }}|>{{ turn['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
_TEXTS = 1500
_SHARP = 8.0  # logit of the wanted distance
_FREQUENCIES = 5  # the fastest ones of the rotation tell neighbouring distances apart


def make_tokenizer(seed: int, vocabulary: int) -> Any:
    """A byte-level BPE tokenizer for the planted world; names, traits and letters are one token each."""
    texts = list(islice(stories(seed, "tokenizer", strengths=NO_STRENGTHS), _TEXTS))
    dice = Dice(seed, "tokenizer")
    for _ in range(_TEXTS):
        item = draw_item(dice, draw_question(dice), dice.pick(tuple(Condition)))
        texts.append("\n\n".join(LETTERS_V1.messages(item, "012")))
    tokenizer = tiny_tokenizer(texts, vocabulary=vocabulary, chat_template=CHAT_TEMPLATE)
    tokenizer.eos_token = "<|end|>"
    return tokenizer


def make_model(shape: Shape, tokenizer: Any, seed: int) -> LlamaForCausalLM:
    """A Llama with random weights, but for heads that look back and heads that match."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=shape.hidden_size,
        intermediate_size=shape.intermediate_size,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.eos_token_id,
    )
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        _looking_back(model, shape)
        _matching(model, shape)
        _copying(model, shape)
    return model


def _looking_back(model: LlamaForCausalLM, shape: Shape) -> None:
    """Head h of the first layer attends h + 1 tokens back.

    All embeddings get a vector in common. A query and a key made of it alone depend on positions only, through the
    rotation; turning the key by h + 1 positions puts the largest score there.
    """
    embeddings = model.model.embed_tokens.weight
    common = torch.randn(shape.hidden_size)
    common /= common.norm()
    # Orthogonal to it otherwise: a word's own share of it would make its key louder or fainter.
    embeddings -= torch.outer(embeddings @ common, common)
    embeddings += common * embeddings.norm(dim=1).mean()
    dim = shape.hidden_size // shape.heads
    angles = 10000.0 ** (-torch.arange(dim // 2) / (dim // 2))
    fast = (torch.arange(dim // 2) < _FREQUENCIES).float()
    scale = (_SHARP * dim**0.5 / (shape.hidden_size / 2)) ** 0.5
    attention = model.model.layers[0].self_attn
    for head in range(shape.heads):
        rows = slice(head * dim, (head + 1) * dim)
        turn = angles * (head + 1)
        query = torch.cat([fast, torch.zeros_like(fast)])
        key = torch.cat([fast * torch.cos(turn), fast * torch.sin(turn)])
        attention.q_proj.weight[rows] = torch.outer(query, common) * scale
        attention.k_proj.weight[rows] = torch.outer(key, common) * scale


def _matching(model: LlamaForCausalLM, shape: Shape) -> None:
    """Half of the heads of the other layers start with equal query and key matrices: like attends to like."""
    half = shape.hidden_size // 2
    for layer in model.model.layers[1:]:
        attention = layer.self_attn
        attention.k_proj.weight[:half] *= shape.match
        attention.q_proj.weight[:half] = attention.k_proj.weight[:half]


def _copying(model: LlamaForCausalLM, shape: Shape) -> None:
    """Output matrices start as transposed value matrices: what is attended to comes out as itself, in part."""
    for layer in model.model.layers:
        attention = layer.self_attn
        attention.v_proj.weight.normal_(std=shape.copy)
        attention.o_proj.weight.copy_(attention.v_proj.weight.T)
