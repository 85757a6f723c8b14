"""Wanda: weights are weighed by the norm of what comes into them."""

from __future__ import annotations

from torch import Tensor

from secateur.compression.method import LayerStats, Method


def wanda_scores(weight: Tensor, stats: LayerStats) -> Tensor:
    """|W_oi| * ||x_i||_2 over all calibration tokens. Sun et al. 2023, arXiv:2306.11695, equation 1.

    Shapes: weight [o, i], stats.input_sq_sum [i] -> float32 [o, i].

    Raises:
        ValueError: If the input norms are missing.
    """
    if stats.input_sq_sum is None:
        raise ValueError(f"wanda needs the input norms of {stats.layer}")
    # The product goes where abs() put its result, or float() its own: one float32 matrix less at a time.
    return weight.abs().float().mul_(stats.input_sq_sum.float().sqrt())


WANDA = Method(
    name="wanda",
    scores=wanda_scores,
    groups=("row", "tensor"),
    passes=("propagated", "one-shot"),
    summary="Removes weights with small |weight| x input norm, row by row; needs calibration text",
    source="arXiv:2306.11695",
    docs="docs/methods.md#wanda",
)
