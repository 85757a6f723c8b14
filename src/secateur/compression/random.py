"""Random pruning: the control. Every weight is as likely to go as any other."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from secateur.compression.method import LayerStats, Method
from secateur.randomness import Domain, bits


def random_scores(weight: Tensor, stats: LayerStats) -> Tensor:
    """Uniform scores that are a function of mask seed, layer name and place; the weight's values play no part.

    Shapes: weight [o, i] -> int32 [o, i], 0 .. ``masks.DRAWS`` - 1.
    """
    n = weight.numel()
    words = bits(Domain.MASK, stats.mask_seed, stats.layer).random_raw(-(-n // 2))
    halves = words.astype("<u8", copy=False).view("<u4")[:n]  # little-endian on every machine: low half first
    halves >>= 1
    return torch.from_numpy(halves.astype("=u4", copy=False).view(np.int32)).reshape(weight.shape).to(weight.device)


RANDOM = Method(
    name="random",
    scores=random_scores,
    groups=("tensor", "row"),
    uses_mask_seed=True,
    summary="Removes weights at random; the control that tells damage from method",
    source="control",
    docs="docs/methods.md#random",
)
