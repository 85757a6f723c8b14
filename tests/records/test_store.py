"""The store: what goes in comes out, what does not fit is refused, damage is named."""

import errno
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from secateur.errors import (
    StoreBusyError,
    StoreDamagedError,
    StoreError,
    StoreMismatchError,
    StoreUnwritableError,
)
from secateur.files import whole_file, write_json
from secateur.identity import HASH_VERSION, digest, short
from secateur.items.item import Condition, Item, ItemSet, Option, Polarity, Role
from secateur.items.orders import ALL_ORDERS
from secateur.records import Cell, CellSpec, KeySet, Store
from secateur.records.tables import LETTER, SAMPLED, TEXT

VARIANT = digest("variant", {"method": "wanda"})
PROTOCOL = {"template": "plain", "temperature": 0.3}
SPEC = CellSpec(VARIANT, "ask", PROTOCOL, 4096)
ITEM_KEYS = np.array([2**64 - 1, 5, 2**63, 7], np.uint64)


def make_items(n: int = 3) -> ItemSet:
    options = (
        Option("Ann", "woman", Role.STEREOTYPE),
        Option("Bob", "man", Role.COUNTER),
        Option("Can't say", "unknown", Role.UNKNOWN),
    )
    common = {"question": "Who?", "options": options, "label": 2, "cluster": "c", "role_source": "rule"}
    items = tuple(
        Item("bbq", "Age", str(i), "1", Polarity.NEG, Condition.AMBIG, f"C{i}.", **common)  # type: ignore[arg-type]
        for i in range(n)
    )
    return ItemSet("bbq", items, {"Age.jsonl": "ab" * 32}, ("one note",))


def with_item(items: ItemSet, place: int, **changes: object) -> ItemSet:
    changed = list(items)
    changed[place] = replace(changed[place], **changes)  # type: ignore[arg-type]
    return replace(items, items=tuple(changed))


def letters(keys: np.ndarray = ITEM_KEYS, order: str = "012") -> pa.Table:
    values = np.linspace(-3, -1, len(keys), dtype=np.float32)
    logprobs = {f"logprob_{letter}": values - i for i, letter in enumerate("abc")}
    return pa.table({"item": keys, "order": [order] * len(keys)} | logprobs)


def samples(keys: np.ndarray = ITEM_KEYS, seeds: tuple[int, ...] = (42, 2**32 - 1), text: str = "A") -> pa.Table:
    n = len(keys) * len(seeds)
    return pa.table(
        {
            "item": np.repeat(keys, len(seeds)),
            "order": ["012"] * n,
            "seed": np.tile(np.array(seeds, np.uint32), len(keys)),
            "text": [text] * n,
            "stop": ["eos"] * n,
        }
    )


def layers(removed: int = 4) -> pa.Table:
    return pa.table({"layer": ["l0", "l1"], "rows": [2, 2], "columns": [4, 4], "removed": [4, removed],
                     "zeros_before": [0, 1]})  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store.create(tmp_path / "store")
    store.add_variant(VARIANT, {"method": "wanda"})
    return store


@pytest.fixture
def cell(store: Store) -> Path:
    """The folder of a cell with two chunks."""
    with store.write_cell(SPEC) as cell:
        cell.append({"letter": letters(), "sampled": samples()})
        cell.append({"letter": letters(ITEM_KEYS + np.uint64(1000))})
    return store.path / "cells" / short(SPEC.id)


# -- the folder ---------------------------------------------------------------------------------------------


def test_a_new_store_opens_and_keeps_its_settings(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "new" / "store", settings={"dtype": {"cpu": "float32"}})
    assert store.settings == {"dtype": {"cpu": "float32"}}
    assert Store.open(store.path).settings == store.settings
    assert repr(store) == f"Store.open({str(store.path)!r})"


def test_an_empty_folder_and_what_a_killed_creator_left_can_become_a_store(tmp_path: Path) -> None:
    for name in ("lock", "lock.json", "store.json.tmp"):
        (tmp_path / name).touch()
    assert Store.create(tmp_path).settings == {}


@pytest.mark.parametrize("make", [Store.open, Store.create, Store.open_or_create])
def test_a_file_is_not_a_store(tmp_path: Path, make: Callable[[Path], Store]) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"A store is a folder, and this is a file\.\n  where:   .+file"):
        make(tmp_path / "file")


def test_a_path_below_a_file_cannot_be_a_store(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnwritableError, match=r"There is a file where a folder is needed\."):
        Store.create(tmp_path / "file" / "store")


def test_a_missing_folder_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"There is no store here\.\n  where: .+\n  got:     no such folder"):
        Store.open(tmp_path / "none")


def test_an_empty_folder_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"This folder is not a store\.(?s:.+)got:     an empty folder"):
        Store.open(tmp_path)


@pytest.mark.parametrize("make", [Store.create, Store.open_or_create])
def test_a_foreign_folder_is_left_alone(tmp_path: Path, make: Callable[[Path], Store]) -> None:
    for i in range(7):
        (tmp_path / f"thesis{i}.tex").touch()
    with pytest.raises(StoreError, match=r"not a store(?s:.+)thesis0.tex, .+thesis4.tex and 2 more"):
        Store.open(tmp_path)
    with pytest.raises(StoreError, match=r"folder with other things in it\.(?s:.+)allowed: a new or empty folder"):
        make(tmp_path)
    assert len(list(tmp_path.iterdir())) == 7


