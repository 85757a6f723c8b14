"""What a metric is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

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
