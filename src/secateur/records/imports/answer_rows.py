"""Answers of which it is known whose they are and to which item: gathered row by row, checked, and put together.

The model, the variant and the item are names; how a variant was made is not known. Roles are BBQ's own.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from secateur.errors import InputError
from secateur.identity import Plain
from secateur.items.bbq import NAME, load_bbq
from secateur.items.item import Item, ItemSet
from secateur.items.orders import LETTERS
from secateur.records.imports.checks import Faults, ItemName, SourceFile, missing_note, refuse_repeated
from secateur.records.imports.write import ORDER, STOP, Imported, ImportedVariant
from secateur.records.parsers import STRICT, parse_answers

DENSE = "dense"
"""What the model that was not pruned is called, unless told otherwise."""

MODEL = "model"
"""What a model is called whose name is not given."""

_SHOWN = 5
"""Names that a note tells before it only counts."""

_UNKNOWN: dict[str, Plain] = {"latency": None, "perplexity": None, "achieved": None}


class VariantName(NamedTuple):
    """A variant as records name it."""

    model: str
    label: str


class AnswerRows:
    """Answers as they are met: narrow columns, each name and each text once.

    Attributes:
        variants: In the order they were met.
        items: In the order they were met.
        files: What was read.
    """

    def __init__(self) -> None:
        self.variants: dict[VariantName, int] = {}
        self.items: dict[ItemName, int] = {}
        self.files: list[SourceFile] = []
        self._paths: list[Path] = []
        self._texts: dict[tuple[str, str], int] = {}
        self._columns = {name: array("I") for name in ("config", "item", "seed", "said", "file", "line")}

    def begin(self, path: Path) -> None:
        """Rows that are added from now on are of this file."""
        self._paths.append(path)

    def add(self, variant: VariantName, item: ItemName, seed: int, text: str, line: int, *, stop: str = STOP) -> None:
        """Keep an answer."""
        row = {
            "config": self.variants.setdefault(variant, len(self.variants)),
            "item": self.items.setdefault(item, len(self.items)),
            "seed": seed,
            "said": self._texts.setdefault((text, stop), len(self._texts)),
            "file": len(self._paths) - 1,
            "line": line,
        }
        for name, column in self._columns.items():
            column.append(row[name])

    def frame(self) -> pl.DataFrame:
        """One row per answer, in the order they were met: config, item (places), seed, text, stop, file, line."""
        texts, stops = (pl.Series([one[k] for one in self._texts], dtype=pl.String) for k in (0, 1))
        rows = pl.DataFrame({name: np.asarray(column) for name, column in self._columns.items()})
        said = rows["said"]
        return rows.select(
            "config",
            "item",
            "seed",
            texts.gather(said).alias("text"),
            stops.gather(said).alias("stop"),
            "file",
            "line",
        )

    def place(self, row: Mapping[str, Any]) -> str:
        """File and line of a row, for messages."""
        return f"{self._paths[row['file']]}, line {row['line']}"


def put_together(
    gathered: AnswerRows,
    *,
    source: str,
    study: str,
    baseline: str | None,
    bbq: Path | None,
    notes: Sequence[str],
    differs: Callable[[ItemName, Item], str] = lambda name, item: "",
    about: Callable[[pl.DataFrame, ItemSet], Sequence[str]] = lambda rows, items: (),
) -> Imported:
    """Check the answers beside each other and against BBQ.

    Args:
        gathered: The answers.
        source: Name of the format.
        study: What the whole is called.
        baseline: What the model that was not pruned is called; ``None`` for ``DENSE``.
        bbq: BBQ's folder; ``None``: where it is usually found.
        notes: What is known of the files.
        differs: How BBQ's item is another than the one that was asked; empty if it is not.
        about: Further notes, from the answers (columns item (key), text, order) and the items.

    Raises:
        RecordsError: If an answer is there twice, or an item is not BBQ's.
        InputError: If BBQ cannot be found, or the baseline is none of the variants.
    """
    rows = gathered.frame()
    names = list(gathered.variants)
    items_named = list(gathered.items)

    def called(row: Mapping[str, Any]) -> str:
        name, item = names[row["config"]], items_named[row["item"]]
        return f"{name.model}, {name.label}, {item.category} item {item.example_id}, seed {row['seed']}"

    dense = _baseline(names, baseline)
    refuse_repeated(rows, gathered.place, called, hint=", or tell variants apart by their names")
    items = _items(gathered, rows, load_bbq(bbq, sorted({item.category for item in items_named})), differs)
    variants = _variants(names, dense)
    place = {name: number for number, name in enumerate(variants)}
    keys = {(item.category, item.example_id): item.key for item in items}
    answers = rows.select(
        pl.Series([place[name] for name in names], dtype=pl.UInt32).gather(rows["config"]).alias("variant"),
        pl.Series([keys[name] for name in items_named], dtype=pl.UInt64).gather(rows["item"]).alias("item"),
        "seed",
        "text",
        "stop",
    )
    seeds = tuple(rows["seed"].unique().sort())
    return Imported(
        source=source,
        study=study,
        items=items,
        variants=tuple(
            ImportedVariant(
                name.model,
                name.label,
                None if name.label == dense else name.label,
                None,
                _UNKNOWN,
                expected=name in gathered.variants,
            )
            for name in variants
        ),
        answers=answers,
        seeds=seeds,
        files=tuple(asdict(file) for file in gathered.files),
        notes=(
            *notes,
            *about(answers.with_columns(order=pl.lit(ORDER)), items),
            *_comparison_notes(variants, set(names), dense),
            *_missing_notes(variants, names, rows, len(items) * len(seeds)),
            *items.notes,
        ),
    )


def unparsed_note(rows: pl.DataFrame, items: ItemSet, what: str) -> Iterator[str]:
    """How many texts the default parser cannot read.

    Args:
        rows: Columns item, order, text.
        items: Theirs.
        what: What they are called.
    """
    said = parse_answers(rows, option_texts(items), STRICT).cast(pl.String)
    if rows.height:
        refused, lost = (int((said == word).sum()) for word in ("refusal", "unparsed"))
        yield (
            f"Of {rows.height:,} {what}, {refused:,} say that it cannot be known, and {lost:,} are neither that nor an "
            f"option nor a letter for the parser {STRICT.name}: those are unparsed."
        )


def option_texts(items: ItemSet) -> pl.DataFrame:
    """What a parser needs of the items."""
    return pl.DataFrame(
        {
            "item": pl.Series([item.key for item in items], dtype=pl.UInt64),
            **{f"option_{k}": [item.options[k].text for item in items] for k in range(len(LETTERS))},
        }
    )


def listed(names: Sequence[str]) -> str:
    """Some names, and how many others there are."""
    rest = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + rest


def _baseline(names: Sequence[VariantName], baseline: str | None) -> str:
    """What the variant that was not pruned is called."""
    labels = list(dict.fromkeys(name.label for name in names))
    if baseline is None:
        return DENSE
    if baseline not in labels:
        raise InputError("There is no such variant.", where="--baseline", allowed=listed(labels), got=baseline)
    if baseline != DENSE and DENSE in labels:
        raise InputError(
            "One variant is called dense, and another is named as the model that was not pruned.",
            where="--baseline",
            allowed=DENSE,
            got=baseline,
            todo="call the pruned one otherwise, or leave --baseline out",
        )
    return baseline


def _variants(names: Sequence[VariantName], dense: str) -> list[VariantName]:
    """Models by name; of each the one that was not pruned first, also where there is no answer of it."""
    found = {*names, *(VariantName(name.model, dense) for name in names)}
    return sorted(found, key=lambda name: (name.model, name.label != dense, _by_number(name.label)))


def _by_number(label: str) -> list[tuple[int, str]]:
    """So that 5 comes before 50, and 50 before 100."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", label)]


