"""Counter-based randomness: a draw is a function of named numbers and of nothing else.

The generator is Philox (Salmon et al., SC 2011, "Parallel random numbers: as easy as 1, 2, 3"). Two forms are
used, both checked against the published test vectors: ``philox4x32`` with 10 rounds where single draws are looked up
by name (sampling), and NumPy's ``Philox`` (4x64, 10 rounds) where long streams are read in order (masks, shuffles).
Which number goes into which word is fixed in ``docs/design/randomness.md``.
"""

from __future__ import annotations

import sys
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from secateur.errors import InputError
from secateur.identity import digest, key64

UInt32Array = npt.NDArray[np.uint32]

MULTIPLIER_0 = np.uint64(0xD2511F53)
MULTIPLIER_1 = np.uint64(0xCD9E8D57)
WEYL_0 = np.uint32(0x9E3779B9)
WEYL_1 = np.uint32(0xBB67AE85)
ROUNDS = 10


class Domain(IntEnum):
    """What draws are for; the same seed in two domains gives unrelated draws."""

    SAMPLING = 1
    MASK = 2
    CALIBRATION = 3
    PLANTED = 4
    SIGN_FLIP = 5
    NOISE = 6


def check_seed(seed: int, name: str = "seed") -> int:
    """``seed`` itself if it fits in 32 bits.

    Raises:
        InputError: If it does not.
    """
    if not 0 <= seed < 2**32:
        raise InputError(f"A {name} is out of range.", allowed="0 .. 4294967295", got=seed)
    return seed


def philox4x32(counter: UInt32Array, key: UInt32Array) -> UInt32Array:
    """Philox-4x32 with 10 rounds.

    Shapes: counter [..., 4], key [..., 2] (broadcast over the leading axes) -> [..., 4].
    """
    shape = np.broadcast_shapes(counter.shape[:-1], key.shape[:-1])
    c0, c1, c2, c3 = (np.broadcast_to(counter[..., i], shape) for i in range(4))
    k0, k1 = np.atleast_1d(key[..., 0]), np.atleast_1d(key[..., 1])  # of single numbers the sums would warn
    for round_ in range(ROUNDS):
        if round_:
            k0, k1 = k0 + WEYL_0, k1 + WEYL_1
        high_0, low_0 = _product(MULTIPLIER_0, c0)
        high_1, low_1 = _product(MULTIPLIER_1, c2)
        c0, c1, c2, c3 = high_1 ^ c1 ^ k0, low_1, high_0 ^ c3 ^ k1, low_0
    return np.stack(np.broadcast_arrays(c0, c1, c2, c3), axis=-1).reshape(*shape, 4)


def _product(multiplier: np.uint64, words: UInt32Array) -> tuple[UInt32Array, UInt32Array]:
    """The upper and the lower half of the products. Shapes: words [...] -> both [...]."""
    # Read where they stand in memory: nothing is shifted, masked or copied.
    halves = np.asarray(np.multiply(words, multiplier, dtype=np.uint64))[..., None].view(np.uint32)
    return (halves[..., 1], halves[..., 0]) if sys.byteorder == "little" else (halves[..., 0], halves[..., 1])


def stream(domain: Domain, seed: int, *names: str | int) -> np.random.Generator:
    """A generator of its own for every (domain, seed, names); the same names give the same draws anywhere.

    Args:
        domain: What the draws are for.
        seed: 0 .. 2**32 - 1.
        names: What tells this stream from others with the same seed, for example a layer's name.
    """
    return np.random.Generator(bits(domain, seed, *names))


def bits(domain: Domain, seed: int, *names: str | int) -> np.random.Philox:
    """The bit generator under :func:`stream`, for reading raw 64-bit words."""
    return np.random.Philox(key=np.array(stream_key(domain, seed, *names), dtype=np.uint64), counter=0)


def stream_key(domain: Domain, seed: int, *names: str | int) -> tuple[int, int]:
    """The two words of the key of :func:`bits`."""
    check_seed(seed)
    name_word = key64(digest("stream", [str(name) for name in names]))
    return name_word, (int(domain) << 32) | seed
