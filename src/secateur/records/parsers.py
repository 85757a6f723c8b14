"""The table of parsers, and reading many answers with one of them.

A parser goes from an answer's text to what it says: a letter, a refusal, or nothing that can be read. Each has a
module of its own with its rules; see also ``docs/parsers.md``.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from secateur.items.orders import ALL_ORDERS, LETTERS, option_at
from secateur.records.frames import once_per_frame
from secateur.records.parser import (
    CHOICES,
    REFUSAL,
    UNPARSED,
    Choice,
    Parsed,
    Parser,
    Refusal,
    Shown,
    Unparsed,
)
from secateur.records.parser_pia import PIA
from secateur.records.parser_strict import STRICT
from secateur.records.places import item_places, order_numbers

__all__ = [
    "ANSWERS",
    "ANSWER_TYPE",
    "CHOICES",
    "PARSERS",
    "PIA",
    "REFUSAL",
    "STRICT",
    "UNPARSED",
    "Choice",
    "Parsed",
    "Parser",
    "Refusal",
    "Shown",
    "Unparsed",
    "parse_answers",
]

PARSERS: dict[str, Parser] = {parser.name: parser for parser in (STRICT, PIA)}
"""Parsers by name."""

ANSWERS = ("A", "B", "C", "refusal", "unparsed")
"""What ``parse_answers`` says of each row."""

ANSWER_TYPE = pl.Enum(ANSWERS)


def _word_for(parsed: Parsed) -> str:
    if isinstance(parsed, Choice):
        return LETTERS[parsed.letter]
    return "refusal" if isinstance(parsed, Refusal) else "unparsed"


def parse_answers(answers: pl.DataFrame, items: pl.DataFrame, parser: Parser = STRICT) -> pl.Series:
    """What each answer says; each distinct text is read once, and once per set of shown options where they matter.

    Args:
        answers: Columns ``item``, ``order``, ``text``, as in the table ``sampled``.
        items: Columns ``item``, ``option_0``, ``option_1``, ``option_2``, as in the table ``items``.
        parser: The rules.

    Returns:
        One of ``ANSWERS`` per row, in the order of the rows.

    Raises:
        InputError: If an item is not in ``items`` or an order is not one of the six.
    """
    texts = answers.select(pl.col("text").unique())
    decided = [parser.by_text(text) for text in texts["text"].cast(pl.String).to_list()]
    words = [None if parsed is None else _word_for(parsed) for parsed in decided]
    by_text = texts.with_columns(said=pl.Series(words, dtype=ANSWER_TYPE))
    said = answers.select("text").join(by_text, on="text", how="left", maintain_order="left")["said"]
    if said.null_count() == 0:
        return said

    unread = answers.filter(said.is_null())
    numbers, shown = _shown_options(items)
    asked = unread.select("text", shown=pl.Series(numbers[item_places(unread, items), order_numbers(unread)]))
    distinct = asked.unique()
    options = map(shown.__getitem__, distinct["shown"].to_list())
    read = [*map(_word_for, map(parser.by_options, distinct["text"].cast(pl.String).to_list(), options))]
    by_options = distinct.with_columns(said=pl.Series(read, dtype=ANSWER_TYPE))
    late = asked.join(by_options, on=["text", "shown"], how="left", maintain_order="left")["said"]
    return said.scatter(said.is_null().arg_true(), late)


@once_per_frame
def _shown_options(items: pl.DataFrame) -> tuple[NDArray[np.int64], list[Shown]]:
    """Options as shown, each kind once, and the number of the kind at each item and order, [n_items, n_orders]."""
    options = list(zip(*(items[f"option_{i}"].cast(pl.String).to_list() for i in range(3)), strict=True))
    kinds: dict[Shown, int] = {}
    numbers = [
        kinds.setdefault((texts[a], texts[b], texts[c]), len(kinds))
        for texts in options
        for a, b, c in ([option_at(order, letter) for letter in range(3)] for order in ALL_ORDERS)
    ]
    return np.array(numbers, np.int64).reshape(items.height, len(ALL_ORDERS)), list(kinds)
