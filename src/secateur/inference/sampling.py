"""Drawing tokens: Gumbel-max with counter-based noise. Word layout and reasons: ``docs/design/randomness.md``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from secateur.inference import device_sampling
from secateur.items.orders import order_number
from secateur.models.device_words import made_there
from secateur.randomness import Domain, philox4x32

SAMPLER = "gumbel-philox4x32-1"
"""Name of this way of drawing; part of the ask protocol."""

_STEPS = 2**24
_SMALLEST_WORD, _LARGEST_WORD = 0, 2**32 - 1


def gumbel(
    seeds: npt.NDArray[np.uint32],
    items: npt.NDArray[np.uint64],
    orders: npt.NDArray[np.uint32],
    step: int,
    tokens: npt.NDArray[np.int64],
) -> npt.NDArray[np.float64]:
    """Standard Gumbel noise, a function of the five numbers and nothing else.

    Shapes: seeds, items, orders, tokens [n] -> [n]; ``orders`` holds order numbers 0..5.

    Raises:
        ValueError: If ``step`` is not 0 .. 2**24 - 1.
    """
    first = _begins_a_counter(tokens)
    for names in (seeds, items, orders):
        first[1:] |= names[1:] != names[:-1]
    at = np.flatnonzero(first)
    return _noise(_words(tokens, first, seeds[at], items[at], orders[at], step))


def _begins_a_counter(tokens: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Where, of tokens of one answer, another counter than the one before is needed. Shapes: tokens [n] -> [n].

    Four tokens share a counter and often stand together; it is then encrypted once for them.
    """
    first = np.ones(len(tokens), dtype=np.bool_)
    first[1:] = tokens[1:] // 4 != tokens[:-1] // 4
    return first


def _words(
    tokens: npt.NDArray[np.int64],
    first: npt.NDArray[np.bool_],
    seeds: npt.NDArray[np.uint32],
    items: npt.NDArray[np.uint64],
    orders: npt.NDArray[np.uint32],
    step: int,
) -> npt.NDArray[np.uint32]:
    """The random word of each token.

    Shapes: tokens, first [n]; seeds, items, orders [counters], of the tokens that are ``first`` -> [n].
    """
    counter = np.empty((len(seeds), 4), dtype=np.uint32)
    counter[:, 0], counter[:, 1], counter[:, 2] = _counter_words(items, orders, step)
    counter[:, 3] = tokens[first] // 4
    key = np.empty((len(seeds), 2), dtype=np.uint32)
    key[:, 0] = seeds
    key[:, 1] = int(Domain.SAMPLING)
    found: npt.NDArray[np.uint32] = philox4x32(counter, key).ravel()[4 * (np.cumsum(first) - 1) + tokens % 4]
    return found


def _counter_words(
    items: npt.NDArray[np.uint64], orders: npt.NDArray[np.uint32], step: int
) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
    """The first three words of counters. Shapes: items, orders [n] -> each [n]."""
    if not 0 <= step < _STEPS:
        raise ValueError(f"step {step} does not fit in 24 bits")
    low, high = (items & np.uint64(0xFFFFFFFF)).astype(np.uint32), (items >> np.uint64(32)).astype(np.uint32)
    return low, high, orders * np.uint32(_STEPS) + np.uint32(step)


def _noise(words: npt.NDArray[np.uint32]) -> npt.NDArray[np.float64]:
    noise: npt.NDArray[np.float64] = -np.log(-np.log((words.astype(np.float64) + 0.5) / 2.0**32))
    return noise


NOISE_RANGE = float(np.diff(_noise(np.array([_SMALLEST_WORD, _LARGEST_WORD], dtype=np.uint32)))[0])
"""Largest difference of two noise values: a token further below the best than this can never win."""

_ROUNDING_SLACK = 0.1  # logits are compared with the best in float32 before the noise is added in float64
_PAIRS_AT_ONCE = 2**17  # answers x candidate tokens held in memory together

NOT_FINITE = -1
"""Drawn in place of a token where the logits are NaN or infinite."""


