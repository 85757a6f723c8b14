"""Clusters of templates: which of a benchmark's templates ask the same thing and so are not independent."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence


def question_clusters(templates: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Join templates that share a question text, directly or through others.

    Args:
        templates: Pairs (question_index, question text) of one category, of all its items: a selection could
            lack the item that joins two templates.

    Returns:
        question_index -> the first question_index of its cluster, in natural order ("9" before "10").
    """
    parent: dict[str, str] = {}
    first_with: dict[str, str] = {}
    for index, question in dict.fromkeys(templates):
        parent.setdefault(index, index)
        ends = _root(parent, index), _root(parent, first_with.setdefault(question, index))
        first, other = sorted(ends, key=_natural)
        parent[other] = first
    return {index: _root(parent, index) for index in parent}


def effective_number(sizes: Sequence[float]) -> float:
    """How many clusters of equal size carry as much: (sum n)^2 / sum n^2 (Kish).

    Range 1 to ``len(sizes)``, which it reaches when all sizes are equal; 0 without any item.
    """
    total = sum(sizes)
    return total * total / sum(size * size for size in sizes) if total else 0.0


def _root(parent: dict[str, str], index: str) -> str:
    while parent[index] != index:
        parent[index] = parent[parent[index]]
        index = parent[index]
    return index


def _natural(index: str) -> list[tuple[int, str]]:
    """Sort key by which numbers inside a text count as numbers."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", index) if part]
