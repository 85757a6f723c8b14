"""lm-evaluation-harness as a contender: run by ``peers.py`` with the Python of the harness's own environment.

Its ``hf`` backend and its evaluator do all the work. Of two kinds are the tasks: the three letters after the prompts it
is given, and *bbq*, its own task, read from a local file instead of the hub.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import datasets
import lm_eval.tasks
import torch
from lm_eval.evaluator import evaluate
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager

from peer_worker import serve


class TimedBackend(HFLM):
    """The harness's backend, with a clock around the one call that runs the model."""

    seconds = 0.0

    def loglikelihood(self, *args: Any, **kwargs: Any) -> Any:
        begun = time.perf_counter()
        result = super().loglikelihood(*args, **kwargs)
        self.seconds = time.perf_counter() - begun
        return result


def prepare(order: dict[str, Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Load the model and the tasks; gives the function that runs one of them."""
    torch.set_num_threads(order["threads"])
    first = HFLM(pretrained=order["model"], device="cpu", dtype="float32", add_bos_token=False)
    manager = TaskManager()
    tasks = {
        name: manager.load([letters_task(name, prompts, order["letters"])])
        for name, prompts in order["prompts"].items()
    }
    if order["bbq"]:
        tasks["bbq"] = manager.load([bbq_task(order["bbq"])])

    def run(asked: dict[str, Any]) -> dict[str, Any]:
        backend = TimedBackend(
            pretrained=first.model,
            tokenizer=first.tokenizer,
            batch_size=asked["batch"],
            add_bos_token=False if asked["task"] in order["prompts"] else None,  # those prompts carry their own
        )
        begun = time.perf_counter()
        found = evaluate(backend, tasks[asked["task"]], limit=asked.get("items"), bootstrap_iters=0)
        seconds = time.perf_counter() - begun
        (samples,) = found["samples"].values()
        return {
            "seconds": seconds,
            "seconds_in_backend": backend.seconds,
            "documents": len(samples),
            "loglikelihoods": [[value for value, _ in sample["filtered_resps"]] for sample in samples],
            "version": version("lm-eval"),
            "torch": torch.__version__,
        }

    return run


def letters_task(name: str, prompts: list[str], letters: list[str]) -> dict[str, Any]:
    """The prompts as they are, and the letters as their continuations."""

    def documents(**_: Any) -> dict[str, datasets.Dataset]:
        return {"test": datasets.Dataset.from_dict({"prompt": prompts})}

    return {
        "task": name,
        "custom_dataset": documents,
        "test_split": "test",
        "output_type": "multiple_choice",
        "doc_to_text": lambda document: document["prompt"],
        "doc_to_choice": letters,
        "doc_to_target": 0,
        "target_delimiter": "",
        "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
    }


def bbq_task(questions: str) -> str:
    """A task file beside the questions: the harness's own task, told to read them."""
    own = Path(lm_eval.tasks.__file__).parent / "bbq" / "bbq_multiple_choice.yaml"
    local = {"include": str(own), "dataset_path": "json", "dataset_name": None}
    file = Path(questions).with_suffix(".yaml")
    file.write_text(json.dumps(local | {"dataset_kwargs": {"data_files": {"test": questions}}}), encoding="utf-8")
    return str(file)


if __name__ == "__main__":
    serve(prepare)
