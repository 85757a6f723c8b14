"""The untrained planted model and its tokenizer.

A transformer of this size is slow to find how to look a fixed number of tokens back, and slower still how to find the
same word earlier and bring what stood beside it. Both are given to it at the start, as weights that training is free
to change; with them it learns in minutes what it did not begin to learn without (LOG.md).
"""

from __future__ import annotations

from itertools import islice
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - the field's usual name
from torch import Tensor
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
_THETA = 1e5  # base of the rotation's angles
_FAST = 5  # the fastest pairs of the rotation tell neighbouring distances apart; the others keep words alike over them
_SHARP = 8.0  # attention logit that each of them adds at the wanted distance
_MATCH = 2.0  # length of a matching head's rows
_MARK = 0.1  # of what tells marks apart, beside words
_LENGTH = 1.1  # of an embedding without its shared part
_WOKEN = 0.01  # standard deviation of weights that were zero
_LEFT, _BROUGHT = 0.3, 0.3  # share of what is attended to that a head adds: looking back, and matching


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
    """A Llama with random weights, but for heads that look back and heads that match.

    The width starts out divided: one direction that all embeddings share, nearly half for what tells words apart, and
    the rest for what the first layer's heads bring from one, two, three ... tokens back.
    """
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=shape.hidden_size,
        intermediate_size=shape.intermediate_size,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads,
        max_position_embeddings=1024,
        rope_parameters={"rope_type": "default", "rope_theta": _THETA},
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.eos_token_id,
    )
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        _Start(shape).put_into(model, sorted(tokenizer.added_tokens_decoder))
    return model


@torch.no_grad()
def wake(model: LlamaForCausalLM, seed: int) -> None:
    """Give weights that are zero small random values.

    A head that starts with zeros where keys meet queries, or values outputs, never learns there. That keeps heads to
    their purpose while reading is learned, and would leave weights that can be pruned at no cost.
    """
    dice = torch.Generator().manual_seed(seed)
    for weight in model.parameters():
        zero = weight == 0
        weight[zero] = torch.randn(int(zero.sum()), generator=dice) * _WOKEN


class _Start:
    """Where attention starts. Directions are rows, orthonormal.

    Attributes:
        shared: The direction of all embeddings.
        words: What tells words apart. Shapes: [half of the width - 1, width].
        reads: Of each looking-back head, what it takes from a word. Shapes: heads x [left, width].
        left: Where it puts that. Shapes: heads x [left, width].
    """

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.dim = shape.hidden_size // shape.heads
        half = shape.hidden_size // 2
        directions, _ = torch.linalg.qr(torch.randn(shape.hidden_size, shape.hidden_size))
        self.shared, self.words = directions[0], directions[1:half]
        self.left = directions[half:].chunk(shape.heads)
        self.reads = [_some(self.words, len(left)) for left in self.left]

    def put_into(self, model: LlamaForCausalLM, marks: list[int]) -> None:
        """Embeddings (``marks`` are tokens that are no words), the first layer's heads, and the matching ones above."""
        layers = model.model.layers
        self._embed(model.model.embed_tokens.weight, marks)
        for head in range(self.shape.heads):
            self._look_back(layers[0].self_attn, head)
        for layer, distances in self.shape.matching.items():
            for head, distance in enumerate(distances):
                self._match(layers[layer].self_attn, head, distance)

    def _embed(self, embeddings: Tensor, marks: list[int]) -> None:
        # All equally long: a word whose shared part is greater than another's would draw looking-back heads to itself.
        own = F.normalize(torch.randn(len(embeddings), len(self.words))) @ self.words
        own[marks] *= _MARK  # what is brought to such a place is then what it is matched by, not the mark itself
        embeddings.copy_((own + self.shared) * _LENGTH)

    def _look_back(self, attention: Any, head: int) -> None:
        """Head h attends h + 1 tokens back and puts what it takes there into directions of its own.

        A query and a key made of the shared direction alone depend on positions only, through the rotation; turning
        the key by h + 1 positions puts the largest score there.
        """
        pairs = torch.arange(self.dim // 2)
        fast = (pairs < _FAST).float()
        turn = (head + 1) * _THETA ** (-pairs / len(pairs))
        scale = (_SHARP * self.dim**0.5 / (self.shape.hidden_size / 2)) ** 0.5
        query = torch.cat([fast, torch.zeros_like(fast)])
        key = torch.cat([fast * torch.cos(turn), fast * torch.sin(turn)])
        self._set(attention.q_proj.weight, head, torch.outer(query, self.shared) * scale)
        self._set(attention.k_proj.weight, head, torch.outer(key, self.shared) * scale)
        self._carry(attention, head, self.reads[head], self.left[head], _LEFT)

    def _match(self, attention: Any, head: int, distance: int) -> None:
        """Like attends to like, and what stood ``distance`` before the matched word is written as a word."""
        slow = [row for row in range(self.dim) if row % (self.dim // 2) >= _FAST]
        same = torch.zeros(self.dim, self.shape.hidden_size)
        same[slow] = _some(self.words, len(slow)) * _MATCH
        self._set(attention.q_proj.weight, head, same)
        self._set(attention.k_proj.weight, head, same)
        self._carry(attention, head, self.left[distance - 1], self.reads[distance - 1], _BROUGHT)

    def _carry(self, attention: Any, head: int, source: Tensor, target: Tensor, share: float) -> None:
        values = torch.zeros(self.dim, self.shape.hidden_size)
        outputs = torch.zeros_like(values)
        values[: len(source)], outputs[: len(target)] = source, target
        self._set(attention.v_proj.weight, head, values * share**0.5)
        self._set(attention.o_proj.weight.T, head, outputs * share**0.5)

    def _set(self, weight: Tensor, head: int, start: Tensor) -> None:
        """Give a head's rows their start."""
        weight[head * self.dim : (head + 1) * self.dim] = start


def _some(space: Tensor, n: int) -> Tensor:
    """So many orthonormal directions within a space, drawn at random. Shapes: [k, width] -> [n, width]."""
    within, _ = torch.linalg.qr(torch.randn(len(space), n))
    return within.T @ space
