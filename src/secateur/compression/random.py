"""Random pruning: the control. Every weight is as likely to go as any other."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from secateur.compression.masks import DRAWS
from secateur.compression.method import LayerStats, Method
from secateur.models.device_words import made_there, raw_words
from secateur.randomness import Domain, bits


def random_scores(weight: Tensor, stats: LayerStats) -> Tensor:
    """Uniform scores that are a function of mask seed, layer name and place; the weight's values play no part.

    Shapes: weight [o, i] -> int32 [o, i], 0 .. ``masks.DRAWS`` - 1.
    """
    names = (Domain.MASK, stats.mask_seed, stats.layer)
    n, device = weight.numel(), weight.device
    scores = drawn_there(*names, n=n, device=device) if made_there(device) else _drawn(*names, n=n).to(device)
    return scores.view(weight.shape)


def _drawn(domain: Domain, seed: int, layer: str, *, n: int) -> Tensor:
    words = bits(domain, seed, layer).random_raw(-(-n // 2))
    halves = words.astype("<u8", copy=False).view("<u4")[:n]  # little-endian on every machine: low half first
    halves >>= 1
    return torch.from_numpy(halves.astype("=u4", copy=False).view(np.int32))


def drawn_there(domain: Domain, seed: int, layer: str, *, n: int, device: torch.device) -> Tensor:
    """What random scores are on an accelerator, made on it. Shapes: -> int32 [n]."""
    halves = raw_words(domain, seed, layer, n=-(-n // 2), device=device).view(torch.int32)[:n]
    return halves.bitwise_right_shift_(1).bitwise_and_(DRAWS - 1)


RANDOM = Method(
    name="random",
    scores=random_scores,
    groups=("tensor", "row"),
    uses_mask_seed=True,
    summary="Removes weights at random; the control that tells damage from method",
    source="control",
    docs="docs/methods.md#random",
)
