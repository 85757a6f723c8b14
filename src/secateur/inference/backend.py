"""The backend protocol: two methods and the plain values that go in and come out. See ``docs/design/backend.md``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from secateur.items.corpora import Window


@dataclass(frozen=True, slots=True)
class Request:
    """An item in one option order, as prompt tokens, and what is wanted of it.

    Args:
        item: The item's 64-bit key.
        order: Which option stands at which letter, for example "120".
        tokens: The whole prompt.
        letter: Whether the letters' log-probabilities are wanted.
        seeds: Sampling seeds, one answer each.
    """

    item: int
    order: str
    tokens: tuple[int, ...]
    letter: bool = True
    seeds: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """One sampled answer.

    Args:
        seed: Its seed.
        text: Decoded new tokens, without the end token.
        stop: Why it ended, one of ``records.tables.STOPS``.
    """

    seed: int
    text: str
    stop: str


@dataclass(frozen=True, slots=True)
class Response:
    """What a model says to a request.

    Args:
        item: The request's item.
        order: The request's order.
        letters: Log-probabilities in nats of A, B, C among the whole vocabulary (NaN if not finite), if wanted.
        samples: One per seed, in the request's order of seeds.
    """

    item: int
    order: str
    letters: tuple[float, float, float] | None
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class Probe:
    """At which positions of a window the whole next-token distribution is looked at, and how much of it is kept.

    Args:
        every: Every so many scored tokens: the ``every``-th, the 2 ``every``-th, and so on.
        top: Most probable tokens kept of each; all if the vocabulary has no more.
    """

    every: int
    top: int

    def positions(self, window: Window) -> int:
        """How many positions of a window are looked at."""
        return window.n_scored // self.every


@dataclass(frozen=True, slots=True, eq=False)
class Probed:
    """What was seen of a window's distributions.

    Args:
        best: The most probable token, of equal ones that with the lowest id; -1 where the logits are not finite.
        tokens: The tokens asked about; without such, the most probable ones, most probable first.
        logprobs: Their log-probabilities in nats among the whole vocabulary; NaN where not finite.
        rest: Log-probability of all other tokens together; minus infinity if there are none.

    Shapes: best, rest [positions]; tokens, logprobs [positions, t].
    """

    best: npt.NDArray[np.int32]
    tokens: npt.NDArray[np.int32]
    logprobs: npt.NDArray[np.float32]
    rest: npt.NDArray[np.float32]

    def __eq__(self, other: object) -> bool:
        """Whether every bit is the same."""
        return isinstance(other, Probed) and self._bytes == other._bytes

    def __hash__(self) -> int:
        return hash(self._bytes)

    @property
    def _bytes(self) -> tuple[bytes, ...]:
        return tuple(array.tobytes() for array in (self.best, self.tokens, self.logprobs, self.rest))


@dataclass(frozen=True, slots=True)
class TextScore:
    """What a model makes of a window of text.

    Args:
        window: The window's 64-bit key.
        nll: Summed negative log-likelihood of the scored tokens in nats; NaN if not finite.
        probed: What a probe saw, if there was one.
    """

    window: int
    nll: float
    probed: Probed | None = None


@dataclass(frozen=True)
class Decoding:
    """How answers are sampled.

    Args:
        temperature: Above 0.
        max_new_tokens: At most this many.
        stop_tokens: Ids that end an answer.
    """

    temperature: float
    max_new_tokens: int
    stop_tokens: tuple[int, ...]


class Backend(Protocol):
    """Answers for one variant of one model.

    Both methods answer in the order of what they are given, one result each.
    """

    def answer(self, requests: Sequence[Request]) -> Iterator[Response]:
        """Ask the model."""
        ...

    def read_text(
        self,
        windows: Sequence[Window],
        probe: Probe | None = None,
        tokens: Mapping[int, npt.NDArray[np.int32]] | None = None,
    ) -> Iterator[TextScore]:
        """Let the model read text.

        Args:
            windows: The text.
            probe: If distributions are to be looked at.
            tokens: For each window's key the tokens to look at, [positions, t]; ``None``: the most probable ones.
        """
        ...
