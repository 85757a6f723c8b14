"""A study without a model: scripted answers whose bias, damage and collapse depend on method and level."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from tests.scripted_store import Asked, ScriptedVariant, layer_rows, write_store

from secateur.identity import digest
from secateur.inference.backend import Probe, Probed, Request, Response, TextScore
from secateur.inference.scripted import ScriptedBackend
from secateur.items.corpora import Window
from secateur.items.item import Condition, Item, ItemSet, Option, Polarity, Role
from secateur.items.orders import LETTERS, ORDERS, option_at
from secateur.records.parsers import CHOICES, UNPARSED, Parsed, Parser

VOCABULARY = 16
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
        called: What the plan calls all of them, if not by their names.
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
        divergence: Whether distributions are compared on it.
        noise: Strengths of placebos, as shares of the damage that would leave nothing.
        noise_seeds: Of each of them.
        dense_collapsed: Whether the dense model says only A.
        mute: Labels of variants of which nothing can be read.
        skip: Labels of variants that are planned and not run.
        lean: How far every variant leans to the stereotype; from about 3 on the dense model gives in at times.
        mask_seeds: If not empty, each pruned variant is made with each of them.
        wordings: In which other words items are asked.
        latency: Whether the plan's record has latencies and sizes.
        limit: Requests asked per cell, to leave a store incomplete.
    """

    name: str = "scripted"
    models: tuple[str, ...] = ("acme/one-2b",)
    called: str | None = None
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
    divergence: bool = True
    noise: tuple[float, ...] = ()
    noise_seeds: tuple[int, ...] = (0, 1)
    dense_collapsed: bool = False
    mute: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    lean: float = 2.2
    mask_seeds: tuple[int, ...] = ()
    wordings: tuple[str, ...] = ()
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
    if method == "noise":
        return min(1.0, level)
    steep = {"random": 2.4, "magnitude": 1.1}.get(method.removesuffix("-pia"), 0.6)
    return min(1.0, steep * level**1.5)


def label_of(method: str, level: float) -> str:
    """What a variant is called."""
    return method if method == "dense" else f"{method} {level:g}"


class Scripted:
    """Answers of one variant; other words draw other noise."""

    def __init__(
        self, study: ScriptedStudy, items: ItemSet, model: str, method: str, level: float, wording: str = ""
    ) -> None:
        self._items = {item.key: item for item in items}
        self._damage = damage(method, level)
        self._lean = study.lean
        self._name = f"{model} {method} {level} {wording}".rstrip()
        self._wording = wording
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

    def read_text(
        self,
        windows: Sequence[Window],
        probe: Probe | None = None,
        tokens: Mapping[int, npt.NDArray[np.int32]] | None = None,
    ) -> Iterator[TextScore]:
        for place, window in enumerate(windows):
            asked = None if tokens is None else tokens[window.key]
            finite = not (self._nonfinite and place == 3)
            nll = 2.2 + 0.15 * _unit(f"{window.index}") + 6 * self._damage**2
            seen = None if probe is None else self._look(window, probe.positions(window), asked, finite=finite)
            yield TextScore(window.key, nll * window.n_scored if finite else math.nan, seen)

    def _look(self, window: Window, positions: int, tokens: npt.NDArray[np.int32] | None, *, finite: bool) -> Probed:
        """The flatter a distribution over all tokens, the more damage."""
        peaks = np.array([window.index % VOCABULARY] * positions)
        logits = 5 * (1 - self._damage) * np.eye(VOCABULARY)[peaks]
        logprobs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        if tokens is None:
            tokens = np.argsort(-logprobs, axis=1, kind="stable").astype(np.int32)
        found = np.take_along_axis(logprobs, tokens.astype(np.int64), axis=1).astype(np.float32)
        rest = np.full(positions, -np.inf, np.float32)
        if not finite:
            return Probed(np.full(positions, -1, np.int32), tokens, np.full_like(found, np.nan), rest * np.nan)
        return Probed(np.argmax(logprobs, axis=1).astype(np.int32), tokens, found, rest)

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
            else _unit(f"{self._wording}{request.item} {what}")
        )


def _unit(text: str) -> float:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6]) / 2**48


def build(folder: Path, study: ScriptedStudy) -> Path:
    """Run the scripted study into a new store."""
    items = make_items(study)
    corpus = digest("corpus", ["scripted"])
    windows = tuple(Window(corpus, k, tuple(range(k, k + 33)), 120) for k in range(12)) if study.text else ()
    asked = Asked(
        letter=ORDERS[study.letter] if study.letter else (),
        sampled=ORDERS[study.sampled] if study.sampled else (),
        seeds=study.seeds,
        floor_seeds=study.floor_seeds if study.floor else (),
        windows=windows,
        probe=Probe(8, VOCABULARY) if study.divergence and study.text else None,
        vocabulary=VOCABULARY,
        wordings=study.wordings,
        limit=study.limit,
    )
    models = {name: [_variant(study, items, name, *one) for one in _recipes(study)] for name in study.models}
    return write_store(folder, study.name, items, models, asked, called=study.called)


def _recipes(study: ScriptedStudy) -> list[tuple[str, float, int | None]]:
    return (
        [("dense", 0.0, None)]
        + [
            (method, level, seed)
            for method in study.methods
            for level in study.levels
            for seed in study.mask_seeds or (None,)
        ]
        + [("noise", strength, seed) for strength in study.noise for seed in study.noise_seeds]
    )


def _variant(
    study: ScriptedStudy, items: ItemSet, model: str, method: str, level: float, seed: int | None
) -> ScriptedVariant:
    recipe: dict[str, object] | None = None
    if method == "noise":
        recipe = {"placebo": method, "strength": str(Fraction(str(level))), "noise_seed": seed}
    elif method != "dense":
        recipe = {"method": method, "sparsity": str(Fraction(str(level))), "per": "row"}
    if method not in ("dense", "noise") and recipe is not None and (seed is not None or method == "random"):
        recipe["mask_seed"] = seed or 0
    label = label_of(method, level) + (f" {'noise' if method == 'noise' else 'mask'}-seed-{seed}" if seed else "")
    removed = {"noise": 0.0, "wanda-pia": level * 2 / 3}
    about = {}
    if study.latency:
        latency = {"mean_s": 0.3, "median_s": 0.25, "p95_s": 0.5, "n": 10}
        about = {"latency": latency, "size_bytes": 18_500_000_000}
    name = f"{model} {seed}" if seed else model
    return ScriptedVariant(
        label,
        recipe,
        None if label in study.skip else Scripted(study, items, name, method, level),
        # The published Wanda leaves a third of the linears dense.
        layers=None if method == "dense" else _layers(removed.get(method, level)),
        about=about,
        reworded={wording: Scripted(study, items, name, method, level, wording) for wording in study.wordings},
    )


def _greedy(text: str) -> Parsed:
    found = [letter for letter in text.upper() if letter in LETTERS]
    return CHOICES[LETTERS.index(found[0])] if found else UNPARSED


GREEDY = Parser("pia", _greedy, lambda text, options: _greedy(text))
"""Takes the first letter anywhere: enough of the published parser to differ from strict."""


def _layers(level: float) -> pa.Table:
    names = [f"model.layers.{k}.{part}" for k in range(2) for part in ("self_attn.q_proj", "mlp.down_proj")]
    shapes = [(64, 48 if "down" in name else 33) for name in names]
    return layer_rows(
        (name, rows, width, rows * math.floor(Fraction(str(level)) * width), 0)
        for name, (rows, width) in zip(names, shapes, strict=True)
    )
