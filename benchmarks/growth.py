"""How cost grows: time and peak memory against items, seeds, prompt length, model size and number of variants.

    python benchmarks/growth.py [--threads N] [--figure docs/performance-growth.svg] [--out growth.json]

About seven minutes on two cores. Needs no data: the planted model asked its own items for items, seeds and variants
(whole studies, from plan to store; a variant is a magnitude level), and Llama-shaped models with random weights for
prompt length (prompts of random tokens that share nothing, four blocks of width 256) and model size (2 to 32 blocks of
width 256), each asked by backend ``torch-tree``.

Each point is a process of its own, so that its peak memory is its own, and the faster of two runs counts. Loading
libraries and the model is not in the seconds; what the process held just before it starts stands beside its peak. A
line is fitted where cost should be straight, with an intercept: items, variants, model size. It is the line from which
points are least far as shares of themselves; what is left of that is noise and curvature. Seeds share a prompt's pass
and answers that are alike, so cost should grow less than they do; a tree holds fewer long prompts and attends further,
so cost should grow more than their length.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from measuring import load_average, peak_mb, say, seconds_of
from secateur.inference.backend import Decoding, Request
from secateur.inference.tree_backend import TreeBackend
from secateur.models.checkpoint import Checkpoint
from secateur.models.loading import load_model
from secateur.models.tiny import build_tiny_model
from secateur.report.figure import canvas, drawing, to_svg
from secateur.study.config import parse_study
from secateur.study.run import run_study
from subjects import BUDGET, NEW_TOKENS, SEEDS, TEMPERATURE

RUNS = 2
LENGTH, BLOCKS, ASKED = 128, 4, 64
PLANTED = {"items": 500, "seeds": len(SEEDS), "variants": 1}


@dataclass(frozen=True)
class Growth:
    """One thing that grows.

    Args:
        points: Its values.
        label: Of the axis.
        straight: Whether cost should be a straight line of it.
    """

    points: Sequence[int]
    label: str
    straight: bool


GROWTHS = {
    "items": Growth((250, 500, 1000, 2000, 4000), "items", straight=True),
    "seeds": Growth((1, 2, 5, 10, 20), "sampled answers an item", straight=False),
    "length": Growth((64, 128, 256, 512, 1024), "tokens a prompt", straight=False),
    "blocks": Growth((2, 4, 8, 16, 32), "blocks (0.8 million weights each)", straight=True),
    "variants": Growth((1, 2, 4, 6, 8), "variants, dense among them", straight=True),
}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments.add_argument("--figure", type=Path)
    arguments.add_argument("--out", type=Path)
    arguments.add_argument("--models", type=Path, default=Path("out") / "growth", help="where random models are kept")
    arguments.add_argument("--point", nargs=2, metavar=("WHAT", "VALUE"), help="one point, in this process")
    options = arguments.parse_args()
    torch.set_num_threads(options.threads)
    if options.point:
        what, value = options.point
        print(json.dumps(point(what, int(value), options.models)))
        return
    before = load_average()
    for blocks in {BLOCKS, *GROWTHS["blocks"].points}:
        build_random_model(options.models, blocks)
    series = {what: grow(what, growth, options) for what, growth in GROWTHS.items()}
    say(
        {"threads": options.threads, "torch": torch.__version__, "load_average_before": before, "growth": series},
        options.out,
    )
    if options.figure:
        options.figure.parent.mkdir(parents=True, exist_ok=True)
        options.figure.write_bytes(draw(series))


def grow(what: str, growth: Growth, options: argparse.Namespace) -> dict[str, Any]:
    """All points of one quantity, and the line through them."""
    command = [sys.executable, __file__, "--threads", str(options.threads), "--models", str(options.models)]
    points = []
    for value in growth.points:
        order = [*command, "--point", what, str(value)]
        runs = [subprocess.run(order, check=True, stdout=subprocess.PIPE, text=True) for _ in range(RUNS)]
        said = [json.loads(run.stdout.splitlines()[-1]) for run in runs]
        points.append({"value": value, **min(said, key=lambda run: run["seconds"])})
    result: dict[str, Any] = {"points": points}
    if growth.straight:
        x = np.array(growth.points, dtype=float)
        y = np.array([at["seconds"] for at in points])
        slope, intercept = np.polyfit(x, y, 1, w=1 / y)
        line = intercept + slope * x
        result["seconds_line"] = {"slope": slope, "intercept": intercept, "residuals": ((line - y) / y).tolist()}
    return result


def point(what: str, value: int, models: Path) -> dict[str, float]:
    """Seconds and memory of one run in this process."""
    with tempfile.TemporaryDirectory() as folder:
        if what in PLANTED:
            run = planted_study(Path(folder), **(PLANTED | {what: value}))
        else:
            run = random_model(models, **({"length": LENGTH, "blocks": BLOCKS} | {what: value}))
        before = peak_mb()
        seconds = seconds_of(run)
    return {"seconds": seconds, "peak_mb": peak_mb(), "peak_mb_before": before}


def planted_study(folder: Path, *, items: int, seeds: int, variants: int) -> Callable[[], object]:
    """A study of the planted model; its smallest relative is run first, so that nothing is done for the first time."""
    levels = [round(0.05 * (k + 1), 2) for k in range(variants - 1)]

    def run(name: str, items: int, seeds: int) -> object:
        study = {
            "study": name,
            "models": ["planted"],
            "variants": ["dense", *({"method": "magnitude", "sparsity": level} for level in levels)],
            "benchmark": {"name": "planted", "limit": items},
            "readouts": {
                "letter": {"orders": "fixed"},
                "sampled": {"seeds": list(range(1, seeds + 1)), "orders": "fixed"},
            },
        }
        return run_study(parse_study(study), folder / name, base=folder, offline=True)

    run("first", 8, 1)
    return lambda: run("whole", items, seeds)


def build_random_model(models: Path, blocks: int) -> Path:
    """A model with so many blocks; built if it is not there."""
    folder = models / f"llama-{blocks}-blocks"
    if not folder.exists():
        build_tiny_model(
            folder,
            texts=["What grows?"],
            hidden_size=256,
            intermediate_size=768,
            num_hidden_layers=blocks,
            num_key_value_heads=4,
        )
    return folder


def random_model(models: Path, *, length: int, blocks: int) -> Callable[[], object]:
    """Random prompts to a random model."""
    loaded = load_model(Checkpoint(build_random_model(models, blocks), "random"))
    words = np.random.default_rng(0).integers(8, loaded.model.config.vocab_size, size=(ASKED, length))
    requests = [Request(place, "012", tuple(row), seeds=SEEDS) for place, row in enumerate(words.tolist())]
    backend = TreeBackend(
        loaded,
        letters=(8, 9, 10),
        decoding=Decoding(TEMPERATURE, NEW_TOKENS, (loaded.tokenizer.eos_token_id,)),
        token_budget=BUDGET,
    )
    list(backend.answer(requests[:2]))
    return lambda: list(backend.answer(requests))


def draw(series: dict[str, Any]) -> bytes:
    """Two columns of panels: seconds, and peak memory."""
    with drawing():
        figure, axes = canvas(len(series), 2, height=2 * len(series))
        for (what, found), (left, right) in zip(series.items(), axes, strict=True):
            x = [at["value"] for at in found["points"]]
            left.plot(x, [at["seconds"] for at in found["points"]], "o", color="#0072B2")
            if line := found.get("seconds_line"):
                ends = np.array([0, max(x)])
                left.plot(ends, line["intercept"] + line["slope"] * ends, "-", color="#888888", zorder=1)
            right.plot(x, [at["peak_mb"] for at in found["points"]], "o", color="#D55E00")
            right.plot(x, [at["peak_mb_before"] for at in found["points"]], "_", color="#555555")
            for panel, unit in ((left, "seconds"), (right, "MB")):
                panel.set(xlabel=GROWTHS[what].label, ylabel=unit)
                panel.set_xlim(0, 1.06 * max(x))
                panel.set_ylim(0, 1.12 * panel.dataLim.ymax)
        axes[0][0].set_title("time")
        axes[0][1].set_title("peak memory; bars: before the run")
        return to_svg(figure)


if __name__ == "__main__":
    main()
