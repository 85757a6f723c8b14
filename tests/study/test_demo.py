"""The demo asks the model that ships, from nothing to a report; here a few of its questions, for time."""

import pytest
import yaml

from secateur.errors import InputError, StoreUnwritableError
from secateur.records.store import Store
from secateur.study import demo
from secateur.study.config import load_study
from secateur.study.run import run_study


@pytest.fixture
def quick(monkeypatch):
    real = demo.demo_study

    def short(*, full):
        study = real(full=full)
        study["variants"] = ["dense", {"method": ["random", "wanda"], "sparsity": 0.5}]
        study["benchmark"] |= {"categories": ["Peoples"], "limit": 8}
        study["calibration"] |= {"sequences": 2}
        return study

    monkeypatch.setattr(demo, "demo_study", short)


def rows(store):
    """Every row of every table, as it is stored."""
    return {path.relative_to(store): path.read_bytes() for path in sorted(store.rglob("*.parquet"))}


def test_from_nothing_to_a_report_the_same_every_time(quick, tmp_path):
    made = demo.run_demo(tmp_path / "a")
    assert made.outcome.rows_added == made.outcome.rows_wanted > 0
    assert Store.open(made.store).check() == []
    assert made.report.exists()
    assert demo.run_demo(tmp_path / "a").outcome.rows_added == 0
    again = demo.run_demo(tmp_path / "b")
    assert rows(again.store) == rows(made.store)


def test_the_study_file_it_leaves_is_the_study_it_ran(quick, tmp_path):
    made = demo.run_demo(tmp_path / "a")
    assert yaml.safe_load((tmp_path / "a" / demo.STUDY).read_text()) == demo.demo_study(full=False)
    assert load_study(tmp_path / "a" / demo.STUDY).study == made.outcome.plan.config.study


def test_nothing_says_where_this_machine_keeps_the_model(quick, tmp_path):
    made = demo.run_demo(tmp_path / "a")
    for path in (tmp_path / "a").rglob("*"):
        if path.suffix in (".json", ".yaml", ".html", ".csv"):
            text = path.read_text(encoding="utf-8")
            assert "site-packages" not in text
            assert str(tmp_path) not in text
    assert made.store.is_dir()


def test_full_asks_every_question():
    assert "per_template" not in demo.demo_study(full=True)["benchmark"]
    assert demo.demo_study(full=False)["benchmark"]["per_template"] == 1


@pytest.mark.parametrize("name", ["thesis.txt", demo.STUDY])
def test_a_folder_with_something_else_is_refused_and_left_alone(name, tmp_path):
    (tmp_path / name).write_text("study: my own")
    with pytest.raises(InputError, match="The folder holds something else than a demo"):
        demo.run_demo(tmp_path)
    assert (tmp_path / name).read_text() == "study: my own"


def test_a_file_where_a_folder_is_needed_is_said(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="something else than a demo"):
        demo.run_demo(tmp_path / "file")
    with pytest.raises(StoreUnwritableError, match="a file where a folder is needed"):
        demo.run_demo(tmp_path / "file" / "below")


def test_plan_and_run_find_the_store_of_the_study_it_leaves(quick, tmp_path):
    made = demo.run_demo(tmp_path / "a")
    assert made.store == tmp_path / "a" / "study.store"
    again = run_study(load_study(tmp_path / "a" / demo.STUDY), made.store, base=tmp_path / "a", offline=True)
    assert again.rows_added == 0
