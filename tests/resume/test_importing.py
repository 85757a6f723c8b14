"""An import that is killed at any write, and started again."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from secateur.records.store import Store

SCRIPT = Path(__file__).with_name("importing.py")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="each attempt is a fork, which this system lacks")
def test_killed_at_each_fsync_and_rename(tmp_path):
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(SCRIPT.parents[2]), *filter(None, sys.path)])},
    )
    assert done.returncode == 0, done.stderr
    points = json.loads(done.stdout.splitlines()[-1])["points"]
    assert points > 2 * 2 * 3
    store = Store.open(tmp_path / "store")
    assert store.check() == []
    assert [cell.rows["sampled"] for cell in store.cells()] == [16, 16]
    assert all(len(cell.shards) == 2 for cell in store.cells())
