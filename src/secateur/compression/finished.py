"""Calibration that a killed run leaves to the next: what was measured block by block, and what enters the next block.

A block is finished when the file of its statistics is there; that file is written last, in one step. Weights are not
kept: they follow from the statistics faster than they could be checked.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from secateur.errors import InputError
from secateur.files import make_folder, unwritable, whole_file

_HIDDEN = "hidden"


class FinishedBlocks:
    """Statistics of finished blocks, and the hidden states that leave the last of them, in a folder.

    Hidden states go through the disk always: what they take in memory is one batch, whatever the calibration's size.

    Args:
        folder: Of this calibration alone: its name says all that the numbers depend on. Neighbours are removed.
        n_blocks: Of the model.
        device: Where hidden states are wanted.

    Raises:
        StoreUnwritableError: If the disk is full or the folder cannot be written.
    """

    def __init__(self, folder: Path, n_blocks: int, device: torch.device) -> None:
        try:
            if folder.parent.exists():
                for other in folder.parent.iterdir():
                    if other != folder:
                        shutil.rmtree(other)
            make_folder(folder)
            self._folder = folder
            self._n = 0
            while self._statistics(self._n).is_file():
                self._n += 1
            self.hidden = HiddenFiles(folder, self._n, device)
            if 0 < self._n < n_blocks and not self.hidden.entered:  # somebody removed files: begin again
                self._n, self.hidden = 0, HiddenFiles(folder, 0, device)
        except OSError as error:
            raise unwritable(error, folder) from error

    def __len__(self) -> int:
        return self._n

    def statistics(self, index: int) -> dict[str, Tensor]:
        """Of a finished block: layer name -> sum of squares of each input feature. Shapes: each float32 [i].

        Raises:
            InputError: If the file is damaged.
        """
        return _loaded(self._statistics(index))

    def finish(self, statistics: Mapping[str, Tensor]) -> None:
        """Keep the next block's statistics, once what leaves it is written. Shapes: each float32 [i].

        Raises:
            StoreUnwritableError: If the disk is full or the folder cannot be written.
        """
        with whole_file(self._statistics(self._n)) as temp:
            save_file({name: sums.cpu() for name, sums in statistics.items()}, temp)
        self._n += 1
        self.hidden.forget_before(self._n)

    def _statistics(self, index: int) -> Path:
        return self._folder / f"{index:04d}.safetensors"


class HiddenFiles:
    """Hidden states as files, a batch each: those that enter block n stay until block n is finished.

    Args:
        folder: Where.
        index: Block that is entered next; files of others are removed.
        device: Where they are wanted.
    """

    def __init__(self, folder: Path, index: int, device: torch.device) -> None:
        self._folder = folder
        self._device = device
        self._index = index
        for path in folder.glob(f"{_HIDDEN}-*"):
            if index == 0 or not path.match(f"{_HIDDEN}-{index:04d}-*.safetensors"):
                path.unlink()  # what enters the first block is made again, not known to be complete
        self._n = len(list(folder.glob(f"{_HIDDEN}-{index:04d}-*.safetensors")))

    @property
    def entered(self) -> bool:
        """Whether the batches are there, from an earlier walk."""
        return self._n > 0

    def append(self, batch: Tensor) -> None:
        """Add a batch, before the first block. Shapes: [batch, tokens, hidden]."""
        self._write(self._index, self._n, batch)
        self._n += 1

    def __iter__(self) -> Iterator[Tensor]:
        """The batches in order, each read when its turn comes; :class:`InputError` if its file is damaged."""
        return map(partial(self._read, self._index), range(self._n))

    def change(self, block: Callable[[Tensor], Tensor]) -> None:
        """Write what ``block`` makes of every batch beside it; the next pass is over these."""
        for place, batch in enumerate(self):
            self._write(self._index + 1, place, block(batch))
        self._index += 1

    def forget_before(self, index: int) -> None:
        """Remove what entered earlier blocks than this."""
        for path in self._folder.glob(f"{_HIDDEN}-{index - 1:04d}-*"):
            path.unlink()

    def _read(self, index: int, place: int) -> Tensor:
        return _loaded(self._path(index, place), device=str(self._device))[_HIDDEN]

    def _write(self, index: int, place: int, batch: Tensor) -> None:
        with whole_file(self._path(index, place)) as temp, torch.inference_mode():
            save_file({_HIDDEN: batch.cpu().contiguous()}, temp)

    def _path(self, index: int, place: int) -> Path:
        return self._folder / f"{_HIDDEN}-{index:04d}-{place:06d}.safetensors"


def _loaded(path: Path, device: str = "cpu") -> dict[str, Tensor]:
    try:
        found: dict[str, Tensor] = load_file(path, device=device)
    except SafetensorError as error:
        raise InputError(
            "What an earlier run has kept of its calibration is damaged.",
            where=path,
            got=str(error),
            todo=f"remove the folder {path.parent} and calibrate again",
        ) from None
    return found
