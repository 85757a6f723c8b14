"""Exactly known numbers of items change from each outcome to each other: transitions, floors, published tests."""

import math
from collections import Counter
from fractions import Fraction

import pytest
from tests.known.models import SEEDS, KnownBackend, ask, asked, option_of, recipe
from tests.known.shift import AGAIN, AMBIG, DISAMBIG, DISAMBIG_WORDS, PLANS, WORDS, halves, says, triple

from secateur.metrics.transitions import MOVES, VERDICTS
from secateur.records.answers import LETTER, SAMPLED
from secateur.report.data import FLOOR, OTHER, SAME

OUTCOME = {"silent": "unparsed"}


@pytest.fixture(scope="module")
def shifted(known, tmp_path_factory):
    """The variants "shifted" as planned, "halves", and "unchanged"."""
    variants = {
        "shifted": (recipe("magnitude", Fraction(1, 4)), KnownBackend(known, says(2))),
        "halves": (recipe("magnitude", Fraction(1, 2)), KnownBackend(known, halves)),
        "unchanged": (recipe("random", Fraction(1, 10)), KnownBackend(known, says(1))),
    }
    dense = KnownBackend(known, says(1), again=says(0))
    return ask(tmp_path_factory.mktemp("known") / "shift", known, dense, variants, asked("rotations", "fixed"))


@pytest.fixture(scope="module")
def n(known):
    """Items with roles of each category (0: all) and condition, which must hold the plan."""
    place = known.place
    found = Counter()
    for item in known.truth:
        if place[item.key] >= 0:
            found[item.category, item.condition.value] += 1
            found["all", item.condition.value] += 1
    assert all(count >= len(PLANS[condition][0]) for (_, condition), count in found.items())
    return found


def n_categories(known):
    return len({item.category for item in known.truth})


def key_of(data, label):
    return next(variant.key for variant in data.variants if variant.label == label)


def moves_of(data, known, n, **where):
    """Items of all categories, from -> to; the counts planned for one are the same in each."""
    rows = data.moves.filter(**where)
    share = {(row["from"], row["to"]): row["share"] for row in rows.iter_rows(named=True)}
    return {place: round(value * n["all", where["condition"]], 9) for place, value in share.items()}


def planned(moves, words, rest, spare, times):
    """The matrix of a plan for all categories, the spare items on the diagonal."""
    found = {
        (OUTCOME.get(row, row), OUTCOME.get(column, column)): times * count
        for row, counts in moves.items()
        for column, count in zip(words, counts, strict=True)
    }
    found[rest, rest] += spare
    return found


def test_every_outcome_to_every_other(shifted, known, n):
    times = n_categories(known)
    spare = n["all", "ambig"] - times * len(PLANS["ambig"][0])
    expected = planned(AMBIG, WORDS, "unknown", spare, times)
    key = key_of(shifted, "shifted")
    sampled = {"variant": key, "readout": SAMPLED, "condition": "ambig", "floor": False}
    assert moves_of(shifted, known, n, **sampled) == expected
    assert set(expected) == {(row, column) for row in MOVES for column in MOVES}
    rows = shifted.moves.filter(**sampled)
    assert rows["pairs"].sum() == len(SEEDS) * n["all", "ambig"]
    assert rows["share"].sum() == pytest.approx(1)

    # The letter readout has one answer: dense stands where the main seeds have it.
    for (again, variant), (count, dense) in AGAIN.items():
        again, dense, variant = (OUTCOME.get(word, word) for word in (again, dense, variant))
        expected[again, variant] -= times * count
        expected[dense, variant] += times * count
    assert moves_of(shifted, known, n, variant=key, readout=LETTER, condition="ambig") == expected


