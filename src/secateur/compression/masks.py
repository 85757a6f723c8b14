"""From scores to masks: how many weights go, which, and how ties are broken."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from secateur.compression.levels import exact_fraction, n_removed, n_removed_truncated, written
from secateur.compression.patterns import is_pattern, read_pattern, uneven_rows
from secateur.errors import InputError
from secateur.models.bits import SLICE, as_integers, row_slices

Group: TypeAlias = str
"""Within what weights compete: each output ``row`` for itself, the whole matrix (``tensor``), or so many consecutive
weights of a row as an N:M pattern says (``2:4``)."""

GROUPS: tuple[Group, ...] = ("row", "tensor")

DRAWS = 2**31
"""How many values a random score can take; see :data:`CHANCE`."""


def keep_top(scores: Tensor, *, sparsity: float | str | Fraction, per: Group) -> Tensor:
    """Mask that removes the lowest scores of each group, exactly ``n_removed`` of them.

    Among equal scores at the boundary the lower index is kept (indices in row-major order).

    Args:
        scores: Any ordered dtype, finite.
        sparsity: Share to remove, 0 to 1; a string or a fraction is exact, a float is read as written. Of an N:M
            pattern it must be (M - N) / M.
        per: The comparison group.

    Shapes: scores [o, i] -> bool [o, i], true where the weight stays.

    Raises:
        InputError: If the level is none or not that of the pattern, or the pattern does not fill the rows.
    """
    level = exact_fraction(sparsity)
    if is_pattern(per) and level != (own := read_pattern(per).sparsity):
        raise InputError("A level is not that of its pattern.", where=per, allowed=written(own), got=written(level))
    return _without_lowest(scores, n_removed(group_size(scores.shape, per), level), per)


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
    """How many weights of a matrix compete with each other. Shapes: shape (o, i).

    Raises:
        InputError: If a pattern's groups do not fill the rows: they would run on into the next.
    """
    rows, columns = shape
    if is_pattern(per):
        pattern = read_pattern(per)
        if columns % pattern.of:
            raise uneven_rows(pattern, {"": (rows, columns)})
        return pattern.of
    return columns if per == "row" else rows * columns


def in_groups(matrix: Tensor, per: Group) -> Tensor:
    """A matrix with a comparison group in each row, sharing memory. Shapes: [o, i] -> [groups, group size]."""
    return matrix.reshape(-1, group_size(matrix.shape, per))


def _without_lowest(scores: Tensor, k: int, per: Group) -> Tensor:
    """Mask without the ``k`` lowest scores of each group. Shapes: scores [o, i] -> bool [o, i]."""
    if k == 0:
        return torch.ones_like(scores, dtype=torch.bool)
    scores = _comparable(scores)
    if per == "tensor":
        return _without_lowest_of_all(scores, k)
    groups = in_groups(scores, per)
    without = _without_lowest_by_rank if groups.shape[1] <= RANKED else _without_lowest_by_boundary
    return without(groups, k).view(scores.shape)


RANKED = 8
"""Groups of at most so many weights are ranked by comparing every two; larger ones are partially sorted (LOG.md)."""


def _without_lowest_by_rank(groups: Tensor, k: int) -> Tensor:
    """As :func:`_without_lowest`, of groups of a few. Shapes: groups [groups, n] -> bool [groups, n]."""
    n = groups.shape[1]
    kept = torch.empty(groups.shape, dtype=torch.bool, device=groups.device)
    for rows in row_slices(groups):
        places = groups[rows].T.contiguous()  # [n, groups]: what is compared lies side by side
        ahead = torch.zeros(places.shape, dtype=torch.int8, device=groups.device)  # how many of its group beat it
        for place in range(n - 1):
            higher = places[place + 1 :] > places[place]
            ahead[place] += higher.sum(dim=0, dtype=torch.int8)
            ahead[place + 1 :] += ~higher
        kept[rows] = (ahead < n - k).T
    return kept


def _without_lowest_by_boundary(groups: Tensor, k: int) -> Tensor:
    """As :func:`_without_lowest`, of groups of many. Shapes: groups [groups, n] -> bool [groups, n]."""
    kept = torch.empty(groups.shape, dtype=torch.bool, device=groups.device)
    for rows in row_slices(groups):
        part = groups[rows]
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
        tied = (scores[rows] == boundary).reshape(-1)
        places = first_places(tied, spare)
        kept[rows].view(-1)[places] = True
        spare -= len(places)
    return kept


def first_places(flags: Tensor, n: int) -> Tensor:
    """Places of the first ``n`` that are true, of all if there are fewer. Shapes: flags bool [m] -> [up to n]."""
    if flags.device.type == "cpu":
        return torch.from_numpy(np.flatnonzero(flags.numpy())[:n])  # several times as fast as torch's nonzero
    return flags.nonzero()[:n, 0]


def kth_lowest(groups: Tensor, k: int) -> Tensor:
    """The ``k``-th lowest value of each group, ``k`` from 1.

    Integers on a processor are counted where 16 bits wide, else partially sorted, several times as fast as torch's
    own selection, which serves other dtypes and, on accelerators, many groups; a single one is sorted there, a hundred
    times as fast (LOG.md).

    Shapes: groups [groups, n] -> [groups, 1].
    """
    if groups.device.type != "cpu" and len(groups) == 1:
        return groups.sort(dim=1).values[:, k - 1 : k].clone()
    if groups.device.type != "cpu" or groups.dtype not in (torch.int16, torch.int32):
        return torch.kthvalue(groups, k, dim=1, keepdim=True).values
    values = groups.numpy()
    if groups.dtype == torch.int16 and len(groups) == 1:
        return torch.tensor([[_kth_by_counting(values[0], k)]], dtype=torch.int16)
    return torch.from_numpy(np.partition(values, k - 1, axis=1)[:, k - 1 : k].copy())


def _kth_by_counting(values: npt.NDArray[np.int16], k: int) -> int:
    shifted = values.view(np.uint16)
    counts = np.zeros(2**16, dtype=np.int64)
    for start in range(0, len(values), SLICE):
        counts += np.bincount(shifted[start : start + SLICE], minlength=2**16)
    ordered = np.roll(counts, 2**15)  # from the lowest, -2**15, on
    return int(np.searchsorted(ordered.cumsum(), k)) - 2**15


def _comparable(scores: Tensor) -> Tensor:
    """Scores as integers of the same order, where they are floats of 0 and above on a processor; else as they are.

    Shapes: as scores.
    """
    if scores.device.type == "cpu" and scores.dtype in (torch.bfloat16, torch.float16, torch.float32):
        integers = as_integers(scores.contiguous())
        if not integers.numel() or int(integers.numpy().min()) >= 0:  # -0 is below 0 as an integer, not as a float
            return integers
    return scores


def _keep_truncated(scores: Tensor, level: Fraction, per: Group) -> Tensor:
    return _without_lowest(scores, n_removed_truncated(group_size(scores.shape, per), level), per)


def _keep_above_threshold(scores: Tensor, level: Fraction, per: Group) -> Tensor:
    k = n_removed_truncated(group_size(scores.shape, per), level)
    if k == 0:
        return torch.ones_like(scores, dtype=torch.bool)
    scores = _comparable(scores)
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
