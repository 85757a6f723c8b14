"""A toy of any family for benchmarks: a little grammar, and letters for answers, so that answers stop early."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - the field's usual name

from secateur.items.corpora import PACKAGED, load_corpus
from secateur.items.item import Item
from secateur.items.orders import ALL_ORDERS
from secateur.items.prompts import LETTERS_V1
from secateur.models.chat import ChatPrompts
from secateur.models.checkpoint import Checkpoint
from secateur.models.loading import LoadedModel, load_model
from secateur.models.tiny import build_tiny_model
from secateur.randomness import Domain, bits

_STEPS = 250
_ROWS, _LENGTH = 16, 64  # text in each training step
_PROMPTS = 8  # questions in each training step
_RATE = 3e-3
_SHAPE: dict[str, Any] = {"hidden_size": 96, "intermediate_size": 192, "initializer_range": 0.05}


def build_toy_model(
    folder: Path, items: Sequence[Item], *, family: str = "llama", steps: int = _STEPS, **shape: int
) -> Path:
    """Build a small model and train it briefly to write plain text and to answer with a letter.

    Args:
        folder: Where it is saved, unless it is there already; it appears last, so a killed build leaves no half model.
        items: Whose prompts it practises on.
        family: A name in ``FAMILIES``.
        steps: Training steps.
        shape: Fields of the model's config that replace the toy's.
    """
    if folder.exists():
        return folder
    documents = list(load_corpus(PACKAGED, base=Path(), offline=True).documents)
    texts = [*documents, *(LETTERS_V1.messages(item, ALL_ORDERS[0])[1] for item in items)]
    start = folder.with_name(folder.name + ".unfinished")
    build_tiny_model(start, family=family, texts=texts, **(_SHAPE | shape))
    loaded = load_model(Checkpoint(start, str(start)))
    _train(loaded, documents, items, steps)
    loaded.model.save_pretrained(start)
    start.replace(folder)
    return folder


def _train(loaded: LoadedModel, documents: list[str], items: Sequence[Item], steps: int) -> None:
    """Next-token loss on the corpus, and on the letter of an answer (the right one's, six times in ten)."""
    text = torch.tensor([i for d in documents for i in loaded.tokenizer(d).input_ids])
    prompts = ChatPrompts(loaded.tokenizer, LETTERS_V1)
    where, which, whether, how = (
        _drawn(len(text) - _LENGTH - 1),
        _drawn(len(items)),
        _drawn(10),
        _drawn(len(ALL_ORDERS)),
    )
    model: torch.nn.Module = loaded.model
    model.train().requires_grad_(True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=_RATE, total_steps=steps)
    for _ in range(steps):
        rows = torch.stack([text[(s := next(where)) : s + _LENGTH + 1] for _ in range(_ROWS)])
        asked = [(items[next(which)], ALL_ORDERS[next(how)]) for _ in range(_PROMPTS)]
        answers = [item.label if next(whether) < 6 else (item.label + 1) % 3 for item, _ in asked]
        questions = prompts.tokens([prompts.text(item, order) for item, order in asked])
        letters = [prompts.letter_tokens[order.index(str(a))] for (_, order), a in zip(asked, answers, strict=True)]
        loss = _next_token_loss(model, rows[:, :-1], rows[:, 1:])
        loss = loss + _next_token_loss(model, *_answered(questions, letters, loaded.tokenizer.eos_token_id))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    model.eval().requires_grad_(False)


def _answered(
    questions: Sequence[tuple[int, ...]], letters: Sequence[int], end: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Prompts with their letter, padded at the end, and targets that count only letter and end token.

    Shapes: -> tokens, targets [questions, longest + 1].
    """
    longest = max(map(len, questions))
    tokens = torch.full((len(questions), longest + 1), end)
    targets = torch.full_like(tokens, -100)
    for row, (question, letter) in enumerate(zip(questions, letters, strict=True)):
        n = len(question)
        tokens[row, : n + 1] = torch.tensor([*question, letter])
        targets[row, n - 1 : n + 1] = torch.tensor([letter, end])
    return tokens, targets


def _next_token_loss(model: Callable[..., object], tokens: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    logits: torch.Tensor = model(input_ids=tokens, use_cache=False).logits  # type: ignore[attr-defined]
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-100)


def _drawn(below: int) -> Iterator[int]:
    """Endless whole numbers from 0 to ``below`` - 1, the same in every run."""
    words = bits(Domain.CALIBRATION, 0, "demo", below)
    while True:
        yield int(words.random_raw() % below)
