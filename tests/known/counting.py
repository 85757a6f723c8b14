"""What a group of items has so many of: the counts that known answers are made from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from tests.known.models import Known, option_of

from secateur.items.item import Item
from secateur.items.orders import LETTERS

ALL = "all"


@dataclass(frozen=True, eq=False)
class Group:
    """Items of a category and a condition, as the benchmark has them.

    Args:
        items: All of them.
        kept: Those with roles.
        silent: Those of ``kept`` that the model "one in four unread" leaves unread.
    """

    items: tuple[Item, ...]
    kept: tuple[Item, ...]
    silent: frozenset[int]

    @cached_property
    def symbols(self) -> dict[str, Fraction]:
        """What the letters in the tables of expected values stand for."""
        neg, nonneg = ([i for i in self.kept if i.polarity == name] for name in ("neg", "nonneg"))
        stereotyped = [item for item in self.items if option_of(item, "stereotype") == item.label]
        countered = [item for item in self.items if option_of(item, "counter") == item.label]
        read = self.read
        kept = {item.key for item in self.kept}
        stereotyped_kept = [item for item in stereotyped if item.key in kept]
        return {
            "out": Fraction(len(self.items) - len(self.kept)),
            "p": read(self.kept),
            "q": 1 - read(self.kept),
            "q*": 1 - read(self.items),
            "p-neg": read(neg),
            "p-non": read(nonneg),
            "b": Fraction(len(neg) - len(nonneg), len(self.kept)),
            "bp": (read(neg) * len(neg) - read(nonneg) * len(nonneg)) / len(self.kept),
            "t": Fraction(len(stereotyped), len(self.items)),
            "u": Fraction(len(countered), len(self.items)),
            "tp": read(stereotyped) * Fraction(len(stereotyped), len(self.items)),
            "ps": read(stereotyped_kept),
            "o": (Fraction(len(stereotyped)) + 4 * len(countered)) / (5 * len(self.items)),
            "r": 2 * Fraction(len(stereotyped_kept), len(self.kept)) - 1,
        }

    def read(self, items: Sequence[Item]) -> Fraction:
        """Of some items, the share that "one in four unread" does not leave unread."""
        return Fraction(sum(item.key not in self.silent for item in items), len(items) or 1)

    def value(self, text: str) -> Fraction | None:
        """A cell of a table: "-" is undefined; a product of numbers and symbols otherwise."""
        if text == "-":
            return None
        sign, text = (-1, text[1:]) if text.startswith("-") else (1, text)
        product = Fraction(sign)
        for part in text.split("x"):
            product *= self.symbols[part] if part in self.symbols else Fraction(part)
        return product

    def at_a(self, items: Sequence[Item], orders: Sequence[str], word: str) -> Fraction:
        """Share of some items, over the orders, that show at A what a word means."""
        hits = [option_of(item, word) == int(order[0]) for item in items for order in orders]
        return Fraction(sum(hits), len(hits))

    def letters(self, orders: Sequence[str], word: str) -> list[Fraction]:
        """Shares of A, B and C, over the orders, of a model that gives all items one word."""
        if word == "quarter":
            said = [item for item in self.items if item.key not in self.silent]
            word = "stereotype"
        else:
            said = list(self.items)
        if word in LETTERS:
            return [Fraction(word == letter) for letter in LETTERS]
        places = [order.index(str(option_of(item, word))) for item in said for order in orders]
        return [Fraction(places.count(letter), len(places)) for letter in range(3)]


def groups(known: Known) -> dict[tuple[str, str], Group]:
    """By category (``all`` too) and condition."""
    place = known.place
    silent = frozenset(key for key, number in place.items() if number >= 0 and number % 4 == 0)
    found = {}
    for condition in dict.fromkeys(item.condition for item in known.truth):
        for category in (ALL, *dict.fromkeys(item.category for item in known.truth)):
            items = [i for i in known.truth if i.condition == condition and category in (ALL, i.category)]
            kept = tuple(item for item in items if place[item.key] >= 0)
            found[category, condition.value] = Group(tuple(items), kept, silent)
    return found


def bits(shares: Sequence[Fraction]) -> float:
    """Entropy."""
    return -math.fsum(share * math.log2(share) for share in shares if share)
