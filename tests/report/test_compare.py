"""Two variants of a store, item by item."""

import re

import polars as pl
import pytest
from tests.report.scripted_study import ScriptedStudy, build

from secateur.errors import InputError, StoreError
from secateur.records.answers import BY_ORDER, LETTER, SAMPLED
from secateur.records.store import Store
from secateur.report.compare import compare_store
from secateur.report.read import read_report_data


@pytest.fixture(scope="module")
def compared(scripted_store):
    return compare_store(Store.open(scripted_store))


def row(table, **wanted):
    for name, value in {"by": "all", "weighting": "items", **wanted}.items():
        table = table.filter(pl.col(name) == value)
    (found,) = table.iter_rows(named=True)
    return found


def test_every_variant_of_the_model_is_compared_in_every_readout(compared):
    assert len(compared.variants) == 6
    assert set(compared.differences["variant"]) == set(compared.variants)
    assert set(compared.differences["readout"]) == {LETTER, BY_ORDER, SAMPLED}


def test_changes_are_those_of_the_report(compared, scripted_data):
    keys = {f"{variant.model_name}, {variant.label}": variant.key for variant in scripted_data.variants}
    checked = 0
    for one in compared.differences.filter(pl.col("by") == "category").iter_rows(named=True):
        for name, side in (("variant", "after"), ("baseline", "before")):
            found = scripted_data.metrics.filter(
                (pl.col("variant") == keys[one[name]])
                & (pl.col("readout") == one["readout"])
                & (pl.col("category") == one["part"])
                & (pl.col("condition") == one["condition"])
                & (pl.col("metric") == one["metric"])
            )
            if one[side] is None:
                assert one["value"] is None
            else:
                assert one[side] == pytest.approx(found["value"][0], abs=1e-9)
                checked += 1
    assert checked > 500


def test_an_interval_holds_its_difference_and_a_broken_variant_is_undefined_with_its_reason(compared):
    defined = compared.differences.filter(pl.col("low").is_not_null())
    assert (defined["low"] <= defined["value"]).all()
    assert (defined["value"] <= defined["high"]).all()
    assert (compared.differences.filter(pl.col("value").is_null())["note"] != "").all()


def test_corrections_are_within_a_family_and_never_below_p(compared):
    tested = compared.differences.filter(pl.col("p").is_not_null())
    assert (tested["p_holm"] >= tested["p"] - 1e-12).all()
    assert (tested["p_holm"] >= tested["p_bh"] - 1e-12).all()
    family = compared.differences.filter(
        (pl.col("readout") == SAMPLED) & (pl.col("metric") == "usr_all") & (pl.col("by") == "category")
    )
    smallest = family.sort("p").row(0, named=True)
    assert smallest["p_holm"] == pytest.approx(min(1, smallest["p"] * family.height))


def test_excess_over_the_floor_compares_different_seeds_on_both_sides(compared):
    found = row(compared.excesses, variant=compared.variants[0], metric="flips", condition="ambig")
    assert found["value"] == pytest.approx(found["after"] - found["before"])
    assert found["readout"] == SAMPLED


def test_one_variant_against_another(scripted_store):
    found = compare_store(Store.open(scripted_store), baseline="wanda 0.1", variants=["acme/one-2b, wanda 0.5"])
    assert (found.baseline, found.variants) == ("acme/one-2b, wanda 0.1", ("acme/one-2b, wanda 0.5",))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"baseline": "dence"}, r"There is no such variant(.|\n)*acme/one-2b, dense; acme/one-2b, random 0.1"),
        ({"variants": ["wanda 0.2"]}, r"There is no such variant(.|\n)*--variant"),
        ({"parser": "loose"}, "There is no such parser"),
    ],
)
def test_names_that_are_not_there(scripted_store, options, message):
    with pytest.raises(InputError, match=message):
        compare_store(Store.open(scripted_store), **options)


def test_a_name_of_several_models_must_say_which(tmp_path):
    store = Store.open(build(tmp_path / "two.store", ScriptedStudy(models=("a/one", "b/two"), levels=(0.1,))))
    with pytest.raises(InputError, match="Several models have a variant of this name"):
        compare_store(store)
    assert len(compare_store(store, baseline="b/two, dense").variants) == 3


def test_a_variant_that_was_not_run_yet(tmp_path):
    study = ScriptedStudy(methods=("wanda",), levels=(0.1, 0.5), skip=("wanda 0.5",))
    store = Store.open(build(tmp_path / "open.store", study))
    with pytest.raises(StoreError, match=r"no answers of this variant yet(.|\n)*wanda 0.5"):
        compare_store(store)
    assert compare_store(store, variants=["wanda 0.1"]).variants == ("acme/one-2b, wanda 0.1",)


def test_two_models_of_one_name_are_told_apart_as_in_the_report(tmp_path):
    study = ScriptedStudy(models=("a/one", "b/two"), called="org/m", methods=("wanda",), levels=(0.1,))
    store = Store.open(build(tmp_path / "revisions.store", study))
    names = list(read_report_data(store).models.values())
    assert len(set(names)) == 2
    assert all(re.fullmatch(r"org/m \([0-9a-f]{8}\)", name) for name in names)
    with pytest.raises(
        InputError, match=rf"Several models have a variant of this name(.|\n)*{re.escape(names[0])}, dense"
    ):
        compare_store(store)
    found = [compare_store(store, baseline=f"{name}, dense") for name in names]
    assert [one.variants for one in found] == [(f"{name}, wanda 0.1",) for name in names]
    between = compare_store(store, baseline=f"{names[0]}, dense", variants=[f"{names[1]}, dense"])
    assert between.differences.height
