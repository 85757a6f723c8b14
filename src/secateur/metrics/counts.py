"""Outcomes reduced to counts per item, so that every metric is a function of a few short arrays."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from secateur.errors import InputError
from secateur.metrics.parts import Parts, clusters_of, parts_of
from secateur.records.frames import once_per_frame
from secateur.records.outcomes import OUTCOME_TYPE, OUTCOMES, SOFT_COLUMNS, has_roles, role_codes
from secateur.records.places import asked_items, cluster_numbers
from secateur.statistics.samples import Clusters

T = TypeVar("T")

POLARITIES = ("neg", "nonneg")
CONDITIONS = ("ambig", "disambig")
ROLES = ("stereotype", "counter", "unknown", "unassigned")

NO_INTERVAL = "no interval"
EXACT_COUNT = "exact count"

NO_ITEMS = "no items"
NO_ROLES = "no items with roles"
NO_PAIRS = "no pairs of answers"
NO_PARSED = "no parsed answer"
NO_GROUP = "no answer named one of the two groups"
NO_LETTER = "no answer stood at a letter"
NO_FINITE = "no answer with finite scores"


@dataclass(frozen=True)
class PerItem:
    """What is known of each item of some answers; the arrays of a subclass have a row per item too.

    Args:
        item: 64-bit keys.
        category: Number in ``categories``.
        cluster: Number of the cluster, unique across benchmarks.
        condition: Number in ``CONDITIONS``.
        has_roles: Whether exactly one option is the stereotype.
        categories: Names of the categories.
    """

    item: NDArray[np.uint64]
    category: NDArray[np.int64]
    cluster: NDArray[np.int64]
    condition: NDArray[np.int64]
    has_roles: NDArray[np.bool_]
    categories: tuple[str, ...]

    @property
    def n_items(self) -> int:
        """Number of items."""
        return len(self.item)

    @property
    def rows(self) -> NDArray[np.int64]:
        """How often each item was asked. Shape [n_items]."""
        raise NotImplementedError

    @property
    def nothing(self) -> str:
        """Why there are no items, where there are none."""
        return NO_ITEMS

    @property
    def note(self) -> str:
        """What a reader of any metric must know."""
        return ""

    @cached_property
    def clusters(self) -> Clusters:
        """Which items resemble each other."""
        return clusters_of(self.cluster)

    @cached_property
    def whole(self) -> Parts:
        """All items as one part."""
        return self.parts(np.zeros(self.n_items, np.int64), 1)

    @cached_property
    def by_category(self) -> Parts:
        """The items of each category, in the order of ``categories``."""
        return self.parts(self.category, len(self.categories))

    def parts(self, number: NDArray[np.int64], n: int) -> Parts:
        """Items in parts.

        Args:
            number: That of each item's part, below 0 where it is in none. Shape [n_items].
            n: Number of parts.
        """
        return parts_of(number, n, self.cluster)

    def some(self, chosen: NDArray[np.bool_]) -> Parts:
        """Some items as one part. Shapes: chosen [n_items]."""
        return self.parts(np.where(chosen, 0, -1), 1)

    def once(self, name: Hashable, make: Callable[[], T]) -> T:
        """What ``make`` gives, worked out when first asked for under this name."""
        if name not in self._worked_out:
            self._worked_out[name] = make()
        found: T = self._worked_out[name]
        return found

    @cached_property
    def _worked_out(self) -> dict[Hashable, Any]:
        return {}

    def select(self, wanted: NDArray[np.bool_]) -> Self:
        """The items where ``wanted`` is true; what is not an array stays."""
        places = np.flatnonzero(wanted)
        if len(places) == self.n_items:
            return self
        arrays = {
            field.name: getattr(self, field.name).take(places, axis=0)
            for field in dataclasses.fields(self)
            if isinstance(getattr(self, field.name), np.ndarray)
        }
        return dataclasses.replace(self, **arrays)

    def of(self, *, category: str | None = None, condition: str | None = None) -> Self:
        """The items of a category and a condition; ``None`` means all."""
        wanted = np.ones(self.n_items, np.bool_)
        if category is not None:
            wanted &= self.category == self.categories.index(category)
        if condition is not None:
            wanted &= self.condition == CONDITIONS.index(condition)
        return self.select(wanted)

    def with_roles(self) -> Self:
        """The items that role metrics use."""
        return self._with_roles

    # Nearly every metric asks for them.
    @cached_property
    def _with_roles(self) -> Self:
        return self.select(self.has_roles)


@dataclass(frozen=True)
class Counts(PerItem):
    """Answers counted per item. All arrays have the items as first axis, [n_items] unless stated.

    An item's own mean over its orders and seeds is its unit: a share is a sum over items of ``counted / answers``, so
    each item weighs the same however often it was asked.

    Args:
        polarity: Number in ``POLARITIES``.
        right_role: Number in ``ROLES`` of the right option.
        answers: Rows, at least 1.
        stereotype: Rows with this outcome; the five outcomes add up to ``answers``.
        counter: See stereotype.
        unknown: See stereotype.
        unparsed: See stereotype.
        unassigned: See stereotype.
        nonfinite: Rows whose logits were not finite, all of them unparsed.
        right: Rows whose option is the right one.
        ties: Rows where two options had the same score.
        letters: Rows that stood at A, B, C, [n_items, 3].
        soft: Sums of the probabilities of stereotype, counter and unknown, [n_items, 3]; 0 without scores.
        mass: Sum of letter masses over finite rows.
        scored: Rows with finite scores, the denominator of ``soft`` and ``mass``.
        with_scores: Whether the answers have letter scores at all, which metrics of probabilities need.
    """

    polarity: NDArray[np.int64]
    right_role: NDArray[np.int64]
    answers: NDArray[np.int64]
    stereotype: NDArray[np.int64]
    counter: NDArray[np.int64]
    unknown: NDArray[np.int64]
    unparsed: NDArray[np.int64]
    unassigned: NDArray[np.int64]
    nonfinite: NDArray[np.int64]
    right: NDArray[np.int64]
    ties: NDArray[np.int64]
    letters: NDArray[np.int64]
    soft: NDArray[np.float64]
    mass: NDArray[np.float64]
    scored: NDArray[np.int64]
    with_scores: bool

    @property
    def rows(self) -> NDArray[np.int64]:
        """Answers per item. Shape [n_items]."""
        return self.answers

    @property
    def n_answers(self) -> int:
        """Number of rows."""
        return int(self.answers.sum())

    @property
    def parsed(self) -> NDArray[np.int64]:
        """Rows that could be read, per item."""
        return self.answers - self.unparsed

    @cached_property
    def lettered(self) -> NDArray[np.int64]:
        """Rows that stood at a letter, per item."""
        return np.asarray(self.letters.sum(axis=1))


def item_columns(asked: NDArray[np.int64], items: pl.DataFrame) -> dict[str, Any]:
    """What metrics know of each item, as the fields of ``Counts`` and ``Pairs``.

    Args:
        asked: Places in the items table, from ``asked_items``.
        items: Rows of the table ``items``.

    Raises:
        InputError: If a polarity or condition does not exist.
    """
    facts, names = _item_facts(items)
    return {"categories": names, **{name: values[asked] for name, values in facts.items()}}


@once_per_frame
def _item_facts(items: pl.DataFrame) -> tuple[dict[str, NDArray[Any]], tuple[str, ...]]:
    """What metrics know of every item, [n_items] each, and the categories' names in the order of their numbers."""
    roles = role_codes(items)
    labels = items["label"].to_numpy().astype(np.int64)
    categories = items["category"].cast(pl.String)
    names = tuple(sorted(categories.unique()))
    facts = {
        "item": items["item"].to_numpy(),
        "category": categories.cast(pl.Enum(names)).to_physical().to_numpy().astype(np.int64),
        "cluster": cluster_numbers(items),
        "polarity": _codes(items, "polarity", POLARITIES).to_numpy(),
        "condition": _codes(items, "condition", CONDITIONS).to_numpy(),
        "has_roles": has_roles(items),
        "right_role": np.take_along_axis(roles, labels[:, None], axis=1)[:, 0],
        "label": labels,
    }
    return facts, names


