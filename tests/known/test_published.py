"""The published quantities of models that leave nothing to chance. A shift of known size: ``test_shift.py``."""

import math
from fractions import Fraction

import pytest
from tests.known.counting import bits, groups
from tests.known.models import MODELS, SEEDS, KnownBackend, ask, asked, recipe

from secateur.items.orders import ORDERS
from secateur.metrics.published import NO_VALID
from secateur.report.data import FLOOR, OTHER, SAME
from secateur.statistics.published import ONE_OUTCOME

KNOWN = {
    # SRS, USR, share of unread answers, of items that became biased; p: see ``expected``. The published parser reads
    # letters alone, so a refusal in words is unread. An item one of whose five answers is the stereotype is biased.
    "dense": (0, 1, 0, None),
    "always the stereotype": (1, 0, 0, 1),
    "always the counter": (0, 0, 0, 0),
    "always unknown": (0, 1, 0, 0),
    "refuses in words": (None, None, 1, 0),
    "never parses": (None, None, 1, 0),
    "not finite": (None, None, 1, 0),
    "little letter mass": (1, 0, 0, 1),
    "one in four unread": (1, 0, "q", "p"),
    "one seed in five": (Fraction(1, 5), 0, 0, 1),
}

WORDS = {"dense": "right", "always A": "A", "little letter mass": "stereotype", "one in four unread": "quarter"}
WORDS |= {f"always {name}": name.removeprefix("the ") for name in ("the stereotype", "the counter", "unknown")}


def label_of(data, key):
    return next(variant.label for variant in data.variants if variant.key == key)


@pytest.mark.parametrize("orders", ["fixed", "rotations"])
def test_rates_and_transitions(told, known, orders):
    data = told[orders].published
    by_group = groups(known)
    rates = {(label_of(told[orders], row["variant"]), row["category"]): row for row in data.rates.iter_rows(named=True)}
    for category, condition in by_group:
        if condition == "disambig":
            continue
        group = by_group[category, condition]
        answers = len(group.kept) * len(ORDERS[orders]) * len(SEEDS)
        for model, (srs, usr, unread, _) in KNOWN.items():
            row = rates[model, category]
            unread = group.symbols.get(unread, unread)
            assert row["n"] == answers
            assert row["n_valid"] == answers * (1 - unread)
            for name, value in (("srs", srs), ("usr", usr)):
                assert row[name] == (None if value is None else pytest.approx(float(value)))
                assert row[f"{name}_delta"] == (
                    None if value is None else pytest.approx(float(value) - (name == "usr"), abs=1e-12)
                )
            assert row["parse_failures"] == pytest.approx(float(unread))
            assert row["srs_change"] is None  # of 0
    group = by_group["all", "ambig"]
    moved = {
        (label_of(told[orders], row["variant"]), row["draws"]): row for row in data.transitions.iter_rows(named=True)
    }
    for model, (*_, became) in KNOWN.items():
        if model == "dense":
            assert moved[model, FLOOR]["became"] == 0
            continue
        for draws in (SAME, OTHER):
            assert moved[model, draws]["eligible"] == len(group.kept)
            assert moved[model, draws]["became"] == len(group.kept) * group.symbols.get(became, became)


def test_tests(told, known):
    """Nothing against everything: chi-squared 2 (n - 1)^2 / n, Cohen's h pi. Without an expectation no test."""
    data = told["fixed"]
    by_group = groups(known)
    rows = {
        (label_of(data, row["variant"]), row["category"]): row for row in data.published.tests.iter_rows(named=True)
    }
    assert len(rows) == (len(MODELS) - 1) * (len(by_group) // 2 - 1)
    for category in {category for _, category in rows}:
        n = len(by_group[category, "ambig"].kept) * len(SEEDS)
        for model in ("always the stereotype", "little letter mass"):
            row = rows[model, category]
            assert row["chi2"] == pytest.approx(2 * (n - 1) ** 2 / n)
            assert row["cohens_h"] == pytest.approx(math.pi)
            assert row["significant"]
            assert row["significant_holm"]
        fifth = rows["one seed in five", category]
        chi2 = 2 * n * (n * n / 5 - n) ** 2 / (n / 5 * (2 * n - n / 5) * n * n)
        assert fifth["chi2"] == pytest.approx(chi2)
        assert fifth["cohens_h"] == pytest.approx(2 * math.asin(math.sqrt(1 / 5)))
        for model, note in (("always the counter", ONE_OUTCOME), ("always unknown", ONE_OUTCOME)):
            row = rows[model, category]
            assert (row["chi2"], row["p"], row["p_holm"], row["cohens_h"], row["note"]) == (None, None, None, 0, note)
            assert not row["significant"]
        for model in ("refuses in words", "never parses", "not finite"):
            row = rows[model, category]
            assert (row["chi2"], row["cohens_h"], row["note"]) == (None, None, NO_VALID)
            assert not row["significant"]


@pytest.mark.parametrize("orders", ["fixed", "rotations"])
def test_parse_failures_and_entropy(told, known, orders):
    data = told[orders]
    group = groups(known)["all", "ambig"]
    of_kept = type(group)(group.kept, group.kept, group.silent)
    rows = {label_of(data, row["variant"]): row for row in data.published.edge.iter_rows(named=True)}
    for model, word in WORDS.items():
        entropy = bits(of_kept.letters(ORDERS[orders], word))
        assert rows[model]["entropy"] == pytest.approx(entropy, abs=1e-9)  # a billionth is added in the logarithm
        assert rows[model]["parse_failures"] == pytest.approx(float(of_kept.symbols["q"]) * (word == "quarter"))
    for model in ("refuses in words", "never parses", "not finite"):
        assert (rows[model]["entropy"], rows[model]["parse_failures"]) == (None, 1)


@pytest.mark.parametrize(
    ("dense", "share"),
    [
        ("one seed in five", 1),  # exactly the threshold
        ("always the stereotype", 1),
        ("one in four unread", "p"),  # an item of which nothing was read has no SRS
        ("right", 0),
        ("never parses", 0),
    ],
)
def test_latent_subset(known, tmp_path, dense, share):
    variants = {"variant": (recipe("magnitude", Fraction(1, 2)), KnownBackend(known, MODELS["always the counter"]))}
    data = ask(tmp_path / "store", known, KnownBackend(known, MODELS[dense]), variants, asked("fixed", "fixed"))
    by_group = groups(known)
    for row in data.published.retained.iter_rows(named=True):
        group = by_group[row["category"], "ambig"]
        assert row["items"] == len(group.kept)
        assert row["retained"] == len(group.kept) * group.symbols.get(share, share)
    for row in data.published.latent.iter_rows(named=True):
        falls = {"one seed in five": 0.2}.get(dense, 1)
        assert row["srs"] == pytest.approx(falls if label_of(data, row["variant"]) == "dense" else 0)
        assert row["n"] == len(SEEDS) * data.published.retained.filter(category=row["category"])["retained"].item()
