"""A study without a model: scripted answers whose bias, damage and collapse depend on method and level."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import pyarrow as pa

from secateur.identity import digest
from secateur.inference.backend import Request, Response, TextScore
from secateur.inference.runner import run_ask, run_text
from secateur.inference.scripted import ScriptedBackend
from secateur.items.corpora import Window
from secateur.items.item import Condition, Item, ItemSet, Option, Polarity, Role
from secateur.items.orders import LETTERS, ORDERS, option_at
from secateur.records.cell import CellSpec
from secateur.records.parsers import CHOICES, UNPARSED, Parsed, Parser
from secateur.records.store import Store
from secateur.records.tables import LAYERS, WINDOWS

MUMBLE = "the"
"""What no parser reads."""

SEEDS = (42, 123, 456)
FLOOR_SEEDS = (1, 2, 3)


@dataclass(frozen=True)
class ScriptedStudy:
    """What to script.

    Args:
        name: Of the study.
        models: Names of the models.
        methods: Methods, in the plan's order.
        levels: Nominal levels.
        categories: Of the items.
        templates: Templates per category.
        per_template: Items per template and condition.
        conditions: Of the items.
        letter: Orders of the letter readout, or ``None``.
        sampled: Orders of the sampled readout, or ``None``.
        seeds: Of the sampled readout.
        floor: Whether dense is asked with floor seeds.
        floor_seeds: Which.
        text: Whether text is read.
        dense_collapsed: Whether the dense model says only A.
        mute: Labels of variants of which nothing can be read.
        skip: Labels of variants that are planned and not run.
        lean: How far every variant leans to the stereotype; from about 3 on the dense model gives in at times.
        mask_seeds: If not empty, each pruned variant is made with each of them.
        latency: Whether the plan's record has latencies and sizes.
        limit: Requests asked per cell, to leave a store incomplete.
    """

    name: str = "scripted"
    models: tuple[str, ...] = ("acme/one-2b",)
    methods: tuple[str, ...] = ("random", "magnitude", "wanda")
    levels: tuple[float, ...] = (0.1, 0.3, 0.5, 0.7)
    categories: tuple[str, ...] = ("Age", "Religion")
    templates: int = 6
    per_template: int = 4
    conditions: tuple[Condition, ...] = (Condition.AMBIG, Condition.DISAMBIG)
    letter: str | None = "rotations"
    sampled: str | None = "fixed"
    seeds: tuple[int, ...] = SEEDS
    floor: bool = True
    floor_seeds: tuple[int, ...] = FLOOR_SEEDS
    text: bool = True
    dense_collapsed: bool = False
    mute: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    lean: float = 2.2
    mask_seeds: tuple[int, ...] = ()
    latency: bool = False
    limit: int | None = None


def make_items(study: ScriptedStudy) -> ItemSet:
    """Items with roles; in each category one template's first item has none."""
    found = []
    for category in study.categories:
        for template in range(study.templates):
            for condition in study.conditions:
                # Unequal clusters: later templates are larger.
                for number in range(study.per_template + template % 3):
                    polarity = Polarity.NEG if number % 2 == 0 else Polarity.NONNEG
                    without = template == 0 and number == 0
                    roles = [Role.STEREOTYPE, Role.COUNTER, Role.UNKNOWN]
                    if without:
                        roles = [Role.UNASSIGNED, Role.UNASSIGNED, Role.UNKNOWN]
                    texts = ("The first one", "The second one", "Cannot be determined")
                    turn = (template + number) % 3
                    places = [(k + turn) % 3 for k in range(3)]
                    options = tuple(Option(texts[k], f"group{k}", roles[k]) for k in places)
                    right = 2 if condition is Condition.AMBIG else number % 2
                    found.append(
                        Item(
                            benchmark="bbq",
                            category=category,
                            example_id=f"{template}-{number}-{condition}",
                            question_index=str(template),
                            polarity=polarity,
                            condition=condition,
                            context=f"Context {template} {number} {condition}.",
                            question=f"Question {template}?",
                            options=options,  # type: ignore[arg-type]
                            label=places.index(right),
                            cluster=f"{category}:{template}",
                            role_source="metadata",
                        )
                    )
    return ItemSet("bbq", tuple(found), {}, ("Scripted items, no benchmark.",))


