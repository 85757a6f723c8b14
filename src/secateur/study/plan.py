"""From a study file to a plan: which variants, which cells, how many rows. Nothing is asked, no model is loaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedTokenizerFast

from secateur.compression.methods import METHODS
from secateur.compression.noise import Noise
from secateur.compression.recipe import Recipe, planned_digest
from secateur.errors import ConfigError, InputError
from secateur.files import expanded
from secateur.identity import Plain, distinct_names
from secateur.inference.backend import Decoding, Request
from secateur.inference.backends import BACKENDS
from secateur.inference.dtype import fast_dtype
from secateur.inference.sampling import SAMPLER
from secateur.items.benchmarks import BENCHMARKS
from secateur.items.corpora import (
    Corpus,
    Tokenize,
    Window,
    calibration_digest,
    calibration_sequences,
    load_corpus,
)
from secateur.items.item import Condition, ItemSet
from secateur.items.orders import ALL_ORDERS, ORDERS
from secateur.items.prompts import LETTERS_V1, OTHER_PROMPTS
from secateur.models.chat import ChatPrompts
from secateur.models.checkpoint import Checkpoint, find_checkpoint
from secateur.models.finite import check_finite
from secateur.models.loading import begin_token, check_device, load_tokenizer, stop_tokens, tokenizer_digest
from secateur.records.cell import CellSpec
from secateur.records.tables import DIVERGENCE, LETTER, REFERENCE, TEXT
from secateur.study.config import SampledConfig, StudyConfig
from secateur.study.reading import Reading, about_text, cut_text, load_text
from secateur.study.variants import (
    ask_rows,
    faults_of_shapes,
    faults_of_variants,
    floor_rows,
    letter_floor_rows,
    methods_of,
    name_variants,
    wording_rows,
)


@dataclass(frozen=True)
class PlannedVariant:
    """One variant of one model.

    Args:
        label: For people; unique within its model.
        recipe: What is done to the model, a placebo too; ``None`` for the dense one.
        planned: Its planned digest.
        calibration_seed: Which calibration sequences it is made with, if any are drawn.
    """

    label: str
    recipe: Recipe | Noise | None
    planned: str
    calibration_seed: int | None = None


@dataclass(frozen=True)
class PlannedCell:
    """One unit of work.

    Args:
        variant: Whose answers.
        spec: Its identity in the store.
        rows: Rows wanted per table.
        wording: In which other words than the study's it is asked; empty for the study's.
    """

    variant: PlannedVariant
    spec: CellSpec
    rows: dict[str, int]
    wording: str = ""


@dataclass(frozen=True)
class ModelPlan:
    """All that is planned for one model.

    Args:
        name: What the user called it.
        checkpoint: Where its weights are.
        tokenizer: Its tokenizer.
        prompts: How items become its prompts.
        other_prompts: The same in other words, by name.
        decoding: How its answers are sampled.
        calibration: Digest -> token sequences, for the methods that need them.
        text: What is read, cut by its tokenizer; ``None`` if perplexity is not measured.
        variants: Dense first.
        cells: In the order they are run.
        floor: Whether the dense one is asked again with the study's floor seeds.
    """

    name: str
    checkpoint: Checkpoint
    tokenizer: PreTrainedTokenizerFast
    prompts: ChatPrompts
    other_prompts: Mapping[str, ChatPrompts]
    decoding: Decoding
    calibration: Mapping[str, Sequence[Sequence[int]]]
    text: Reading | None
    variants: tuple[PlannedVariant, ...]
    cells: tuple[PlannedCell, ...]
    floor: bool = True

    @property
    def windows(self) -> tuple[Window, ...]:
        """Text to read, cut by its tokenizer."""
        return self.text.windows if self.text else ()

    def prompts_in(self, wording: str) -> ChatPrompts:
        """How items become prompts in these other words; in the study's if empty."""
        return self.other_prompts[wording] if wording else self.prompts

    @property
    def reference(self) -> CellSpec:
        """The cell with the distributions that variants are compared with, if divergence is measured."""
        return next(c.spec for c in self.cells if c.spec.task == "divergence" and c.variant.recipe is None)

    @property
    def vocabulary(self) -> int | None:
        """How many tokens the model chooses from, if its config says."""
        found = self.checkpoint.config.get("vocab_size")
        return found if isinstance(found, int) else None


