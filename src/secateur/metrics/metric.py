"""What a metric is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from secateur.metrics.counts import PerItem
from secateur.metrics.parts import Parts
from secateur.metrics.single import estimates
from secateur.metrics.terms import Terms
from secateur.statistics.estimate import Estimate

Over: TypeAlias = Literal["answers", "pairs", "text", "text_pairs", "divergence", "layers"]
"""What a metric's function takes: ``answers`` a ``Counts``, ``pairs`` a ``Pairs``, ``text`` a ``TextCounts``,
``text_pairs`` a ``TextPairs``, ``divergence`` a ``DivergenceCounts``, ``layers`` a ``LayerCounts``."""

BOTH = ("ambig", "disambig")


@dataclass(frozen=True)
class Metric:
    """A named number with what a reader needs to judge it.

    Args:
        name: As in tables and policies.
        title: As in a report.
        over: What the function takes.
        conditions: The items it is defined for; empty where items do not apply.
        unit: What one unit of the value is.
        range: Smallest and largest possible value.
        source: Where the definition comes from.
        function: ``function(what, *, level=0.95) -> Estimate``.
        neutral: The value of a model without the effect; ``None`` where there is no such value.
        guess: The value expected of a model that picks one of three options at random, if known.
        better: Which direction is better; ``None`` for signed scores and mere descriptions.
        soft: Whether it needs probabilities, which only the letter readout has.
        terms: ``terms(what) -> Terms``: the same as a function of means over items, for paired statistics;
            ``None`` where it has no such form.
        in_parts: ``in_parts(what, parts, *, level) -> list[Estimate]``: the function over each part, if that is quicker
            than by its terms or, without terms, part by part.
    """

    name: str
    title: str
    over: Over
    conditions: tuple[str, ...]
    unit: str
    range: tuple[float, float]
    source: str
    function: Callable[..., Estimate]
    neutral: float | None = None
    guess: float | None = None
    better: Literal["lower", "higher"] | None = None
    soft: bool = False
    terms: Callable[[Any], Terms] | None = None
    in_parts: Callable[..., list[Estimate]] | None = None

    def terms_of(self, counted: PerItem) -> Terms:
        """The metric's terms."""
        assert self.terms is not None
        return self.terms(counted)

    def estimates(self, counted: PerItem, partitions: Sequence[Parts], *, level: float) -> list[list[Estimate]]:
        """What ``function`` gives of the items of each part, of each way to take the items apart."""
        if self.in_parts is not None:
            return [self.in_parts(counted, parts, level=level) for parts in partitions]
        if self.terms is not None:
            terms = self.terms(counted)
            return [estimates(counted, terms, parts, level=level) for parts in partitions]
        return [
            [self.function(counted.select(parts.items_of(part)), level=level) for part in range(parts.n)]
            for parts in partitions
        ]
