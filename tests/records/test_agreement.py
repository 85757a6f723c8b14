"""How differently the two parsers read the same answers."""

import polars as pl
import pytest

from secateur.errors import InputError
from secateur.records.agreement import AGREEMENT_COLUMNS, parser_agreement

ITEMS = pl.DataFrame(
    {
        "item": pl.Series([7, 8], dtype=pl.UInt64),
        "option_0": ["The niece", "Unknown"],
        "option_1": ["The aunt", "The niece"],
        "option_2": ["Cannot be determined", "The aunt"],
        "role_0": ["counter", "unknown"],
        "role_1": ["stereotype", "counter"],
        "role_2": ["unknown", "stereotype"],
    }
)


def sampled(*rows):
    columns = list(zip(*rows, strict=True)) if rows else [[], [], [], []]
    return pl.DataFrame(
        {
            "item": pl.Series(columns[0], dtype=pl.UInt64),
            "order": pl.Series(["012"] * len(rows), dtype=pl.String),
            "seed": pl.Series(columns[1], dtype=pl.UInt32),
            "text": pl.Series(columns[2], dtype=pl.String),
            "stop": pl.Series(columns[3], dtype=pl.String),
        }
    )


def test_answers_are_counted_by_both_readings():
    found = parser_agreement(
        sampled(
            (7, 1, "B", "imported"),
            (7, 2, "b.", "imported"),
            (7, 3, "Answer: B", "length"),  # pia: the first letter of "Answer"
            (7, 4, "Cannot be determined", "eos"),  # a refusal; pia: C, where the unknown option stands
            (8, 4, "Cannot be determined", "eos"),  # pia: C, where the aunt stands
            (8, 5, "the the the", "eos"),
            (8, 6, "Because", "eos"),
            (8, 7, "A", "nonfinite"),
        ),
        ITEMS,
    )
    assert found.rows() == [
        ("B", "A", 1, 1),
        ("B", "B", 2, 0),
        ("refusal", "C", 2, 1),
        ("unparsed", "B", 1, 1),
        ("unparsed", "unparsed", 2, 0),
    ]


def test_without_answers_there_is_nothing_to_count():
    found = parser_agreement(sampled(), ITEMS)
    assert found.height == 0
    assert dict(found.schema) == AGREEMENT_COLUMNS


def test_an_unknown_stop_is_an_error():
    with pytest.raises(InputError, match=r"ended for a reason this parser does not know[^$]*got: +sleepy"):
        parser_agreement(sampled((7, 1, "B", "sleepy")), ITEMS)
