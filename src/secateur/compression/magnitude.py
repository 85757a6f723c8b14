"""Magnitude pruning: the smallest weights go."""

from __future__ import annotations

from torch import Tensor

from secateur.compression.method import LayerStats, Method


def magnitude_scores(weight: Tensor, stats: LayerStats) -> Tensor:
    """|W_oi|. Han et al. 2015, arXiv:1506.02626.

    Shapes: weight [o, i] -> float32 [o, i].
    """
    del stats
    return weight.float().abs()


MAGNITUDE = Method(
    name="magnitude",
    scores=magnitude_scores,
    groups=("tensor", "row"),
    summary="Removes the weights of smallest magnitude; needs no data",
    source="arXiv:1506.02626",
    docs="docs/methods.md#magnitude",
)
