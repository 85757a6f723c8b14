"""A store as a run leaves it, written by the runner with scripted backends in place of models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from secateur.identity import digest
from secateur.inference.backend import Backend, Probe, Request
from secateur.inference.divergence import run_divergence
from secateur.inference.runner import run_ask, run_text, window_rows
from secateur.items.corpora import Window
from secateur.items.item import ItemSet
from secateur.records.cell import CellSpec
from secateur.records.store import Store
from secateur.records.tables import LAYERS

CORPUS = "scripted"
BUDGET = 4096


@dataclass(frozen=True)
class ScriptedVariant:
    """One variant of a scripted model; the dense one is the first of a model.

    Args:
        label: Unique within the model.
        recipe: As in a plan; ``None`` if dense.
        backend: What answers; ``None`` if it is planned and not run.
        layers: Rows of the table ``layers``; ``None`` if dense.
        about: What else the plan says of its cells.
        reworded: What answers in other words, by wording.
    """

    label: str
    recipe: Mapping[str, Any] | None
    backend: Backend | None
    layers: pa.Table | None = None
    about: Mapping[str, Any] = field(default_factory=dict)
    reworded: Mapping[str, Backend] = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    """What every variant is asked.

    Args:
        letter: Orders of the letter readout.
        sampled: Orders of the sampled readout.
        seeds: Of the sampled readout.
        floor_seeds: With which dense is asked again.
        windows: Text.
        probe: How distributions are looked at, if they are.
        vocabulary: How many tokens they have.
        wordings: In which other words items are asked.
        limit: Requests asked per cell, to leave a store incomplete.
    """

    letter: tuple[str, ...] = ()
    sampled: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()
    floor_seeds: tuple[int, ...] = ()
    windows: tuple[Window, ...] = ()
    probe: Probe | None = None
    vocabulary: int | None = None
    wordings: tuple[str, ...] = ()
    limit: int | None = None

    def requests(self, items: ItemSet, *, dense: bool) -> list[Request]:
        """Every question, in every order."""
        seeds = self.seeds + (self.floor_seeds if dense else ())
        return [
            Request(
                item=item.key,
                order=order,
                tokens=tuple(range(10)),
                letter=order in self.letter,
                seeds=seeds if order in self.sampled else (),
            )
            for item in items
            for order in sorted({*self.letter, *self.sampled})
        ]


def write_store(
    folder: Path,
    study: str,
    items: ItemSet,
    models: Mapping[str, Sequence[ScriptedVariant]],
    asked: Asked,
    *,
    called: str | None = None,
) -> Path:
    """Plan and run a study into a new store; gives its folder. With ``called`` all models have that name."""
    store = Store.open_or_create(folder, settings={"dtype/cpu": "float32"})
    item_set = store.add_items(items)
    windows = None
    if asked.windows:
        windows = store.add_windows(CORPUS, asked.windows[0].corpus, window_rows(CORPUS, asked.windows))
    work, plans = [], []
    for name, variants in models.items():
        base = digest("model", [name])
        about = {"name": called or name}
        store.add_model({"digest": base, "family": "scripted", **about})
        planned = [_Planned(store, base, variant, items, asked) for variant in variants]
        cells = [cell for one in planned for cell in one.cells]
        plans.append({"model": base, **about, "vocabulary": asked.vocabulary, "windows": windows, "cells": cells})
        work += [(one, planned[0]) for one in planned if one.variant.backend is not None]
    store.log({"event": "run", "study": study})
    store.add_plan(
        {
            "study": study,
            "items": item_set,
            "benchmark": items.benchmark,
            "notes": list(items.notes),
            "dtype": "float32",
            "letter": _about_letters(asked) if asked.letter else None,
            "sampled": _about_samples(asked) if asked.sampled else None,
            "text": _about_text(asked) if asked.windows else None,
            "calibration": None,
            "models": plans,
        }
    )
    for one, dense in work:
        one.run(store, items, asked, dense)
    return folder


class _Planned:
    """A variant in a store's plan, with its cells."""

    def __init__(self, store: Store, base: str, variant: ScriptedVariant, items: ItemSet, asked: Asked) -> None:
        self.variant = variant
        self.dense = variant.recipe is None
        self.key = digest("variant", [base, variant.recipe or "dense"])
        store.add_variant(self.key, {"model": base, "label": variant.label, "recipe": variant.recipe})
        self.ask = CellSpec(self.key, "ask", {"template": "scripted", "temperature": 0.3}, BUDGET)
        self.text = CellSpec(self.key, "text", {"tokenizer": "scripted"}, BUDGET)
        requests = asked.requests(items, dense=self.dense)
        rows = {"letter": sum(r.letter for r in requests), "sampled": sum(len(r.seeds) for r in requests)}
        wanted = [(self.ask, rows)]
        if asked.windows:
            wanted.append((self.text, {"text": len(asked.windows)}))
        if asked.probe is not None:
            seen = {"tokenizer": "scripted", "every": asked.probe.every, "top": asked.probe.top}
            self.divergence = CellSpec(self.key, "divergence", seen, BUDGET)
            wanted.append((self.divergence, {"reference" if self.dense else "divergence": len(asked.windows)}))
        self.reworded = {
            wording: CellSpec(self.key, "wording", {"template": wording}, BUDGET)
            for wording in (asked.wordings if "placebo" not in (variant.recipe or {}) else ())
        }
        entry = {"variant": self.key, "label": variant.label, "recipe": variant.recipe, **variant.about}
        self.cells = [{"cell": spec.id, "task": spec.task, "rows": rows, **entry} for spec, rows in wanted]
        self.cells += [
            {"cell": spec.id, "task": spec.task, "rows": {"letter": rows["letter"]}, "wording": wording, **entry}
            for wording, spec in self.reworded.items()
        ]

    def run(self, store: Store, items: ItemSet, asked: Asked, dense: _Planned) -> None:
        """Ask everything."""
        backend = self.variant.backend
        assert backend is not None
        if self.variant.layers is not None:
            store.realise(self.key, digest("realised", [self.key]), self.variant.layers)
        requests = asked.requests(items, dense=self.dense)
        run_ask(store, self.ask, requests[: asked.limit], lambda budget: backend)
        letters = [replace(request, seeds=()) for request in requests if request.letter]
        for wording, spec in self.reworded.items():
            run_ask(store, spec, letters[: asked.limit], lambda budget, wording=wording: self.variant.reworded[wording])
        if asked.windows:
            run_text(store, self.text, asked.windows, lambda budget: backend)
        if asked.probe is not None and dense.variant.backend is not None:
            reference = None if self.dense else dense.divergence
            run_divergence(
                store,
                self.divergence,
                asked.windows,
                lambda budget: backend,
                probe=asked.probe,
                reference=reference,
            )


def layer_rows(layers: Iterable[tuple[str, int, int, int, int]]) -> pa.Table:
    """Rows of the table ``layers``: name, rows, columns, weights removed, zeros before."""
    columns = zip(*layers, strict=True)
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, LAYERS.schema, strict=True)], LAYERS.schema)


def _about_letters(asked: Asked) -> dict[str, Any]:
    return {"orders": list(asked.letter)} | ({"other_prompts": list(asked.wordings)} if asked.wordings else {})


def _about_samples(asked: Asked) -> dict[str, Any]:
    return {
        "orders": list(asked.sampled),
        "temperature": 0.3,
        "max_new_tokens": 5,
        "seeds": list(asked.seeds),
        "floor_seeds": list(asked.floor_seeds),
    }


def _about_text(asked: Asked) -> dict[str, Any]:
    window = len(asked.windows[0].tokens)
    about = {"protocol": f"scripted-{window}-bos", "corpus": CORPUS, "window": window, "windows": len(asked.windows)}
    if asked.probe is not None:
        about["divergence"] = {"every": asked.probe.every, "top": asked.probe.top}
    return about
