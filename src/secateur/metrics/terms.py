"""Metrics as smooth functions of means over items: what paired and clustered statistics need to know of a metric."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class Terms:
    """A metric of some items, as a function of the means of a few numbers per item.

    Args:
        numbers: Shape [n_items, k].
        where: Items that the metric is over, a property of the items and not of answers. Shape [n_items], bool.
        of: From the means [k] over these items to the metric; also of complex means, for its slope. Undefined is NaN.
    """

    numbers: NDArray[np.float64]
    where: NDArray[np.bool_]
    of: Callable[[Array], Any]

    def linearised(self, chosen: NDArray[np.bool_]) -> tuple[float, NDArray[np.float64]]:
        """The metric over the chosen items, and what each adds to it: numbers whose mean is the metric.

        Exact for a metric that is a mean; for others to first order (the influence function: Hampel 1974, JASA
        69:383-393), with the slope by a complex step (Squire and Trapp 1998, SIAM Review 40:110-112).

        Args:
            chosen: At least one item, within ``where``. Shape [n_items], bool.

        Returns:
            The value, NaN where undefined, and the additions. Shape [n_chosen].
        """
        numbers = self.numbers[chosen]
        means = numbers.mean(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            value = float(self.of(means))
            if not np.isfinite(value):
                return value, np.full(len(numbers), np.nan)
            steps = means.astype(np.complex128) + 1j * _STEP * np.eye(len(means))
            slope = np.array([np.imag(self.of(step)) / _STEP for step in steps])
        return value, value + (numbers - means) @ slope


_STEP = 1e-30


def mean(of: Array, where: NDArray[np.bool_]) -> Terms:
    """A mean over items. Shapes: of [n_items], where [n_items]."""
    return Terms(np.asarray(of, np.float64)[:, None], where, lambda means: means[0])


def ratio(part: Array, whole: Array, where: NDArray[np.bool_]) -> Terms:
    """A sum over items divided by another. Shapes: part [n_items], whole [n_items], where [n_items]."""
    return Terms(np.stack([part, whole], axis=1).astype(np.float64), where, lambda means: means[0] / means[1])
