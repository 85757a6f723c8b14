"""The weight files of a pruned copy: laid out as the base's, their tensors written one by one, in any order."""

from __future__ import annotations

import io
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from torch import Tensor

from secateur.files import TEMP_SUFFIX
from secateur.models.bits import as_bytes, n_zeros
from secateur.models.checkpoint import Checkpoint
from secateur.models.weight_file import WeightFile


@dataclass
class Counted:
    """Zeros and weights of all tensors of a folder."""

    zeros: int = 0
    weights: int = 0


class Shards:
    """A checkpoint's weight files being copied, with some tensors changed on the way.

    Headers are copied as they are, so every tensor lies where it lies in the base. The files take their whole size at
    once: a disk that is too small is found before the work, not after it. They get their names when all are complete.
    While a tensor is worked on, the next is read and the last is written.

    Args:
        checkpoint: The base.
        folder: Where to.
        see: Shown every dense tensor once, whole or in pieces, before anything is done with it, one at a time.

    Raises:
        OSError: If the disk is full or the folder cannot be written; so do all methods.
    """

    def __init__(self, checkpoint: Checkpoint, folder: Path, see: Callable[[str, Tensor], None]) -> None:
        self._sources = checkpoint.weight_files
        self._home = {name: file for file, source in self._sources.items() for name in source.tensors}
        self._folder = folder
        self._see = see
        self._written: set[str] = set()
        self._targets: dict[str, io.FileIO] = {}
        self._reader, self._writer = ThreadPoolExecutor(1), ThreadPoolExecutor(1)
        self._writing: Future[int] | None = None
        self.counted = Counted()

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            for file, source in self._sources.items():
                target = opening.enter_context(io.FileIO(self._temporary(file), "w"))
                _reserve(target, source)
                _write_all(target, 0, source.header)
                self._targets[file] = target
            self._opened = opening.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._opened:
            self._reader.shutdown()
            self._writer.shutdown()
            if kind is None:
                self._wait()
                for target in self._targets.values():
                    os.fsync(target.fileno())
        if kind is None:
            for file in self._targets:
                self._temporary(file).replace(self._folder / file)

    def read(self, names: Iterable[str]) -> Iterator[Tensor]:
        """Dense tensors in this order. Shapes: each as stored."""
        coming: deque[Future[Tensor]] = deque()
        for name in names:
            coming.append(self._reader.submit(self._read, name))
            if len(coming) > 1:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()

    def write(self, name: str, tensor: Tensor) -> None:
        """Write what became of a tensor to its place. Shapes: as stored."""
        self._put(name, 0, tensor)
        self._written.add(name)

    def copy_the_rest(self) -> None:
        """Write all tensors that were not written, as they are in the base."""
        for source in self._sources.values():
            for name in source.tensors:
                if name in self._written:
                    continue
                offset = 0
                for piece in source.pieces(name):
                    self._see(name, piece)
                    self._put(name, offset, piece)
                    offset += piece.nbytes

    def _read(self, name: str) -> Tensor:
        tensor = self._sources[self._home[name]].read(name)
        self._see(name, tensor)
        return tensor

    def _put(self, name: str, offset: int, numbers: Tensor) -> None:
        file = self._home[name]
        self._wait()
        start = self._sources[file].tensors[name].start + offset
        self._writing = self._writer.submit(_write_all, self._targets[file], start, as_bytes(numbers))
        self.counted.zeros += n_zeros(numbers)
        self.counted.weights += numbers.numel()

    def _wait(self) -> None:
        if self._writing is not None:
            self._writing.result()

    def _temporary(self, file: str) -> Path:
        return self._folder / (file + TEMP_SUFFIX)


def _reserve(target: io.FileIO, source: WeightFile) -> None:
    size = source.path.stat().st_size
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(target.fileno(), 0, size)
    else:
        target.truncate(size)


def _write_all(target: io.FileIO, start: int, data: bytes | memoryview) -> int:
    target.seek(start)
    done = 0
    while done < len(data):
        done += target.write(data[done:])
    return done