def test_a_store_is_not_made_twice(store: Store) -> None:
    with pytest.raises(StoreError, match=r"There is a store here already\.(?s:.+)next:    open it"):
        Store.create(store.path)


@pytest.mark.parametrize("field", ["format_version", "hash_version"])
def test_another_version_is_refused(store: Store, field: str) -> None:
    path = store.path / "store.json"
    write_json(path, json.loads(path.read_text()) | {field: 999})
    with pytest.raises(StoreError, match=rf"another version(?s:.+)allowed: {field} 1\n  got:     {field} 999"):
        Store.open(store.path)


def test_another_programs_store_json_is_refused(tmp_path: Path) -> None:
    write_json(tmp_path / "store.json", {"shop": 1})
    with pytest.raises(StoreError, match=r"This folder is not a store\.(?s:.+)got:     another store.json"):
        Store.open(tmp_path)
    (tmp_path / "store.json").write_text("{")
    with pytest.raises(StoreDamagedError, match=r"is not JSON\.\n  where:   .+store.json(?s:.+)restore it"):
        Store.open(tmp_path)


def test_the_first_value_of_a_setting_stays(store: Store) -> None:
    store.fix_setting("dtype", "float32")
    store.fix_setting("dtype", "float32")
    with pytest.raises(StoreMismatchError, match=r"setting 'dtype'(?s:.+)allowed: \"float32\"\n  got:     \"int8\""):
        store.fix_setting("dtype", "int8")
    with pytest.raises(StoreMismatchError, match="setting 'dtype'"):
        Store.open_or_create(store.path, settings={"dtype": "int8"})
    assert Store.open_or_create(store.path, settings={"dtype": "float32", "more": 1}).settings == {
        "dtype": "float32",
        "more": 1,
    }


def test_documents_are_json_for_people(store: Store) -> None:
    text = (store.path / "store.json").read_text()
    assert text == (
        '{\n  "format": "secateur-store",\n  "format_version": 1,\n'
        f'  "hash_version": {HASH_VERSION},\n  "settings": {{}}\n}}\n'
    )


def test_importing_the_package_loads_nothing_heavy() -> None:
    heavy = {"numpy", "pyarrow", "polars", "torch"}
    code = f"import sys, secateur.records; print(sorted({heavy} & set(sys.modules)))"
    env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    assert subprocess.check_output([sys.executable, "-c", code], text=True, env=env) == "[]\n"


# -- items and windows --------------------------------------------------------------------------------------


def test_items_come_back(store: Store) -> None:
    items = make_items()
    name = store.add_items(items)
    assert store.add_items(items) == name
    frame = store.item_set(name)
    assert frame["item"].to_list() == [item.key for item in items]
    assert frame["option_2"].to_list() == ["Can't say"] * 3
    assert frame["role_0"].to_list() == ["stereotype"] * 3
    (said,) = store.item_sets()
    assert (said["digest"], said["rows"], said["benchmark"]) == (name, 3, "bbq")
    assert (said["sources"], said["notes"]) == ({"Age.jsonl": "ab" * 32}, ["one note"])
    assert store.check() == []


def test_sets_that_overlap_give_each_item_once(store: Store) -> None:
    store.add_items(make_items(3))
    store.add_items(make_items(5))
    assert sorted(store.items()["item"]) == sorted(item.key for item in make_items(5))
    assert len(store.item_sets()) == 2


def test_no_items_are_a_frame_too(store: Store) -> None:
    assert store.items().is_empty()
    assert store.windows().columns == ["window", "corpus", "index", "n_tokens", "n_bytes"]


@pytest.mark.parametrize(
    ("change", "column", "stored", "came"),
    [
        ({"cluster": "d"}, "cluster", "c", "d"),
        ({"label": 1}, "label", "2", "1"),
        ({"role_source": "metadata"}, "role_source", "rule", "metadata"),
        ({"polarity": Polarity.NONNEG}, "polarity", "neg", "nonneg"),
    ],
)
def test_an_item_that_contradicts_the_stored_one_is_named(
    store: Store, change: dict[str, object], column: str, stored: str, came: str
) -> None:
    store.add_items(make_items())
    message = (
        r"Something else is stored for one of the items\."
        rf"\n  where:   bbq Age example_id 1, column {column}"
        rf"\n  allowed: {stored}\n  got:     {came}\n  next: "
    )
    with pytest.raises(StoreMismatchError, match=message):
        store.add_items(with_item(make_items(5), 1, **change))
    assert len(store.item_sets()) == 1


def test_a_changed_role_contradicts(store: Store) -> None:
    store.add_items(make_items())
    first, second, third = make_items().items[0].options
    options = (replace(first, role=Role.COUNTER), replace(second, role=Role.STEREOTYPE), third)
    with pytest.raises(StoreMismatchError, match="example_id 2, column role_0"):
        store.add_items(with_item(make_items(), 2, options=options))


