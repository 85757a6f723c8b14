"""Reading the published pipeline's records: one JSON object per line, every field of every line checked.

Files are read in pieces of some megabytes. Arrow reads a piece at once; where it cannot, or where a row is not what it
should be, the lines are read one by one, which also says what is wrong. Both ways give the same rows. What remains in
memory is a narrow table: numbers, and the answers' texts.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pyarrow as pa
import pyarrow.json as arrow_json

from secateur.errors import InputError
from secateur.items.orders import LETTERS
from secateur.records.imports.checks import (
    CATEGORIES,
    IDS,
    SEEDS,
    Faults,
    ItemName,
    SourceFile,
    check_paths,
    is_unicode,
    is_whole,
    refuse_repeated,
    shown,
)
from secateur.records.parsers import PIA, parse_answers

DENSE = "dense"
"""The method's name in records of the model that was not pruned."""

PIECE = 16 << 20
"""Bytes that are read at once."""

_SCHEMA: dict[str, tuple[pa.DataType, pl.DataType]] = {
    "model": (pa.string(), pl.String()),
    "prune_method": (pa.string(), pl.String()),
    "sparsity": (pa.float64(), pl.Float64()),
    "item_id": (pa.int64(), pl.Int64()),
    "category": (pa.string(), pl.String()),
    "seed": (pa.int64(), pl.Int64()),
    "raw_response": (pa.string(), pl.String()),
    "parsed_answer": (pa.string(), pl.String()),
    "stereotype_target_index": (pa.int64(), pl.Int64()),
    "anti_stereotype_target_index": (pa.int64(), pl.Int64()),
    "unknown_index": (pa.int64(), pl.Int64()),
    "elapsed_s": (pa.float64(), pl.Float64()),
}
_ARROW = pa.schema([pa.field(name, kind) for name, (kind, _) in _SCHEMA.items()])
_POLARS = {name: kind for name, (_, kind) in _SCHEMA.items()}
ROLES = ("stereotype_target_index", "anti_stereotype_target_index", "unknown_index")
"""The fields that name an option each."""

_ROWS = {
    "config": pl.UInt32(),
    "item": pl.UInt32(),
    "seed": pl.UInt32(),
    "text": pl.String(),
    "roles": pl.UInt8(),
    "elapsed": pl.Float64(),
    "file": pl.UInt16(),
    "line": pl.UInt32(),
}


class Configuration(NamedTuple):
    """A model and what was done to it, as records name it.

    Args:
        model: Its name.
        method: Name of the method; "dense" for none.
        level: Share of the weights that was to be removed, 0..1, exact.
    """

    model: str
    method: str
    level: Fraction

    @property
    def dense(self) -> bool:
        """Whether it is the model that was not pruned."""
        return self.method == DENSE

    @property
    def label(self) -> str:
        """Method and level; unique within the model."""
        return DENSE if self.dense else f"{self.method} {float(self.level):g}"


@dataclass(frozen=True)
class Records:
    """All records of some files.

    Args:
        rows: One row per record, in the order of files and lines: config and item (places in the next two), seed,
            text, roles (option of the stereotype, of the counter-stereotype and of unknown as three base-3 digits),
            elapsed (seconds or null), file, line (from 1).
        configurations: In the order they were met.
        items: In the order they were met.
        files: In the order they were given.
        paths: Of the files, for messages.
        misparsed: Records whose recorded parse is not what the parser ``pia`` makes of their text.
        dropped: Files without their last line, which was cut off.
    """

    rows: pl.DataFrame
    configurations: tuple[Configuration, ...]
    items: tuple[ItemName, ...]
    files: tuple[SourceFile, ...]
    paths: tuple[Path, ...]
    misparsed: int
    dropped: tuple[str, ...]

    def place(self, row: Mapping[str, Any]) -> str:
        """File and line of a row, for messages."""
        return f"{self.paths[row['file']]}, line {row['line']}"

    def name(self, row: Mapping[str, Any]) -> str:
        """What a row is about, for messages."""
        config, item = self.configurations[row["config"]], self.items[row["item"]]
        return f"{config.model}, {config.label}, {item.category} item {item.example_id}, seed {row['seed']}"


