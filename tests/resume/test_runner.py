"""The runner through the scripted backend, killed a hundred times."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from secateur.records.store import Store

SCRIPT = Path(__file__).with_name("scripted.py")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="each attempt is a fork, which this system lacks")
def test_killed_a_hundred_times(tmp_path):
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(tmp_path), "100", "7"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout.splitlines()[-1])
    assert counts["kills"] == 100
    store = Store.open(tmp_path / "store")
    assert store.check() == []
    rows = sorted((cell.task, sorted(cell.rows.items())) for cell in store.cells())
    assert rows == [
        ("ask", [("letter", 3 * 144), ("sampled", 3 * 144)]),
        ("divergence", [("divergence", 0), ("reference", 100)]),
        ("divergence", [("divergence", 100), ("reference", 0)]),
        ("text", [("text", 100)]),
    ]
    for cell in store.cells():
        for table in cell.rows:
            keys = {"letter": ["item", "order"], "sampled": ["item", "order", "seed"]}.get(table, ["window"])
            assert store.read(cell.id, table).select(keys).is_unique().all()
