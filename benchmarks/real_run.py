"""The main job at size on real items: dense and six pruned variants of a small model, killed and resumed.

    python benchmarks/real_run.py --bbq FOLDER --out FOLDER [--kill-after SECONDS]

Builds a small Llama-shaped model, trains it for a minute so that it answers with letters, runs the study in a
process of its own, kills that process, runs it again, checks the store, writes the report, and prints what it cost as
JSON. The model knows nothing of the questions: the figures are about the tool.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import yaml

from secateur.items.benchmarks import BENCHMARKS
from secateur.items.item import Condition
from secateur.records.store import Store
from toy import build_toy_model

CATEGORIES = ["Age", "Gender_identity", "Race_ethnicity", "Religion", "SES"]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--bbq", type=Path, required=True)
    arguments.add_argument("--out", type=Path, required=True)
    arguments.add_argument("--kill-after", type=float, default=60.0)
    arguments.add_argument("--limit", type=int)
    options = arguments.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    model = options.out / "small"
    items = BENCHMARKS["bbq"].load(options.bbq, CATEGORIES).select(conditions=[Condition.AMBIG]).items
    build_toy_model(
        model, items[::7], vocabulary=2048, hidden_size=128, intermediate_size=256, num_hidden_layers=4, steps=300
    )
    study = options.out / "study.yaml"
    study.write_text(yaml.safe_dump(study_file(options.bbq.absolute(), options.limit)))
    command = [sys.executable, "-m", "secateur", "study", "run", str(study), "--store", str(options.out / "store")]

    started = time.monotonic()
    first = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        first.wait(options.kill_after)
    except subprocess.TimeoutExpired:
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
    store = Store.open(options.out / "store")
    at_kill = sum(sum(cell.rows.values()) for cell in store.cells())
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    seconds = time.monotonic() - started

    report = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "secateur", "report", str(options.out / "store"), "--out", str(options.out / "report")],
        check=True,
    )
    report = time.monotonic() - report
    rows: dict[str, int] = {}
    for cell in store.cells():
        for table, n in cell.rows.items():
            rows[table] = rows.get(table, 0) + n
    events = [json.loads(line) for line in (store.path / "log.jsonl").read_text().splitlines()]
    asks = [e for e in events if e.get("event") == "cell" and e["name"].endswith("ask")]
    print(
        json.dumps(
            {
                "rows": rows,
                "killed_after_s": options.kill_after if first.returncode else None,
                "rows_at_kill": at_kill,
                "seconds_in_all": round(seconds, 1),
                "records_per_second_while_asking": round(
                    sum(e["rows"] for e in asks) / sum(e["seconds"] for e in asks)
                ),
                "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024),
                "shard_bytes": sum(cell.bytes for cell in store.cells()),
                "store_bytes": sum(path.stat().st_size for path in store.path.rglob("*") if path.is_file()),
                "problems": [str(problem) for problem in store.check()],
                "report_seconds": round(report, 1),
            },
            indent=2,
        )
    )


def study_file(bbq: Path, limit: int | None) -> dict[str, object]:
    benchmark: dict[str, object] = {"name": "bbq", "folder": str(bbq), "categories": CATEGORIES, "condition": "ambig"}
    if limit:
        benchmark["limit"] = limit
    return {
        "study": "real run",
        "models": ["./small"],
        "variants": ["dense", {"method": ["random", "magnitude", "wanda"], "sparsity": [0.3, 0.5]}],
        "benchmark": benchmark,
        "readouts": {
            "letter": {"orders": "fixed"},
            "sampled": {"seeds": [42, 123, 456, 789, 1024], "floor_seeds": [1, 2, 3, 4, 5]},
        },
        "perplexity": {"corpus": "packaged", "window": 128},
        "calibration": {"corpus": "packaged", "sequences": 64, "length": 128},
    }


if __name__ == "__main__":
    main()
