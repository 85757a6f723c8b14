"""Answers per second against plain `generate` loops, and how near the tree backend comes to the machine's own rate.

    python benchmarks/speed.py --bbq FOLDER [--items 256] [--loop-items 8] [--threads N] [--out speed.json]

Two models: Llama-shaped with about 36 million random weights, whose tokenizer is trained on the prompts, asked BBQ
items in file order (a random choice would hide what prompts share); and the planted model that ships, asked its own
items, because a model that answers stops early and a random one does not. Every contender gives the same records:
five sampled answers an item in one order. The loops use few items, since they are slow. Contenders take turns, twice;
the better time counts. Prints ratios and writes JSON.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from secateur.inference.backend import Decoding, Request
from secateur.inference.prefix_tree import trees
from secateur.inference.runner import in_cell_order
from secateur.inference.torch_backend import TorchBackend
from secateur.inference.tree_backend import TREE_NODES, TreeBackend
from secateur.items.benchmarks import BENCHMARKS
from secateur.items.item import Item
from secateur.items.prompts import LETTERS_V1
from secateur.models.chat import ChatPrompts
from secateur.models.checkpoint import Checkpoint, find_checkpoint
from secateur.models.families import all_linears
from secateur.models.loading import LoadedModel, load_model, stop_tokens
from secateur.models.tiny import build_tiny_model

SEEDS = (42, 123, 456, 789, 1024)
TEMPERATURE, NEW_TOKENS, BATCH, BUDGET = 0.3, 5, 32, 16384
SHAPE = {"hidden_size": 512, "intermediate_size": 1536, "num_hidden_layers": 10, "num_key_value_heads": 8}


@dataclass
class Subject:
    """A model and the questions it is asked."""

    loaded: LoadedModel
    items: Sequence[Item]

    def __post_init__(self) -> None:
        self.prompts = ChatPrompts(self.loaded.tokenizer, LETTERS_V1)
        self.texts = [self.prompts.text(item, "012") for item in self.items]
        tokens = self.prompts.tokens(self.texts)
        asked = [Request(i.key, "012", ids, seeds=SEEDS) for i, ids in zip(self.items, tokens, strict=True)]
        self.requests = in_cell_order(asked)
        self.decoding = Decoding(TEMPERATURE, NEW_TOKENS, stop_tokens(self.loaded.checkpoint, self.loaded.tokenizer))

    def backend(self, kind: type[TorchBackend]) -> Callable[[], None]:
        made = kind(self.loaded, letters=self.prompts.letter_tokens, decoding=self.decoding, token_budget=BUDGET)
        return lambda: [None for _ in made.answer(self.requests)] and None

    def loop(self, n: int) -> None:
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
        tokenizer: Any = self.loaded.tokenizer
        tokenizer.pad_token = tokenizer.eos_token
        inputs = tokenizer(texts, return_tensors="pt", padding=True, padding_side="left", add_special_tokens=False)
        made = self.loaded.model.generate(
            input_ids=inputs.input_ids,
            attention_mask=inputs.attention_mask,
            do_sample=True,
            temperature=TEMPERATURE,
            top_k=0,
            max_new_tokens=NEW_TOKENS,
            num_return_sequences=answers,
            eos_token_id=list(self.decoding.stop_tokens),
            pad_token_id=tokenizer.eos_token_id,
        )
        tokenizer.batch_decode(made[:, inputs.input_ids.shape[1] :])

    def work(self) -> tuple[int, int, float]:
        """Prompt tokens, tokens left after sharing, and the operations that reading those once takes.

        Operations are those of the linears, of attention to a token's own prompt, and of the head where letters are
        read; norms, activations and the rest are not counted.
        """
        whole = sum(len(request.tokens) for request in self.requests)
        cut = list(trees(self.requests, min(TREE_NODES, BUDGET)))
        left = sum(map(len, cut))
        seen = sum(int((tree.depths + 1).sum()) for tree in cut)
        read = sum(len(set(tree.ends.tolist())) for tree in cut)
        config = self.loaded.model.config
        weights = sum(linear.weight.numel() for _, linear in all_linears(self.loaded.model, self.loaded.family))
        attended = 4.0 * seen * config.hidden_size * config.num_hidden_layers
        return whole, left, 2.0 * (weights * left + config.hidden_size * config.vocab_size * read) + attended


def ceiling(width: int, wide: int, rows: int) -> float:
    """Operations per second of the matrix product the model's MLP is made of, the best of several."""
    a, b = torch.randn(rows, width), torch.randn(wide, width)
    best = float("inf")
    for _ in range(30):
        begun = time.perf_counter()
        torch.nn.functional.linear(a, b)
        best = min(best, time.perf_counter() - begun)
    return 2.0 * rows * width * wide / best


def measure(subject: Subject, loop_items: int) -> dict[str, Any]:
    """Items per second of every contender, and what the tree backend makes of the machine."""
    n = len(subject.items)
    contenders: dict[str, tuple[int, Callable[[], None]]] = {
        "generate, a record at a time": (loop_items, lambda: subject.loop(loop_items)),
        "generate, batches of 32": (min(n, 4 * BATCH), lambda: subject.batched(min(n, 4 * BATCH))),
        "torch": (n, subject.backend(TorchBackend)),
        "torch-tree": (n, subject.backend(TreeBackend)),
    }
    rates: dict[str, float] = {}
    for _ in range(2):
        for name, (items, run) in contenders.items():
            begun = time.perf_counter()
            run()
            rates[name] = max(rates.get(name, 0.0), items / (time.perf_counter() - begun))
    one_token = Subject(subject.loaded, subject.items)
    one_token.requests = [Request(r.item, r.order, r.tokens) for r in subject.requests]
    run, seconds = one_token.backend(TreeBackend), float("inf")
    for _ in range(2):
        begun = time.perf_counter()
        run()
        seconds = min(seconds, time.perf_counter() - begun)
    whole, left, operations = subject.work()
    config = subject.loaded.model.config
    peak = ceiling(config.hidden_size, config.intermediate_size, 1024)
    first = rates["generate, a record at a time"]
    return {
        "items": n,
        "prompt_tokens": whole,
        "tokens_after_sharing": left,
        "items_per_second": rates,
        "times_the_loop": {name: rate / first for name, rate in rates.items()},
        "letters_only_items_per_second": n / seconds,
        "gflops": operations / seconds / 1e9,
        "ceiling_gflops": peak / 1e9,
        "share_of_ceiling": operations / seconds / peak,
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
    bbq = BENCHMARKS["bbq"].load(options.bbq, None).items
    folder = options.models / "llama-36m"
    if not folder.exists():
        texts = ["\n".join(LETTERS_V1.messages(item, "012")) for item in bbq[::20]]
        build_tiny_model(folder, family="llama", texts=texts, vocabulary=8192, num_attention_heads=8, **SHAPE)
    subjects = {
        "random weights, BBQ": Subject(load_model(Checkpoint(folder, "random")), bbq[: options.items]),
        "planted": Subject(
            load_model(find_checkpoint("planted", revision=None, offline=True)),
            BENCHMARKS["planted"].load(None, None).items[: options.items],
        ),
    }
    found = {name: measure(subject, options.loop_items) for name, subject in subjects.items()}
    text = json.dumps({"threads": options.threads, "torch": torch.__version__, "models": found}, indent=2)
    print(text)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
