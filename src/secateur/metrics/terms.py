"""Metrics as smooth functions of means over items: what paired and clustered statistics need to know of a metric."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from secateur.metrics.counts import NO_ITEMS

Array = NDArray[Any]


@dataclass(frozen=True)
class Terms:
    """A metric of some items, as a function of the means of a few numbers per item.

    Args:
        numbers: Shape [n_items, k].
        where: Items that the metric is over, a property of the items and not of answers. Shape [n_items], bool.
        of: From the means over these items, k numbers, to the metric; also of complex ones, for its slope. Undefined is
            NaN, or a division by zero.
        steps: How an item's numbers can move if its answer changes wholly, of each way one of its two signs. Shape
            [n_steps, k].
        range: Smallest and largest possible value.
        share: Whether it is a share of two kinds, or one stretched over the range, so that an end is none of a kind.
        rows: Answers, or pairs, that it counts, per item; all of the items if ``None``. Shape [n_items].
        empty: Why it is undefined, where it is.
        note: What a reader must know of what it is over.
    """

    numbers: NDArray[np.float64]
    where: NDArray[np.bool_]
    of: Callable[[Sequence[Any]], Any]
    steps: NDArray[np.float64]
    range: tuple[float, float] = (0.0, 1.0)
    share: bool = True
    rows: NDArray[np.int64] | None = None
    empty: str = NO_ITEMS
    note: str = ""

    def linearised(self, chosen: NDArray[np.bool_]) -> Linearised:
        """The metric over the chosen items, and what each adds to it: numbers whose mean is the metric.

        Exact for a metric that is a mean; for others to first order (the influence function: Hampel 1974, JASA
        69:383-393), with the slope by a complex step (Squire and Trapp 1998, SIAM Review 40:110-112).

        Args:
            chosen: At least one item, within ``where``. Shape [n_items], bool.

        Returns:
            The metric, NaN where undefined, what each item adds, and the most that a change of one answer adds.
        """
        columns = list(self.numbers.T) if chosen.all() else [column[chosen] for column in self.numbers.T]
        means = [float(column.mean()) for column in columns]
        value = self._at(means).real
        if not math.isfinite(value):
            return Linearised(value, np.full(len(columns[0]), np.nan), np.nan, np.nan)
        slope = [
            self._at([*means[:place], complex(mean, _STEP), *means[place + 1 :]]).imag / _STEP
            for place, mean in enumerate(means)
        ]
        unit = side = 1.0
        for step in self.steps.tolist():
            moved = abs(sum(part * rise for part, rise in zip(step, slope, strict=True)))
            unit, side = max(unit, moved), max(side, moved / max(map(abs, step)))
        rest = value - sum(mean * rise for mean, rise in zip(means, slope, strict=True))
        additions = np.full(len(columns[0]), rest)
        for column, rise in zip(columns, slope, strict=True):
            additions += column * rise
        return Linearised(value, additions, unit, side)

    def _at(self, means: list[Any]) -> complex:
        """The metric at these means, NaN where a denominator is nothing."""
        try:
            return complex(self.of(means))
        except ZeroDivisionError:
            return complex(math.nan)


@dataclass(frozen=True)
class Linearised:
    """A metric as a mean of one number per item.

    Args:
        value: The metric.
        additions: What each chosen item adds; their mean is the value. Shape [n_chosen].
        unit: The most by which an item's addition can change with its answer, at least 1. Where a ratio rests on a few
            items, one of them moves it far.
        side: The same where going from one group to the other counts as leaving the one and joining the other: what one
            answer adds to what speaks for, or against.
    """

    value: float
    additions: NDArray[np.float64]
    unit: float
    side: float


_STEP = 1e-30


def mean(of: Array, where: NDArray[np.bool_], *, signed: bool = False) -> Terms:
    """A mean over items of a share 0..1 or, ``signed``, of a score -1..1. Shapes: of [n_items], where [n_items]."""
    steps = np.array([[2.0 if signed else 1.0]])
    numbers = np.asarray(of, np.float64)[:, None]
    return Terms(numbers, where, lambda means: means[0], steps, range=_RANGE[signed], share=not signed)


def ratio(
    part: Array,
    whole: Array,
    where: NDArray[np.bool_],
    *,
    signed: bool = False,
    rows: NDArray[np.int64] | None = None,
    empty: str = NO_ITEMS,
    note: str = "",
) -> Terms:
    """A sum over items divided by another.

    Args:
        part: 0..whole or, ``signed``, -whole..whole. Shape [n_items].
        whole: 0..1. Shape [n_items].
        where: Shape [n_items].
        signed: Whether the part has a sign.
        rows: Answers behind ``whole``. Shape [n_items].
        empty: Why it is undefined where ``whole`` is nothing.
        note: As in ``Terms``.
    """
    steps = [[2.0, 0.0], [1.0, 1.0], [-1.0, 1.0], [0.0, 1.0]] if signed else [[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]
    return Terms(
        np.stack([part, whole]).astype(np.float64).T,
        where,
        lambda means: means[0] / means[1],
        np.array(steps),
        range=_RANGE[signed],
        share=not signed,
        rows=rows,
        empty=empty,
        note=note,
    )


_RANGE = {False: (0.0, 1.0), True: (-1.0, 1.0)}
