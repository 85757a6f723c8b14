"""Perplexity, bits per byte and how perplexity changes, from what a model makes of windows of text."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from secateur.errors import InputError
from secateur.metrics.metric import Metric
from secateur.metrics.windows import exponential, mean_per
from secateur.statistics.estimate import Estimate


@dataclass(frozen=True)
class TextCounts:
    """Windows of one corpus as read by one variant, [n_windows] each.

    Args:
        nll: Summed negative log-likelihood in nats over a window's scored tokens; NaN if not finite.
        n_tokens: Scored tokens, at least 1.
        n_bytes: Bytes of source text they span.
        n_missing: Windows of the corpus that were not read.
    """

    nll: NDArray[np.float64]
    n_tokens: NDArray[np.int64]
    n_bytes: NDArray[np.int64]
    n_missing: int = 0


@dataclass(frozen=True)
class TextPairs:
    """Windows of one corpus as read by the dense model and by a variant, [n_windows] each.

    Args:
        dense: The dense model's summed negative log-likelihood in nats; NaN if not finite.
        variant: The variant's.
        n_tokens: Scored tokens.
        n_missing: Windows of the corpus that one of the two did not read.
    """

    dense: NDArray[np.float64]
    variant: NDArray[np.float64]
    n_tokens: NDArray[np.int64]
    n_missing: int = 0


def count_text(text: pl.DataFrame, windows: pl.DataFrame, *, corpus: str) -> TextCounts:
    """Join what was read with the windows of a corpus. A window that stands at several places counts at each.

    Args:
        text: Rows of the table ``text``.
        windows: Rows of the table ``windows``.
        corpus: Which corpus.

    Raises:
        InputError: If there is no window of that corpus.
    """
    read, n_missing = of_corpus(text.select("window", "nll"), windows, corpus)
    return TextCounts(
        nll=read["nll"].to_numpy().astype(np.float64),
        n_tokens=read["n_tokens"].to_numpy().astype(np.int64),
        n_bytes=read["n_bytes"].to_numpy().astype(np.int64),
        n_missing=n_missing,
    )


def of_corpus(rows: pl.DataFrame, windows: pl.DataFrame, corpus: str) -> tuple[pl.DataFrame, int]:
    """Rows by window, joined with a corpus's windows in their order; and how many of these have no row.

    Raises:
        InputError: If there is no window of that corpus.
    """
    wanted = windows.filter(pl.col("corpus").cast(pl.String) == corpus)
    if wanted.height == 0:
        raise InputError(
            "No window belongs to this corpus.",
            where="column corpus",
            allowed=", ".join(sorted(map(str, windows["corpus"].cast(pl.String).unique()))),
            got=corpus,
        )
    found = wanted.join(rows, on="window", how="inner").sort("index")
    return found, wanted.height - found.height


def pair_text(dense: pl.DataFrame, variant: pl.DataFrame, windows: pl.DataFrame, *, corpus: str) -> TextPairs:
    """Pair what the dense model and a variant made of the same windows; places as ``count_text``.

    Args:
        dense: The dense model's rows of the table ``text``.
        variant: The variant's.
        windows: Rows of the table ``windows``.
        corpus: Which corpus.

    Raises:
        InputError: If there is no window of that corpus.
    """
    both = dense.select("window", dense="nll").join(variant.select("window", variant="nll"), on="window")
    found, n_missing = of_corpus(both, windows, corpus)
    return TextPairs(
        dense=found["dense"].to_numpy().astype(np.float64),
        variant=found["variant"].to_numpy().astype(np.float64),
        n_tokens=found["n_tokens"].to_numpy().astype(np.int64),
        n_missing=n_missing,
    )


def perplexity(counts: TextCounts, *, level: float = 0.95) -> Estimate:
    """exp(sum of negative log-likelihoods / sum of scored tokens). 1 upwards; lower is better.

    The interval is the exponential of one for the mean per token, by the delta method for a ratio over windows.
    ``n_items`` is windows and ``n_answers`` tokens. A window that is not finite leaves no value.
    """
    return exponential(_mean_per(counts, counts.n_tokens, level=level))


def bits_per_byte(counts: TextCounts, *, level: float = 0.95) -> Estimate:
    """Sum of negative log-likelihoods in bits / bytes of source text. 0 upwards; lower is better.

    Comparable across tokenizers, unlike perplexity. ``n_items`` is windows and ``n_answers`` tokens.
    """
    mean = _mean_per(counts, counts.n_bytes, level=level)
    if mean.value is None:
        return mean
    low = None if mean.low is None else mean.low / math.log(2)
    high = None if mean.high is None else mean.high / math.log(2)
    return replace(mean, value=mean.value / math.log(2), low=low, high=high)


def log_perplexity_change(pairs: TextPairs, *, level: float = 0.95) -> Estimate:
    """Mean token negative log-likelihood of the variant - that of the dense model, over the same windows, in nats.

    The logarithm of ``perplexity_ratio``. 0 is no change; above it the variant reads worse. The interval is the delta
    method's for a ratio over windows of their paired differences, so what makes a window hard for both drops out.
    ``n_items`` is windows and ``n_answers`` tokens.
    """
    n_tokens = int(pairs.n_tokens.sum())
    broken = int((~np.isfinite(pairs.dense)).sum())
    if broken and not pairs.n_missing:
        n = len(pairs.dense)
        reason = f"{broken} of {n} windows not finite in the dense model"
        return Estimate(None, None, None, level, "no interval", n, n_tokens, None, note=reason)
    return mean_per(
        pairs.variant - pairs.dense,
        pairs.n_tokens,
        n_answers=n_tokens,
        n_missing=pairs.n_missing,
        level=level,
    )


def perplexity_ratio(pairs: TextPairs, *, level: float = 0.95) -> Estimate:
    """Perplexity of the variant / perplexity of the dense model, over the same windows. 0 upwards; 1 is no change.

    The exponential of ``log_perplexity_change`` and of its interval.
    """
    return exponential(log_perplexity_change(pairs, level=level))


def _mean_per(counts: TextCounts, units: NDArray[np.int64], *, level: float) -> Estimate:
    n_tokens = int(counts.n_tokens.sum())
    return mean_per(counts.nll, units, n_answers=n_tokens, n_missing=counts.n_missing, level=level)


_SOURCE = "docs/metrics.md"

TEXT_METRICS: tuple[Metric, ...] = (
    Metric(
        "perplexity",
        "perplexity",
        "text",
        (),
        "per token",
        (1.0, math.inf),
        _SOURCE,
        perplexity,
        better="lower",
    ),
    Metric(
        "bits_per_byte",
        "bits per byte",
        "text",
        (),
        "bits per byte",
        (0.0, math.inf),
        _SOURCE,
        bits_per_byte,
        better="lower",
    ),
    Metric(
        "log_perplexity_change",
        "change of log perplexity",
        "text_pairs",
        (),
        "nats per token",
        (-math.inf, math.inf),
        _SOURCE,
        log_perplexity_change,
        neutral=0.0,
    ),
    Metric(
        "perplexity_ratio",
        "perplexity / dense perplexity",
        "text_pairs",
        (),
        "ratio",
        (0.0, math.inf),
        _SOURCE,
        perplexity_ratio,
        neutral=1.0,
    ),
)
"""Metrics of text windows, of one variant and beside the dense model."""
