"""Running a plan: register it in the store, then work through its cells. Resuming is running again."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import torch

from secateur.compression.dense import restore_dense
from secateur.compression.noise import Noise, add_noise
from secateur.compression.realise import Realisation, realise
from secateur.compression.recipe import Recipe
from secateur.errors import StoreBusyError, UserError
from secateur.identity import Plain
from secateur.inference.backend import Backend, Request
from secateur.inference.backends import BACKENDS
from secateur.inference.divergence import run_divergence
from secateur.inference.runner import MakeBackend, NoWatcher, Watcher, run_ask, run_text, window_rows
from secateur.items.orders import ORDERS
from secateur.models.loading import LoadedModel, load_model
from secateur.records.store import Store
from secateur.records.tables import LAYERS, QUESTIONS
from secateur.study.config import StudyConfig
from secateur.study.plan import ModelPlan, Plan, PlannedCell, PlannedVariant, make_plan, resolve_device
from secateur.study.provenance import environment


class Progress(Protocol):
    """What a run tells its user."""

    def cell(self, name: str, number: int, of: int) -> AbstractContextManager[Watcher]:
        """Cell ``number`` (from 1) of ``of`` begins."""

    def note(self, text: str) -> None:
        """Something worth a line happened."""


class Silent:
    """Tells nothing."""

    def cell(self, name: str, number: int, of: int) -> AbstractContextManager[Watcher]:
        """Nothing."""
        del name, number, of
        return nullcontext(NoWatcher())

    def note(self, text: str) -> None:
        """Nothing."""


@dataclass(frozen=True)
class Outcome:
    """What a run did.

    Args:
        plan: What was planned.
        plan_digest: Its name in the store.
        rows_added: Rows that were answered now.
        rows_wanted: Rows of the plan, those answered before included.
        seconds: Wall-clock time.
    """

    plan: Plan
    plan_digest: str
    rows_added: int
    rows_wanted: int
    seconds: float


def run_study(
    config: StudyConfig,
    store_path: Path,
    *,
    base: Path,
    offline: bool = False,
    progress: Progress | None = None,
    planned: Callable[[Plan, Store], None] = lambda plan, store: None,
) -> Outcome:
    """Run a study, or what is missing of it.

    Args:
        config: The study.
        store_path: The store; made if missing.
        base: Folder that relative paths in the study start from.
        offline: Make no network call.
        progress: Told how it goes on.
        planned: Called with the plan and the store before anything is asked.

    Raises:
        StoreBusyError: If other processes still hold cells when all others are done, or did not finish one that
            others need.
        UserError: If the study, a model, the items, a text or the store is not what it should be.
    """
    there = Store.open_or_create(store_path) if store_path.exists() else None
    plan = make_plan(config, base=base, offline=offline, dtype=stored_dtype(there, config) if there else None)
    store = there or Store.open_or_create(store_path)  # a study that is refused leaves no empty store
    planned(plan, store)
    return run_plan(plan, store, progress=progress)


def run_plan(plan: Plan, store: Store, *, progress: Progress | None = None) -> Outcome:
    """Run a plan, or what is missing of it; see :func:`run_study`."""
    started = time.monotonic()
    progress = progress or Silent()
    plan_digest = register(store, plan)
    numbers = {cell.spec.id: number for number, (_, cell) in enumerate(plan.cells(), 1)}
    added = 0
    busy: list[StoreBusyError] = []

    def run_cells(runner: _ModelRun, cells: Sequence[PlannedCell]) -> list[tuple[PlannedCell, StoreBusyError]]:
        """Run cells; gives those that another process holds or that need one that it holds."""
        nonlocal added
        held = []
        for cell in cells:
            name = ", ".join(filter(None, (runner.model.name, cell.variant.label, cell.spec.task, cell.wording)))
            began = time.monotonic()
            try:
                with progress.cell(name, numbers[cell.spec.id], len(numbers)) as watcher:
                    rows = runner.run(cell, watcher)
            except StoreBusyError as error:
                progress.note(f"{name}: {error.what} Going on with the next cell.")
                held.append((cell, _without_frames(error)))
                continue
            added += rows
            if rows:
                seconds = round(time.monotonic() - began, 3)
                store.log({"event": "cell", "cell": cell.spec.id, "name": name, "rows": rows, "seconds": seconds})
        return held

    for model in plan.models:
        runner = _ModelRun(store, plan, model, progress)
        runner.check_prompts()
        held = run_cells(runner, model.cells)
        busy += [error for _, error in run_cells(runner, [cell for cell, _ in held])]
    if busy:
        raise busy[0]
    return Outcome(plan, plan_digest, added, sum(plan.n_rows.values()), time.monotonic() - started)


def _without_frames(error: StoreBusyError) -> StoreBusyError:
    """An error to keep: the frames it came through hold the model that was in memory."""
    error.__context__ = error.__cause__ = None
    return error.with_traceback(None)


def register(store: Store, plan: Plan) -> str:
    """Write into the store everything a report needs besides the answers; gives the plan's digest.

    Raises:
        StoreMismatchError: If the store holds something else under the same name, or another compute dtype.
    """
    store.fix_setting(_dtype_setting(plan.device), plan.dtype)
    items = store.add_items(plan.items)
    ran_on = store.add_environment(environment(plan.device))
    models: list[Plain] = []
    for model in plan.models:
        windows = None
        if plan.corpus is not None and model.windows:
            windows = store.add_windows(
                plan.corpus.name,
                plan.corpus.digest,
                window_rows(plan.corpus.name, model.windows),
                about=plan.text_of([model]),
            )
        store.add_model({"digest": model.checkpoint.digest, "name": model.name, "family": model.checkpoint.family.name})
        for variant in model.variants:
            store.add_variant(variant.planned, {"model": model.checkpoint.digest, **_variant_record(variant)})
        models.append(
            {
                "model": model.checkpoint.digest,
                "name": model.name,
                "weights": model.checkpoint.n_weights,
                "vocabulary": model.vocabulary,
                "windows": windows,
                "cells": [
                    {
                        "cell": cell.spec.id,
                        "task": cell.spec.task,
                        "variant": cell.variant.planned,
                        "rows": cell.rows,
                        **({"wording": cell.wording} if cell.wording else {}),
                        "calibration_seed": cell.variant.calibration_seed,
                        **_variant_record(cell.variant),
                    }
                    for cell in model.cells
                ],
            }
        )
    digest = store.add_plan(
        {
            "study": plan.config.study,
            "items": items,
            "benchmark": plan.items.benchmark,
            "notes": list(plan.items.notes),
            "dtype": plan.dtype,
            **_readouts(plan.config),
            "text": plan.text,
            "calibration": plan.config.calibration.model_dump(mode="json") if plan.config.calibration else None,
            "models": models,
        }
    )
    store.log({"event": "run", "study": plan.config.study, "plan": digest, "environment": ran_on})
    return digest


def _readouts(config: StudyConfig) -> dict[str, Plain]:
    letter, sampled = config.readouts.letter, config.readouts.sampled
    return {
        "letter": None
        if letter is None
        # A study without these keeps the name that it had before there were any.
        else {"orders": list(ORDERS[letter.orders])}
        | ({"other_prompts": list(letter.other_prompts)} if letter.other_prompts else {})
        | ({"floor": letter.floor} if letter.floor else {}),
        "sampled": None
        if sampled is None
        else sampled.model_dump(mode="json") | {"orders": list(ORDERS[sampled.orders])},
    }


def _variant_record(variant: PlannedVariant) -> dict[str, Plain]:
    return {"label": variant.label, "recipe": variant.recipe.plain if variant.recipe else None}


def _dtype_setting(device: str) -> str:
    return f"dtype/{torch.device(device).type}"


def stored_dtype(store: Store, config: StudyConfig) -> str | None:
    """The compute dtype that a store has fixed, if the study leaves it open."""
    if config.compute.dtype != "auto":
        return None
    found = store.settings.get(_dtype_setting(resolve_device(config.compute.device)))
    return None if found is None else str(found)


class _ModelRun:
    """The cells of one model, in turn. The model is loaded when the first missing row needs it.

    Args:
        store: Where answers are kept.
        plan: The whole plan.
        model: Whose cells.
        progress: Told what is loaded and pruned.
    """

    def __init__(self, store: Store, plan: Plan, model: ModelPlan, progress: Progress) -> None:
        self._store = store
        self._plan = plan
        self.model = model
        self._progress = progress
        self._asked: dict[tuple[str, bool], list[Request]] = {}
        self._in_memory: PlannedVariant | None = None
        self._is_dense = True  # as loaded
        self._memory_for: dict[str, int] = {}  # task -> tokens in a batch, once more were too many

    def run(self, cell: PlannedCell, watcher: Watcher) -> int:
        """Run one cell; gives the rows added."""

        def make_backend(token_budget: int) -> Backend:
            self._bring(cell.variant)
            make = BACKENDS[str(cell.spec.protocol["backend"])].make
            budget = min(token_budget, self._memory_for.get(cell.spec.task, token_budget))
            letters = self.model.prompts_in(cell.wording).letter_tokens
            return make(self._loaded, letters, self.model.decoding, budget, short)

        def short(tokens: int) -> None:
            self._memory_for[cell.spec.task] = tokens
            self._progress.note(f"the device has not enough memory; going on with {tokens:,} tokens in a batch")
            self._store.log({"event": "out of memory", "cell": cell.spec.id, "token_budget": tokens})

        try:
            if cell.spec.task in QUESTIONS:
                requests = self._plan.requests(self.model, cell, self._base_requests(cell))
                return run_ask(self._store, cell.spec, requests, make_backend, watcher)
            if cell.spec.task == "text":
                return run_text(self._store, cell.spec, self.model.windows, make_backend, watcher)
            return self._run_divergence(cell, make_backend, watcher)
        except torch.OutOfMemoryError as error:
            raise UserError(
                "The device ran out of memory.",
                where=f"{self.model.name}, {cell.variant.label}, {cell.spec.task}",
                got=str(error).splitlines()[0],
                todo="run on a larger device, or into a new store with a smaller compute.token_budget; what is "
                "answered so far is kept",
            ) from None

    def _run_divergence(self, cell: PlannedCell, make_backend: MakeBackend, watcher: Watcher) -> int:
        assert self._plan.config.perplexity is not None
        assert self._plan.config.perplexity.divergence is not None
        return run_divergence(
            self._store,
            cell.spec,
            self.model.windows,
            make_backend,
            watcher,
            probe=self._plan.config.perplexity.divergence.probe,
            reference=None if cell.variant.recipe is None else self.model.reference,
        )

    def check_prompts(self) -> None:
        """Make the prompts of all cells, so that one that is too long ends the run before anything is asked.

        Raises:
            InputError: If a prompt is longer than the model's context.
        """
        for cell in self.model.cells:
            if cell.spec.task in QUESTIONS:
                self._base_requests(cell)

    def _base_requests(self, cell: PlannedCell) -> list[Request]:
        key = cell.wording, cell.spec.task != "ask"
        if key not in self._asked:
            self._asked[key] = self._plan.base_requests(self.model, cell.wording, letters_alone=key[1])
        return self._asked[key]

    @cached_property
    def _loaded(self) -> LoadedModel:
        self._progress.note(f"loading {self.model.name} ({self._plan.dtype} on {self._plan.device})")
        dtype: torch.dtype = getattr(torch, self._plan.dtype)
        return load_model(self.model.checkpoint, device=self._plan.device, dtype=dtype)

    def _bring(self, variant: PlannedVariant) -> None:
        """Make the model in memory this variant.

        Raises:
            StoreBusyError: If another process is measuring what it is made from.
            UserError: If the device has not enough memory for that.
        """
        if self._in_memory == variant:
            return
        try:
            with self._alone(variant):
                self._make(variant)
        except torch.OutOfMemoryError as error:
            halved = ", or into a new store with compute.dtype bfloat16" if self._plan.dtype == "float32" else ""
            raise UserError(
                "The device has not enough memory for the model, or for making the variant.",
                where=f"{self.model.name}, {variant.label}, {self._plan.dtype} on {self._plan.device}",
                got=str(error).splitlines()[0],
                todo=f"run on a larger device, or on another (compute.device){halved}; what is answered so far is kept",
            ) from None

    def _make(self, variant: PlannedVariant) -> None:
        loaded, recipe = self._loaded, variant.recipe
        self._in_memory = None
        if not self._is_dense and not isinstance(recipe, Noise):  # noise is written over all that was changed
            restore_dense(loaded)
        self._is_dense = recipe is None
        if recipe is not None:
            made = self._made(loaded, variant.planned, recipe)
            self._store.realise(
                variant.planned,
                made.digest,
                layer_rows(made),
                made.statistics or None,
                layer_digests=made.layer_digests,
            )
        self._in_memory = variant

    def _alone(self, variant: PlannedVariant) -> AbstractContextManager[None]:
        """Where inputs are to be measured: two who measure may differ in last bits, and the second would be refused."""
        measured = isinstance(variant.recipe, Recipe) and variant.recipe.spec.needs_inputs
        if measured and self._store.realisation(variant.planned) is None:
            return self._store.make_variant(variant.planned)
        return nullcontext()

    def _made(self, loaded: LoadedModel, planned: str, recipe: Recipe | Noise) -> Realisation:
        """Change the model in memory: a dense one, or any if noise is added."""
        if isinstance(recipe, Noise):
            self._progress.note(f"adding noise: {recipe.label}")
            return add_noise(loaded, recipe)
        self._progress.note(f"pruning: {recipe.label}")
        stored = self._store.realisation(planned)
        return realise(
            loaded,
            recipe,
            sequences=self.model.calibration.get(recipe.calibration or ""),
            statistics=stored.statistics() if stored else None,
        )


def layer_rows(made: Realisation) -> pa.Table:
    """Rows of the table ``layers``."""
    columns: Sequence[Sequence[object]] = [
        [getattr(layer, field.name) for layer in made.layers] for field in LAYERS.schema
    ]
    return pa.table(
        [pa.array(column, field.type) for column, field in zip(columns, LAYERS.schema, strict=True)],
        schema=LAYERS.schema,
    )
