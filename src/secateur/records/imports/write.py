"""From answers that another program got to a store like any other. Knows nothing of formats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from secateur.errors import StoreMismatchError
from secateur.identity import Plain, digest
from secateur.items.item import ItemSet
from secateur.records.cell import CellSpec
from secateur.records.store import Store
from secateur.records.tables import SAMPLED

if TYPE_CHECKING:
    import polars as pl

    from secateur.records.cell import Cell

CHUNK = 1024
"""Items per shard, as many as a run asks at once."""

STOP = "imported"
ORDER = "012"
NOT_STATED = "not stated by the records"


@dataclass(frozen=True)
class ImportedVariant:
    """One model with one thing done to it, and what is known of it besides its answers.

    Args:
        model: The model's name.
        label: For people; unique within the model.
        method: Name of the method; ``None`` for the model that was not pruned. Where nothing is known but what the
            variant is called, that.
        level: Share of weights that was to be removed, 0..1; ``None`` if the records do not say.
        facts: What goes into the plan's record beside its cell, plain values.
        expected: Whether there should be answers of it. Of the model that was not pruned there need not be any; its
            variant is there all the same, so that others can be compared with it once they are.
    """

    model: str
    label: str
    method: str | None
    level: Fraction | None
    facts: Mapping[str, Plain] = field(default_factory=dict)
    expected: bool = True


@dataclass(frozen=True)
class Imported:
    """Answers of another program, checked.

    Args:
        source: Name of the format, in ``IMPORTS``.
        study: What the whole is called.
        items: What was asked, with roles.
        variants: Models in order, of each the one that was not pruned first.
        answers: One row per answer: variant (place in ``variants``), item (key), seed, text; and, where something else
            than ``STOP`` is known of any, stop.
        seeds: All seeds.
        files: What was read: name, bytes, sha256, records.
        notes: What a reader of results must know, one sentence each.
    """

    source: str
    study: str
    items: ItemSet
    variants: tuple[ImportedVariant, ...]
    answers: pl.DataFrame
    seeds: tuple[int, ...]
    files: tuple[Mapping[str, Plain], ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class ImportOutcome:
    """What an import did.

    Args:
        imported: What was read.
        plan: Digest of its plan in the store.
        rows_added: Answers that were added now; others were there before.
    """

    imported: Imported
    plan: str
    rows_added: int


def write_import(imported: Imported, into: Path) -> ImportOutcome:
    """Write imported answers into a store; done again, it adds what is missing and leaves the same bytes.

    Raises:
        StoreMismatchError: If the store has other roles for an item, or another text for an answer.
        StoreBusyError: If another process is writing one of the cells.
        StoreUnwritableError: If the disk is full or read-only; what was written before is kept.
    """
    store = Store.open_or_create(into)
    specs = [_spec(imported, variant) for variant in imported.variants]
    plan = _register(store, imported, specs)
    places = _Places(np.array([item.key for item in imported.items], dtype=np.uint64), imported.seeds)
    added = 0
    for number, spec in enumerate(specs):
        with store.write_cell(spec) as cell:
            added += _fill(store, cell, imported, number, places)
    store.log({"event": "import", "study": imported.study, "plan": plan, "rows": added})
    return ImportOutcome(imported, plan, added)


def _model_digest(imported: Imported, model: str) -> str:
    """Identity of a model of which only the name is known."""
    return digest("imported-model", [imported.source, model])


def _spec(imported: Imported, variant: ImportedVariant) -> CellSpec:
    made: list[Plain] = [variant.method or "dense", str(variant.level)]
    if variant.level is None:  # nothing tells it from others but its label
        made = [variant.method is None, None, variant.label]
    planned = digest("imported-variant", [imported.source, variant.model, *made])
    return CellSpec(planned, "ask", {"source": imported.source}, token_budget=1)


def _record(imported: Imported, variant: ImportedVariant) -> dict[str, Plain]:
    """What stands in place of a recipe; ``source`` says that nothing here was pruned by us."""
    recipe: dict[str, Plain] | None = None
    if variant.method is not None:
        recipe = {"source": imported.source, "method": variant.method}
        if variant.level is not None:
            recipe["sparsity"] = str(variant.level)
    return {"label": variant.label, "recipe": recipe, "source": imported.source}


def _register(store: Store, imported: Imported, specs: Sequence[CellSpec]) -> str:
    """Write everything but the answers; gives the plan's digest."""
    items = store.add_items(imported.items)
    n_rows = len(imported.items) * len(imported.seeds)
    models: dict[str, list[Plain]] = {}
    for variant, spec in zip(imported.variants, specs, strict=True):
        model = _model_digest(imported, variant.model)
        record = _record(imported, variant)
        if variant.model not in models:
            store.add_model({"digest": model, "name": variant.model, "family": None, "source": imported.source})
        store.add_variant(spec.variant, {"model": model, **record})
        models.setdefault(variant.model, []).append(
            {
                "cell": spec.id,
                "task": spec.task,
                "variant": spec.variant,
                "rows": {SAMPLED.name: n_rows if variant.expected else 0},
                **record,
                **variant.facts,
            }
        )
    plan = store.add_plan(
        {
            "study": imported.study,
            "source": imported.source,
            "files": list(imported.files),
            "items": items,
            "benchmark": imported.items.benchmark,
            "notes": list(imported.notes),
            "dtype": NOT_STATED,
            "letter": None,
            "sampled": {"orders": [ORDER], "seeds": list(imported.seeds), "floor_seeds": []},
            "text": None,
            "calibration": None,
            "models": [
                {
                    "model": _model_digest(imported, name),
                    "name": name,
                    "weights": None,
                    "windows": None,
                    "cells": cells,
                }
                for name, cells in models.items()
            ],
        }
    )
    # As a run, so that a report without --plan is of what was written last.
    store.log({"event": "run", "study": imported.study, "plan": plan})
    return plan


