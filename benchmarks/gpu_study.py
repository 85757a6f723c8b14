"""A piece of the published study from its files to its records, by a model of a published shape with random weights.

    python benchmarks/gpu_study.py --bbq FOLDER --out FOLDER [--shape mistral-7b] [--items 1000] [--token-budget 65536]
    python benchmarks/gpu_study.py --bbq FOLDER --out FOLDER --shape tiny --device cpu --items 64

Writes a checkpoint into the folder (14.5 GB for Mistral 7B's shape; in memory, such as /dev/shm, a slow disk does not
count) and runs ``secateur study run`` on it in a process of its own: the dense model and random, magnitude and Wanda
pruning at one level, the questions of ``studies/paper.yaml``, and text for perplexity and calibration of the published
size, made of the benchmark's own contexts. So reading and hashing the checkpoint, calibration, pruning, asking and
storing are all in the figures. Prints what every cell took, as JSON. The time of the model's thirteen cells is
*extrapolated*: other levels cost what this one does. What random weights change is said in ``gpu.py``.
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
import yaml

from full_study import study_file
from gpu import CATEGORIES, SHAPES, device_name, random_model
from measuring import say, seconds_of
from secateur.items.benchmarks import BENCHMARKS
from secateur.items.item import Condition, ItemSet
from secateur.models.loading import check_device
from secateur.records.store import Store

METHODS = ("random", "magnitude", "wanda")
LEVEL, LEVELS = 0.5, 4
CALIBRATION = {"sequences": 128, "length": 2048}
TEXT = {"window": 256, "windows": 512, "divergence": {}}
TEXT_CHARACTERS = 2_000_000


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--bbq", type=Path, required=True)
    arguments.add_argument("--out", type=Path, required=True, help="a new folder, for the checkpoint and the store")
    arguments.add_argument("--shape", choices=SHAPES, default="mistral-7b")
    arguments.add_argument("--device", default="cuda")
    arguments.add_argument("--items", type=int, help="of the study's 12,148")
    arguments.add_argument("--token-budget", type=int, help="as in a study file")
    arguments.add_argument("--json", type=Path, help="where the figures go")
    options = arguments.parse_args()
    options.out.mkdir(parents=True)
    bbq = BENCHMARKS["bbq"].load(options.bbq, None)
    writing = seconds_of(lambda: write_checkpoint(options.out, options.shape, bbq, options.device))
    study = piece_of_study(options)
    (options.out / "study.yaml").write_text(yaml.safe_dump(study), encoding="utf-8")
    command = [sys.executable, "-m", "secateur", "study", "run", "study.yaml", "--store", "store", "--offline"]
    seconds = seconds_of(lambda: subprocess.run(command, cwd=options.out, check=True))
    store = Store.open(options.out / "store")
    cells = of_cells(store.path / "log.jsonl")
    outside = seconds - sum(cells["seconds"].values())
    all_levels = sum(spent * (1 if name.startswith("dense") else LEVELS) for name, spent in cells["seconds"].items())
    found = {
        "shape": options.shape,
        "device": device_name(check_device(options.device)),
        "torch": torch.__version__,
        "items": options.items or "all",
        "token_budget": options.token_budget,
        "checkpoint_written_seconds": round(writing, 1),
        "study_seconds": round(seconds, 1),
        "outside_cells_seconds": round(outside, 1),
        **cells,
        "problems": [str(problem) for problem in store.check()],
        "extrapolated_minutes_of_thirteen_cells": (outside + all_levels) / 60,
    }
    say(found, options.json)


def of_cells(log: Path) -> dict[str, Any]:
    """What a store's log says of the cells that were finished, and what else there was."""
    events = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    cells = {event["name"].split(", ", 1)[1]: event for event in events if event["event"] == "cell"}
    return {
        "seconds": {name: event["seconds"] for name, event in cells.items()},
        "rows": {name: event["rows"] for name, event in cells.items()},
        "other_events": sorted({event["event"] for event in events} - {"cell", "run"}),
    }


def write_checkpoint(out: Path, shape: str, bbq: ItemSet, device: str) -> None:
    """The model and its tokenizer as files, and text to read."""
    asked = bbq.select(categories=CATEGORIES, conditions=[Condition.AMBIG]).items
    loaded = random_model(out / "tokenizer", SHAPES[shape], asked, device)
    save: Any = loaded.model.save_pretrained
    save(out / "model")
    loaded.tokenizer.save_pretrained(out / "model")
    del loaded, save
    gc.collect()
    if device.startswith("cuda"):
        torch.cuda.empty_cache()
    contexts = dict.fromkeys(f"{item.context} {item.question}" for item in bbq.items)
    (out / "text.txt").write_text("\n\n".join(contexts)[:TEXT_CHARACTERS], encoding="utf-8")


def piece_of_study(options: argparse.Namespace) -> dict[str, Any]:
    """The shipped study with one level of each method, this model and this text."""
    study = study_file(options.bbq.absolute(), options.items)
    study["models"] = ["./model"]
    study["variants"] = ["dense", {"method": list(METHODS), "sparsity": [LEVEL]}]
    study["perplexity"] = {"corpus": "text.txt", **TEXT}
    study["calibration"] = {"corpus": "text.txt", **CALIBRATION}
    study["compute"] = {"device": options.device}
    if options.token_budget:
        study["compute"]["token_budget"] = options.token_budget
    return study


if __name__ == "__main__":
    main()
