"""A store whose items are all of one cluster: numbers, no intervals, and nothing said that would need them."""

import json

import pytest
from tests.report.scripted_study import ScriptedStudy, build

from secateur.metrics.single import ONE_CLUSTER
from secateur.records.store import Store
from secateur.report.data import GUESSING, UNCHECKED
from secateur.report.read import read_report_data
from secateur.report.write import write_report

ALONE = ScriptedStudy(methods=("wanda",), levels=(0.3, 0.5), templates=1, per_template=6, categories=("Age",))


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("alone") / "x.store"
    build(folder, ALONE)
    return folder


def test_numbers_have_no_intervals_and_say_why(store):
    data = read_report_data(Store.open(store))
    rows = data.metrics.filter(condition="ambig", metric="srs")
    assert rows["value"].null_count() == 0
    assert rows["low"].null_count() == rows.height > 0
    assert all(note.startswith(ONE_CLUSTER) for note in rows["note"])
    assert data.pairs["low"].null_count() == data.pairs.height


def test_guessing_cannot_be_checked_unless_a_variant_is_at_chance_itself(store):
    data = read_report_data(Store.open(store))
    for variant in data.variants:
        for readout in data.readouts:
            row = data.metric(variant, "accuracy", readout=readout, condition="disambig")
            assert data.state(variant, readout).name == (GUESSING if row["value"] <= 1 / 3 else UNCHECKED)


def test_a_whole_report_is_written(store, tmp_path):
    page = write_report(store, tmp_path / "report")
    said = json.loads((page.parent / "report.json").read_text(encoding="utf-8"))
    texts = " ".join(claim["text"] for claim in said["claims"])
    assert "as all disambiguated items are of one cluster" in texts
    assert "There are no intervals to compare." in texts
    assert "these intervals show no difference" not in texts
    assert {row["n_clusters"] for row in said["tables"]["summary"]["rows"]} == {1}