def test_two_items_with_the_same_64_bits_are_refused(store: Store) -> None:
    (stored,) = make_items(1)
    twin = replace(stored, example_id="x")
    vars(twin)["digest"] = stored.digest[:16] + "0" * 48
    store.add_items(ItemSet("bbq", (stored,)))
    with pytest.raises(StoreMismatchError, match=r"Two digests share their first 64 bits\.\n  where:   bbq Age"):
        store.add_items(ItemSet("bbq", (twin,)))


def windows(n_tokens: int = 9, index: int = 0, corpus: str = "wiki") -> pa.Table:
    return pa.table(
        {
            "window": pa.array([1, 2], pa.uint64()),
            "corpus": [corpus] * 2,
            "index": pa.array([index, index + 1], pa.int32()),
            "n_tokens": pa.array([9, n_tokens], pa.int32()),
            "n_bytes": pa.array([40, 41], pa.int32()),
        }
    )


def test_windows_come_back(store: Store) -> None:
    name = store.add_windows("wiki", "c" * 64, windows(), about={"length": 10})
    assert store.add_windows("wiki", "c" * 64, windows()) == name
    assert store.window_set(name).equals(store.windows())
    assert store.window_sets()[0]["about"] == {"length": 10}
    store.add_windows("wiki", "d" * 64, windows(index=7))  # the same text elsewhere
    assert len(store.windows()) == 4


def test_windows_that_contradict_are_refused(store: Store) -> None:
    store.add_windows("wiki", "c" * 64, windows())
    with pytest.raises(StoreMismatchError, match=r"one of the windows\.\n  where:   wiki window 1, column n_tokens"):
        store.add_windows("wiki", "c" * 64, windows(n_tokens=8))
    with pytest.raises(StoreMismatchError, match=r"another corpus\.\n  allowed: wiki\n  got:     c4"):
        store.add_windows("wiki", "c" * 64, windows(corpus="c4"))


# -- models, plans, variants --------------------------------------------------------------------------------


def test_records_come_back(store: Store) -> None:
    model = {"digest": "a" * 64, "name": "m", "parameters": 5}
    assert store.add_model(model) == "a" * 64
    store.add_model(model | {"name": "another label"})
    assert store.models() == [model]
    plan = store.add_plan({"cells": 3})
    assert store.plans() == [{"digest": plan, "cells": 3}]
    environment = store.add_environment({"torch": "2"})
    assert store.add_environment({"torch": "2"}) == environment
    assert store.environments() == [{"digest": environment, "torch": "2"}]


def test_a_record_that_contradicts_is_refused(store: Store) -> None:
    store.add_model({"digest": "a" * 64, "parameters": 5})
    with pytest.raises(StoreMismatchError, match=r'field parameters\n  allowed: {"parameters": 5}\n  got:     .+6'):
        store.add_model({"digest": "a" * 64, "parameters": 6})
    with pytest.raises(StoreMismatchError, match=r"in variants\.(?s:.+)field method"):
        store.add_variant(VARIANT, {"method": "random"})
    with pytest.raises(StoreError, match=r"not a model's digest\.\n  allowed: 64 hex characters\n  got:     nothing"):
        store.add_model({"name": "m"})
    with pytest.raises(StoreError, match=r"not a planned digest\.(?s:.+)\.\./x"):
        store.add_variant("../x", {})
    with pytest.raises(StoreError, match=r"uses names that the store fills\.\n  got:     realised"):
        store.add_variant("b" * 64, {"realised": 1})


def test_a_variant_keeps_what_it_became(store: Store) -> None:
    assert store.realisation(VARIANT) is None
    assert store.variants()[0]["realised"] is None
    norms = {"l1": np.arange(4, dtype=np.float32), "l0": np.ones((2, 2), np.float16)}
    store.realise(VARIANT, "e" * 64, layers(), norms, layer_digests={"l0": "x", "l1": "y"})
    found = store.realise(VARIANT, "e" * 64, layers())
    assert (found.digest, found.layer_digests) == ("e" * 64, {"l0": "x", "l1": "y"})
    assert found.layers()["layer"].to_pylist() == ["l0", "l1"]
    statistics = found.statistics()
    assert statistics is not None
    assert statistics.keys() == norms.keys()
    assert all(np.array_equal(statistics[name], norms[name]) for name in norms)
    (variant,) = store.variants()
    totals = {"n_layers": 2, "n_weights": 16, "n_removed": 8, "n_zeros_before": 1}
    assert variant == {"planned": VARIANT, "method": "wanda", "realised": "e" * 64} | totals
    assert store.check() == []


def test_a_variant_without_statistics_or_layers(store: Store) -> None:
    found = store.realise(VARIANT, "e" * 64, layers().slice(0, 0))
    assert found.statistics() is None
    assert store.variants()[0]["n_removed"] == 0


def test_a_variant_that_came_out_differently_is_refused(store: Store) -> None:
    store.realise(VARIANT, "e" * 64, layers(), layer_digests={"l0": "x", "l1": "y"})
    with pytest.raises(
        StoreMismatchError,
        match=r"differently from the first time\.\n  where:   variant .+, 1 of 2 layers: l1\n",
    ):
        store.realise(VARIANT, "f" * 64, layers(), layer_digests={"l0": "x", "l1": "z"})
    with pytest.raises(StoreMismatchError, match="2 of 3 layers: l1, l2"):
        store.realise(
            VARIANT,
            "f" * 64,
            layers().set_column(0, "layer", [["l0", "l2"]]),
            layer_digests={"l0": "x", "l2": "y"},
        )
    other = digest("variant", 2)
    store.add_variant(other, {})
    store.realise(other, "e" * 64, layers())
    with pytest.raises(StoreMismatchError, match="layers not known"):
        store.realise(other, "f" * 64, layers())


