"""Facts about large tensors from their bits, in slices that stay in a processor's cache.

Integers are counted and compared several times as fast as 16-bit floats, and what is made of a slice needs no fresh
memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

SLICE = 2**18
"""Numbers that are worked on at once by a processor."""

SLICE_ON_DEVICE = 2**26
"""By an accelerator, which wants few, large calls."""

_INTEGERS = {2: torch.int16, 4: torch.int32, 8: torch.int64}

_UNCOUNTABLE = {
    torch.float8_e4m3fn: torch.float32,
    torch.float8_e5m2: torch.float32,
    torch.uint16: torch.int64,
    torch.uint32: torch.int64,
    torch.uint64: torch.int64,
}
"""Dtypes whose non-zeros torch does not count, and what they are counted as."""


def as_integers(numbers: Tensor) -> Tensor:
    """The same memory, its bits read as integers: all bits zero is 0, and floats of 0 and above keep their order.

    Shapes: as numbers.
    """
    return numbers.view(_INTEGERS[numbers.element_size()])


def as_bytes(numbers: Tensor) -> memoryview:
    """A contiguous tensor's own memory as bytes. Shapes: any -> [bytes]."""
    flat = numbers.reshape(-1)
    return flat.view(torch.uint8).numpy().data if flat.numel() else memoryview(b"")


def row_slices(matrix: Tensor) -> Iterator[slice]:
    """Slices of rows of about :data:`SLICE` numbers, on a device :data:`SLICE_ON_DEVICE`. Shapes: matrix [o, i]."""
    rows, columns = matrix.shape
    step = max(1, (SLICE if matrix.device.type == "cpu" else SLICE_ON_DEVICE) // max(1, columns))
    return (slice(start, start + step) for start in range(0, rows, step))


def packed(flags: Tensor) -> npt.NDArray[np.uint8]:
    """Eight truth values a byte, the first in its highest bit, the last byte filled up with 0; as ``numpy.packbits``.

    Packed where they are, so that an eighth is brought to the processor. Shapes: flags bool, any -> [bytes].
    """
    flat = flags.reshape(-1)
    if flat.device.type == "cpu":
        return np.packbits(flat.numpy())
    eights = torch.nn.functional.pad(flat.view(torch.uint8), (0, -len(flat) % 8)).reshape(-1, 8)
    places = torch.tensor([128, 64, 32, 16, 8, 4, 2, 1], dtype=torch.uint8, device=flat.device)
    found: npt.NDArray[np.uint8] = (eights * places).sum(dim=1, dtype=torch.uint8).cpu().numpy()
    return found


def n_zeros(numbers: Tensor) -> int:
    """How many numbers are zero, of either sign. Shapes: any."""
    if not _sliced(numbers):
        if numbers.dtype in _UNCOUNTABLE:
            numbers = numbers.to(_UNCOUNTABLE[numbers.dtype])
        return numbers.numel() - int(torch.count_nonzero(numbers))
    return numbers.numel() - sum(int(np.count_nonzero(part)) for part in _magnitudes(numbers))


def all_finite(numbers: Tensor) -> bool:
    """Whether no number is NaN or infinite. Shapes: any."""
    return math.isfinite(largest(numbers))


def largest(numbers: Tensor) -> float:
    """The largest absolute value; infinite if one is, or is NaN; 0 of no numbers and of integers. Shapes: any."""
    if not numbers.is_floating_point() or not numbers.numel():
        return 0.0
    if not _sliced(numbers):
        return float(numbers.double().nan_to_num(torch.inf, torch.inf, -torch.inf).abs().max())
    bits = max(int(part.max()) for part in _magnitudes(numbers))
    if bits >= _infinity(numbers.dtype):
        return math.inf
    return float(torch.tensor([bits], dtype=_INTEGERS[numbers.element_size()]).view(numbers.dtype))


def n_not_finite(numbers: Tensor) -> int:
    """How many numbers are NaN or infinite. Shapes: any."""
    if not _sliced(numbers):
        return int((~torch.isfinite(numbers.double())).sum())
    infinity = _infinity(numbers.dtype)
    return sum(int(np.count_nonzero(part >= infinity)) for part in _magnitudes(numbers))


def _infinity(dtype: torch.dtype) -> int:
    return int(as_integers(torch.tensor([torch.inf], dtype=dtype)))


def _sliced(numbers: Tensor) -> bool:
    return numbers.device.type == "cpu" and numbers.is_floating_point() and numbers.element_size() in _INTEGERS


def _magnitudes(numbers: Tensor) -> Iterator[npt.NDArray[np.signedinteger]]:
    """The bits without the sign, slice by slice: they have the order of the absolute values."""
    bits = as_integers(numbers.reshape(-1)).numpy()
    largest = np.iinfo(bits.dtype).max
    return (bits[start : start + SLICE] & largest for start in range(0, len(bits), SLICE))