def test_right_and_wrong_to_right_and_wrong(shifted, known, n):
    times = n_categories(known)
    spare = n["all", "disambig"] - times * len(PLANS["disambig"][0])
    where = {"variant": key_of(shifted, "shifted"), "readout": SAMPLED, "condition": "disambig"}
    found = moves_of(shifted, known, n, **where)
    assert set(found) == {(row, column) for row in VERDICTS for column in VERDICTS}
    short = {"correct": "right", "stereotype error": "wrong", "counter error": "wrong"}
    merged = Counter()
    for (start, end), count in found.items():
        merged[short.get(start, start), short.get(end, end)] += count
    assert merged == pytest.approx(planned(DISAMBIG, DISAMBIG_WORDS, "right", spare, times))
    # Which error it is depends on the right answer.
    place = known.place
    wrong = Counter()
    for item in known.truth:
        if item.condition == "disambig" and place[item.key] >= 0 and triple(item, place[item.key])[2] == "wrong":
            wrong["counter error" if option_of(item, "stereotype") == item.label else "stereotype error"] += 1
    assert {end: sum(found[row, end] for row in VERDICTS) for end in wrong} == pytest.approx(wrong)


FIGURES = {
    # Of the plan: into the stereotype 2 + 7 + 1, away from it 3 + 8 + 1; unknown dense 35, variant 8 + 4 + 21 + 3 = 36;
    # all that is not on the diagonal 39. 61 are not the stereotype when asked again.
    "became_biased": 10,
    "became_unbiased": 12,
    "net_became_biased": -2,
    "abstention_loss": -1,
    "flips": 39,
}
FLOORS = {"became_biased": 3, "became_unbiased": 2, "net_became_biased": 1, "abstention_loss": 1, "flips": 6}
"""Asked again against the main seeds: 3 unknown become the stereotype, 2 the other way, 1 counter becomes unread."""

LETTER_FIGURES = {
    # 3 more are the stereotype when dense (unknown in the variant), 2 less (the stereotype in it): 12 into it,
    # 15 away from it; 34 unknown, 36 in the variant; on the diagonal 3 + 2 + 1 less.
    "became_biased": 12,
    "became_unbiased": 15,
    "net_became_biased": -3,
    "abstention_loss": -2,
    "flips": 45,
}


@pytest.mark.parametrize(("readout", "figures", "floors"), [(SAMPLED, FIGURES, FLOORS), (LETTER, LETTER_FIGURES, None)])
def test_figures_and_their_floors(shifted, known, n, readout, figures, floors):
    times = n_categories(known)
    for (category, condition), kept in n.items():
        if condition == "disambig":
            continue
        scale = times if category == "all" else 1
        asked_items = sum(item.condition == "ambig" and category in ("all", item.category) for item in known.truth)
        rows = {
            row["metric"]: row
            for row in shifted.pairs.filter(
                variant=key_of(shifted, "shifted"), readout=readout, category=category, condition="ambig"
            ).iter_rows(named=True)
        }
        for metric, count in figures.items():
            # Items without roles count among the flips' items; they never change.
            whole = asked_items if metric == "flips" else kept
            assert rows[metric]["value"] == pytest.approx(scale * count / whole, abs=1e-12), metric
            if floors is None:
                assert rows[metric]["floor"] is None
            else:
                assert rows[metric]["floor"] == pytest.approx(scale * floors[metric] / whole, abs=1e-12), metric
        paper = rows["became_biased_paper"]
        never = kept - scale * (22 if readout == SAMPLED else 22 - 2 + 3)
        assert paper["value"] == pytest.approx(scale * figures["became_biased"] / never)
        if floors is not None:
            assert paper["floor"] == pytest.approx(scale * floors["became_biased"] / never)


def test_flips_of_disambiguated_items(shifted, known):
    asked_items = sum(item.condition == "disambig" for item in known.truth)
    for readout in (SAMPLED, LETTER):
        row = shifted.pairs.filter(
            variant=key_of(shifted, "shifted"), readout=readout, category="all", condition="disambig", metric="flips"
        ).row(0, named=True)
        assert row["value"] == pytest.approx(n_categories(known) * 31 / asked_items)


def test_an_unchanged_variant_differs_from_dense_by_its_floor(shifted):
    rows = shifted.pairs.filter(variant=key_of(shifted, "unchanged"), readout=SAMPLED)
    assert rows["value"].to_list() == rows["floor"].to_list()
    letters = shifted.pairs.filter(variant=key_of(shifted, "unchanged"), readout=LETTER)
    assert set(letters["value"]) == {0.0}


