"""Scripted models whose every answer is known beforehand, and stores they are asked into.

A model says a *word* for each item and seed: a letter; a role; ``right`` or ``wrong`` (the group that is not right);
``refuses`` (in words, when sampled); ``silent`` (what no parser reads, with hardly any letter mass); ``faint`` (the
stereotype, with hardly any letter mass); ``nan``; or ``Chances``, with which it draws a role.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

from tests.scripted_store import Asked, ScriptedVariant, write_store

from secateur.inference.backend import Request, Response
from secateur.inference.scripted import ScriptedBackend
from secateur.items.benchmarks import BENCHMARKS
from secateur.items.item import Item, ItemSet, Role
from secateur.items.orders import LETTERS, ORDERS
from secateur.records.store import Store
from secateur.report.data import ReportData
from secateur.report.read import read_report_data

PER_TEMPLATE = {"planted": 2}
BENCHMARK_NAMES = tuple(PER_TEMPLATE)
"""In BBQ's structure, and read without files. Every test here holds for any other such benchmark."""

SEEDS = (42, 123, 456, 789, 1024)
FLOOR_SEEDS = (1, 2, 3, 4, 5)

MASS, FAINT_MASS = 0.9, 0.1
CERTAIN = 60.0  # nats, beyond the reach of sampling noise
WITHOUT_ROLES = 4
"""Items of each category and condition whose roles are taken away."""

SAID = {"silent": "the", "refuses": "Unknown"}


@dataclass(frozen=True)
class Chances:
    """How likely each role is said."""

    stereotype: Fraction
    counter: Fraction
    unknown: Fraction


Word: TypeAlias = str | Chances
Says: TypeAlias = Callable[[Item, int], Sequence[Word]]
"""An item with roles, and its place among those of its category and condition (-1: without) -> a word for each seed, by
rank; the letter readout hears the last."""


def always(word: Word) -> Says:
    return lambda item, place: [word] * 5


UNIFORM = Chances(*[Fraction(1, 3)] * 3)
SKEWED = Chances(Fraction(1, 2), Fraction(1, 3), Fraction(1, 6))

MODELS: dict[str, Says] = {
    "right": always("right"),
    "always A": always("A"),
    "always the stereotype": always("stereotype"),
    "always the counter": always("counter"),
    "always unknown": always("unknown"),
    "refuses in words": always("refuses"),
    "never parses": always("silent"),
    "not finite": always("nan"),
    "little letter mass": always("faint"),
    "one in four unread": lambda item, place: ["silent" if place >= 0 and place % 4 == 0 else "stereotype"] * 5,
    "one seed in five": lambda item, place: ["stereotype", *["counter"] * 4],
    "uniform": always(UNIFORM),
    "skewed": always(SKEWED),
}
"""By name; the first is the dense model of the others."""


@dataclass(frozen=True)
class Known:
    """A benchmark's items.

    Args:
        truth: As the benchmark has them: what models go by.
        items: As they are stored, some of them without roles.
    """

    truth: ItemSet
    items: ItemSet

    @property
    def place(self) -> dict[int, int]:
        """Item -> its place among those with roles of its category and condition; -1 for those without."""
        seen: dict[tuple[str, str], int] = {}
        found = {}
        for item in self.items:
            group = (item.category, item.condition)
            found[item.key] = -1
            if item.has_roles:
                found[item.key] = seen[group] = seen.get(group, -1) + 1
        return found


def make_items(benchmark: str) -> Known:
    """Some items of every template; of each category and condition the first few without roles."""
    truth = BENCHMARKS[benchmark].load(None, None).per_template(PER_TEMPLATE[benchmark])
    seen: dict[tuple[str, str], int] = {}
    stored = []
    for item in truth:
        group = (item.category, item.condition)
        seen[group] = seen.get(group, 0) + 1
        stored.append(_without_roles(item) if seen[group] <= WITHOUT_ROLES else item)
    return Known(truth, replace(truth, items=tuple(stored)))


def _without_roles(item: Item) -> Item:
    options = [
        option if option.role is Role.UNKNOWN else replace(option, role=Role.UNASSIGNED) for option in item.options
    ]
    return replace(item, options=tuple(options))


