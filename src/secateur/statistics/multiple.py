"""Corrections for the number of comparisons, over a family declared beforehand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def holm(p: Sequence[float], *, family: int | None = None) -> NDArray[np.float64]:
    """Holm's adjusted p-values: reject those at most alpha, and the chance of any wrong one is at most alpha.

    Valid whatever the tests depend on. Holm 1979, Scandinavian Journal of Statistics 6:65-70.

    Args:
        p: The p-values, 0..1. [n]
        family: How many comparisons were declared; those beyond ``p`` count as not rejected. ``len(p)`` if ``None``.

    Returns:
        Adjusted p-values in the same order, 0..1, none below its p-value. [n]

    Raises:
        ValueError: If a p-value is out of range or the family smaller than the number of p-values.
    """
    values, order, size = _checked(p, family)
    steps = values[order] * (size - np.arange(len(values)))
    return _back(np.maximum.accumulate(steps), order)


def benjamini_hochberg(p: Sequence[float], *, family: int | None = None) -> NDArray[np.float64]:
    """Benjamini and Hochberg's adjusted p-values: reject those at most q for a false discovery rate of at most q.

    That is the expected share of wrong ones among all rejections. Valid for independent tests and some kinds of
    positive dependence. Benjamini and Hochberg 1995, JRSS B 57:289-300.

    Args:
        p: The p-values, 0..1. [n]
        family: How many comparisons were declared; those beyond ``p`` count as not rejected. ``len(p)`` if ``None``.

    Returns:
        Adjusted p-values in the same order, 0..1, none below its p-value. [n]

    Raises:
        ValueError: If a p-value is out of range or the family smaller than the number of p-values.
    """
    values, order, size = _checked(p, family)
    steps = values[order] * size / np.arange(1, len(values) + 1)
    return _back(np.minimum.accumulate(steps[::-1])[::-1], order)


def _checked(p: Sequence[float], family: int | None) -> tuple[NDArray[np.float64], NDArray[np.int64], int]:
    values = np.asarray(p, np.float64)
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError("p-values lie between 0 and 1; leave undefined ones out and count them in the family")
    size = len(values) if family is None else family
    if size < len(values):
        raise ValueError(f"a family of {size} cannot hold {len(values)} comparisons")
    return values, np.argsort(values, kind="stable"), size


def _back(steps: NDArray[np.float64], order: NDArray[np.int64]) -> NDArray[np.float64]:
    found = np.empty_like(steps)
    found[order] = np.minimum(steps, 1.0)
    return found
