"""The report on the terminal: the rows of its summary, and the sentences that are about all of them."""

import json
import re

import pytest
from rich.console import Console
from tests.report.scripted_study import ScriptedStudy, build

from secateur.cli import summary
from secateur.cli.summary import print_summary
from secateur.report import write_report


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("summary")
    study = ScriptedStudy(templates=3, per_template=4, categories=("Age",), levels=(0.3, 0.5, 0.7))
    return write_report(build(folder / "x.store", study), folder / "report")


@pytest.fixture
def printed(page, capsys):
    print_summary(page)
    return capsys.readouterr().out.splitlines()


def test_every_variant_has_its_line_with_the_numbers_of_the_report(page, printed):
    said = json.loads((page.parent / "report.json").read_text(encoding="utf-8"))
    rows = [r for r in said["tables"]["summary"]["rows"] if r["readout"] == said["settings"]["readout"]]
    assert len(rows) > 3
    for row in rows:
        (line,) = [line for line in printed if line.startswith(f"{row['variant']} ")]
        assert ("broken" in line) == (row["state"] == "broken")
        if row["srs"] is not None:
            assert f"{100 * row['srs']:.1f} %" in line
        assert f"{100 * row['unparsed_share']:.1f} %" in line


def test_a_narrow_terminal_gets_one_line_a_variant_without_intervals(page, capsys, monkeypatch):
    monkeypatch.setattr(summary, "console", lambda: Console(width=80, force_terminal=True, color_system=None))
    print_summary(page)
    lines = capsys.readouterr().out.splitlines()
    table = lines[: next(place for place, line in enumerate(lines) if line.startswith("- "))]
    assert len([line for line in table if line.startswith("wanda 0.5")]) == 1
    assert not [line for line in table if "[" in line or "\u2026" in line]


def test_what_intervals_take_for_granted_is_said(printed):
    assert re.search(r"^Intervals are 95 % and take templates as the sample; \d+ limits", printed[-2])


def test_sentences_about_all_variants_follow_and_those_about_one_do_not(page, printed):
    said = json.loads((page.parent / "report.json").read_text(encoding="utf-8"))
    sentences = [line[2:] for line in printed if line.startswith("- ")]
    assert [s for s in sentences if "pruned variants" in s]
    assert [s for s in sentences if "perplexity goes from" in s]
    findings = [claim["text"] for claim in said["claims"] if claim["kind"] == "finding"]
    assert set(sentences) < set(findings)
    assert not [s for s in sentences if "the dense model has perplexity" in s]
    assert printed[-1] == f"report: {page}"
