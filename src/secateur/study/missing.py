"""What a store lacks of a plan, before anything is asked."""

from __future__ import annotations

from typing import Any

import numpy as np

from secateur.items.orders import ORDERS
from secateur.records.cell import CellInfo
from secateur.records.store import Store
from secateur.records.tables import LETTER, QUESTIONS, SAMPLED
from secateur.study.plan import ModelPlan, Plan, PlannedCell


def missing_rows(plan: Plan, store: Store | None) -> int:
    """How many of the plan's rows are not in the store; all of them if there is no store."""
    if store is None:
        return sum(plan.n_rows.values())
    found = {info.id: info for info in store.cells()}
    return sum(_missing(plan, model, cell, found.get(cell.spec.id)) for model, cell in plan.cells())


def _missing(plan: Plan, model: ModelPlan, cell: PlannedCell, info: CellInfo | None) -> int:
    if info is None:
        return sum(cell.rows.values())
    dense = cell.variant.recipe is None
    wanted = _ask_keys(plan, dense=dense) if cell.spec.task in QUESTIONS else _window_keys(model, cell)
    return sum(int(info.keys(table).missing(keys).sum()) for table, keys in wanted.items() if table in cell.rows)


def _window_keys(model: ModelPlan, cell: PlannedCell) -> dict[str, dict[str, Any]]:
    """Every key of the one table of a cell in which text is read."""
    keys = {"window": np.array(sorted({window.key for window in model.windows}), dtype=np.uint64)}
    return dict.fromkeys(cell.rows, keys)


def _ask_keys(plan: Plan, *, dense: bool) -> dict[str, dict[str, Any]]:
    """Every key of a cell's two tables: all items, for each order, for each seed."""
    letter, sampled = plan.config.readouts.letter, plan.config.readouts.sampled
    items = np.array([item.key for item in plan.items], dtype=np.uint64)
    keys: dict[str, dict[str, Any]] = {}
    if letter:
        orders = ORDERS[letter.orders]
        keys[LETTER.name] = {"item": np.tile(items, len(orders)), "order": np.repeat(orders, len(items)).tolist()}
    if sampled:
        orders = ORDERS[sampled.orders]
        seeds = np.array([*sampled.seeds, *(sampled.floor_seeds if dense else ())], dtype=np.uint32)
        keys[SAMPLED.name] = {
            "item": np.tile(items, len(orders) * len(seeds)),
            "order": np.tile(np.repeat(orders, len(items)), len(seeds)).tolist(),
            "seed": np.repeat(seeds, len(items) * len(orders)),
        }
    return keys
