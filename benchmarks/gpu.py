"""Whole cells of the published study on an accelerator, by models of the published shapes with random weights.

    python benchmarks/gpu.py --bbq FOLDER [--shape mistral-7b ...] [--items 1000] [--out gpu.json]
    python benchmarks/gpu.py --bbq FOLDER --shape tiny --device cpu --items 64

A cell is the dense model's: 12,148 ambiguous items of five categories, the letters and five sampled answers each,
through backend ``torch-tree``. The weights are drawn on the device from the config; nothing is downloaded. A minute or
two for each of the three shapes on a large card: ``--items 1000`` first. Loading and a short warm-up are not timed,
tokenizing is. Where all three are asked, the time of asking the whole study is *extrapolated*: thirteen cells of each.

What is not as in the real study:

- The tokenizer is trained on these prompts, so they have fewer tokens than the real one's would. Tokens are given.
- Random weights make answers long (no end token) and, with the usual random output matrix, make all tokens about
  equally likely, for which drawing is slowest and of which no trained model is an example. The output matrix is
  therefore spread wider, so that few tokens are near the best one; answers still take all five tokens. How many of an
  item's five differ is in the figures: one, where the output matrix is the input matrix too, as Gemma's.
- The share of the card's matrix rate counts what the prompts' distinct tokens need: the blocks' linear layers,
  attention to a token's own prompt, the output matrix where letters are read. Drawn tokens are work that it calls
  waste. The rate is that of products which have the shape of the model's own and go on for seconds.
"""

from __future__ import annotations

import argparse
import gc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM

from measuring import load_average, say, seconds_of
from secateur.inference.backend import Request, Response
from secateur.inference.dtype import fast_dtype
from secateur.inference.runner import CHUNK
from secateur.inference.tree_backend import TreeBackend, tree_nodes
from secateur.items.benchmarks import BENCHMARKS
from secateur.items.item import Condition, Item
from secateur.items.prompts import LETTERS_V1
from secateur.models.checkpoint import Checkpoint
from secateur.models.loading import LoadedModel, check_device, keep_soft_caps, load_tokenizer
from secateur.models.published import PUBLISHED
from secateur.models.tiny import build_tiny_model
from speed import matrix_products, work
from subjects import BUDGET, ORDER, SEEDS, Subject

CATEGORIES = ["Age", "Gender_identity", "Race_ethnicity", "Religion", "SES"]
CELLS = 13
"""Of each model: dense and three methods at four levels."""

WARM_UP = 1024
RATE_SECONDS = 3.0
LOGIT_SPREAD = 6.0
"""Standard deviation of the logits in nats."""

SHAPES: dict[str, dict[str, Any]] = {
    "tiny": {
        "model_type": "mistral",
        "hidden_size": 128,
        "intermediate_size": 384,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 32,
        "vocab_size": 8192,
        "sliding_window": None,
    },
    "mistral-7b": {
        **PUBLISHED["mistralai/Mistral-7B-Instruct-v0.3"],
        "sliding_window": None,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e6},
    },
    "gemma-2-9b": {**PUBLISHED["google/gemma-2-9b-it"], "query_pre_attn_scalar": 256, "sliding_window": 4096},
    "phi-3.5-mini": {**PUBLISHED["microsoft/Phi-3.5-mini-instruct"], "sliding_window": 262144},
}
STUDY = ("mistral-7b", "gemma-2-9b", "phi-3.5-mini")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--bbq", type=Path, required=True)
    arguments.add_argument("--shape", choices=SHAPES, nargs="+", default=list(STUDY))
    arguments.add_argument("--device", default="cuda")
    arguments.add_argument("--items", type=int, help="of the cell's 12,148")
    arguments.add_argument("--token-budget", type=int, default=BUDGET, help="as in a study file")
    arguments.add_argument("--models", type=Path, default=Path("out") / "gpu", help="where tokenizers are kept")
    arguments.add_argument("--out", type=Path)
    options = arguments.parse_args()
    cell = BENCHMARKS["bbq"].load(options.bbq, CATEGORIES).select(conditions=[Condition.AMBIG]).items
    device, n = check_device(options.device), options.items or len(cell)
    found: dict[str, Any] = {
        "device": device_name(device),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "items": n,
        "token_budget": options.token_budget,
        "shapes": {},
    }
    for shape in options.shape:
        loaded = random_model(options.models, SHAPES[shape], cell, options.device)
        found["shapes"][shape] = measure(loaded, cell[:n], options.token_budget)
        del loaded
        gc.collect()
        say(found, options.out)
    if set(found["shapes"]) >= set(STUDY):
        seconds = sum(CELLS * len(cell) / found["shapes"][shape]["items_per_second"] for shape in STUDY)
        say({**found, "extrapolated_hours_of_asking": seconds / 3600}, options.out)


