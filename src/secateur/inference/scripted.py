"""A backend without a model, for tests, examples and dry runs. It ships, because a user's own code needs one too."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice

import numpy as np
import numpy.typing as npt
import torch

from secateur.identity import digest, key64
from secateur.inference.backend import Probe, Request, Response, Sample, TextScore
from secateur.inference.probing import look
from secateur.inference.sampling import gumbel
from secateur.items.corpora import Window
from secateur.items.orders import LETTERS, order_number

Preferences = Callable[[Request], tuple[float, float, float]]
"""Scores of the answers A, B, C for a request, larger is likelier; with one that is not finite, no answer is."""


def hashed_preferences(name: str) -> Preferences:
    """Scores between -1 and 1 that look random but are a function of name, item and order."""

    def prefer(request: Request) -> tuple[float, float, float]:
        words = key64(digest("script", [name, f"{request.item:016x}", request.order]))
        a, b, c = (((words >> shift) & 0xFFFF) / 0x7FFF - 1 for shift in (0, 16, 32))
        return a, b, c

    return prefer


class ScriptedBackend:
    """Answers that are a function of the request.

    Args:
        prefer: Scores of the three letters; by default hashed from item and order.
        letter_mass: Probability of the three letters together, in (0, 1].
        text: What next-token distributions are hashed from, beside the window.
        vocabulary: How many tokens they have.
    """

    def __init__(
        self,
        prefer: Preferences | None = None,
        *,
        letter_mass: float = 0.9,
        text: str = "scripted",
        vocabulary: int = 64,
    ) -> None:
        self._prefer = prefer or hashed_preferences("scripted")
        self._mass = letter_mass
        self._text = text
        self._vocabulary = vocabulary

    def answer(self, requests: Sequence[Request]) -> Iterator[Response]:
        """One response per request: letters by softmax of the scores, samples drawn as the torch backend draws."""
        scores = np.array([self._prefer(request) for request in requests], np.float64).reshape(-1, 3)
        scores[~np.isfinite(scores).all(axis=1)] = np.nan
        logprobs = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True)) + math.log(self._mass)
        samples = _samples(requests, scores)
        for request, (a, b, c) in zip(requests, logprobs.tolist(), strict=True):
            yield Response(
                item=request.item,
                order=request.order,
                letters=(a, b, c) if request.letter else None,
                samples=tuple(islice(samples, len(request.seeds))),
            )

    def read_text(
        self,
        windows: Sequence[Window],
        probe: Probe | None = None,
        tokens: Mapping[int, npt.NDArray[np.int32]] | None = None,
    ) -> Iterator[TextScore]:
        """One score per window: two nats a token, and distributions hashed from the window."""
        for window in windows:
            probed = None
            if probe is not None:
                logits = self._logits(window, probe.positions(window))
                probed = look(logits, probe, None if tokens is None else tokens[window.key])
            yield TextScore(window.key, 2.0 * window.n_scored, probed)

    def _logits(self, window: Window, positions: int) -> torch.Tensor:
        """Logits between -2 and 2 that look random. Shapes: -> [positions, vocabulary]."""
        key = key64(digest("script", [self._text, f"{window.key:016x}"]))
        words = np.random.Philox(key=key).random_raw(positions * self._vocabulary)
        logits = words.astype(np.float64) / 2.0**62 - 2
        return torch.from_numpy(logits.astype(np.float32).reshape(positions, self._vocabulary))


def _samples(requests: Sequence[Request], scores: npt.NDArray[np.float64]) -> Iterator[Sample]:
    """The samples of all requests, seed by seed. Shapes: scores [requests, 3]."""
    seeds = np.array([seed for request in requests for seed in request.seeds], np.uint32)
    which = np.array([place for place, request in enumerate(requests) for _ in request.seeds], np.int64)  # [samples]
    items = np.array([request.item for request in requests], np.uint64)[which]
    orders = np.array([order_number(request.order) for request in requests], np.uint32)[which]
    noise = gumbel(
        np.repeat(seeds, 3), np.repeat(items, 3), np.repeat(orders, 3), 0, np.tile(np.arange(3), len(seeds))
    ).reshape(-1, 3)
    letters = np.argmax(scores[which] + noise, axis=1)
    broken = np.isnan(scores[which, 0])
    for seed, letter, silent in zip(seeds.tolist(), letters.tolist(), broken.tolist(), strict=True):
        yield Sample(seed, "", "nonfinite") if silent else Sample(seed, LETTERS[letter], "eos")
