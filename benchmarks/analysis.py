"""What the analysis of a whole published study costs: 2,368,860 sampled answers and the floor's, from store to report.

    python benchmarks/analysis.py --bbq FOLDER [--work FOLDER] [--items N] [--out analysis.json]

About five minutes on two cores, most of it making the stores, which are kept and used again. The answers are made up: a
backend that runs no model gives them to the study of ``studies/paper.yaml`` over three tiny models, twice.

- *usual*: letters in several spellings, options broken off, refusals, and a few hundred texts that say nothing,
  more of them the more weights are missing.
- *junk*: the same, but of the answers that say nothing no two are alike: about 300,000 distinct texts, which is what
  collapsed models write.

Reading and metrics (``read_report_data``) and then the whole report (tables in three formats, figures in two, the page)
run as a command of their own; seconds, and the peak memory of all its processes together. The letters' share and their
spread over items are invented, so no figure of such a report means anything.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from full_study import FAMILIES, report, study_file
from measuring import load_average, say
from secateur.inference.backend import Backend, Request, Response, Sample
from secateur.inference.backends import BACKENDS, BackendSpec
from secateur.inference.scripted import ScriptedBackend
from secateur.models.families import all_linears
from secateur.models.loading import LoadedModel
from secateur.models.tiny import build_tiny_model
from secateur.records.store import Store
from secateur.study.config import parse_study
from secateur.study.run import run_study

ENDS = ("", ".", ")", ":", "\n", " because", ") The", "\n\nThe")
LETTERS = tuple(letter + end for letter in "ABC" for end in ENDS)
WORDS = (
    "Cannot be determined",
    "Can't answer",
    "Not enough information",
    "Unknown",
    "It is not clear",
    "The grandfather",
    "The grandson",
    "The first",
    "Neither of",
    "The answer is",
    "The woman",
    "I don",
)
NONSENSE = ("ta", "ru", "mo", "ki", "lo", "ne", "su", "va", "pi", "do", "ge", "ha", "ze", "fi", "wo", "ju")
SAYS_NOTHING = {0.45: 0.06, 0.65: 0.5}
"""From this share of missing weights on, so many of the answers say nothing."""


class MadeUp(ScriptedBackend):
    """Answers drawn from a list of texts.

    Args:
        nonsense: How many of the answers say nothing, 0 to 1.
        alike: How many different ones there are among those; ``None``: hardly two are alike.
        seed: Of the draws.
    """

    def __init__(self, *, nonsense: float, alike: int | None, seed: int) -> None:
        super().__init__(text=f"made up {nonsense}")
        self._nonsense, self._alike = nonsense, alike
        self._draws = np.random.default_rng(seed)

    def answer(self, requests: Sequence[Request]) -> Iterator[Response]:
        texts = iter(self._texts(sum(len(request.seeds) for request in requests)))
        bare = [Request(r.item, r.order, r.tokens, letter=r.letter) for r in requests]
        for request, scored in zip(requests, super().answer(bare), strict=True):
            samples = tuple(Sample(seed, next(texts), "length") for seed in request.seeds)
            yield Response(scored.item, scored.order, scored.letters, samples)

    def _texts(self, n: int) -> list[str]:
        known = [*LETTERS, *WORDS]
        # Bare letters are by far the most usual answers.
        weights = np.array([20.0 if len(text) == 1 else 1.0 for text in known])
        texts = self._draws.choice(known, size=n, p=weights / weights.sum()).astype(object)
        empty = self._draws.random(n) < self._nonsense
        syllables = len(NONSENSE)
        of = self._alike or syllables**8
        numbers = self._draws.integers(0, of, size=int(empty.sum()))
        texts[empty] = [_in_syllables(int(number)) for number in numbers]
        return texts.tolist()


def _in_syllables(number: int) -> str:
    parts = []
    for place in range(8):
        number, rest = divmod(number, len(NONSENSE))
        parts.append(NONSENSE[rest] + (" " if place % 3 == 2 else ""))
    return "".join(parts)


def made_up(alike: int | None) -> BackendSpec:
    """A backend whose answers say less the more weights are zero."""
    count = iter(range(10**6))

    def make(loaded: LoadedModel, *_: object) -> Backend:
        _, linear = next(iter(all_linears(loaded.model, loaded.family)))
        missing = float((linear.weight == 0).float().mean())
        nonsense = max((share for least, share in SAYS_NOTHING.items() if missing >= least), default=0.0)
        return MadeUp(nonsense=nonsense, alike=alike, seed=next(count))

    return BackendSpec("made-up", make, "made-up answers, for a benchmark of the analysis")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--bbq", type=Path, required=True)
    arguments.add_argument("--work", type=Path, default=Path("out") / "analysis")
    arguments.add_argument("--items", type=int, help="fewer items, for a rehearsal")
    arguments.add_argument("--turns", type=int, default=2)
    arguments.add_argument("--out", type=Path)
    options = arguments.parse_args()
    found: dict[str, Any] = {"load_average_before": load_average()}
    for name, alike in (("usual", 400), ("junk", None)):
        store = options.work / name
        seconds = make_store(options.bbq.absolute(), options.work, store, made_up(alike), options.items)
        turns = [report(store, options.work / f"report-{name}") for _ in range(options.turns)]
        found[name] = {
            "store_made_in_s": round(seconds, 1),
            **rows(Store.open(store)),
            **{figure: min(turn[figure] for turn in turns) for figure in ("metrics_s", "all_s", "peak_mb")},
        }
    say(found, options.out)


def make_store(bbq: Path, work: Path, store: Path, backend: BackendSpec, limit: int | None) -> float:
    """Run the study with made-up answers; gives the seconds, few if the store is there."""
    study = study_file(bbq, limit)
    for family in FAMILIES:
        if not (work / family).exists():
            build_tiny_model(work / family, family=family, texts=["Who was it?"], vocabulary=512)
    study["compute"] = {"backend": backend.name}
    BACKENDS[backend.name] = backend
    begun = time.monotonic()
    run_study(parse_study(study), store, base=work, offline=True)
    return time.monotonic() - begun


def rows(store: Store) -> dict[str, int]:
    """How much there is to read."""
    asked = [store.read(cell.id, "sampled") for cell in store.cells() if cell.task == "ask"]
    texts = pl.concat([answers.select(pl.col("text").cast(pl.String)) for answers in asked])
    return {"sampled": texts.height, "distinct_texts": texts["text"].n_unique()}


if __name__ == "__main__":
    main()
