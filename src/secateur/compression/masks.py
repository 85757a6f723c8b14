"""From scores to masks: how many weights go, which, and how ties are broken."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from secateur.compression.levels import exact_fraction, n_removed, n_removed_truncated

Group: TypeAlias = Literal["row", "tensor"]
"""Within what weights compete: each output row for itself, or the whole matrix."""

GROUPS: tuple[Group, ...] = ("row", "tensor")

DRAWS = 2**31
"""How many values a random score can take; see :data:`CHANCE`."""

_SLICE = 2**20
"""Weights that are worked on at once."""

_HALVES = (torch.bfloat16, torch.float16)


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
    """Mask without the ``k`` lowest scores of each group. Shapes: scores [o, i] -> bool [o, i]."""
    if k == 0:
        return torch.ones_like(scores, dtype=torch.bool)
    if per == "tensor":
        return _without_lowest_of_all(scores, k)
    kept = torch.empty(scores.shape, dtype=torch.bool, device=scores.device)
    for rows in row_slices(scores):
        part = scores[rows]
        boundary = kth_lowest(part, k)
        above = torch.gt(part, boundary, out=kept[rows])
        spare = part.shape[1] - k - torch.count_nonzero(above, dim=1)  # how many of the tied stay
        if spare.any():
            tied = part == boundary
            above |= tied & (tied.cumsum(dim=1, dtype=torch.int32) <= spare[:, None])
    return kept


def _without_lowest_of_all(scores: Tensor, k: int) -> Tensor:
    boundary = kth_lowest(scores.reshape(1, -1), k)
    kept = torch.empty(scores.shape, dtype=torch.bool, device=scores.device)
    for rows in row_slices(scores):
        torch.gt(scores[rows], boundary, out=kept[rows])
    spare = scores.numel() - k - int(torch.count_nonzero(kept))  # how many of the tied stay
    for rows in row_slices(scores):
        if not spare:
            break
        places = (scores[rows] == boundary).reshape(-1).nonzero()[:spare, 0]
        kept[rows].view(-1)[places] = True
        spare -= len(places)
    return kept


def row_slices(matrix: Tensor) -> Iterator[slice]:
    """Slices of rows that stay in a processor's cache, so that what is made of them never needs fresh memory.

    Shapes: matrix [o, i].
    """
    rows, columns = matrix.shape
    step = max(1, _SLICE // max(1, columns))
    return (slice(start, start + step) for start in range(0, rows, step))


def kth_lowest(groups: Tensor, k: int) -> Tensor:
    """The ``k``-th lowest value of each group, ``k`` from 1; exact for every dtype.

    Where a processor selects, 16-bit values are counted by their bit patterns and 32-bit values partially sorted as
    integers: several times as fast as torch's own selection (LOG.md), which serves accelerators and other dtypes.

    Shapes: groups [groups, n] -> [groups, 1].
    """
    if groups.device.type == "cpu" and groups.dtype in _HALVES and len(groups) == 1:
        return _kth_of_patterns(groups, k)
    if groups.device.type == "cpu" and groups.dtype in (*_HALVES, torch.float32):
        return _kth_of_floats(groups.float(), k).to(groups.dtype)
    if groups.device.type == "cpu" and groups.dtype == torch.int32:
        return torch.from_numpy(np.partition(groups.numpy(), k - 1, axis=1)[:, k - 1 : k].copy())
    return torch.kthvalue(groups, k, dim=1, keepdim=True).values


def _kth_of_patterns(groups: Tensor, k: int) -> Tensor:
    """Of one group of 16-bit floats, which have at most 65,536 values. Shapes: groups [1, n] -> [1, 1]."""
    patterns = groups.contiguous().view(torch.int16).numpy().view(np.uint16)[0]
    counts = np.zeros(2**16, dtype=np.int64)
    for start in range(0, len(patterns), _SLICE):
        counts += np.bincount(patterns[start : start + _SLICE], minlength=2**16)
    there = torch.from_numpy(np.flatnonzero(counts).astype(np.uint16).view(np.int16)).view(groups.dtype)
    order = torch.argsort(there.float()).numpy()
    place = int(np.searchsorted(counts[counts > 0][order].cumsum(), k))
    return there[order[place]].reshape(1, 1)


def _kth_of_floats(groups: Tensor, k: int) -> Tensor:
    """Of float32 groups, by their bits as integers of the same order. Shapes: groups [groups, n] -> [groups, 1]."""
    bits = groups.contiguous().view(torch.int32).numpy()
    ordered = _ordered(bits)
    ordered.partition(k - 1, axis=1)
    found = _ordered(ordered[:, k - 1 : k])
    return torch.from_numpy(found).view(torch.float32)


def _ordered(bits: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Bits of float32 numbers as integers of the same order, and back; -0 comes just below 0."""
    flipped = bits >> 31
    flipped &= 0x7FFFFFFF
    flipped ^= bits
    return flipped


def _keep_truncated(scores: Tensor, level: Fraction, per: Group) -> Tensor:
    return _without_lowest(scores, n_removed_truncated(group_size(scores.shape, per), level), per)


def _keep_above_threshold(scores: Tensor, level: Fraction, per: Group) -> Tensor:
    k = n_removed_truncated(group_size(scores.shape, per), level)
    if k == 0:
        return torch.ones_like(scores, dtype=torch.bool)
    return scores > kth_lowest(scores.reshape(1, -1) if per == "tensor" else scores, k)


def _keep_by_chance(scores: Tensor, level: Fraction, per: Group) -> Tensor:
    del per
    threshold = math.ceil(level * DRAWS)
    return scores >= threshold if threshold < DRAWS else torch.zeros_like(scores, dtype=torch.bool)


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
