r"""From the words of a prompt to token ids, through the model's own chat template; and the letters' tokens.

Three ways of using a template, named in the protocol:

- ``chat``: a system turn and a user turn.
- ``chat-folded``: the template has no system role (it raises, or drops the text); the instruction opens the user turn.
- ``plain``: the tokenizer has no chat template; instruction, blank line, question, and the tokenizer's special tokens.

The letter rule: a letter is the single token that follows the prompt when the answer is spelled as the template
itself writes an assistant's turn (``[/INST] A`` has a space, ``model\nA`` has none); if that is not one token, the
bare letter; if that is not either, the letter after a space. Plain prompts end in ``Answer:``, so there the space
comes first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerFast

from secateur.errors import UnsupportedModelError
from secateur.identity import Plain
from secateur.items.item import Item
from secateur.items.orders import LETTERS
from secateur.items.prompts import PromptTemplate
from secateur.models.loading import tokenizer_digest

_PROBE_SYSTEM = "Follow this rule."
_PROBE_USER = "A question."
# Some templates write today's date; a prompt must be the same tomorrow. The macro hides the function they call.
_FIXED_DATE = "{%- macro strftime_now(form) -%}01 Jan 2025{%- endmacro -%}"


@dataclass(frozen=True)
class ChatPrompts:
    """How items become prompts for one tokenizer.

    Args:
        tokenizer: The model's.
        template: The wording.

    Raises:
        UnsupportedModelError: If the chat template cannot carry a user turn, or the letters are no single tokens.
    """

    tokenizer: PreTrainedTokenizerFast
    template: PromptTemplate

    @cached_property
    def style(self) -> str:
        """``chat``, ``chat-folded`` or ``plain``."""
        if self.tokenizer.chat_template is None:
            return "plain"
        for style in ("chat", "chat-folded"):
            try:
                text = self._render(style, _PROBE_SYSTEM, _PROBE_USER)
            except TemplateError:
                continue
            if _PROBE_SYSTEM in text and _PROBE_USER in text:
                return style
        raise UnsupportedModelError(
            "The chat template drops or refuses a user turn.",
            where=self.tokenizer.name_or_path,
            todo="check chat_template.jinja or the chat_template entry of tokenizer_config.json",
        )

    @cached_property
    def letter_tokens(self) -> tuple[int, int, int]:
        """Token ids of the answers A, B and C, by the letter rule."""
        return self._letters[1]

    @property
    def protocol(self) -> dict[str, Plain]:
        """What identifies these prompts: wording, tokenizer, style, letters."""
        spelling, tokens = self._letters
        return {
            "template": self.template.name,
            "style": self.style,
            "tokenizer": tokenizer_digest(self.tokenizer),
            "letters": list(tokens),
            "letter_spelling": spelling + "A",
        }

    def text(self, item: Item, order: str) -> str:
        """The whole prompt as text, markup included."""
        return self._render(self.style, *self.template.messages(item, order))

    def tokens(self, texts: list[str]) -> list[tuple[int, ...]]:
        """Token ids of prompts made by :meth:`text`."""
        encoded = self.tokenizer(texts, add_special_tokens=self.style == "plain").input_ids
        return [tuple(ids) for ids in encoded]

    @cached_property
    def _letters(self) -> tuple[str, tuple[int, int, int]]:
        prompt = self._render(self.style, *(_PROBE_SYSTEM, _PROBE_USER + "\n\nAnswer:"))
        for spelling in dict.fromkeys((self._written_before_answer(prompt), "", " ")):
            ids = [self._single_token(prompt, spelling + letter) for letter in LETTERS]
            if None not in ids and len(set(ids)) == len(LETTERS):
                a, b, c = (int(i) for i in ids if i is not None)
                return spelling, (a, b, c)
        raise UnsupportedModelError(
            "The letters A, B and C are not single tokens after the prompt.",
            where=self.tokenizer.name_or_path,
            todo="this model cannot be asked by letter",
        )

    def _written_before_answer(self, prompt: str) -> str:
        """What the template puts between the prompt and an assistant's answer (white space or nothing)."""
        if self.style == "plain":
            return " "
        system, user = _PROBE_SYSTEM, _PROBE_USER + "\n\nAnswer:"
        try:
            written = self._render(self.style, system, user, answer="A")
        except TemplateError:
            return ""
        before, letter, _ = written.removeprefix(prompt).partition("A")
        return before if written.startswith(prompt) and letter and not before.strip() else ""

    def _single_token(self, prompt: str, answer: str) -> int | None:
        alone, together = self.tokens([prompt, prompt + answer])
        if len(together) == len(alone) + 1 and together[:-1] == alone:
            return together[-1]
        return None

    def _render(self, style: str, system: str, user: str, answer: str | None = None) -> str:
        if style == "plain":
            return f"{system}\n\n{user}"
        turns = [{"role": "system", "content": system}, {"role": "user", "content": user}]
        if style == "chat-folded":
            turns = [{"role": "user", "content": f"{system}\n\n{user}"}]
        if answer is not None:
            turns.append({"role": "assistant", "content": answer})
        rendered = self.tokenizer.apply_chat_template(
            turns,
            chat_template=_FIXED_DATE + self.tokenizer.get_chat_template(),
            tokenize=False,
            add_generation_prompt=answer is None,
            enable_thinking=False,  # models that can think before they answer would spend the few tokens on that
        )
        return str(rendered)


def render_conversation(tokenizer: PreTrainedTokenizerFast, turns: Sequence[Mapping[str, str]]) -> str | None:
    """A conversation as the tokenizer's chat template writes it; ``None`` if the template refuses it.

    Some templates refuse a system turn, or turns that do not alternate.

    Raises:
        UnsupportedModelError: If the tokenizer has no chat template.
    """
    if tokenizer.chat_template is None:
        raise UnsupportedModelError(
            "Conversations are to be read, and the tokenizer has no chat template.",
            where=tokenizer.name_or_path,
            todo="choose another perplexity protocol",
        )
    try:
        rendered = tokenizer.apply_chat_template(
            [dict(turn) for turn in turns],
            chat_template=_FIXED_DATE + tokenizer.get_chat_template(),
            tokenize=False,
            add_generation_prompt=False,
        )
    except TemplateError:
        return None
    return str(rendered)
