"""`secateur prune`, stopped anywhere, leaves nothing that looks like a model; started again, it makes the same."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("pruning.py")

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="each attempt is a fork, which this system lacks")


def result(*arguments):
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(SCRIPT.parents[2]), *filter(None, sys.path)])},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("how", ["killed", "full"])
@pytest.mark.parametrize("method", ["magnitude", "wanda"])
def test_stopped_at_each_write(method, how, tmp_path):
    # A file's space, its fsync and its name, two texts, the config, and the folder; with text also every hidden batch.
    assert result(tmp_path, "every", method, how)["points"] > (30 if method == "wanda" else 10)


@pytest.mark.parametrize("method", ["magnitude", "wanda"])
def test_killed_at_random_moments(method, tmp_path):
    assert result(tmp_path, "random", method, 12, 5)["kills"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("method", ["random", "magnitude-pia", "wanda", "wanda-pia"])
def test_killed_many_times(method, seed, tmp_path):
    assert result(tmp_path, "random", method, 60, seed)["kills"] > 5