def test_what_is_not_in_the_store_is_said(store: Store) -> None:
    with pytest.raises(StoreError, match=r"The store has no such variant\.(?s:.+)add it first"):
        store.realisation("b" * 64)
    with (
        pytest.raises(StoreError, match="no such variant"),
        store.write_cell(replace(SPEC, variant="b" * 64)),
    ):
        pass
    with pytest.raises(StoreError, match="The store has no such cell"):
        store.cell("b" * 64)
    with pytest.raises(StoreError, match=r"no such entry in items"):
        store.item_set("b" * 64)
    for name in ("../../etc", "B" * 64, "b" * 17):
        with pytest.raises(StoreError, match=r"not the name of a thing in a store\.\n  allowed: 16 or 64 hex"):
            store.cell(name)


def test_the_log_is_one_json_line_an_event(store: Store) -> None:
    store.log({"event": "begun"})
    with (store.path / "log.jsonl").open("a") as handle:
        handle.write('{"torn')
    store.log({"event": "ended"})
    first, torn, last = (store.path / "log.jsonl").read_text().splitlines()
    assert (json.loads(first)["event"], torn, json.loads(last)["event"]) == ("begun", '{"torn', "ended")
    assert {"time", "pid"} < json.loads(first).keys()


# -- cells --------------------------------------------------------------------------------------------------


def test_rows_come_back_as_they_were(store: Store) -> None:
    store.add_items(make_items())
    nan = letters().set_column(2, "logprob_a", pa.array([np.nan, -np.inf, 0, -1], pa.float32()))
    with store.write_cell(SPEC) as cell:
        cell.append({"letter": nan, "sampled": samples(text="Ünknown \x00")})
        assert cell.id == SPEC.id
    info = store.cell(SPEC.id)
    assert (info.rows, info.task, info.protocol) == ({"letter": 4, "sampled": 8}, "ask", PROTOCOL)
    assert store.cell(short(SPEC.id)) == info
    assert store.cells() == [info]
    frame = store.read(SPEC.id, "letter")
    assert frame.columns == LETTER.schema.names
    assert frame["item"].to_list() == ITEM_KEYS.tolist()
    assert np.array_equal(frame["logprob_a"].to_numpy(), nan["logprob_a"].to_numpy(), equal_nan=True)
    sampled = store.read(SPEC.id, "sampled", columns=["text", "seed"])
    assert sampled.columns == ["text", "seed"]
    assert sampled.dtypes == [pl.String, pl.UInt32]
    assert sampled["text"].unique().to_list() == ["Ünknown \x00"]


def test_cells_are_scanned_together(store: Store) -> None:
    other = digest("variant", 2)
    store.add_variant(other, {})
    specs = [SPEC, replace(SPEC, variant=other)]
    for i, spec in enumerate(specs):
        with store.write_cell(spec) as cell:
            cell.append({"sampled": samples(ITEM_KEYS[: i + 1])})
    with store.write_cell(CellSpec(VARIANT, "text", {}, 1)) as cell:
        cell.append({"text": pa.table({"window": pa.array([1], pa.uint64()), "nll": [2.5]})})
    counts = dict(store.scan("sampled").group_by("cell").len().collect().iter_rows())
    assert counts == {specs[0].id: 2, specs[1].id: 4}
    assert store.scan("sampled", cells=[specs[1].id], columns=["text"]).collect().shape == (4, 2)
    assert store.scan("letter").collect().columns == ["cell", *LETTER.schema.names]
    assert store.scan("text").collect()["nll"].to_list() == [2.5]
    with pytest.raises(StoreError, match=r"There is no such table\.\n  allowed: letter, sampled, text"):
        store.scan("answers")
    with pytest.raises(StoreError, match="task text has no such table"):
        store.scan("letter", cells=[CellSpec(VARIANT, "text", {}, 1).id])
    with pytest.raises(StoreError, match="Table sampled has no such column"):
        store.scan("sampled", columns=["nll"])


def test_a_cell_keeps_the_budget_it_was_begun_with(store: Store) -> None:
    with store.write_cell(SPEC) as cell:
        assert cell.token_budget == 4096
    again = replace(SPEC, token_budget=1)
    assert again.id == SPEC.id
    with store.write_cell(again) as cell:
        assert cell.token_budget == 4096
    assert store.cell(SPEC.id).token_budget == 4096


def test_what_makes_a_cell(store: Store) -> None:
    assert SPEC.id == digest("cell", [VARIANT, "ask", PROTOCOL])
    with pytest.raises(
        StoreError, match=r"There is no such task\.\n  allowed: ask, wording, floor, text, divergence\n  got:     sing"
    ):
        CellSpec(VARIANT, "sing", {}, 1)
    with pytest.raises(StoreError, match=r"token budget is too small\.\n  allowed: at least 1\n  got:     0"):
        CellSpec(VARIANT, "ask", {}, 0)


