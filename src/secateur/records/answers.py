"""The outcomes of one variant of a plan, by readout: from a store's rows to what metrics take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from secateur.identity import distinct_names
from secateur.records.complete import plan_rows
from secateur.records.outcomes import average_orders, letter_outcomes, sampled_outcomes
from secateur.records.parser import Parser
from secateur.records.store import Store
from secateur.records.tables import LETTER as LETTER_TABLE
from secateur.records.tables import SAMPLED as SAMPLED_TABLE

LETTER = "letter"
BY_ORDER = "letter by order"
SAMPLED = "sampled"


@dataclass(frozen=True)
class Answers:
    """What a variant answered, of what a plan asks.

    Args:
        rows: Rows found per table.
        outcomes: By readout: ``LETTER``, over several orders their mean, beside which ``BY_ORDER`` stands; ``SAMPLED``.
        sampled: The rows behind ``SAMPLED``; ``None`` without.
        floor: Outcomes drawn with the floor's seeds, of the dense variant; ``None`` without.
        left_out: Items that lack some of the orders, and so have no mean.
    """

    rows: Mapping[str, int] = field(default_factory=dict)
    outcomes: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    sampled: pl.DataFrame | None = None
    floor: pl.DataFrame | None = None
    left_out: int = 0


def read_answers(
    store: Store,
    plan: Mapping[str, Any],
    model: Mapping[str, Any],
    cell: Mapping[str, Any],
    items: pl.DataFrame,
    *,
    parser: Parser,
    min_mass: float,
) -> Answers:
    """Read one ``ask`` cell of a plan.

    Args:
        store: Where the answers are.
        plan: One of ``store.plans()``.
        model: One of the plan's ``models``.
        cell: One of the model's ``cells``; one that was not begun has no answers.
        items: The plan's items, rows of the table ``items``.
        parser: Reads sampled answers.
        min_mass: Letter mass below which a letter answer is unparsed.
    """
    begun = store.begun(cell["cell"]) is not None
    orders = (plan.get("letter") or {}).get("orders", [])
    sampled = plan.get("sampled") or {}
    rows = {LETTER_TABLE.name: 0, SAMPLED_TABLE.name: 0}
    outcomes: dict[str, pl.DataFrame] = {}
    left_out = 0
    if begun and orders:
        letter = plan_rows(store, plan, model, cell, LETTER_TABLE.name)
        rows[LETTER_TABLE.name] = letter.height
        if letter.height:
            found, left_out = _letter_outcomes(letter, items, n_orders=len(orders), min_mass=min_mass)
            outcomes |= found
    answered = floor = None
    if begun and sampled:
        drawn = plan_rows(store, plan, model, cell, SAMPLED_TABLE.name)
        rows[SAMPLED_TABLE.name] = drawn.height
        main, again = (drawn.filter(pl.col("seed").is_in(sampled.get(seeds, []))) for seeds in ("seeds", "floor_seeds"))
        if main.height:
            answered, outcomes[SAMPLED] = main, sampled_outcomes(main, items, parser)
        if again.height:
            floor = sampled_outcomes(again, items, parser)
    return Answers(rows, outcomes, sampled=answered, floor=floor, left_out=left_out)


def one_readout(plan: Mapping[str, Any], readout: str) -> dict[str, Any]:
    """The plan as if it asked for one readout alone, ``LETTER`` or ``SAMPLED``.

    Cells that ask in other words, or for a floor, are read with the plan for ``LETTER``: they hold nothing else.
    """
    return {**plan, **{other: None for other in (LETTER, SAMPLED) if other != readout}}


def named_models(plan: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """The plan's models, each with a name that is its alone."""
    models = plan["models"]
    return list(zip(distinct_names([(model["model"], model["name"]) for model in models]), models, strict=True))


def _letter_outcomes(
    letter: pl.DataFrame, items: pl.DataFrame, *, n_orders: int, min_mass: float
) -> tuple[dict[str, pl.DataFrame], int]:
    """Outcomes by readout, and how many items lack some of the orders."""
    if n_orders == 1:
        return {LETTER: letter_outcomes(letter, items, min_mass=min_mass)}, 0
    averaged = average_orders(letter, items, min_mass=min_mass)
    # A mean over some of the orders would not cancel the preference for a letter.
    whole = averaged.filter(pl.col("n_orders") == n_orders)
    by_order = letter_outcomes(letter, items, min_mass=min_mass)
    means = {LETTER: whole.drop("n_orders")} if whole.height else {}
    return means | {BY_ORDER: by_order}, averaged.height - whole.height