@dataclass(frozen=True)
class Plan:
    """A study, resolved.

    Args:
        config: The study file.
        items: What is asked.
        corpus: What is read, if perplexity is measured.
        models: One plan per model.
        device: The torch device everything runs on.
        dtype: What is computed in.
    """

    config: StudyConfig
    items: ItemSet
    corpus: Corpus | None
    models: tuple[ModelPlan, ...]
    device: str
    dtype: str

    def cells(self) -> Iterator[tuple[ModelPlan, PlannedCell]]:
        """Every cell with its model, in the order they are run."""
        return ((model, cell) for model in self.models for cell in model.cells)

    @cached_property
    def n_rows(self) -> dict[str, int]:
        """Rows per table, over all cells."""
        totals: dict[str, int] = {}
        for _, cell in self.cells():
            for table, rows in cell.rows.items():
                totals[table] = totals.get(table, 0) + rows
        return totals

    @property
    def floor_rows(self) -> int:
        """Of the sampled rows, those of dense models that serve only as a floor."""
        return sum(model.floor for model in self.models) * floor_rows(self.config, len(self.items))

    def rows_of(self, task: str) -> int:
        """Rows of all cells of a task."""
        return sum(sum(cell.rows.values()) for _, cell in self.cells() if cell.spec.task == task)

    @cached_property
    def text(self) -> dict[str, Any] | None:
        """What is read and how it is cut, as the store keeps it; ``None`` if perplexity is not measured."""
        return self.text_of(self.models)

    def text_of(self, models: Sequence[ModelPlan]) -> dict[str, Any] | None:
        """The same for some of the models."""
        if self.corpus is None or self.config.perplexity is None:
            return None
        names = distinct_names([(model.checkpoint.digest, model.name) for model in models])
        read = {name: model.text for name, model in zip(names, models, strict=True) if model.text is not None}
        return about_text(self.config.perplexity, self.corpus, read)

    def first(self, n: int) -> Plan:
        """The same plan over its first ``n`` items by key: the beginning of a random order."""
        return self.asking(first_items(self.items, n))

    def asking(self, items: ItemSet) -> Plan:
        """The same plan about some of its items."""
        return replace(self, items=items, models=tuple(self._counted(model, len(items)) for model in self.models))

    def floor_of_first_model_only(self) -> Plan:
        """The same plan where only the first model is asked with floor seeds: the others are compared with it."""
        models = [replace(model, floor=place == 0) for place, model in enumerate(self.models)]
        return replace(self, models=tuple(self._counted(model, len(self.items)) for model in models))

    def _counted(self, model: ModelPlan, n_items: int) -> ModelPlan:
        """The model with the rows that its ``ask`` cells hold for so many items."""

        def counted(cell: PlannedCell) -> PlannedCell:
            if cell.spec.task == "floor":
                return replace(cell, rows={LETTER.name: letter_floor_rows(self.config, n_items)})
            if cell.wording:
                rows = wording_rows(self.config, n_items, cell.variant.recipe)[cell.wording]
                return replace(cell, rows={LETTER.name: rows})
            if cell.spec.task != "ask":
                return cell
            floor = model.floor and cell.variant.recipe is None
            return replace(cell, rows=ask_rows(self.config, n_items, dense=floor))

        return replace(model, cells=tuple(map(counted, model.cells)))

    def requests(self, model: ModelPlan, cell: PlannedCell, base: Sequence[Request]) -> list[Request]:
        """A cell's requests: those of :meth:`base_requests` for it, with floor seeds where it is dense."""
        sampled = self.config.readouts.sampled
        if not model.floor or cell.variant.recipe is not None or sampled is None or not sampled.floor_seeds:
            return list(base)
        return [replace(r, seeds=r.seeds + sampled.floor_seeds) if r.seeds else r for r in base]

    def base_requests(self, model: ModelPlan, wording: str = "", *, letters_alone: bool = False) -> list[Request]:
        """What every variant of a model is asked.

        Args:
            model: Which.
            wording: In which other words than the study's; empty for the study's.
            letters_alone: Whether nothing is sampled.
        """
        letter, sampled = self.config.readouts.letter, None if letters_alone else self.config.readouts.sampled
        prompts = model.prompts_in(wording)
        letter_orders = ORDERS[letter.orders] if letter else ()
        sampled_orders = ORDERS[sampled.orders] if sampled else ()
        orders = [order for order in ALL_ORDERS if order in {*letter_orders, *sampled_orders}]
        asked = [(item, order) for item in self.items for order in orders]
        tokens = prompts.tokens([prompts.text(item, order) for item, order in asked])
        longest = max(map(len, tokens))
        new = model.decoding.max_new_tokens if sampled else 0
        words = f" in the wording {wording}" if wording else ""
        check_context(model.checkpoint, longest + new, f"the longest prompt{words} and its answer")
        return [
            Request(
                item=item.key,
                order=order,
                tokens=prompt,
                letter=order in letter_orders,
                seeds=sampled.seeds if sampled and order in sampled_orders else (),
            )
            for (item, order), prompt in zip(asked, tokens, strict=True)
        ]


