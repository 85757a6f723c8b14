"""A verdict in every format, from one object."""

import json
import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from secateur.errors import StoreUnwritableError
from secateur.report.verdict import CriterionResult, Evidence, GateVerdict, Stage, Status
from secateur.report.verdict_files import FORMATS, to_html, to_json, to_junit, to_markdown, write_verdict
from secateur.statistics.estimate import Estimate

NASTY = 'evil|`<script>alert("x")</script>*'


def criterion(name, status, **others):
    estimate = Estimate(0.012, 0.004, 0.02, 0.9, "clustered", 400, 800, 24)
    number = Evidence("srs_all", 0.05, 0.062, estimate, status, 0.03)
    said = {"kind": "change", "sanity": False, "where": "letter, ambig", "rule": "change below +0.02", "why": "because"}
    return CriterionResult(
        name=name, status=status, reason=f"srs_all +0.012, {status}", evidence=(number,), **(said | others)
    )


def verdict(outcome=Status.FAIL, **others):
    said = {
        "headline": "Do not ship: worse than the policy allows (lean).",
        "dense": {"name": "acme/dense", "digest": "d" * 64},
        "candidate": {"name": NASTY, "digest": "c" * 64},
        "same_weights": False,
        "policy": {"name": "default", "version": 1, "digest": "p" * 64, "about": "a test"},
        "target": "templates",
        "alpha": 0.05,
        "criteria": (
            criterion("speaks", Status.PASS, sanity=True),
            criterion("lean", Status.FAIL, p_holm=0.01),
            criterion("odd|name", Status.INCONCLUSIVE),
            criterion("later", Status.NOT_JUDGED),
        ),
        "n_items": 400,
        "n_listed": 1000,
        "stages": (Stage(256, 2), Stage(400, 3)),
        "notes": (NASTY,),
        "origin": {"device": "cpu", "dtype": "float32"},
    }
    return GateVerdict(outcome=outcome, **(said | others))


def test_json_has_everything():
    said = json.loads(to_json(verdict()))
    assert (said["format"], said["version"], said["exit_code"], said["outcome"]) == ("secateur-gate", 1, 3, "fail")
    assert said["criteria"][1]["evidence"][0]["estimate"]["n_clusters"] == 24
    assert said["criteria"][1]["p_holm"] == 0.01
    assert said["policy"]["digest"] == "p" * 64
    assert said["candidate"]["name"] == NASTY


@pytest.mark.parametrize(("outcome", "code"), [(Status.PASS, 0), (Status.FAIL, 3), (Status.INCONCLUSIVE, 4)])
def test_exit_codes(outcome, code):
    assert verdict(outcome).exit_code == code


def test_junit_counts_failures_open_questions_and_what_was_not_judged():
    suite = ElementTree.fromstring(to_junit(verdict())).find("testsuite")
    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "4",
        "failures": "1",
        "errors": "1",
        "skipped": "1",
    }
    (failure,) = suite.iter("failure")
    assert failure.get("message").startswith("fail: srs_all")
    assert "change below +0.02; because" in failure.text


def test_markdown_is_one_table_whose_cells_nothing_breaks():
    lines = to_markdown(verdict()).splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == 2 + 4
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in table} == {5}
    assert "<script>" not in to_markdown(verdict()).replace("\\<script\\>", "").split("`", 2)[2]
    assert "400 of 1,000 items asked, the rest not needed" in lines[2]


def test_markdown_shows_what_decided_also_where_a_criterion_holds():
    whole = verdict()
    largest = "letter_share_b 0.74 [0.7, 0.78]"  # of three numbers the second, and all pass
    held = replace(whole.criteria[0], status=Status.PASS, reason=largest)
    line = next(line for line in to_markdown(replace(whole, criteria=(held,))).splitlines() if held.name in line)
    assert "letter\\_share\\_b 0.74" in line


def test_colours_of_a_verdict_can_be_read():
    """Against white and the tint of every other row: WCAG 2's contrast of at least 4.5."""

    def luminance(colour):
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    page = to_html(verdict())
    colours = re.findall(r"--verdict: (#[0-9a-f]{6})", page)
    backs = re.findall(r"--(?:back|tint): (#[0-9a-f]{6})", page)
    assert (len(colours), len(backs)) == (4, 2)
    for colour in colours:
        for back in backs:
            assert (luminance(back) + 0.05) / (luminance(colour) + 0.05) >= 4.5, (colour, back)


def test_a_p_value_is_never_shown_as_zero():
    whole = verdict()
    one = replace(whole.criteria[1], p_holm=1e-12)
    assert "corrected over the criteria: &lt; 0.0001" in to_html(replace(whole, criteria=(one,)))


def test_html_escapes_and_shows_every_criterion_and_look():
    page = to_html(verdict())
    assert "<script>" not in page
    for name in ("speaks", "lean", "odd|name", "later"):
        assert f">{name}" in page
    assert "after 256 items: 2 of 4 criteria decided" in page
    assert "p for being worse, corrected over the criteria: 0.0100" in page


def test_every_format_says_the_same_outcome(tmp_path):
    write_verdict(verdict(), tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == set(FORMATS)
    for name in ("verdict.json", "verdict.html", "verdict.md"):
        assert "Do not ship: worse than the policy allows" in (tmp_path / "out" / name).read_text(encoding="utf-8")


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreUnwritableError):
        write_verdict(verdict(), tmp_path / "file" / "out")


LOOKED = {
    "n_clusters_listed": 120,
    "looks": 4,
    "stages": (
        Stage(200, 1, 30, {"speaks": 1e-4, "lean": None, "odd|name": 2e-4}),
        Stage(400, 3, 60, {"speaks": 5.5e-3, "lean": 5.5e-3, "odd|name": 5.5e-3}),
    ),
}


@pytest.mark.parametrize("make", [to_html, to_markdown])
def test_looks_show_templates_levels_and_what_was_spared(make):
    said = make(verdict(**LOOKED))
    assert "60 of 120 templates (400 of 1,000 items) asked by look 2 of 4, the rest not needed" in said
    first, second = (
        "after 30 of 120 templates, 200 items: 1 of 4 criteria decided; one-sided level 0.0001 to 0.0002; "
        "without a level yet: 1",
        "after 60 of 120 templates, 400 items: 3 of 4 criteria decided; one-sided level 0.0055",
    )
    assert first in said
    assert second in said
    assert "One-sided error rate of each criterion: 0.05, over all looks together" in said


def test_json_has_every_look():
    said = json.loads(to_json(verdict(**LOOKED)))
    assert said["stages"][0]["nominal"]["lean"] is None
    assert (said["looks"], said["n_clusters_listed"], said["stages"][1]["n_clusters"]) == (4, 120, 60)
