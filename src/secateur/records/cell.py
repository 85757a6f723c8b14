"""A cell's folder: what is in it, and the one writer that adds to it."""

from __future__ import annotations

import builtins
import json
import os
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from secateur.errors import StoreBusyError, StoreDamagedError, StoreError, StoreMismatchError
from secateur.files import TEMP_SUFFIX, remove_quietly, unwritable, write_bytes, write_json
from secateur.identity import Plain, bytes_digest, canonical_json, digest
from secateur.records.keys import Keys, KeySet
from secateur.records.shards import conform, decode, encode, read_checked
from secateur.records.tables import TASK_TABLES, Table

CELL_FILE = "cell.json"
MANIFEST_FILE = "manifest.json"

_READERS = min(8, os.cpu_count() or 1)
_SHARD = re.compile(r"([a-z]+)-(\d{5,9})\.parquet")


@dataclass(frozen=True)
class CellSpec:
    """What a cell is, and how a new one is to be worked on.

    Args:
        variant: Planned digest of the variant, 64 hex characters.
        task: One of ``TASK_TABLES``.
        protocol: Everything that must be equal for two numbers to be compared; plain JSON values.
        token_budget: Most tokens in a batch. Not part of the identity: a cell keeps its first.
    """

    variant: str
    task: str
    protocol: Mapping[str, Plain]
    token_budget: int

    def __post_init__(self) -> None:
        if self.task not in TASK_TABLES:
            raise StoreError("There is no such task.", allowed=", ".join(TASK_TABLES), got=self.task)
        if self.token_budget < 1:
            raise StoreError("A cell's token budget is too small.", allowed="at least 1", got=self.token_budget)

    @property
    def id(self) -> str:
        """The cell's digest: variant, task and protocol."""
        return digest("cell", [self.variant, self.task, dict(self.protocol)])


@dataclass(frozen=True)
class Shard:
    """One line of a manifest.

    Args:
        table: What it holds.
        file: Its name in the cell's folder.
        rows: How many.
        bytes: The file's size.
        sha256: The file's hash.
    """

    table: str
    file: str
    rows: int
    bytes: int
    sha256: str

    @property
    def number(self) -> int:
        """Which of the cell's chunks it came from, counted from 0."""
        match = _SHARD.fullmatch(self.file)
        assert match is not None  # names are checked where manifests are read
        return int(match[2])


@dataclass(frozen=True)
class CellInfo:
    """A cell as its manifest stood when it was read.

    Args:
        folder: Where it is.
        id: Its digest.
        variant: Planned digest of the variant.
        task: One of ``TASK_TABLES``.
        protocol: What the cell's numbers were made under.
        token_budget: Most tokens in a batch.
        shards: The files that count.
    """

    folder: Path
    id: str
    variant: str
    task: str
    protocol: Mapping[str, Plain]
    token_budget: int
    shards: tuple[Shard, ...] = field(repr=False)

    @cached_property
    def rows(self) -> dict[str, int]:
        """Rows per table of the task; 0 where there are none yet."""
        return {
            table.name: sum(shard.rows for shard in self.shards if shard.table == table.name)
            for table in TASK_TABLES[self.task]
        }

    @property
    def bytes(self) -> int:
        """Size of the shards."""
        return sum(shard.bytes for shard in self.shards)

    def table(self, name: str) -> Table:
        """The table of this name.

        Raises:
            StoreError: If the cell's task has no such table.
        """
        for table in TASK_TABLES[self.task]:
            if table.name == name:
                return table
        raise StoreError(
            f"A cell of task {self.task} has no such table.",
            where=self.folder,
            allowed=", ".join(table.name for table in TASK_TABLES[self.task]),
            got=name,
        )

    def load(self, name: str, *, columns: Sequence[str] | None = None) -> pa.Table:
        """The rows of a table as written, each shard checked against its hash.

        Raises:
            StoreDamagedError: If a shard is missing or changed; says what to do.
        """
        table = self.table(name)
        names = column_names(table, columns)

        def one(shard: Shard) -> pa.Table:
            return read_shard(self.folder, table, shard, columns=names)

        with ThreadPoolExecutor(max_workers=_READERS) as pool:
            parts = list(pool.map(one, self._shards_of(name)))
        empty = pa.schema([table.schema.field(column) for column in names]).empty_table()
        return pa.concat_tables([empty, *parts])

    def files(self, name: str) -> list[builtins.bytes]:
        """The Parquet files of a table, each checked against its hash; for readers that are faster than `load`.

        Raises:
            StoreDamagedError: If a shard is missing or changed; says what to do.
        """
        self.table(name)
        return [_shard_data(self.folder, shard) for shard in self._shards_of(name)]

    def _shards_of(self, name: str) -> list[Shard]:
        return [shard for shard in self.shards if shard.table == name]

    def keys(self, name: str) -> KeySet:
        """Which rows of a table are there."""
        table = self.table(name)
        keys = KeySet(table)
        if self.rows[name]:
            rows = self.load(name, columns=table.key)
            keys.add(rows)
        return keys


