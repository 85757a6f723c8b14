"""What every format checks alike: files, names of items, rows beside each other; and how faults are gathered."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from secateur.errors import InputError, RecordsError
from secateur.items.bbq_roles import RULES

MAX_FAULTS = 20
"""Faults that are shown together; then reading ends."""

CATEGORIES = {name.lower(): name for name in RULES}
"""A category's name in any case, in lower case -> BBQ's own."""

SEEDS = 2**32
"""Seeds are below it."""

IDS = 2**63
"""Numbers of items are below it."""


class ItemName(NamedTuple):
    """An item as records name it: BBQ's category, and the number that is unique within it."""

    category: str
    example_id: str


@dataclass(frozen=True)
class SourceFile:
    """A file that was read.

    Args:
        name: Without its folder.
        bytes: Its size.
        sha256: Its hash.
        records: How many it gave.
    """

    name: str
    bytes: int
    sha256: str
    records: int


class Faults:
    """Faults of the records, up to a limit.

    Args:
        limit: How many are kept; one more raises.
        todo: What the reader of the error can do next.
    """

    def __init__(self, *, limit: int = MAX_FAULTS, todo: str = "") -> None:
        self._found: list[str] = []
        self._limit = limit
        self._todo = todo

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, fault: str) -> None:
        """Keep a fault.

        Raises:
            RecordsError: If as many as are shown were there already.
        """
        if len(self._found) == self._limit:
            raise RecordsError(self._found, where="the records", more=True, todo=self._todo)
        self._found.append(fault)

    def settle(self) -> None:
        """Go on if there was none.

        Raises:
            RecordsError: With all of them, if there was one.
        """
        if self._found:
            raise RecordsError(self._found, where="the records", todo=self._todo)


def check_paths(paths: Sequence[Path]) -> None:
    """Refuse no files, and a file given twice."""
    if not paths:
        raise InputError("No files of records were given.", todo="name at least one file")
    seen: set[Path] = set()
    for path in paths:
        if path.resolve() in seen:
            raise InputError("A file of records was given twice.", where=path, todo="name it once")
        seen.add(path.resolve())


def refuse_repeated(
    rows: pl.DataFrame,
    place: Callable[[Mapping[str, Any]], str],
    name: Callable[[Mapping[str, Any]], str],
    *,
    hint: str = "",
) -> None:
    """Refuse a record that is there twice: which of the two counts would be a matter of chance.

    Args:
        rows: Columns config, item (places in a list each), seed, text, and what ``place`` needs.
        place: File and line of a row.
        name: What a row is about.
        hint: What else than leaving a row out may put it right.

    Raises:
        RecordsError: With both places of each.
    """
    items = (rows["item"].max() or 0) + 1  # type: ignore[operator]
    key = (pl.col("config").cast(pl.UInt64) * items + pl.col("item")) * SEEDS + pl.col("seed")
    again = rows.filter(key.is_duplicated())
    if not again.height:
        return
    faults = Faults(todo=f"leave one of the two lines out{hint}, and import again")
    for _, group in again.group_by(["config", "item", "seed"], maintain_order=True):
        first, second = group.head(2).iter_rows(named=True)
        texts = "the same text" if first["text"] == second["text"] else "different texts"
        faults.add(f"{place(first)}, and {place(second)}: {name(first)}, twice with {texts}")
    faults.settle()


def missing_note(model: str, label: str, lacks: int, wanted: int) -> str:
    """What a variant lacks of all items with all seeds that any record has."""
    return f"{model}, {label}: {lacks:,} of {wanted:,} records are missing."


def is_whole(value: object, end: int) -> bool:
    """Whether it is a whole number from 0, below ``end``."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < end


def is_unicode(value: object) -> bool:
    """A text without halves of characters, which JSON can escape."""
    return isinstance(value, str) and not any("\ud800" <= char <= "\udfff" for char in value)


def shown(value: object) -> str:
    """A value in a message, cut where it is long."""
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