def make_plan(
    config: StudyConfig,
    *,
    base: Path,
    offline: bool = False,
    dtype: str | None = None,
    checkpoints: Sequence[Checkpoint] | None = None,
) -> Plan:
    """Resolve a study: find models, items and texts, name every variant and cell.

    Args:
        config: The study file.
        base: Folder that relative paths in it start from.
        offline: Make no network call.
        dtype: The compute dtype a store has fixed; resolved here if ``None``.
        checkpoints: Its models, if they were found before, so that none is read and hashed again.

    Raises:
        ConfigError: If methods, backend or benchmark do not exist, or two variants are the same; all at once.
        UserError: If a model, the items or a text cannot be found or are not what they should be.
    """
    check_names(config)
    device = resolve_device(config.compute.device)
    dtype = dtype or (fast_dtype(device) if config.compute.dtype == "auto" else config.compute.dtype)
    items = study_items(config, base)
    corpus = load_text(config.perplexity.reading, base=base, offline=offline) if config.perplexity else None
    calibration = None
    if config.calibration and any(METHODS[method].needs_inputs for method in methods_of(config)):
        calibration = load_corpus(config.calibration.corpus, base=base, offline=offline)
    if checkpoints is None:
        checkpoints = [
            find_checkpoint(model.id, revision=model.revision, offline=offline, base=base) for model in config.models
        ]
    models = tuple(
        _plan_model(
            config,
            checkpoint,
            items=items,
            corpus=corpus,
            calibration=calibration,
            dtype=dtype,
        )
        for checkpoint in checkpoints
    )
    asked = [tuple(cell.spec.id for cell in model.cells) for model in models]
    if len(set(asked)) != len(asked):
        raise ConfigError(["models: two entries have the same weights"], where=config.study)
    return Plan(config, items, corpus, models, device, dtype)


