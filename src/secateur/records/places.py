"""Where the items and orders of answers stand in their tables."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from secateur.errors import InputError
from secateur.items.orders import ALL_ORDERS
from secateur.records.frames import once_per_frame
from secateur.records.unknown import refuse_unknown_items, refuse_unknown_orders


def item_places(rows: pl.DataFrame, items: pl.DataFrame) -> NDArray[np.int64]:
    """Each row's place in the items table, [n_rows].

    Raises:
        InputError: If an item is not in the table, or stands there twice.
    """
    keys, order = _sorted_keys(items)
    asked = rows["item"].to_numpy()
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


def asked_items(rows: pl.DataFrame, items: pl.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The items that have a row, ordered by key, as places in the items table; and each row's place among these.

    Shapes: [n_asked], [n_rows].

    Raises:
        InputError: As ``item_places``.
    """
    places = item_places(rows, items)
    _, order = _sorted_keys(items)
    has_row = np.zeros(items.height, np.bool_)
    has_row[places] = True
    asked = order[has_row[order]]
    rank = np.empty(items.height, np.int64)
    rank[asked] = np.arange(len(asked))
    return asked, rank[places]


def order_numbers(rows: pl.DataFrame) -> NDArray[np.int64]:
    """Each row's order as its place in ``ALL_ORDERS``, [n_rows].

    Raises:
        InputError: If an order does not exist.
    """
    refuse_unknown_orders(rows["order"])
    return rows["order"].cast(pl.Enum(ALL_ORDERS)).to_physical().to_numpy().astype(np.int64)


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
