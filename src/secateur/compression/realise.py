"""Making a variant: from a recipe and a dense model in memory to the pruned model, verified."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from secateur.compression.inputs import Statistics, linears_with_inputs
from secateur.compression.method import LayerStats
from secateur.compression.recipe import Recipe
from secateur.compression.verify import LayerCount, verify_layer
from secateur.identity import digest
from secateur.models.families import all_linears
from secateur.models.loading import LoadedModel


@dataclass
class Realisation:
    """What a recipe became on a model.

    Args:
        layers: Counts per layer, in model order.
        layer_digests: Layer name -> hash of name, shape and mask bits.
        statistics: What the scores were computed from; with it the same masks follow without calibration text.
        packed_masks: Layer name -> the mask's bits, eight a byte, row-major, 1 = kept.
    """

    layers: list[LayerCount] = field(default_factory=list)
    layer_digests: dict[str, str] = field(default_factory=dict)
    statistics: dict[str, npt.NDArray[np.float32]] = field(default_factory=dict)
    packed_masks: dict[str, npt.NDArray[np.uint8]] = field(default_factory=dict)

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

    def mask(self, layer: str, shape: tuple[int, int]) -> Tensor:
        """One layer's mask, true where the weight stays. Shapes: -> bool [o, i]."""
        bits = np.unpackbits(self.packed_masks[layer], count=shape[0] * shape[1])
        return torch.from_numpy(bits.astype(bool)).reshape(shape)


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
        loaded: The dense model; its linears are changed. Scores are taken from the weights as the checkpoint stores
            them, so the masks do not depend on the dtype it computes in.
        planned: What to do.
        sequences: Calibration token ids, all of one length, for methods that need inputs.
        statistics: Of an earlier realisation; used in place of ``sequences``, so that the same masks follow.
        progress: Called with the layer's name, how many are done, how many there are.

    Raises:
        InputError: If the method needs inputs and neither sequences nor statistics were given.
        UnsupportedModelError: If the method's pass over the blocks is not defined for the family.
        VerificationError: If activations were not finite, or the result is not what the recipe says.
    """
    result = Realisation()
    total = sum(1 for _ in all_linears(loaded.model, loaded.family))
    for name, linear, input_sq_sum in linears_with_inputs(loaded, planned, sequences, statistics):
        _prune(result, planned, name, loaded.checkpoint.weight(name), linear, input_sq_sum)
        if progress:
            progress(name, len(result.layers), total)
    return result


def _prune(
    result: Realisation, planned: Recipe, name: str, stored: Tensor, linear: nn.Linear, input_sq_sum: Tensor | None
) -> None:
    weight = linear.weight
    sums = None if input_sq_sum is None else input_sq_sum.to(weight.device)
    stats = LayerStats(layer=name, mask_seed=planned.mask_seed or 0, input_sq_sum=sums)
    if planned.spec.prunes(name):
        scores = planned.spec.scores(stored.to(weight.device), stats)
        kept = planned.spec.rule.keep(scores, planned.sparsity, planned.per)
    else:
        kept = torch.ones_like(weight, dtype=torch.bool)
    zeros_before = weight.numel() - int(torch.count_nonzero(weight))
    weight.masked_fill_(~kept, 0)
    packed = np.packbits(kept.reshape(-1).cpu().numpy())
    result.layers.append(verify_layer(planned, name, weight, kept, zeros_before))
    result.layer_digests[name] = digest("mask", [name, list(kept.shape), hashlib.sha256(packed.data).hexdigest()])
    result.packed_masks[name] = packed
    if input_sq_sum is not None:
        result.statistics[name] = input_sq_sum.cpu().numpy().astype(np.float32)
