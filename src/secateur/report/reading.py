"""What a report reads, and how."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from secateur.records.cell import CellInfo
from secateur.records.store import Store
from secateur.report.as_published import Readers


class Reading:
    """What is read, and how; what its models share is worked out once. Pickled, it is the store's path and the rest.

    Args:
        store: Where the answers are.
        plan: One of ``store.plans()``.
        parser: Name of the one that reads sampled answers.
        min_mass: Letter mass below which a letter answer is unparsed.
        level: Of the intervals.
    """

    def __init__(self, store: Store, plan: Mapping[str, Any], *, parser: str, min_mass: float, level: float) -> None:
        self.store = store
        self.plan = plan
        self.parser = parser
        self.min_mass = min_mass
        self.level = level

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopened, (self.store.path, self.plan, self.parser, self.min_mass, self.level)

    @cached_property
    def cells(self) -> dict[str, CellInfo]:
        """The store's cells by their id."""
        return {info.id: info for info in self.store.cells()}

    @cached_property
    def items(self) -> pl.DataFrame:
        """The plan's items, rows of the table ``items``."""
        return self.store.item_set(self.plan["items"])

    @cached_property
    def realised(self) -> set[str]:
        """Keys of the variants that were realised."""
        return {said["planned"] for said in self.store.variants()}

    @cached_property
    def n_rows(self) -> int:
        """Rows of the plan's cells, those of other plans in them too."""
        planned = {cell["cell"] for model in self.plan["models"] for cell in model["cells"]}
        return sum(sum(info.rows.values()) for cell, info in self.cells.items() if cell in planned)

    @cached_property
    def readers(self) -> Readers:
        """The parsers."""
        return Readers(self.parser)


def _reopened(path: Path, plan: Mapping[str, Any], parser: str, min_mass: float, level: float) -> Reading:
    return Reading(Store.open(path), plan, parser=parser, min_mass=min_mass, level=level)
