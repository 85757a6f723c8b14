"""Prompts as a tree: what several begin with is there once. Reasons: ``docs/design/prefix-tree.md``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from secateur.inference.backend import Request


@dataclass(frozen=True)
class Tree:
    """A few requests' prompts, laid out as one row of tokens.

    Args:
        requests: The requests.
        tokens: Token of every node; a node stands behind its parent.
        depths: Its place in its prompt, from 0.
        after: The first node behind it that does not have it in its prompt; all between have.
        ends: Of each request, the node of its last token. Requests with equal prompts share it.

    Shapes: tokens, depths, after [nodes]; ends [requests].
    """

    requests: Sequence[Request]
    tokens: npt.NDArray[np.int64]
    depths: npt.NDArray[np.int64]
    after: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.tokens)

    def seen_by(self, start: int, end: int) -> npt.NDArray[np.int64]:
        """The nodes that nodes ``start`` to ``end`` (excluded) have in their prompts, themselves included.

        Shapes: -> [seen], in order.
        """
        before = np.flatnonzero(self.after[:start] > start)
        return np.concatenate([before, np.arange(start, end)])


def trees(requests: Sequence[Request], budget: int) -> Iterator[Tree]:
    """Cut requests, in their order, into trees of at most ``budget`` nodes (at least one request each).

    A prompt shares what it has in common with the one before it, so prompts that stand in the order of their tokens
    share all there is to share.
    """
    shared = [0, *(common(before.tokens, request.tokens) for before, request in pairwise(requests))]
    start, nodes = 0, 0
    for place, request in enumerate(requests):
        new = len(request.tokens) - shared[place]
        if place > start and nodes + new > budget:
            yield _tree(requests[start:place], shared[start:place])
            start, nodes, shared[place], new = place, 0, 0, len(request.tokens)
        nodes += new
    if start < len(requests):
        yield _tree(requests[start:], shared[start:])


def common(first: Sequence[int], second: Sequence[int]) -> int:
    """How many tokens two prompts begin with in common."""
    for place, (one, other) in enumerate(zip(first, second, strict=False)):
        if one != other:
            return place
    return min(len(first), len(second))


def _tree(requests: Sequence[Request], shared: Sequence[int]) -> Tree:
    """The tree of some requests, each of which shares so many tokens with the one before it; the first none."""
    n = sum(len(request.tokens) - k for request, k in zip(requests, shared, strict=True))
    tokens, depths = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
    after = np.full(n, n, dtype=np.int64)
    ends = np.empty(len(requests), dtype=np.int64)
    path = np.empty(0, dtype=np.int64)
    start = 0
    for place, (request, k) in enumerate(zip(requests, shared, strict=True)):
        length = len(request.tokens)
        end = start + length - k
        tokens[start:end] = request.tokens[k:]
        depths[start:end] = np.arange(k, length)
        after[path[k:]] = start
        path = np.concatenate([path[:k], np.arange(start, end)])
        ends[place] = path[-1]
        start = end
    return Tree(requests, tokens, depths, after, ends)
