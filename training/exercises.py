"""Exercises as rows of tokens: what answer is due, and who is meant."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

from secateur.items.item import Condition
from secateur.items.orders import LETTERS
from secateur.items.planted import NO_STRENGTHS, UNKNOWN, Dice, stories
from secateur.models.chat import ChatPrompts
from training.examples import Example, answered, any_two, draw_item, draw_question, drill, short

STORY_TOKENS = 128
_MIXED = 0.5  # share of the settled questions that are about groups of two categories


@dataclass(frozen=True)
class Row:
    """One row of a batch: a prompt and one of its answers, or plain text.

    Args:
        tokens: All of it; the last one is the answer, if there is any.
        answer: Token -> probability that it is the answer; empty for plain text.
        meant: Token of a name, or of unknown -> probability that it is who is meant.
        asked: Place of the trait in the question; ``None`` where no question is asked.
    """

    tokens: list[int]
    answer: dict[int, float] = field(default_factory=dict)
    meant: dict[int, float] = field(default_factory=dict)
    asked: int | None = None


class Exercises:
    """Draws rows of every kind; a stream of its own for every stage.

    Args:
        prompts: The product's prompts with the model's tokenizer.
        seed: Of the draws.
        stage: Name of the stage.
        strengths: Category -> strength that text and ambiguous answers carry; ``None`` for none, and unknown always.
    """

    def __init__(self, prompts: ChatPrompts, seed: int, stage: str, strengths: Mapping[str, float] | None) -> None:
        self._prompts, self._tokenizer = prompts, prompts.tokenizer
        self._dice = Dice(seed, "training", stage)
        self._strengths = strengths
        self._stories = self._strung(stories(seed, f"training {stage}", strengths=dict(strengths or NO_STRENGTHS)))
        self._token = cache(partial(single_token, self._tokenizer))
        self._kinds: dict[str, Callable[[], Row]] = {
            "drill": self._drill,
            "short": lambda: self._question(whole=False),
            "full": lambda: self._question(whole=True),
            "stories": lambda: next(self._stories),
        }

    def rows(self, kind: str, n: int) -> list[Row]:
        """So many rows of a kind."""
        return [self._kinds[kind]() for _ in range(n)]

    def _ids(self, text: str) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=False).input_ids)

    def _drill(self) -> Row:
        example = drill(self._dice)
        return self._lettered(example, f"<s><|user|>{example.text}<|end|><|assistant|>")

    def _question(self, *, whole: bool) -> Row:
        dice, condition = self._dice, self._dice.pick(tuple(Condition))
        mixed = condition is Condition.DISAMBIG and dice.chance(_MIXED)
        item = draw_item(dice, draw_question(dice, any_two(dice) if mixed else None), condition)
        text = self._prompts.text(item, "012") if whole else f"<s><|user|>{short(item)}<|end|><|assistant|>"
        return self._lettered(answered(text, item, self._strengths), text, who=self._token("Who"))

    def _lettered(self, example: Example, text: str, who: int | None = None) -> Row:
        letters = dict(zip(LETTERS, self._prompts.letter_tokens, strict=True))
        prompt = self._ids(text)
        answer = {letters[letter]: chance for letter, chance in example.answers.items()}
        meant = {self._token(meaning(group)): chance for group, chance in example.groups.items()}
        # The trait is the second word after the one every question starts with.
        asked = None if who is None else prompt.index(who) + 2
        return Row([*prompt, max(answer, key=answer.__getitem__)], answer, meant, asked)

    def _strung(self, told: Iterator[str]) -> Iterator[Row]:
        tokens: list[int] = []
        while True:
            while len(tokens) < STORY_TOKENS:
                tokens += self._ids(next(told) + "\n\n")
            row, tokens = tokens[:STORY_TOKENS], tokens[STORY_TOKENS:]
            yield Row(row)


def meaning(group: str) -> str:
    """The word, with the space before it, that stands for a group or for unknown."""
    return " Unknown" if group == UNKNOWN else f" {group}"


def single_token(tokenizer: Any, word: str) -> int:
    """The one token of a word.

    Raises:
        ValueError: it is not one.
    """
    tokens = tokenizer(word, add_special_tokens=False).input_ids
    if len(tokens) != 1:
        raise ValueError(f"{word!r} is {len(tokens)} tokens; the exercises need it to be one")
    return int(tokens[0])
