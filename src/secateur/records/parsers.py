"""The table of parsers, and reading many answers with one of them.

A parser goes from an answer's text to what it says: a letter, a refusal, or nothing that can be read. Each has a
module of its own with its rules; see also ``docs/parsers.md``.
"""

from __future__ import annotations

import polars as pl

from secateur.items.orders import ALL_ORDERS, LETTERS, option_at
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
from secateur.records.unknown import refuse_unknown_items, refuse_unknown_orders

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
    decided = [parser.by_text(text) for text in texts["text"].cast(pl.String)]
    words = [None if parsed is None else _word_for(parsed) for parsed in decided]
    by_text = texts.with_columns(said=pl.Series(words, dtype=ANSWER_TYPE))
    said = answers.select("text").join(by_text, on="text", how="left", maintain_order="left")["said"]
    if said.null_count() == 0:
        return said

    key = ["text", "item", "order"]
    unread = answers.select(key).filter(said.is_null())
    asked = unread.unique().join(items.select("item", "option_0", "option_1", "option_2"), on="item", how="left")
    _check_known(asked)
    place = pl.col("order").cast(pl.String)
    shown = asked.with_columns(
        [
            pl.coalesce(
                pl.when(place == order).then(pl.col(f"option_{option_at(order, letter)}")) for order in ALL_ORDERS
            ).alias(LETTERS[letter])
            for letter in range(3)
        ]
    )
    distinct = shown.select("text", *LETTERS).unique()
    rows = zip(distinct["text"].cast(pl.String), *(distinct[letter] for letter in LETTERS), strict=True)
    read = [_word_for(parser.by_options(text, (a, b, c))) for text, a, b, c in rows]
    distinct = distinct.with_columns(said=pl.Series(read, dtype=ANSWER_TYPE))
    by_options = shown.join(distinct, on=["text", *LETTERS], how="left").select(*key, "said")
    late = unread.join(by_options, on=key, how="left", maintain_order="left")["said"]
    return said.scatter(said.is_null().arg_true(), late)


def _check_known(asked: pl.DataFrame) -> None:
    refuse_unknown_orders(asked["order"])
    refuse_unknown_items(asked.filter(pl.col("option_0").is_null())["item"])