def _plan_model(
    config: StudyConfig,
    checkpoint: Checkpoint,
    *,
    items: ItemSet,
    corpus: Corpus | None,
    calibration: Corpus | None,
    dtype: str,
) -> ModelPlan:
    check_finite(checkpoint, getattr(torch, dtype))
    tokenizer = load_tokenizer(checkpoint)
    prompts = ChatPrompts(tokenizer, LETTERS_V1)
    letter = config.readouts.letter
    others = {name: ChatPrompts(tokenizer, OTHER_PROMPTS[name]) for name in (letter.other_prompts if letter else ())}
    sampled = config.readouts.sampled or SampledConfig()
    decoding = Decoding(sampled.temperature, sampled.max_new_tokens, stop_tokens(checkpoint, tokenizer))
    tokenize, begin = tokenize_with(tokenizer), begin_token(tokenizer)
    seeds: dict[int, str] = {}
    sequences: dict[str, Sequence[Sequence[int]]] = {}
    if calibration is not None and config.calibration is not None:
        wanted = config.calibration
        check_context(checkpoint, wanted.length, "calibration.length")
        for seed in wanted.seed:
            drawn = calibration_sequences(
                calibration,
                tokenize,
                sequences=wanted.sequences,
                length=wanted.length,
                seed=seed,
                bos=begin,
                cut=wanted.cut,
            )
            seeds[seed] = calibration_digest(drawn)
            sequences[seeds[seed]] = drawn
    text = None
    if corpus is not None and config.perplexity is not None:
        protocol = config.perplexity.reading
        check_context(checkpoint, protocol.window, "perplexity.window")
        text = cut_text(protocol, corpus, tokenizer, tokenize)
    variants = _variants(config, checkpoint, seeds)
    ask_protocol: dict[str, Plain] = {
        **prompts.protocol,
        "temperature": sampled.temperature,
        "max_new_tokens": sampled.max_new_tokens,
        "stop_tokens": list(decoding.stop_tokens),
        "sampler": SAMPLER,
        "dtype": dtype,
        "backend": config.compute.backend,
    }
    text_protocol: dict[str, Plain] = {
        "tokenizer": tokenizer_digest(tokenizer),
        "dtype": dtype,
        "backend": config.compute.backend,
    }
    cells = []
    for variant in variants:
        rows = ask_rows(config, len(items), dense=variant.recipe is None)
        spec = CellSpec(variant.planned, "ask", ask_protocol, config.compute.token_budget)
        cells.append(PlannedCell(variant, spec, rows))
        if variant.recipe is None and (n_rows := letter_floor_rows(config, len(items))):
            otherwise = BACKENDS[config.compute.backend].otherwise
            asked = {**prompts.protocol, "dtype": dtype, "backend": otherwise}
            spec = CellSpec(variant.planned, "floor", asked, config.compute.token_budget)
            cells.append(PlannedCell(variant, spec, {LETTER.name: n_rows}))
        for wording, n_rows in wording_rows(config, len(items), variant.recipe).items():
            asked = {**others[wording].protocol, "dtype": dtype, "backend": config.compute.backend}
            spec = CellSpec(variant.planned, "wording", asked, config.compute.token_budget)
            cells.append(PlannedCell(variant, spec, {LETTER.name: n_rows}, wording))
        if text is not None:
            cells += _text_cells(config, variant, text.n_distinct, text_protocol)
    return ModelPlan(
        name=checkpoint.reference,
        checkpoint=checkpoint,
        tokenizer=tokenizer,
        prompts=prompts,
        other_prompts=others,
        decoding=decoding,
        calibration=sequences,
        text=text,
        variants=variants,
        cells=tuple(cells),
    )


def _text_cells(
    config: StudyConfig, variant: PlannedVariant, n_windows: int, protocol: dict[str, Plain]
) -> Iterator[PlannedCell]:
    """The cells in which a variant reads text."""
    budget = config.compute.token_budget
    yield PlannedCell(variant, CellSpec(variant.planned, "text", protocol, budget), {TEXT.name: n_windows})
    looked = config.perplexity.divergence if config.perplexity else None
    if looked is not None:
        spec = CellSpec(variant.planned, "divergence", {**protocol, "every": looked.every, "top": looked.top}, budget)
        table = REFERENCE if variant.recipe is None else DIVERGENCE
        yield PlannedCell(variant, spec, {table.name: n_windows})


