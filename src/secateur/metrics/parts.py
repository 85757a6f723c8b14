"""Items in parts, such as categories: a table has a number of each, and they are worked out together."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from secateur.statistics.samples import Clusters, Samples


@dataclass(frozen=True, eq=False)
class Parts:
    """Parts of some items, none of which is in two.

    Args:
        number: Of each item, that of its part, below 0 where it is in none. Shape [n_items].
        n: Number of parts, of which some can be empty.
        cluster: Of each item, the number of its cluster. Shape [n_items].
    """

    number: NDArray[np.int64]
    n: int
    cluster: NDArray[np.int64]

    @cached_property
    def chosen(self) -> NDArray[np.bool_]:
        """Items that are in a part. Shape [n_items]."""
        return self.number >= 0

    @cached_property
    def samples(self) -> Samples:
        """The clusters of each part: what is sampled."""
        chosen = None if self.chosen.all() else self.chosen
        clusters = clusters_of(self.cluster, chosen)
        sample = np.zeros(clusters.n, np.int64)
        items = slice(None) if chosen is None else chosen
        sample[clusters.place[items]] = self.number[items]
        # Other parts of the same items have the same clusters, and what was summed over them serves both, unless, as of
        # polarities, a cluster is in two parts.
        if not np.array_equal(sample[clusters.place[items]], self.number[items]):
            names = np.maximum(self.number, 0) * clusters.n + clusters.place
            used, place = np.unique(names, return_inverse=True)
            clusters, sample = Clusters(place, chosen), used // clusters.n
        return Samples(clusters, sample, self.n)

    @property
    def clusters(self) -> Clusters:
        """Those of all parts."""
        return self.samples.clusters

    @cached_property
    def n_items(self) -> NDArray[np.int64]:
        """Items per part. Shape [n]."""
        return self.samples.n_items.astype(np.int64)

    def take(self, values: NDArray[Any]) -> NDArray[Any]:
        """The values of the chosen items. Shapes: values [n_items] -> [n_chosen]."""
        return values if self.clusters.chosen is None else values[self.chosen]

    def total(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Sum per part. Shapes: values [n_items] -> [n]."""
        return self.samples.totals(self.clusters.sums(self.clusters.only(values)))

    def items_of(self, part: int) -> NDArray[np.bool_]:
        """Which items are in a part. Shape [n_items]."""
        return np.asarray(self.number == part)

    def within(self, where: NDArray[np.bool_]) -> Parts:
        """The same parts of these items alone. Shapes: where [n_items]."""
        if where.all():
            return self
        key = where.tobytes()
        if key not in self._within:
            self._within[key] = Parts(np.where(where, self.number, -1), self.n, self.cluster)
        return self._within[key]

    # Variants were asked the same items, and metrics are over all of them or those with roles.
    @cached_property
    def _within(self) -> dict[bytes, Parts]:
        return {}


def or_none(values: NDArray[np.float64]) -> list[float | None]:
    """The numbers, with ``None`` for NaN."""
    return [None if math.isnan(value) else value for value in values.tolist()]


def parts_of(number: NDArray[np.int64], n: int, cluster: NDArray[np.int64]) -> Parts:
    """Parts, kept for the same items. Arguments as of ``Parts``."""
    return _parts(number.astype(np.int64, copy=False).tobytes(), n, cluster.astype(np.int64, copy=False).tobytes())


@lru_cache(maxsize=64)
def _parts(number: bytes, n: int, cluster: bytes) -> Parts:
    return Parts(np.frombuffer(number, np.int64), n, np.frombuffer(cluster, np.int64))


def clusters_of(cluster: NDArray[np.int64], chosen: NDArray[np.bool_] | None = None) -> Clusters:
    """Clusters from the number of each item's, kept for the same items.

    Args:
        cluster: Shape [n_items].
        chosen: As in ``Clusters``.
    """
    return _clusters(cluster.astype(np.int64, copy=False).tobytes(), None if chosen is None else chosen.tobytes())


@lru_cache(maxsize=64)
def _clusters(cluster: bytes, chosen: bytes | None) -> Clusters:
    place = np.unique(np.frombuffer(cluster, np.int64), return_inverse=True)[1]
    return Clusters(place, None if chosen is None else np.frombuffer(chosen, np.bool_))
