"""The words of the page: numbers that it shows by name are explained."""

import math

import pytest

from secateur.metrics.catalogue import METRICS
from secateur.report.glossary import glossary
from secateur.report.tables import HEADLINES, SUMMARY_METRICS

SHOWN = sorted(
    {metric.name for metric in METRICS.values() if metric.over in ("text", "text_pairs", "divergence")}
    | set(HEADLINES)
    | {metric for metric, _ in SUMMARY_METRICS}
)


@pytest.mark.parametrize("name", SHOWN)
def test_a_metric_that_is_shown_has_an_entry_with_its_range_and_source(scripted_data, name):
    metric = METRICS[name]
    words = glossary(scripted_data)
    (entry,) = [one for one in words if one.word == metric.title or one.word.endswith(f"({metric.title})")]
    assert entry.source == metric.source
    assert ("unbounded" in entry.span) == (math.inf in map(abs, metric.range))
    if metric.neutral is not None:
        assert f"{metric.neutral:g} is neutral" in entry.neutral


def test_no_word_stands_twice_and_each_has_a_meaning(rich_data):
    entries = glossary(rich_data)
    assert len({entry.word for entry in entries}) == len(entries)
    for entry in entries:
        assert entry.meaning.endswith("."), entry.word


def test_the_published_parser_is_named(rich_data):
    (entry,) = [entry for entry in glossary(rich_data) if entry.word == "published parser"]
    assert f"elsewhere: {rich_data.published.parser}." in entry.meaning