def read_records(
    paths: Sequence[Path], *, drop_torn_line: bool = False, say: Callable[[str], None] = lambda text: None
) -> Records:
    """Read and check files of records.

    Args:
        paths: The files.
        drop_torn_line: Leave out a file's last line if it was cut off.
        say: Told of each file that was read.

    Raises:
        RecordsError: If lines are not records, a record is there twice, or roles of an item contradict each other.
        InputError: If a file cannot be read, is empty or given twice, or there is none.
    """
    check_paths(paths)
    reader = _Reader(drop_torn_line)
    for path in paths:
        count = reader.read(path)
        if not reader.faults:
            say(f"{path}: {count:,} records")
    reader.faults.settle()
    records = reader.records()
    refuse_repeated(records.rows, records.place, records.name)
    _refuse_contradictory_roles(records)
    return records


@dataclass
class _Reader:
    """What was read so far."""

    drop_torn_line: bool
    faults: Faults = field(
        default_factory=lambda: Faults(todo="put these lines right, or leave them out, and import again")
    )
    parts: list[pl.DataFrame] = field(default_factory=list)
    configurations: dict[tuple[Any, ...], int] = field(default_factory=dict)
    items: dict[tuple[Any, ...], int] = field(default_factory=dict)
    files: list[SourceFile] = field(default_factory=list)
    paths: list[Path] = field(default_factory=list)
    misparsed: int = 0
    dropped: list[str] = field(default_factory=list)

    def read(self, path: Path) -> int:
        """Read one file; gives its number of records."""
        self.paths.append(path)
        hashed = hashlib.sha256()
        size = count = lines_before = 0
        try:
            with path.open("rb") as handle:
                for data, ended in _pieces(handle.read):
                    hashed.update(data)
                    size += len(data)
                    lines = data.split(b"\n")
                    if ended:
                        lines.pop()
                    elif _is_torn(lines[-1]):
                        torn = lines.pop()
                        self._torn(path, lines_before + len(lines) + 1, torn)
                        data = data[: len(data) - len(torn)]
                    frame = self._rows(path, data, lines, lines_before)
                    self._keep(frame)
                    count += frame.height
                    lines_before += len(lines)
        except OSError as error:
            raise InputError("A file cannot be read.", where=path, got=error.strerror or str(error)) from None
        if not lines_before:
            raise InputError("A file holds no records.", where=path, allowed="one JSON object per line")
        self.files.append(SourceFile(path.name, size, hashed.hexdigest(), count))
        return count

    def records(self) -> Records:
        """Everything that was read."""
        rows = pl.concat([pl.DataFrame(schema=_ROWS), *self.parts])
        return Records(
            rows=rows,
            configurations=tuple(
                Configuration(model, method, Fraction(repr(percent)) / 100)
                for model, method, percent in self.configurations
            ),
            items=tuple(ItemName(CATEGORIES[category], str(number)) for category, number in self.items),
            files=tuple(self.files),
            paths=tuple(self.paths),
            misparsed=self.misparsed,
            dropped=tuple(self.dropped),
        )

    def _torn(self, path: Path, number: int, raw: bytes) -> None:
        if self.drop_torn_line:
            self.dropped.append(path.name)
            return
        self.faults.add(
            f"{path}, line {number}: the last line is cut off after {len(raw):,} bytes, as a writer that was killed "
            "leaves it; delete it, or give --drop-torn-line to leave it out"
        )

    def _rows(self, path: Path, data: bytes, lines: Sequence[bytes], lines_before: int) -> pl.DataFrame:
        """The records of a piece, with their line numbers; faults are kept aside."""
        numbers = pl.int_range(lines_before + 1, lines_before + len(lines) + 1, dtype=pl.UInt32, eager=True)
        frame = _read_at_once(data, lines)
        if frame is None:
            suspects: Sequence[int] = range(len(lines))
        else:
            fits = frame.select(_FITS).to_series()
            suspects = [*(~fits).arg_true(), *_without_parse(frame, lines)]
        found: dict[int, dict[str, Any]] = {}
        for place in sorted(set(suspects)):
            values, faults = check_line(lines[place])
            for fault in faults:
                self.faults.add(f"{path}, line {lines_before + place + 1}: {fault}")
            if not faults:
                found[place] = values
        if frame is None:
            rows = [{name: values.get(name) for name in _POLARS} for values in found.values()]
            frame = pl.DataFrame(rows, schema=_POLARS)
            return frame.with_columns(line=numbers.gather(list(found)))
        bad = [place for place in suspects if place not in found]
        good = pl.Series(range(len(lines)), dtype=pl.UInt32).is_in(bad).not_() if bad else None
        frame = frame.with_columns(line=numbers)
        return frame if good is None else frame.filter(good)

    def _keep(self, frame: pl.DataFrame) -> None:
        frame = frame.with_columns(pl.col("category").str.to_lowercase(), pl.col("sparsity") + 0.0)
        said = parse_answers(frame.select(text="raw_response"), _NO_ITEMS, PIA).cast(pl.String)
        recorded = frame["parsed_answer"].fill_null("unparsed")
        self.misparsed += int((said != recorded).sum())
        self.parts.append(
            frame.select(
                _codes(frame, ["model", "prune_method", "sparsity"], self.configurations).alias("config"),
                _codes(frame, ["category", "item_id"], self.items).alias("item"),
                "seed",
                pl.col("raw_response").alias("text"),
                (pl.col(ROLES[0]) * 9 + pl.col(ROLES[1]) * 3 + pl.col(ROLES[2])).alias("roles"),
                pl.col("elapsed_s").alias("elapsed"),
                pl.lit(len(self.paths) - 1).alias("file"),
                "line",
            ).cast(_ROWS)  # type: ignore[arg-type]
        )


