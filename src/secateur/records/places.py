"""Where the items and orders of answers stand in their tables."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from secateur.errors import InputError
from secateur.items.orders import ALL_ORDERS
from secateur.records.frames import kept_lately, once_per_frame
from secateur.records.unknown import refuse_unknown_items, refuse_unknown_orders


def item_places(rows: pl.DataFrame, items: pl.DataFrame) -> NDArray[np.int64]:
    """Each row's place in the items table, [n_rows]; not to be changed.

    Raises:
        InputError: If an item is not in the table, or stands there twice.
    """
    return _found(rows, items).places


def asked_items(rows: pl.DataFrame, items: pl.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The items that have a row, as places in the items table; and each row's place among these.

    They are ordered by cluster and key, because sums over clusters are fast where a cluster's items stand together.

    Shapes: [n_asked], [n_rows]; not to be changed.

    Raises:
        InputError: As ``item_places``.
    """
    found = _found(rows, items)
    return found.asked, found.ranks


class _Found:
    """Where the items of some rows stand.

    Args:
        keys: Of the items, one per row. Shape [n_rows].
        items: The items table.
    """

    def __init__(self, keys: NDArray[np.uint64], items: pl.DataFrame) -> None:
        self._items = items
        self.places = _places(keys, items)
        self.places.flags.writeable = False  # it is handed to many, like what follows from it

    @cached_property
    def asked(self) -> NDArray[np.int64]:
        """Places in the items table of the items that have a row, ordered by cluster and key."""
        order = _by_cluster(self._items)
        has_row = np.zeros(self._items.height, np.bool_)
        has_row[self.places] = True
        found = order[has_row[order]]
        found.flags.writeable = False
        return found

    @cached_property
    def ranks(self) -> NDArray[np.int64]:
        """Each row's place in ``asked``."""
        rank = np.empty(self._items.height, np.int64)
        rank[self.asked] = np.arange(len(self.asked))
        found = rank[self.places]
        found.flags.writeable = False
        return found


def _found(rows: pl.DataFrame, items: pl.DataFrame) -> _Found:
    keys = rows["item"].to_numpy()

    def same(known: tuple[NDArray[np.uint64], pl.DataFrame]) -> bool:
        return known[1] is items and np.array_equal(known[0], keys)

    # The variants of a study were asked the same in the same order.
    return kept_lately(_LATELY, (keys, items), same, lambda: _Found(keys, items))


_LATELY: list[tuple[tuple[NDArray[np.uint64], pl.DataFrame], _Found]] = []


def _places(asked: NDArray[np.uint64], items: pl.DataFrame) -> NDArray[np.int64]:
    keys, order = _sorted_keys(items)
    # Answers to one item mostly stand together.
    heads = np.flatnonzero(np.diff(asked, prepend=asked[:1] + 1))
    wanted = asked[heads]
    found = np.searchsorted(keys, wanted, sorter=order)
    if len(keys) == 0:
        lost = np.ones(len(wanted), np.bool_)
    else:
        found = order[np.minimum(found, len(keys) - 1)]
        lost = keys[found] != wanted
    refuse_unknown_items(pl.Series(wanted[lost]))
    return np.repeat(found.astype(np.int64), np.diff(heads, append=len(asked)))


@once_per_frame
def order_numbers(rows: pl.DataFrame) -> NDArray[np.int64]:
    """Each row's order as its place in ``ALL_ORDERS``, [n_rows]; not to be changed.

    Raises:
        InputError: If an order does not exist.
    """
    refuse_unknown_orders(rows["order"])
    found = rows["order"].cast(pl.Enum(ALL_ORDERS)).to_physical().to_numpy().astype(np.int64)
    found.flags.writeable = False
    return found


@once_per_frame
def _sorted_keys(items: pl.DataFrame) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """The items' keys, and their places in ascending order."""
    if items["item"].n_unique() != items.height:
        raise InputError(
            "An item stands more than once in the items table.",
            where="column item",
            got=f"{items.height} rows, {items['item'].n_unique()} items",
        )
    keys = items["item"].to_numpy()
    return keys, np.argsort(keys)


@once_per_frame
def cluster_numbers(items: pl.DataFrame) -> NDArray[np.int64]:
    """Each item's cluster as a number, unique across benchmarks. Shape [n_items]; not to be changed."""
    names = [pl.col(name).cast(pl.String) for name in ("benchmark", "cluster") if name in items.columns]
    found = (items.select(pl.concat_str(names, separator="\0").rank("dense").cast(pl.Int64) - 1)).to_series().to_numpy()
    found.flags.writeable = False
    return found


@once_per_frame
def _by_cluster(items: pl.DataFrame) -> NDArray[np.int64]:
    """The items' places in the order of their clusters and, within one, of their keys."""
    return np.lexsort((_sorted_keys(items)[0], cluster_numbers(items)))
