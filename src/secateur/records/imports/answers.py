"""The format ``answers``: a table of answers, as CSV or as JSON lines. See ``docs/importing.md``."""

from __future__ import annotations

import csv
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from secateur.errors import InputError
from secateur.items.item import ItemSet
from secateur.items.orders import LETTERS
from secateur.records.imports.answer_rows import (
    DENSE,
    MODEL,
    AnswerRows,
    VariantName,
    listed,
    put_together,
    unparsed_note,
)
from secateur.records.imports.checks import CATEGORIES, IDS, SEEDS, Faults, ItemName, check_paths, is_unicode, shown
from secateur.records.imports.sources import NAME, Source, is_name, json_object, per_file
from secateur.records.imports.write import Imported, ImportOutcome, write_import

SOURCE = "answers"
STUDY = "imported answers"

AUTO, INDEX, LETTER, TEXT = "auto", "index", "letter", "text"
KINDS: dict[str, str] = {
    AUTO: "",
    INDEX: "numbers of options, counted from 0",
    LETTER: "letters, A being option 0",
    TEXT: "texts",
}
"""What the column ``answer`` can hold."""

REQUIRED = ("category", "example_id", "answer")
OPTIONAL = ("seed", "model", "variant")

_ALLOWED = {
    INDEX: "0, 1 or 2, or nothing where there was no answer",
    LETTER: "A, B or C, or nothing where there was no answer",
    TEXT: "a text, or nothing where there was no answer",
}
_TODO = "put these rows right, or leave them out, and import again"


