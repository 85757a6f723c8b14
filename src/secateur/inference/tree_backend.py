"""The torch backend that computes what prompts have in common once. See ``docs/design/prefix-tree.md``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from secateur.inference.backend import Request, Response
from secateur.inference.growing import Growing
from secateur.inference.narrowing import narrowed
from secateur.inference.prefix_tree import Tree, trees
from secateur.inference.torch_backend import TorchBackend, batches
from secateur.inference.tree_attention import Attention, DrawnAttention, PromptAttention, attending, on_device
from secateur.models.families import blocks_of

_ON_A_PROCESSOR = 4096  # nodes of a tree


class TreeBackend(TorchBackend):
    """Answers as :class:`TorchBackend` does, each prompt prefix computed once per tree.

    A tree is one row of tokens, of which each attends to its own prompt. Text is read as by its parent class.
    """

    def answer(self, requests: Sequence[Request]) -> Iterator[Response]:
        """Ask the model; one response per request, in order."""
        # More than a tree's nodes are no budget: halving it would change nothing at first.
        self._token_budget = tree_nodes(self._loaded.device, self._token_budget)
        yield from self._in_memory(requests, trees, self._answer_tree)

    def _answer_tree(self, tree: Tree) -> list[Response]:
        if len(tree.requests) > 1:  # one shares nothing
            # 0 times NaN is NaN: what one prompt came to may have reached its neighbours.
            with suppress(_NotANumberError):
                return self._answer_together(tree)
        plain = batches(tree.requests, self._token_budget)
        return [response for batch in plain for response in self._answer_batch(batch)]

    @torch.inference_mode()
    def _answer_together(self, tree: Tree) -> list[Response]:
        """Raises ``_NotANumberError`` if a logit is NaN."""
        leaves, leaf = np.unique(tree.ends, return_inverse=True)
        growing = Growing(tree.requests, self._decoding, leaf)
        read = PromptAttention(tree, self._loaded.device, keep=growing.any)
        logits = self._pass(tree.tokens, tree.depths, read, keep=leaves)
        letters = self._letter_scores(logits)[leaf]
        branches = growing.draw(logits)
        if branches is not None:
            drawn = DrawnAttention(tree, read, leaves, self._decoding.max_new_tokens - 1)
            while branches is not None:
                drawn.step(branches.parents)
                logits = self._pass(branches.tokens, drawn.at, drawn, keep=np.arange(len(branches.tokens)))
                branches = growing.draw(logits)
        return growing.responses(letters.tolist(), self._decode)

    def _pass(
        self,
        tokens: npt.NDArray[np.int64],
        at: npt.NDArray[np.int64],
        attention: Attention,
        *,
        keep: npt.NDArray[np.int64],
    ) -> Tensor:
        """Logits after some of the tokens. Shapes: tokens, at [new]; keep [kept] -> [kept, vocabulary]."""
        model = self._loaded.model
        input_ids, position_ids = on_device(self._loaded.device, tokens, at)
        with ExitStack() as stack:
            if len(keep) < len(tokens):
                (kept,) = on_device(self._loaded.device, keep)
                last = blocks_of(model, self._loaded.family)[-1]
                attention = stack.enter_context(narrowed(last, attention, kept))
            stack.enter_context(attending(model, attention))
            out: Any = model(input_ids=input_ids[None], position_ids=position_ids[None], use_cache=False)
        logits: Tensor = out.logits[0]
        if torch.isnan(logits).any():
            raise _NotANumberError
        return logits


def tree_nodes(device: torch.device, token_budget: int) -> int:
    """How many nodes a tree may have. Why so many: ``docs/design/prefix-tree.md``."""
    return min(token_budget, _ON_A_PROCESSOR) if device.type == "cpu" else token_budget


class _NotANumberError(Exception):
    """A logit is NaN."""
