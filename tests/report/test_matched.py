"""Changes at the same KL: rows, counts, and the sentence made of them."""

import numpy as np
import polars as pl
import pytest
from tests.report.scripted_study import ScriptedStudy, build

from secateur.metrics.paired import Difference
from secateur.records.store import Store
from secateur.report.claims import make_claims
from secateur.report.matched import METHOD, PLACEBO, p_of_each
from secateur.report.read import read_report_data
from secateur.report.tables import TABLES
from secateur.statistics.clustered import Contributions, clustered_p
from secateur.statistics.samples import Clusters


def difference(mean, *, n=40):
    values = np.full(n, mean) + np.tile([0.01, -0.01], n // 2)
    clusters = Clusters.of(np.arange(n) // 2)
    return Difference(0.0, mean, Contributions(values, clusters), np.ones(n, bool))


UNDEFINED = Difference(None, None, None, np.ones(40, bool), "undefined")


def test_p_of_several_seeds_is_that_of_the_least_clear():
    clear, faint = difference(0.5), difference(0.001)
    assert p_of_each([clear, faint]) == clustered_p(faint.contributions) > clustered_p(clear.contributions)
    assert p_of_each([clear, clear]) == clustered_p(clear.contributions)


def test_what_lies_between_two_seeds_differs_from_neither():
    assert p_of_each([difference(0.5), difference(-0.5)]) == 1.0


def test_a_seed_that_is_undefined_leaves_no_p():
    assert p_of_each([difference(0.5), UNDEFINED]) is None
    assert p_of_each([UNDEFINED]) is None


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    study = ScriptedStudy(
        models=("acme/one", "acme/two"),
        methods=("magnitude", "wanda"),
        levels=(0.3, 0.5, 0.9),
        noise=(0.1, 0.3, 0.6),
        templates=8,
        lean=4.5,
    )
    return read_report_data(Store.open(build(tmp_path_factory.mktemp("stores") / "matched.store", study)))


def test_more_damage_is_matched_by_more_noise(data):
    for model in data.models:
        levels = [
            data.matched.filter(variant=v.key, kind=PLACEBO, metric="usr_all", readout="letter")[
                "matching_level"
            ].item()
            for v in data.of_model(model)
            if v.method == "magnitude" and v.nominal < 0.9
        ]
        assert levels == sorted(levels)
        assert 0 < levels[0] < levels[1] < 0.6


def test_the_scripted_damage_is_matched_by_its_own_size(data):
    """The script damages text by one number, so the noise that matches is the one of that number."""
    for variant in data.variants:
        if variant.method == "wanda" and variant.nominal == 0.5:
            row = data.matched.filter(variant=variant.key, kind=PLACEBO, metric="usr_all", readout="letter")
            assert row["matching_level"].item() == pytest.approx(0.6 * 0.5**1.5, rel=0.05)
            assert "noise 0.1" in row["between"].item()
            assert "noise 0.3" in row["between"].item()


def test_beyond_the_strongest_noise_there_is_no_match(data):
    worst = [v for v in data.variants if v.method == "magnitude" and v.nominal == 0.9]
    rows = data.matched.filter(pl.col("variant").is_in([v.key for v in worst]), kind=PLACEBO)
    assert rows.height
    assert rows["value"].null_count() == rows.height
    assert set(rows["note"]) == {"its KL is beyond the last point of the curve that can be read"}


def test_holm_is_over_all_variants_of_all_models(data):
    one = data.matched.filter(kind=METHOD, metric="usr_all", readout="letter")
    assert set(one["variant"].unique()) > {v.key for v in data.of_model(next(iter(data.models)))[1:]}
    smallest = one.filter(pl.col("p") == pl.col("p").min())
    assert smallest["p_holm"][0] == pytest.approx(min(1.0, smallest["p"][0] * one.height))


def test_counts_are_of_the_rows(data):
    counts = TABLES["matched_counts"](data).frame
    for row in counts.iter_rows(named=True):
        ours = [v.key for v in data.of_model(row["model_id"]) if data.state(v, row["readout"]).readable]
        part = data.matched.filter(
            pl.col("variant").is_in(ours), readout=row["readout"], metric=row["metric"], reference=row["reference"]
        )
        held = part.filter(pl.col("p_holm") < 0.05)
        assert row["compared"] == part.height - part["p"].null_count()
        assert row["beyond"] == part["p"].null_count()
        assert (row["differ"], row["holm"]) == (part.filter(pl.col("p") < 0.05).height, held.height)
        assert (row["more"], row["less"]) == (
            held.filter(pl.col("value") > 0).height,
            held.filter(pl.col("value") < 0).height,
        )
    assert counts["kind"].to_list() == sorted(counts["kind"], key=lambda kind: kind != PLACEBO)


def test_a_sentence_for_each_model(data):
    said = [claim for claim in make_claims(data) if "on the dense weights at the same KL" in claim.text]
    assert len(said) == 2
    assert {claim.model for claim in said} == set(data.models)