def column_names(table: Table, columns: Sequence[str] | None) -> list[str]:
    """The columns of ``table`` that are wanted; ``None``: all.

    Raises:
        StoreError: If it has no such column.
    """
    unknown = [name for name in columns or () if name not in table.schema.names]
    if unknown:
        raise StoreError(
            f"Table {table.name} has no such column.", allowed=", ".join(table.schema.names), got=", ".join(unknown)
        )
    return list(table.schema.names if columns is None else columns)


def _shard_data(folder: Path, shard: Shard) -> bytes:
    return read_checked(folder / shard.file, asdict(shard), todo=_SHARD_TODO)


def read_shard(folder: Path, table: Table, shard: Shard, *, columns: Sequence[str] | None = None) -> pa.Table:
    """The rows of one shard, checked against the manifest.

    Raises:
        StoreDamagedError: If the file is missing or not the one that was written; says what to do.
    """
    path = folder / shard.file
    data = _shard_data(folder, shard)
    rows = decode(table, data, columns=columns, where=path)
    if len(rows) != shard.rows:
        raise StoreDamagedError(
            "A shard has another number of rows than its manifest says.",
            where=path,
            allowed=f"{shard.rows:,} rows",
            got=f"{len(rows):,} rows",
            todo=_SHARD_TODO,
        )
    return rows


def read_info(folder: Path) -> CellInfo | None:
    """The cell in ``folder``; ``None`` if a writer was killed before it began one.

    Raises:
        StoreDamagedError: If its description or manifest is not what a writer leaves.
    """
    if not (folder / CELL_FILE).exists():
        if (folder / MANIFEST_FILE).exists():
            raise _damaged_cell("A cell's description is missing.", folder / CELL_FILE)
        return None
    said = read_document(folder / CELL_FILE, todo=_CELL_TODO)
    try:
        spec = CellSpec(said["variant"], said["task"], said["protocol"], said["token_budget"])
    except (KeyError, TypeError, StoreError):
        raise _damaged_cell("A cell's description is not one.", folder / CELL_FILE) from None
    if said.get("cell") != spec.id or not spec.id.startswith(folder.name):
        raise _damaged_cell("A cell's description belongs to another cell.", folder / CELL_FILE)
    return CellInfo(
        folder,
        spec.id,
        spec.variant,
        spec.task,
        spec.protocol,
        spec.token_budget,
        _read_manifest(folder, spec),
    )


