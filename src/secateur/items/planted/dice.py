"""Draws for the planted world: by name, the same on every machine and in every version."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

_BLOCK = 4096
_WORDS = 2.0**64


class Dice:
    """A stream of draws of its own for every (seed, names).

    Args:
        seed: 0 .. 2**32 - 1.
        names: What tells this stream from others with the same seed.
    """

    def __init__(self, seed: int, *names: str | int) -> None:
        # Here, not above: the table of benchmarks must not cost the import of NumPy.
        from secateur.randomness import Domain, bits

        self._bits = bits(Domain.PLANTED, seed, *names)
        self._words: list[int] = []

    def _word(self) -> int:
        if not self._words:
            # A block at a time: one call for one word is slow.
            self._words = self._bits.random_raw(_BLOCK).tolist()
        return self._words.pop()

    def pick(self, things: Sequence[T]) -> T:
        """One of them, each equally likely."""
        return things[self._word() % len(things)]

    def chance(self, probability: float) -> bool:
        """Whether something of this probability happens."""
        return self._word() / _WORDS < probability

    def shuffled(self, things: Sequence[T]) -> list[T]:
        """All of them in a drawn order."""
        words = [self._word() for _ in things]
        return [things[i] for i in sorted(range(len(things)), key=words.__getitem__)]

    def dealt(self, things: Sequence[T], n: int) -> list[T]:
        """``n`` of them in a drawn order, each as often as any other or once more."""
        return self.shuffled([things[i % len(things)] for i in range(n)])