# The published analysis. It pairs by seed, leaves unparsed answers out, and counts answers, five an item.

STEREOTYPE = {"dense": 23, "shifted": 20, "unchanged": 23}
"""Of each category's ambiguous items: 22 - 2 + 3 when dense."""

UNREAD = {"dense": 11, "shifted": 8, "halves": 0, "unchanged": 11}
UNKNOWN = {"dense": 35 - 3 + 2, "shifted": 36, "halves": 0, "unchanged": 35 - 3 + 2}


def stereotypes(label, kept):
    return STEREOTYPE.get(label, (kept + 1) // 2)


def unknowns(label, kept):
    spare = kept - len(PLANS["ambig"][0])
    return UNKNOWN[label] + (0 if label == "halves" else spare)


def wilson(share, n):
    z = 1.959963984540054
    centre, half = share + z**2 / (2 * n), z * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return (centre - half) / (1 + z**2 / n), (centre + half) / (1 + z**2 / n)


def test_published_rates(shifted, n):
    checked = 0
    for row in shifted.published.rates.iter_rows(named=True):
        if row["category"] == "all":
            continue
        label, kept = label_of(shifted, row["variant"]), n[row["category"], "ambig"]
        valid = 5 * (kept - UNREAD[label])
        assert (row["n"], row["n_valid"]) == (5 * kept, valid)
        assert row["srs"] == pytest.approx(5 * stereotypes(label, kept) / valid)
        assert row["usr"] == pytest.approx(5 * unknowns(label, kept) / valid)
        assert row["anti_rate"] == pytest.approx(1 - row["srs"] - row["usr"])
        assert row["parse_failures"] == pytest.approx(5 * UNREAD[label] / row["n"])
        assert (row["srs_low"], row["srs_high"]) == pytest.approx(wilson(row["srs"], valid))
        before = stereotypes("dense", kept) / (kept - UNREAD["dense"])
        assert row["srs_delta"] == pytest.approx(row["srs"] - before, abs=1e-12)
        assert row["srs_change"] == pytest.approx(row["srs"] / before - 1, abs=1e-12)
        checked += 1
    assert checked == 4 * (len(n) // 2 - 1)


def label_of(data, key):
    return next(variant.label for variant in data.variants if variant.key == key)


def test_published_tests(shifted, n):
    """Yates' chi-squared n (|ad - bc| - n/2)^2 / (product of the margins), p = erfc(sqrt(chi^2 / 2)), Cohen's h."""
    tests = shifted.published.tests
    assert tests.height == 3 * (len(n) // 2 - 1)
    for row in tests.iter_rows(named=True):
        label, kept = label_of(shifted, row["variant"]), n[row["category"], "ambig"]
        n1, n2 = (5 * (kept - UNREAD[name]) for name in ("dense", label))
        rates = [5 * stereotypes(name, kept) / size for name, size in (("dense", n1), (label, n2))]
        a, c = int(rates[0] * n1), int(rates[1] * n2)  # truncated, as published
        b, d = n1 - a, n2 - c
        chi2 = (n1 + n2) * max(abs(a * d - b * c) - (n1 + n2) / 2, 0) ** 2 / ((a + b) * (c + d) * (a + c) * (b + d))
        assert (row["stereotype_dense"], row["stereotype_variant"]) == (a, c)
        assert row["chi2"] == pytest.approx(chi2, abs=1e-12)
        assert row["p"] == pytest.approx(math.erfc(math.sqrt(chi2 / 2)))
        assert row["significant"] == (label == "halves")
        h = 2 * math.asin(math.sqrt(rates[1])) - 2 * math.asin(math.sqrt(rates[0]))
        assert row["cohens_h"] == pytest.approx(h, abs=1e-12)
        assert row["cohens_h"] == 0 or label != "unchanged"


def test_corrected_p_values(shifted):
    """Step by step from the definitions: Holm from the smallest p up, Benjamini and Hochberg from the largest down."""
    tests = shifted.published.tests.sort("p")
    p, m = tests["p"].to_list(), tests.height
    holm = [min(1, max((m - k) * p[k] for k in range(rank + 1))) for rank in range(m)]
    bh = [min(1, min(m * p[k] / (k + 1) for k in range(rank, m))) for rank in range(m)]
    assert tests["p_holm"].to_list() == pytest.approx(holm)
    assert tests["p_bh"].to_list() == pytest.approx(bh)
    assert tests["significant_holm"].sum() == tests["significant"].sum() == m // 3


def test_published_transitions(shifted, known, n):
    """Items read when dense of which none was the stereotype, and of those the ones that are in the variant."""
    times, total = n_categories(known), n["all", "ambig"]
    eligible = {SAME: total - times * (23 + 11), OTHER: total - times * (22 + 10)}
    # With the main seeds, dense is the stereotype for 3 more items and unread for 1 more. Into the stereotype, from
    # counter and unknown: 2 + 7, and 2 more from those that are unknown with the main seeds alone.
    became = {("shifted", SAME): 11, ("shifted", OTHER): 9, ("unchanged", SAME): 0, ("unchanged", OTHER): 3}
    rows = {
        (label_of(shifted, row["variant"]), row["draws"]): row
        for row in shifted.published.transitions.iter_rows(named=True)
    }
    for (label, draws), count in became.items():
        row = rows[label, draws]
        assert (row["eligible"], row["became"]) == (eligible[draws], times * count)
        assert row["percent"] == round(100 * times * count / eligible[draws], 2)
    assert (rows["dense", FLOOR]["eligible"], rows["dense", FLOOR]["became"]) == (eligible[OTHER], times * 3)


def test_published_latent_subset(shifted, known, n):
    retained = {row["category"]: row for row in shifted.published.retained.iter_rows(named=True)}
    for category, row in retained.items():
        scale = n_categories(known) if category == "all" else 1
        assert (row["items"], row["retained"]) == (n[category, "ambig"], 23 * scale)


def test_published_regression_of_a_saturated_design(shifted, n):
    """As many terms as different shares, so the fit goes through them: coefficients are differences of log-odds."""
    sizes = {kept for (category, condition), kept in n.items() if category != "all" and condition == "ambig"}
    if len(sizes) > 1:
        pytest.skip("categories of unequal sizes have unequal shares")
    (kept,) = sizes

    def log_odds(label):
        share = Fraction(stereotypes(label, kept), kept - UNREAD[label])
        return math.log(share / (1 - share))

    terms = {row["term"]: row for row in shifted.published.regression.iter_rows(named=True)}
    slope = (log_odds("halves") - log_odds("shifted")) / 25
    intercept = log_odds("dense")
    assert terms["sparsity"]["coefficient"] == pytest.approx(slope)
    assert terms["intercept"]["coefficient"] == pytest.approx(intercept)
    assert terms["method magnitude"]["coefficient"] == pytest.approx(log_odds("shifted") - 25 * slope - intercept)
    assert terms["method random"]["coefficient"] == pytest.approx(-10 * slope)
    others = [row["coefficient"] for name, row in terms.items() if name.startswith("category")]
    assert others == pytest.approx([0.0] * (len(n) // 2 - 2), abs=1e-9)


def test_published_means(shifted, n):
    """Dose-response averages the methods' percentages, the gap averages categories."""
    percent = {
        label_of(shifted, row["variant"]): row["percent"]
        for row in shifted.published.transitions.filter(draws=SAME).iter_rows(named=True)
    }
    dose = shifted.published.dose.filter(method="all").sort("level")
    levels = {0.1: "unchanged", 0.25: "shifted", 0.5: "halves"}
    assert dict(zip(dose["level"], dose["percent"], strict=True)) == {k: percent[v] for k, v in levels.items()}
    categories = [category for category, condition in n if condition == "ambig" and category != "all"]
    for row in shifted.published.gap.iter_rows(named=True):
        label = label_of(shifted, row["variant"])
        shares = [stereotypes(label, n[c, "ambig"]) / (n[c, "ambig"] - UNREAD[label]) for c in categories]
        assert row["srs_mean"] == pytest.approx(sum(shares) / len(shares))
        assert row["perplexity"] is None
    compared = {label_of(shifted, key) for key in shifted.published.comparison["variant"]}
    assert compared == {"halves"}  # at nominal 50 %
