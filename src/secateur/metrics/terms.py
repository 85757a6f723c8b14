"""Metrics as smooth functions of means over items: what paired and clustered statistics need to know of a metric."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from secateur.metrics.counts import NO_ITEMS
from secateur.metrics.parts import Parts
from secateur.statistics.samples import Clusters, Values

Array = NDArray[Any]

Said: TypeAlias = str | Callable[[NDArray[np.bool_]], str]
"""A text, or one of some of the items. Shapes: items [n_items]."""


def said(text: Said, items: NDArray[np.bool_]) -> str:
    """The text of these items. Shapes: items [n_items]."""
    return text if isinstance(text, str) else text(items)


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
        empty: Why it is undefined, where it is; of some of the items, where that is not always the same.
        note: What a reader must know of what it is over; likewise.
    """

    numbers: NDArray[np.float64]
    where: NDArray[np.bool_]
    of: Callable[[Sequence[Any]], Any]
    steps: NDArray[np.float64]
    range: tuple[float, float] = (0.0, 1.0)
    share: bool = True
    rows: NDArray[np.int64] | None = None
    empty: Said = NO_ITEMS
    note: Said = ""

    def linearised(self, parts: Parts, of: Callable[[Sequence[Any]], Any] | None = None) -> Linearised:
        """The metric over each part, and what each item adds to it: numbers whose mean is the metric.

        Exact for a metric that is a mean; for others to first order (the influence function: Hampel 1974, JASA
        69:383-393), with the slope by a complex step (Squire and Trapp 1998, SIAM Review 40:110-112).

        Args:
            parts: Of items within ``where``.
            of: Another function of the same means, in the place of its own.
        """
        of = self.of if of is None else of
        samples, columns = parts.samples, self._columns(parts.clusters)
        sums = [samples.totals(column.sums) for column in columns]
        value, unit, side = np.full(parts.n, np.nan), np.ones(parts.n), np.ones(parts.n)
        if of is _itself:
            np.divide(sums[0], parts.n_items, out=value, where=parts.n_items > 0)
            return Linearised(value, columns[0], np.maximum(unit, np.abs(self.steps).max()), side)
        rest, slopes = np.zeros(parts.n), np.zeros((len(columns), parts.n))
        for part in np.flatnonzero(parts.n_items).tolist():
            means = [float(total[part]) / int(parts.n_items[part]) for total in sums]
            reached = _at(of, means).real
            if not math.isfinite(reached):
                continue
            slope = [
                _at(of, [*means[:place], complex(mean, _STEP), *means[place + 1 :]]).imag / _STEP
                for place, mean in enumerate(means)
            ]
            for step in self.steps.tolist():
                moved = abs(sum(by * rise for by, rise in zip(step, slope, strict=True)))
                unit[part], side[part] = max(unit[part], moved), max(side[part], moved / max(map(abs, step)))
            value[part], slopes[:, part] = reached, slope
            rest[part] = reached - sum(mean * rise for mean, rise in zip(means, slope, strict=True))
        additions = samples.each(rest)
        for column, rises in zip(columns, slopes, strict=True):
            additions += column.each * samples.each(rises)
        return Linearised(value, Values(parts.clusters.only(additions), parts.clusters), unit, side)

    def _columns(self, clusters: Clusters) -> list[Values]:
        """The numbers with their sums over clusters, which parts of the same clusters share."""
        if clusters not in self._summed:
            self._summed[clusters] = [Values(clusters.only(column), clusters) for column in self.numbers.T]
        return self._summed[clusters]

    @cached_property
    def _summed(self) -> dict[Clusters, list[Values]]:
        return {}


@dataclass(frozen=True)
class Linearised:
    """A metric of several parts, each as a mean of one number per item.

    Args:
        value: The metric, NaN where undefined. Shape [n].
        values: What each item of a part adds; their mean is the metric. 0 where that is undefined.
        unit: The most by which an item's addition can change with its answer, at least 1. Where a ratio rests on a few
            items, one of them moves it far. Shape [n].
        side: The same where going from one group to the other counts as leaving the one and joining the other: what one
            answer adds to what speaks for, or against. Shape [n].
    """

    value: NDArray[np.float64]
    values: Values
    unit: NDArray[np.float64]
    side: NDArray[np.float64]


_STEP = 1e-30


def _at(of: Callable[[Sequence[Any]], Any], means: list[Any]) -> complex:
    """The metric at these means, NaN where a denominator is nothing."""
    try:
        return complex(of(means))
    except ZeroDivisionError:
        return complex(math.nan)


def _itself(means: Sequence[Any]) -> Any:
    return means[0]


def mean(of: Array, where: NDArray[np.bool_], *, signed: bool = False) -> Terms:
    """A mean over items of a share 0..1 or, ``signed``, of a score -1..1. Shapes: of [n_items], where [n_items]."""
    steps = np.array([[2.0 if signed else 1.0]])
    numbers = np.asarray(of, np.float64)[:, None]
    return Terms(numbers, where, _itself, steps, range=_RANGE[signed], share=not signed)


def ratio(
    part: Array,
    whole: Array,
    where: NDArray[np.bool_],
    *,
    signed: bool = False,
    rows: NDArray[np.int64] | None = None,
    empty: Said = NO_ITEMS,
    note: Said = "",
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
        np.array([part, whole], np.float64).T,
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
