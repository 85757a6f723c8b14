"""The published quantities against plain loops over answers, on random data."""

import math

import numpy as np
import polars as pl
import pytest
from tests.metrics.builders import make_items, sampled_rows
from tests.reference import published as slow

from secateur.metrics import published as fast
from secateur.metrics.counts import count_outcomes
from secateur.records.outcomes import sampled_outcomes
from secateur.statistics import wilson
from secateur.statistics.published import truncated_count

TEXTS = ["A", "B", "C", "b.", "Unknown", "nonsense", "", "C) Cannot be"]
BOTH = ("ambig", "disambig")
MADE = {"dense": ("dense", None), "m3": ("magnitude", 0.3), "m5": ("magnitude", 0.5), "w5": ("wanda", 0.5)}


class Study:
    """One model's made-up answers, as frames and as rows."""

    def __init__(self, seed):
        rng = np.random.default_rng(seed)
        self.table = make_items(60, seed=seed, conditions=BOTH, without_roles=0.15, categories=("Age", "SES", "Rel"))
        self.items = {row["item"]: row for row in self.table.iter_rows(named=True)}
        self.rows, counts = {}, []
        for place, name in enumerate(MADE):
            texts = [*TEXTS[: 4 + place], *["B"] * (4 - place), *["nonsense"] * (6 * (name == "w5"))]
            sampled = sampled_rows(self.table, texts, rng=rng, seeds=(1, 2), keep=0.9)
            frame = sampled_outcomes(sampled, self.table)
            self.rows[name] = slow.kept(frame.iter_rows(named=True), self.items)
            counts.append((name, fast.count_items(count_outcomes(frame, self.table))))
        self.counts = fast.with_variant(counts)
        self.dense = counts[0][1]
        self.facts = pl.DataFrame(
            [{"variant": name, "method": method, "level": level} for name, (method, level) in MADE.items()]
        )
        self.rates = fast.rates(self.counts, dense="dense")

    def of(self, name, category=fast.ALL):
        return [row for row in self.rows[name] if category in (fast.ALL, row["category"])]

    @property
    def categories(self):
        return sorted({row["category"] for row in self.rows["dense"]})


@pytest.fixture(params=range(4))
def study(request):
    return Study(request.param)


def same(found, expected):
    return found is None if expected is None else found == pytest.approx(expected, abs=1e-12)


def test_rates(study):
    rows = {(row["variant"], row["category"]): row for row in study.rates.iter_rows(named=True)}
    assert set(rows) == {(name, c) for name in MADE for c in (fast.ALL, *study.categories)}
    for (name, category), row in rows.items():
        expected = slow.rates(study.of(name, category))
        base = slow.rates(study.of("dense", category))
        for column, value in expected.items():
            assert same(row[column], value), (name, category, column)
        assert row["srs_delta"] == pytest.approx(expected["srs"] - base["srs"])
        assert row["srs_change"] == pytest.approx((expected["srs"] - base["srs"]) / base["srs"])
        assert row["usr_delta"] == pytest.approx(expected["usr"] - base["usr"])


def test_the_subset_and_its_rates(study):
    latent = fast.latent_items(study.dense)
    wanted = slow.latent(study.of("dense"))
    kept = latent.filter("retained")
    assert set(kept["item"]) == wanted
    for row in fast.retained(latent).iter_rows(named=True):
        items = {r["item"] for r in study.of("dense", row["category"])}
        assert (row["items"], row["retained"]) == (len(items), len(items & wanted))
        assert row["percent"] == round(100 * len(items & wanted) / len(items), 1)
    again = fast.rates(study.counts.join(kept.select("item"), on="item", how="semi"), dense="dense")
    for row in again.iter_rows(named=True):
        expected = slow.rates([r for r in study.of(row["variant"], row["category"]) if r["item"] in wanted])
        assert same(row["srs"], expected["srs"])
        assert row["n"] == expected["n"]