def device_name(device: torch.device) -> str:
    """What the card is called."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def random_model(models: Path, shape: dict[str, Any], items: tuple[Item, ...], device: str) -> LoadedModel:
    """A model of this shape, its weights drawn on the device, with a tokenizer trained on the items' prompts.

    What stands for its checkpoint is a tiny model of the same family, whose tokenizer it is.
    """
    target = check_device(device)
    dtype: torch.dtype = getattr(torch, fast_dtype(device))
    folder = models / str(shape["model_type"])
    if not folder.exists():
        texts = ["\n".join(LETTERS_V1.messages(item, ORDER)) for item in items[::20]]
        build_tiny_model(folder, family=str(shape["model_type"]), texts=texts, vocabulary=SHAPES["tiny"]["vocab_size"])
    checkpoint = Checkpoint(folder, "random")
    tokenizer = load_tokenizer(checkpoint)
    torch.manual_seed(0)
    with target:
        model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**shape), dtype=dtype)
    keep_soft_caps(model)
    model.eval().requires_grad_(False)
    output = model.get_output_embeddings().weight
    # What comes in was normalised to a mean square of 1.
    output.mul_(LOGIT_SPREAD / (float(output.std()) * shape["hidden_size"] ** 0.5))
    return LoadedModel(model, tokenizer, checkpoint, target, dtype)


def measure(loaded: LoadedModel, items: tuple[Item, ...], budget: int) -> dict[str, Any]:
    """Items per second of letters alone and of a whole cell's records, and what the device could have done."""
    n, cuda = len(items), loaded.device.type == "cuda"
    subject, warm_up = Subject(loaded, items), Subject(loaded, items[:WARM_UP])
    backend = subject.backend(TreeBackend, budget)

    def ask(requests: Sequence[Request]) -> list[Response]:
        chunks = (requests[start : start + CHUNK] for start in range(0, len(requests), CHUNK))
        return [response for chunk in chunks for response in backend.answer(chunk)]

    ask(warm_up.requests())
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    answers: list[Response] = []
    letters = seconds_of(lambda: ask(subject.requests(seeds=())))
    whole = seconds_of(lambda: answers.extend(ask(subject.requests())))
    prompt_tokens, left, operations = work(loaded, subject.requests(), budget)
    rate = matrix_rate(loaded)
    return {
        "dtype": str(loaded.dtype).removeprefix("torch."),
        "weights": sum(parameter.numel() for parameter in loaded.model.parameters()),
        "prompt_tokens": prompt_tokens,
        "tokens_after_sharing": left,
        "letters_only_items_per_second": n / letters,
        "items_per_second": n / whole,
        "distinct_answers_per_item": sum(len({s.text for s in answer.samples}) for answer in answers) / n,
        "records_per_second": n * (1 + len(SEEDS)) / whole,
        "matrix_tflops": rate / 1e12,
        "share_of_matrix_rate_letters_only": operations / letters / rate,
        "share_of_matrix_rate": operations / whole / rate,
        "peak_memory_gb": torch.cuda.max_memory_allocated(loaded.device) / 1e9 if cuda else None,
        "load_average_after": load_average(),
    }


def matrix_rate(loaded: LoadedModel) -> float:
    """Operations per second of products of the model's own shape, rows as of a usual tree, for some seconds."""
    config, rows = loaded.model.config, tree_nodes(loaded.device, BUDGET)
    sizes = (config.hidden_size, config.intermediate_size, rows)
    where = {"device": str(loaded.device), "dtype": loaded.dtype}
    _, product = matrix_products(*sizes, times=3, **where)
    product()
    times = max(1, round(3 * RATE_SECONDS / seconds_of(product)))
    operations, product = matrix_products(*sizes, times=times, **where)
    return operations / seconds_of(product)


if __name__ == "__main__":
    main()
