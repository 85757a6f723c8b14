"""The store: a folder with everything asked and answered. Shape and reasons: ``docs/design/store.md``."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from secateur.errors import StoreDamagedError, StoreError, StoreMismatchError, StoreUnwritableError
from secateur.files import TEMP_SUFFIX, unwritable, write_bytes, write_json
from secateur.identity import HASH_VERSION, Plain, bytes_digest, digest, short
from secateur.items.item import ItemSet
from secateur.records.cell import (
    Cell,
    CellInfo,
    CellSpec,
    column_names,
    read_document,
    read_info,
    same,
)
from secateur.records.lease import HOLDER_FILE, LOCK_FILE, lease
from secateur.records.sets import ITEM_SETS, WINDOW_SETS, SetKind, item_rows, refuse_contradiction
from secateur.records.shards import conform, decode, encode, read_checked
from secateur.records.tables import LAYERS, TASK_TABLES, WINDOWS, Table

if TYPE_CHECKING:
    import polars as pl

FORMAT = 1
"""Raised when the folder's shape changes so that an older reader would be wrong about it."""

STORE_FILE = "store.json"
LOG_FILE = "log.jsonl"
VARIANT_FILE = "variant.json"
REALISED_FILE = "realised.json"

LABELS = ("label", "name", "source")
"""Fields of a record that only say how a thing is called: the first stays, others may differ."""

_WAIT = 60.0  # seconds for the store's own lock, which others hold for milliseconds
_SHORT = re.compile("[0-9a-f]{16}")
_DIGEST = re.compile("[0-9a-f]{64}")
_FORMAT_NAME = "secateur-store"
_NAMED_BY = {"variants": "planned"}  # the field with the digest that names a document; elsewhere "digest"
_REALISED_FIELDS = ("realised", "n_layers", "n_weights", "n_removed", "n_zeros_before")


@dataclass(frozen=True)
class Realisation:
    """What a variant became the first time it was made.

    Args:
        digest: The realised digest.
        layer_digests: Layer -> digest of what it became, as far as given.
        folder: Where it is stored.
    """

    digest: str
    layer_digests: Mapping[str, str]
    folder: Path
    _said: Mapping[str, Any] = field(repr=False)

    def layers(self) -> pa.Table:
        """Shape, removed weights and earlier zeros of each pruned linear, in model order."""
        return decode(LAYERS, self._read("layers"), where=self.folder / _LAYERS_FILE)

    def statistics(self) -> dict[str, npt.NDArray[Any]] | None:
        """What the scores were computed from; ``None`` if the method used nothing."""
        if "statistics" not in self._said["files"]:
            return None
        from safetensors import SafetensorError
        from safetensors.numpy import load

        data = self._read("statistics")
        try:
            return dict(load(data))
        except SafetensorError as error:
            raise StoreDamagedError(
                "A file is not safetensors.",
                where=self.folder / _STATISTICS_FILE,
                got=str(error),
                todo=_VARIANT_TODO,
            ) from None

    def _read(self, which: str) -> bytes:
        return read_checked(self.folder / _PARTS[which], self._said["files"][which], todo=_VARIANT_TODO)


_LAYERS_FILE = "layers.parquet"
_STATISTICS_FILE = "statistics.safetensors"
_PARTS = {"layers": _LAYERS_FILE, "statistics": _STATISTICS_FILE}
_VARIANT_TODO = "restore it from a copy; or delete the variant's folder and its cells and run the study again"
_COPY_TODO = "restore it from a copy"
_SET_TODO = (
    "restore it from a copy; or give it up with `secateur study status STORE --repair`, and the next run adds it"
)