def count_outcomes(outcomes: pl.DataFrame, items: pl.DataFrame) -> Counts:
    """Count outcomes per item.

    Args:
        outcomes: From ``letter_outcomes``, ``average_orders`` or ``sampled_outcomes``, of one variant and readout.
        items: Rows of the table ``items``.

    Returns:
        Counts of the items that have at least one row, ordered by cluster and key.

    Raises:
        InputError: If an item is not in the items table.
    """
    asked, place = asked_items(outcomes, items)
    n = len(asked)
    facts = item_columns(asked, items)
    label = facts.pop("label")
    outcome = cross(place, n, outcomes["outcome"].cast(OUTCOME_TYPE).to_physical().to_numpy(), len(OUTCOMES))
    option, letter = (
        cross(place, n, outcomes[name].fill_null(3).to_numpy(), 4)[:, :3] for name in ("option", "letter")
    )
    return Counts(
        **facts,
        **dict(zip(OUTCOMES, outcome.T, strict=True)),
        answers=outcome.sum(axis=1),
        nonfinite=cross(place, n, outcomes["nonfinite"].to_numpy(), 2)[:, 1],
        right=np.take_along_axis(option, label[:, None], axis=1)[:, 0],
        letters=letter,
        **_scores(outcomes, place, n),
        with_scores="mass" in outcomes.columns,
    )


def cross(place: NDArray[np.int64], n: int, codes: NDArray[Any], size: int) -> NDArray[np.int64]:
    """How often each code stands at each place, [n, size].

    Args:
        place: 0 .. n - 1, [n_rows].
        n: Number of places.
        codes: 0 .. size - 1, [n_rows].
        size: Number of codes.
    """
    # Metrics look at all items of one code, so these lie together, until some of the items are chosen.
    return np.bincount(codes.astype(np.int64) * n + place, minlength=size * n).reshape(size, n).T


def _scores(outcomes: pl.DataFrame, place: NDArray[np.int64], n: int) -> dict[str, Any]:
    """The fields of ``Counts`` that need letter scores; zeros without."""
    if "mass" not in outcomes.columns:
        nothing = np.zeros(n, np.int64)
        return {"ties": nothing, "soft": np.zeros((n, 3)), "mass": np.zeros(n), "scored": nothing}

    def summed(name: str) -> NDArray[np.float64]:
        values = outcomes[name].cast(pl.Float64).fill_null(0.0).to_numpy()
        return np.bincount(place, weights=values, minlength=n).astype(np.float64)

    return {
        "ties": summed("tie").astype(np.int64),
        "soft": np.stack([summed(name) for name in SOFT_COLUMNS], axis=1),
        "mass": summed("mass"),
        "scored": cross(place, n, outcomes["mass"].is_not_null().to_numpy(), 2)[:, 1],
    }


def _codes(items: pl.DataFrame, column: str, names: Sequence[str]) -> pl.Series:
    strange = set(items[column].unique()) - set(names)
    if strange:
        raise InputError(
            f"An item has a {column} that does not exist.",
            where=f"items table, column {column}",
            allowed=", ".join(names),
            got=", ".join(sorted(map(str, strange))),
        )
    return items[column].cast(pl.String).cast(pl.Enum(names)).to_physical().cast(pl.Int64)