_NO_ITEMS = pl.DataFrame(schema={"item": pl.UInt64, **dict.fromkeys(("option_0", "option_1", "option_2"), pl.String)})


def _pieces(read: Callable[[int], bytes]) -> Iterator[tuple[bytes, bool]]:
    """A file's bytes, cut behind line ends; whether each piece ends with one (only the last may not)."""
    rest = b""
    while data := read(PIECE):
        cut = data.rfind(b"\n") + 1
        if cut:
            yield rest + data[:cut], True
            rest = data[cut:]
        else:
            rest += data
    if rest:
        yield rest, False


def _is_torn(raw: bytes) -> bool:
    """Whether the last line of a file, which has no line end, is not whole."""
    try:
        json.loads(raw)
    except (ValueError, RecursionError):
        return True
    return False


def _read_at_once(data: bytes, lines: Sequence[bytes]) -> pl.DataFrame | None:
    """The lines as Arrow reads them; ``None`` if they must be read one by one."""
    # With this, and as many objects as lines, each line is one object: Arrow itself does not care for lines.
    if not lines or not all(line[:1] == b"{" and line[-1:] == b"}" for line in lines):
        return None
    try:
        data.decode()
        table = arrow_json.read_json(
            pa.BufferReader(data),
            read_options=arrow_json.ReadOptions(block_size=1 << 20),
            parse_options=arrow_json.ParseOptions(explicit_schema=_ARROW, unexpected_field_behavior="ignore"),
        )
    except (pa.ArrowException, UnicodeDecodeError):
        return None
    if len(table) != len(lines):
        return None
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame.select(list(_POLARS))


def _without_parse(frame: pl.DataFrame, lines: Sequence[bytes]) -> list[int]:
    """Rows whose parse is missing rather than null: Arrow gives the same for both."""
    places = frame["parsed_answer"].is_null().arg_true()
    return [place for place in places if b'"parsed_answer":' not in lines[place]]


def _codes(frame: pl.DataFrame, names: list[str], known: dict[tuple[Any, ...], int]) -> pl.Series:
    """Each row's place among the distinct values of some columns, in the order they were met."""
    distinct = frame.select(names).unique(maintain_order=True)
    codes = [known.setdefault(row, len(known)) for row in distinct.iter_rows()]
    coded = distinct.with_columns(code=pl.Series(codes, dtype=pl.UInt32))
    return frame.select(names).join(coded, on=names, how="left", maintain_order="left")["code"]


# --- what a record must be --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Field:
    allowed: str
    fits: Callable[[Any], bool]
    required: bool = True


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_NAME = _Field("a text, not empty", lambda value: is_unicode(value) and value != "")
_OPTION = _Field("0, 1 or 2", lambda value: is_whole(value, 3))
_FIELDS: dict[str, _Field] = {
    "model": _NAME,
    "prune_method": _NAME,
    "sparsity": _Field("a number from 0 to 100", lambda value: _is_number(value) and 0 <= value <= 100),
    "item_id": _Field("a whole number from 0", lambda value: is_whole(value, IDS)),
    "category": _Field(
        f"one of {', '.join(CATEGORIES)}, in any case",
        lambda value: isinstance(value, str) and value.lower() in CATEGORIES,
    ),
    "seed": _Field(f"a whole number from 0 to {SEEDS - 1}", lambda value: is_whole(value, SEEDS)),
    "raw_response": _Field("a text", is_unicode),
    "parsed_answer": _Field("A, B, C or null", lambda value: value is None or value in tuple(LETTERS)),
    **dict.fromkeys(ROLES, _OPTION),
    "elapsed_s": _Field(
        "seconds from 0, or null, or no such field",
        lambda value: value is None or (_is_number(value) and 0 <= value < float("inf")),
        required=False,
    ),
}


