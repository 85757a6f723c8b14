"""`secateur score` as a user runs it."""

import polars as pl
import pytest
from tests.cli import command
from tests.cli.command import secateur
from tests.report.scripted_study import ScriptedStudy, build

from secateur.metrics.conventions import CONVENTIONS
from secateur.report.scores import OURS, THEIRS


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("score")
    build(made / "x.store", ScriptedStudy(methods=("wanda",), levels=(0.5,), templates=3))
    build(
        made / "nothing.store",
        ScriptedStudy(methods=("wanda",), levels=(0.5,), templates=3, skip=("dense", "wanda 0.5")),
    )
    return made


@pytest.fixture(autouse=True)
def _no_bbq(monkeypatch, tmp_path):
    monkeypatch.setitem(command.ENVIRONMENT, "SECATEUR_CACHE", str(tmp_path))


def test_our_own_scores(folder):
    done = secateur("score", "x.store", "--csv", "own.csv", folder=folder)
    lines = done.stdout.splitlines()
    assert [line for line in lines if "wanda 0.5" in line and "Religion" in line and "[" in line]
    assert "read by the parser strict" in done.stdout
    table = pl.read_csv(folder / "own.csv")
    assert table.columns == list(OURS)
    assert {"s_amb", "s_dis", "srs"} <= set(table["metric"])


@pytest.mark.parametrize("name", CONVENTIONS)
def test_scores_by_a_convention(folder, name):
    done = secateur("score", "x.store", "--convention", name, "--csv", "them.csv", folder=folder)
    assert CONVENTIONS[name].docs in done.stdout
    assert [line for line in done.stdout.splitlines() if "wanda 0.5" in line and "Religion" in line]
    assert pl.read_csv(folder / "them.csv").columns == list(THEIRS)


def test_what_cannot_be_read_is_said_and_can_be_handed_to_a_parser(folder):
    done = secateur("score", "x.store", "--convention", "parrish", folder=folder)
    assert "no answer is the text of an option" in done.stdout
    assert "--parser strict reads letters" in done.stdout
    done = secateur("score", "x.store", "--convention", "parrish", "--parser", "strict", folder=folder)
    assert "was read by the parser strict" in done.stdout
    assert "n_by_parser" in done.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("x.store", "--convention", "mine"), "There is no such convention."),
        (("x.store", "--parser", "mine"), "There is no such parser."),
        (("x.store", "--plan", "zz"), "The store has no such study."),
        (("x.store", "--convention", "helm", "--bbq", "nowhere"), "nowhere"),
        (("nothing.store",), "The store has no answers of this study yet."),
        (("nothing.store", "--convention", "helm"), "The store has no answers of this study yet."),
        (("missing.store",), "missing.store"),
    ],
)
def test_what_does_not_exist(folder, options, message):
    done = secateur("score", *options, folder=folder, code=2)
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("options", [(), ("--convention", "lm-eval")])
def test_two_models_of_one_name_keep_their_own_scores(folder, tmp_path, options):
    study = ScriptedStudy(models=("a/one", "b/two"), called="org/m", methods=("wanda",), levels=(0.5,), templates=3)
    store = build(tmp_path / "revisions.store", study)
    done = secateur("score", store, *options, "--csv", "two.csv", folder=tmp_path)
    table = pl.read_csv(tmp_path / "two.csv")
    (first, second) = table["model"].unique(maintain_order=True)
    for name in (first, second):
        assert [line for line in done.stdout.splitlines() if line.startswith(f"{name}  wanda 0.5")]
    assert "org/m (" in first
    shown = {line.split("wanda 0.5", 1)[1] for line in done.stdout.splitlines() if "wanda 0.5" in line}
    assert len(shown) > sum(line.startswith(f"{first}  wanda 0.5") for line in done.stdout.splitlines())
