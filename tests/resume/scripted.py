"""As ``produce.py``, but through the runner and the scripted backend: two cells of a store, killed and gone on with.

``python scripted.py FOLDER KILLS SEED`` prints the counts as JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import produce

from secateur.identity import digest
from secateur.inference import runner
from secateur.inference.backend import Probe, Request
from secateur.inference.divergence import run_divergence
from secateur.inference.scripted import ScriptedBackend
from secateur.items.corpora import Window
from secateur.items.orders import ORDERS
from secateur.records.cell import CellSpec
from secateur.records.store import Store

runner.CHUNK = 32  # many chunks from few items

ASK = CellSpec(produce.VARIANT, "ask", {"backend": "scripted"}, token_budget=4096)
PRUNED = digest("variant", "pruned")
PROBE = Probe(every=3, top=16)
DENSE = CellSpec(produce.VARIANT, "divergence", {"backend": "scripted", "every": 3, "top": 16}, token_budget=4096)
BESIDE = CellSpec(PRUNED, "divergence", {"backend": "scripted", "every": 3, "top": 16}, token_budget=4096)
TEXT = CellSpec(produce.VARIANT, "text", {"backend": "scripted"}, token_budget=4096)


def requests() -> list[Request]:
    return [
        Request(item.key, order, tokens=(1,) * (5 + item.key % 7), seeds=produce.SEEDS if order == "012" else ())
        for item in produce.items()
        for order in ORDERS["rotations"]
    ]


def windows() -> list[Window]:
    return [Window("c" * 64, index, tuple(range(index, index + 9)), 9) for index in range(100)]


def run(path: Path) -> None:
    store = Store.open_or_create(path, settings={"dtype": "float32"})
    store.add_items(produce.items())
    store.add_windows("made-up", "c" * 64, runner.window_rows("made-up", windows()))
    store.add_variant(produce.VARIANT, {"method": "dense"})
    runner.run_ask(store, ASK, requests(), lambda budget: ScriptedBackend())
    runner.run_text(store, TEXT, windows(), lambda budget: ScriptedBackend())
    store.add_variant(PRUNED, {"method": "made up"})
    run_divergence(store, DENSE, windows(), lambda budget: ScriptedBackend(), probe=PROBE)
    run_divergence(
        store, BESIDE, windows(), lambda budget: ScriptedBackend(text="pruned"), probe=PROBE, reference=DENSE
    )


produce.run = run

if __name__ == "__main__":
    folder, kills, seed = sys.argv[1:]
    print(json.dumps(produce.random_kills(Path(folder), int(kills), int(seed))))
