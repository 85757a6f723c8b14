"""The folder: what is in it, what is replaced, what is refused."""

import itertools
import json
import subprocess
import sys
from html.parser import HTMLParser

import pytest
from tests.report.scripted_study import ScriptedStudy, build

from secateur.errors import InputError, StoreError
from secateur.items.item import Condition
from secateur.records.parsers import PARSERS
from secateur.report import write_report
from secateur.report.figures import FIGURES
from secateur.report.tables import TABLES
from secateur.report.write import MARKER

TINY = {"methods": ("wanda",), "levels": (0.5,), "templates": 3, "per_template": 2, "categories": ("Age",)}
HOSTILE = "<script>alert(1)</script>\"|'=cmd()"
NOT_DRAWN = {"latent_bias", "parsers"}
"""Figures that the scripted store has nothing for: its dense model is not biased; a second parser may be missing."""
VOID = {"meta", "link", "br", "img", "hr", "input"}


class Page(HTMLParser):
    """Checks nesting; collects tags, attributes and text."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.attributes, self.words = [], [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(self.words)

    def values(self, name):
        return [value for _, found, value in self.attributes if found == name]


@pytest.fixture(scope="module")
def page(report):
    return Page((report / "index.html").read_text(encoding="utf-8"))


@pytest.fixture
def few_figures(monkeypatch):
    """Only one figure, where figures are not the point: drawing takes most of the time."""
    monkeypatch.setattr("secateur.report.write.FIGURES", {"perplexity": FIGURES["perplexity"]})


def files_in(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_every_file_is_there_and_nothing_else(report):
    expected = {"index.html", "report.json", MARKER}
    expected |= {f"tables/{name}.{ending}" for name in TABLES for ending in ("csv", "md", "tex")}
    drawn = set(FIGURES) - NOT_DRAWN
    expected |= {f"figures/{name}.{ending}" for name in drawn for ending in ("svg", "png")}
    maybe = {f"figures/parsers.{ending}" for ending in ("svg", "png")} if "pia" in PARSERS else set()
    assert files_in(report) == expected | maybe


def test_the_page_needs_nothing_from_outside(page):
    assert "script" not in page.tags
    assert not {"iframe", "object", "embed", "base", "form"} & set(page.tags)
    loaded = [v for t, n, v in page.attributes if n in ("src", "srcset") or (t == "link" and n == "href")]
    assert loaded == ["data:,"]
    links = [v for t, n, v in page.attributes if t == "a" and n == "href"]
    assert all(not v.startswith(("http", "//", "javascript")) for v in links)
    assert not [n for _, n, _ in page.attributes if n.startswith("on")]


def test_links_lead_somewhere(page, report):
    ids = page.values("id")
    assert len(set(ids)) == len(ids)
    for tag, name, value in page.attributes:
        if tag == "a" and name == "href":
            assert value[1:] in ids if value.startswith("#") else (report / value).is_file()


def test_the_page_is_accessible(page):
    assert ("html", "lang", "en") in page.attributes
    assert page.tags.count("h1") == page.tags.count("main") == 1
    headings = [int(tag[1]) for tag in page.tags if tag in ("h1", "h2", "h3", "h4")]
    assert all(after - before <= 1 for before, after in itertools.pairwise(headings))
    assert page.tags.count("th") == len([v for t, n, v in page.attributes if (t, n) == ("th", "scope")])
    assert page.tags.count("svg") == len([v for t, n, v in page.attributes if (t, n, v) == ("svg", "role", "img")])
    assert page.tags.count("svg") == len(FIGURES) - len(NOT_DRAWN) + ("pia" in PARSERS)
    ids = set(page.values("id"))
    for name in ("aria-labelledby",):
        assert set(page.values(name)) <= ids


def test_the_page_says_what_must_be_said(page):
    for part in (
        "Summary",
        "What cannot be concluded",
        "Glossary",
        "letter mass threshold",
        "broken, not biased",
        "0.5",
    ):
        assert part in page.text


def test_published_tables_stand_under_a_heading_of_their_own(page):
    ids = page.values("id")
    heading = ids.index("tables-published")
    for name in TABLES:
        after = ids.index(f"table-{name}") > heading
        assert after == name.startswith("published_"), name


def test_json_holds_all_numbers_and_claims(report, scripted_data):
    said = json.loads((report / "report.json").read_text(encoding="utf-8"))
    assert said["plan"] == scripted_data.digest
    assert said["hash_version"] == 1
    assert said["versions"]["secateur"]
    assert set(said["tables"]) == set(TABLES)
    assert len(said["tables"]["metrics"]["rows"]) == scripted_data.metrics.height
    assert said["claims"]
    number = next(claim for claim in said["claims"] if claim["numbers"])["numbers"][0]
    assert set(number) == {"text", "table", "where", "columns"}


def test_the_same_store_gives_the_same_bytes(scripted_store, report, tmp_path):
    again = write_report(scripted_store, tmp_path / "again").parent
    assert files_in(again) == files_in(report)
    for name in files_in(again):
        assert (again / name).read_bytes() == (report / name).read_bytes(), name


def test_names_from_outside_are_never_markup(tmp_path):
    study = ScriptedStudy(
        **{**TINY, "name": HOSTILE, "models": (HOSTILE, "=1+1"), "categories": (HOSTILE, "C\x00\u202e")}
    )
    out = write_report(build(tmp_path / "x.store", study), tmp_path / "out").parent
    page = Page((out / "index.html").read_text(encoding="utf-8"))
    assert "script" not in page.tags
    assert "<script>alert(1)</script>" in page.text
    for name in files_in(out):
        if name.endswith((".md", ".html", ".svg")):
            assert "<script" not in (out / name).read_text(encoding="utf-8"), name
        if name.endswith(".csv"):
            assert "\n=1+1" not in (out / name).read_text(encoding="utf-8"), name
    assert json.loads((out / "report.json").read_text(encoding="utf-8"))["study"] == HOSTILE


@pytest.mark.usefixtures("few_figures")
def test_an_earlier_report_is_replaced_and_its_leftovers_go(tmp_path):
    first = build(tmp_path / "first.store", ScriptedStudy(**TINY))
    second = build(tmp_path / "second.store", ScriptedStudy(**{**TINY, "text": False, "name": "second"}))
    out = write_report(first, tmp_path / "out").parent
    assert (out / "figures/perplexity.svg").exists()
    (out / "notes.txt").write_text("mine", encoding="utf-8")
    write_report(second, out)
    assert not (out / "figures/perplexity.svg").exists()
    assert "second" in (out / "index.html").read_text(encoding="utf-8")
    assert (out / "notes.txt").read_text(encoding="utf-8") == "mine"


def test_a_folder_with_other_things_is_refused(tmp_path, scripted_store):
    (tmp_path / "thesis.tex").write_text("x", encoding="utf-8")
    with pytest.raises(InputError, match=r"other things in it[\s\S]*thesis\.tex"):
        write_report(scripted_store, tmp_path)
    assert files_in(tmp_path) == {"thesis.tex"}
    with pytest.raises(InputError, match="other things"):
        write_report(scripted_store, scripted_store)
    with pytest.raises(InputError, match="this is a file"):
        write_report(scripted_store, tmp_path / "thesis.tex")


@pytest.mark.usefixtures("few_figures")
def test_a_marker_cannot_make_us_remove_what_is_not_ours(tmp_path):
    precious = tmp_path / "precious.txt"
    precious.write_text("x", encoding="utf-8")
    out = tmp_path / "out"
    out.mkdir()
    marker = {
        "format": "secateur-report",
        "version": 1,
        "files": ["../precious.txt", str(precious), "tables/../../precious.txt"],
    }
    (out / MARKER).write_text(json.dumps(marker), encoding="utf-8")
    study = ScriptedStudy(**{**TINY, "text": False, "letter": None, "conditions": (Condition.DISAMBIG,)})
    write_report(build(tmp_path / "x.store", study), out)
    assert precious.exists()


def test_a_missing_store_writes_nothing(tmp_path):
    with pytest.raises(StoreError, match="no store here"):
        write_report(tmp_path / "none", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("few_figures")
def test_an_incomplete_store_still_gives_a_report(tmp_path):
    study = ScriptedStudy(**{**TINY, "levels": (0.3, 0.5), "limit": 10, "skip": ("wanda 0.5",)})
    out = write_report(build(tmp_path / "x.store", study), tmp_path / "out").parent
    page = Page((out / "index.html").read_text(encoding="utf-8"))
    assert "Read this first" in page.text
    assert "incomplete" in page.text
    assert "not run" in page.text


def test_a_report_imports_no_torch(scripted_store, tmp_path):
    code = (
        "import sys; from pathlib import Path; from secateur.report import write_report; "
        f"write_report(Path({str(scripted_store)!r}), Path({str(tmp_path / 'out')!r})); "
        "bad = {'torch', 'transformers', 'matplotlib.pyplot'} & set(sys.modules); assert not bad, bad"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
