"""Wordings: what each must have, and that one never changes under its name."""

import re
from pathlib import Path

import pytest
from tests.tiny import make_item

from secateur.identity import digest
from secateur.items.prompts import LETTERS_V1, OTHER_PROMPTS

ALL = [LETTERS_V1, *OTHER_PROMPTS.values()]
FIXED = {
    "letters-v1": "4654a41109154380",
    "terse-v1": "e531c2ad0b256de3",
    "question-first-v1": "3817d62da646a9e5",
}


@pytest.mark.parametrize("prompt", ALL, ids=lambda prompt: prompt.name)
def test_a_wording_shows_the_whole_item_in_the_order_asked(prompt):
    item = make_item()
    for order in ("012", "120"):
        system, user = prompt.messages(item, order)
        assert system
        assert item.context in user
        assert item.question in user
        lines = user.splitlines()
        for letter, option in zip("ABC", order, strict=True):
            assert sum(line.strip("(").startswith((f"{letter})", f"{letter}.")) for line in lines) == 1
            assert any(line.endswith(f"{letter}) {item.options[int(option)].text}") for line in lines) or any(
                line == f"{letter}. {item.options[int(option)].text}" for line in lines
            )


@pytest.mark.parametrize("prompt", ALL, ids=lambda prompt: prompt.name)
def test_a_wording_ends_where_letters_are_looked_for(prompt):
    assert prompt.user.endswith("\n\nAnswer:")


@pytest.mark.parametrize("prompt", ALL, ids=lambda prompt: prompt.name)
def test_a_wording_never_changes_under_its_name(prompt):
    assert digest("prompt", [prompt.system, prompt.user])[:16] == FIXED[prompt.name]


@pytest.mark.parametrize("prompt", ALL, ids=lambda prompt: prompt.name)
def test_the_page_has_the_words(prompt):
    page = (Path(__file__).parents[2] / "docs" / "prompts.md").read_text(encoding="utf-8")
    section = page.partition(f"## {prompt.name}\n")[2].partition("\n## ")[0]
    assert re.findall(r"```text\n(.*?)\n```", section, flags=re.DOTALL) == [prompt.system, prompt.user]


def test_names_are_those_of_the_table_and_the_study_s_own_is_not_among_the_others():
    assert all(prompt.name == name for name, prompt in OTHER_PROMPTS.items())
    assert LETTERS_V1.name not in OTHER_PROMPTS
    assert len({(prompt.system, prompt.user) for prompt in ALL}) == len(ALL)
