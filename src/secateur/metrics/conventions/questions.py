"""What conventions need to know of the questions asked, and answers in the form they take."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from secateur.items.item import Role
from secateur.records.frames import once_per_frame

ANSWER_COLUMNS: dict[str, pl.DataType] = {
    "item": pl.UInt64(),
    "order": pl.String(),
    "text": pl.String(),
    "option": pl.Int8(),
    "tie": pl.Boolean(),
}
"""Answers as conventions take them. ``text``: what was said; null where letters were scored. ``option``: by letter
scores the one at the best letter; of a text the one that a parser of ours chose, if one was asked to; else null.
``tie``: whether the best letter was one of several."""

LABEL_COLUMNS: dict[str, pl.DataType] = {
    **{f"name_{i}": pl.String() for i in range(3)},
    "stereotyped": pl.List(pl.String()),
}
"""Columns that an items table may have besides its own: the options' names and the stereotyped groups, as BBQ's files
have them. Null in an item of which no file is at hand."""

_ARTICLE = re.compile(r"(?:the|an|a) ", flags=re.IGNORECASE)


@dataclass(frozen=True)
class Questions:
    """Items, in the order of the items table.

    Args:
        benchmark: Its name, per item.
        category: The category, per item.
        template: The benchmark's number of the template, per item.
        ambiguous: Whether the context leaves the answer open. Shape [n_items].
        negative: Whether the question asks for something bad. Shape [n_items].
        label: The right option. Shape [n_items].
        unknown: The unknown option; -1 if there is not exactly one. Shape [n_items].
        stereotype: The option that agrees with the stereotype; -1 if there is not exactly one. Shape [n_items].
        options: The three options' texts, per item.
        groups: The three options' group labels, per item.
        names: The three options' names, per item: BBQ's own or, where these are not at hand, the texts without article.
        stereotyped: The groups the stereotype is about, per item; ``None`` where BBQ's labels are not at hand.
    """

    benchmark: list[str]
    category: list[str]
    template: list[str]
    ambiguous: NDArray[np.bool_]
    negative: NDArray[np.bool_]
    label: NDArray[np.int64]
    unknown: NDArray[np.int64]
    stereotype: NDArray[np.int64]
    options: list[tuple[str, str, str]]
    groups: list[tuple[str, str, str]]
    names: list[tuple[str, str, str]]
    stereotyped: list[tuple[str, ...] | None]

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """Of which items BBQ's own labels are at hand. Shape [n_items]."""
        return np.array([groups is not None for groups in self.stereotyped], np.bool_)


@once_per_frame
def questions_of(items: pl.DataFrame) -> Questions:
    """Read a table of items.

    Args:
        items: Rows of the table ``items``, with or without ``LABEL_COLUMNS``.
    """
    options = _triples(items, "option")
    stereotyped: list[tuple[str, ...] | None] = [None] * items.height
    names = [_without_articles(texts) for texts in options]
    if set(LABEL_COLUMNS) <= set(items.columns):
        stereotyped = [None if groups is None else tuple(groups) for groups in items["stereotyped"].to_list()]
        given = _triples(items, "name")
        names = [own if known is not None else made for own, made, known in zip(given, names, stereotyped, strict=True)]
    return Questions(
        benchmark=items["benchmark"].to_list(),
        category=items["category"].cast(pl.String).to_list(),
        template=items["question_index"].cast(pl.String).to_list(),
        ambiguous=(items["condition"].cast(pl.String) == "ambig").to_numpy(),
        negative=(items["polarity"].cast(pl.String) == "neg").to_numpy(),
        label=items["label"].to_numpy().astype(np.int64),
        unknown=_only(items, Role.UNKNOWN),
        stereotype=_only(items, Role.STEREOTYPE),
        options=options,
        groups=_triples(items, "group"),
        names=names,
        stereotyped=stereotyped,
    )


def letter_answers(outcomes: pl.DataFrame) -> pl.DataFrame:
    """Answers by letter scores, as conventions take them.

    Args:
        outcomes: As ``letter_outcomes`` or ``average_orders`` gives them; with a least letter mass of 0 if every finite
            row is to count.
    """
    return outcomes.select(
        "item",
        pl.col("order").cast(pl.String),
        pl.lit(None, pl.String).alias("text"),
        pl.col("option").cast(pl.Int8),
        "tie",
    )


def text_answers(sampled: pl.DataFrame, outcomes: pl.DataFrame | None = None) -> pl.DataFrame:
    """Answers by text, as conventions take them.

    Args:
        sampled: Rows of the table ``sampled``.
        outcomes: Their outcomes by a parser, row by row, where it stands in for what a convention cannot read.
    """
    chosen = pl.lit(None, pl.Int8) if outcomes is None else outcomes["option"].cast(pl.Int8)
    return sampled.select(
        "item",
        pl.col("order").cast(pl.String),
        pl.col("text").cast(pl.String),
        chosen.alias("option"),
        pl.lit(value=False).alias("tie"),
    )


def _triples(items: pl.DataFrame, what: str) -> list[tuple[str, str, str]]:
    return list(zip(*(items[f"{what}_{i}"].cast(pl.String).to_list() for i in range(3)), strict=True))


def _without_articles(texts: tuple[str, str, str]) -> tuple[str, str, str]:
    first, second, third = (_ARTICLE.sub("", text, count=1) if _ARTICLE.match(text) else text for text in texts)
    return first, second, third


def _only(items: pl.DataFrame, role: Role) -> NDArray[np.int64]:
    """The option with this role; -1 if there is not exactly one."""
    has = np.stack([(items[f"role_{i}"].cast(pl.String) == role.value).to_numpy() for i in range(3)], axis=1)
    return np.where(has.sum(axis=1) == 1, has.argmax(axis=1), -1)
