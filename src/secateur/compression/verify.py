"""Checking that a pruned layer is what its recipe says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from secateur.compression.masks import group_size, in_groups
from secateur.compression.recipe import Recipe
from secateur.errors import SparsityMismatchError
from secateur.models.bits import as_integers, row_slices


@dataclass(frozen=True)
class LayerCount:
    """What was removed from one linear.

    Args:
        layer: Full name.
        rows: Output features.
        columns: Input features.
        removed: Weights the mask removed.
        zeros_before: Weights that were zero in the dense model.
    """

    layer: str
    rows: int
    columns: int
    removed: int
    zeros_before: int

    @property
    def weights(self) -> int:
        """Rows x columns."""
        return self.rows * self.columns


def expected_removed(planned: Recipe, layer: str, rows: int, columns: int) -> tuple[int, int]:
    """The least and the most weights of a rows x columns linear that the recipe may remove; equal for most methods."""
    if not planned.spec.prunes(layer):
        return 0, 0
    least, most = planned.spec.rule.bounds(group_size((rows, columns), planned.per), planned.sparsity)
    groups = rows * columns // group_size((rows, columns), planned.per)
    return groups * least, groups * most


def expected_total(planned: Recipe, shapes: Mapping[str, tuple[int, int]]) -> tuple[int, int, int]:
    """The least and the most weights that a recipe may remove from a model, and the weights of all its linears.

    Args:
        planned: The recipe.
        shapes: Layer name -> (rows, columns), as ``models.shapes.linear_shapes`` gives them.
    """
    bounds = [expected_removed(planned, layer, rows, columns) for layer, (rows, columns) in shapes.items()]
    weights = sum(rows * columns for rows, columns in shapes.values())
    return sum(least for least, _ in bounds), sum(most for _, most in bounds), weights


def expected_sparsity(planned: Recipe, shapes: Mapping[str, tuple[int, int]]) -> tuple[float, float]:
    """The least and the most that a recipe's achieved sparsity can be, 0 to 1; arguments as :func:`expected_total`."""
    least, most, weights = expected_total(planned, shapes)
    return least / weights, most / weights


def verify_layer(planned: Recipe, layer: str, weight: Tensor, kept: Tensor, zeros_before: int) -> LayerCount:
    """Count what was removed and compare it with what was asked.

    Args:
        planned: The recipe.
        layer: The layer's name, for the message.
        weight: The weight after pruning.
        kept: The mask that was applied.
        zeros_before: Zeros in the dense weight.

    Shapes: weight [o, i], kept bool [o, i].

    Raises:
        SparsityMismatchError: If the mask's count is not within the recipe's bounds, in total or in any comparison
            group, or a removed weight is not zero.
    """
    rows, columns = kept.shape
    removed = kept.numel() - int(torch.count_nonzero(kept))
    least, most = expected_removed(planned, layer, rows, columns)
    groups = in_groups(kept, planned.per)
    uneven = len(groups) > 1 and not _even(groups, least // len(groups), most // len(groups))
    left = sum(int(torch.count_nonzero(as_integers(weight[part]) * ~kept[part])) for part in row_slices(kept))
    if not least <= removed <= most or uneven or left:
        asked = f"{least:,}" if least == most else f"{least:,} to {most:,}"
        raise SparsityMismatchError(
            "A pruned layer is not what its recipe says.",
            where=f"{layer}, {planned.label}",
            allowed=f"{asked} of {kept.numel():,} weights removed"
            + ("" if planned.per == "tensor" else f", equally in each {planned.per}"),
            got=f"{removed:,} removed, {left:,} of them not zero",
        )
    return LayerCount(layer, rows, columns, removed, zeros_before)


def _even(kept: Tensor, least: int, most: int) -> bool:
    """Whether each group lost from ``least`` to ``most`` of its weights. Shapes: kept bool [groups, n]."""
    for rows in row_slices(kept):
        places = kept[rows].T.contiguous()  # sums along the few weights of a pattern's group are slow
        gone = len(places) - places.sum(dim=0, dtype=torch.int32)
        if int(gone.min()) < least or int(gone.max()) > most:
            return False
    return True
