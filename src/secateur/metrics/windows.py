"""A ratio of two sums over windows of text: one estimate for everything that is so many units per token."""

from __future__ import annotations

import math
import sys
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from secateur.statistics.estimate import Estimate
from secateur.statistics.intervals import t_value

SAME = "no window differs from another: no interval"
RATIO = "delta method on the mean per unit over windows, Student's t, windows as independent"


def mean_per(
    values: NDArray[np.float64],
    units: NDArray[np.int64],
    *,
    n_answers: int,
    n_missing: int = 0,
    level: float = 0.95,
) -> Estimate:
    """Sum of values / sum of units, with the delta method's interval for a ratio, windows as independent.

    With r the ratio and n windows, the error is sqrt(n / (n - 1) * sum((value - r * unit) ** 2)) / sum(units)
    (Cochran 1977, Sampling Techniques, 2.11). Its quantile is that of Student's t with n - 1 degrees of freedom.

    Args:
        values: Of each window; one that is not finite leaves no estimate.
        units: What they are divided by.
        n_answers: Tokens behind them, for the reader.
        n_missing: Windows that are wanted and not there.
        level: Of the interval; where all windows agree exactly there is none, as it would have no width.

    Shapes: values, units [n_windows].
    """
    n = len(values)

    def undefined(reason: str) -> Estimate:
        return Estimate(None, None, None, level, "no interval", n, n_answers, None, note=reason)

    if n_missing:
        return undefined(f"{n_missing} of {n + n_missing} windows not read")
    if n == 0:
        return undefined("no windows")
    broken = int((~np.isfinite(values)).sum())
    if broken:
        return undefined(f"{broken} of {n} windows not finite")
    total = float(units.sum())
    if total <= 0:
        return undefined("no scored text")
    mean = math.fsum(values) / total
    found = Estimate(mean, None, None, level, RATIO, n, n_answers, None)
    if n == 1:
        return replace(found, note="one window: no interval")
    residuals = values - mean * units
    error = math.sqrt(n / (n - 1) * float((residuals**2).sum())) / total
    if error == 0:
        return replace(found, note=SAME)
    half = t_value(level, n - 1) * error
    return replace(found, low=mean - half, high=mean + half)


def exponential(mean: Estimate) -> Estimate:
    """The estimate of exp(mean), its interval turned along."""
    if mean.value is None:
        return mean
    value, low, high = (None if end is None else _exp(end) for end in (mean.value, mean.low, mean.high))
    if value is None or math.isinf(value):
        reason = f"exp of {mean.value:.4g} nats per token is beyond floating point"
        return replace(mean, value=None, low=None, high=None, method="no interval", note=reason)
    if high is not None and math.isinf(high):
        high = sys.float_info.max
    return replace(mean, value=value, low=low, high=high)


def _exp(value: float) -> float:
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf
