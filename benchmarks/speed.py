"""Answers per second against plain `generate` loops, and how near the tree backend comes to the machine's own rate.

    python benchmarks/speed.py --bbq FOLDER [--items 256] [--loop-items 8] [--threads N] [--out speed.json]

Two models: Llama-shaped with about 36 million random weights, whose tokenizer is trained on the prompts, asked BBQ
items in file order (a random choice would hide what prompts share); and the planted model that ships, asked its own
items, because a model that answers stops early and a random one does not. Every contender gives five sampled answers
an item in one order; ours give the letters too, which the loops do not. The loops use few items, since they are slow.
Contenders take turns, twice; the better time counts. Prints ratios and writes JSON.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM

from measuring import best_of_turns, say, seconds_of
from secateur.inference.backend import Request
from secateur.inference.prefix_tree import trees
from secateur.inference.torch_backend import TorchBackend
from secateur.inference.tree_backend import TreeBackend, tree_nodes
from secateur.models.families import linears_by_block
from secateur.models.loading import LoadedModel
from secateur.models.memory import keep_freed_memory
from secateur.models.products import fast_linear
from subjects import BUDGET, NEW_TOKENS, SEEDS, TEMPERATURE, Subject, bbq_items, both_subjects

BATCH = 32
BEFORE_ATTENTION = ("q_proj", "k_proj", "v_proj", "qkv_proj", "query_key_value")
"""How linears end whose outputs attention takes."""


class Loops:
    """Plain ``generate`` over a subject's prompts."""

    def __init__(self, subject: Subject) -> None:
        self.tokenizer, self.texts = subject.loaded.tokenizer, subject.texts()
        self.stop_tokens = subject.decoding.stop_tokens
        # A model of its own, as transformers loads it.
        load: Any = AutoModelForCausalLM.from_pretrained
        self.model = load(subject.loaded.checkpoint.folder, dtype=subject.loaded.dtype).eval()

    def single(self, n: int) -> None:
        """As the published pipeline does: a call of ``generate`` for every record."""
        for text in self.texts[:n]:
            for seed in SEEDS:
                torch.manual_seed(seed)
                self._generate([text], 1)

    def batched(self, n: int) -> None:
        """The same in padded batches, all seeds of a prompt in one call."""
        for start in range(0, n, BATCH):
            self._generate(self.texts[start : min(start + BATCH, n)], len(SEEDS))

    @torch.inference_mode()
    def _generate(self, texts: list[str], answers: int) -> None:
        tokenizer: Any = self.tokenizer
        tokenizer.pad_token = tokenizer.eos_token
        inputs = tokenizer(texts, return_tensors="pt", padding=True, padding_side="left", add_special_tokens=False)
        made = self.model.generate(
            input_ids=inputs.input_ids,
            attention_mask=inputs.attention_mask,
            do_sample=True,
            temperature=TEMPERATURE,
            top_k=0,
            max_new_tokens=NEW_TOKENS,
            num_return_sequences=answers,
            eos_token_id=list(self.stop_tokens),
            pad_token_id=tokenizer.eos_token_id,
        )
        tokenizer.batch_decode(made[:, inputs.input_ids.shape[1] :])


def work(loaded: LoadedModel, requests: Sequence[Request], budget: int = BUDGET) -> tuple[int, int, float]:
    """Prompt tokens, tokens left after sharing, and the operations that reading those once takes.

    Operations are those of the linears, of attention to a token's own prompt, and of the head where letters are read;
    norms, activations and the rest are not counted. What the last block does behind its attention is counted where
    letters are read, because nobody needs it elsewhere.
    """
    whole = sum(len(request.tokens) for request in requests)
    cut = list(trees(requests, tree_nodes(loaded.device, budget)))
    left = sum(map(len, cut))
    seen = sum(int((tree.depths + 1).sum()) for tree in cut)
    read = sum(len(set(tree.ends.tolist())) for tree in cut)
    config = loaded.model.config
    weights_by_rows: Counter[int] = Counter()
    for block in (blocks := list(linears_by_block(loaded.model, loaded.family))):
        for name, linear in block.items():
            late = block is blocks[-1] and not name.endswith(BEFORE_ATTENTION)
            weights_by_rows[read if late else left] += linear.weight.numel()
    products = (
        sum(rows * weights for rows, weights in weights_by_rows.items()) + config.hidden_size * config.vocab_size * read
    )
    width = config.num_attention_heads * (
        getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    )
    attended = 4.0 * seen * width * config.num_hidden_layers
    return whole, left, 2.0 * products + attended


