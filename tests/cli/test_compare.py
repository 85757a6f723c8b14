"""`secateur compare` as a user runs it."""

import polars as pl
import pytest
from tests.cli.command import secateur
from tests.report.scripted_study import ScriptedStudy, build


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("compare")
    build(made / "x.store", ScriptedStudy(methods=("wanda",), levels=(0.1, 0.5), templates=4))
    return made


def test_a_table_for_people_and_the_whole_as_files(folder):
    done = secateur("compare", "x.store", "--metric", "usr_all", "--out", "tables", folder=folder)
    lines = [line for line in done.stdout.splitlines() if line.startswith("acme/one-2b, wanda 0.5")]
    assert [line for line in lines if "usr_all" in line and "[" in line]
    assert not [line for line in lines if "srs" in line]
    table = pl.read_csv(folder / "tables" / "differences.csv")
    assert table.filter(pl.col("metric") == "srs").height > 0
    assert pl.read_csv(folder / "tables" / "excesses.csv").height > 0


def test_parts_of_the_items(folder):
    done = secateur("compare", "x.store", "--by", "category", "--metric", "usr_all", folder=folder)
    assert "Religion" in done.stdout


def test_a_place_that_cannot_be_written_is_told_without_a_traceback(folder):
    (folder / "file").write_text("")
    done = secateur("compare", "x.store", "--out", "file", folder=folder, code=2)
    assert "file/differences.csv" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--by", "colour"), "There is no such part of the items."),
        (("--metric", "sns"), "There is no such metric to compare."),
        (("--baseline", "nothing"), "There is no such variant."),
    ],
)
def test_what_does_not_exist(folder, options, message):
    done = secateur("compare", "x.store", *options, folder=folder, code=2)
    assert message in done.stderr
    assert "Traceback" not in done.stderr
