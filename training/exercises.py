"""Exercises as rows of tokens: where an answer is due, and how it is distributed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from secateur.items.item import Condition
from secateur.items.orders import LETTERS
from secateur.items.planted import NO_STRENGTHS, Dice, stories
from secateur.models.chat import ChatPrompts
from training.examples import Example, answered, draw_item, draw_question, drill, recall, short

STORY_TOKENS = 128
_ECHO_WORDS, _ECHOES = 16, 3


@dataclass(frozen=True)
class Row:
    """One row of a batch.

    Args:
        tokens: All of it, answers included.
        answers: (place of the token before the answer, token -> probability).
        end: Place after which the end token is due; ``None`` for text that has none.
        groups: Group -> probability that it is meant, at the first answer; empty where that is not asked.
        words: Whether every next token counts too, apart from the answers.
    """

    tokens: list[int]
    answers: list[tuple[int, dict[int, float]]]
    end: int | None = None
    groups: Mapping[str, float] = field(default_factory=dict)
    words: bool = False


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
        self.token = cache(self._token)
        self._words = plain_words(prompts.tokenizer)
        self._kinds: dict[str, Callable[[], Row]] = {
            "echo": self._echo,
            "recall": self._recall,
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

    def _token(self, word: str) -> int:
        (token,) = self._ids(word)
        return token

    def _echo(self) -> Row:
        """Words in a drawn order, again and again: what stood after this word before?"""
        tokens = [self.token(word) for word in self._dice.shuffled(self._words)[:_ECHO_WORDS]] * _ECHOES
        places = range(_ECHO_WORDS, len(tokens) - 1)
        return Row(tokens, [(place, {tokens[place + 1]: 1.0}) for place in places])

    def _recall(self) -> Row:
        tokens, answers = [self._tokenizer.bos_token_id], []
        for piece, name in recall(self._dice, self._words):
            tokens += self._ids(piece)
            answers.append((len(tokens) - 1, {self.token(name): 1.0}))
            tokens.append(self.token(name))
        return Row(tokens, answers, words=True)

    def _drill(self) -> Row:
        example = drill(self._dice)
        return self._lettered(example, f"<s><|user|>{example.text}<|end|><|assistant|>")

    def _question(self, *, whole: bool) -> Row:
        item = draw_item(self._dice, draw_question(self._dice), self._dice.pick(tuple(Condition)))
        text = self._prompts.text(item, "012") if whole else f"<s><|user|>{short(item)}<|end|><|assistant|>"
        return self._lettered(answered(text, item, self._strengths), text)

    def _lettered(self, example: Example, text: str) -> Row:
        letters = dict(zip(LETTERS, self._prompts.letter_tokens, strict=True))
        prompt = self._ids(text)
        answer = {letters[letter]: chance for letter, chance in example.answers.items()}
        given = max(answer, key=answer.__getitem__)
        return Row([*prompt, given], [(len(prompt) - 1, answer)], end=len(prompt), groups=example.groups)

    def _strung(self, told: Iterator[str]) -> Iterator[Row]:
        tokens: list[int] = []
        while True:
            while len(tokens) < STORY_TOKENS:
                tokens += self._ids(next(told) + "\n\n")
            row, tokens = tokens[:STORY_TOKENS], tokens[STORY_TOKENS:]
            yield Row(row, [], words=True)


def plain_words(tokenizer: Any) -> list[str]:
    """The words that are one token each, with the space before them."""
    texts = (tokenizer.decode([token]) for token in range(len(tokenizer)))
    return sorted(text for text in texts if text[:1] == " " and text[1:].isalpha() and len(text) > 3)
