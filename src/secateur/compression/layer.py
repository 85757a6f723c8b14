"""One linear: scored, cut, counted and named. The only code that removes weights."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from secateur.compression.method import LayerStats
from secateur.compression.recipe import Recipe
from secateur.compression.verify import LayerCount, verify_layer
from secateur.identity import digest
from secateur.models.bits import as_integers, n_zeros, packed, row_slices


@dataclass(frozen=True)
class PrunedLayer:
    """What became of one linear.

    Args:
        count: What was removed.
        digest: Hash of name, shape and mask bits.
    """

    count: LayerCount
    digest: str


@torch.no_grad()
def prune_layer(
    planned: Recipe, name: str, stored: Tensor, weights: Sequence[Tensor], input_sq_sum: Tensor | None
) -> PrunedLayer:
    """Cut one linear as the recipe says.

    Args:
        planned: What to do.
        name: The linear's full name.
        stored: Its weight as the checkpoint stores it, which is what is scored: so the masks do not depend on the
            dtype that is computed in.
        weights: What is changed, in place: ``stored`` itself, or the same weight in another dtype, or both.
        input_sq_sum: Its input statistics, if the method needs them.

    Shapes: stored and each of weights [o, i]; input_sq_sum [i], float32.

    Raises:
        SparsityMismatchError: If the result is not what the recipe says.
    """
    sums = None if input_sq_sum is None else input_sq_sum.to(stored.device)
    stats = LayerStats(layer=name, mask_seed=planned.mask_seed or 0, input_sq_sum=sums)
    with _one_thread():
        if planned.spec.prunes(name):
            kept = planned.spec.rule.keep(planned.spec.scores(stored, stats), planned.sparsity, planned.per)
        else:
            kept = torch.ones(stored.shape, dtype=torch.bool, device=stored.device)
        for weight in weights:
            zeros_before = n_zeros(weight)
            _remove(weight, kept)
            count = verify_layer(planned, name, weight, kept, zeros_before)
        return PrunedLayer(count, mask_digest(name, kept))


def mask_digest(name: str, kept: Tensor) -> str:
    """Identity of one layer's mask. Shapes: kept bool [o, i], true where the weight stays."""
    return digest("mask", [name, list(kept.shape), hashlib.sha256(packed(kept).data).hexdigest()])


@contextmanager
def _one_thread() -> Iterator[None]:
    """Slices are small: sharing them out among threads doubled the processor time of a whole model (LOG.md)."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _remove(weight: Tensor, kept: Tensor) -> None:
    bits = as_integers(weight)  # a product of bits gives plain zeros, of numbers also -0; filling by mask is slow
    for rows in row_slices(weight):
        bits[rows].mul_(kept[rows])