def check_line(raw: bytes) -> tuple[dict[str, Any], list[str]]:
    """A line's fields, and what is wrong with it; the definition of what a record must be."""
    if not raw.strip():
        return {}, ["the line is blank"]
    try:
        values = json.loads(raw)
    except (ValueError, RecursionError) as error:
        got = f"{error.msg} at column {error.colno}" if isinstance(error, json.JSONDecodeError) else str(error)
        glued = "; two records on one line, the first cut off by a kill" if raw.count(b'{"model"') > 1 else ""
        return {}, [f"the line is not JSON: {got}{glued}"]
    if not isinstance(values, dict):
        return {}, [f"the line is not a JSON object, got {shown(values)}"]
    faults = []
    for name, wanted in _FIELDS.items():
        if name not in values:
            if wanted.required:
                faults.append(f"{name}: missing; allowed is {wanted.allowed}")
        elif not wanted.fits(values[name]):
            faults.append(f"{name}: allowed is {wanted.allowed}, got {shown(values[name])}")
    if not faults and len({values[name] for name in ROLES}) < len(ROLES):
        got = ", ".join(str(values[name]) for name in ROLES)
        faults.append(f"{', '.join(ROLES)}: allowed are three different options, got {got}")
    if not faults and values["prune_method"] == DENSE and values["sparsity"] != 0:
        faults.append(f"sparsity: allowed is 0 where prune_method is {DENSE}, got {shown(values['sparsity'])}")
    return values, faults


def _fits() -> pl.Expr:
    """``check_line`` for rows whose types are right already, a parse that is not there taken as null."""
    option = [pl.col(name).is_between(0, 2) for name in ROLES]
    elapsed = pl.col("elapsed_s")
    conditions = [
        *(pl.col(name).str.len_bytes() > 0 for name in ("model", "prune_method")),
        pl.col("sparsity").is_between(0, 100),
        pl.col("item_id") >= 0,
        pl.col("category").str.to_lowercase().is_in(list(CATEGORIES)),
        pl.col("seed").is_between(0, SEEDS - 1),
        pl.col("raw_response").is_not_null(),
        pl.col("parsed_answer").is_in(list(LETTERS)) | pl.col("parsed_answer").is_null(),
        *option,
        *(pl.col(one) != pl.col(other) for one, other in zip(ROLES, (*ROLES[1:], ROLES[0]), strict=True)),
        elapsed.is_null() | (elapsed.is_finite() & (elapsed >= 0)),
        (pl.col("prune_method") != DENSE) | (pl.col("sparsity") == 0),
    ]
    return pl.all_horizontal([condition.fill_null(value=False) for condition in conditions])


_FITS = _fits()


# --- records beside each other ----------------------------------------------------------------------------------------


def _refuse_contradictory_roles(records: Records) -> None:
    """Refuse records that name different options as the stereotype, its opposite or unknown of one item."""
    rows = records.rows
    found = rows.group_by("item", maintain_order=True).agg(pl.col("roles").n_unique().alias("n"))
    faults = Faults(todo="records of one item must agree; import those of another data set into another store")
    for item in found.filter(pl.col("n") > 1)["item"]:
        of_item = rows.filter(pl.col("item") == item)
        one = of_item.row(0, named=True)
        other = of_item.filter(pl.col("roles") != one["roles"]).row(0, named=True)
        name = records.items[item]
        faults.add(
            f"{records.place(one)}, and {records.place(other)}: {name.category} item {name.example_id} has the "
            f"roles {_digits(one['roles'])} and {_digits(other['roles'])} ({', '.join(ROLES)})"
        )
    faults.settle()


def _digits(roles: int) -> str:
    return ", ".join(map(str, options_of(roles)))


def options_of(roles: int) -> tuple[int, int, int]:
    """The option of the stereotype, of the counter-stereotype and of unknown, from their three base-3 digits."""
    return roles // 9, roles // 3 % 3, roles % 3