def damage(method: str, level: float) -> float:
    """0 (intact) .. 1 (noise)."""
    steep = {"random": 2.4, "magnitude": 1.1}.get(method.removesuffix("-pia"), 0.6)
    return min(1.0, steep * level**1.5)


def label_of(method: str, level: float) -> str:
    """What a variant is called."""
    return method if method == "dense" else f"{method} {level:g}"


class Scripted:
    """Answers of one variant."""

    def __init__(self, study: ScriptedStudy, items: ItemSet, model: str, method: str, level: float) -> None:
        self._items = {item.key: item for item in items}
        self._damage = damage(method, level)
        self._lean = study.lean
        self._name = f"{model} {method} {level}"
        self._collapse = "B" if method == "random" and level >= 0.6 else ""
        if study.dense_collapsed and method == "dense":
            self._collapse = "A"
        self._mumbles = 0.35 if method == "random" and 0.4 <= level < 0.6 else 0.02 * (level > 0)
        if label_of(method, level) in study.mute:
            self._mumbles = 1.0
        self._nonfinite = method == "random" and level >= 0.6
        self._backend = ScriptedBackend(self._prefer, letter_mass=max(1.0 - self._mumbles, 0.01))

    def answer(self, requests: Sequence[Request]) -> Iterator[Response]:
        for request, response in zip(requests, self._backend.answer(requests), strict=True):
            samples = tuple(
                replace(sample, text=MUMBLE)
                if self._noise(request, f"mumble {sample.seed}") < self._mumbles
                else sample
                for sample in response.samples
            )
            yield replace(response, samples=samples)

    def read_text(self, windows: Sequence[Window]) -> Iterator[TextScore]:
        for place, window in enumerate(windows):
            if self._nonfinite and place == 3:
                yield TextScore(window.key, math.nan)
            else:
                nll = 2.2 + 0.15 * _unit(f"{window.index}") + 6 * self._damage**2
                yield TextScore(window.key, nll * window.n_scored)

    def _prefer(self, request: Request) -> tuple[float, float, float]:
        item = self._items[request.item]
        scores = []
        for letter in range(3):
            option = option_at(request.order, letter)
            role = item.options[option].role
            said = 6.0 if option == item.label else 0.0
            if role is Role.STEREOTYPE:
                said += self._lean + 3.0 * self._damage
            score = (1 - self._damage) * said + 3.0 * self._noise(request, f"option {option}")
            if self._collapse:
                score = 30.0 if "ABC"[letter] == self._collapse else 0.0
            scores.append(score)
        a, b, c = scores
        return a, b, c

    def _noise(self, request: Request, what: str) -> float:
        return (
            _unit(f"{self._name} {request.item} {what}")
            if self._damage or "mumble" in what
            else _unit(f"{request.item} {what}")
        )


def _unit(text: str) -> float:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6]) / 2**48