def draw(
    logits: Tensor,
    branches: npt.NDArray[np.int64],
    *,
    temperature: float,
    seeds: npt.NDArray[np.uint32],
    items: npt.NDArray[np.uint64],
    orders: list[str],
    step: int,
) -> npt.NDArray[np.int64]:
    """Draw one token for each of ``n`` answers.

    Args:
        logits: Of the next token, one row per distinct text so far; minus infinity forbids a token.
        branches: Which row of ``logits`` each answer stands on.
        temperature: Above 0; logits are divided by it.
        seeds: Each answer's seed.
        items: Each answer's item key.
        orders: Each answer's order, as digits.
        step: 0 for the first new token.

    Raises:
        ValueError: If ``step`` is not 0 .. 2**24 - 1.

    Shapes: logits [rows, vocabulary]; branches, seeds, items, orders [n] -> [n] token ids, or ``NOT_FINITE``.
    """
    scaled = logits.float() / temperature
    best = scaled.amax(dim=1, keepdim=True)
    usable = torch.isfinite(best[:, 0]) & ~torch.isnan(scaled).any(dim=1)
    near = (scaled >= best - (NOISE_RANGE + _ROUNDING_SLACK)) & usable[:, None]
    rows, tokens = torch.nonzero(near, as_tuple=True)
    numbers = np.array([order_number(order) for order in orders], dtype=np.uint32)
    if made_there(logits.device):  # it would wait for the processor at every step
        begins_at = torch.searchsorted(rows, torch.arange(logits.shape[0] + 1, device=rows.device))
        counter, key = _counter_words(items, numbers, step), (seeds, int(Domain.SAMPLING))
        return device_sampling.pick((tokens, scaled[rows, tokens]), begins_at, branches, counter, key, NOT_FINITE)
    values = scaled[rows, tokens].cpu().double().numpy()
    candidates = tokens.cpu().numpy()
    highest = best[:, 0].cpu().double().numpy()
    starts = np.searchsorted(rows.cpu().numpy(), np.arange(logits.shape[0] + 1))
    counts = np.diff(starts)[branches]
    drawn = np.full(len(branches), NOT_FINITE, dtype=np.int64)
    for answers in _portions(counts):
        n = counts[answers]
        ends = np.cumsum(n)
        begins = ends - n
        which = np.repeat(answers, n)
        pairs = np.arange(ends[-1]) + np.repeat(starts[branches[answers]] - begins, n)
        names = candidates[pairs]
        first = _begins_a_counter(names)
        first[begins] = True
        owner = which[first]
        words = _words(names, first, seeds[owner], items[owner], numbers[owner], step)
        able = _able_to_win(values[pairs], words, begins, n, highest[branches[answers]])
        pairs, n = pairs[able], np.add.reduceat(able, begins, dtype=np.int64)
        score = values[pairs] + _noise(words[able])
        begins = np.cumsum(n) - n
        drawn[answers] = candidates[pairs[_largest(score, begins, n)]]  # of a tie the lower id
    return drawn


def _able_to_win(
    values: npt.NDArray[np.float64],
    words: npt.NDArray[np.uint32],
    begins: npt.NDArray[np.int64],
    counts: npt.NDArray[np.int64],
    highest: npt.NDArray[np.float64],
) -> npt.NDArray[np.bool_]:
    """Which tokens' noise can matter: logarithms are taken of these alone, and the winner is among them.

    The token with the largest word has some score. One that is to beat it needs at least so much noise as that score is
    above the highest logit, and noise grows with the word. What scores may be rounded by is allowed for.

    Shapes: values, words [pairs]; begins, counts, highest [answers] -> [pairs].
    """
    place = _largest(words, begins, counts)
    largest = words[place]
    score = values[place] + _noise(largest)
    slack = 8 * np.spacing(np.abs(score) + np.abs(highest) + 100)
    needed = np.exp(-np.exp(np.minimum(highest - score + slack, 700.0))) * 2.0**32 - 2.0
    return words >= np.repeat(np.minimum(np.maximum(needed, 0.0).astype(np.uint32), largest), counts)


def _largest(
    values: npt.NDArray[Any], begins: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Where the largest of each run stands, the first of a tie. Shapes: values [n]; begins, counts [runs] -> [runs]."""
    largest = np.maximum.reduceat(values, begins)
    at_largest = np.flatnonzero(values == np.repeat(largest, counts))
    return at_largest[np.searchsorted(at_largest, begins)]


def _portions(counts: npt.NDArray[np.int64]) -> Iterator[npt.NDArray[np.int64]]:
    """Places of the answers that have candidates, in runs of bounded total count."""
    places = np.flatnonzero(counts)
    run = np.cumsum(counts[places]) // _PAIRS_AT_ONCE
    for part in np.split(places, np.flatnonzero(np.diff(run)) + 1):
        if len(part):
            yield part