class Store:
    """A folder with items, models, variants and answers; made by `create` or `open`.

    Reading needs no lock. Any number of processes may write at once, each another cell.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __repr__(self) -> str:
        return f"Store.open({str(self.path)!r})"

    # -- the folder -------------------------------------------------------------------------------------

    @classmethod
    def create(cls, path: str | Path, *, settings: Mapping[str, Plain] | None = None) -> Store:
        """Make a new store in a folder that is new or empty.

        Args:
            path: The folder.
            settings: What is fixed for the whole store.

        Raises:
            StoreError: If there is a store, a file, or a folder with other things in it.
        """
        path = Path(path)
        _require_room(path)
        with lease(path, what="this store", wait=_WAIT):
            _require_room(path)  # another process may have been first
            write_json(
                path / STORE_FILE,
                {
                    "format": _FORMAT_NAME,
                    "format_version": FORMAT,
                    "hash_version": HASH_VERSION,
                    "settings": dict(settings or {}),
                },
            )
        return cls(path)

    @classmethod
    def open(cls, path: str | Path) -> Store:
        """Open a store that is there.

        Raises:
            StoreError: If there is none, or one of another version.
        """
        path = Path(path)
        _refuse_file(path)
        if not path.exists():
            raise StoreError("There is no store here.", where=path, got="no such folder", todo="check the path")
        if not (path / STORE_FILE).exists():
            names = sorted(entry.name for entry in path.iterdir())
            raise StoreError(
                "This folder is not a store.",
                where=path,
                allowed=f"a folder with a {STORE_FILE}",
                got=_some(names) if names else "an empty folder",
                todo="check the path",
            )
        store = cls(path)
        _require_version(store._document(), path / STORE_FILE)
        return store

    @classmethod
    def open_or_create(cls, path: str | Path, *, settings: Mapping[str, Plain] | None = None) -> Store:
        """Open the store at ``path`` or make one; either way it has these settings.

        Raises:
            StoreMismatchError: If the store has another value for one of them.
        """
        path = Path(path)
        if not (path / STORE_FILE).exists():
            try:
                return cls.create(path, settings=settings)
            except StoreError as error:
                if isinstance(error, StoreUnwritableError) or not (path / STORE_FILE).exists():
                    raise  # otherwise another process has just made it
        store = cls.open(path)
        for name, value in (settings or {}).items():
            store.fix_setting(name, value)
        return store

    @property
    def settings(self) -> dict[str, Any]:
        """What is fixed for the whole store, for example the compute dtype per kind of device."""
        return dict(self._document()["settings"])

    def fix_setting(self, name: str, value: Plain) -> None:
        """Give a setting its value for good.

        Raises:
            StoreMismatchError: If it has another value already.
        """
        if self._has_setting(name, value):
            return
        with self._lock():
            if self._has_setting(name, value):
                return
            document = self._document()
            document["settings"][name] = value
            write_json(self.path / STORE_FILE, document)

    def _has_setting(self, name: str, value: Plain) -> bool:
        settings = self._document()["settings"]
        if name in settings and not same(settings[name], value):
            raise StoreMismatchError(
                f"The store has another value for the setting {name!r}.",
                where=self.path,
                allowed=json.dumps(settings[name]),
                got=json.dumps(value),
                todo="use the store's value, or another store",
            )
        return name in settings

    def _document(self) -> dict[str, Any]:
        document = read_document(self.path / STORE_FILE, todo=_COPY_TODO)
        if document.get("format") != _FORMAT_NAME or not isinstance(document.get("settings"), dict):
            raise StoreError("This folder is not a store.", where=self.path, got=f"another {STORE_FILE}")
        return document

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """Keep other processes from the parts that all cells share."""
        with lease(self.path, what="this store", wait=_WAIT):
            yield

    # -- items and windows ------------------------------------------------------------------------------

    def add_items(self, items: ItemSet) -> str:
        """Keep a set of items, with roles and clusters; adding it again changes nothing.

        Returns:
            The set's digest: benchmark and items in order, with all that is known of them.

        Raises:
            StoreMismatchError: If something else is stored for one of the items.
        """
        rows = item_rows(items)
        name = digest("items", [items.benchmark, _plain_rows(rows)])
        about: dict[str, Plain] = {
            "benchmark": items.benchmark,
            "sources": dict(items.sources),
            "notes": list(items.notes),
        }
        return self._add_set(ITEM_SETS, name, rows, about)

    def item_sets(self) -> list[dict[str, Any]]:
        """The sets of items: digest, rows, benchmark, sources (file -> SHA-256) and notes."""
        return self._documents(ITEM_SETS.folder)

    def item_set(self, name: str) -> pl.DataFrame:
        """The items of one set, in its order."""
        return _frame(self._set_table(ITEM_SETS, name))

    def items(self) -> pl.DataFrame:
        """All items of all sets, each once."""
        return _frame(self._all_rows(ITEM_SETS)).unique("item", keep="first", maintain_order=True)

    def add_windows(
        self, corpus: str, corpus_digest: str, windows: pa.Table, *, about: Mapping[str, Plain] | None = None
    ) -> str:
        """Keep a set of text windows; adding it again changes nothing.

        Args:
            corpus: Its name, as in the table's ``corpus`` column.
            corpus_digest: Of its documents.
            windows: Rows of the table ``windows``.
            about: How they were cut, for people.

        Returns:
            The set's digest: corpus, its digest, and the rows.

        Raises:
            StoreMismatchError: If something else is stored for a window, or rows are of another corpus.
        """
        table = conform(WINDOWS, windows)
        names = sorted(set(table["corpus"].to_pylist()) - {corpus})
        if names:
            raise StoreMismatchError("Windows are of another corpus.", allowed=corpus, got=_some(names))
        name = digest("windows", [corpus, corpus_digest, _plain_rows(table)])
        said: dict[str, Plain] = {
            "corpus": corpus,
            "corpus_digest": corpus_digest,
            "about": dict(about or {}),
        }
        return self._add_set(WINDOW_SETS, name, table, said)

    def window_sets(self) -> list[dict[str, Any]]:
        """The sets of windows: digest, rows, corpus, corpus_digest and about."""
        return self._documents(WINDOW_SETS.folder)

    def window_set(self, name: str) -> pl.DataFrame:
        """The windows of one set, in its order."""
        return _frame(self._set_table(WINDOW_SETS, name))

    def windows(self) -> pl.DataFrame:
        """All windows of all sets, each place once."""
        return _frame(self._all_rows(WINDOW_SETS)).unique(list(WINDOWS.key), keep="first", maintain_order=True)

    def _add_set(self, kind: SetKind, name: str, rows: pa.Table, about: Mapping[str, Plain]) -> str:
        rows = conform(kind.table, rows)
        if self._has(kind.folder, name):
            return name
        with self._lock():
            for stored in self._documents(kind.folder):
                refuse_contradiction(kind, rows, self._set_table(kind, stored["digest"]))
            data = encode(kind.table, rows)
            write_bytes(self._set_file(kind, name), data)
            said: dict[str, Plain] = {"rows": len(rows), "bytes": len(data), "sha256": bytes_digest(data)}
            write_json(self._document_file(kind.folder, name), {"digest": name, **said, **about})
        return name

    def _set_file(self, kind: SetKind, name: str) -> Path:
        return self.path / kind.folder / f"{short(name)}.parquet"

    def _set_table(self, kind: SetKind, name: str) -> pa.Table:
        said = self._document_of(kind.folder, name)
        path = self._set_file(kind, name)
        data = read_checked(path, said, todo=_SET_TODO)
        return decode(kind.table, data, where=path)

    def _all_rows(self, kind: SetKind) -> pa.Table:
        tables = [self._set_table(kind, said["digest"]) for said in self._documents(kind.folder)]
        return pa.concat_tables([kind.table.schema.empty_table(), *tables])

    # -- models, plans, environments, log ---------------------------------------------------------------

    def add_model(self, record: Mapping[str, Plain]) -> str:
        """Keep what is known of a base model; adding it again changes nothing.

        Args:
            record: Must have ``digest``, the model's content; labels (``LABELS``) may differ from the stored.

        Returns:
            The record's ``digest``.

        Raises:
            StoreMismatchError: If something else is stored for this model.
        """
        name = str(record.get("digest", ""))
        self._add_record("models", _require_digest(name, "a model's digest"), record)
        return name

    def models(self) -> list[dict[str, Any]]:
        """The base models as added, by digest."""
        return self._documents("models")

    def add_plan(self, record: Mapping[str, Plain]) -> str:
        """Keep a study's plan, so that completeness can be judged; adding it again changes nothing."""
        return self._add_named("plans", "plan", record)

    def plans(self) -> list[dict[str, Any]]:
        """The plans as added, each with its ``digest``."""
        return self._documents("plans")

    def add_environment(self, record: Mapping[str, Plain]) -> str:
        """Keep a machine and its versions; adding it again changes nothing."""
        return self._add_named("environments", "environment", record)

    def environments(self) -> list[dict[str, Any]]:
        """The environments as added, each with its ``digest``."""
        return self._documents("environments")

    def log(self, event: Mapping[str, Plain]) -> None:
        """Add a line to the log, with the time and the process; nothing depends on the log."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"time": now, "pid": os.getpid(), **event}, ensure_ascii=False) + "\n"
        path = self.path / LOG_FILE
        try:
            with path.open("ab+") as handle:
                end = handle.seek(0, os.SEEK_END)
                if end:
                    handle.seek(end - 1)
                    if handle.read(1) != b"\n":  # somebody was killed in the middle of a line
                        line = "\n" + line
                handle.write(line.encode())  # lands at the end, whoever else writes
        except OSError as error:
            raise unwritable(error, path) from error

    def events(self) -> Iterator[dict[str, Any]]:
        """The lines of the log, without those that a kill cut off."""
        path = self.path / LOG_FILE
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else ():
            try:
                event = json.loads(line)
            except json.JSONDecodeError:
                continue
            if isinstance(event, dict):
                yield event

    # -- variants ---------------------------------------------------------------------------------------

    def add_variant(self, planned: str, record: Mapping[str, Plain]) -> None:
        """Keep what a variant is planned to be; adding it again changes nothing.

        Args:
            planned: The planned digest.
            record: What it was made from; labels (``LABELS``) may differ from those stored.

        Raises:
            StoreMismatchError: If something else is stored for this digest.
        """
        reserved = sorted({"planned", *_REALISED_FIELDS} & set(record))
        if reserved:
            raise StoreError("A variant's record uses names that the store fills.", got=", ".join(reserved))
        self._add_record("variants", _require_digest(planned, "a planned digest"), {"planned": planned, **record})

    def variants(self) -> list[dict[str, Any]]:
        """The variants as added, each with its ``planned`` digest and what became of it.

        That is ``realised`` (digest, or ``None`` if it was never made) and ``n_layers``, ``n_weights``,
        ``n_removed``, ``n_zeros_before`` over the pruned linears (``None`` likewise).
        """
        found = []
        for said in self._documents("variants"):
            realisation = self._realisation(said["planned"])
            realised = {} if realisation is None else realisation._said
            found.append(said | {name: realised.get(name) for name in _REALISED_FIELDS})
        return found

    def realise(
        self,
        planned: str,
        realised: str,
        layers: pa.Table,
        statistics: Mapping[str, npt.NDArray[Any]] | None = None,
        *,
        layer_digests: Mapping[str, str] | None = None,
    ) -> Realisation:
        """Keep what a variant became; later calls check that it became the same.

        Args:
            planned: Digest of a variant that was added.
            realised: Digest of the weights it got.
            layers: Rows of the table ``layers``, in model order.
            statistics: What the scores were computed from, if anything.
            layer_digests: Layer -> digest of what it became, so that a difference can be located.

        Returns:
            What is stored, which is the first realisation.

        Raises:
            StoreMismatchError: If it became something else before; names the layers that differ.
        """
        self._require_variant(planned)
        rows = conform(LAYERS, layers)
        digests = dict(layer_digests or {})
        if self._realisation(planned) is None:
            with self._lock():
                if self._realisation(planned) is None:  # another process may have been first
                    self._write_realisation(planned, realised, rows, statistics, digests)
        stored = self._realisation(planned)
        assert stored is not None
        if stored.digest != realised:
            raise StoreMismatchError(
                "A variant came out differently from the first time.",
                where=f"variant {planned[:16]}, {_differences(stored, rows, digests)}",
                allowed=f"realised digest {stored.digest}",
                got=realised,
                todo="make it from the stored statistics and the same base weights, or use another store",
            )
        return stored

    @contextmanager
    def make_variant(self, planned: str) -> Iterator[None]:
        """Be the one who makes a variant for the first time.

        Raises:
            StoreBusyError: If it is being made already; names the holder.
        """
        self._require_variant(planned)
        with lease(self._variant_folder(planned), what="this variant"):
            yield

    def realisation(self, planned: str) -> Realisation | None:
        """What a variant became; ``None`` if it was never made."""
        self._require_variant(planned)
        return self._realisation(planned)

    def _realisation(self, planned: str) -> Realisation | None:
        folder = self._variant_folder(planned)
        path = folder / REALISED_FILE
        if not path.exists():
            return None
        said = read_document(path, todo=_VARIANT_TODO)
        if said.get("planned") != planned or not {"realised", "layer_digests", "files"} <= said.keys():
            what = "A realisation is not one of this variant."
            raise StoreDamagedError(what, where=path, todo=_VARIANT_TODO)
        return Realisation(said["realised"], said["layer_digests"], folder, said)

    def _write_realisation(
        self,
        planned: str,
        realised: str,
        layers: pa.Table,
        statistics: Mapping[str, npt.NDArray[Any]] | None,
        digests: Mapping[str, str],
    ) -> None:
        parts = {"layers": encode(LAYERS, layers)}
        if statistics is not None:
            from safetensors.numpy import save

            arrays = {name: np.ascontiguousarray(array) for name, array in sorted(statistics.items())}
            parts["statistics"] = save(arrays)
        folder = self._variant_folder(planned)
        for which, data in parts.items():
            write_bytes(folder / _PARTS[which], data)
        totals = {
            name: int(pc.sum(column).as_py() or 0)
            for name, column in (
                ("n_weights", pc.multiply(layers["rows"], layers["columns"])),
                ("n_removed", layers["removed"]),
                ("n_zeros_before", layers["zeros_before"]),
            )
        }
        write_json(
            folder / REALISED_FILE,
            {
                "planned": planned,
                "realised": realised,
                "layer_digests": dict(digests),
                "files": {which: {"bytes": len(data), "sha256": bytes_digest(data)} for which, data in parts.items()},
                "n_layers": len(layers),
                **totals,
            },
        )

    def _variant_folder(self, planned: str) -> Path:
        return self.path / "variants" / short(_require_digest(planned, "a planned digest"))

    def _require_variant(self, planned: str) -> None:
        if not self._has("variants", _require_digest(planned, "a planned digest")):
            raise StoreError(
                "The store has no such variant.",
                where=self.path,
                got=planned,
                todo="add it first: Store.add_variant",
            )

    # -- cells ------------------------------------------------------------------------------------------

    def cells(self) -> list[CellInfo]:
        """The cells that were begun, by id."""
        return [info for folder in self._folders("cells") if (info := read_info(folder)) is not None]

    def cell(self, cell: str) -> CellInfo:
        """One cell, by its id or the first 16 characters of it.

        Raises:
            StoreError: If there is none.
        """
        info = self.begun(cell)
        if info is None:
            raise StoreError("The store has no such cell.", where=self.path, got=cell)
        return info

    def begun(self, cell: str) -> CellInfo | None:
        """The same cell; ``None`` if it was not begun."""
        folder = self.path / "cells" / short(_require_name(cell))
        info = read_info(folder) if folder.is_dir() else None
        return info if info is not None and info.id.startswith(cell) else None

    @contextmanager
    def write_cell(self, spec: CellSpec) -> Iterator[Cell]:
        """Be the one writer of a cell, which is begun if it is new.

        Files that a killed writer left are removed.

        Raises:
            StoreBusyError: If it is being written already; names the holder.
            StoreDamagedError: If the cell's files contradict its manifest.
        """
        self._require_variant(spec.variant)
        folder = self.path / "cells" / short(spec.id)
        with lease(folder, what="this cell"):
            cell = Cell(folder, spec)
            try:
                yield cell
            finally:
                cell.close()

    def read(self, cell: str, table: str, *, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """The rows of one table of one cell, each shard checked against its hash.

        Raises:
            StoreDamagedError: If a shard is missing or changed; says what to do.
        """
        info = self.cell(cell)
        return _answers([info], info.table(table), columns)

    def scan(
        self,
        table: str,
        *,
        cells: Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
        task: str | None = None,
    ) -> pl.LazyFrame:
        """The rows of one table of many cells, with the cell's id in the column ``cell``.

        Every shard is read and checked at once; 2.4 million answers take a fraction of a second.

        Args:
            table: Its name.
            cells: Which; ``None``: all of the task.
            columns: Which; ``None``: all.
            task: Of the cells, if these are not named; ``None``: the first that has this table, so of answers ``ask``,
                the study's own, and neither the same in other words nor those for a floor.
        """
        import polars as pl

        kind = _answer_table(table)
        if cells is None:
            wanted = task or next(name for name, tables in TASK_TABLES.items() if kind in tables)
            infos = [info for info in self.cells() if info.task == wanted and table in info.rows]
        else:
            infos = [self.cell(cell) for cell in cells]
        rows = _answers(infos, kind, columns)
        places = np.repeat(np.arange(len(infos)), [info.rows[table] for info in infos])
        ids = pl.Series("cell", [info.id for info in infos], pl.String).gather(places)
        return rows.insert_column(0, ids).lazy()

    # -- damage -----------------------------------------------------------------------------------------

    def check(self) -> list[StoreDamagedError]:
        """Read every file and compare it with what was written.

        Takes no lock. What a writer is writing at the moment looks like what a killed one left; neither is a
        problem.

        Returns:
            What is wrong, as the errors a reader would meet; empty if all is well.
        """
        from secateur.records.check import check

        return check(self)

    def repair(self) -> list[StoreDamagedError]:
        """Give up what is damaged and can be had again, so that the next run asks or adds it again.

        Damaged shards leave their manifests, damaged sets of items and windows are removed. Nothing else is
        touched: what remains is in the next `check`, with what to do.

        Returns:
            What was given up.
        """
        from secateur.records.check import repair

        return repair(self)

    # -- content-named JSON documents -------------------------------------------------------------------

    def _folders(self, part: str) -> list[Path]:
        """The folders of cells or variants, by name; other names are not ours."""
        return [path for path in self._entries(part) if _SHORT.fullmatch(path.name) and path.is_dir()]

    def _entries(self, part: str) -> list[Path]:
        folder = self.path / part
        return sorted(folder.iterdir()) if folder.is_dir() else []

    def _document_file(self, part: str, name: str) -> Path:
        name = short(_require_name(name))
        return self.path / part / (f"{name}/{VARIANT_FILE}" if part == "variants" else f"{name}.json")

    def _names(self, part: str) -> list[str]:
        """The short digests of the documents there are."""
        names = [path.name.removesuffix(".json") for path in self._entries(part)]
        return [name for name in names if _SHORT.fullmatch(name) and self._document_file(part, name).exists()]

    def _documents(self, part: str) -> list[dict[str, Any]]:
        return [self._document_of(part, name) for name in self._names(part)]

    def _document_of(self, part: str, name: str) -> dict[str, Any]:
        path = self._document_file(part, name)
        if not path.exists():
            raise StoreError(f"The store has no such entry in {part}.", where=self.path, got=name)
        said = read_document(path, todo=_COPY_TODO)
        full = said.get(_NAMED_BY.get(part, "digest"))
        if not isinstance(full, str) or not _DIGEST.fullmatch(full) or not full.startswith(short(name)):
            raise StoreDamagedError(
                "A file of the store does not have the digest it is named by.",
                where=path,
                got=full,
                todo=_COPY_TODO,
            )
        if not full.startswith(name):
            raise StoreMismatchError("Two digests share their first 64 bits.", where=path, allowed=full, got=name)
        return said

    def _has(self, part: str, name: str) -> bool:
        return self._document_file(part, name).exists() and bool(self._document_of(part, name))

    def _add_named(self, part: str, kind: str, record: Mapping[str, Plain]) -> str:
        if "digest" in record:
            raise StoreError(f"A record for {part} has a digest; the store gives it one.", got=record["digest"])
        name = digest(kind, dict(record))
        self._add_record(part, name, {"digest": name, **record})
        return name

    def _add_record(self, part: str, name: str, record: Mapping[str, Plain]) -> None:
        if not self._has(part, name):
            with self._lock():
                if not self._has(part, name):
                    write_json(self._document_file(part, name), dict(record))
                    return
        stored = self._document_of(part, name)
        differing = sorted(
            field
            for field in set(stored) | set(record)
            if field not in LABELS and not (field in stored and field in record and same(stored[field], record[field]))
        )
        if differing:
            raise StoreMismatchError(
                f"Something else is stored under this digest in {part}.",
                where=f"{name}, field {_some(differing)}",
                allowed=json.dumps({field: stored.get(field) for field in differing}),
                got=json.dumps({field: record.get(field) for field in differing}),
                todo="if the content is another, its digest must be too",
            )


def _require_room(path: Path) -> None:
    """Refuse a place where a new store cannot be."""
    _refuse_file(path)
    if (path / STORE_FILE).exists():
        raise StoreError("There is a store here already.", where=path, todo="open it, or choose another folder")
    # What a creator that was killed leaves does not make a folder foreign.
    ours = {LOCK_FILE, HOLDER_FILE, STORE_FILE + TEMP_SUFFIX}
    names = sorted(entry.name for entry in path.iterdir() if entry.name not in ours) if path.is_dir() else []
    if names:
        raise StoreError(
            "A store cannot be made in a folder with other things in it.",
            where=path,
            allowed="a new or empty folder",
            got=_some(names),
            todo="choose another folder",
        )


def _refuse_file(path: Path) -> None:
    if path.exists() and not path.is_dir():
        raise StoreError("A store is a folder, and this is a file.", where=path, todo="check the path")


def _require_version(document: Mapping[str, Any], path: Path) -> None:
    for name, ours in (("format_version", FORMAT), ("hash_version", HASH_VERSION)):
        if document.get(name) != ours:
            raise StoreError(
                "This store was made by another version of Secateur.",
                where=path,
                allowed=f"{name} {ours}",
                got=f"{name} {document.get(name)}",
                todo="use the version that made it, or begin a new store",
            )


def _require_digest(name: str, what: str) -> str:
    if not _DIGEST.fullmatch(name):
        raise StoreError(f"This is not {what}.", allowed="64 hex characters", got=name or "nothing")
    return name


def _require_name(name: str) -> str:
    if not (_DIGEST.fullmatch(name) or _SHORT.fullmatch(name)):
        raise StoreError("This is not the name of a thing in a store.", allowed="16 or 64 hex characters", got=name)
    return name


def _differences(stored: Realisation, layers: pa.Table, digests: Mapping[str, str]) -> str:
    """Which layers came out differently, as far as digests or counts show."""

    def told(table: pa.Table, known: Mapping[str, str]) -> dict[str, tuple[object, ...]]:
        return {row["layer"]: (*row.values(), known.get(row["layer"])) for row in table.to_pylist()}

    before, now = told(stored.layers(), stored.layer_digests), told(layers, digests)
    names = list({**before, **now})
    differing = [name for name in names if before.get(name) != now.get(name)]
    if not differing:
        return "layers not known (no digests per layer were kept)"
    return f"{len(differing)} of {len(names)} layers: {_some(differing)}"


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"


def _plain_rows(rows: pa.Table) -> list[list[Plain]]:
    return [list(row.values()) for row in rows.to_pylist()]


def _answer_table(name: str) -> Table:
    tables = {table.name: table for kinds in TASK_TABLES.values() for table in kinds}
    if name not in tables:
        raise StoreError("There is no such table.", allowed=", ".join(tables), got=name)
    return tables[name]


def _answers(infos: Sequence[CellInfo], table: Table, columns: Sequence[str] | None) -> pl.DataFrame:
    """The rows of one table of these cells, one after the other."""
    import polars as pl

    names = column_names(table, columns)
    # Polars decodes many small files several times as fast as Arrow does.
    files = [data for info in infos for data in info.files(table.name)]
    frame = None
    if files:
        with suppress(pl.exceptions.PolarsError):
            frame = pl.read_parquet(files, columns=names)
    if frame is None or len(frame) != sum(info.rows[table.name] for info in infos):
        # Nothing is there, or a file is not what its manifest says: the slow way names it.
        empty = _frame(pa.schema([table.schema.field(name) for name in names]).empty_table())
        return pl.concat([empty, *(_frame(info.load(table.name, columns=names)) for info in infos)])
    return frame.select(names)


def _frame(rows: pa.Table) -> pl.DataFrame:
    import polars as pl

    frame = pl.from_arrow(rows)
    assert isinstance(frame, pl.DataFrame)
    # Categories would not join or compare with the plain strings that callers have.
    return frame.with_columns(pl.col(pl.Categorical).cast(pl.String))
