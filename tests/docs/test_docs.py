"""What the docs say must be so: links lead somewhere, examples run, generated parts are up to date, all is there."""

import re
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from secateur.compression.methods import METHODS
from secateur.inference.backends import BACKENDS
from secateur.items.benchmarks import BENCHMARKS
from secateur.items.text_protocols import TEXT_PROTOCOLS
from secateur.metrics.conventions import CONVENTIONS
from secateur.models.families import FAMILIES
from secateur.records.imports import IMPORTS
from secateur.records.parsers import PARSERS
from secateur.study.config import StudyConfig, parse_study

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def page(name):
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(path):
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if not re.match(r"[a-z]+:", target):
            assert (path.parent / target).exists(), f"{path.name} links to {target}"


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_code_that_is_named_is_there(path):
    for name in re.findall(
        r"`((?:src/secateur|tests|benchmarks|scripts)/[\w/.-]+|(?:items|records|models|compression|inference|metrics|statistics|report|study|cli)/[\w/]+\.py)`",
        path.read_text(),
    ):
        there = [ROOT / name, ROOT / "src" / "secateur" / name]
        assert any(place.exists() for place in there), f"{path.name} names {name}"


def test_the_help_in_the_docs_is_what_the_commands_say():
    sys.path.insert(0, str(ROOT / "scripts"))
    import cli_docs

    assert page("docs/cli.md").endswith(cli_docs.generated()), "run `make docs`"


def test_the_counts_in_the_docs_follow_from_the_shapes():
    sys.path.insert(0, str(ROOT / "scripts"))
    import published_counts

    assert page("docs/published-study.md").endswith(published_counts.generated()), "run `make docs`"


def test_the_speeds_in_the_docs_are_those_of_the_committed_results():
    sys.path.insert(0, str(ROOT / "scripts"))
    import performance

    assert page("docs/performance.md").endswith(performance.generated()), "run `make docs`"


def test_the_error_rates_in_the_docs_are_those_of_the_committed_simulation():
    sys.path.insert(0, str(ROOT / "scripts"))
    import error_rates

    assert page("docs/statistics.md").endswith(error_rates.generated()), "run `make docs`"


@pytest.mark.parametrize(
    ("name", "entries"),
    [
        ("docs/methods.md", METHODS),
        ("docs/families.md", FAMILIES),
        ("docs/parsers.md", PARSERS),
        ("docs/conventions.md", CONVENTIONS),
        ("docs/importing.md", IMPORTS),
        ("docs/corpora.md", TEXT_PROTOCOLS),
        ("docs/study-file.md", {name: None for name in BACKENDS if name != "scripted"} | BENCHMARKS),
    ],
)
def test_every_entry_of_a_table_has_its_place(name, entries):
    text = page(name)
    for entry in entries:
        assert f"`{entry}`" in text, f"{name} does not describe {entry}"


@pytest.mark.parametrize("entry", [*FAMILIES.values(), *CONVENTIONS.values()], ids=lambda entry: entry.name)
def test_the_place_an_entry_names_is_there(entry):
    name, _, anchor = entry.docs.partition("#")
    headings = re.findall(r"^#+ (.+)$", page(name), flags=re.MULTILINE)
    assert anchor in [re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings]


@pytest.mark.parametrize("kind", ["tables", "figures"])
def test_every_table_and_figure_of_the_report_is_described(kind):
    from secateur.report.figures import FIGURES
    from secateur.report.tables import TABLES

    pages = page("docs/report.md") + page("docs/published-analysis.md")
    for name in TABLES if kind == "tables" else FIGURES:
        assert f"`{name}`" in pages, f"neither page describes {name}"


def test_the_example_study_is_one():
    import yaml

    (example,) = re.findall(r"```yaml\n(.*?)```", page("docs/study-file.md"), flags=re.DOTALL)
    parse_study(yaml.safe_load(example))


def test_the_verdicts_in_the_docs_are_those_of_the_committed_results():
    sys.path.insert(0, str(ROOT / "scripts"))
    import verdict_docs

    assert page("docs/gate.md").endswith(verdict_docs.generated()), "run `make docs`"


def test_the_example_policy_is_one():
    import yaml

    from secateur.study.policy import parse_policy

    (example,) = re.findall(r"```yaml\n(.*?)```", page("docs/gate.md"), flags=re.DOTALL)
    parse_policy(yaml.safe_load(example))


def test_every_kind_of_criterion_is_described():
    from secateur.study.judging import JUDGES

    for kind in JUDGES:
        assert f"| `{kind}` |" in page("docs/gate.md")


def test_every_key_of_the_study_file_is_described():
    text = page("docs/study-file.md")
    schema = StudyConfig.model_json_schema()
    for name, model in {"": schema, **schema["$defs"]}.items():
        for key in model["properties"]:
            assert re.search(rf"`[\w.\[\]]*{key}[.`]", text) or name == "ModelConfig", f"{name}.{key}"


def test_the_examples_for_extending_keep_the_promises_of_their_tables():
    import inspect

    from tests.contracts import test_benchmarks, test_methods

    method, benchmark = (
        block for block in re.findall(r"```python\n(.*?)```", page("docs/extending.md"), flags=re.DOTALL)
    )
    made = {}
    exec(compile(method, "method", "exec"), made)
    for name, check in vars(test_methods).items():
        if name.startswith("test_") and list(inspect.signature(check).parameters) == ["method"]:
            check(made["MIDDLE"])
    exec(compile(benchmark, "benchmark", "exec"), made)
    loaded = (made["HOUSES"], None, made["HOUSES"].load(None, None))
    for name, check in vars(test_benchmarks).items():
        if name.startswith("test_"):
            check(loaded)


@pytest.mark.parametrize("name", ["docs/extending.md", "docs/families.md", "docs/conventions.md"])
def test_python_in_the_docs_runs(name):
    for block in re.findall(r"^ *```python\n(.*?)```", page(name), flags=re.DOTALL | re.MULTILINE):
        exec(compile(dedent(block), name, "exec"), {})


def test_the_example_of_the_library_runs_and_names_what_is_there(tmp_path, monkeypatch, capsys):
    import importlib

    monkeypatch.chdir(tmp_path)
    text = page("docs/library.md")
    (example,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    exec(compile(example, "library", "exec"), {})
    assert "report/index.html" in capsys.readouterr().out
    for name in re.findall(r"`(secateur(?:\.\w+)+)(?:\(\))?`", text):
        module, _, last = name.rpartition(".")
        found = importlib.import_module(module)
        assert hasattr(found, last) or importlib.import_module(name), name


def test_the_example_of_an_import_says_what_it_says(tmp_path, bbq_folder, monkeypatch):
    import shlex

    from tests.cli import command

    monkeypatch.setitem(command.ENVIRONMENT, "SECATEUR_BBQ", str(bbq_folder))
    text = page("docs/importing.md").partition("## `answers`")[2]
    table, commands, said = (
        re.search(rf"```{kind}\n(.*?)```", text, flags=re.DOTALL)[1] for kind in ("csv", "sh", "text")
    )
    (tmp_path / "answers.csv").write_text(table, encoding="utf-8")
    printed = "".join(
        command.secateur(*shlex.split(line)[1:], folder=tmp_path).stdout for line in commands.splitlines()
    ).splitlines()
    for line in said.splitlines():
        assert line in printed
