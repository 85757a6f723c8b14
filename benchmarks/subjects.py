"""Models and the questions they are asked, for the benchmarks that compare speeds.

Two subjects: Llama-shaped with about 36 million random weights, whose tokenizer is trained on the prompts, asked BBQ
items in file order (a random choice would hide what prompts share); and the planted model that ships, asked its own
items, because a model that answers stops early and a random one does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from secateur.inference.backend import Decoding, Request
from secateur.inference.runner import in_cell_order
from secateur.inference.torch_backend import TorchBackend
from secateur.items.benchmarks import BENCHMARKS
from secateur.items.item import Item
from secateur.items.prompts import LETTERS_V1
from secateur.models.chat import ChatPrompts
from secateur.models.checkpoint import Checkpoint, find_checkpoint
from secateur.models.loading import LoadedModel, load_model, stop_tokens
from secateur.models.tiny import build_tiny_model

SEEDS = (42, 123, 456, 789, 1024)
TEMPERATURE, NEW_TOKENS, BUDGET = 0.3, 5, 16384
ORDER = "012"
SHAPE = {"hidden_size": 512, "intermediate_size": 1536, "num_hidden_layers": 10, "num_key_value_heads": 8}


@dataclass
class Subject:
    """A model and the items it is asked about."""

    loaded: LoadedModel
    items: Sequence[Item]

    def __post_init__(self) -> None:
        self.prompts = ChatPrompts(self.loaded.tokenizer, LETTERS_V1)
        self.decoding = Decoding(TEMPERATURE, NEW_TOKENS, stop_tokens(self.loaded.checkpoint, self.loaded.tokenizer))

    def texts(self, orders: Sequence[str] = (ORDER,)) -> list[str]:
        """Every item's prompts, markup included."""
        return [self.prompts.text(item, order) for item in self.items for order in orders]

    def requests(self, seeds: tuple[int, ...] = SEEDS, orders: Sequence[str] = (ORDER,)) -> list[Request]:
        """The items as a cell asks them: in every order the letters, and an answer for every seed."""
        tokens = self.prompts.tokens(self.texts(orders))
        work = [(item, order) for item in self.items for order in orders]
        asked = [Request(i.key, order, ids, seeds=seeds) for (i, order), ids in zip(work, tokens, strict=True)]
        return in_cell_order(asked)

    def backend(self, kind: type[TorchBackend], token_budget: int = BUDGET) -> TorchBackend:
        """A backend of this kind for the model."""
        return kind(self.loaded, letters=self.prompts.letter_tokens, decoding=self.decoding, token_budget=token_budget)


def bbq_items(folder: Path) -> tuple[Item, ...]:
    """All BBQ items in file order."""
    return BENCHMARKS["bbq"].load(folder, None).items


def random_llama(folder: Path, bbq: Sequence[Item]) -> LoadedModel:
    """The random model; built in ``folder`` if it is not there."""
    if not folder.exists():
        texts = ["\n".join(LETTERS_V1.messages(item, ORDER)) for item in bbq[::20]]
        build_tiny_model(folder, family="llama", texts=texts, vocabulary=8192, num_attention_heads=8, **SHAPE)
    return load_model(Checkpoint(folder, "random"))


def both_subjects(folder: Path, bbq: Sequence[Item], n_items: int) -> dict[str, Subject]:
    """The random model and the planted one, with their first items.

    Args:
        folder: Where the random model is kept.
        bbq: All BBQ items.
        n_items: How many each is asked about.
    """
    planted = load_model(find_checkpoint("planted", revision=None, offline=True))
    return {
        "random weights, BBQ": Subject(random_llama(folder / "llama-36m", bbq), bbq[:n_items]),
        "planted": Subject(planted, BENCHMARKS["planted"].load(None, None).items[:n_items]),
    }
