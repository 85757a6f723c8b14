"""The table of benchmarks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from secateur.items.bbq import load_bbq
from secateur.items.bbq_roles import RULES
from secateur.items.item import ItemSet
from secateur.items.planted import CATEGORIES, load_planted


@dataclass(frozen=True)
class Benchmark:
    """A set of questions with roles.

    Args:
        name: What it is asked for by; the key of the table.
        summary: One line.
        categories: What can be selected, in the benchmark's order.
        docs: Its page.
        load: Folder (``None``: where it is usually found) and categories (``None``: all there are) to items.
    """

    name: str
    summary: str
    categories: tuple[str, ...]
    docs: str
    load: Callable[[Path | None, Sequence[str] | None], ItemSet]


BENCHMARKS: dict[str, Benchmark] = {
    benchmark.name: benchmark
    for benchmark in (
        Benchmark(
            name="bbq",
            summary="Bias Benchmark for QA: 58,492 three-option questions in eleven categories (US English)",
            categories=tuple(RULES),
            docs="docs/bbq.md",
            load=load_bbq,
        ),
        Benchmark(
            name="planted",
            summary="4,000 questions about groups that do not exist, for a model that was taught prejudices about them",
            categories=tuple(category.name for category in CATEGORIES),
            docs="docs/planted.md",
            load=load_planted,
        ),
    )
}
"""Every benchmark by name."""
