"""The published study at its full record count: three small models, 13 configurations each, killed and resumed.

    python benchmarks/full_study.py --bbq FOLDER --out FOLDER [--kill-after SECONDS ...]

Builds three small models of the published architectures (Gemma 2, Mistral, Phi-3), trains each for a moment so that
it answers with letters, runs the grid of ``studies/paper.yaml`` in a process of its own, kills that process and runs it
again (once per ``--kill-after``), then adds the published Wanda to the same store by a wider study file. Checks every
file, times the report, and prints what it all cost as JSON. The models know nothing of the questions: the figures are
about the tool.
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
from typing import Any

import yaml

from secateur.items.benchmarks import BENCHMARKS
from secateur.items.item import Condition
from secateur.records.store import Store
from toy import build_toy_model

STUDY = Path(__file__).parents[1] / "studies" / "paper.yaml"
FAMILIES = ("gemma2", "mistral", "phi3")
SHAPE = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "vocabulary": 4096}
PUBLISHED_WANDA = {"method": "wanda-pia", "sparsity": [0.1, 0.3, 0.5, 0.7]}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--bbq", type=Path, required=True)
    arguments.add_argument("--out", type=Path, required=True)
    arguments.add_argument("--kill-after", type=float, nargs="*", default=[120.0, 300.0])
    arguments.add_argument("--limit", type=int, help="items, for a rehearsal")
    options = arguments.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    study = study_file(options.bbq.absolute(), options.limit)
    build_models(options.bbq, options.out, study["benchmark"]["categories"])
    store = options.out / "store"
    killed, at_kill, seconds = [], [], []
    for limit in [*options.kill_after, None]:
        began = time.monotonic()
        killed.append(run(options.out, "study", study, store, limit))
        seconds.append(round(time.monotonic() - began, 1))
        at_kill.append(rows_in(Store.open(store)))
        if not killed[-1]:
            break
    records = rows_in(Store.open(store))
    shards = sum(cell.bytes for cell in Store.open(store).cells())
    first = report(store, options.out / "report")
    wider = study | {
        "study": "the published grid and the published Wanda",
        "variants": [*study["variants"], PUBLISHED_WANDA],
    }
    began = time.monotonic()
    run(options.out, "wider", wider, store, None)
    added = time.monotonic() - began
    opened = Store.open(store)
    events = [json.loads(line) for line in (store / "log.jsonl").read_text().splitlines()]
    asks = [e for e in events if e.get("event") == "cell" and e["name"].endswith("ask")]
    said = {
        "rows": records,
        "runs": [
            {"seconds": spent, "killed": was, "rows_after": sum(rows.values())}
            for spent, was, rows in zip(seconds, killed, at_kill, strict=True)
        ],
        "records_per_second_while_asking": round(sum(e["rows"] for e in asks) / sum(e["seconds"] for e in asks)),
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024),
        "shard_mb": round(shards / 1e6, 1),
        "store_mb": round(sum(path.stat().st_size for path in store.rglob("*") if path.is_file()) / 1e6, 1),
        "report_of_the_grid": first,
        "published_wanda_added": {"rows": rows_in(opened), "seconds": round(added, 1)},
        "report_with_it": report(store, options.out / "report-wider"),
        "problems": [str(problem) for problem in opened.check()],
    }
    (options.out / "full_study.json").write_text(json.dumps(said, indent=2) + "\n")
    print(json.dumps(said, indent=2))


def study_file(bbq: Path, limit: int | None) -> dict[str, Any]:
    """The shipped study, with local models and text that needs no network."""
    study: dict[str, Any] = yaml.safe_load(STUDY.read_text(encoding="utf-8"))
    study["models"] = [f"./{family}" for family in FAMILIES]
    study["benchmark"]["folder"] = str(bbq)
    if limit:
        study["benchmark"]["limit"] = limit
    study["perplexity"] = {"protocol": "packaged-256", "divergence": {"every": 16, "top": 64}}
    study["calibration"] = {"corpus": "packaged", "sequences": 32, "length": 128}
    return study


def build_models(bbq: Path, out: Path, categories: list[str]) -> None:
    items = BENCHMARKS["bbq"].load(bbq, categories).select(conditions=[Condition.AMBIG]).items
    for family in FAMILIES:
        build_toy_model(out / family, items[::7], family=family, steps=150, **SHAPE)


def run(out: Path, name: str, study: dict[str, Any], store: Path, limit: float | None) -> bool:
    """Run a study in a process of its own; true if it was killed after ``limit`` seconds."""
    path = out / f"{name}.yaml"
    path.write_text(yaml.safe_dump(study))
    command = [sys.executable, "-m", "secateur", "study", "run", str(path), "--store", str(store), "--offline"]
    with (out / f"{name}.log").open("a") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            code = process.wait(limit)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            return True
    if code:
        raise SystemExit(f"the run failed; see {out / name}.log")
    return False


def rows_in(store: Store) -> dict[str, int]:
    rows: dict[str, int] = {}
    for cell in store.cells():
        for table, n in cell.rows.items():
            rows[table] = rows.get(table, 0) + n
    return rows


def report(store: Path, out: Path) -> dict[str, float]:
    """Seconds of a report in a process of its own, and the most memory that it and those it starts can have held."""
    processes = min(os.cpu_count() or 1, len(FAMILIES))
    script = (
        "import json, resource, sys, time; from pathlib import Path\n"
        "sys.path.insert(0, sys.argv[3]); from measuring import peak_mb\n"
        "began = time.monotonic(); processes = int(sys.argv[4])\n"
        "from secateur.report.read import read_report_data; from secateur.records.store import Store\n"
        "from secateur.report.write import write_report\n"
        "read_report_data(Store.open(Path(sys.argv[1])), processes=processes); read = time.monotonic() - began\n"
        "began = time.monotonic(); write_report(Path(sys.argv[1]), Path(sys.argv[2]), processes=processes)\n"
        "whole = time.monotonic() - began\n"
        "started = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024\n"  # of the largest
        "peak = round(peak_mb() + processes * started)\n"
        "print(json.dumps({'metrics_s': round(read, 1), 'all_s': round(whole, 1), 'peak_mb': peak}))\n"
        "sys.stdout.flush(); import os; os._exit(0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(store), str(out), str(Path(__file__).parent), str(processes)],
        check=True,
        capture_output=True,
        text=True,
    )
    said: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return said


if __name__ == "__main__":
    main()
