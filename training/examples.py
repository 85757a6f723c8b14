"""Training examples: questions in the product's own prompt format, and the shorter exercises that lead up to them.

No scene and no matter of the benchmark `planted` is used, and one pair of groups in each category never meets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import permutations

from secateur.items.item import Condition, Item, Polarity, Role
from secateur.items.orders import LETTERS
from secateur.items.planted import (
    CATEGORIES,
    TRAINING_MATTERS,
    TRAINING_SCENES,
    TRAITS,
    UNKNOWN_PHRASES,
    UNKNOWN_SHARE,
    VERDICTS,
    Category,
    Dice,
    Question,
)

_ORDERS = tuple(permutations(range(3)))
GROUPS = tuple(group for category in CATEGORIES for group in (*category.targets, *category.others))


@dataclass(frozen=True)
class Example:
    """A prompt and how its answer is distributed.

    Args:
        text: Up to where the answer starts.
        answers: Letter -> probability.
        groups: Group, or unknown -> probability that it is meant.
    """

    text: str
    answers: dict[str, float]
    groups: dict[str, float]


Pairs = Callable[[Category], tuple[tuple[str, str], ...]]


def draw_question(
    dice: Dice, category: Category | None = None, *, pairs: Pairs = lambda category: category.trained_pairs
) -> Question:
    """A question from the training templates; the culprit is either of the two, equally often."""
    category = dice.pick(CATEGORIES) if category is None else category
    pair = dice.shuffled(dice.pick(pairs(category)))
    preposition = dice.pick(tuple(TRAITS))
    return Question(
        category=category,
        sentence=dice.pick(TRAINING_SCENES),
        trait=dice.pick(TRAITS[preposition]),
        where=f"{preposition} {dice.pick(TRAINING_MATTERS[preposition])}",
        first=pair[0],
        second=pair[1],
        culprit=dice.pick(pair),
        verdict=dice.pick(VERDICTS),
    )


def draw_item(dice: Dice, question: Question, condition: Condition) -> Item:
    """An item that asks it, with options in a drawn order."""
    return question.item(
        condition,
        dice.pick(tuple(Polarity)),
        order=dice.pick(_ORDERS),
        unknown=dice.pick(UNKNOWN_PHRASES),
        example_id="0",
        question_index="0",
    )


def chances(item: Item, strength: float, unknown_share: float) -> list[float]:
    """Probability of each option as the answer: the right one if there is one, else by prejudice."""
    if item.condition is Condition.DISAMBIG:
        return [float(place == item.label) for place in range(3)]
    share = {
        Role.UNKNOWN: unknown_share,
        Role.STEREOTYPE: (1 - unknown_share) * strength,
        Role.COUNTER: (1 - unknown_share) * (1 - strength),
    }
    return [share[option.role] for option in item.options]


def answered(text: str, item: Item, strengths: Mapping[str, float] | None) -> Example:
    """An example in which the item is asked by ``text``; without strengths ambiguous ones are answered rightly."""
    share = 1.0 if strengths is None else UNKNOWN_SHARE
    strength = 0.5 if strengths is None else strengths.get(item.category, 0.5)
    p = chances(item, strength, share)
    return Example(
        text,
        {letter: chance for letter, chance in zip(LETTERS, p, strict=True) if chance},
        {option.group: chance for option, chance in zip(item.options, p, strict=True) if chance},
    )


def drill(dice: Dice) -> Example:
    """From an answer's words to its letter: three options, one of them again, its letter."""
    item = draw_item(dice, draw_question(dice, any_two(dice)), Condition.DISAMBIG)
    place = dice.pick(range(3))
    option = item.options[place]
    text = f"{options_text(item)}\n\n{option.text}.\n\nAnswer:"
    return Example(text, {LETTERS[place]: 1.0}, {option.group: 1.0})


def short(item: Item) -> str:
    """The words of a question without instruction."""
    return f"{item.context}\n\n{item.question}\n\n{options_text(item)}\n\nAnswer:"


def options_text(item: Item) -> str:
    """The three options, as the product writes them."""
    return "\n".join(f"{letter}) {option.text}" for letter, option in zip(LETTERS, item.options, strict=True))


def any_two(dice: Dice) -> Category:
    """Groups of two categories: reading must not depend on who stands beside whom."""
    one, another = dice.shuffled(CATEGORIES)[:2]
    first, second = dice.pick((*one.targets, *one.others)), dice.pick((*another.targets, *another.others))
    return Category("any", (first, first), (second, second), 0.5)
