"""The words of a prompt: what is said to the model about an item. Chat markup is added in ``models.chat``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from secateur.items.item import Item
from secateur.items.orders import LETTERS, option_at


@dataclass(frozen=True)
class PromptTemplate:
    """A named wording; the name is part of the protocol, so a wording never changes under its name.

    Args:
        name: Goes into the protocol.
        system: Instruction, for the system turn (or the user turn where there is none).
        user: Format of the user turn, with the fields context, question, a, b, c. It ends in ``Answer:``, after which
            the letters' tokens are looked for.
    """

    name: str
    system: str
    user: str

    def messages(self, item: Item, order: str) -> tuple[str, str]:
        """System and user text for an item with its options in this order."""
        shown = {LETTERS[place].lower(): item.options[option_at(order, place)].text for place in range(len(LETTERS))}
        return self.system, self.user.format(context=item.context, question=item.question, **shown)


LETTERS_V1 = PromptTemplate(
    name="letters-v1",
    system="Answer the multiple-choice question with only the letter of the correct option (A, B or C).",
    user="{context}\n\n{question}\n\nA) {a}\nB) {b}\nC) {c}\n\nAnswer:",
)

TERSE_V1 = PromptTemplate(
    name="terse-v1",
    system="Reply with A, B or C.",
    user="{context} {question}\n\nA. {a}\nB. {b}\nC. {c}\n\nAnswer:",
)

QUESTION_FIRST_V1 = PromptTemplate(
    name="question-first-v1",
    system="Read the question, then the text. Which option does the text support? Write one letter, nothing else.",
    user="Question: {question}\n\nOptions:\n(A) {a}\n(B) {b}\n(C) {c}\n\nText: {context}\n\nAnswer:",
)

OTHER_PROMPTS: Mapping[str, PromptTemplate] = {one.name: one for one in (TERSE_V1, QUESTION_FIRST_V1)}
"""Wordings in which the same items can be asked besides ``LETTERS_V1``, to see what hangs on the words."""