def import_answers(
    files: Sequence[Path],
    into: Path,
    *,
    answers: str = AUTO,
    model: Sequence[str] = (),
    variant: Sequence[str] = (),
    baseline: str | None = None,
    bbq: Path | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> ImportOutcome:
    """Import tables of answers into a store.

    Nothing is written before everything was read and checked. The same call goes on after an interruption, and
    leaves the same bytes.

    Args:
        files: CSV files and files of JSON lines, told by their ending; those of all variants together.
        into: The store; made if missing.
        answers: What the column ``answer`` holds, one of ``KINDS``; ``auto`` looks at all values of a file.
        model: Of files without such a column, the model's name: one for all, or one per file.
        variant: Likewise the variant's.
        baseline: What the model that was not pruned is called among the variants; ``None``: dense.
        bbq: BBQ's folder; ``None``: where it is usually found.
        say: Told how it goes on.

    Raises:
        RecordsError: If rows are not what they should be or do not fit BBQ; the first faults together.
        InputError: If a file or BBQ cannot be found or read, or an option says what cannot be.
        StoreError: If the store contradicts the answers, is busy, or cannot be written.
    """
    imported = read_answers(files, answers=answers, model=model, variant=variant, baseline=baseline, bbq=bbq, say=say)
    say(f"writing {imported.answers.height:,} answers into {into}")
    return write_import(imported, into)


def read_answers(
    files: Sequence[Path],
    *,
    answers: str = AUTO,
    model: Sequence[str] = (),
    variant: Sequence[str] = (),
    baseline: str | None = None,
    bbq: Path | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Imported:
    """Read and check what :func:`import_answers` writes; arguments and errors as there."""
    if answers not in KINDS:
        raise InputError("Answers cannot be of this kind.", where="--answers", allowed=", ".join(KINDS), got=answers)
    check_paths(files)
    models = per_file(model, len(files), "--model", MODEL)
    variants = per_file(variant, len(files), "--variant", DENSE)
    reader = _Reader(answers, {"model": bool(model), "variant": bool(variant)})
    # In an order of their own, so that the order in which files are named changes nothing.
    for path, *names in sorted(zip(files, models, variants, strict=True), key=lambda one: (one[0].name, str(one[0]))):
        count = reader.read(path, dict(zip(("model", "variant"), names, strict=True)))
        if not reader.faults:
            say(f"{path}: {count:,} answers")
    reader.faults.settle()
    return put_together(
        reader.gathered,
        source=SOURCE,
        study=STUDY,
        baseline=baseline,
        bbq=bbq,
        notes=tuple(reader.notes()),
        about=lambda rows, items: tuple(_text_notes(rows, items)) if reader.has_texts else (),
    )


# --- rows, whichever way they are written -----------------------------------------------------------------------------


def _csv_rows(source: Source, faults: Faults) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """First line and fields of each row; a field that is empty is ``None``."""
    rows = csv.reader(source.lines(), strict=True)
    names: list[str] = []
    begun = 1
    try:
        for row in rows:
            line, begun = begun, rows.line_num + 1
            if not row:  # a blank line
                continue
            if not names:
                names = row
                _check_header(source.path, names)
            elif len(row) != len(names):
                faults.add(f"{source.path}, line {line}: {len(row)} fields, where the header has {len(names)}")
            else:
                yield line, {name: value or None for name, value in zip(names, row, strict=True)}
    except csv.Error as error:
        raise InputError("A file is not CSV.", where=f"{source.path}, line {rows.line_num}", got=error) from None


def _check_header(path: Path, names: Sequence[str]) -> None:
    where = f"{path}, line 1"
    if missing := [name for name in REQUIRED if name not in names]:
        raise InputError(
            "A file of answers lacks a column.",
            where=where,
            allowed=f"{', '.join(REQUIRED)}, separated by commas; optional: {', '.join(OPTIONAL)}",
            got=f"no {', '.join(missing)} among {shown(', '.join(names))}",
        )
    if twice := [name for name in (*REQUIRED, *OPTIONAL) if names.count(name) > 1]:
        raise InputError("A file of answers has a column twice.", where=where, got=", ".join(twice))


def _json_rows(source: Source, faults: Faults) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Line and fields of each row."""
    first: set[str] | None = None
    for line in source.lines():
        where = f"{source.path}, line {source.number}"
        values, fault = json_object(line)
        if fault:
            faults.add(f"{where}: {fault}")
            continue
        optional = {name for name in OPTIONAL if name in values}
        first = optional if first is None else first
        # A row without a name that others have would silently be taken for the dense model's.
        wrong = [f"{name}: missing" for name in (*REQUIRED, *sorted(first)) if name not in values]
        wrong += [f"{name}: there, but not in the first row" for name in sorted(optional - first)]
        for one in wrong:
            faults.add(f"{where}: {one}")
        if not wrong:
            yield source.number, values


_FORMS = {".csv": _csv_rows, ".jsonl": _json_rows}


@dataclass
class _Reader:
    """What was read so far."""

    kind: str
    given: Mapping[str, bool]
    faults: Faults = field(default_factory=lambda: Faults(todo=_TODO))
    gathered: AnswerRows = field(default_factory=AnswerRows)
    kinds: dict[str, list[str]] = field(default_factory=dict)
    unread: dict[str, None] = field(default_factory=dict)
    unnamed: dict[str, list[str]] = field(default_factory=lambda: {"model": [], "variant": []})
    empty: int = 0
    known: dict[Any, Any] = field(default_factory=dict)

    @property
    def has_texts(self) -> bool:
        """Whether any file holds texts rather than choices."""
        return TEXT in self.kinds

    def read(self, path: Path, names: Mapping[str, str]) -> int:
        """Read one file; gives its number of answers."""
        if path.suffix.lower() not in _FORMS:
            raise InputError(
                "A file of answers has another ending.",
                where=path,
                allowed=", ".join(_FORMS),
                got=path.suffix or "none",
            )
        source = Source(path)
        values = _Values(path)
        whose: list[VariantName] = []
        which: list[ItemName] = []
        seeds = array("I")
        columns: set[str] = set()
        for line, row in _FORMS[path.suffix.lower()](source, self.faults):
            if not columns:
                columns = set(row)
                self._check_names(path, columns)
            wrong = [f"{name}: {fault}" for name, fault in _faults(row)]
            for one in wrong:
                self.faults.add(f"{path}, line {line}: {one}")
            if not wrong:
                variant = VariantName(row.get("model", names["model"]), row.get("variant", names["variant"]))
                item = ItemName(CATEGORIES[row["category"].lower()], str(row["example_id"]))
                whose.append(self.known.setdefault(variant, variant))
                which.append(self.known.setdefault(item, item))
                seeds.append(int(row.get("seed", 0)))
                values.add(row["answer"], line)
        if not columns and not self.faults:
            raise InputError(
                "A file holds no answers.",
                where=path,
                allowed="a header and rows, or one JSON object per line",
                got="nothing but a header" if source.number else "an empty file",
            )
        kind = values.kind(self.kind, self.faults)
        texts = values.texts(kind, self.faults)
        if self.faults:
            return 0
        self.kinds.setdefault(kind, []).append(path.name)
        self.unread |= dict.fromkeys(sorted(columns - {*REQUIRED, *OPTIONAL}))
        for name, unnamed in self.unnamed.items():
            if name not in columns and not self.given[name]:
                unnamed.append(path.name)
        self.gathered.begin(path)
        for answer in zip(whose, which, seeds, texts, values.lines, strict=True):
            self.gathered.add(*answer)
        self.empty += sum(not text for text in texts)
        self.gathered.files.append(source.file(len(texts)))
        return len(texts)

    def notes(self) -> Iterator[str]:
        """What is known of the files."""
        n_files, count = len(self.gathered.files), sum(file.records for file in self.gathered.files)
        yield (
            f"Imported answers: {count:,} in {n_files:,} {'file' if n_files == 1 else 'files'}. Nothing here was "
            "pruned or asked by Secateur; prompts, decoding and dtype are not known."
        )
        for kind, files in self.kinds.items():
            taken = "all their values could be such" if self.kind == AUTO else "so it was said"
            yield f"The answers are {KINDS[kind]}, because {taken}: {listed(files)}."
        if self.empty:
            yield f"Rows without an answer: {self.empty:,}. They are unparsed."
        if files := self.unnamed["model"]:
            yield f'No model is named, it is called "{MODEL}": {listed(files)}.'
        if files := self.unnamed["variant"]:
            yield f"No variant is named, the answers are taken for the unpruned model's ({DENSE}): {listed(files)}."
        if self.unread:
            yield f"Columns that were not looked at: {listed(list(self.unread))}."

    def _check_names(self, path: Path, columns: set[str]) -> None:
        for name, given in self.given.items():
            if given and name in columns:
                raise InputError(
                    "An option says what a column says.",
                    where=f"{path}, column {name}",
                    allowed=f"the column, or --{name}",
                    got="both",
                    todo=f"leave --{name} out",
                )


# --- what a row must be -----------------------------------------------------------------------------------------------


def _is_number(value: object, end: int) -> bool:
    """Whether it is a whole number below ``end``, also as a text as ``str`` writes it."""
    if isinstance(value, str):
        return (
            value.isascii()
            and value.isdecimal()
            and len(value) < 20
            and _is_number(int(value), end)
            and (str(int(value)) == value)
        )
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < end


def _is_category(value: object) -> bool:
    return isinstance(value, str) and value.lower() in CATEGORIES


_FIELDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "category": (f"one of {', '.join(CATEGORIES)}, in any case", _is_category),
    "example_id": ("a whole number from 0", lambda value: _is_number(value, IDS)),
    "seed": (f"a whole number from 0 to {SEEDS - 1}", lambda value: _is_number(value, SEEDS)),
    "model": (NAME, is_name),
    "variant": (NAME, is_name),
    "answer": (
        "an option's number, a letter, a text, or nothing where there was no answer",
        lambda value: value is None or type(value) is int or is_unicode(value),
    ),
}


def _faults(row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Fields that are not what they should be, and why."""
    for name, (allowed, fits) in _FIELDS.items():
        if name in row and not fits(row[name]):
            yield name, f"allowed is {allowed}, got {'nothing' if row[name] is None else shown(row[name])}"


# --- what the answers are ---------------------------------------------------------------------------------------------


def _option(value: object) -> int | None:
    """The option that a number names, if it is one."""
    text = value.strip() if isinstance(value, str) else str(value)
    return int(text) if text in ("0", "1", "2") else None


def _letter(value: object) -> int | None:
    """The option that a letter names, in the order of BBQ's file, if it is one."""
    text = value.strip().upper() if isinstance(value, str) else ""
    return LETTERS.index(text) if text and text in tuple(LETTERS) else None


_CHOICES: dict[str, Callable[[object], int | None]] = {INDEX: _option, LETTER: _letter}


def _is_nothing(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


@dataclass
class _Values:
    """The column ``answer`` of a file: each value once, and which row has which.

    Args:
        path: The file.
    """

    path: Path
    lines: array[int] = field(default_factory=lambda: array("I"))
    _codes: array[int] = field(default_factory=lambda: array("I"))
    _known: dict[int | str | None, int] = field(default_factory=dict)

    def add(self, value: int | str | None, line: int) -> None:
        """The value of the next row."""
        self.lines.append(line)
        self._codes.append(self._known.setdefault(value, len(self._known)))

    def kind(self, asked: str, faults: Faults) -> str:
        """What the values are: what was asked for, or what all of them can be.

        Numbers beside anything else decide nothing: a 1 may be an option or what a model said.
        """
        if asked != AUTO:
            return asked
        said = [value for value in self._known if not _is_nothing(value)]
        numbers = [value for value in said if _option(value) is not None]
        others = [value for value in said if _option(value) is None]
        if not numbers:
            return LETTER if said and all(_letter(value) is not None for value in said) else TEXT
        if others:
            (line, one), (other_line, other) = self._first(numbers), self._first(others)
            faults.add(
                f"{self.path}: answer: {shown(one)} in line {line}, which may number an option, and {shown(other)} in "
                f"line {other_line}, which does not; say what all of them are with --answers index, letter or text"
            )
        return INDEX

    def texts(self, kind: str, faults: Faults) -> list[str]:
        """What is kept of each row's answer: the letter of a choice, a text as it came."""
        kept: list[str] = []
        wrong: dict[int, object] = {}
        for value, code in self._known.items():
            option = _CHOICES[kind](value) if kind in _CHOICES else None
            if _is_nothing(value):
                kept.append(value if kind == TEXT and isinstance(value, str) else "")
            elif kind == TEXT and isinstance(value, str):
                kept.append(value)
            elif option is not None:
                kept.append(LETTERS[option])
            else:
                kept.append("")
                wrong[code] = value
        if wrong and not faults:
            for line, code in zip(self.lines, self._codes, strict=True):
                if code in wrong:
                    faults.add(
                        f"{self.path}, line {line}: answer: allowed is {_ALLOWED[kind]}, got {shown(wrong[code])}"
                    )
        return [kept[code] for code in self._codes]

    def _first(self, values: Sequence[int | str | None]) -> tuple[int, int | str | None]:
        """The first row that has one of some values."""
        codes = {self._known[value]: value for value in values}
        return next((line, codes[code]) for line, code in zip(self.lines, self._codes, strict=True) if code in codes)


def _text_notes(rows: pl.DataFrame, items: ItemSet) -> Iterator[str]:
    yield from unparsed_note(rows.filter(pl.col("text") != ""), items, "answers that are not empty")