def read_document(path: Path, *, todo: str) -> dict[str, Any]:
    """A JSON object of the store.

    Raises:
        StoreDamagedError: If the file is missing or not a JSON object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StoreDamagedError(
            "A file of the store cannot be read.", where=path, got=error.strerror or str(error), todo=todo
        ) from None
    except ValueError as error:  # includes text that is not UTF-8
        raise StoreDamagedError("A file of the store is not JSON.", where=path, got=str(error), todo=todo) from None
    if not isinstance(value, dict):
        raise StoreDamagedError(
            "A file of the store is not a JSON object.", where=path, got=type(value).__name__, todo=todo
        )
    return value


def leftovers(info: CellInfo) -> tuple[list[Path], list[Path]]:
    """Files a killed writer left, which the next one removes; and all others that no manifest lists."""
    listed = {shard.file for shard in info.shards}
    killed: list[Path] = []
    strange: list[Path] = []
    for path in sorted(info.folder.iterdir()):
        name = path.name
        if name in listed or name in _KNOWN:
            continue
        match = _SHARD.fullmatch(name.removesuffix(TEMP_SUFFIX))
        if match is None or match[1] not in info.rows:
            (killed if name in _TEMPS else strange).append(path)
        # A kill leaves only the open chunk unlisted; another number means that the manifest is an old one.
        elif name.endswith(TEMP_SUFFIX) or int(match[2]) == _next_number(info.shards):
            killed.append(path)
        else:
            strange.append(path)
    return killed, strange


def write_manifest(folder: Path, cell: str, shards: Sequence[Shard]) -> None:
    """Make ``shards`` the ones that count."""
    write_json(folder / MANIFEST_FILE, {"cell": cell, "shards": [asdict(shard) for shard in shards]})


class Cell:
    """The one writer of a cell; made by `Store.write_cell`, which holds the lease meanwhile."""

    def __init__(self, folder: Path, spec: CellSpec) -> None:
        if not (folder / CELL_FILE).exists() and not (folder / MANIFEST_FILE).exists():
            write_json(
                folder / CELL_FILE,
                {
                    "cell": spec.id,
                    "variant": spec.variant,
                    "task": spec.task,
                    "protocol": spec.protocol,
                    "token_budget": spec.token_budget,
                },
            )
        info = read_info(folder)
        assert info is not None
        if info.id != spec.id:
            raise StoreMismatchError(
                "Two cells share a folder's name.",
                where=folder,
                allowed=f"cell {info.id}",
                got=f"cell {spec.id}",
            )
        _tidy(info)
        self._info = info
        self._keys: dict[str, KeySet] = {}
        self._process = os.getpid()
        self._closed = ""

    def __repr__(self) -> str:
        rows = ", ".join(f"{name} {count:,}" for name, count in self._info.rows.items())
        return f"<Cell {self.id[:16]}: {rows}>"

    @property
    def id(self) -> str:
        """The cell's digest."""
        return self._info.id

    @property
    def token_budget(self) -> int:
        """The budget the cell was begun with."""
        return self._info.token_budget

    @property
    def info(self) -> CellInfo:
        """The cell as its manifest stands now."""
        return self._info

    def keys(self, table: str) -> KeySet:
        """Which rows of a table are there; kept up to date by `append`, not to be changed by others."""
        if table not in self._keys:
            self._keys[table] = self._info.keys(table)
        return self._keys[table]

    def missing(self, table: str, keys: Keys) -> npt.NDArray[np.bool_]:
        """True where a row with this key is not there yet, in the order given."""
        return self.keys(table).missing(keys)

    def append(self, tables: Mapping[str, pa.Table]) -> None:
        """Add the rows of one chunk: at most one shard per table, then the manifest once; all or nothing.

        Args:
            tables: Table name -> rows. Tables without rows make no shard.

        Raises:
            StoreMismatchError: If rows have other columns or types, a null, or a key that is there already.
            StoreUnwritableError: If the disk is full or read-only; what was stored before is untouched.
        """
        self._require_open()
        checked = {self._info.table(name): conform(self._info.table(name), rows) for name, rows in tables.items()}
        chunk = {table: rows for table, rows in checked.items() if len(rows)}
        for table, rows in chunk.items():
            self._refuse_repeated(table, rows)
        if not chunk:
            return
        shards = self._write(chunk)
        self._info = CellInfo(
            **{name: getattr(self._info, name) for name in _FIELDS}, shards=(*self._info.shards, *shards)
        )
        for table, rows in chunk.items():
            self.keys(table.name).add(rows)

    def close(self) -> None:
        """Refuse further rows; the lease has ended."""
        self._closed = self._closed or "the cell was closed"

    def _write(self, chunk: Mapping[Table, pa.Table]) -> list[Shard]:
        number = _next_number(self._info.shards)
        shards: list[Shard] = []
        try:
            for table, rows in chunk.items():
                data = encode(table, rows)
                shard = Shard(
                    table.name, f"{table.name}-{number:05d}.parquet", len(rows), len(data), bytes_digest(data)
                )
                shards.append(shard)
                write_bytes(self._info.folder / shard.file, data)
        except BaseException:
            self._closed = "writing failed before"
            for shard in shards:
                remove_quietly(self._info.folder / shard.file)
            raise
        try:
            write_manifest(self._info.folder, self.id, [*self._info.shards, *shards])
        except BaseException:
            # The new manifest may be in place in spite of the error, so its shards stay for the next writer.
            self._closed = "writing failed before"
            raise
        return shards

    def _refuse_repeated(self, table: Table, rows: pa.Table) -> None:
        repeated = self.keys(table.name).repeated(rows)
        if repeated.any():
            row = int(repeated.argmax())
            key = ", ".join(f"{name}={rows[name][row].as_py()}" for name in table.key)
            raise StoreMismatchError(
                f"A row of table {table.name} would be there twice.",
                where=self._info.folder,
                got=f"{key} (row {row}; {int(repeated.sum()):,} such rows)",
                todo="ask only for rows that `Cell.missing` names",
            )

    def _require_open(self) -> None:
        if os.getpid() != self._process:
            raise StoreBusyError(
                "A child process wrote to a cell of its parent.",
                where=self._info.folder,
                got=f"process {os.getpid()}, the writer is {self._process}",
                todo="write from the process that opened the cell",
            )
        if self._closed:
            raise StoreError(
                "This cell takes no more rows.",
                where=self._info.folder,
                got=self._closed,
                todo="open it again",
            )