def _items(
    gathered: AnswerRows, rows: pl.DataFrame, official: ItemSet, differs: Callable[[ItemName, Item], str]
) -> ItemSet:
    """The items that were asked, in BBQ's order."""
    known = {ItemName(item.category, item.example_id): item for item in official}
    first = rows.group_by("item", maintain_order=True).first()
    faults = Faults(todo="check that the answers and BBQ are of the same data set")
    names = list(gathered.items)
    for row in first.iter_rows(named=True):
        name = names[row["item"]]
        item = known.get(name)
        if item is None:
            faults.add(f"{gathered.place(row)}: BBQ has no {name.category} item {name.example_id}")
        elif difference := differs(name, item):
            faults.add(f"{gathered.place(row)}: {name.category} item {name.example_id}: {difference}")
    faults.settle()
    asked = tuple(item for name, item in known.items() if name in gathered.items)
    return ItemSet(NAME, asked, official.sources, official.notes)


def _comparison_notes(variants: Sequence[VariantName], have: set[VariantName], dense: str) -> Iterator[str]:
    pruned = sum(name.label != dense for name in variants)
    if pruned:
        yield (
            f"Variants of which only the name is known, not how they were made: {pruned:,}. Without a sparsity they "
            "stand in tables, and nothing is drawn against sparsity."
        )
    for name in variants:
        if name.label == dense and name not in have:
            yield (
                f"{name.model}: there are no answers of a variant called {dense}, so its variants can be compared with "
                "no unpruned model. If one of them is the unpruned one, name it with --baseline."
            )


def _missing_notes(
    variants: Sequence[VariantName], names: Sequence[VariantName], rows: pl.DataFrame, wanted: int
) -> Iterator[str]:
    counts = Counter(dict(rows["config"].value_counts().iter_rows()))
    have = {name: counts[number] for number, name in enumerate(names)}
    for name in variants:
        if name in have and (lacks := wanted - have[name]):
            yield missing_note(name.model, name.label, lacks, wanted)
