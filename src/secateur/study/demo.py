"""The demo: a whole small study of the model that ships, from nothing to a report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from secateur.errors import InputError
from secateur.files import make_folder, unwritable, write_text
from secateur.study.config import parse_study
from secateur.study.run import Outcome, Progress, run_study

STUDY, STORE, REPORT = "study.yaml", "study.store", "report"

_PER_TEMPLATE = 1
"""Questions per template, category, condition and polarity that the short demo asks: 500 of the 4,000."""


@dataclass(frozen=True)
class Demo:
    """Where the demo's parts are.

    Args:
        outcome: What the run did.
        store: The store's folder.
        report: The report's page.
    """

    outcome: Outcome
    store: Path
    report: Path


def run_demo(out: Path, *, full: bool = False, progress: Progress | None = None) -> Demo:
    """Prune the model that ships, ask it, report. No network, no GPU; about a minute on two cores.

    Args:
        out: A folder; if a demo was run there before, it is gone on with.
        full: Ask all questions, not one per template, condition and polarity.
        progress: Told how it goes on.

    Raises:
        InputError: If ``out`` holds something else than a demo.
        StoreUnwritableError: If it cannot be written.
    """
    from secateur.report import write_report

    if out.exists() and not (out.is_dir() and (not any(out.iterdir()) or _study_in(out) in _studies())):
        raise InputError("The folder holds something else than a demo.", where=out, todo="give a new folder with --out")
    study = demo_study(full=full)
    config = parse_study(study, where=str(out / STUDY))
    try:
        make_folder(out)
        write_text(out / STUDY, yaml.safe_dump(study, sort_keys=False, default_flow_style=None, width=100))
    except OSError as error:
        raise unwritable(error, out) from error
    outcome = run_study(config, out / STORE, base=out, offline=True, progress=progress)
    return Demo(outcome, out / STORE, write_report(out / STORE, out / REPORT, parser="strict", plan=None))


def _study_in(folder: Path) -> object:
    try:
        return yaml.safe_load((folder / STUDY).read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return None


def _studies() -> list[dict[str, Any]]:
    return [demo_study(full=full) for full in (False, True)]


def demo_study(*, full: bool) -> dict[str, Any]:
    """The study the demo runs, as its study file has it."""
    return {
        "study": "demo: the planted model, pruned",
        "models": ["planted"],
        "variants": ["dense", {"method": ["random", "magnitude", "wanda"], "sparsity": [0.1, 0.3, 0.5, 0.7]}],
        "benchmark": {"name": "planted"} | ({} if full else {"per_template": _PER_TEMPLATE}),
        "readouts": {
            "letter": {"orders": "rotations"},
            "sampled": {"seeds": [42, 123, 456, 789, 1024], "floor_seeds": [1, 2, 3, 4, 5], "orders": "fixed"},
        },
        "perplexity": {"corpus": "planted", "window": 128},
        "calibration": {"corpus": "planted-calibration", "sequences": 32, "length": 128},
    }