def test_transitions_and_dose(study):
    found = fast.transitions(study.counts, dense=study.dense)
    share = {}
    for row in found.iter_rows(named=True):
        eligible, became = slow.transition(study.of("dense"), study.of(row["variant"]))
        assert (row["eligible"], row["became"]) == (eligible, became)
        assert (row["low"], row["high"]) == pytest.approx(wilson(became, eligible))
        share[row["variant"]] = row["percent"]
        assert row["percent"] == pytest.approx(100 * became / eligible, abs=0.005 + 1e-9)
    assert share["dense"] == 0
    dose = fast.dose_response(found, study.facts)
    rows = {(row["level"], row["method"]): row["percent"] for row in dose.iter_rows(named=True)}
    assert rows[0.5, fast.ALL] == np.round((share["m5"] + share["w5"]) / 2, 2)  # as pandas rounds
    assert rows[0.3, fast.ALL] == rows[0.3, "magnitude"] == share["m3"]
    assert len(rows) == 5


def test_the_gap(study):
    perplexity = pl.DataFrame({"variant": list(MADE), "perplexity": [8.0, 9.0, 12.0, None]})
    gap = fast.evaluation_gap(study.rates, perplexity, study.facts, dense="dense")
    rows = {row["variant"]: row for row in gap.iter_rows(named=True)}
    mean = {name: np.mean([slow.rates(study.of(name, c))["srs"] for c in study.categories]) for name in MADE}
    for name, row in rows.items():
        assert row["srs_mean"] == pytest.approx(mean[name])
        assert row["srs_percent"] == pytest.approx(100 * (mean[name] / mean["dense"] - 1), abs=0.0051)
    assert [rows[name]["perplexity_percent"] for name in MADE] == [0.0, 12.5, 50.0, None]
    averaged = fast.averaged_gap(gap, dense="dense")
    row = averaged.filter(pl.col("level") == 0.5, pl.col("method") == fast.ALL).row(0, named=True)
    assert row["srs_percent"] == pytest.approx((rows["m5"]["srs_percent"] + rows["w5"]["srs_percent"]) / 2)
    assert row["perplexity_percent"] == 50.0
    assert (row["methods"], row["variants"]) == (2, 2)


def test_the_comparison_at_one_level(study):
    found = fast.method_comparison(study.rates, study.facts)
    assert set(found["variant"]) == {"m5", "w5"}
    for row in found.iter_rows(named=True):
        assert same(row["usr"], slow.rates(study.of(row["variant"], row["category"]))["usr"])


def test_the_comparisons(study):
    found = fast.correct_tests(fast.comparisons(study.rates, dense="dense"))
    assert found.height == 3 * len(study.categories)
    p = []
    for row in found.iter_rows(named=True):
        base, after = (slow.rates(study.of(name, row["category"])) for name in ("dense", row["variant"]))
        a, b = (truncated_count(r["srs"], r["n_valid"]) for r in (base, after))
        statistic, value = slow.chi_squared(a, base["n_valid"], b, after["n_valid"])
        assert (row["chi2"], row["p"]) == pytest.approx((statistic, value), abs=1e-12)
        exact = [round(r["srs"] * r["n_valid"]) for r in (base, after)]
        assert row["p_exact_counts"] == pytest.approx(
            slow.chi_squared(exact[0], base["n_valid"], exact[1], after["n_valid"])[1]
        )
        h = 2 * math.asin(math.sqrt(after["srs"])) - 2 * math.asin(math.sqrt(base["srs"]))
        assert row["cohens_h"] == pytest.approx(h)
        assert row["significant"] == (value < 0.05)
        p.append(value)
    assert found["p_holm"].to_list() == pytest.approx(slow.holm(p, len(p)))
    assert found["p_bh"].to_list() == pytest.approx(slow.benjamini_hochberg(p, len(p)))


def test_parse_failures_and_entropy(study):
    for row in fast.edge(study.counts).iter_rows(named=True):
        rows = study.of(row["variant"])
        assert row["entropy"] == pytest.approx(slow.entropy(rows))
        assert row["failures"] == sum(r["outcome"] == "unparsed" for r in rows)
        assert row["parse_failures"] == pytest.approx(row["failures"] / len(rows))


def test_the_regression_counts_every_valid_answer(study):
    found = fast.regression(study.rates, study.facts, dense="dense")
    assert found.n == sum(r["outcome"] != "unparsed" for name in MADE for r in study.of(name))
    assert [term.name for term in found.terms] == [
        "intercept",
        "sparsity",
        *(f"category {name}" for name in study.categories[1:]),
        "method magnitude",
        "method wanda",
    ]
