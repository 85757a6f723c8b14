"""Readouts read, and figures drawn, in processes of their own give what they give one after the other."""

import dataclasses
from concurrent.futures.process import BrokenProcessPool

import polars as pl
import pytest
from tests.report.scripted_study import ScriptedStudy, build

from secateur.errors import StoreDamagedError
from secateur.records.store import Store
from secateur.report import processes, read, read_model, write
from secateur.report.data import NOT_RUN
from secateur.report.read import read_report_data
from secateur.report.write import report_files, write_report

MODELS = ("acme/one-2b", "acme/two-2b", "acme/three-2b")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    study = ScriptedStudy(
        models=MODELS,
        methods=("random", "wanda"),
        levels=(0.5,),
        templates=3,
        per_template=2,
        wordings=("terse-v1",),
    )
    return build(tmp_path_factory.mktemp("stores") / "three.store", study)


@pytest.fixture
def few_are_many(monkeypatch):
    monkeypatch.setattr(processes, "MANY", 1)


def frames(data):
    """All tables in a dataclass, nested ones too, by their names."""
    found = {}
    for field in dataclasses.fields(data):
        value = getattr(data, field.name)
        if isinstance(value, pl.DataFrame):
            found[field.name] = value
        elif dataclasses.is_dataclass(value):
            found |= {f"{field.name}.{name}": frame for name, frame in frames(value).items()}
    return found


def assert_same(one, other):
    assert one.variants == other.variants
    for name in ("protocol", "coupling", "left_out", "states", "wording_states"):
        assert getattr(one, name) == getattr(other, name), name
    mine, theirs = frames(one), frames(other)
    assert mine.keys() == theirs.keys()
    assert len(mine) > 15
    for name, frame in mine.items():
        assert frame.equals(theirs[name]), name


def test_a_report_is_the_same_from_one_process_and_from_two(store, few_are_many):
    alone = read_report_data(Store.open(store))
    assert {variant.model_name for variant in alone.variants} == set(MODELS)
    assert NOT_RUN not in {state.name for state in alone.wording_states.values()}
    assert alone.wording_states.keys() == {(variant.key, "terse-v1") for variant in alone.variants}
    assert_same(alone, read_report_data(Store.open(store), processes=2))


def test_so_it_is_where_the_published_parser_is_the_main_one(store, few_are_many):
    alone, beside = (read_report_data(Store.open(store), parser="pia", processes=number) for number in (1, 2))
    assert set(alone.parsed["parser"]) == {"strict", "pia"}
    assert alone.published is not None
    assert_same(alone, beside)


def test_every_file_of_a_report_is_the_same_from_one_process_and_from_two(tmp_path, few_are_many):
    study = ScriptedStudy(methods=("random",), levels=(0.5,), templates=2, per_template=1)
    data = read_report_data(Store.open(build(tmp_path / "one.store", study)))
    alone, beside = (report_files(data, processes=number) for number in (1, 2))
    assert [*alone] == [*beside]
    assert [name for name in alone if alone[name] != beside[name]] == []
    assert sum(name.endswith(".png") for name in alone) > 5


def test_a_report_of_many_answers_tells_what_it_does(store, tmp_path, monkeypatch):
    told = []
    write_report(store, tmp_path / "few", note=told.append)
    assert told == []
    monkeypatch.setattr(read, "MANY", 1)
    monkeypatch.setattr(write, "MANY", 1)
    write_report(store, tmp_path / "many", note=told.append)
    assert [text.split()[0] for text in told] == ["reading", "writing"]
    assert "records" in told[0]


def test_no_process_is_started_for_few_answers_or_if_one_is_to_do_it(store, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a process was started")

    monkeypatch.setattr(processes, "ProcessPoolExecutor", refuse)
    read_report_data(Store.open(store), processes=2)
    monkeypatch.setattr(processes, "MANY", 1)
    read_report_data(Store.open(store), processes=1)


def test_if_a_process_dies_the_report_is_made_without(store, few_are_many, monkeypatch):
    class Dying:
        def __init__(self, *_, **__):
            pass

        def submit(self, *_):
            raise BrokenProcessPool("killed")

        def shutdown(self):
            pass

    alone = read_report_data(Store.open(store))
    monkeypatch.setattr(processes, "ProcessPoolExecutor", Dying)
    assert_same(alone, read_report_data(Store.open(store), processes=2))


def test_a_process_that_starts_when_all_is_done_has_nothing_to_complain_of(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "_leave_with", lambda _: None)
    monkeypatch.setattr(processes.signal, "getsignal", lambda _: None)
    processes._begin(tmp_path / "gone")
    with pytest.raises(processes._NO_PROCESSES):
        processes._do(print, ())


def test_what_goes_wrong_while_parts_are_found_is_said_and_nothing_is_left_out(store, few_are_many, monkeypatch):
    real = read_model.read_variants

    def failing(reading, number):
        if number == 1:
            raise PermissionError("not yours")
        return real(reading, number)

    monkeypatch.setattr(read_model, "read_variants", failing)
    with pytest.raises(PermissionError, match="not yours"):
        read_report_data(Store.open(store), processes=2)


def test_what_is_wrong_with_a_store_is_said_as_ever(tmp_path, few_are_many):
    folder = build(
        tmp_path / "x.store", ScriptedStudy(models=MODELS[:2], methods=("random",), levels=(0.5,), templates=2)
    )
    shard = max(folder.rglob("*.parquet"), key=lambda path: path.stat().st_size)
    shard.write_bytes(shard.read_bytes()[:-9])
    with pytest.raises(StoreDamagedError) as alone:
        read_report_data(Store.open(folder))
    with pytest.raises(StoreDamagedError) as beside:
        read_report_data(Store.open(folder), processes=2)
    assert str(beside.value) == str(alone.value)
    assert beside.value.exit_code == alone.value.exit_code
