"""One whole cell of the published study on an accelerator, by a model of the published shape with random weights.

    python benchmarks/gpu.py --bbq FOLDER --shape mistral-7b [--device cuda] [--items 12148] [--out gpu.json]
    python benchmarks/gpu.py --bbq FOLDER --shape tiny --device cpu --items 64

A cell is the dense model's: 12,148 ambiguous items of five categories, the letters and five sampled answers each,
through backend ``torch-tree``. The weights are drawn on the device from the config; nothing is downloaded. Minutes,
depending on the card: ``--items 1000`` first. Loading and a short warm-up are not timed, tokenizing is. The time of the
whole study, 39 cells over three models, is *extrapolated*: 39 times this cell, as if all three had this shape.

What is not as in the real study:

- The tokenizer is trained on these prompts, so they have fewer tokens than the real one's would. Tokens are given.
- Random weights make answers long (no end token) and, with the usual random output matrix, make all tokens about
  equally likely, for which drawing is slowest and of which no trained model is an example. The output matrix is
  therefore spread wider, so that few tokens are near the best one; answers still take all five tokens.
- The share of the card's matrix rate counts what the prompts' distinct tokens need: the blocks' linear layers,
  attention to a token's own prompt, the output matrix where letters are read. Drawn tokens are work that it calls
  waste.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from measuring import load_average, say, seconds_of
from secateur.inference.dtype import fast_dtype
from secateur.inference.tree_backend import TreeBackend
from secateur.items.benchmarks import BENCHMARKS
from secateur.items.item import Condition, Item
from secateur.items.prompts import LETTERS_V1
from secateur.models.checkpoint import Checkpoint
from secateur.models.loading import LoadedModel, check_device, load_tokenizer
from secateur.models.published import PUBLISHED
from secateur.models.tiny import build_tiny_model
from speed import ceiling, work
from subjects import ORDER, SEEDS, Subject

CATEGORIES = ["Age", "Gender_identity", "Race_ethnicity", "Religion", "SES"]
CELLS = 39
WARM_UP = 64
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
}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--bbq", type=Path, required=True)
    arguments.add_argument("--shape", choices=SHAPES, required=True)
    arguments.add_argument("--device", default="cuda")
    arguments.add_argument("--items", type=int, help="of the cell's 12,148")
    arguments.add_argument("--models", type=Path, default=Path("out") / "gpu", help="where tokenizers are kept")
    arguments.add_argument("--out", type=Path)
    options = arguments.parse_args()
    cell = BENCHMARKS["bbq"].load(options.bbq, CATEGORIES).select(conditions=[Condition.AMBIG]).items
    loaded = random_model(options.models, SHAPES[options.shape], cell, options.device)
    say({"shape": options.shape, **measure(loaded, cell, options.items or len(cell))}, options.out)


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
    model.eval().requires_grad_(False)
    output = model.get_output_embeddings().weight
    # What comes in was normalised to a mean square of 1.
    output.mul_(LOGIT_SPREAD / (float(output.std()) * shape["hidden_size"] ** 0.5))
    return LoadedModel(model, tokenizer, checkpoint, target, dtype)


def measure(loaded: LoadedModel, cell: tuple[Item, ...], n: int) -> dict[str, Any]:
    """Items per second of letters alone and of a whole cell's records, and what the device could have done."""
    subject, warm_up = Subject(loaded, cell[:n]), Subject(loaded, cell[:WARM_UP])
    backend = subject.backend(TreeBackend)
    list(backend.answer(warm_up.requests()))
    letters = seconds_of(lambda: list(backend.answer(subject.requests(seeds=()))))
    whole = seconds_of(lambda: list(backend.answer(subject.requests())))
    prompt_tokens, left, operations = work(loaded, subject.requests())
    cuda = loaded.device.type == "cuda"
    side = 8192 if cuda else 1024
    rate = ceiling(side, device=str(loaded.device), dtype=loaded.dtype)
    return {
        "device": torch.cuda.get_device_name(loaded.device) if cuda else str(loaded.device),
        "dtype": str(loaded.dtype).removeprefix("torch."),
        "torch": torch.__version__,
        "load_average_after": load_average(),
        "weights": sum(parameter.numel() for parameter in loaded.model.parameters()),
        "items": n,
        "prompt_tokens": prompt_tokens,
        "tokens_after_sharing": left,
        "letters_only_items_per_second": n / letters,
        "items_per_second": n / whole,
        "records_per_second": n * (1 + len(SEEDS)) / whole,
        "matrix_tflops": rate / 1e12,
        "share_of_matrix_rate_letters_only": operations / letters / rate,
        "share_of_matrix_rate": operations / whole / rate,
        "peak_memory_gb": torch.cuda.max_memory_allocated(loaded.device) / 1e9 if cuda else None,
        "extrapolated_hours_of_the_study": CELLS * len(cell) / n * whole / 3600,
    }


if __name__ == "__main__":
    main()
