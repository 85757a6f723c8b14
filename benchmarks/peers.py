"""Secateur against the tools one would otherwise use, on the same model and the same questions.

    python benchmarks/peers.py --bbq FOLDER [--peer lm-eval] [--peer llm-compressor] [--items 256] [--threads N]
        [--out peers.json]

A quarter of an hour on two cores, and before the first run some minutes more for the peers' environments (made under
``--work``). Prints ratios and writes JSON.

**lm-evaluation-harness**, backend ``hf``, at the batch size of 1, 4, 8, 16, 32 and ``auto`` that is best for it:

- *letters*: the three letters after the very same prompts, in both tools.
- *rotations*: the same with every item's options in three orders, as Secateur reads letters unless told otherwise.
- *bbq*: its own BBQ task, log-likelihoods of twelve options an item (two groups, ten ways of saying unknown), against
  Secateur's letters alone and against its full set of records: letters and five sampled answers.

Float32, the same threads, the same version of torch where the peer allows it. Secateur's process keeps freed memory and
multiplies by oneDNN on processors where that is faster, as its commands do; the peers run as they come. Loading a model
is not timed on either side; making prompts, tokenizing and everything else that an item costs is. Contenders take
turns, and the best turn counts. What could be called unfair:

- The harness is given finished prompts; Secateur renders the chat template within its time. The harness's time
  includes its bookkeeping and metrics, so the time within its backend, which is less, stands beside.
- Items are asked in file order, as a study asks them, and neighbours share their beginnings. A random choice of items
  would share less. The harness does not look for shared beginnings, but it asks for three letters in one pass.
- Twelve options and three letters are different questions to a model. That ratio compares what an item costs, not the
  same numbers computed twice; the ratio for letters does, and how far the two agree is measured.
- Where a prompt ends in white space, the harness counts that token to the answer. It adds the same to all letters, so
  they are compared after renormalising over the three.

**llm-compressor**, ``WandaPruningModifier`` in its sequential pipeline, at the batch size of 1, 8 and 32 that is best
for it, against Secateur's Wanda, both propagated: the random model, the same 32 x 256 calibration tokens, seven levels.
Each level is a run of its own in both. Neither loading the model nor getting the dense weights back between levels is
timed. What could be called unfair:

- It wants an older transformers than Secateur's, and both run the model's own blocks by it.
- Secateur's time includes checking and hashing every mask, which llm-compressor does not do.
- Both read the tokens twice a block, and that grows with the calibration; llm-compressor's tracing of the model and its
  sort of every row do not. With fewer tokens the ratio is larger, with more it is smaller.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from measuring import best_of_turns, load_average, say, seconds_of
from peer_process import Peer, peer_python, thread_limits
from secateur.compression.dense import restore_dense
from secateur.compression.realise import Realisation, realise
from secateur.compression.recipe import recipe
from secateur.inference.backend import Response
from secateur.inference.tree_backend import TreeBackend
from secateur.items.corpora import PACKAGED, calibration_digest, calibration_sequences, load_corpus
from secateur.items.item import Item
from secateur.items.orders import ORDERS
from secateur.models.families import all_linears
from secateur.models.loading import LoadedModel, begin_token
from secateur.models.memory import keep_freed_memory
from secateur.study.plan import tokenize_with
from subjects import ORDER, SEEDS, Subject, bbq_items, both_subjects, random_llama

BATCHES = (1, 4, 8, 16, 32, "auto")
TRIAL_ITEMS = 64
TOLERANCE = 1e-3
"""Nats by which two tools' letters may differ; beyond that they do not compute the same, and no ratio is given."""
LEVELS = ("0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7")
COMPARED = "0.5"
CALIBRATION = (32, 256)
"""Sequences and tokens in each."""
WANDA_BATCHES = (1, 8, 32)
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
    keep_freed_memory()  # as the commands do that ask a model
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
        "prompts": {"letters": subject.texts(), "rotations": subject.texts(ORDERS["rotations"])},
        "letters": [spelling + letter for letter in "ABC"],
        "bbq": bbq and str(bbq.absolute()),
    }
    tasks = ["letters", "rotations", *(["bbq"] if bbq else [])]
    log = options.work / "lm-eval.log"
    with Peer(python, "peer_lm_eval.py", threads=options.threads, log=log, first=first) as peer:
        tried = [task for task in tasks if task != "rotations"]
        trials = {task: {str(batch): trial(peer, task, batch) for batch in BATCHES} for task in tried}
        best_batch = {task: max(rates, key=rates.__getitem__) for task, rates in trials.items()}
        best_batch["rotations"] = best_batch["letters"]
        said: dict[str, dict[str, Any]] = {}

        def ask(task: str) -> float:
            answer = peer.ask({"task": task, "batch": best_batch[task]})
            if task not in said or answer["seconds"] < said[task]["seconds"]:
                said[task] = answer
            return float(answer["seconds"])

        seconds = best_of_turns(
            {
                **{f"lm-eval {task}": partial(ask, task) for task in tasks},
                "secateur letters": lambda: seconds_of(lambda: ours(subject)),
                "secateur rotations": lambda: seconds_of(lambda: ours(subject, orders=ORDERS["rotations"])),
                "secateur letters and five answers": lambda: seconds_of(lambda: ours(subject, SEEDS)),
            },
            options.turns,
        )
    n = len(subject.items)
    assert {task: answer["documents"] for task, answer in said.items()} == {
        task: 3 * n if task == "rotations" else n for task in tasks
    }
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
        "rotations_times_lm_eval": rates["secateur rotations"] / rates["lm-eval rotations"],
        "agreement": agreement(subject, ours(subject), said["letters"]["loglikelihoods"]),
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
    return float(answer["documents"] / answer["seconds"])


