"""The parser ``pia``: the published study's rules, its inventions included."""

import random
import re
from importlib.resources import files

import polars as pl
import pytest

from secateur.records.parsers import CHOICES, PARSERS, PIA, UNPARSED, Choice, parse_answers

A, B, C = CHOICES
U = UNPARSED
SHOWN = ("The grandfather", "The grandson", "Cannot be determined")

CASES = [
    # as published
    ("B", B),
    ("b.", B),
    ("(C) The", C),
    ("A grandfather", A),
    ("Answer: B", A),
    ("The answer is C", C),
    ("I choose (b)", B),
    ("Cannot be determined", C),
    ("Can't answer", C),
    ("Not enough information", A),
    ("Not answerable", A),
    ("The grandfather", A),
    ("Based on the context", B),
    ("Neither", U),
    ("Unknown", U),
    ("Undetermined", U),
    ("", U),
    ("D", U),
    ("x) B", B),
    ("Because", B),
    # rule 1
    (" c\n", C),
    # rule 2, and what it keeps rule 3 from
    ("(b)", B),
    ("b)", B),
    ("(b", B),
    ("B) the answer is C", B),
    ("B the answer is C", B),
    ("(B). The answer is C", B),
    ("B, the answer is C", C),
    ("((B) answer is C", C),
    # rule 3
    ("The answer isC", C),
    ("the answer b, or the answer c", B),
    ("select\t(c", C),
    ("pick: c, choose b", B),
    ("Pick Both", B),
    ("my answer is clear", C),
    ("The answer is: B", A),
    ("The answer is ((c)", A),
    ("answerable", A),
    # rule 4
    ("\uff22", U),
    ("\u00c1", U),
    ("\u1e9a", U),
    ("   ", U),
]


@pytest.mark.parametrize(("text", "expected"), CASES, ids=[repr(text) for text, _ in CASES])
def test_answers(text, expected):
    assert PIA(text, SHOWN) == expected
    assert PIA.by_text(text) == expected, "the options never matter"
    assert PIA.by_options(text, SHOWN[::-1]) == expected


def test_it_is_in_the_table_and_reads_many_answers():
    answers = pl.DataFrame(
        {
            "item": pl.Series([1] * len(CASES), dtype=pl.UInt64),
            "order": ["012"] * len(CASES),
            "text": [text for text, _ in CASES],
        }
    )
    nothing_known = pl.DataFrame(schema={"item": pl.UInt64, **dict.fromkeys(("option_0", "option_1", "option_2"), str)})
    said = parse_answers(answers, nothing_known, PARSERS["pia"]).to_list()
    assert said == ["ABC"[case.letter] if isinstance(case, Choice) else "unparsed" for _, case in CASES]


def test_it_makes_answers_out_of_random_words():
    """The illustration in docs/parsers.md: five random words of the packaged corpus, each distinct word alike."""
    texts = [page.read_text(encoding="utf-8").lower() for page in files("secateur.items").joinpath("corpus").iterdir()]
    words = sorted({word for text in texts for word in re.findall("[a-z]+", text)})
    draws = random.Random(0)
    n = 5000
    said = [PIA(" ".join(draws.choices(words, k=5)), SHOWN) for _ in range(n)]
    parsed = [one for one in said if one != UNPARSED]
    assert len(parsed) > 0.9 * n
    assert parsed.count(A) > 0.5 * len(parsed)
    strict = [PARSERS["strict"](" ".join(draws.choices(words, k=5)), SHOWN) for _ in range(n)]
    assert sum(one != UNPARSED for one in strict) < 0.01 * n
