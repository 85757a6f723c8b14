"""A safetensors file read by plain file reads: what is read counts as memory only while it is held.

A memory-mapped file, which is what the library gives, counts every page that was touched until the file is closed.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open

from secateur.errors import InputError, UnsupportedModelError

PIECE = 2**24
"""Bytes that are read or copied at once where a tensor need not be whole."""

_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U64": torch.uint64,
    "U32": torch.uint32,
    "U16": torch.uint16,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


@dataclass(frozen=True)
class StoredTensor:
    """Where one tensor is.

    Args:
        name: Its name.
        dtype: As stored.
        shape: As stored.
        start: Its first byte in the file.
        end: One past its last byte.
    """

    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]
    start: int
    end: int


@dataclass(frozen=True)
class WeightFile:
    """One safetensors file.

    Args:
        path: Where it is.

    Raises:
        InputError: If it is not a whole safetensors file.
        UnsupportedModelError: If it holds a dtype that torch has no name for.
    """

    path: Path

    @cached_property
    def header(self) -> bytes:
        """Everything before the first tensor."""
        try:
            with safe_open(self.path, framework="pt"):  # the library's own checks of header and size
                pass
            with self.path.open("rb") as file:
                length = int.from_bytes(file.read(8), "little")
                file.seek(0)
                return file.read(8 + length)
        except (SafetensorError, OSError) as error:
            raise InputError("A weight file cannot be read.", where=self.path, got=str(error)) from None

    @cached_property
    def tensors(self) -> dict[str, StoredTensor]:
        """Name -> place, in the order of the bytes."""
        entries = json.loads(self.header[8:])
        entries.pop("__metadata__", None)
        found = [self._placed(name, entry) for name, entry in entries.items()]
        return {tensor.name: tensor for tensor in sorted(found, key=lambda tensor: (tensor.start, tensor.end))}

    def read(self, name: str) -> torch.Tensor:
        """One tensor, in memory of its own. Shapes: as stored.

        Raises:
            InputError: If the file ends too early: somebody changes it.
        """
        place = self.tensors[name]
        with self._at(place.start) as file:
            return self._next(file, place.end - place.start).view(place.dtype).reshape(place.shape)

    def pieces(self, name: str) -> Iterator[torch.Tensor]:
        """One tensor's numbers in order, a piece in memory at a time. Shapes: each [numbers].

        Raises:
            InputError: As :meth:`read`.
        """
        place = self.tensors[name]
        with self._at(place.start) as file:
            for start in range(place.start, place.end, PIECE):
                yield self._next(file, min(PIECE, place.end - start)).view(place.dtype)

    def _at(self, start: int) -> io.FileIO:
        try:
            file = io.FileIO(self.path)
        except OSError as error:
            raise InputError("A weight file cannot be read.", where=self.path, got=str(error)) from None
        file.seek(start)
        return file

    def _next(self, file: io.FileIO, n_bytes: int) -> torch.Tensor:
        buffer = np.empty(n_bytes, np.uint8)  # NumPy asks for huge pages, which come several times as fast
        view = buffer.data
        done = 0
        while done < n_bytes:
            try:
                read = file.readinto(view[done:])
            except OSError as error:
                raise InputError("A weight file cannot be read.", where=self.path, got=str(error)) from None
            if not read:
                raise InputError("A weight file ended too early.", where=self.path, todo="leave it alone and try again")
            done += read
        return torch.from_numpy(buffer)

    def _placed(self, name: str, entry: dict[str, Any]) -> StoredTensor:
        if entry["dtype"] not in _DTYPES:
            raise UnsupportedModelError(
                "A tensor is stored in a format that torch has no name for.",
                where=f"{self.path}, {name}",
                got=entry["dtype"],
            )
        start, end = (len(self.header) + offset for offset in entry["data_offsets"])
        return StoredTensor(name, _DTYPES[entry["dtype"]], tuple(entry["shape"]), start, end)