class _Places:
    """In which chunk an answer belongs, and where in it; depends on the items and seeds alone.

    Args:
        keys: Of the items. Shape [n_items].
        seeds: All seeds, in their order.
    """

    def __init__(self, keys: np.ndarray[tuple[int], np.dtype[np.uint64]], seeds: Sequence[int]) -> None:
        self._keys = np.sort(keys)
        self._seeds = np.array(seeds, dtype=np.uint32)
        self.n_chunks = -(-len(keys) // CHUNK)

    def sort(self, answers: pl.DataFrame) -> tuple[pl.DataFrame, list[int]]:
        """Answers by item's key and by seed; and where each chunk's begin and end."""
        rank = np.searchsorted(self._keys, answers["item"].to_numpy())
        order = np.argsort(self._seeds)
        seed = order[np.searchsorted(self._seeds, answers["seed"].to_numpy(), sorter=order)]
        places = np.lexsort((seed, rank))
        ends = np.searchsorted(rank[places], np.arange(self.n_chunks + 1) * CHUNK)
        return answers[places], ends.tolist()


def _fill(store: Store, cell: Cell, imported: Imported, number: int, places: _Places) -> int:
    """Add to a cell what it lacks; gives the rows added."""
    import polars as pl

    answers = imported.answers.filter(pl.col("variant") == number)
    stop = pl.col("stop") if "stop" in answers.columns else pl.lit(STOP).alias("stop")
    answers = answers.select("item", "seed", "text", stop)
    _refuse_other_texts(store, cell, answers)
    answers, ends = places.sort(answers)
    added = 0
    for start, end in pairwise(ends):
        rows = _sampled_rows(answers[start:end])
        missing = rows.filter(pa.array(cell.missing(SAMPLED.name, rows)))
        if len(missing):
            cell.append({SAMPLED.name: missing})
            added += len(missing)
    return added


def _refuse_other_texts(store: Store, cell: Cell, answers: pl.DataFrame) -> None:
    import polars as pl

    stored = store.read(cell.id, SAMPLED.name)
    both = stored.join(answers, on=["item", "seed"], suffix="_new").filter(pl.col("text") != pl.col("text_new"))
    if not both.height:
        return
    row = both.row(0, named=True)
    raise StoreMismatchError(
        "The store has another text for an answer that is imported.",
        where=f"cell {cell.id[:16]}, item {row['item']:016x}, seed {row['seed']} ({both.height:,} such answers)",
        allowed=repr(row["text"]),
        got=repr(row["text_new"]),
        todo="import these files into a store of their own",
    )


def _sampled_rows(answers: pl.DataFrame) -> pa.Table:
    """Rows of the table ``sampled``."""
    n = len(answers)
    return pa.table(
        [
            answers["item"].to_arrow(),
            pa.array([ORDER] * n, pa.string()).dictionary_encode(),
            answers["seed"].to_arrow(),
            answers["text"].to_arrow().cast(pa.string()).dictionary_encode(),
            answers["stop"].to_arrow().cast(pa.string()).dictionary_encode(),
        ],
        schema=SAMPLED.schema,
    )
