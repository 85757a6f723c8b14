"""The parser ``pia`` against its rules, character by character."""

import itertools
import random

from tests.reference.parser_pia import pia

from secateur.items.orders import LETTERS
from secateur.records.parsers import PIA, UNPARSED, Choice

SHOWN = ("one", "two", "three")
PIECES = (
    "answer", "Choose", "SELECT", "pick", "is", "Is", " ", "\n", "\u00a0", "\x1c", "(", ")", ".", ":", ",", "a", "B",
    "c", "D", "e", "the", "pic", "answe", "\u017felect", "pic\u212a", "i\u017f", "\u0131s", "\u0130s", "\u00e1",
    "\u1e9a", "\uff22", "\u24b7",
)  # fmt: skip


def said(text):
    parsed = PIA(text, SHOWN)
    if parsed == UNPARSED:
        return None
    assert isinstance(parsed, Choice)
    return LETTERS[parsed.letter]


def test_every_short_string_of_a_small_alphabet():
    count = 0
    for length in range(7):
        for chars in itertools.product("aC(). x", repeat=length):
            text = "".join(chars)
            assert said(text) == pia(text), repr(text)
            count += 1
    assert count == sum(7**length for length in range(7))


def test_every_short_string_behind_a_keyword():
    for keyword in ("answer", "choose", "select", "pick", "pic", "xanswer"):
        for length in range(5):
            for chars in itertools.product(("is", "b", "(", ")", " ", ":", "C"), repeat=length):
                text = keyword + "".join(chars)
                assert said(text) == pia(text), repr(text)


def test_random_strings():
    draws = random.Random(7)
    found = {None: 0, "A": 0, "B": 0, "C": 0}
    for _ in range(60_000):
        text = "".join(draws.choices(PIECES, k=draws.randrange(9)))
        assert said(text) == pia(text), repr(text)
        found[pia(text)] += 1
    assert min(found.values()) > 1000
