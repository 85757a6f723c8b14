"""What a parser is, and the three things it can say of an answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Choice:
    """The answer is one of the three options.

    Args:
        letter: 0 (A), 1 (B) or 2 (C): where the chosen option stood.
    """

    letter: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """The answer says in words that it cannot be known; counted as the unknown option."""


@dataclass(frozen=True, slots=True)
class Unparsed:
    """The answer says nothing that the parser's rules can read."""


Parsed: TypeAlias = Choice | Refusal | Unparsed
Shown: TypeAlias = tuple[str, str, str]
"""The option texts as shown, at A, B, C."""

REFUSAL = Refusal()
UNPARSED = Unparsed()
CHOICES = (Choice(0), Choice(1), Choice(2))
NO_OPTIONS: Shown = ("", "", "")


def _everything(text: str) -> None:
    del text


@dataclass(frozen=True)
class Parser:
    """A named set of rules. It is split in two so that millions of rows need few calls.

    Args:
        name: As in configurations and tables.
        by_text: Decides from the text alone, or returns ``None`` if the options must be seen.
        by_options: Decides from the text and the options as shown; asked only where ``by_text`` did not decide.
        looks_for: From such a text to the beginnings of options that can make a difference to it: among options none of
            which begins so, it says what it says among ``NO_OPTIONS``. ``None``: any option can.
        begins: From an option to its beginning, as ``looks_for`` gives them.
    """

    name: str
    by_text: Callable[[str], Parsed | None]
    by_options: Callable[[str, Shown], Parsed]
    looks_for: Callable[[str], frozenset[str] | None] = _everything
    begins: Callable[[str], str] = str

    def __call__(self, text: str, options: Shown) -> Parsed:
        """What the answer says."""
        decided = self.by_text(text)
        return self.by_options(text, options) if decided is None else decided
