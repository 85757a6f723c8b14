"""Files as the published pipeline writes them, from items and made-up answers that are known."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.reference.parser_pia import pia

from secateur.items.item import Item, Role

SEEDS = (42, 123, 456, 789, 1024)
SAID = (
    "A", "B", "C", "A.", "B)", " C", "B) The", "The", "Unknown", "Cannot be determined", "Answer: B",
    "\u00e9t\u00e9 \U0001f600",
)  # fmt: skip


def parse(text):
    return pia(text)


def record(item: Item, *, model="acme-2b", method="dense", sparsity=0, seed=42, text="B", **changes):
    """One record of an item whose roles are known, as a dictionary; ``changes`` replace fields."""
    roles = [option.role for option in item.options]
    known = [place for place, role in enumerate(roles) if role is not Role.UNKNOWN]
    stereotype = roles.index(Role.STEREOTYPE) if Role.STEREOTYPE in roles else known[0]
    return {
        "model": model,
        "prune_method": method,
        "sparsity": sparsity,
        "item_id": int(item.example_id),
        "category": item.category.lower(),
        "seed": seed,
        "raw_response": text,
        "parsed_answer": parse(text),
        "stereotype_target_index": stereotype,
        "anti_stereotype_target_index": next(place for place in known if place != stereotype),
        "unknown_index": roles.index(Role.UNKNOWN),
        "elapsed_s": 0.25,
    } | changes


def answers(
    items: Iterable[Item],
    *,
    model="acme-2b",
    method="dense",
    sparsity=0,
    seeds: Sequence[int] = SEEDS,
    draws: int = 0,
):
    """Records of one configuration, item by item as the pipeline writes them, with drawn texts and times."""
    drawn = random.Random(f"{draws} {model} {method} {sparsity}")
    for item in items:
        for seed in seeds:
            text = drawn.choices(SAID, weights=(20, 20, 20, *[2] * (len(SAID) - 3)))[0]
            elapsed = round(drawn.uniform(0.1, 0.5), 4)
            yield record(item, model=model, method=method, sparsity=sparsity, seed=seed, text=text, elapsed_s=elapsed)


def lines(records) -> str:
    return "".join(json.dumps(one) + "\n" for one in records)


def write(path: Path, records) -> Path:
    path.write_text(lines(records), encoding="utf-8")
    return path
