"""From scores to masks: how many weights go, which, and how ties are broken."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from secateur.compression.levels import exact_fraction, n_removed, n_removed_truncated

Group: TypeAlias = Literal["row", "tensor"]
"""Within what weights compete: each output row for itself, or the whole matrix."""

GROUPS: tuple[Group, ...] = ("row", "tensor")

DRAWS = 2**31
"""How many values a random score can take; see :data:`CHANCE`."""


def keep_top(scores: Tensor, *, sparsity: float | str | Fraction, per: Group) -> Tensor:
    """Mask that removes the lowest scores of each group, exactly ``n_removed`` of them.

    Among equal scores at the boundary the lower index is kept (indices in row-major order).

    Args:
        scores: Any ordered dtype, finite.
        sparsity: Share to remove, 0 to 1; a string or a fraction is exact, a float is read as written.
        per: The comparison group.

    Shapes: scores [o, i] -> bool [o, i], true where the weight stays.
    """
    return _without_lowest(scores, n_removed(group_size(scores.shape, per), exact_fraction(sparsity)), per)


@dataclass(frozen=True)
class MaskRule:
    """How scores become a mask.

    Args:
        name: For messages.
        keep: From scores [o, i], level and comparison group to the mask, bool [o, i], true where the weight stays.
        bounds: From a comparison group's size and the level to the least and the most weights that can go there.
    """

    name: str
    keep: Callable[[Tensor, Fraction, Group], Tensor]
    bounds: Callable[[int, Fraction], tuple[int, int]]


def group_size(shape: torch.Size | tuple[int, int], per: Group) -> int:
    """How many weights of a matrix compete with each other. Shapes: shape (o, i)."""
    rows, columns = shape
    return columns if per == "row" else rows * columns


def _without_lowest(scores: Tensor, k: int, per: Group) -> Tensor:
    if k == 0:
        return torch.ones_like(scores, dtype=torch.bool)
    groups = _grouped(scores, per)
    boundary = torch.kthvalue(groups, k, dim=1, keepdim=True).values  # [groups, 1]
    gone = groups < boundary
    tied = groups == boundary
    quota = k - gone.sum(dim=1, keepdim=True)  # how many of the tied must go
    if not torch.equal(tied.sum(dim=1, keepdim=True), quota):
        place_from_end = tied.flip(1).cumsum(dim=1, dtype=torch.int32).flip(1)
        tied &= place_from_end <= quota
    return ~(gone | tied).reshape(scores.shape)


def _keep_truncated(scores: Tensor, level: Fraction, per: Group) -> Tensor:
    return _without_lowest(scores, n_removed_truncated(group_size(scores.shape, per), level), per)


def _keep_above_threshold(scores: Tensor, level: Fraction, per: Group) -> Tensor:
    k = n_removed_truncated(group_size(scores.shape, per), level)
    if k == 0:
        return torch.ones_like(scores, dtype=torch.bool)
    groups = _grouped(scores, per)
    return (groups > torch.kthvalue(groups, k, dim=1, keepdim=True).values).reshape(scores.shape)


def _keep_by_chance(scores: Tensor, level: Fraction, per: Group) -> Tensor:
    del per
    return scores.long() >= math.ceil(level * DRAWS)


def _grouped(scores: Tensor, per: Group) -> Tensor:
    return scores.reshape(1, -1) if per == "tensor" else scores


def _exact_bounds(n: int, level: Fraction) -> tuple[int, int]:
    return n_removed(n, level), n_removed(n, level)


def _truncated_bounds(n: int, level: Fraction) -> tuple[int, int]:
    return n_removed_truncated(n, level), n_removed_truncated(n, level)


def _threshold_bounds(n: int, level: Fraction) -> tuple[int, int]:
    k = n_removed_truncated(n, level)
    return k, n if k else 0


def _chance_bounds(n: int, level: Fraction) -> tuple[int, int]:
    mean = float(n * level)
    # Bernstein's inequality: outside with a probability of at most 2e-12.
    t = 12 * math.log(10)
    slack = math.sqrt(2 * t * mean * float(1 - level)) + t / 3 if 0 < level < 1 else 0.0
    return max(0, math.floor(mean - slack)), min(n, math.ceil(mean + slack))


EXACT = MaskRule("exact count", lambda scores, level, per: keep_top(scores, sparsity=level, per=per), _exact_bounds)
"""Exactly floor(level x n) of each group go, in rational arithmetic; among equals the lower index stays."""

TRUNCATED = MaskRule("truncated count", _keep_truncated, _truncated_bounds)
"""Exactly trunc(n x level) of each group go, the product taken in float64 as the published code takes it."""

THRESHOLD = MaskRule("threshold", _keep_above_threshold, _threshold_bounds)
"""All that is not above the trunc(n x level)-th lowest score goes, ties too: at least as many as asked."""

CHANCE = MaskRule("chance", _keep_by_chance, _chance_bounds)
"""Each weight goes with a probability equal to the level, for itself; scores are uniform draws from 0 .. DRAWS - 1."""
