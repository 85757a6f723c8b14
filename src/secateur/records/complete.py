"""What a store has of the rows that a plan wants, row by row: a cell that another study extended holds others too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from secateur.records.store import Store
from secateur.records.tables import LETTER, SAMPLED, TASK_TABLES

if TYPE_CHECKING:
    import polars as pl


def rows_present(
    store: Store, plan: Mapping[str, Any], model: Mapping[str, Any], cell: Mapping[str, Any]
) -> dict[str, int]:
    """How many of the rows that a plan wants of one of its cells are in the store, per table of the cell's task.

    Args:
        store: Where the answers are.
        plan: One of ``store.plans()``.
        model: One of the plan's ``models``.
        cell: One of the model's ``cells``; one that was not begun has no rows.

    Raises:
        StoreDamagedError: If a file is missing or changed; says what to do.
    """
    tables = TASK_TABLES[cell["task"]]
    info = store.begun(cell["cell"])
    if info is None:
        return {table.name: 0 for table in tables}
    return {
        table.name: plan_rows(store, plan, model, cell, table.name, columns=table.key).height
        if info.rows[table.name]
        else 0
        for table in tables
    }


def plan_rows(
    store: Store,
    plan: Mapping[str, Any],
    model: Mapping[str, Any],
    cell: Mapping[str, Any],
    table: str,
    *,
    columns: Sequence[str] | None = None,
) -> pl.DataFrame:
    """The rows of one table of a cell that a plan wants, in the order they were written; others are left out.

    Args:
        store: Where the answers are.
        plan: One of ``store.plans()``.
        model: One of the plan's ``models``.
        cell: One of the model's ``cells``, which was begun.
        table: Its name.
        columns: Which; ``None``: all. They include the table's key.

    Raises:
        StoreError: If the store has no such cell.
        StoreDamagedError: If a file is missing or changed; says what to do.
    """
    import polars as pl

    rows = store.read(cell["cell"], table, columns=columns)
    if table not in (LETTER.name, SAMPLED.name):
        return (
            rows.filter(pl.col("window").is_in(_windows(store, model["windows"]))) if model["windows"] else rows.clear()
        )
    wanted = pl.col("item").is_in(_items(store, plan["items"])) & pl.col("order").is_in(_orders(plan, table))
    if table == SAMPLED.name:
        wanted &= pl.col("seed").is_in(_seeds(store, plan, cell))
    return rows.filter(wanted)


# A set's name says what is in it, so its keys are read once for all cells of a store.
@lru_cache(maxsize=4)
def _items(store: Store, name: str) -> pl.Series:
    return store.item_set(name)["item"].implode()


@lru_cache(maxsize=4)
def _windows(store: Store, name: str) -> pl.Series:
    return store.window_set(name)["window"].implode()


def _orders(plan: Mapping[str, Any], table: str) -> list[str]:
    readout = plan.get({LETTER.name: "letter", SAMPLED.name: "sampled"}[table]) or {}
    return list(readout.get("orders", ()))


def _seeds(store: Store, plan: Mapping[str, Any], cell: Mapping[str, Any]) -> list[int]:
    """What a cell's answers are drawn with; with the floor's seeds too if more rows are wanted than without."""
    sampled = plan.get("sampled") or {}
    seeds = list(sampled.get("seeds", ()))
    once = _items(store, plan["items"]).list.len().item() * len(_orders(plan, SAMPLED.name)) * len(seeds)
    return seeds + (list(sampled.get("floor_seeds", ())) if cell["rows"].get(SAMPLED.name, 0) > once else [])