def check_context(checkpoint: Checkpoint, n_tokens: int, what: str) -> None:
    """Refuse text longer than the model was made for: its positions would mean nothing.

    Raises:
        InputError: If ``n_tokens`` is more than the config's ``max_position_embeddings``.
    """
    longest = checkpoint.config.get("max_position_embeddings")
    if isinstance(longest, int) and n_tokens > longest:
        raise InputError(
            "Text is longer than the model's context.",
            where=f"{checkpoint.reference}: {what}",
            allowed=f"at most {longest:,} tokens",
            got=f"{n_tokens:,} tokens",
        )


def tokenize_with(tokenizer: PreTrainedTokenizerFast) -> Tokenize:
    """A tokenizer as corpora want it: no special tokens, with offsets, no limit on length."""

    def tokenize(text: str) -> tuple[Sequence[int], Sequence[tuple[int, int]]]:
        encoding = tokenizer.backend_tokenizer.encode(text, add_special_tokens=False)
        return encoding.ids, encoding.offsets

    return tokenize


def _variants(
    config: StudyConfig, checkpoint: Checkpoint, calibrations: Mapping[int, str]
) -> tuple[PlannedVariant, ...]:
    variants = [
        PlannedVariant(one.label, one.recipe, planned_digest(checkpoint.digest, one.recipe), one.calibration_seed)
        for one in name_variants(config, calibrations)
    ]
    seen: dict[str, PlannedVariant] = {}
    faults = []
    for variant in variants:
        if (other := seen.setdefault(variant.planned, variant)) is not variant:
            same = "is there twice" if other.label == variant.label else f"is the same as {other.label}"
            faults.append(f"variants: {variant.label} {same}")
        made = variant.recipe
        if isinstance(made, Recipe) and made.propagation == "pia" and checkpoint.family.published_pass is None:
            faults.append(
                f"variants: {made.method} is not defined for {checkpoint.reference}: the published "
                f"calibration pass knows no {checkpoint.family.name} blocks"
            )
    faults += faults_of_shapes(checkpoint.reference, (one.recipe for one in variants), checkpoint.linear_shapes)
    if faults:
        raise ConfigError(list(dict.fromkeys(faults)), where=config.study)
    return tuple(variants)


def study_items(config: StudyConfig, base: Path) -> ItemSet:
    """The items that a study asks.

    Raises:
        InputError: If they cannot be found or read, or none are left.
    """
    wanted = config.benchmark
    benchmark = BENCHMARKS[wanted.name]
    folder = None if wanted.folder is None else base / expanded(wanted.folder)
    items = benchmark.load(folder, wanted.categories).select(
        conditions=[Condition(condition) for condition in wanted.condition]
    )
    if wanted.per_template is not None:
        items = items.per_template(wanted.per_template)
    if wanted.limit is not None:
        items = first_items(items, wanted.limit)
    if not len(items):
        raise InputError("No items are left to ask.", where="benchmark", todo="widen categories or condition")
    return items


def first_items(items: ItemSet, n: int) -> ItemSet:
    """The first ``n`` by key: a sample that looks random, is the same everywhere, and grows without changing."""
    kept = {item.key for item in sorted(items, key=lambda item: item.key)[:n]}
    return replace(items, items=tuple(item for item in items if item.key in kept))


def check_names(config: StudyConfig) -> None:
    """Refuse a study that names something that does not exist.

    Raises:
        ConfigError: With every such name.
    """
    faults = []
    if config.benchmark.name not in BENCHMARKS:
        faults.append(f"benchmark.name: {config.benchmark.name!r} is not one of {', '.join(BENCHMARKS)}")
    if config.compute.backend not in BACKENDS:
        faults.append(f"compute.backend: {config.compute.backend!r} is not one of {', '.join(BACKENDS)}")
    elif config.readouts.letter and config.readouts.letter.floor and not BACKENDS[config.compute.backend].otherwise:
        faults.append(f"readouts.letter.floor: backend {config.compute.backend} has none that cuts batches otherwise")
    faults += faults_of_variants(config)
    if faults:
        raise ConfigError(faults, where=config.study)


def resolve_device(name: str) -> str:
    """The torch device meant by a study's ``device``; ``auto`` is CUDA, else MPS, else the CPU."""
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    return str(check_device(name))