def matrix_products(
    width: int, wide: int, rows: int, *, times: int = 1, device: str = "cpu", dtype: torch.dtype = torch.float32
) -> tuple[float, Callable[[], None]]:
    """Operations of so many products [rows, width] x [width, wide], and a run of them by the faster library."""
    a = torch.randn(rows, width, device=device, dtype=dtype)
    b = torch.randn(wide, width, device=device, dtype=dtype)

    def run() -> None:
        for _ in range(times):
            found = fast_linear(a, b)
        float(found[0, 0])  # reading a value waits for the device

    return 2.0 * rows * width * wide * times, run


def measure(subject: Subject, loop_items: int) -> dict[str, Any]:
    """Items per second of every contender, and what the tree backend makes of the machine."""
    n = len(subject.items)
    requests, letters_only = subject.requests(), subject.requests(seeds=())
    loops, plain, tree = Loops(subject), subject.backend(TorchBackend), subject.backend(TreeBackend)
    contenders: dict[str, tuple[int, Callable[[], object]]] = {
        "generate, a record at a time": (loop_items, lambda: loops.single(loop_items)),
        "generate, batches of 32": (min(n, 4 * BATCH), lambda: loops.batched(min(n, 4 * BATCH))),
        "torch": (n, lambda: list(plain.answer(requests))),
        "torch-tree": (n, lambda: list(tree.answer(requests))),
    }
    best = best_of_turns({name: partial(seconds_of, run) for name, (_, run) in contenders.items()}, turns=2)
    rates = {name: items / best[name] for name, (items, _) in contenders.items()}
    whole, left, operations = work(subject.loaded, requests)
    config = subject.loaded.model.config
    # For as long as a run takes: the rate of a few milliseconds is not what this machine gives for seconds.
    once, _ = matrix_products(config.hidden_size, config.intermediate_size, 1024)
    alone, product = matrix_products(
        config.hidden_size, config.intermediate_size, 1024, times=round(operations / once) + 1
    )
    seconds = best_of_turns(
        {
            "letters": lambda: seconds_of(lambda: list(tree.answer(letters_only))),
            "products": lambda: seconds_of(product),
        },
        turns=4,
    )
    peak = alone / seconds["products"]
    first = rates["generate, a record at a time"]
    return {
        "items": n,
        "prompt_tokens": whole,
        "tokens_after_sharing": left,
        "items_per_second": rates,
        "times_the_loop": {name: rate / first for name, rate in rates.items()},
        "letters_only_items_per_second": n / seconds["letters"],
        "gflops": operations / seconds["letters"] / 1e9,
        "ceiling_gflops": peak / 1e9,
        "share_of_ceiling": operations / seconds["letters"] / peak,
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--bbq", type=Path, required=True)
    arguments.add_argument("--items", type=int, default=256)
    arguments.add_argument("--loop-items", type=int, default=8)
    arguments.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments.add_argument("--models", type=Path, default=Path("out") / "speed", help="where the random model is kept")
    arguments.add_argument("--out", type=Path)
    options = arguments.parse_args()
    torch.set_num_threads(options.threads)
    keep_freed_memory()  # as the commands do that ask a model
    subjects = both_subjects(options.models, bbq_items(options.bbq), options.items)
    found = {name: measure(subject, options.loop_items) for name, subject in subjects.items()}
    say({"threads": options.threads, "torch": torch.__version__, "models": found}, options.out)


if __name__ == "__main__":
    main()
