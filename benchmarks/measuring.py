"""How the benchmarks here measure: contenders take turns, the best turn of each counts, figures go out as JSON."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from secateur.models.processor import described, processor_name


def seconds_of(run: Callable[[], object]) -> float:
    """Wall-clock seconds of one call."""
    begun = time.perf_counter()
    run()
    return time.perf_counter() - begun


def best_of_turns(contenders: Mapping[str, Callable[[], float]], turns: int) -> dict[str, float]:
    """The least seconds of each contender. One turn runs all of them, so that what disturbs one disturbs its rivals.

    Args:
        contenders: Name -> a run that gives its own seconds.
        turns: How many times round.
    """
    best = dict.fromkeys(contenders, float("inf"))
    for _ in range(turns):
        for name, run in contenders.items():
            best[name] = min(best[name], run())
    return best


def load_average() -> float:
    """Processes that wanted to run in the last minute: well above the threads used, and figures are not to be kept."""
    return round(os.getloadavg()[0], 2)


def peak_mb() -> float:
    """Most memory this process has held so far (Linux)."""
    # The usual ru_maxrss begins with what the parent held when it started this process.
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))


def machine() -> dict[str, Any]:
    """What figures depend on: the processor's name, the widest vectors it has, and how many there are."""
    flags = described().get("flags", "").split()
    vectors = next((name for flag, name in (("avx512f", "AVX-512"), ("avx2", "AVX2")) if flag in flags), "")
    return {"processor": processor_name(), "vectors": vectors, "processors": os.cpu_count()}


def say(found: Mapping[str, Any], out: Path | None) -> None:
    """Print figures as JSON, with the machine they are of, and write them, if a file is named."""
    text = json.dumps({"machine": machine(), **found}, indent=2)
    print(text)
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text + "\n", encoding="utf-8")