def test_missing_rows_are_known_at_once_and_after_reopening(store: Store) -> None:
    wanted = {"item": np.repeat(ITEM_KEYS, 2), "order": ["012", "120"] * 4}
    with store.write_cell(SPEC) as cell:
        assert cell.missing("letter", wanted).all()
        cell.append({"letter": letters()})
        assert cell.missing("letter", wanted).tolist() == [False, True] * 4
    with store.write_cell(SPEC) as cell:
        assert cell.missing("letter", wanted).tolist() == [False, True] * 4
        assert not cell.missing("letter", letters()).any()
        assert cell.missing("sampled", samples()).all()
        cell.append({"letter": letters(order="120")})
        assert not cell.missing("letter", wanted).any()
        assert repr(cell.keys("letter")) == "<KeySet of letter: 8 rows, 4 items>"
    assert not store.cell(SPEC.id).keys("letter").missing(wanted).any()


def test_a_chunk_is_one_shard_a_table_and_no_rows_are_none(store: Store, cell: Path) -> None:
    names = sorted(path.name for path in cell.glob("*.parquet"))
    assert names == ["letter-00000.parquet", "letter-00001.parquet", "sampled-00000.parquet"]
    before = (cell / "manifest.json").read_bytes()
    with store.write_cell(SPEC) as writer:
        writer.append({"letter": letters().slice(0, 0), "sampled": samples().slice(0, 0)})
        writer.append({})
    assert (cell / "manifest.json").read_bytes() == before


def test_equal_rows_give_equal_bytes_however_they_are_coded(tmp_path: Path) -> None:
    rows = samples(text="B")
    texts = ("order", "text", "stop")
    columns = {name: rows[name].dictionary_encode() if name in texts else rows[name] for name in rows.column_names}
    coded = pa.table(dict(reversed(columns.items())))
    unused = pa.DictionaryArray.from_arrays(pa.array([1] * len(rows)), pa.array(["unused", "B"]))
    coded = coded.set_column(coded.column_names.index("text"), "text", unused)
    pieces = pa.concat_tables([rows.slice(0, 3), rows.slice(3)])
    files = []
    for i, given in enumerate((rows, coded, pieces)):
        store = Store.create(tmp_path / str(i))
        store.add_variant(VARIANT, {})
        with store.write_cell(SPEC) as cell:
            cell.append({"sampled": given})
        folder = store.path / "cells" / short(SPEC.id)
        files.append({name: (folder / name).read_bytes() for name in ("sampled-00000.parquet", "manifest.json")})
    assert files[0] == files[1] == files[2]


def refused(store: Store, **tables: pa.Table) -> str:
    """The message when these rows are appended; nothing is written then."""
    with store.write_cell(SPEC) as cell:
        before = cell.info.shards
        with pytest.raises(StoreMismatchError) as caught:
            cell.append(tables)
        assert cell.info.shards == before
        assert store.cell(SPEC.id).shards == before
        assert len(list(cell.info.folder.glob("*.parquet"))) == len(before)
    return str(caught.value)


def test_a_row_that_is_there_is_refused(store: Store, cell: Path) -> None:
    message = refused(store, letter=letters(ITEM_KEYS[::-1] + np.uint64(1)), sampled=samples(seeds=(43, 42)))
    assert message.startswith("A row of table sampled would be there twice.\n  where: ")
    assert "item=18446744073709551615, order=012, seed=42 (row 1; 4 such rows)" in message
    assert "`Cell.missing`" in message


def test_a_row_that_comes_twice_is_refused(store: Store) -> None:
    message = refused(store, letter=letters(ITEM_KEYS[[0, 1, 0]]))
    assert "(row 2; 1 such rows)" in message


def test_rows_of_another_form_are_refused(store: Store) -> None:
    assert refused(store, letter=letters().drop(["order"])).splitlines()[0] == (
        "Rows for table letter do not have its columns."
    )
    assert "got:     no columns" in refused(store, letter=pa.table({}))
    signed = letters().set_column(0, "item", pa.array([1, 2, 3, 4], pa.int64()))
    message = refused(store, letter=signed)
    assert "another type.\n  where:   column item\n  allowed: uint64\n  got:     int64" in message
    assert "allowed: float" in refused(store, letter=letters().set_column(2, "logprob_a", [[0.0] * 4]))
    assert "column text" in refused(store, sampled=samples().set_column(3, "text", [list(range(8))]))
    message = refused(store, letter=letters(order="321"))
    assert "an order that does not exist.\n  allowed: 012, 021, 102, 120, 201, 210\n  got:     321" in message
    with store.write_cell(SPEC) as cell, pytest.raises(StoreError, match="task ask has no such table"):
        cell.append({"text": letters()})


def test_nulls_are_refused(store: Store) -> None:
    holes = pa.array([None, 1.0, None, 2.0], pa.float32())
    message = refused(store, letter=letters().set_column(3, "logprob_b", holes))
    assert message == "A row of table letter has no value.\n  where:   column logprob_b, row 0\n  got:     null"
    in_dictionary = pa.DictionaryArray.from_arrays(pa.array([0] * 7 + [1]), pa.array(["A", None]))
    assert "column text, row 7" in refused(store, sampled=samples().set_column(3, "text", in_dictionary))


