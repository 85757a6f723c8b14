"""The words of ``secateur.randomness`` made where they are used, on an accelerator: the same numbers to the last bit.

Torch has no unsigned words of 64 bits, so words stand in int64, and halves of products are put together.
"""

from __future__ import annotations

import torch
from torch import Tensor

from secateur.randomness import MULTIPLIER_0, MULTIPLIER_1, ROUNDS, WEYL_0, WEYL_1, Domain, stream_key

_LOW = 0xFFFFFFFF
# Of the cipher of 64 bits, which elsewhere is NumPy's; from the paper.
_WIDE_MULTIPLIERS = 0xD2E7470EE14C6C93, 0xCA5A826395121157
_WIDE_WEYL = 0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B
_BLOCKS_AT_ONCE = 2**21  # of four words, some 300 bytes of memory each


def made_there(device: torch.device) -> bool:
    """Whether words are made on this device; on others they are brought from the processor."""
    return device.type == "cuda"


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


def _philox4x64(numbers: Tensor, key: tuple[int, int], words: Tensor) -> None:
    """The blocks of the counters (number, 0, 0, 0). Shapes: numbers [n]; words [n, 4], written to."""
    nothing = torch.zeros_like(numbers)
    c0, c1, c2, c3 = numbers, nothing, nothing, nothing
    k0, k1 = key
    for _ in range(ROUNDS):
        high_0, low_0 = _product(_WIDE_MULTIPLIERS[0], c0)
        high_1, low_1 = _product(_WIDE_MULTIPLIERS[1], c2)
        c0, c1, c2, c3 = high_1 ^ c1 ^ _signed(k0), low_1, high_0 ^ c3 ^ _signed(k1), low_0
        k0, k1 = (k0 + _WIDE_WEYL[0]) % 2**64, (k1 + _WIDE_WEYL[1]) % 2**64
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