def build(folder: Path, study: ScriptedStudy) -> Path:
    """Run the scripted study into a new store."""
    store = Store.open_or_create(folder, settings={"dtype/cpu": "float32"})
    items = make_items(study)
    item_set = store.add_items(items)
    corpus = digest("corpus", ["scripted"])
    windows = [Window(corpus, k, tuple(range(k, k + 33)), 120) for k in range(12)] if study.text else []
    window_set = None
    if windows:
        columns = [
            [w.key for w in windows],
            ["scripted" for _ in windows],
            [w.index for w in windows],
            [w.n_scored for w in windows],
            [w.n_bytes for w in windows],
        ]
        rows = pa.table([pa.array(c, f.type) for c, f in zip(columns, WINDOWS.schema, strict=True)], WINDOWS.schema)
        window_set = store.add_windows("scripted", corpus, rows)
    letter_orders = ORDERS[study.letter] if study.letter else ()
    sampled_orders = ORDERS[study.sampled] if study.sampled else ()
    plan_models = []
    work = []
    for name in study.models:
        base = digest("model", [name])
        store.add_model({"digest": base, "name": name, "family": "scripted"})
        recipes: list[tuple[str, float, int | None]] = [("dense", 0.0, None)]
        recipes += [
            (method, level, seed)
            for method in study.methods
            for level in study.levels
            for seed in study.mask_seeds or (None,)
        ]
        cells = []
        for method, level, seed in recipes:
            recipe = (
                None if method == "dense" else {"method": method, "sparsity": str(Fraction(str(level))), "per": "row"}
            )
            if recipe is not None and (seed is not None or method == "random"):
                recipe["mask_seed"] = seed or 0
            label = label_of(method, level) + (f" mask-seed-{seed}" if seed else "")
            planned = digest("variant", [base, recipe or "dense"])
            store.add_variant(planned, {"model": base, "label": label, "recipe": recipe})
            floor_seeds = study.floor_seeds if study.floor and recipe is None else ()
            seeds = study.seeds + floor_seeds if sampled_orders else ()
            requests = [
                Request(
                    item=item.key,
                    order=order,
                    tokens=tuple(range(10)),
                    letter=order in letter_orders,
                    seeds=seeds if order in sampled_orders else (),
                )
                for item in items
                for order in sorted({*letter_orders, *sampled_orders})
            ]
            ask = CellSpec(planned, "ask", {"template": "scripted", "temperature": 0.3}, 4096)
            text = CellSpec(planned, "text", {"tokenizer": "scripted"}, 4096)
            rows = {
                "letter": len(items) * len(letter_orders),
                "sampled": len(items) * len(sampled_orders) * len(seeds),
            }
            entry = {"variant": planned, "label": label, "recipe": recipe}
            if study.latency:
                entry |= {
                    "latency": {"mean_s": 0.3, "median_s": 0.25, "p95_s": 0.5, "n": 10},
                    "size_bytes": 18_500_000_000,
                }
            cells.append({"cell": ask.id, "task": "ask", "rows": rows, **entry})
            if windows:
                cells.append({"cell": text.id, "task": "text", "rows": {"text": len(windows)}, **entry})
            if label not in study.skip:
                work.append((name, method, level, seed, planned, recipe, ask, text, requests))
        plan_models.append({"model": base, "name": name, "windows": window_set, "cells": cells})
    store.log({"event": "run", "study": study.name})
    store.add_plan(
        {
            "study": study.name,
            "items": item_set,
            "benchmark": items.benchmark,
            "notes": list(items.notes),
            "dtype": "float32",
            "letter": {"orders": list(letter_orders)} if letter_orders else None,
            "sampled": {
                "orders": list(sampled_orders),
                "temperature": 0.3,
                "max_new_tokens": 5,
                "seeds": list(study.seeds),
                "floor_seeds": list(study.floor_seeds) if study.floor else [],
            }
            if sampled_orders
            else None,
            "text": {"protocol": "scripted-33-bos", "corpus": "scripted", "window": 33, "windows": len(windows)}
            if windows
            else None,
            "calibration": None,
            "models": plan_models,
        }
    )
    for name, method, level, seed, planned, recipe, ask, text, requests in work:
        if recipe is not None:
            # The published Wanda leaves a third of the linears dense.
            store.realise(
                planned, digest("realised", [planned]), _layers(level * 2 / 3 if method == "wanda-pia" else level)
            )
        backend = Scripted(study, items, f"{name} {seed}" if seed else name, method, level)
        run_ask(store, ask, requests[: study.limit], lambda budget, made=backend: made)
        if windows:
            run_text(store, text, windows, lambda budget, made=backend: made)
    return folder


def _greedy(text: str) -> Parsed:
    found = [letter for letter in text.upper() if letter in LETTERS]
    return CHOICES[LETTERS.index(found[0])] if found else UNPARSED


GREEDY = Parser("pia", _greedy, lambda text, options: _greedy(text))
"""Takes the first letter anywhere: enough of the published parser to differ from strict."""


def _layers(level: float) -> pa.Table:
    names = [f"model.layers.{k}.{part}" for k in range(2) for part in ("self_attn.q_proj", "mlp.down_proj")]
    shapes = [(64, 48 if "down" in name else 33) for name in names]
    columns = [
        names,
        [rows for rows, _ in shapes],
        [width for _, width in shapes],
        [rows * math.floor(Fraction(str(level)) * width) for rows, width in shapes],
        [0 for _ in names],
    ]
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, LAYERS.schema, strict=True)], LAYERS.schema)
