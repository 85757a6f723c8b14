"""Scripted stores, built once."""

import pytest
from tests.report.scripted_study import GREEDY, ScriptedStudy, build

from secateur.records.parsers import PARSERS
from secateur.records.store import Store
from secateur.report import write_report
from secateur.report.read import read_report_data


@pytest.fixture(scope="session")
def scripted_store(tmp_path_factory):
    """Two methods at three levels, both readouts, both conditions, floors, text, other words; random 0.7 collapses."""
    study = ScriptedStudy(
        methods=("random", "wanda"), levels=(0.1, 0.5, 0.7), templates=4, per_template=3, wordings=("terse-v1",)
    )
    return build(tmp_path_factory.mktemp("stores") / "one.store", study)


@pytest.fixture(scope="session")
def report(scripted_store, tmp_path_factory):
    """The folder with the report of the scripted store."""
    return write_report(scripted_store, tmp_path_factory.mktemp("report") / "out").parent


@pytest.fixture(scope="session")
def scripted_data(scripted_store):
    return read_report_data(Store.open(scripted_store))


@pytest.fixture(scope="session")
def rich_store(tmp_path_factory):
    """Some bias, a method in both forms, placebos, latencies: a study that fills every table and figure."""
    study = ScriptedStudy(
        methods=("magnitude", "wanda", "wanda-pia"),
        levels=(0.3, 0.5),
        templates=4,
        per_template=3,
        latency=True,
        noise=(0.1, 0.3, 0.6),
        lean=4.5,
    )
    return Store.open(build(tmp_path_factory.mktemp("stores") / "rich.store", study))


@pytest.fixture(scope="session")
def rich_data(rich_store):
    """It, with a second parser."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PARSERS, "pia", GREEDY)
        return read_report_data(rich_store)
