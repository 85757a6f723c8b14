"""Tiny real models, made once per test session, and texts to train their tokenizers on."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from secateur.inference.backend import Request
from secateur.items.item import Condition, Item, ItemSet, Option, Polarity, Role
from secateur.items.planted import load_planted
from secateur.models.chat import ChatPrompts
from secateur.models.checkpoint import Checkpoint
from secateur.models.families import FAMILIES
from secateur.models.loading import LoadedModel, load_model
from secateur.models.tiny import CHAT_TEMPLATE, build_tiny_model

ALL_FAMILIES = sorted(FAMILIES)

TEXTS = [
    "The baker and the miller met at the gate. Who had forgotten the key? A) The baker B) The miller C) Not known",
    "In the morning the tide came in and the boats rose. Answer: with only the letter of the correct option.",
] * 20


@cache
def tiny_folder(family: str, chat_template: str | None = CHAT_TEMPLATE) -> Path:
    """A saved tiny model; shared, so tests must not write there."""
    folder = Path(mkdtemp(prefix=f"tiny-{family}-"))
    return build_tiny_model(folder, family=family, texts=TEXTS, chat_template=chat_template)


def tiny_checkpoint(family: str) -> Checkpoint:
    folder = tiny_folder(family)
    return Checkpoint(folder, str(folder))


def tiny_model(family: str) -> LoadedModel:
    """A fresh copy in memory, to be changed at will."""
    return load_model(tiny_checkpoint(family))


def planted_requests(prompts: ChatPrompts, seeds: tuple[int, ...]) -> list[Request]:
    """The first planted items in three orders, as a cell asks them: in the order of their tokens."""
    work = [(item, order) for item in load_planted().items[:24] for order in ("012", "120", "201")]
    tokens = prompts.tokens([prompts.text(item, order) for item, order in work])
    requests = [Request(i.key, order, ids, seeds=seeds) for (i, order), ids in zip(work, tokens, strict=True)]
    return sorted(requests, key=lambda request: request.tokens)


def make_item(number: int = 0, **changes: object) -> Item:
    fields: dict[str, object] = {
        "benchmark": "made-up",
        "category": "Trades",
        "example_id": str(number),
        "question_index": "1",
        "polarity": Polarity.NEG,
        "condition": Condition.AMBIG,
        "context": f"The baker and the miller met at gate {number}" + " by the river" * (number % 5) + ".",
        "question": "Who had forgotten the key?",
        "options": (
            Option("The baker", "baker", Role.STEREOTYPE),
            Option("The miller", "miller", Role.COUNTER),
            Option("Not known", "unknown", Role.UNKNOWN),
        ),
        "label": 2,
        "cluster": "Trades/1",
        "role_source": "test",
    }
    return Item(**(fields | changes))  # type: ignore[arg-type]


def make_items(n: int) -> ItemSet:
    return ItemSet("made-up", tuple(make_item(number) for number in range(n)))
