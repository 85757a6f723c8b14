"""Answers while they are drawn: which are open, which share a text so far, why they ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from torch import Tensor

from secateur.inference.backend import Decoding, Request, Response, Sample
from secateur.inference.sampling import NOT_FINITE, draw


@dataclass
class _Answer:
    row: int
    seed: int
    tokens: list[int] = field(default_factory=list)
    stop: str = ""


@dataclass(frozen=True)
class Branches:
    """Distinct texts that some answers have come to, each one token longer than the branch it grew from.

    Args:
        parents: Place of that branch among those before.
        tokens: What was drawn there.

    Shapes: both [branches].
    """

    parents: npt.NDArray[np.int64]
    tokens: npt.NDArray[np.int64]


class Growing:
    """The answers to some requests. Answers with the same text so far stand on one branch.

    Args:
        requests: The requests.
        decoding: How they are sampled.
        branches: On which branch each request begins.

    Shapes: branches [requests].
    """

    def __init__(self, requests: Sequence[Request], decoding: Decoding, branches: npt.NDArray[np.int64]) -> None:
        self._requests, self._decoding = requests, decoding
        self._answers = [_Answer(row, seed) for row, request in enumerate(requests) for seed in request.seeds]
        self._open = self._answers
        self._branches = branches[[answer.row for answer in self._answers]] if self._answers else branches[:0]
        self._step = 0

    @property
    def any(self) -> bool:
        """Whether there is anything to draw."""
        return bool(self._answers)

    def draw(self, logits: Tensor) -> Branches | None:
        """Draw the next token of every open answer; the branches of those that stay open, ``None`` if none does.

        Shapes: logits [branches, vocabulary].
        """
        if not self._open:
            return None
        tokens = draw(
            logits,
            self._branches,
            temperature=self._decoding.temperature,
            seeds=np.array([answer.seed for answer in self._open], dtype=np.uint32),
            items=np.array([self._requests[answer.row].item for answer in self._open], dtype=np.uint64),
            orders=[self._requests[answer.row].order for answer in self._open],
            step=self._step,
        )
        self._step += 1
        for answer, token in zip(self._open, tokens.tolist(), strict=True):
            self._extend(answer, token)
        going = [place for place, answer in enumerate(self._open) if not answer.stop]
        self._open = [self._open[place] for place in going]
        if not going:
            return None
        # A branch is the one before and the token drawn there; equal pairs are the same text.
        pairs = np.stack([self._branches[going], tokens[going]], axis=1)
        distinct, branches = np.unique(pairs, axis=0, return_inverse=True)
        self._branches = branches.reshape(-1)
        return Branches(distinct[:, 0], distinct[:, 1])

    def responses(self, letters: Sequence[Sequence[float]], decode: Callable[[list[int]], str]) -> list[Response]:
        """What was found, request by request.

        Args:
            letters: Log-probabilities of A, B, C after each request's prompt.
            decode: From new tokens to text.
        """
        samples: list[list[Sample]] = [[] for _ in self._requests]
        texts: dict[tuple[int, ...], str] = {}
        for answer in self._answers:
            if (tokens := tuple(answer.tokens)) not in texts:
                texts[tokens] = decode(answer.tokens)
            samples[answer.row].append(Sample(answer.seed, texts[tokens], answer.stop))
        return [
            Response(request.item, request.order, (a, b, c) if request.letter else None, tuple(found))
            for request, (a, b, c), found in zip(self._requests, letters, samples, strict=True)
        ]

    def _extend(self, answer: _Answer, token: int) -> None:
        if token == NOT_FINITE:
            answer.stop = "nonfinite"
        elif token in self._decoding.stop_tokens:
            answer.stop = "eos"
        else:
            answer.tokens.append(token)
            if self._step == self._decoding.max_new_tokens:
                answer.stop = "length"
