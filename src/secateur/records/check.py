"""Looking for damage in a store, and giving up what can be had again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from secateur.errors import StoreDamagedError, StoreError
from secateur.files import remove_quietly
from secateur.records.cell import CellInfo, Shard, leftovers, read_info, read_shard, write_manifest
from secateur.records.keys import KeySet
from secateur.records.lease import lease
from secateur.records.sets import ITEM_SETS, SET_KINDS, WINDOW_SETS, SetKind
from secateur.records.tables import QUESTIONS, TASK_TABLES

if TYPE_CHECKING:
    from secateur.records.store import Store

_Problems = list[StoreDamagedError]


def check(store: Store) -> list[StoreDamagedError]:
    """See `Store.check`."""
    problems: _Problems = []
    for kind in SET_KINDS:
        for name in store._names(kind.folder):
            problems += _found(store._set_table, kind, name)
    # Rows are held against the sets only if these can be read; otherwise every row would be a problem.
    known = {} if problems else {kind: _known(store, kind) for kind in SET_KINDS}
    for part in ("models", "plans", "environments"):
        for name in store._names(part):
            problems += _found(store._document_of, part, name)
    for name in store._names("variants"):
        problems += _found(_read_variant, store, name)
    folders = store._folders("cells")
    for folder in folders:
        problems += _check_cell(store, folder, known)
    return problems + [_unlisted(path) for path in store._entries("cells") if path not in folders]


def repair(store: Store) -> list[StoreDamagedError]:
    """See `Store.repair`."""
    given_up: _Problems = []
    for kind in SET_KINDS:
        for name in store._names(kind.folder):
            found = _found(store._set_table, kind, name)
            if found:
                with store._lock():
                    for ending in (".json", ".parquet"):  # the one that makes the set count goes first
                        remove_quietly(store.path / kind.folder / (name + ending))
            given_up += found
    for folder in store._folders("cells"):
        with lease(folder, what="this cell"):
            given_up += _repair_cell(folder)
    return given_up


def _repair_cell(folder: Path) -> _Problems:
    try:
        info = read_info(folder)
    except StoreDamagedError:
        return []  # without a manifest nothing says which shards count
    if info is None:
        return []
    bad = {shard: found for shard in info.shards if (found := _found(_read, info, shard))}
    if bad:
        write_manifest(folder, info.id, [shard for shard in info.shards if shard not in bad])
        for shard in bad:
            remove_quietly(folder / shard.file)
    return [problem for found in bad.values() for problem in found]


def _known(store: Store, kind: SetKind) -> Any:
    return np.unique(store._all_rows(kind)[kind.table.key[0]].to_numpy())


def _read_variant(store: Store, name: str) -> None:
    realisation = store.realisation(store._document_of("variants", name)["planned"])
    if realisation is not None:
        realisation.layers()
        realisation.statistics()


def _check_cell(store: Store, folder: Path, known: dict[SetKind, Any]) -> _Problems:
    try:
        info = read_info(folder)
    except StoreDamagedError as error:
        return [error]
    if info is None:
        return []
    problems: _Problems = []
    if not store._document_file("variants", info.variant).exists():
        problems.append(
            StoreDamagedError(
                "A cell's variant is not in the store.",
                where=folder,
                got=info.variant,
                todo="restore its folder in variants/ from a copy, or run the study again",
            )
        )
    damaged = [problem for shard in info.shards for problem in _found(_read, info, shard)]
    problems += damaged if damaged else _check_rows(info, known)
    _, strange = leftovers(info)
    return problems + [_unlisted(path) for path in strange]


def _check_rows(info: CellInfo, known: dict[SetKind, Any]) -> _Problems:
    problems: _Problems = []
    kind = ITEM_SETS if info.task in QUESTIONS else WINDOW_SETS
    for table in TASK_TABLES[info.task]:
        rows = info.load(table.name, columns=table.key)
        repeated = KeySet(table).repeated(rows)
        if repeated.any():
            problems.append(
                StoreDamagedError(
                    f"Rows of table {table.name} are there twice.",
                    where=info.folder,
                    got=f"{int(repeated.sum()):,} rows",
                    todo="delete the cell's folder; the next run asks all its rows again",
                )
            )
        if kind not in known:
            continue
        strangers = ~np.isin(rows[table.key[0]].to_numpy(), known[kind])
        if strangers.any():
            problems.append(
                StoreDamagedError(
                    f"Rows of table {table.name} belong to {kind.folder} that the store does not have.",
                    where=info.folder,
                    got=f"{int(strangers.sum()):,} rows",
                    todo=f"add the {kind.folder}: run the study again",
                )
            )
    return problems


def _read(info: CellInfo, shard: Shard) -> None:
    read_shard(info.folder, info.table(shard.table), shard)


def _unlisted(path: Path) -> StoreDamagedError:
    return StoreDamagedError(
        "A file is in a cell's place and no manifest lists it.",
        where=path,
        todo="it does not count; move it away if it is yours, delete it if not",
    )


def _found(look: Callable[..., object], *args: object) -> _Problems:
    try:
        look(*args)
    except StoreDamagedError as error:
        return [error]
    except StoreError as error:
        return [StoreDamagedError(str(error))]
    return []
