"""Completeness is judged row by row: what other studies put into a cell does not count."""

import os
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from tests.records.test_store import make_items

from secateur.errors import StoreDamagedError, StoreError
from secateur.identity import digest
from secateur.items.corpora import Window
from secateur.items.item import ItemSet
from secateur.records import CellSpec, Store
from secateur.records.complete import plan_rows, rows_present

ITEMS = make_items(4)
WINDOWS = [Window(digest("corpus", ["c"]), k, (k, k + 1, k + 2), 10) for k in range(3)]
NAMES = {"dense": None, "pruned": {"method": "wanda", "sparsity": "1/2"}}
ASK = {name: CellSpec(digest("variant", [name]), "ask", {"template": "plain"}, 64) for name in NAMES}
TEXT = {name: CellSpec(digest("variant", [name]), "text", {"tokenizer": "t"}, 64) for name in NAMES}


@pytest.fixture
def store(tmp_path):
    store = Store.create(tmp_path / "x.store")
    for name, recipe in NAMES.items():
        store.add_variant(ASK[name].variant, {"recipe": recipe})
    return store


def plan_of(store, *, items=ITEMS, letter=("012",), orders=("012",), seeds=(1, 2), floor_seeds=(), windows=WINDOWS):
    """A plan and its model, as `study.run.register` writes them."""
    table = pa.table(
        {
            "window": pa.array([w.key for w in windows], pa.uint64()),
            "corpus": ["c" for _ in windows],
            "index": pa.array([w.index for w in windows], pa.int32()),
            "n_tokens": pa.array([w.n_scored for w in windows], pa.int32()),
            "n_bytes": pa.array([w.n_bytes for w in windows], pa.int32()),
        }
    )
    plan = {
        "items": store.add_items(items),
        "letter": {"orders": list(letter)} if letter else None,
        "sampled": {"orders": list(orders), "seeds": list(seeds), "floor_seeds": list(floor_seeds)} if seeds else None,
    }
    return plan, {"windows": store.add_windows("c", digest("corpus", ["c"]), table) if windows else None}


def entry(name, task="ask", **rows):
    return {"cell": (ASK if task == "ask" else TEXT)[name].id, "task": task, "recipe": NAMES[name], "rows": rows}


def ask(store, name, *, items=ITEMS, orders=("012",), seeds=(1, 2), letter=True):
    """Answer every item in these orders with these seeds."""
    keys = np.array([item.key for item in items], np.uint64)
    with store.write_cell(ASK[name]) as cell:
        for order in orders:
            scores = {f"logprob_{x}": np.zeros(len(keys), np.float32) for x in "abc"}
            sampled = {
                "item": np.tile(keys, len(seeds)),
                "order": [order] * (len(keys) * len(seeds)),
                "seed": np.repeat(np.array(seeds, np.uint32), len(keys)),
                "text": ["A"] * (len(keys) * len(seeds)),
                "stop": ["eos"] * (len(keys) * len(seeds)),
            }
            letters = pa.table({"item": keys, "order": [order] * len(keys), **scores})
            cell.append({"sampled": pa.table(sampled)} | ({"letter": letters} if letter else {}))


def read_text(store, name, windows):
    with store.write_cell(TEXT[name]) as cell:
        keys = np.array([window.key for window in windows], np.uint64)
        cell.append({"text": pa.table({"window": keys, "nll": np.ones(len(keys))})})


def test_what_the_plan_asked_is_there(store):
    plan, model = plan_of(store)
    ask(store, "pruned")
    read_text(store, "pruned", WINDOWS)
    assert rows_present(store, plan, model, entry("pruned")) == {"letter": 4, "sampled": 8}
    assert rows_present(store, plan, model, entry("pruned", "text")) == {"text": 3}


def test_a_cell_that_was_not_begun_has_nothing(store):
    plan, model = plan_of(store)
    assert rows_present(store, plan, model, entry("dense")) == {"letter": 0, "sampled": 0}
    assert rows_present(store, plan, model, entry("dense", "text")) == {"text": 0}
    with store.write_cell(ASK["dense"]):
        pass
    assert rows_present(store, plan, model, entry("dense")) == {"letter": 0, "sampled": 0}


