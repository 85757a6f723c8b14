"""The table of perplexity protocols."""

import re
from pathlib import Path

import pytest

from secateur.items.conversations import CONVERSATIONS
from secateur.items.corpora import NAMED, PACKAGED
from secateur.items.text_protocols import TEXT_PROTOCOLS

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", TEXT_PROTOCOLS)
def test_a_protocol_is_whole(name):
    protocol = TEXT_PROTOCOLS[name]
    assert protocol.name == name
    assert protocol.corpus in (CONVERSATIONS if protocol.conversations else {PACKAGED, *NAMED})
    assert str(protocol.window) in name, "the window is part of the name"
    assert ("bos-once" in name) == (protocol.bos == "once")
    page, _, anchor = protocol.docs.partition("#")
    headings = re.findall(r"^#+ `?([^`\n]+)`?$", (ROOT / page).read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert anchor in headings


def test_the_two_pages_of_published_figures_are_of_two_windows():
    """LLaMA-2 7B: 5.47 with windows of 2,048 and 5.12 with windows of 4,096, the same text and weights."""
    checks = {name: dict(TEXT_PROTOCOLS[f"wikitext2-raw-{name}-bos-once"].checks) for name in (2048, 4096)}
    assert checks[2048]["LLaMA-2 7B, dense"] == 5.47
    assert checks[4096]["LLaMA-2 7B, dense"] == 5.12
