"""The words of ``secateur.randomness`` made where they are used, on an accelerator: the same numbers to the last bit.

Torch has no unsigned words of 64 bits, so words stand in int64, and halves of products are put together.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from secateur.randomness import (
    MULTIPLIER_0,
    MULTIPLIER_1,
    ROUNDS,
    WEYL_0,
    WEYL_1,
    WIDE_MULTIPLIER_0,
    WIDE_MULTIPLIER_1,
    WIDE_WEYL_0,
    WIDE_WEYL_1,
    Domain,
    stream_key,
)

_LOW = 0xFFFFFFFF
_BLOCKS_AT_ONCE = 2**21  # of four words, some 300 bytes of memory each


def philox4x32(counter: tuple[Tensor, ...], key: tuple[Tensor, Tensor]) -> tuple[Tensor, ...]:
    """As :func:`secateur.randomness.philox4x32`, of words of 32 bits in int64. Shapes: all [n] -> four [n]."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(ROUNDS):
        # The product's upper half survives the sign it may be given.
        first, second = c0 * int(MULTIPLIER_0), c2 * int(MULTIPLIER_1)
        c0, c1, c2, c3 = (
            (second >> 32 & _LOW) ^ c1 ^ k0,
            second & _LOW,
            (first >> 32 & _LOW) ^ c3 ^ k1,
            first & _LOW,
        )
        k0, k1 = k0 + int(WEYL_0) & _LOW, k1 + int(WEYL_1) & _LOW
    return c0, c1, c2, c3


def raw_words(domain: Domain, seed: int, *names: str | int, n: int, device: torch.device) -> Tensor:
    """The first words of ``secateur.randomness.bits(domain, seed, *names)``. Shapes: -> int64 [n]."""
    words = torch.empty(-(-n // 4), 4, dtype=torch.int64, device=device)
    key = stream_key(domain, seed, *names)
    for start in range(0, len(words), _BLOCKS_AT_ONCE):
        part = words[start : start + _BLOCKS_AT_ONCE]
        # NumPy counts on before it makes a block, so its first is number 1.
        numbers = torch.arange(start + 1, start + 1 + len(part), device=device)
        _philox4x64(numbers, key, part)
    return words.view(-1)[:n]


def _philox4x64(numbers: Tensor, key: tuple[np.uint64, np.uint64], words: Tensor) -> None:
    """The blocks of the counters (number, 0, 0, 0). Shapes: numbers [n]; words [n, 4], written to."""
    nothing = torch.zeros_like(numbers)
    c0, c1, c2, c3 = numbers, nothing, nothing, nothing
    k0, k1 = (int(word) for word in key)
    for _ in range(ROUNDS):
        high_0, low_0 = _product(int(WIDE_MULTIPLIER_0), c0)
        high_1, low_1 = _product(int(WIDE_MULTIPLIER_1), c2)
        c0, c1, c2, c3 = high_1 ^ c1 ^ _signed(k0), low_1, high_0 ^ c3 ^ _signed(k1), low_0
        k0, k1 = (k0 + int(WIDE_WEYL_0)) % 2**64, (k1 + int(WIDE_WEYL_1)) % 2**64
    for place, column in enumerate((c0, c1, c2, c3)):
        words[:, place] = column


def _product(multiplier: int, words: Tensor) -> tuple[Tensor, Tensor]:
    """The upper and the lower half of the products of words of 64 bits. Shapes: words [n] -> both [n]."""
    lower, upper = words & _LOW, _upper(words)
    first, second = multiplier & _LOW, multiplier >> 32
    cross, other = lower * second, upper * first
    carried = _upper(lower * first) + (cross & _LOW) + (other & _LOW) >> 32
    return upper * second + _upper(cross) + _upper(other) + carried, words * _signed(multiplier)


def _upper(words: Tensor) -> Tensor:
    return words >> 32 & _LOW


def _signed(word: int) -> int:
    """The number in int64 that has the bits of an unsigned word."""
    return word - 2**64 if word >= 2**63 else word
