"""Scores of a store."""

import json

import polars as pl
import pytest
from tests.report.scripted_study import ScriptedStudy, build

from secateur.errors import InputError, StoreError
from secateur.metrics.conventions import CONVENTIONS
from secateur.records.answers import BY_ORDER, LETTER, SAMPLED
from secateur.records.imports.answers import import_answers
from secateur.records.store import Store
from secateur.report.scores import OURS, THEIRS, score_store


@pytest.fixture
def _no_bbq(monkeypatch, tmp_path):
    monkeypatch.delenv("SECATEUR_BBQ", raising=False)
    monkeypatch.setenv("SECATEUR_CACHE", str(tmp_path / "nothing"))


@pytest.mark.usefixtures("_no_bbq")
@pytest.mark.parametrize("name", CONVENTIONS)
def test_every_convention_of_a_store(scripted_store, name):
    found = score_store(Store.open(scripted_store), convention=name)
    assert found.table.schema == THEIRS
    assert set(found.table["readout"]) == {LETTER, BY_ORDER, SAMPLED}
    assert set(found.table["variant"]) >= {"dense", "wanda 0.5"}
    assert found.labels == ""
    keys = ["model", "variant", "readout", "category", "condition", "metric"]
    assert found.table.select(keys).is_unique().all()


@pytest.mark.usefixtures("_no_bbq")
def test_without_a_convention_it_is_the_report_s(scripted_store, scripted_data):
    found = score_store(Store.open(scripted_store))
    assert found.table.schema == OURS
    labels = {variant.key: variant.label for variant in scripted_data.variants}
    ours = scripted_data.metrics.filter(pl.col("condition") != "").with_columns(
        variant=pl.col("variant").replace_strict(labels)
    )
    assert found.table.drop("model").equals(ours)


@pytest.mark.usefixtures("_no_bbq")
def test_letters_need_a_parser_where_texts_are_known(scripted_store):
    store = Store.open(scripted_store)

    def accuracy(parser):
        table = score_store(store, convention="parrish", parser=parser).table
        return table.filter(variant="dense", readout=SAMPLED, category="all", condition="disambig", metric="accuracy")[
            "value"
        ][0]

    assert accuracy(None) is None
    assert accuracy("strict") > 0.5


def test_floor_answers_do_not_count(scripted_store):
    table = score_store(Store.open(scripted_store), convention="lm-eval").table
    counts = table.filter(readout=SAMPLED, category="all", condition="all", metric="accuracy")
    assert counts["n_answers"].n_unique() == 1


@pytest.mark.usefixtures("_no_bbq")
def test_bbq_s_own_labels(bbq_folder, tmp_path):
    lines = [json.loads(line) for line in (bbq_folder / "data" / "Age.jsonl").read_text().splitlines()][:40]
    rows = [f"Age,{line['example_id']},the {line['answer_info']['ans0'][0]} person" for line in lines]
    path = tmp_path / "texts.csv"
    path.write_text("\n".join(["category,example_id,answer", *rows]) + "\n")
    import_answers([path], tmp_path / "x.store", bbq=bbq_folder)
    store = Store.open(tmp_path / "x.store")
    without = score_store(store, convention="helm")
    assert without.labels == ""
    assert "our roles" in without.table["note"][0]
    found = score_store(store, convention="helm", bbq=bbq_folder)
    assert "40 of 40 items" in found.labels
    assert not [note for note in found.table["note"] if "our roles" in note]


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"convention": "mine"}, "There is no such convention(.|\n)*parrish, helm, lm-eval(.|\n)*mine"),
        ({"parser": "mine"}, "There is no such parser"),
        ({"parser": "mine", "convention": "helm"}, "There is no such parser"),
        ({"plan": "zz", "convention": "helm"}, "The store has no such study"),
        ({"bbq": "nowhere"}, "Our own metrics do not read BBQ's files"),
    ],
)
def test_what_does_not_exist(scripted_store, wanted, message):
    with pytest.raises(InputError, match=message):
        score_store(Store.open(scripted_store), **wanted)


@pytest.mark.parametrize("convention", [None, *CONVENTIONS])
def test_a_study_that_asks_nothing(tmp_path, convention):
    study = ScriptedStudy(methods=("wanda",), levels=(0.5,), templates=1, letter=None, sampled=None)
    store = Store.open(build(tmp_path / "text.store", study))
    with pytest.raises(StoreError, match="This study asks no questions"):
        score_store(store, convention=convention)


@pytest.mark.parametrize("convention", [None, *CONVENTIONS])
def test_an_empty_store(tmp_path, convention):
    store = Store.open_or_create(tmp_path / "empty.store")
    with pytest.raises(StoreError, match="The store holds no study"):
        score_store(store, convention=convention)