def ours(subject: Subject, seeds: tuple[int, ...] = (), orders: Sequence[str] = (ORDER,)) -> list[Response]:
    """Secateur's answers, from items to responses."""
    return list(subject.backend(TreeBackend).answer(subject.requests(seeds, orders)))


def agreement(subject: Subject, responses: Sequence[Response], theirs: list[list[float]]) -> dict[str, float]:
    """How far the letters' log-probabilities differ, renormalised over the three; how often the best is the same."""
    by_item = {response.item: response.letters for response in responses}
    mine = renormalised(np.array([by_item[item.key] for item in subject.items]))
    other = renormalised(np.array(theirs))
    largest = float(np.abs(mine - other).max())
    if not largest <= TOLERANCE:
        raise SystemExit(f"the letters' log-probabilities differ by {largest:.3g} nats, more than {TOLERANCE}")
    return {
        "largest_difference_nats": largest,
        "same_best_letter": float((mine.argmax(1) == other.argmax(1)).mean()),
    }


def renormalised(logprobs: np.ndarray) -> np.ndarray:
    """Shapes: [items, 3] -> [items, 3]."""
    return logprobs - np.logaddexp.reduce(logprobs, axis=1, keepdims=True)


def llm_compressor(options: argparse.Namespace) -> dict[str, Any]:
    """Seconds a level of llm-compressor's Wanda and of Secateur's, and whether they remove the same weights."""
    python = peer_python(options.work / "llm-compressor.venv", ["llmcompressor==0.14.0.1"], constrained=False)
    loaded = random_llama(options.work / "llama-36m", bbq_items(options.bbq))
    sequences = calibration(loaded, *CALIBRATION)
    first = {
        "model": str(loaded.checkpoint.folder),
        "sequences": sequences,
        "layers": [name for name, _ in all_linears(loaded.model, loaded.family)],
    }
    masks = options.work / "llm-compressor-masks.npz"
    said: dict[str, dict[str, Any]] = {}
    with Peer(
        python,
        "peer_llm_compressor.py",
        threads=options.threads,
        log=options.work / "llm-compressor.log",
        first=first,
    ) as peer:
        trials = {batch: peer.ask({"level": 0.5, "batch": batch})["seconds"] for batch in WANDA_BATCHES}
        best_batch = min(trials, key=trials.__getitem__)

        def theirs(level: str) -> float:
            order = {"level": float(level), "batch": best_batch}
            said[level] = peer.ask(order | {"masks": str(masks.absolute())} if level == COMPARED else order)
            return float(said[level]["seconds"])

        made: dict[str, Realisation] = {}
        kept: dict[str, np.ndarray] = {}

        def prune(level: str) -> float:
            planned = recipe("wanda", level, calibration=calibration_digest(sequences))
            begun = time.perf_counter()
            made[level] = realise(loaded, planned, sequences=sequences)
            seconds = time.perf_counter() - begun
            if level == COMPARED:
                kept.update(
                    {name: linear.weight.numpy() != 0 for name, linear in all_linears(loaded.model, loaded.family)}
                )
            restore_dense(loaded)
            return seconds

        contenders: dict[str, Callable[[], float]] = {}
        for level in LEVELS:
            contenders[f"llm-compressor {level}"] = partial(theirs, level)
            contenders[f"secateur {level}"] = partial(prune, level)
        seconds = best_of_turns(contenders, min(2, options.turns))
    per_level = {level: seconds[f"llm-compressor {level}"] / seconds[f"secateur {level}"] for level in LEVELS}
    peer_total, total = (sum(seconds[f"{tool} {level}"] for level in LEVELS) for tool in ("llm-compressor", "secateur"))
    return {
        **{fact: said[COMPARED][fact] for fact in ("version", "torch", "transformers")},
        "calibration": list(CALIBRATION),
        "trials_seconds": trials,
        "best_batch": best_batch,
        "seconds": seconds,
        "times_llm_compressor": per_level,
        "times_llm_compressor_all_levels": peer_total / total,
        "achieved_sparsity": {
            level: {"llm-compressor": said[level]["achieved_sparsity"], "secateur": made[level].achieved_sparsity}
            for level in LEVELS
        },
        f"equal_mask_bits_at_{COMPARED}": equal_bits(masks, kept),
    }


def calibration(loaded: LoadedModel, sequences: int, length: int) -> list[tuple[int, ...]]:
    """Token ids from the corpus that ships."""
    return calibration_sequences(
        load_corpus(PACKAGED, base=Path(), offline=True),
        tokenize_with(loaded.tokenizer),
        sequences=sequences,
        length=length,
        seed=0,
        bos=begin_token(loaded.tokenizer),
    )


def equal_bits(theirs: Path, ours: Mapping[str, np.ndarray]) -> float:
    """Share of weights that both keep or both remove. Shapes: each of ours, by layer, bool [o, i]."""
    equal, total = 0, 0
    with np.load(theirs) as masks:
        for layer, kept in ours.items():
            equal += kept.size - int(np.bitwise_count(masks[layer] ^ np.packbits(kept)).sum())
            total += kept.size
    return equal / total


PEERS = {"lm-eval": lm_eval, "llm-compressor": llm_compressor}

if __name__ == "__main__":
    main()