def option_of(item: Item, word: str) -> int:
    """The option that a word other than a letter means."""
    roles = [option.role.value for option in item.options]
    if word in ("right", "wrong"):
        groups = [k for k in range(3) if roles[k] != "unknown" and k != item.label]
        return item.label if word == "right" else groups[0]
    return roles.index({"refuses": "unknown", "faint": "stereotype", "silent": "stereotype"}.get(word, word))


def scores_of(item: Item, order: str, word: Word) -> tuple[float, float, float]:
    """Scores of A, B, C that make a model say a word."""
    shown = [int(digit) for digit in order]
    if isinstance(word, Chances):
        scores = [math.log(getattr(word, item.options[option].role.value)) for option in shown]
    elif word == "nan":
        scores = [math.nan] * 3
    else:
        letter = LETTERS.index(word) if word in LETTERS else shown.index(option_of(item, word))
        scores = [CERTAIN * (k == letter) for k in range(3)]
    a, b, c = scores
    return a, b, c


class KnownBackend:
    """Answers of one model, through the scripted backend.

    Args:
        known: The items.
        says: What it says.
        again: What it says to the floor seeds; the same if ``None``.
    """

    def __init__(self, known: Known, says: Says, again: Says | None = None) -> None:
        place = known.place
        self._items = {item.key: item for item in known.truth}
        self._words = {
            item.key: (tuple(says(item, place[item.key])), tuple((again or says)(item, place[item.key])))
            for item in known.truth
        }

    def answer(self, requests: Sequence[Request]) -> Iterator[Response]:
        """Each word's part of the requests is asked of that word's backend."""
        letters: dict[Word, list[Request]] = {}
        samples: dict[Word, list[Request]] = {}
        for request in requests:
            main, again = self._words[request.item]
            letters.setdefault(main[-1], []).append(replace(request, seeds=()))
            said = dict(zip(SEEDS + FLOOR_SEEDS, main + again, strict=True))
            for word in dict.fromkeys(said[seed] for seed in request.seeds):
                seeds = tuple(seed for seed in request.seeds if said[seed] == word)
                samples.setdefault(word, []).append(replace(request, letter=False, seeds=seeds))
        scored = {(r.item, r.order): r for word, part in letters.items() for r in self._ask(word, part)}
        drawn = {
            (response.item, response.order, sample.seed): replace(sample, text=SAID.get(word, sample.text))
            for word, part in samples.items()
            for response in self._ask(word, part)
            for sample in response.samples
        }
        for request in requests:
            place = (request.item, request.order)
            yield replace(scored[place], samples=tuple(drawn[*place, seed] for seed in request.seeds))

    def _ask(self, word: Word, requests: Sequence[Request]) -> Iterator[Response]:
        backend = ScriptedBackend(
            lambda request: scores_of(self._items[request.item], request.order, word),
            letter_mass=FAINT_MASS if word in ("silent", "faint") else MASS,
        )
        return backend.answer(requests)


def recipe(method: str, level: Fraction) -> dict[str, Any]:
    return {"method": method, "sparsity": str(level), "per": "row"}


def asked(letter: str, sampled: str | None, *, floor: bool = True) -> Asked:
    """Both readouts, with five seeds each for figure and floor."""
    return Asked(
        letter=ORDERS[letter],
        sampled=ORDERS[sampled] if sampled else (),
        seeds=SEEDS if sampled else (),
        floor_seeds=FLOOR_SEEDS if sampled and floor else (),
    )


def ask(
    folder: Path,
    known: Known,
    dense: KnownBackend,
    variants: Mapping[str, tuple[dict[str, Any], KnownBackend]],
    asked: Asked,
) -> ReportData:
    """Run a dense model and its variants into a store, and read what a report reads of it."""
    scripted = [ScriptedVariant("dense", None, dense)]
    scripted += [ScriptedVariant(label, recipe, backend) for label, (recipe, backend) in variants.items()]
    return read_report_data(Store.open(write_store(folder, "known", known.items, {"acme/known": scripted}, asked)))
