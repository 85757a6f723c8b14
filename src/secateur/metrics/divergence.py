"""KL from the dense model and top-1 agreement with it, from what was seen at some positions of windows of text."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from secateur.metrics.metric import Metric
from secateur.metrics.text import of_corpus
from secateur.metrics.windows import mean_per
from secateur.statistics.estimate import Estimate
from secateur.statistics.intervals import clopper_pearson_zero

ALL_WINDOWS = "exact for a share of windows (Clopper-Pearson), windows as independent"


@dataclass(frozen=True)
class DivergenceCounts:
    """Windows of one corpus as compared between a variant and the dense model, [n_windows] each.

    Args:
        kl: KL(dense || variant) summed over a window's positions, in nats; NaN if not finite.
        agree: Positions at which both have the same best token.
        positions: Positions looked at.
        n_missing: Windows of the corpus that were not compared.
        top: Tokens of each distribution that were kept.
        vocabulary: How many there are; ``None`` if not known.
    """

    kl: NDArray[np.float64]
    agree: NDArray[np.int64]
    positions: NDArray[np.int64]
    n_missing: int = 0
    top: int = 0
    vocabulary: int | None = None


def count_divergence(
    rows: pl.DataFrame, windows: pl.DataFrame, *, corpus: str, top: int, vocabulary: int | None
) -> DivergenceCounts:
    """Join what was compared with the windows of a corpus. A window that stands at several places counts at each.

    Args:
        rows: Rows of the table ``divergence``.
        windows: Rows of the table ``windows``.
        corpus: Which corpus.
        top: Tokens of each distribution that were kept.
        vocabulary: How many there are; ``None`` if not known.

    Raises:
        InputError: If there is no window of that corpus.
    """
    found, n_missing = of_corpus(rows.select("window", "kl", "agree", "positions"), windows, corpus)
    return DivergenceCounts(
        kl=found["kl"].to_numpy().astype(np.float64),
        agree=found["agree"].to_numpy().astype(np.int64),
        positions=found["positions"].to_numpy().astype(np.int64),
        n_missing=n_missing,
        top=top,
        vocabulary=vocabulary,
    )


def kl(counts: DivergenceCounts, *, level: float = 0.95) -> Estimate:
    """Mean KL(dense || variant) of the next-token distributions, in nats per position. 0 upwards; 0 is no change.

    A lower bound unless every token was kept, and then the note says of how many. The interval is the delta method's
    for a ratio over windows. ``n_items`` is windows and ``n_answers`` positions.
    """
    mean = mean_per(
        counts.kl,
        counts.positions,
        n_answers=int(counts.positions.sum()),
        n_missing=counts.n_missing,
        level=level,
    )
    if mean.value is None:
        return mean
    bound = "" if counts.vocabulary is not None and counts.top >= counts.vocabulary else _bound(counts)
    low = None if mean.low is None else max(mean.low, 0.0)
    return replace(mean, low=low, note="; ".join(filter(None, (bound, mean.note))))


def _bound(counts: DivergenceCounts) -> str:
    of = "the vocabulary" if counts.vocabulary is None else f"{counts.vocabulary:,} tokens"
    return f"lower bound: top {counts.top:,} of {of}"


def top1_agreement(counts: DivergenceCounts, *, level: float = 0.95) -> Estimate:
    """Share of positions at which the variant's most probable next token is the dense model's. 0..1; 1 is no change.

    The interval is the delta method's for a ratio over windows; where all positions agree, or none, it is the exact
    one for the share of windows in which one does not (one does). ``n_items`` is windows and ``n_answers`` positions.
    Windows that are not finite leave no value.
    """
    shown = np.where(np.isfinite(counts.kl), counts.agree.astype(np.float64), np.nan)
    mean = mean_per(
        shown, counts.positions, n_answers=int(counts.positions.sum()), n_missing=counts.n_missing, level=level
    )
    if mean.value is None:
        return mean
    if mean.value in (0.0, 1.0):
        width = clopper_pearson_zero(len(counts.kl), level=level)
        low, high = (0.0, width) if mean.value == 0 else (1 - width, 1.0)
        return replace(mean, low=low, high=high, method=ALL_WINDOWS, note="")
    if mean.low is None or mean.high is None:
        return mean
    return replace(mean, low=max(mean.low, 0.0), high=min(mean.high, 1.0))


_SOURCE = "docs/design/divergence.md"

DIVERGENCE_METRICS: tuple[Metric, ...] = (
    Metric("kl", "KL from dense", "divergence", (), "nats per token", (0.0, math.inf), _SOURCE, kl, neutral=0.0),
    Metric(
        "top1_agreement",
        "top-1 agreement with dense",
        "divergence",
        (),
        "share of positions",
        (0.0, 1.0),
        _SOURCE,
        top1_agreement,
        neutral=1.0,
    ),
)
"""Metrics of a variant's next-token distributions beside the dense model's."""
