"""Walking through a model block by block and seeing what enters each linear. The only code with hooks.

The blocks are run one at a time on stored hidden states, so that what a block gives can be changed (by pruning it)
before the next one sees it. What a block needs besides hidden states (masks, position embeddings) differs by
architecture and by block; it is recorded from a forward pass in which only the first block computes, not rebuilt.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from secateur.errors import UnsupportedModelError
from secateur.models.families import FAMILIES, blocks_of, linears_of
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
        output: list[Tensor | tuple[Tensor, ...]] = []

        def record(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            hidden = args[0] if args else kwargs["hidden_states"]
            if not first:
                first.append(hidden)
            seen.append({key: value for key, value in kwargs.items() if key != "hidden_states"})
            if batch.shape[0] in self._arguments:
                raise _Entered

        handles = [block.register_forward_pre_hook(record, with_kwargs=True) for block in self._blocks]
        handles.append(self._blocks[0].register_forward_hook(lambda _module, _args, given: output.append(given)))
        for block in self._blocks[1:]:
            # What a block is given besides hidden states does not depend on them, so the first block's output will do.
            vars(block)["forward"] = lambda *_args, **_kwargs: output[0]
        try:
            model(input_ids=batch, use_cache=False, logits_to_keep=1)
        except _Entered:
            pass
        finally:
            for handle in handles:
                handle.remove()
            for block in self._blocks[1:]:
                del vars(block)["forward"]
        self._arguments.setdefault(batch.shape[0], seen)
        return first[0]


class PublishedWalk(BlockWalk):
    """The walk of the published study's calibration, which is not every architecture's forward pass.

    Hidden states start as plain embeddings. Attention is given the input norm's output, the MLP the output of the
    norm the family names for it, and what each returns is added as it is: for Llama, Mistral and Phi-3 what their
    blocks do, for Gemma 2 (scaled embeddings, four norms a block) something else. See ``docs/design/published.md``.

    Args:
        loaded: The model; it stays dense while it is walked.
        sequences: Token ids, all of one length.

    Raises:
        UnsupportedModelError: If the family has no such pass.
    """

    def __init__(self, loaded: LoadedModel, sequences: Sequence[Sequence[int]]) -> None:
        found = loaded.family.published_pass
        if found is None:
            raise UnsupportedModelError(
                "The published calibration pass is not defined for this family.",
                where=loaded.family.name,
                allowed=", ".join(family.name for family in FAMILIES.values() if family.published_pass),
                todo="use wanda, which walks any family's own forward pass",
            )
        self._parts = found
        super().__init__(loaded, sequences)

    @torch.inference_mode()
    def _run(self, index: int, hidden: Tensor) -> Tensor:
        part, parts = self._blocks[index].get_submodule, self._parts
        given = self._arguments[hidden.shape[0]][index]
        attended = part(parts.attention)(part(parts.attention_norm)(hidden), **given)
        hidden = hidden + (attended[0] if isinstance(attended, tuple) else attended)
        output: Tensor = hidden + part(parts.mlp)(part(parts.mlp_norm)(hidden))
        return output

    @torch.inference_mode()
    def _enter(self, model: nn.Module, batch: Tensor) -> Tensor:
        super()._enter(model, batch)  # records what the blocks are given besides hidden states
        table = model.get_submodule(self._parts.embeddings)
        return torch.nn.functional.embedding(batch, table.get_parameter("weight"))


class _Entered(Exception):  # noqa: N818 - a signal that ends a forward pass early, not an error
    """The first block was reached."""
