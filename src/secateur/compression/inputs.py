"""What comes into each linear while calibration text passes, summed for the methods that need it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from secateur.compression.recipe import Recipe
from secateur.errors import InputError, UnsupportedModelError, VerificationError
from secateur.models.bits import row_slices
from secateur.models.families import all_linears
from secateur.models.loading import LoadedModel
from secateur.models.walk import BlockWalk, HiddenStates, PublishedWalk

Statistics = Mapping[str, npt.NDArray[np.float32]]
"""Layer name -> sum of squares of each input feature."""


def linears_with_inputs(
    loaded: LoadedModel,
    planned: Recipe,
    sequences: Sequence[Sequence[int]] | None,
    statistics: Statistics | None,
) -> Iterator[tuple[str, nn.Linear, Tensor | None]]:
    """Every linear in model order with its input statistics; the caller prunes it before asking for the next.

    Args:
        loaded: The dense model, pruned while this goes on.
        planned: Says whether and how inputs are measured.
        sequences: Calibration token ids, all of one length.
        statistics: Of an earlier realisation; used in place of ``sequences``.

    Shapes: statistics of one linear, float32 [i]; ``None`` where it is not pruned or needs none.

    Raises:
        InputError: If the method needs inputs and neither sequences nor statistics were given.
        UnsupportedModelError: If the family has no published pass and the recipe asks for it, or inputs are not finite.
        VerificationError: If a linear saw no input.
    """
    method = planned.spec
    if not method.needs_inputs:
        for name, linear in all_linears(loaded.model, loaded.family):
            yield name, linear, None
    elif statistics is not None:
        for name, linear in all_linears(loaded.model, loaded.family):
            known = torch.from_numpy(np.array(statistics[name])) if method.prunes(name) else None
            yield name, linear, known
    elif sequences:
        walk = walk_for(loaded, planned, sequences)
        for index in range(len(walk)):
            sums = observe_block(walk, index, planned)
            for name, linear in walk.linears(index).items():
                yield name, linear, sums.of(name) if method.prunes(name) else None
            leave_block(walk, index, planned)
    else:
        raise InputError(f"{planned.method} needs calibration sequences or stored statistics.")


def walk_for(
    loaded: LoadedModel, planned: Recipe, sequences: Sequence[Sequence[int]], hidden: HiddenStates | None = None
) -> BlockWalk:
    """The walk in which a recipe's input statistics are measured; arguments as of the walk."""
    return (PublishedWalk if planned.propagation == "pia" else BlockWalk)(loaded, sequences, hidden)


def observe_block(walk: BlockWalk, index: int, planned: Recipe) -> InputSums:
    """Measure the inputs of a dense block's linears; where the next block is to see dense outputs, let it see these."""
    sums = InputSums()
    walk.observe(index, sums.see, advance=planned.propagation != "propagated")
    return sums


def leave_block(walk: BlockWalk, index: int, planned: Recipe) -> None:
    """Where the next block is to see what the pruned block gives, and there is a next, let it."""
    if planned.propagation == "propagated" and index + 1 < len(walk):
        walk.advance(index)


class InputSums:
    """Sums of squares of the inputs of linears, gathered while a block runs."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._seen: tuple[Tensor, Tensor] | None = None

    def see(self, name: str, inputs: Tensor) -> None:
        """Add a batch. Shapes: inputs [batch, tokens, i]."""
        # Query, key and value are given one tensor, and so are the two halves of a gated MLP.
        if self._seen is None or self._seen[0] is not inputs:
            self._seen = inputs, _sums_of_squares(inputs)
        self._sums[name] = self._sums.get(name, 0.0) + self._seen[1]

    def of(self, name: str) -> Tensor:
        """The sums of one linear. Shapes: -> float32 [i].

        Raises:
            UnsupportedModelError: If an input was not finite: the model's activations overflow.
            VerificationError: If the linear saw none.
        """
        if name not in self._sums:
            raise VerificationError("A linear saw no calibration input.", where=name)
        sums = self._sums[name].float()
        if not torch.isfinite(sums).all():
            raise UnsupportedModelError(
                "Calibration inputs are NaN or infinite.",
                where=name,
                got="a model whose activations overflow, though its weights are finite",
                todo="compute in another dtype, or leave out methods that need calibration",
            )
        return sums


def _sums_of_squares(inputs: Tensor) -> Tensor:
    """Shapes: [..., i] -> float64 [i], on the CPU."""
    tokens = inputs.detach().reshape(-1, inputs.shape[-1])
    if tokens.device.type == "mps":  # it has no float64
        return tokens.float().square().sum(dim=0).double().cpu()
    # In float64 the sum hardly depends on how tokens were batched. A slice's squares stay in a processor's cache.
    total = tokens.new_zeros(tokens.shape[1], dtype=torch.float64)
    for rows in row_slices(tokens):
        total += tokens[rows].float().square().sum(dim=0, dtype=torch.float64)
    return total.cpu()
