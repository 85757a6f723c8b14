"""All metrics in one table."""

from __future__ import annotations

from secateur.metrics.bias import BIAS_METRICS
from secateur.metrics.divergence import DIVERGENCE_METRICS
from secateur.metrics.letters import LETTER_METRICS
from secateur.metrics.metric import Metric
from secateur.metrics.sparsity import SPARSITY_METRICS
from secateur.metrics.text import TEXT_METRICS
from secateur.metrics.transitions import TRANSITION_METRICS

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        *BIAS_METRICS,
        *LETTER_METRICS,
        *TRANSITION_METRICS,
        *TEXT_METRICS,
        *DIVERGENCE_METRICS,
        *SPARSITY_METRICS,
    )
}
"""Metrics by name, in the order of tables."""

WHOLE_ANSWERS = frozenset(
    metric.name
    for metric in METRICS.values()
    if metric.over == "answers" and metric.neutral is not None and not metric.soft
) | frozenset(metric.name for metric in METRICS.values() if metric.over == "pairs" and metric.name != "flips")
"""Metrics over all answers, which are zero, or change by all there was, where no answer could be read."""
