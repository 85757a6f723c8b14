"""Walking through a model block by block and seeing what enters each linear. The only code with hooks.

The blocks are run one at a time on stored hidden states, so that what a block gives can be changed (by pruning it)
before the next one sees it. What a block needs besides hidden states (masks, position embeddings) differs by
architecture and by block; it is recorded from one forward pass in which stand-ins that hand hidden states on take the
blocks' places, not rebuilt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from secateur.errors import UnsupportedModelError
from secateur.models.families import FAMILIES, blocks_of, linears_of
from secateur.models.loading import LoadedModel

Observer = Callable[[str, Tensor], None]
"""Called with a linear's full name and its input, [..., in_features]: some blocks fold batch and tokens into one."""

_TOKENS_PER_BATCH = 4096


class HiddenStates(Protocol):
    """What enters the next block, a batch at a time."""

    @property
    def entered(self) -> bool:
        """Whether the batches are there, from an earlier walk."""

    def append(self, batch: Tensor) -> None:
        """Add a batch, before the first block. Shapes: [batch, tokens, hidden]."""

    def __iter__(self) -> Iterator[Tensor]:
        """The batches in order."""

    def change(self, block: Callable[[Tensor], Tensor]) -> None:
        """Replace every batch by what ``block`` makes of it."""


class InMemory:
    """Hidden states as a list of tensors."""

    def __init__(self) -> None:
        self._batches: list[Tensor] = []

    @property
    def entered(self) -> bool:
        """As the protocol says."""
        return bool(self._batches)

    def append(self, batch: Tensor) -> None:
        """As the protocol says."""
        self._batches.append(batch)

    def __iter__(self) -> Iterator[Tensor]:
        """As the protocol says."""
        return iter(self._batches)

    def change(self, block: Callable[[Tensor], Tensor]) -> None:
        """As the protocol says."""
        for place, batch in enumerate(self._batches):
            self._batches[place] = block(batch)


class BlockWalk:
    """The blocks of a model in order, with the hidden states that enter the current one.

    Args:
        loaded: The model; its blocks may be changed between :meth:`observe` and :meth:`advance`. Of their weights only
            those of the block that runs need be in memory.
        sequences: Token ids, all of one length.
        hidden: Where hidden states are kept; if it has some already, the walk goes on from them.

    Shapes: sequences [n][tokens]; hidden states, kept in batches, [batch, tokens, hidden].
    """

    def __init__(
        self, loaded: LoadedModel, sequences: Sequence[Sequence[int]], hidden: HiddenStates | None = None
    ) -> None:
        self._blocks = blocks_of(loaded.model, loaded.family)
        self._family = loaded.family
        self._arguments: dict[int, list[dict[str, Any]]] = {}
        self._hidden = InMemory() if hidden is None else hidden
        rows = max(1, _TOKENS_PER_BATCH // len(sequences[0]))
        goes_on = self._hidden.entered
        for start in range(0, len(sequences), rows):
            batch = torch.tensor([list(s) for s in sequences[start : start + rows]], device=loaded.device)
            entering = self._enter(loaded.model, batch)
            if not goes_on:
                self._hidden.append(entering)

    def __len__(self) -> int:
        return len(self._blocks)

    def linears(self, index: int) -> dict[str, nn.Linear]:
        """Full name -> linear of block ``index``."""
        return linears_of(self._blocks[index], self._family, f"{self._family.blocks}.{index}")

    def observe(self, index: int, see: Observer, *, advance: bool = False) -> None:
        """Run block ``index``, showing every linear's input to ``see``.

        Args:
            index: Which block.
            see: The observer.
            advance: Let the next block see what the block gives in this pass.
        """
        linears, unseen = self.linears(index), set[str]()

        def show(name: str, inputs: Tensor) -> None:
            see(name, inputs)
            unseen.discard(name)
            if not unseen and not advance:
                raise _Enough  # the last linear's product, a fifth of all, is not needed

        def run(hidden: Tensor) -> Tensor:
            unseen.update(linears)
            return self._run(index, hidden)

        handles = [
            linear.register_forward_pre_hook(lambda _module, args, name=name: show(name, args[0]))
            for name, linear in linears.items()
        ]
        try:
            if advance:
                self._hidden.change(run)
            else:
                for hidden in self._hidden:
                    with suppress(_Enough):
                        run(hidden)
        finally:
            for handle in handles:
                handle.remove()

    def advance(self, index: int) -> None:
        """Let the next block see what block ``index`` gives now."""
        self._hidden.change(lambda hidden: self._run(index, hidden))

    @torch.inference_mode()
    def _run(self, index: int, hidden: Tensor) -> Tensor:
        output: Tensor | tuple[Tensor, ...] = self._blocks[index](hidden, **self._arguments[hidden.shape[0]][index])
        return output[0] if isinstance(output, tuple) else output

    @torch.inference_mode()
    def _enter(self, model: nn.Module, batch: Tensor) -> Tensor:
        """Hidden states before the first block; records every block's other arguments once per batch size."""
        seen: list[dict[str, Any]] = []
        first: list[Tensor] = []

        def stand_in(hidden_states: Tensor, *_: Any, **others: Any) -> Tensor:
            if not first:
                first.append(hidden_states)
            seen.append(others)
            if batch.shape[0] in self._arguments or len(seen) == len(self._blocks):
                raise _Enough
            return hidden_states

        for block in self._blocks:
            block.forward = stand_in
        try:
            with suppress(_Enough):
                model(input_ids=batch, use_cache=False, logits_to_keep=1)
        finally:
            for block in self._blocks:
                del block.forward
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
        hidden: As for :class:`BlockWalk`.

    Raises:
        UnsupportedModelError: If the family has no such pass.
    """

    def __init__(
        self, loaded: LoadedModel, sequences: Sequence[Sequence[int]], hidden: HiddenStates | None = None
    ) -> None:
        found = loaded.family.published_pass
        if found is None:
            raise UnsupportedModelError(
                "The published calibration pass is not defined for this family.",
                where=loaded.family.name,
                allowed=", ".join(family.name for family in FAMILIES.values() if family.published_pass),
                todo="use wanda, which walks any family's own forward pass",
            )
        self._parts = found
        super().__init__(loaded, sequences, hidden)

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


class _Enough(Exception):  # noqa: N818 - a signal that ends a forward pass early, not an error
    """All that was wanted of the pass has been seen."""
