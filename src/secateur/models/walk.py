"""Walking through a model block by block and seeing what enters each linear. The only code with hooks.

The blocks are run one at a time on stored hidden states, so that what a block gives can be changed (by pruning it)
before the next one sees it. What a block needs besides hidden states (masks, position embeddings) differs by
architecture and by block; it is recorded from one ordinary forward pass, not rebuilt.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from secateur.models.families import blocks_of, linears_of
from secateur.models.loading import LoadedModel

Observer = Callable[[str, Tensor], None]
"""Called with a linear's full name and its input, [..., in_features]: some blocks fold batch and tokens into one."""

_TOKENS_PER_BATCH = 4096


class BlockWalk:
    """The blocks of a model in order, with the hidden states that enter the current one.

    Args:
        loaded: The model; its blocks may be changed between :meth:`observe` and :meth:`advance`.
        sequences: Token ids, all of one length.

    Shapes: sequences [n][tokens]; hidden states, kept in batches, [batch, tokens, hidden].
    """

    def __init__(self, loaded: LoadedModel, sequences: Sequence[Sequence[int]]) -> None:
        self._blocks = blocks_of(loaded.model, loaded.family)
        self._family = loaded.family
        self._arguments: dict[int, list[dict[str, Any]]] = {}
        rows = max(1, _TOKENS_PER_BATCH // len(sequences[0]))
        self._hidden: list[Tensor] = []
        for start in range(0, len(sequences), rows):
            batch = torch.tensor([list(s) for s in sequences[start : start + rows]], device=loaded.device)
            self._hidden.append(self._enter(loaded.model, batch))

    def __len__(self) -> int:
        return len(self._blocks)

    def linears(self, index: int) -> dict[str, nn.Linear]:
        """Full name -> linear of block ``index``."""
        return linears_of(self._blocks[index], self._family, f"{self._family.blocks}.{index}")

    def observe(self, index: int, see: Observer) -> list[Tensor]:
        """Run block ``index``, showing every linear's input to ``see``; gives the block's outputs."""
        handles = [
            linear.register_forward_pre_hook(lambda _module, args, name=name: see(name, args[0]))
            for name, linear in self.linears(index).items()
        ]
        try:
            return [self._run(index, hidden) for hidden in self._hidden]
        finally:
            for handle in handles:
                handle.remove()

    def advance(self, index: int, outputs: list[Tensor] | None = None) -> None:
        """Let the next block see what block ``index`` gives now, or the ``outputs`` it gave before."""
        for place, hidden in enumerate(self._hidden):
            self._hidden[place] = self._run(index, hidden) if outputs is None else outputs[place]

    @torch.inference_mode()
    def _run(self, index: int, hidden: Tensor) -> Tensor:
        output: Tensor | tuple[Tensor, ...] = self._blocks[index](hidden, **self._arguments[hidden.shape[0]][index])
        return output[0] if isinstance(output, tuple) else output

    @torch.inference_mode()
    def _enter(self, model: nn.Module, batch: Tensor) -> Tensor:
        """Hidden states before the first block; records every block's other arguments once per batch size."""
        seen: list[dict[str, Any]] = []
        first: list[Tensor] = []

        def record(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            hidden = args[0] if args else kwargs["hidden_states"]
            if not first:
                first.append(hidden)
            seen.append({key: value for key, value in kwargs.items() if key != "hidden_states"})
            if batch.shape[0] in self._arguments:
                raise _Entered

        handles = [block.register_forward_pre_hook(record, with_kwargs=True) for block in self._blocks]
        try:
            model(input_ids=batch, use_cache=False, logits_to_keep=1)
        except _Entered:
            pass
        finally:
            for handle in handles:
                handle.remove()
        self._arguments.setdefault(batch.shape[0], seen)
        return first[0]


class _Entered(Exception):  # noqa: N818 - a signal that ends a forward pass early, not an error
    """The first block was reached."""
