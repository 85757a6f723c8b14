"""A dense model, a variant and the dense model asked again, of which it is known how many items say what in each."""

from __future__ import annotations

from collections.abc import Mapping

from tests.known.models import Says

WORDS = ("stereotype", "counter", "unknown", "silent")

AMBIG = {
    # (asked again, variant): items of each category, from each outcome to each
    "stereotype": (10, 3, 8, 1),
    "counter": (2, 9, 4, 1),
    "unknown": (7, 5, 21, 2),
    "silent": (1, 2, 3, 4),
}
"""Rows: what the dense model says to the floor seeds. Columns: what the variant says, in the order of ``WORDS``. All
other ambiguous items are unknown in both."""

AGAIN = {
    ("unknown", "unknown"): (3, "stereotype"),
    ("stereotype", "stereotype"): (2, "unknown"),
    ("counter", "counter"): (1, "silent"),
}
"""Of the items in a cell so many are something else when the dense model is drawn with the main seeds."""

DISAMBIG_WORDS = ("right", "wrong", "unknown", "silent")

DISAMBIG = {
    "right": (30, 6, 4, 2),
    "wrong": (5, 8, 3, 1),
    "unknown": (3, 2, 7, 1),
    "silent": (2, 1, 1, 4),
}
"""The same for disambiguated items; all others are right in both, and with the main seeds dense says the same."""


def plan(moves: Mapping[str, tuple[int, ...]], words: tuple[str, ...]) -> list[tuple[str, str, str]]:
    """Asked again, dense, variant: one triple per item that is planned."""
    found = []
    for again, counts in moves.items():
        for variant, count in zip(words, counts, strict=True):
            changed, into = AGAIN.get((again, variant), (0, "")) if moves is AMBIG else (0, "")
            found += [(again, into, variant)] * changed + [(again, again, variant)] * (count - changed)
    return found


PLANS = {
    "ambig": (plan(AMBIG, WORDS), "unknown"),
    "disambig": (plan(DISAMBIG, DISAMBIG_WORDS), "right"),
}


def triple(item: object, place: int) -> tuple[str, str, str]:
    """Asked again, dense, variant: what they say of an item."""
    planned, rest = PLANS[str(item.condition)]  # type: ignore[attr-defined]
    return planned[place] if 0 <= place < len(planned) else (rest,) * 3


def says(who: int) -> Says:
    """0 the dense model to the floor seeds, 1 to the main ones, 2 the variant."""
    return lambda item, place: [triple(item, place)[who]] * 5


def halves(item: object, place: int) -> list[str]:
    """Stereotype and counter in turn."""
    del item
    return ["stereotype" if place % 2 == 0 else "counter"] * 5
