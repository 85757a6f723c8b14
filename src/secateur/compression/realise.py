"""Making a variant: from a recipe and a dense model in memory to the pruned model, verified."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from secateur.compression.inputs import Statistics, linears_with_inputs
from secateur.compression.layer import PrunedLayer, prune_layer
from secateur.compression.patterns import is_pattern, read_pattern, refuse_uneven_rows
from secateur.compression.recipe import Recipe
from secateur.compression.verify import LayerCount
from secateur.identity import digest
from secateur.models.families import all_linears
from secateur.models.loading import LoadedModel
from secateur.models.shapes import shapes_of


@dataclass
class Realisation:
    """What a recipe became on a model.

    Args:
        layers: Counts per layer, in model order.
        layer_digests: Layer name -> hash of name, shape and mask bits.
        statistics: What the scores were computed from; with it the same masks follow without calibration text.
    """

    layers: list[LayerCount] = field(default_factory=list)
    layer_digests: dict[str, str] = field(default_factory=dict)
    statistics: dict[str, npt.NDArray[np.float32]] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """The realised digest: all layers' hashes in model order."""
        return digest("realised", [[name, value] for name, value in self.layer_digests.items()])

    @property
    def removed(self) -> int:
        """Weights removed, over all layers."""
        return sum(layer.removed for layer in self.layers)

    @property
    def weights(self) -> int:
        """Weights of all pruned linears."""
        return sum(layer.weights for layer in self.layers)

    @property
    def achieved_sparsity(self) -> float:
        """Removed weights / weights of the pruned linears, 0 to 1."""
        return self.removed / self.weights if self.weights else 0.0

    def add(self, layer: PrunedLayer, input_sq_sum: Tensor | None) -> None:
        """Record the next layer in model order. Shapes: input_sq_sum [i], float32."""
        name = layer.count.layer
        self.layers.append(layer.count)
        self.layer_digests[name] = layer.digest
        if input_sq_sum is not None:
            self.statistics[name] = input_sq_sum.cpu().numpy().astype(np.float32)


@torch.no_grad()
def realise(
    loaded: LoadedModel,
    planned: Recipe,
    *,
    sequences: Sequence[Sequence[int]] | None = None,
    statistics: Statistics | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Realisation:
    """Prune a dense model in place as the recipe says.

    Args:
        loaded: The model, which must be dense; its linears are changed. Scores are taken from the weights as the
            checkpoint stores them, so the masks do not depend on the dtype it computes in. Where that is the stored
            one, they are taken from the model's own.
        planned: What to do.
        sequences: Calibration token ids, all of one length, for methods that need inputs.
        statistics: Of an earlier realisation; used in place of ``sequences``, so that the same masks follow.
        progress: Called with the layer's name, how many are done, how many there are.

    Raises:
        InputError: If the method needs inputs and neither sequences nor statistics were given, or a pattern does
            not fill a linear's rows.
        UnsupportedModelError: If the method's pass over the blocks is not defined for the family, or activations are
            not finite.
        VerificationError: If the result is not what the recipe says.
    """
    if is_pattern(planned.per):
        shapes = shapes_of(loaded.model, loaded.family)
        refuse_uneven_rows(read_pattern(planned.per), shapes, where=loaded.checkpoint.reference)
    result = Realisation()
    total = sum(1 for _ in all_linears(loaded.model, loaded.family))
    for name, linear, input_sq_sum in linears_with_inputs(loaded, planned, sequences, statistics):
        stored = loaded.dense_as_stored(name, linear.weight)
        result.add(prune_layer(planned, name, stored, [linear.weight], input_sq_sum), input_sq_sum)
        if progress:
            progress(name, len(result.layers), total)
    return result
