"""The torch backend that computes what prompts have in common once. See ``docs/design/prefix-tree.md``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from transformers import DynamicCache

from secateur.inference.backend import Request, Response
from secateur.inference.growing import Growing
from secateur.inference.prefix_tree import Tree, trees
from secateur.inference.torch_backend import TorchBackend

_NODES = (512, 4096)  # of a tree, whatever the width
_SLIDING = "sliding_attention"


class TreeBackend(TorchBackend):
    """Answers as :class:`TorchBackend` does, each prompt prefix computed once per tree.

    A tree is one row of tokens under a mask that lets a token see its own prompt; drawn tokens are appended to that
    row, so no key or value is copied. Text is read as by its parent class.
    """

    def answer(self, requests: Sequence[Request]) -> Iterator[Response]:
        """Ask the model; one response per request, in order."""
        for tree in trees(requests, min(tree_nodes(self._loaded.model.config.hidden_size), self._token_budget)):
            yield from self._answer_tree(tree)

    @torch.inference_mode()
    def _answer_tree(self, tree: Tree) -> list[Response]:
        leaves, leaf = np.unique(tree.ends, return_inverse=True)
        growing = Growing(tree.requests, self._decoding, leaf)
        cache = DynamicCache() if growing.any else None
        logits = self._pass(tree.tokens, tree.depths, tree.sees, tree.depths, cache, keep=leaves)
        letters = self._letter_scores(logits)[leaf]
        at, seen, depths = tree.depths[leaves], tree.sees[leaves], tree.depths
        while (branches := growing.draw(logits)) is not None:
            n = len(branches.tokens)
            at = at[branches.parents] + 1
            depths = np.concatenate([depths, at])
            seen = np.concatenate([seen[branches.parents], np.eye(n, dtype=np.bool_)], axis=1)
            logits = self._pass(branches.tokens, at, seen, depths, cache, keep=np.arange(n))
        return growing.responses(letters.tolist(), self._decode)

    def _pass(
        self,
        tokens: npt.NDArray[np.int64],
        at: npt.NDArray[np.int64],
        seen: npt.NDArray[np.bool_],
        depths: npt.NDArray[np.int64],
        cache: DynamicCache | None,
        *,
        keep: npt.NDArray[np.int64],
    ) -> Tensor:
        """Logits after some of the tokens.

        Shapes: tokens, at [new]; seen [new, all]; depths [all]; keep [kept] -> [kept, vocabulary].
        """
        device = self._loaded.device
        out: Any = self._loaded.model(
            input_ids=torch.from_numpy(tokens)[None].to(device),
            position_ids=torch.from_numpy(at)[None].to(device),
            attention_mask=self._masks(seen, at[:, None] - depths),
            past_key_values=cache,
            use_cache=cache is not None,
            logits_to_keep=torch.from_numpy(keep).to(device),
        )
        logits: Tensor = out.logits[0]
        return logits

    def _masks(self, seen: npt.NDArray[np.bool_], distance: npt.NDArray[np.int64]) -> Tensor | dict[str, Tensor]:
        """What is added to attention scores: one for all layers, or one per kind, as the architecture takes it."""
        config = self._loaded.model.config
        window = getattr(config, "sliding_window", None)
        near = seen if window is None else seen & (distance < window)
        if self._loaded.family.masks_by_layer:
            kinds = dict.fromkeys(config.layer_types)
            return {kind: self._added(near if kind == _SLIDING else seen) for kind in kinds}
        return self._added(near)

    def _added(self, seen: npt.NDArray[np.bool_]) -> Tensor:
        dtype = self._loaded.model.dtype
        mask = torch.from_numpy(~seen)[None, None].to(self._loaded.device)
        return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill_(mask, torch.finfo(dtype).min)


def tree_nodes(width: int) -> int:
    """How many nodes a tree may have, for a model of this width."""
    # Attention costs nodes x nodes: at twice the width about a third of what the linear layers cost.
    least, most = _NODES
    return min(max(2 * width, least), most)
