"""Pruning a checkpoint that does not fit in memory: from files to files, a tensor or a block at a time.

The argument for each choice is in ``docs/design/stream.md``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor

from secateur import __version__
from secateur.compression.finished import FinishedBlocks
from secateur.compression.folder import folder_in_the_making, write_facts
from secateur.compression.inputs import leave_block, observe_block, walk_for
from secateur.compression.layer import prune_layer
from secateur.compression.patterns import is_pattern, read_pattern, refuse_uneven_rows
from secateur.compression.realise import Realisation
from secateur.compression.recipe import Recipe, planned_digest
from secateur.compression.shards import Shards
from secateur.errors import InputError
from secateur.identity import digest, short
from secateur.models.bits import all_finite, as_bytes
from secateur.models.families import all_linears, linears_by_block
from secateur.models.hollow import block_weights, filled, outer_weights
from secateur.models.loading import LoadedModel, not_finite, stored_names
from secateur.models.shapes import shapes_of


@torch.no_grad()
def prune_files(
    hollow: LoadedModel,
    planned: Recipe,
    out: Path,
    *,
    sequences: Sequence[Sequence[int]] | None = None,
    calibration: str | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Realisation:
    """Write a checkpoint, pruned as a recipe says, as a folder that plain transformers loads.

    Args:
        hollow: The dense model, without its weights (:func:`secateur.models.hollow.hollow_model`).
        planned: What to do.
        out: A folder that does not exist or is empty; it appears whole or not at all.
        sequences: Calibration token ids, all of one length, for methods that need inputs.
        calibration: One line about the calibration text, for the model card.
        progress: As for :func:`secateur.compression.realise.realise`.

    Raises:
        InputError: If a weight is NaN or infinite, ``out`` is not empty, the method needs sequences, or a pattern does
            not fill a linear's rows.
        UnsupportedModelError: If the method's pass over the blocks is not defined for the family, or activations are
            not finite.
        StoreBusyError: If another process is writing ``out``.
        StoreUnwritableError: If the disk is full or the folder cannot be written.
        VerificationError: If the result is not what the recipe says.
    """
    if is_pattern(planned.per):
        shapes = shapes_of(hollow.model, hollow.family)
        refuse_uneven_rows(read_pattern(planned.per), shapes, where=hollow.checkpoint.reference)
    checkpoint = hollow.checkpoint
    made = Realisation()
    with folder_in_the_making(out) as (kept, folder):
        examined = _Examined(hollow)
        with Shards(checkpoint, folder, examined.see) as shards:
            layers = _layers(hollow, planned, sequences, kept)
            names = [name for name, _ in all_linears(hollow.model, hollow.family)]
            dense = shards.read(f"{name}.weight" for name in names)
            for (name, input_sq_sum, also), stored in zip(layers, dense, strict=True):
                weight = stored.to(hollow.device)
                made.add(prune_layer(planned, name, weight, [*also, weight], input_sq_sum), input_sq_sum)
                shards.write(f"{name}.weight", weight.cpu())
                if progress:
                    progress(name, len(made.layers), len(names))
            shards.copy_the_rest()
        write_facts(folder, checkpoint, examined.digest, planned, made, shards.counted, calibration)
    return made


def _layers(
    hollow: LoadedModel, planned: Recipe, sequences: Sequence[Sequence[int]] | None, kept: Path
) -> Iterator[tuple[str, Tensor | None, list[Tensor]]]:
    """Every linear in model order: its name, its input statistics, and its weight in the model if it is there."""
    if not planned.spec.needs_inputs:
        for name, _ in all_linears(hollow.model, hollow.family):
            yield name, None, []
    elif sequences:
        yield from _calibrated(hollow, planned, sequences, kept)
    else:
        raise InputError(f"{planned.method} needs calibration sequences.")


def _calibrated(
    hollow: LoadedModel, planned: Recipe, sequences: Sequence[Sequence[int]], kept: Path
) -> Iterator[tuple[str, Tensor | None, list[Tensor]]]:
    """As :func:`_layers`; what an earlier run of the same calibration measured is not measured again."""
    examined = _Examined(hollow)
    examined.see_all()
    blocks = [list(linears) for linears in linears_by_block(hollow.model, hollow.family)]
    finished = FinishedBlocks(kept / _name_of(hollow, planned, examined.digest), len(blocks), hollow.device)
    for index in range(len(finished)):
        statistics = finished.statistics(index)
        for name in blocks[index]:
            yield name, statistics.get(name), []
    if len(finished) == len(blocks):
        return
    with filled(hollow, outer_weights(hollow)):
        walk = walk_for(hollow, planned, sequences, finished.hidden)
    for index in range(len(finished), len(blocks)):
        with filled(hollow, block_weights(hollow, index)):
            sums = observe_block(walk, index, planned)
            statistics = {name: sums.of(name) for name in blocks[index] if planned.spec.prunes(name)}
            for name, linear in walk.linears(index).items():
                yield name, statistics.get(name), [linear.weight]
            leave_block(walk, index, planned)
        finished.finish(statistics)


def _name_of(hollow: LoadedModel, planned: Recipe, base: str) -> str:
    """All that measured numbers depend on: what is planned on which weights, computed how, by what."""
    how = [str(hollow.dtype), hollow.device.type, torch.__version__, transformers.__version__, __version__]
    return short(digest("calibration", [planned_digest(base, planned), *how]))


class _Examined:
    """Dense tensors as they pass: every one is hashed for the identity, every weight must be finite."""

    def __init__(self, hollow: LoadedModel) -> None:
        self._checkpoint = hollow.checkpoint
        self._weights = set(stored_names(hollow.checkpoint, hollow.model).values())
        self._hashes: dict[str, Any] = {}

    def see(self, name: str, numbers: Tensor) -> None:
        """Look at a tensor, or at its next piece. Shapes: any.

        Raises:
            InputError: If a number of a weight is NaN or infinite.
        """
        if name in self._weights and not all_finite(numbers):
            raise not_finite([name], self._checkpoint)
        self._hashes.setdefault(name, hashlib.sha256()).update(as_bytes(numbers))

    def see_all(self) -> None:
        """Look at every tensor of the checkpoint, a piece at a time."""
        for file in self._checkpoint.weight_files.values():
            for name in file.tensors:
                for piece in file.pieces(name):
                    self.see(name, piece)

    @property
    def digest(self) -> str:
        """The base model's identity, once all has been seen."""
        empty = hashlib.sha256()
        return self._checkpoint.digest_of(
            {name: self._hashes.get(name, empty).hexdigest() for name in self._checkpoint.weight_map}
        )
