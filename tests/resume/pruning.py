"""As ``produce.py``, but `secateur prune` of a tiny model: stopped anywhere, started again.

``python pruning.py FOLDER every METHOD HOW`` or ``python pruning.py FOLDER random METHOD KILLS SEED`` prints counts as
JSON.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import produce
import torch
from tests.tiny import TEXTS

from secateur.compression.recipe import recipe
from secateur.compression.stream import prune_files
from secateur.models.checkpoint import Checkpoint
from secateur.models.hollow import hollow_model
from secateur.models.loading import load_tokenizer
from secateur.models.tiny import build_tiny_model

SEQUENCES = [[1, *range(10 + i, 60 + i)] for i in range(3)]


def run(base: Path, out: Path, method: str) -> None:
    """Prune, unless that is done."""
    if out.exists():
        return
    checkpoint = Checkpoint(base, str(base))
    hollow = hollow_model(checkpoint, load_tokenizer(checkpoint), device="cpu", dtype=torch.float32)
    planned = recipe(method, "0.5", calibration="c")
    prune_files(hollow, planned, out, sequences=SEQUENCES if planned.spec.needs_inputs else None)


def attempt(work: Callable[[], None]) -> int:
    """Start ``work`` in a child that computes on one thread; its process id."""

    def alone() -> None:
        torch.set_num_threads(1)
        work()

    return produce.forked(alone)


def check(folder: Path, wanted: dict[str, bytes]) -> None:
    """Whatever looks like a model, anywhere, is the whole model."""
    for config in folder.rglob("config.json"):
        if config.parent != folder / "base":
            assert produce.contents(config.parent) == wanted, config


def again(folder: Path, method: str, wanted: dict[str, bytes]) -> None:
    """Finish what was stopped; nothing but the model is left, and it is as if it never was stopped."""
    out = folder / "out"
    assert produce.ended(attempt(lambda: run(folder / "base", out, method))) == 0
    assert produce.contents(out) == wanted
    for path in folder.iterdir():
        if path.name not in ("base", "reference", "points"):
            shutil.rmtree(path)


def reference(folder: Path, method: str) -> tuple[dict[str, bytes], int, float]:
    build_tiny_model(folder / "base", texts=TEXTS, num_hidden_layers=3)

    def work() -> None:
        count = at_write_point(0, produce.disk_full)
        run(folder / "base", folder / "reference", method)
        (folder / "points").write_text(str(count[0]))

    started = time.perf_counter()
    assert produce.ended(attempt(work)) == 0
    return (
        produce.contents(folder / "reference"),
        int((folder / "points").read_text()),
        time.perf_counter() - started,
    )


def at_write_point(number: int, then: Callable[[], None]) -> list[int]:
    """As of ``produce.py``, with the reservation of a file's space as a further write point."""
    real = getattr(os, "posix_fallocate", None)
    count = produce.at_write_point(number, then)

    def reserve(*arguments: int) -> None:
        count[0] += 1
        if count[0] == number:
            then()
        real(*arguments)

    if real:
        os.posix_fallocate = reserve
    return count


def every(folder: Path, method: str, how: str) -> dict[str, int]:
    wanted, points, _ = reference(folder, method)
    for point in range(1, points + 1):

        def work(point: int = point) -> None:
            then = produce.disk_full if how == "full" else lambda: os.kill(os.getpid(), signal.SIGKILL)
            at_write_point(point, then)
            run(folder / "base", folder / "out", method)

        stopped = produce.ended(attempt(work))
        assert stopped == (produce.DISK_FULL if how == "full" else -signal.SIGKILL), (point, stopped)
        check(folder, wanted)
        again(folder, method, wanted)
    return {"points": points}


def at_random(folder: Path, method: str, kills: int, seed: int) -> dict[str, int]:
    wanted, _, seconds = reference(folder, method)
    delays = random.Random(seed)
    killed = 0
    for _ in range(kills):
        child = attempt(lambda: run(folder / "base", folder / "out", method))
        time.sleep(delays.uniform(0, seconds))
        os.kill(child, signal.SIGKILL)
        killed += produce.ended(child) != 0
        check(folder, wanted)
        if delays.random() < 0.5:  # else the next is killed too, in what this one left
            again(folder, method, wanted)
    again(folder, method, wanted)
    return {"kills": killed}


if __name__ == "__main__":
    where, program, *rest = sys.argv[1:]
    made = every(Path(where), *rest) if program == "every" else at_random(Path(where), rest[0], *map(int, rest[1:]))
    print(json.dumps(made))
