"""llm-compressor's Wanda as a contender: run by ``peers.py`` with the Python of llm-compressor's own environment."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import datasets
import numpy as np
import torch
from llmcompressor import oneshot
from llmcompressor.modifiers.pruning import WandaPruningModifier
from transformers import AutoModelForCausalLM, AutoTokenizer

from peer_worker import serve


def prepare(order: dict[str, Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Load what every run needs; gives the function that prunes the model to one level."""
    torch.set_num_threads(order["threads"])
    tokenizer = AutoTokenizer.from_pretrained(order["model"])
    ids = order["sequences"]
    calibration = datasets.Dataset.from_dict({"input_ids": ids, "attention_mask": [[1] * len(row) for row in ids]})

    def prune(asked: dict[str, Any]) -> dict[str, Any]:
        model = AutoModelForCausalLM.from_pretrained(order["model"], dtype=torch.float32)
        begun = time.perf_counter()
        oneshot(
            model=model,
            processor=tokenizer,
            dataset=calibration,
            recipe=WandaPruningModifier(sparsity=asked["level"], mask_structure="0:0", ignore=["re:.*lm_head"]),
            num_calibration_samples=len(ids),
            max_seq_length=len(ids[0]),
            shuffle_calibration_samples=False,
            batch_size=asked["batch"],
            pipeline="sequential",
        )
        seconds = time.perf_counter() - begun
        kept = {name: model.get_submodule(name).weight.detach() != 0 for name in order["layers"]}
        if asked.get("masks"):
            np.savez(asked["masks"], **{name: np.packbits(mask.numpy()) for name, mask in kept.items()})
        removed = sum(mask.numel() - int(mask.sum()) for mask in kept.values())
        return {
            "seconds": seconds,
            "achieved_sparsity": removed / sum(mask.numel() for mask in kept.values()),
            "version": version("llmcompressor"),
            "torch": torch.__version__,
            "transformers": version("transformers"),
        }

    return prune


if __name__ == "__main__":
    serve(prepare)
