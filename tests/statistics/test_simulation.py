"""The simulation draws what it says, and what is committed is its result."""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def simulation(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield importlib.import_module("coverage")
    del sys.modules["coverage"]


@pytest.fixture
def looks(simulation):
    yield importlib.import_module("looks")
    del sys.modules["looks"]


@pytest.mark.parametrize(
    ("directions", "icc", "rate", "worse"),
    [
        ("item", 0.0, 0.06, 0.9),
        ("item", 0.1, 0.06, 1.0),
        ("cluster", 0.1, 0.06, 0.9),
        ("cluster", 0.2, 0.015, 0.5),
        ("cluster", 0.02, 0.3, 0.5),
    ],
)
def test_rate_mean_and_correlation_are_as_asked(simulation, directions, icc, rate, worse):
    at = simulation.Scenario("grid", "planted", directions, icc, rate, worse)
    gained, lost = simulation.draw(at, 20_000, np.random.default_rng(0))
    assert (gained + lost).mean() / 16 == pytest.approx(rate, rel=0.02)
    assert (gained - lost).mean() / 16 == pytest.approx(at.truth, abs=0.02 * rate)
    # Of a sum of 16: 16 v (1 + 15 icc), with the variance v of one.
    of_one = rate - at.truth**2
    assert ((gained - lost).var() / (16 * of_one) - 1) / 15 == pytest.approx(icc, abs=0.006)


@pytest.mark.parametrize("icc", [0.1, 0.2])
def test_lopsided_has_mean_zero_and_is_not_symmetric(simulation, icc):
    at = simulation.Scenario("grid", "planted", "lopsided", icc, 0.06, 0.5)
    gained, lost = simulation.draw(at, 20_000, np.random.default_rng(0))
    assert gained.mean() == pytest.approx(lost.mean(), rel=0.02)
    assert lost.var() > 2 * gained.var()


def test_a_row_is_the_same_every_time(simulation):
    at = simulation.Scenario("grid", "BBQ Religion", "cluster", 0.1, 0.06, 0.5)
    rows = [simulation.simulate(at, 30) for _ in range(2)]
    assert rows[0] == rows[1]
    assert rows[0]["intervals"]["0.90"]["clustered"]["width"] < rows[0]["intervals"]["0.95"]["clustered"]["width"]


def test_what_is_committed_has_every_row_and_the_bands_of_the_script(simulation):
    found = json.loads((BENCHMARKS / "coverage.json").read_text(encoding="utf-8"))
    names = list(simulation.Scenario.__annotations__)
    rows = [simulation.Scenario(**{name: row[name] for name in names}) for row in found["rows"]]
    every = simulation.scenarios()
    assert [repr(at) for at in rows] == [repr(simulation.Scenario(**simulation._rounded(vars(at)))) for at in every]
    bands = [(band["name"], band["least"], band["most"], band["reason"]) for band in found["bands"]]
    assert bands == [(band.name, band.least, band.most, band.reason) for band in simulation.BANDS]
    for at, row in zip(every, found["rows"], strict=True):
        assert set(row["bands"]) == {band.name for band in simulation.BANDS if band.where(at) and not band.pooled}


def test_looks_ask_whole_clusters_more_and_more_of_them(looks):
    seen = looks.parts("BBQ, five categories", 4, 3)
    assert [len(part.chosen) for part in seen] == [33, 65, 98, 130]
    sizes = looks.clusters_of("BBQ, five categories").sizes
    for part, after in zip(seen, [*seen[1:], seen[-1]], strict=True):
        assert set(part.chosen) <= set(after.chosen)
        assert part.clusters.sizes.tolist() == sizes[part.chosen].tolist()
    assert [part.level is None for part in looks.parts("BBQ Age", 4, 3)] == [True, False, False, False]


def test_what_was_gained_and_lost_is_what_is_judged(looks):
    part = looks.parts("BBQ Age", 4, 0)[2]
    gained = np.arange(24) % 5
    lost = np.arange(24) % 3
    one = looks.contributions(part, gained, lost)
    assert one.sums.tolist() == (gained - lost)[part.chosen].tolist()
    assert (np.abs(one.values) <= 1).all()


def test_a_row_of_looks_is_the_same_every_time_and_asks_no_more_than_there_is(looks):
    at = looks.Scenario("looks", "BBQ Age", "cluster", 0.1, 0.06, 0.5)
    rows = [looks.simulate((at, 4), 20) for _ in range(2)]
    assert rows[0] == rows[1]
    for found in rows[0]["margins"].values():
        assert 12 <= found["clusters"] <= rows[0]["clusters_listed"]


def test_the_committed_looks_have_every_row_and_the_bands_of_the_script(looks):
    found = json.loads((BENCHMARKS / "looks.json").read_text(encoding="utf-8"))
    names = list(looks.Scenario.__annotations__)
    rows = [(looks.Scenario(**{name: row[name] for name in names}), row["looks"]) for row in found["rows"]]
    assert rows == looks.scenarios()
    bands = [(band["name"], band["least"], band["most"], band["reason"]) for band in found["bands"]]
    assert bands == [(band.name, band.least, band.most, band.reason) for band in looks.BANDS]


@pytest.fixture
def scores(simulation):
    yield importlib.import_module("scores")
    del sys.modules["scores"]


def test_the_truth_of_scores_is_what_many_studies_come_to(scores):
    rng = np.random.default_rng(0)
    for kind in ("score", "change of a score", "ratio", "score of a ratio", "change of a ratio"):
        at = scores.Scenario(kind, "planted", 0.02, 0.3, 0.9)
        make, truth_of = scores.KINDS[kind]
        # A narrow interval stands around the estimate.
        middles = [sum(make(at, rng)(1e-3)) / 2 for _ in range(150)]
        assert np.mean(middles) == pytest.approx(truth_of(at), abs=5 * np.std(middles) / 150**0.5)


def test_a_row_of_scores_is_the_same_every_time_and_what_is_undefined_is_counted(scores):
    at = scores.Scenario("ratio", "BBQ Religion", 0.1, 0.015, 0.5)
    rows = [scores.simulate(at, 200) for _ in range(2)]
    assert rows[0] == rows[1]
    assert 180 < rows[0]["defined"] < 200


def test_the_committed_scores_have_every_row_and_the_bands_of_the_script(scores):
    found = json.loads((BENCHMARKS / "scores.json").read_text(encoding="utf-8"))
    names = list(scores.Scenario.__annotations__)
    assert [scores.Scenario(**{name: row[name] for name in names}) for row in found["rows"]] == scores.scenarios()
    bands = [(band["name"], band["least"], band["most"], band["reason"]) for band in found["bands"]]
    assert bands == [(band.name, band.least, band.most, band.reason) for band in scores.BANDS.values()]


@pytest.fixture
def scripted(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield importlib.import_module("verdicts")
    del sys.modules["verdicts"]


@pytest.mark.parametrize("margin", [0.02, 0.09])
def test_scripted_candidates_are_so_many_of_their_standard_errors_inside(scripted, margin):
    shift = scripted.just_inside(margin)
    cluster = np.repeat(np.arange(scripted.CLUSTERS), scripted.PER_CLUSTER)
    rng = np.random.default_rng(1)
    means = []
    for _ in range(1500):
        dense, after = scripted.two_models(shift, cluster, rng, exact=False)
        means.append(after.mean() - dense.mean())
    assert np.mean(means) == pytest.approx(shift, rel=0.03)
    assert (margin - shift) / np.std(means) == pytest.approx(scripted.INSIDE, rel=0.06)


def test_the_bound_on_what_can_pass_is_a_level_at_the_margin_itself(scripted):
    assert scripted.at_best(0.02, 0.02, runs=20_000) == pytest.approx(0.05, abs=0.006)
    assert scripted.at_best(0.02, 0.001, runs=2_000) > 0.99
    committed = json.loads((BENCHMARKS / "verdicts.json").read_text(encoding="utf-8"))["scripted"]
    told = {(row["margin"], row["shift"]): row["at_best"] for row in committed if row["at_best"] is not None}
    assert set(told) == {(margin, scripted.just_inside(margin)) for margin in (0.02, 0.09)}
    assert all(row["passed"] <= row["at_best"] for row in committed if row["at_best"] is not None)
