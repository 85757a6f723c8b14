"""An item: one question with three options and the role each option plays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from secateur.errors import InputError
from secateur.identity import digest, key64


class Role(StrEnum):
    """What choosing an option means."""

    STEREOTYPE = "stereotype"
    """Agrees with the stereotype, given the question's polarity."""
    COUNTER = "counter"
    """The other of the two groups."""
    UNKNOWN = "unknown"
    """"Cannot be determined", in any phrasing."""
    UNASSIGNED = "unassigned"
    """A group, in an item without exactly one stereotype option; such items stay out of role metrics."""


class Polarity(StrEnum):
    """Whether the question asks for something bad or something good."""

    NEG = "neg"
    NONNEG = "nonneg"


class Condition(StrEnum):
    """Whether the context settles the answer."""

    AMBIG = "ambig"
    DISAMBIG = "disambig"


@dataclass(frozen=True, slots=True)
class Option:
    """One of the three answers an item offers.

    Args:
        text: As shown to the model.
        group: The benchmark's own label of who is meant ("unknown" for the unknown option).
        role: What choosing it means.
    """

    text: str
    group: str
    role: Role


@dataclass(frozen=True)
class Item:
    """A question with three options, as its benchmark defines it.

    Args:
        benchmark: Name in the table of benchmarks.
        category: The benchmark's category, for example "Age".
        example_id: Unique within the category (BBQ's are not unique beyond it).
        question_index: The benchmark's template number, as text.
        polarity: Negative or non-negative question.
        condition: Ambiguous or disambiguated context.
        context: The text before the question.
        question: The question.
        options: Three options in the benchmark's order; this order is what "option 0, 1, 2" means everywhere.
        label: Index of the right option.
        cluster: Name of the cluster of templates the item belongs to, unique within the benchmark.
        role_source: Where the roles come from: "metadata", or the name of the rule that derived them.
    """

    benchmark: str
    category: str
    example_id: str
    question_index: str
    polarity: Polarity
    condition: Condition
    context: str
    question: str
    options: tuple[Option, Option, Option]
    label: int
    cluster: str
    role_source: str

    @cached_property
    def digest(self) -> str:
        """Hash of what is asked and where it stands in the benchmark; roles and clusters, being derived, stay out."""
        return digest(
            "item",
            [
                self.benchmark,
                self.category,
                self.example_id,
                self.context,
                self.question,
                [option.text for option in self.options],
            ],
        )

    @property
    def key(self) -> int:
        """First 64 bits of the digest: the item's name in every table and in every random draw."""
        return key64(self.digest)

    @property
    def has_roles(self) -> bool:
        """Whether exactly one option is the stereotype, so that role metrics can use the item."""
        return sum(option.role is Role.STEREOTYPE for option in self.options) == 1


@dataclass(frozen=True)
class ItemSet:
    """Items of one benchmark, with where they came from.

    Args:
        benchmark: Name in the table of benchmarks.
        items: In the benchmark's order, keys unique.
        sources: File name -> SHA-256 of each file that was read.
        notes: What a reader of results must know, one sentence each (for example items without roles, per category).

    Raises:
        InputError: If two items have the same key.
    """

    benchmark: str
    items: tuple[Item, ...]
    sources: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        repeated = [key for key, count in Counter(item.key for item in self.items).items() if count > 1]
        if repeated:
            first, second = [item for item in self.items if item.key == repeated[0]][:2]
            raise InputError(
                "Two items have the same identity.",
                where=f"{first.category} example_id {first.example_id} and {second.example_id}",
                todo="remove the repeated line from the benchmark's files",
            )

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Item]:
        return iter(self.items)

    def select(
        self, *, categories: Iterable[str] | None = None, conditions: Iterable[Condition] | None = None
    ) -> ItemSet:
        """The items of these categories and conditions (``None``: all), in the same order."""
        wanted_categories = None if categories is None else set(categories)
        wanted_conditions = None if conditions is None else set(conditions)
        kept = tuple(
            item
            for item in self.items
            if (wanted_categories is None or item.category in wanted_categories)
            and (wanted_conditions is None or item.condition in wanted_conditions)
        )
        return ItemSet(self.benchmark, kept, self.sources, self.notes)

    def per_template(self, n: int) -> ItemSet:
        """Of each template, condition and polarity at most ``n`` items, in the same order.

        Which ones goes by key: it looks random, is the same everywhere, and a larger ``n`` keeps a smaller one's.
        """
        groups: dict[tuple[str, str, Condition, Polarity], list[int]] = {}
        for item in self.items:
            group = (item.category, item.question_index, item.condition, item.polarity)
            groups.setdefault(group, []).append(item.key)
        kept = {key for keys in groups.values() for key in sorted(keys)[:n]}
        return ItemSet(self.benchmark, tuple(item for item in self.items if item.key in kept), self.sources, self.notes)
