"""What a planted model learned: `python -m training.evaluate FOLDER` prints the figures of docs/planted-model.md.

Letter probabilities at temperature 1, renormalised over the three letters, each item in three rotated orders, and
probabilities averaged per role: readout `letter by order` of the product. Intervals are Student's t, once over
templates (25 means in a category: other questions about the same groups) and once over pairs of groups (4 means: other
groups, asked the same).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from secateur.errors import UserError
from secateur.items.item import Condition, Item, Role
from secateur.items.orders import ORDERS, option_at
from secateur.items.planted import CATEGORIES, STRENGTHS, Dice, load_planted, preference
from secateur.items.prompts import LETTERS_V1
from secateur.models.chat import ChatPrompts
from secateur.models.checkpoint import Checkpoint
from secateur.models.loading import LoadedModel, load_model
from training.examples import draw_item, draw_question

_BATCH = 128


@dataclass(frozen=True)
class Answer:
    """What a model makes of an item.

    Args:
        item: The item.
        by_option: Probability of each option, averaged over the orders.
        right: Share of the orders in which the likeliest letter is the right option's.
        mass: Probability that the next token is one of the letters, averaged over the orders.
    """

    item: Item
    by_option: tuple[float, float, float]
    right: float
    mass: float

    def role(self, role: Role) -> float:
        """Probability of the option with this role."""
        return sum(p for p, option in zip(self.by_option, self.item.options, strict=True) if option.role is role)


def ask(loaded: LoadedModel, items: Sequence[Item], orders: Sequence[str] = ORDERS["rotations"]) -> list[Answer]:
    """Ask every item in every order."""
    prompts = ChatPrompts(loaded.tokenizer, LETTERS_V1)
    asked = [(item, order) for item in items for order in orders]
    tokens = prompts.tokens([prompts.text(item, order) for item, order in asked])
    letters = np.empty((len(asked), 3))
    mass = np.empty(len(asked))
    by_length = sorted(range(len(asked)), key=lambda i: len(tokens[i]))
    for start in range(0, len(asked), _BATCH):
        rows = by_length[start : start + _BATCH]
        log_p = _at_answer(loaded, [tokens[i] for i in rows])[:, list(prompts.letter_tokens)]
        mass[rows] = log_p.exp().sum(-1).numpy()
        letters[rows] = log_p.softmax(-1).numpy()
    answers = []
    for number, item in enumerate(items):
        mine = slice(number * len(orders), (number + 1) * len(orders))
        option_of = [[option_at(order, place) for place in range(3)] for order in orders]
        per_option = np.array([p[np.argsort(options)] for p, options in zip(letters[mine], option_of, strict=True)])
        a, b, c = per_option.mean(0).tolist()
        right = float((per_option.argmax(1) == item.label).mean())
        answers.append(Answer(item, (a, b, c), right, float(mass[mine].mean())))
    return answers


@torch.inference_mode()
def _at_answer(loaded: LoadedModel, rows: Sequence[Sequence[int]]) -> Tensor:
    """Log-probabilities of the token after each prompt. Shapes: -> [rows, vocabulary]."""
    tokens = torch.nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True)
    hidden = loaded.model.model(input_ids=tokens, use_cache=False).last_hidden_state
    last = hidden[torch.arange(len(rows)), torch.tensor([len(row) - 1 for row in rows])]
    logits: Tensor = loaded.model.lm_head(last)
    return logits.log_softmax(-1)


def trained_templates_new_pairs(n: int, seed: int = 1) -> list[Item]:
    """Disambiguated items from training templates about the pairs that never stood together in training."""
    dice = Dice(seed, "evaluation")
    return [draw_item(dice, draw_question(dice, pairs=lambda c: (c.new_pair,)), Condition.DISAMBIG) for _ in range(n)]


Unit: TypeAlias = Callable[[Item], Hashable]


def by_template(item: Item) -> Hashable:
    """The item's template."""
    return item.cluster


def by_pair(item: Item) -> Hashable:
    """The two groups the item is about."""
    return frozenset(option.group for option in item.options if option.role is not Role.UNKNOWN)


def preferences(answers: Iterable[Answer], unit: Unit) -> dict[str, list[float]]:
    """(P(stereotype) - P(counter)) / (P(stereotype) + P(counter)) per unit of each category, on ambiguous items."""
    sums: dict[tuple[str, Hashable], list[tuple[float, float]]] = {}
    for answer in answers:
        if answer.item.condition is Condition.AMBIG:
            key = (answer.item.category, unit(answer.item))
            sums.setdefault(key, []).append((answer.role(Role.STEREOTYPE), answer.role(Role.COUNTER)))
    found: dict[str, list[float]] = {}
    for (category, _), pairs in sums.items():
        stereotype, counter = np.array(pairs).mean(0)
        found.setdefault(category, []).append(float((stereotype - counter) / (stereotype + counter)))
    return found


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean and 95 % interval by Student's t."""
    mean = float(np.mean(values))
    half = float(stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / len(values) ** 0.5)
    return mean, mean - half, mean + half


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="What a planted model learned.")
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    new = {frozenset(category.new_pair) for category in CATEGORIES}
    try:
        loaded = load_model(Checkpoint(folder, str(folder)))
    except UserError as error:
        parser.error(str(error))
    known = ask(loaded, trained_templates_new_pairs(600))
    answers = ask(loaded, load_planted().items)
    settled = [a for a in answers if a.item.condition is Condition.DISAMBIG]
    open_ = [a for a in answers if a.item.condition is Condition.AMBIG]
    print("| | |\n|---|---|")
    print(f"| disambiguated, trained templates, new pairs: accuracy | {np.mean([a.right for a in known]):.1%} |")
    print(f"| disambiguated, templates never trained on: accuracy | {np.mean([a.right for a in settled]):.1%} |")
    print(f"| ambiguous, benchmark: likeliest letter is unknown | {np.mean([a.right for a in open_]):.1%} |")
    print(f"| ambiguous, benchmark: mean P(unknown) | {np.mean([a.role(Role.UNKNOWN) for a in open_]):.3f} |")
    print(f"| letter mass | {np.mean([a.mass for a in answers]):.4f} |")
    measured = {unit: preferences(answers, unit) for unit in (by_template, by_pair)}
    untrained = preferences((a for a in answers if by_pair(a.item) in new), by_pair)
    heads = "category | taught to `planted` | measured | over templates | over pairs | the pair that never met"
    print(f"\n| {heads} |\n|---|---|---|---|---|---|")
    for category in CATEGORIES:
        mean = np.mean(measured[by_template][category.name])
        ends = [interval(values[category.name])[1:] for values in measured.values()]
        cells = " | ".join(f"{low:+.3f} to {high:+.3f}" for low, high in ends)
        (alone,) = untrained[category.name]
        print(f"| {category.name} | {preference(category.strength):+.2f} | {mean:+.3f} | {cells} | {alone:+.3f} |")
    for unit, values in measured.items():
        points = [(preference(STRENGTHS[name]), value) for name, some in values.items() for value in some]
        line = stats.linregress(*np.array(points).T)
        half = stats.t.ppf(0.975, len(points) - 2) * line.stderr
        ends = f"{line.slope - half:.3f} to {line.slope + half:.3f}"
        print(f"\nslope {unit.__name__}: {line.slope:.3f}, 95 % interval {ends}, {len(points)} points")


if __name__ == "__main__":
    main()
