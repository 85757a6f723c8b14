"""`secateur study status` of stores that are not whole."""

import json
import re
import shutil

import pytest
from tests.cli.command import secateur
from tests.report.scripted_study import ScriptedStudy, build, make_items
from tests.scripted_store import Asked, ScriptedVariant, write_store

STUDY = ScriptedStudy(methods=("wanda",), levels=(0.5,), templates=2, per_template=2, text=False)


@pytest.fixture
def store(tmp_path):
    return build(tmp_path / "x.store", STUDY)


def test_a_variant_deleted_with_its_cells_as_the_docs_recommend_is_missing(store, tmp_path):
    (variant,) = [path.parent for path in store.glob("variants/*/realised.json")]
    planned = json.loads((variant / "variant.json").read_text())["planned"]
    for cell in store.glob("cells/*/cell.json"):
        if json.loads(cell.read_text())["variant"] == planned:
            shutil.rmtree(cell.parent)
    shutil.rmtree(variant)
    done = secateur("study", "status", store, folder=tmp_path)
    assert re.search(r"wanda 0\.5 +ask +0 / \d+ +0% +missing", done.stdout)
    assert "every file is as written" in done.stdout


@pytest.mark.parametrize("file", ["items/*.parquet", "variants/*/realised.json", "plans/*.json"])
def test_damage_of_any_kind_leaves_the_check(store, tmp_path, file):
    (path,) = store.glob(file)
    path.write_bytes(path.read_bytes()[:-9])
    done = secateur("study", "status", store, folder=tmp_path, code=2)
    assert re.search(r"problems: \d", done.stdout)
    assert path.name in done.stdout
    assert "Traceback" not in done.stderr


def test_items_given_up_by_a_repair_are_missing_until_the_next_run(store, tmp_path):
    (path,) = store.glob("items/*.parquet")
    path.write_bytes(path.read_bytes()[:-9])
    for arguments in (("--repair",), ()):
        done = secateur("study", "status", store, *arguments, folder=tmp_path, code=2)
        assert re.search(r"wanda 0\.5 +ask +missing +-", done.stdout)
        assert "Rows of table letter belong to items that the store does not have." in done.stdout
    build(store, STUDY)
    assert "every file is as written" in secateur("study", "status", store, folder=tmp_path).stdout


def test_labels_and_names_are_shown_as_they_are(tmp_path):
    variants = [
        ScriptedVariant(label, recipe, None) for label, recipe in (("dense", None), ("x [/s50]", {"method": "y"}))
    ]
    store = write_store(tmp_path / "x.store", "s", make_items(STUDY), {"m [red]": variants}, Asked(letter=("012",)))
    done = secateur("study", "status", store, folder=tmp_path)
    assert re.search(r"m \[red\] +x \[/s50\] +ask +0 / \d+ +0% +not made yet", done.stdout)


def test_two_models_of_one_name_are_told_apart(tmp_path):
    variants = [ScriptedVariant("dense", None, None)]
    models = {"one": variants, "two": variants}
    store = write_store(tmp_path / "x.store", "s", make_items(STUDY), models, Asked(letter=("012",)), called="org/m")
    done = secateur("study", "status", store, folder=tmp_path)
    assert len(set(re.findall(r"org/m \([0-9a-f]{8}\)", done.stdout))) == 2
