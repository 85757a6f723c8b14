"""Metrics: pure functions of outcomes, of arrays.

Names are imported when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from secateur.lazy import lazy_exports

if TYPE_CHECKING:
    from secateur.metrics.catalogue import METRICS
    from secateur.metrics.counts import Counts, count_outcomes
    from secateur.metrics.divergence import DivergenceCounts, count_divergence
    from secateur.metrics.metric import Metric
    from secateur.metrics.sparsity import LayerCounts, count_layers, sparsity_per_layer
    from secateur.metrics.table import metric_table, transition_table
    from secateur.metrics.text import TextCounts, TextPairs, count_text, pair_text
    from secateur.metrics.transitions import Pairs, align_seeds, pair_outcomes, transition_counts, transition_excess

__all__ = [
    "METRICS",
    "Counts",
    "DivergenceCounts",
    "LayerCounts",
    "Metric",
    "Pairs",
    "TextCounts",
    "TextPairs",
    "align_seeds",
    "count_divergence",
    "count_layers",
    "count_outcomes",
    "count_text",
    "metric_table",
    "pair_outcomes",
    "pair_text",
    "sparsity_per_layer",
    "transition_counts",
    "transition_excess",
    "transition_table",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "METRICS": "catalogue",
        "Counts": "counts",
        "DivergenceCounts": "divergence",
        "LayerCounts": "sparsity",
        "Metric": "metric",
        "Pairs": "transitions",
        "TextCounts": "text",
        "TextPairs": "text",
        "align_seeds": "transitions",
        "count_divergence": "divergence",
        "count_layers": "sparsity",
        "count_outcomes": "counts",
        "count_text": "text",
        "metric_table": "table",
        "pair_outcomes": "transitions",
        "pair_text": "text",
        "sparsity_per_layer": "sparsity",
        "transition_counts": "transitions",
        "transition_excess": "transitions",
        "transition_table": "table",
    },
)
