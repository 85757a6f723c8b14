"""The text a study reads: a perplexity protocol, applied to a model's tokenizer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from transformers import PreTrainedTokenizerFast

from secateur.identity import Plain
from secateur.items.conversations import load_conversations, turns
from secateur.items.corpora import Corpus, Tokenize, Window, load_corpus, text_windows
from secateur.items.text_protocols import TextProtocol
from secateur.models.chat import render_conversation
from secateur.models.loading import begin_token
from secateur.study.config import PerplexityConfig


@dataclass(frozen=True)
class Reading:
    """Text as one model reads it.

    Args:
        windows: In their order.
        has_bos: Whether the tokenizer has a BOS token to put before text.
        refused: Conversations that the model's chat template refused, which were left out.
        rendered: Conversations that it took, until the windows were full.
    """

    windows: tuple[Window, ...]
    has_bos: bool
    refused: int = 0
    rendered: int = 0

    @property
    def n_distinct(self) -> int:
        """How many windows differ; equal ones are read once."""
        return len({window.key for window in self.windows})


def load_text(protocol: TextProtocol, *, base: Path, offline: bool) -> Corpus:
    """The protocol's corpus; errors as ``load_corpus``."""
    if protocol.conversations:
        return load_conversations(protocol.corpus, offline=offline)
    return load_corpus(protocol.corpus, base=base, offline=offline)


def cut_text(protocol: TextProtocol, corpus: Corpus, tokenizer: PreTrainedTokenizerFast, tokenize: Tokenize) -> Reading:
    """Cut a corpus as the protocol says.

    Raises:
        InputError: If there is too little text.
        UnsupportedModelError: If conversations are to be read and the tokenizer has no chat template.
    """
    begin = begin_token(tokenizer)
    rendered: list[bool] = []

    def render(document: str) -> str | None:
        text = render_conversation(tokenizer, turns(document))
        rendered.append(text is not None)
        return text

    windows = text_windows(
        corpus,
        tokenize,
        window=protocol.window,
        bos=None if protocol.bos == "none" else begin,
        limit=protocol.windows,
        once=protocol.bos == "once",
        render=render if protocol.conversations else None,
    )
    return Reading(tuple(windows), begin is not None, rendered.count(False), rendered.count(True))


def about_text(config: PerplexityConfig, corpus: Corpus, read: Mapping[str, Reading]) -> dict[str, Plain]:
    """What is read and how it is cut, for people: by one model or by all of a plan (name -> reading)."""
    protocol, looked = config.reading, config.divergence
    begins = {reading.has_bos for reading in read.values()}
    bos, ending = _bos(protocol, begins)
    name = protocol.name or f"{corpus.name}-{protocol.window}-{ending}"
    return {
        "protocol": name,
        "corpus": corpus.name,
        "source": corpus.source,
        "window": protocol.window,
        "windows": max(len(reading.windows) for reading in read.values()),
        "bos": bos,
        "left_out": [
            f"{name}: its chat template refused {reading.refused:,} of the first "
            f"{reading.refused + reading.rendered:,} conversations"
            for name, reading in read.items()
            if reading.refused
        ],
        "divergence": None
        if looked is None
        else {"every": looked.every, "top": looked.top, "subset": f"{name}/every-{looked.every}/top-{looked.top}"},
    }


def _bos(protocol: TextProtocol, begins: set[bool]) -> tuple[str, str]:
    """Where the BOS token stands, in words and at the end of a protocol's name."""
    if protocol.conversations:
        return "what the chat template writes", "chat"
    if protocol.bos == "none" or begins == {False}:
        return "none", "nobos"
    where, ending = _WHERE[protocol.bos]
    return (where, ending) if begins == {True} else (f"{where} where the tokenizer has one", f"own{ending}")


_WHERE = {"every": ("first token of every window", "bos"), "once": ("once, before the whole text", "bosonce")}