def test_answers_with_another_studys_seeds_do_not_count(store):
    plan, model = plan_of(store, seeds=(4, 5, 6), floor_seeds=(1, 2, 3))
    for name in NAMES:
        ask(store, name, seeds=(1, 2, 3))
    assert rows_present(store, plan, model, entry("pruned")) == {"letter": 4, "sampled": 0}
    # Only what the plan asks again for the floor is wanted with these seeds.
    dense = entry("dense", letter=4, sampled=24)
    assert rows_present(store, plan, model, dense) == {"letter": 4, "sampled": 12}
    assert set(plan_rows(store, plan, model, dense, "sampled")["seed"]) == {1, 2, 3}


def test_a_dense_model_without_a_floor_of_its_own_does_not_count_that_of_another_study(store):
    """A gate asks only the first of its two models again; a store may have been shared with a gate of the other."""
    plan, model = plan_of(store, seeds=(1, 2), floor_seeds=(3, 4))
    ask(store, "dense", seeds=(1, 2, 3, 4))
    candidate = entry("dense", letter=4, sampled=8)
    assert rows_present(store, plan, model, candidate) == {"letter": 4, "sampled": 8}
    assert set(plan_rows(store, plan, model, candidate, "sampled")["seed"]) == {1, 2}


def test_another_studys_items_orders_and_windows_do_not_count(store):
    fewer = ItemSet(ITEMS.benchmark, ITEMS.items[:3], {}, ())
    plan, model = plan_of(store, items=fewer, letter=("012", "120"), orders=("120",), seeds=(1,), windows=WINDOWS[:2])
    ask(store, "pruned", orders=("012", "120", "201"), seeds=(1, 2))
    read_text(store, "pruned", WINDOWS)
    assert store.cell(ASK["pruned"].id).rows == {"letter": 12, "sampled": 24}
    assert rows_present(store, plan, model, entry("pruned")) == {"letter": 6, "sampled": 3}
    assert rows_present(store, plan, model, entry("pruned", "text")) == {"text": 2}


@pytest.mark.parametrize(
    ("changes", "rows"),
    [({"letter": None}, {"letter": 0, "sampled": 8}), ({"seeds": ()}, {"letter": 4, "sampled": 0})],
)
def test_a_readout_that_was_not_planned_wants_nothing(store, changes, rows):
    plan, model = plan_of(store, windows=(), **changes)
    ask(store, "pruned")
    read_text(store, "pruned", WINDOWS)
    assert rows_present(store, plan, model, entry("pruned")) == rows
    assert rows_present(store, plan, model, entry("pruned", "text")) == {"text": 0}


def test_rows_come_with_all_columns_in_the_order_written(store):
    plan, model = plan_of(store)
    ask(store, "pruned", items=ITEMS.items[2:])
    ask(store, "pruned", items=ITEMS.items[:2])
    rows = plan_rows(store, plan, model, entry("pruned"), "letter")
    assert rows["item"].to_list() == [item.key for item in (*ITEMS.items[2:], *ITEMS.items[:2])]
    assert rows.columns == ["item", "order", "logprob_a", "logprob_b", "logprob_c"]


def test_damage_is_not_taken_for_absence(store):
    plan, model = plan_of(store)
    ask(store, "pruned")
    cell = store.cell(ASK["pruned"].id)
    (cell.folder / cell.shards[0].file).write_bytes(b"x")
    with pytest.raises(StoreDamagedError, match=r"restore it|--repair"):
        rows_present(store, plan, model, entry("pruned"))
    (cell.folder / "manifest.json").write_text("{", encoding="utf-8")
    with pytest.raises(StoreDamagedError, match="not JSON"):
        rows_present(store, plan, model, entry("pruned"))
    with pytest.raises(StoreError, match="no such cell"):
        plan_rows(store, plan, model, entry("dense"), "letter")


def test_importing_it_loads_neither_polars_nor_torch():
    code = "import sys, secateur.records.complete; print(sorted({'polars', 'torch'} & set(sys.modules)))"
    env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    assert subprocess.check_output([sys.executable, "-c", code], text=True, env=env) == "[]\n"
