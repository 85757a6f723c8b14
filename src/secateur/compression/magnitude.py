"""Magnitude pruning: the smallest weights go."""

from __future__ import annotations

from torch import Tensor

from secateur.compression.method import LayerStats, Method


def magnitude_scores(weight: Tensor, stats: LayerStats) -> Tensor:
    """|W_oi|. Han et al. 2015, arXiv:1506.02626.

    In the dtype of the weight: taking a sign away is exact in any, and 16-bit scores are selected faster.

    Shapes: weight [o, i] -> [o, i].
    """
    del stats
    return weight.abs()


MAGNITUDE = Method(
    name="magnitude",
    scores=magnitude_scores,
    groups=("tensor", "row"),
    summary="Removes the weights of smallest magnitude; needs no data",
    source="arXiv:1506.02626",
    docs="docs/methods.md#magnitude",
)
