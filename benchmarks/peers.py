"""Secateur against the tools one would otherwise use, on the same model and the same questions.

    python benchmarks/peers.py --bbq FOLDER [--peer lm-eval] [--items 256] [--threads N] [--out peers.json]

About five minutes on two cores, and before the first run as long again for the peers' environments (made under
``--work``; 1.5 GB each). Prints ratios and writes JSON.

**lm-evaluation-harness**, backend ``hf``, at the batch size of 1, 4, 8, 16, 32 and ``auto`` that is best for it:

- *letters*: the three letters after the very same prompts, in both tools.
- *bbq*: its own BBQ task, log-likelihoods of twelve options an item (two groups, ten ways of saying unknown), against
  Secateur's letters alone and against its full set of records: letters and five sampled answers.

Float32, the same threads, the same version of torch where the peer allows it. Loading a model is not timed on either
side; making prompts, tokenizing and everything else that an item costs is. Contenders take turns, and the best turn
counts. What could be called unfair:

- The harness is given finished prompts; Secateur renders the chat template within its time. The harness's time
  includes its bookkeeping and metrics, so the time within its backend, which is less, stands beside.
- Items are asked in file order, as a study asks them, and neighbours share their beginnings. A random choice of items
  would share less. The harness does not look for shared beginnings, but it asks for three letters in one pass.
- Twelve options and three letters are different questions to a model. That ratio compares what an item costs, not the
  same numbers computed twice; the ratio for letters does, and how far the two agree is measured.
- Where a prompt ends in white space the harness counts that token to the answer. It adds the same to all three letters,
  so letters are compared after renormalising over the three.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peer_process import Peer, peer_python, thread_limits

from measuring import best_of_turns, load_average, say, seconds_of
from secateur.inference.backend import Response
from secateur.inference.tree_backend import TreeBackend
from secateur.items.item import Item
from subjects import SEEDS, Subject, bbq_items, both_subjects

BATCHES = (1, 4, 8, 16, 32, "auto")
TRIAL_ITEMS = 64
BBQ_FIELDS = (
    "question_polarity",
    "context_condition",
    "category",
    "answer_info",
    "additional_metadata",
    "context",
    "question",
    "ans0",
    "ans1",
    "ans2",
    "label",
)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--bbq", type=Path, required=True)
    arguments.add_argument("--peer", choices=sorted(PEERS), action="append", help="all unless told otherwise")
    arguments.add_argument("--items", type=int, default=256)
    arguments.add_argument("--turns", type=int, default=3)
    arguments.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments.add_argument("--work", type=Path, default=Path("out") / "peers", help="environments, models, logs")
    arguments.add_argument("--out", type=Path)
    options = arguments.parse_args()
    os.environ.update(thread_limits(options.threads))
    torch.set_num_threads(options.threads)
    options.work.mkdir(parents=True, exist_ok=True)
    found: dict[str, Any] = {
        "threads": options.threads,
        "torch": torch.__version__,
        "load_average_before": load_average(),
    }
    for name in options.peer or sorted(PEERS):
        found[name] = PEERS[name](options)
    say(found, options.out)


def lm_eval(options: argparse.Namespace) -> dict[str, Any]:
    """Items per second of the harness and of Secateur, for both subjects."""
    python = peer_python(options.work / "lm-eval.venv", ["lm-eval[hf]==0.4.13"], constrained=True)
    subjects = both_subjects(options.work, bbq_items(options.bbq), options.items)
    return {
        name: against_lm_eval(subject, python, bbq_documents(options, subject.items), options)
        for name, subject in subjects.items()
    }


def bbq_documents(options: argparse.Namespace, items: Sequence[Item]) -> Path | None:
    """A file with the lines of BBQ's own files for these items, in their order; none for another benchmark's items."""
    if items[0].benchmark != "bbq":
        return None
    lines: dict[tuple[str, str], dict[str, Any]] = {}
    for category in dict.fromkeys(item.category for item in items):
        for line in (options.bbq / "data" / f"{category}.jsonl").read_text(encoding="utf-8").splitlines():
            document = json.loads(line)
            lines[category, str(document["example_id"])] = {field: document[field] for field in BBQ_FIELDS}
    file: Path = options.work / "bbq.jsonl"
    file.write_text("".join(json.dumps(lines[item.category, item.example_id]) + "\n" for item in items))
    return file


def against_lm_eval(subject: Subject, python: Path, bbq: Path | None, options: argparse.Namespace) -> dict[str, Any]:
    """Let both answer for one subject."""
    spelling = str(subject.prompts.protocol["letter_spelling"]).removesuffix("A")
    first = {
        "model": str(subject.loaded.checkpoint.folder),
        "prompts": subject.texts(),
        "letters": [spelling + letter for letter in "ABC"],
        "bbq": bbq and str(bbq.absolute()),
    }
    tasks = ["letters", *(["bbq"] if bbq else [])]
    log = options.work / "lm-eval.log"
    with Peer(python, "peer_lm_eval.py", threads=options.threads, log=log, first=first) as peer:
        trials = {task: {str(batch): trial(peer, task, batch) for batch in BATCHES} for task in tasks}
        best_batch = {task: max(rates, key=rates.__getitem__) for task, rates in trials.items()}
        said: dict[str, dict[str, Any]] = {}

        def ask(task: str) -> float:
            answer = peer.ask({"task": task, "batch": best_batch[task]})
            if task not in said or answer["seconds"] < said[task]["seconds"]:
                said[task] = answer
            return float(answer["seconds"])

        seconds = best_of_turns(
            {
                **{f"lm-eval {task}": partial(ask, task) for task in tasks},
                "secateur letters": lambda: seconds_of(lambda: ours(subject, ())),
                "secateur letters and five answers": lambda: seconds_of(lambda: ours(subject, SEEDS)),
            },
            options.turns,
        )
    n = len(subject.items)
    assert all(answer["items"] == n for answer in said.values())
    rates = {name: n / spent for name, spent in seconds.items()}
    within = {task: n / answer["seconds_in_backend"] for task, answer in said.items()}
    letters = rates["secateur letters"]
    result = {
        "lm_eval": said["letters"]["version"],
        "its_torch": said["letters"]["torch"],
        "items": n,
        "trials_items_per_second": trials,
        "best_batch": best_batch,
        "items_per_second": rates,
        "items_per_second_within_its_backend": within,
        "letters_times_lm_eval": letters / rates["lm-eval letters"],
        "letters_times_its_backend": letters / within["letters"],
        "agreement": agreement(subject, ours(subject, ()), said["letters"]["loglikelihoods"]),
    }
    if bbq:
        whole = rates["secateur letters and five answers"]
        result |= {
            "letters_times_its_bbq": letters / rates["lm-eval bbq"],
            "full_records_times_its_bbq": whole / rates["lm-eval bbq"],
            "full_records_times_its_backend_on_bbq": whole / within["bbq"],
        }
    return result


def trial(peer: Peer, task: str, batch: int | str) -> float:
    """Items per second at a batch size, on a few items."""
    answer = peer.ask({"task": task, "batch": batch, "items": TRIAL_ITEMS})
    return float(answer["items"] / answer["seconds"])


def ours(subject: Subject, seeds: tuple[int, ...]) -> list[Response]:
    """Secateur's answers, from items to responses."""
    return list(subject.backend(TreeBackend).answer(subject.requests(seeds)))


def agreement(subject: Subject, responses: Sequence[Response], theirs: list[list[float]]) -> dict[str, float]:
    """How far the letters' log-probabilities differ, renormalised over the three; how often the best is the same."""
    by_item = {response.item: response.letters for response in responses}
    mine = renormalised(np.array([by_item[item.key] for item in subject.items]))
    other = renormalised(np.array(theirs))
    return {
        "largest_difference_nats": float(np.abs(mine - other).max()),
        "same_best_letter": float((mine.argmax(1) == other.argmax(1)).mean()),
    }


def renormalised(logprobs: np.ndarray) -> np.ndarray:
    """Shapes: [items, 3] -> [items, 3]."""
    return logprobs - np.logaddexp.reduce(logprobs, axis=1, keepdims=True)


PEERS = {"lm-eval": lm_eval}

if __name__ == "__main__":
    main()
