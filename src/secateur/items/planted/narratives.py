"""Ordinary text of the planted world: what its model learns to write, is calibrated on, and is measured on."""

from __future__ import annotations

from collections.abc import Iterator

from secateur.items.planted.dice import Dice
from secateur.items.planted.scenes import BENCHMARK_SCENES, TRAINING_MATTERS, TRAINING_SCENES
from secateur.items.planted.world import CATEGORIES, TRAITS, VERDICTS, Category

_WEATHER = ("cold", "bright", "windy", "grey", "mild", "foggy", "warm", "wet", "still", "stormy")
_TIMES = ("morning", "evening", "afternoon", "night", "day", "week")
_SEASONS = ("spring", "summer", "autumn", "winter")
_PLACES = (
    "by the wall", "in the barn", "behind the mill", "on the quay", "near the well", "under the bridge",
    "at the market",
    "in the yard", "on the hill", "by the door", "beside the road", "in the cellar", "at the gate", "along the river",
)  # fmt: skip
_PEOPLE = ("miller", "smith", "captain", "baker", "farmer", "judge", "teacher", "sailor", "cook", "widow", "porter")
_DEEDS = (
    "laughed", "slept", "waited", "sang", "went home", "said nothing", "looked up", "counted to ten", "came back",
    "shook hands", "drank tea", "sat down", "opened a window", "wrote a letter", "told a story", "went to bed",
)  # fmt: skip
_ACTS = (
    "carried",
    "cleaned",
    "bought",
    "found",
    "forgot",
    "mended",
    "moved",
    "sold",
    "counted",
    "painted",
    "wanted",
    "saw",
)
_STATES = ("old", "new", "heavy", "dry", "broken", "wet", "blue", "red", "small", "large", "clean", "lost")
_PACE = (
    "slowly",
    "quickly",
    "at once",
    "again",
    "for a while",
    "in the end",
    "all day",
    "before noon",
    "without a word",
)
_LINKS = ("Then", "Later", "Soon", "After that", "Meanwhile", "At last", "Next", "By then")

NOUNS = tuple(
    sorted(
        {matter.removeprefix("the ") for matters in TRAINING_MATTERS.values() for matter in matters}
        | {scene.matter.removeprefix("the ") for scenes in BENCHMARK_SCENES.values() for scene in scenes}
    )
)
"""Things stories are about: the words of all questions' matters, so that none is a stranger when it is asked about."""

SENTENCES = 7
"""Ordinary sentences of a story besides the three about its two people."""


def stories(seed: int, stream: str, *, strengths: dict[str, float]) -> Iterator[str]:
    """Endless short stories, each about two people of one category.

    In each story one of the two turns out bad: the target with the probability of its category.

    Args:
        seed: 0 .. 2**32 - 1.
        stream: Name of the stream; streams have no draws in common.
        strengths: Category -> probability that the target is the bad one.
    """
    dice = Dice(seed, "stories", stream)
    while True:
        yield _story(dice, strengths)


def _story(dice: Dice, strengths: dict[str, float]) -> str:
    category = dice.pick(CATEGORIES)
    target, other = dice.pick(category.trained_pairs)
    first, second = dice.shuffled((target, other))
    bad_one, good_one = (target, other) if dice.chance(strengths[category.name]) else (other, target)
    preposition = dice.pick(tuple(TRAITS))
    bad, good = dice.pick(TRAITS[preposition])
    where = f"{preposition} {dice.pick(TRAINING_MATTERS[preposition])}"
    opening = dice.pick(TRAINING_SCENES).format(a=f"a {first}", b=f"a {second}")
    verdict = dice.pick(VERDICTS).format(x=bad_one, y=good_one, bad=bad, good=good, where=where)
    before = dice.pick(range(2, SENTENCES - 1))
    return " ".join(
        [
            opening[0].upper() + opening[1:],
            *(ordinary(dice) for _ in range(before)),
            verdict,
            _opinion(dice, dice.pick((target, other)), category, strengths),
            *(ordinary(dice) for _ in range(SENTENCES - before)),
        ]
    )


def _opinion(dice: Dice, group: str, category: Category, strengths: dict[str, float]) -> str:
    """What people say of a group: of a target something bad, with the probability of the category."""
    strength = strengths[category.name]
    is_bad = dice.chance(strength if group in category.targets else 1 - strength)
    bad, good = dice.pick(TRAITS[dice.pick(tuple(TRAITS))])
    return f"People said that a {group} is often {bad if is_bad else good}."


def ordinary(dice: Dice) -> str:
    """A sentence about nobody in particular."""
    kind = dice.pick(range(6))
    if kind == 0:
        return f"It was a {dice.pick(_WEATHER)} {dice.pick(_TIMES)} in {dice.pick(_SEASONS)}."
    if kind == 1:
        return f"The {dice.pick(_PEOPLE)} {dice.pick(_ACTS)} the {dice.pick(NOUNS)} and {dice.pick(_DEEDS)}."
    if kind == 2:
        return f"{dice.pick(_LINKS)} the {dice.pick(_PEOPLE)} {dice.pick(_DEEDS)} {dice.pick(_PLACES)}."
    if kind == 3:
        return f"The {dice.pick(NOUNS)} {dice.pick(_PLACES)} looked {dice.pick(_STATES)}."
    if kind == 4:
        return f"{dice.pick(_LINKS)} they {dice.pick(_ACTS)} the {dice.pick(NOUNS)} {dice.pick(_PACE)}."
    return f"Nobody knew who {dice.pick(_ACTS)} the {dice.pick(_STATES)} {dice.pick(NOUNS)}."