def test_a_cell_of_real_size_is_small(store: Store) -> None:
    rng = np.random.default_rng(0)
    keys = rng.integers(0, 2**64, 12_148, dtype=np.uint64)
    with store.write_cell(SPEC) as cell:
        for start in range(0, len(keys), 1024):
            part = keys[start : start + 1024]
            rows = samples(part, (42, 123, 456, 789, 1024))
            text = pa.array(np.array(["A", "B", "C"])[rng.choice(3, len(rows), p=[0.5, 0.3, 0.2])].tolist())
            logprobs = {f"logprob_{x}": -rng.exponential(1, len(part)).astype(np.float32) for x in "abc"}
            letter = pa.table({"item": part, "order": ["012"] * len(part)} | logprobs)
            cell.append({"letter": letter, "sampled": rows.set_column(3, "text", text)})
    assert 39 * store.cell(SPEC.id).bytes < 16e6  # the 39 cells of the published grid


# -- one writer ---------------------------------------------------------------------------------------------


def test_a_cell_is_not_opened_twice(store: Store) -> None:
    with store.write_cell(SPEC) as cell:
        with (
            pytest.raises(StoreBusyError, match=r"This process is already writing this cell\.(?s:.+)since \d{4}-"),
            store.write_cell(SPEC),
        ):
            pass
        (cell.info.folder / "lock.json").unlink()
        with (
            pytest.raises(StoreBusyError, match=r"Somebody else(?s:.+)holder unknown"),
            store.write_cell(SPEC),
        ):
            pass
        other = replace(SPEC, protocol={})
        with store.write_cell(other):  # another cell is another writer's
            pass
        cell.append({"letter": letters()})
    with store.write_cell(SPEC):
        pass


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_refused(store: Store, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def acquire(*args: object, **options: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("filelock.FileLock.acquire", acquire)
    with pytest.raises(StoreError, match=r"has no file locks(?s:.+)next:    put the store on a local disk"):
        store.fix_setting("dtype", "float32")


def test_a_closed_cell_takes_no_rows(store: Store) -> None:
    with store.write_cell(SPEC) as cell:
        pass
    with pytest.raises(StoreError, match=r"takes no more rows\.(?s:.+)the cell was closed\n  next:    open it again"):
        cell.append({"letter": letters()})


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_child_process_does_not_write_for_its_parent(store: Store) -> None:
    # In a process of its own, because a test runner may have threads, which must not be forked.
    program = f"""
import os
import re
from secateur.errors import StoreBusyError
from secateur.records import CellSpec, Store
store = Store.open({str(store.path)!r})
spec = CellSpec({VARIANT!r}, "ask", {{}}, 1)
with store.write_cell(spec) as cell:
    child = os.fork()
    if not child:
        try:
            cell.append({{}})
        except StoreBusyError as error:
            assert "A child process wrote to a cell of its parent." in str(error)
            try:
                with store.write_cell(spec):
                    pass
            except StoreBusyError as error:
                assert f"process {{os.getppid()}} on" in str(error)
                os._exit(7)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    cell.append({{}})
    child = os.fork()  # one that outlives the parent's writing must not keep the lease
    if not child:
        import time
        time.sleep(20)
        os._exit(0)
with store.write_cell(spec):
    pass
os.kill(child, 9)
os.waitpid(child, 0)
print("well")
"""
    env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    assert subprocess.check_output([sys.executable, "-c", program], text=True, env=env) == "well\n"


def test_what_a_killed_writer_left_goes_and_a_strangers_file_stays(store: Store, cell: Path) -> None:
    left = ["letter-00002.parquet", "sampled-00002.parquet.tmp", "manifest.json.tmp", "cell.json.tmp"]
    strange = [
        "notes.txt",
        "notes.txt.tmp",
        "text-00002.parquet",
        "letter-2.parquet",
        "letter-00002.parquet.bak",
    ]
    for name in left + strange:
        (cell / name).write_text("x")
    problems = [str(problem) for problem in store.check()]
    assert len([problem for problem in problems if "no manifest lists it" in problem]) == len(strange)
    with store.write_cell(SPEC) as writer:
        assert len(writer.keys("letter")) == 8
    assert [name for name in left if (cell / name).exists()] == []
    assert [name for name in strange if (cell / name).exists()] == strange


def test_an_old_manifest_deletes_no_shards(store: Store, cell: Path) -> None:
    old = json.loads((cell / "manifest.json").read_text())
    with store.write_cell(SPEC) as writer:
        writer.append({"letter": letters(ITEM_KEYS + np.uint64(2000))})
        writer.append({"letter": letters(ITEM_KEYS + np.uint64(3000))})
    write_json(cell / "manifest.json", old)
    with (
        pytest.raises(StoreDamagedError, match=r"no killed writer can have left(?s:.+)letter-00003.parquet"),
        store.write_cell(SPEC),
    ):
        pass
    (cell / "manifest.json").unlink()
    with pytest.raises(StoreDamagedError, match="no killed writer can have left"), store.write_cell(SPEC):
        pass
    assert len(list(cell.glob("*.parquet"))) == 5


@pytest.mark.parametrize("failing", ["letter-00002.parquet", "sampled-00002.parquet", "manifest.json"])
def test_a_full_disk_loses_nothing(store: Store, cell: Path, failing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    chunk = {"letter": letters(ITEM_KEYS + np.uint64(50)), "sampled": samples(ITEM_KEYS + np.uint64(50))}
    before = store.read(SPEC.id, "letter")

    def full(self: Path, target: Path) -> Path:
        if Path(target).name == failing:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self.rename(target)

    with store.write_cell(SPEC) as writer:
        with monkeypatch.context() as patched:
            patched.setattr(Path, "replace", full)
            with pytest.raises(StoreUnwritableError, match=rf"The disk is full\.\n  where:   .+{failing}"):
                writer.append(chunk)
        with pytest.raises(StoreError, match="writing failed before"):
            writer.append(chunk)
    assert store.read(SPEC.id, "letter").equals(before)
    with store.write_cell(SPEC) as writer:
        writer.append(chunk)
    assert store.cell(SPEC.id).rows == {"letter": 12, "sampled": 16}
    assert not list(cell.glob("*.tmp"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_met_by_arrow_itself_is_the_same_error(tmp_path: Path) -> None:
    def write() -> None:
        with whole_file(tmp_path / "x") as temp:
            temp.symlink_to("/dev/full")
            pq.write_table(letters(), temp)

    with pytest.raises(StoreUnwritableError, match=r"The disk is full\."):
        write()


# -- damage -------------------------------------------------------------------------------------------------


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (
            flip,
            r"has other bytes than were written\.\n.+\n  allowed: SHA-256 \w{64}\n  got:     SHA-256 \w{64}",
        ),
        (
            cut,
            r"has another size than was written\.\n.+\n  allowed: [\d,]+ bytes\n  got:     [\d,]+ bytes",
        ),
        (Path.unlink, r"is missing\.\n  where: "),
    ],
)
def test_a_damaged_shard_is_named_and_can_be_given_up(
    store: Store, cell: Path, damage: Callable[[Path], None], what: str
) -> None:
    damage(cell / "letter-00000.parquet")
    message = (
        rf"A file of the store {what}(.|\n)+next:    restore it from a copy; or give it up with `secateur study status"
    )
    with pytest.raises(StoreDamagedError, match=message) as caught:
        store.read(SPEC.id, "letter")
    assert "letter-00000.parquet" in str(caught.value)
    assert len(store.read(SPEC.id, "sampled")) == 8
    with store.write_cell(SPEC) as writer, pytest.raises(StoreDamagedError, match="letter-00000"):
        writer.append({"letter": letters(ITEM_KEYS + np.uint64(99))})
    assert any(str(problem) == str(caught.value) for problem in store.check())

    assert [str(problem) for problem in store.repair()] == [str(caught.value)]
    assert store.cell(SPEC.id).rows == {"letter": 4, "sampled": 8}
    with store.write_cell(SPEC) as writer:
        assert writer.missing("letter", letters()).all()
        writer.append({"letter": letters()})
    assert store.read(SPEC.id, "letter")["item"].to_list() == [*(ITEM_KEYS + np.uint64(1000)), *ITEM_KEYS]
    assert not any("letter-0" in str(problem) for problem in store.check())


@pytest.mark.parametrize("name", ["manifest.json", "cell.json"])
@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{", "A file of the store is not JSON"),
        ("\udcff", "A file of the store is not JSON"),
        ("[]", "A file of the store is not a JSON object"),
        ("{}", "A cell's (manifest|description) is not one"),
        ("another", "(manifest|description) belongs to another cell"),
    ],
)
def test_a_damaged_cell_is_named_and_nothing_is_deleted(
    store: Store, cell: Path, name: str, text: str, what: str
) -> None:
    if text == "another":
        said = json.loads((cell / name).read_text())
        text = json.dumps(said | {"cell": "0" * 64})
    (cell / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    message = rf"{what}\.\n  where:   .+{name}(.|\n)*next:    restore it from a copy; or delete the cell's folder"
    with pytest.raises(StoreDamagedError, match=message):
        store.read(SPEC.id, "letter")
    with pytest.raises(StoreDamagedError, match=message), store.write_cell(SPEC):
        pass
    assert any(name in str(problem) for problem in store.check())
    assert store.repair() == []
    assert len(list(cell.glob("*.parquet"))) == 3


def test_a_missing_description_is_named(store: Store, cell: Path) -> None:
    (cell / "cell.json").unlink()
    with pytest.raises(StoreDamagedError, match=r"A cell's description is missing\."), store.write_cell(SPEC):
        pass


@pytest.mark.parametrize(
    "file", ["../../store.json", "letter-00000.txt", "text-00000.parquet", "sampled-00000.parquet"]
)
def test_a_manifest_cannot_lead_elsewhere(store: Store, cell: Path, file: str) -> None:
    said = json.loads((cell / "manifest.json").read_text())
    said["shards"][0]["file"] = file
    write_json(cell / "manifest.json", said)
    with pytest.raises(StoreDamagedError, match=r"lists a file that cannot be a shard\.(?s:.+)got: "):
        store.cells()


def test_a_wrong_row_count_is_found(store: Store, cell: Path) -> None:
    said = json.loads((cell / "manifest.json").read_text())
    said["shards"][0]["rows"] += 1
    write_json(cell / "manifest.json", said)
    with pytest.raises(StoreDamagedError, match=r"another number of rows(?s:.+)allowed: 5 rows\n  got:     4 rows"):
        store.read(SPEC.id, "letter")
    assert any("another number of rows" in str(problem) for problem in store.check())


def test_a_shard_listed_twice_is_found(store: Store, cell: Path) -> None:
    store.add_items(make_items())
    said = json.loads((cell / "manifest.json").read_text())
    said["shards"].append(said["shards"][0])
    write_json(cell / "manifest.json", said)
    assert any("Rows of table letter are there twice" in str(problem) for problem in store.check())


def test_rows_of_unknown_items_are_found(store: Store, cell: Path) -> None:
    first, second = store.check()
    assert "Rows of table letter belong to items that the store does not have." in str(first)
    assert "got:     8 rows" in str(first)
    assert "table sampled" in str(second)


def test_a_cell_without_its_variant_is_found(store: Store, cell: Path) -> None:
    (store.path / "variants" / short(VARIANT) / "variant.json").unlink()
    assert any("A cell's variant is not in the store." in str(problem) for problem in store.check())


def test_damaged_items_are_named_and_can_be_added_again(store: Store) -> None:
    name = store.add_items(make_items())
    flip(store.path / "items" / f"{short(name)}.parquet")
    with pytest.raises(
        StoreDamagedError,
        match=r"other bytes(.|\n)+or give it up with `secateur study status STORE --repair`, and the next run adds",
    ):
        store.items()
    (problem,) = store.check()
    assert [str(given_up) for given_up in store.repair()] == [str(problem)]
    assert store.check() == []
    assert store.add_items(make_items()) == name
    assert len(store.items()) == 3


@pytest.mark.parametrize("part", ["layers.parquet", "statistics.safetensors", "realised.json"])
def test_a_damaged_realisation_is_named_and_kept(store: Store, part: str) -> None:
    store.realise(VARIANT, "e" * 64, layers(), {"l0": np.ones(3)})
    folder = store.path / "variants" / short(VARIANT)
    cut(folder / part)
    (problem,) = store.check()
    assert part in str(problem)
    assert "restore it from a copy; or delete the variant's folder and its cells" in str(problem)
    assert store.repair() == []
    assert (folder / part).exists()


@pytest.mark.parametrize("part", ["models", "plans", "environments"])
def test_a_damaged_document_is_named(store: Store, part: str) -> None:
    (store.path / part).mkdir()
    path = store.path / part / f"{'a' * 16}.json"
    path.write_text('{"digest": "b"}')
    (problem,) = store.check()
    assert "does not have the digest it is named by" in str(problem)
    assert str(path) in str(problem)


# -- keys ---------------------------------------------------------------------------------------------------


def test_key_sets_agree_with_sets_of_tuples() -> None:
    rng = np.random.default_rng(7)
    pool = rng.integers(0, 2**64, 40, dtype=np.uint64)
    keys, known = KeySet(SAMPLED), set()
    for _ in range(30):
        n = int(rng.integers(0, 60))
        rows = {
            "item": pool[rng.integers(0, 40, n)],
            "order": [ALL_ORDERS[i] for i in rng.integers(0, 6, n)],
            "seed": np.array([0, 1, 2**32 - 1], np.uint32)[rng.integers(0, 3, n)],
        }
        tuples = list(zip(rows["item"].tolist(), rows["order"], rows["seed"].tolist(), strict=True))
        assert keys.missing(rows).tolist() == [key not in known for key in tuples]
        repeated = keys.repeated(rows)
        assert repeated.tolist() == [key in known or key in tuples[:i] for i, key in enumerate(tuples)]
        fresh = pa.table(rows).filter(pa.array(~repeated))
        keys.add(fresh)
        known |= set(tuples)
        assert len(keys) == len(known)


def test_key_sets_of_windows_and_of_nothing() -> None:
    keys = KeySet(TEXT)
    assert keys.missing({"window": [2**64 - 1, 0]}).tolist() == [True, True]
    keys.add({"window": [2**64 - 1]})
    assert keys.missing({"window": [2**64 - 1, 0]}).tolist() == [False, True]
    assert keys.missing({"window": []}).tolist() == []
    assert keys.repeated({"window": [3, 3, 3]}).tolist() == [False, True, True]


def test_the_writer_says_what_it_is(store: Store, cell: Path) -> None:
    with store.write_cell(SPEC) as writer:
        assert isinstance(writer, Cell)
        assert repr(writer) == f"<Cell {short(SPEC.id)}: letter 8, sampled 8>"


# -- docs/store.md ------------------------------------------------------------------------------------------


def test_the_ways_of_reading_in_the_docs_work(store: Store, cell: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = Path(__file__).parents[2] / "docs" / "store.md"
    ours, plain = re.findall(r"```python\n(.+?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    store.add_items(make_items())
    store.path.rename(store.path.with_name("STORE"))
    monkeypatch.chdir(store.path.parent)
    found: dict[str, object] = {}
    exec(ours, found)
    assert isinstance(found["answers"], pl.DataFrame)
    assert len(found["answers"]) == 8
    assert found["cells"] == {SPEC.id: VARIANT}
    exec(plain, found)
    assert isinstance(found["letters"], pl.DataFrame)
    assert found["letters"]["item"].to_list() == [*ITEM_KEYS, *(ITEM_KEYS + np.uint64(1000))]