_FIELDS = ("folder", "id", "variant", "task", "protocol", "token_budget")
_TEMPS = frozenset({CELL_FILE + TEMP_SUFFIX, MANIFEST_FILE + TEMP_SUFFIX})
_KNOWN = frozenset({CELL_FILE, MANIFEST_FILE, "lock", "lock.json"})
_SHARD_TODO = (
    "restore it from a copy; or give it up with `secateur study status STORE --repair`, and the next run asks again"
)
_CELL_TODO = "restore it from a copy; or delete the cell's folder, and the next run asks all its rows again"


def _damaged_cell(what: str, path: Path, *, got: object = "") -> StoreDamagedError:
    return StoreDamagedError(what, where=path, got=got, todo=_CELL_TODO)


def _read_manifest(folder: Path, spec: CellSpec) -> tuple[Shard, ...]:
    path = folder / MANIFEST_FILE
    if not path.exists():
        return ()
    said = read_document(path, todo=_CELL_TODO)
    tables = {table.name for table in TASK_TABLES[spec.task]}
    try:
        shards = tuple(Shard(**line) for line in said["shards"])
        for shard in shards:
            match = _SHARD.fullmatch(shard.file)  # also keeps paths inside the folder
            if match is None or match[1] != shard.table or shard.table not in tables:
                raise _damaged_cell("A manifest lists a file that cannot be a shard.", path, got=shard.file)
            if not isinstance(shard.rows, int) or not isinstance(shard.bytes, int):
                raise TypeError(shard.file)
    except (KeyError, TypeError):
        raise _damaged_cell("A cell's manifest is not one.", path) from None
    if said.get("cell") != spec.id:
        raise _damaged_cell("A manifest belongs to another cell.", path, got=said.get("cell"))
    return shards


def _next_number(shards: Sequence[Shard]) -> int:
    return max((shard.number for shard in shards), default=-1) + 1


def _tidy(info: CellInfo) -> None:
    killed, strange = leftovers(info)
    ours = [path for path in strange if (match := _SHARD.fullmatch(path.name)) and match[1] in info.rows]
    if ours:
        raise StoreDamagedError(
            "A cell has shards that its manifest does not list and no killed writer can have left.",
            where=info.folder,
            got=", ".join(path.name for path in ours[:5]),
            todo="restore the manifest from a copy; or delete these files, and the next run asks again",
        )
    for path in killed:
        try:
            path.unlink()
        except OSError as error:
            raise unwritable(error, path) from error


def same(first: Plain, second: Plain) -> bool:
    """Whether two plain values are equal as JSON (a tuple equals a list; 1 is not 1.0)."""
    return canonical_json(first) == canonical_json(second)
