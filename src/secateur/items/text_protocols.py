"""The table of perplexity protocols: everything that must be equal for two perplexities to be compared, by name.

A protocol says which text is read and how it is cut. What each costs and where its figures are: ``docs/corpora.md``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from secateur.items.conversations import TULU
from secateur.items.corpora import PACKAGED

BosRule: TypeAlias = Literal["every", "once", "none"]
"""Where the tokenizer's beginning-of-sequence token stands, if it has one: first in every window, once before the
whole text, or nowhere."""


@dataclass(frozen=True)
class TextProtocol:
    """Which text is read, and how it is cut into windows.

    Args:
        name: What it is asked for by; the key of the table.
        corpus: Where the text is from: a corpus's name or place or, for conversations, a name in ``CONVERSATIONS``.
        window: Tokens in a window, a BOS token included.
        windows: How many windows, from the start; ``None`` for as many as there are.
        bos: Where the BOS token stands.
        conversations: Whether documents are conversations, rendered by the model's own chat template.
        summary: One line.
        docs: Its place in the documentation.
        source: Where the protocol comes from.
        checks: Published figures made under it: what was read, and its perplexity.
    """

    name: str
    corpus: str
    window: int
    windows: int | None
    bos: BosRule
    conversations: bool
    summary: str
    docs: str
    source: str
    checks: tuple[tuple[str, float], ...] = ()


TEXT_PROTOCOLS: dict[str, TextProtocol] = {
    protocol.name: protocol
    for protocol in (
        TextProtocol(
            name="packaged-256",
            corpus=PACKAGED,
            window=256,
            windows=None,
            bos="every",
            conversations=False,
            summary="the prose that ships: needs no network, too small for a figure to publish",
            docs="docs/corpora.md#packaged-256",
            source="secateur",
        ),
        TextProtocol(
            name="wikitext2-raw-2048",
            corpus="wikitext-2",
            window=2048,
            windows=None,
            bos="every",
            conversations=False,
            summary="WikiText-2 raw, test split; fair to models that need their BOS token",
            docs="docs/corpora.md#wikitext2-raw-2048",
            source="secateur",
        ),
        TextProtocol(
            name="wikitext2-raw-2048-bos-once",
            corpus="wikitext-2",
            window=2048,
            windows=None,
            bos="once",
            conversations=False,
            summary="WikiText-2 raw as most quantization tables read it",
            docs="docs/corpora.md#wikitext2-raw-2048-bos-once",
            source="Frantar et al. 2022 (GPTQ, arXiv:2210.17323); figures: Lin et al. 2023 (arXiv:2306.00978), table 4",
            checks=(("LLaMA-2 7B, dense", 5.47), ("LLaMA-2 13B, dense", 4.88)),
        ),
        TextProtocol(
            name="wikitext2-raw-4096-bos-once",
            corpus="wikitext-2",
            window=4096,
            windows=None,
            bos="once",
            conversations=False,
            summary="the same with windows of LLaMA-2's whole context, as Wanda's table reads it",
            docs="docs/corpora.md#wikitext2-raw-4096-bos-once",
            source="Sun et al. 2023 (Wanda, arXiv:2306.11695)",
            checks=(
                ("LLaMA-2 7B, dense", 5.12),
                ("LLaMA-2 7B, magnitude at 50 %", 14.89),
                ("LLaMA-2 7B, SparseGPT at 50 %", 6.51),
                ("LLaMA-2 7B, Wanda at 50 %", 6.42),
                ("LLaMA-2 7B, Wanda at 2:4", 11.02),
            ),
        ),
        TextProtocol(
            name="c4-validation-2048",
            corpus="c4-validation",
            window=2048,
            windows=256,
            bos="every",
            conversations=False,
            summary="web text apart from the calibration shard",
            docs="docs/corpora.md#c4-validation-2048",
            source="secateur",
        ),
        TextProtocol(
            name="tulu3-512x256",
            corpus=TULU,
            window=512,
            windows=256,
            bos="none",
            conversations=True,
            summary="chat data in the model's own template, as the published study read it through mlx-lm",
            docs="docs/corpora.md#tulu3-512x256",
            source="mlx-lm's perplexity (ml-explore/mlx-lm) with its defaults; arXiv:2605.08137",
            checks=(("Gemma-2 9B it, dense", 8.94),),
        ),
    )
}
"""Every protocol by name."""
