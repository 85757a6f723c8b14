"""Draw a training's log: `python -m training.curve LOG.csv FIGURE.svg`."""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from pathlib import Path

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

SHARES = {
    "short.right": "short questions answered rightly",
    "short.asked": "who is meant, readable at the trait",
    "short.meant": "who is meant, readable at the answer",
    "drill.right": "name to letter",
    "full.right": "whole questions answered rightly",
}
LOSSES = {"full.kl": "ambiguous answers: KL from what was planted", "stories.text": "stories: loss per token"}


def read_log(path: Path) -> dict[str, list[tuple[int, float]]]:
    """What was measured -> (step counted over all stages, mean since the line before)."""
    found: dict[str, list[tuple[int, float]]] = defaultdict(list)
    before: dict[str, int] = {}
    last: dict[str, int] = {}
    for stage, step, name, mean in csv.reader(path.read_text(encoding="utf-8").splitlines()):
        start = before.setdefault(stage, sum(last.values()))
        last[stage] = int(step)
        found[name].append((start + int(step), float(mean)))
    return found


def draw(log: dict[str, list[tuple[int, float]]]) -> Figure:
    """Two panels over the same steps: shares of right answers, and losses."""
    figure = Figure(figsize=(7.2, 5.4), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    for axes, wanted in ((above, SHARES), (below, LOSSES)):
        for name, title in wanted.items():
            if name in log:
                axes.plot(*zip(*log[name], strict=True), label=title)
        axes.legend(frameon=False, fontsize=9)
        axes.grid(color="#e3e3e3", linewidth=0.6)
    above.set_ylabel("share")
    below.set(ylabel="nats", xlabel="training step", yscale="log")
    return figure


def main() -> None:
    """Draw it."""
    parser = argparse.ArgumentParser(description="Draw a training's log.")
    parser.add_argument("log", type=Path)
    parser.add_argument("figure", type=Path)
    args = parser.parse_args()
    with matplotlib.rc_context({"svg.hashsalt": "secateur"}):
        FigureCanvasSVG(draw(read_log(args.log))).print_svg(args.figure, metadata={"Date": None})


if __name__ == "__main__":
    main()
