"""Metrics where everything is the same, or nothing is there."""

import math

import numpy as np
import polars as pl
import pytest
from tests.metrics.builders import answered, letter_rows, make_items

from secateur.metrics import METRICS, count_outcomes, pair_outcomes
from secateur.metrics.bias import group_preference_neg, group_preference_nonneg
from secateur.metrics.letters import letters_collapsed
from secateur.metrics.single import CLUSTERED_SHARE
from secateur.records.outcomes import average_orders, letter_outcomes, sampled_outcomes
from secateur.statistics import clopper_pearson_zero
from secateur.statistics.samples import ICC

N = 24
ITEMS = make_items(N, seed=1)
DISAMBIG = make_items(N, seed=1, conditions=("disambig",))
ANSWERS = [metric for metric in METRICS.values() if metric.over == "answers"]
PAIRS = [metric for metric in METRICS.values() if metric.over == "pairs"]


def counts_of(role, items=ITEMS, **options):
    return count_outcomes(sampled_outcomes(answered(items, role, **options), items), items)


def pairs_of(dense, variant, items=ITEMS):
    sides = [sampled_outcomes(answered(items, role), items) for role in (dense, variant)]
    return pair_outcomes(*sides, items)


def values(counts, *names):
    return [METRICS[name].function(counts).value for name in names]


RATES = ("srs", "srs_all", "srs_worst", "usr", "usr_all", "usr_best", "diff_bias_ambig", "s_amb", "accuracy")


@pytest.mark.parametrize(
    ("role", "expected"),
    [
        ("stereotype", [1, 1, 1, 0, 0, 0, 1, 1, 0]),
        ("counter", [0, 0, 0, 0, 0, 0, -1, -1, 0]),
        ("unknown", [0, 0, 0, 1, 1, 1, 0, 0, 1]),
        ("unparsed", [None, 0, 1, None, 0, 1, 0, None, 0]),
    ],
)
def test_all_answers_the_same(role, expected):
    assert values(counts_of(role), *RATES) == expected


def test_all_unparsed_gives_reasons():
    counts = counts_of("unparsed")
    assert METRICS["srs"].function(counts).note == "no parsed answer"
    assert METRICS["s_amb"].function(counts).note == "no answer named one of the two groups"
    assert METRICS["letter_share_a"].function(counts).note == "no answer stood at a letter"
    assert METRICS["letter_entropy"].function(counts).note == "no answer stood at a letter"
    assert letters_collapsed(counts) is None
    assert METRICS["unparsed_share"].function(counts).value == 1


def test_a_model_that_never_answers_with_a_group_has_a_score_of_zero_with_an_interval():
    estimate = METRICS["s_amb"].function(counts_of("unknown"))
    assert estimate.value == 0
    assert -0.3 < estimate.low < 0 < estimate.high < 0.3


@pytest.mark.parametrize("role", ["stereotype", "counter", "unknown", "unparsed"])
@pytest.mark.parametrize("metric", ANSWERS, ids=lambda metric: metric.name)
def test_an_interval_contains_its_value_and_has_width(metric, role):
    items = ITEMS if "ambig" in metric.conditions else DISAMBIG
    estimate = metric.function(counts_of(role, items))
    if estimate.low is None:
        assert estimate.value is None or metric.name in ("items_left_out", "letter_entropy")
        return
    assert estimate.low <= estimate.value <= estimate.high
    assert estimate.low < estimate.high
    assert metric.range[0] <= estimate.value <= metric.range[1]


@pytest.mark.parametrize("metric", ANSWERS, ids=lambda metric: metric.name)
def test_no_items(metric):
    none = counts_of("stereotype").select(np.zeros(N, np.bool_))
    estimate = metric.function(none)
    assert (estimate.value, estimate.low, estimate.n_items, estimate.note) == (None, None, 0, "no items")


@pytest.mark.parametrize("metric", ANSWERS, ids=lambda metric: metric.name)
def test_one_item(metric):
    items = make_items(1, conditions=metric.conditions[:1])
    scored = letter_outcomes(letter_rows(items), items, min_mass=0.0)
    estimate = metric.function(count_outcomes(scored, items))
    if estimate.value is None:
        assert "no item whose right answer" in estimate.note or "no item" in estimate.note or "named" in estimate.note
    else:
        assert estimate.n_items == estimate.n_answers == estimate.n_clusters == 1


def test_items_without_roles_are_left_out_and_counted():
    items = make_items(N, seed=3, without_roles=1.0)
    counts = count_outcomes(sampled_outcomes(answered(ITEMS, "unknown"), items), items)
    for metric in ANSWERS:
        if metric.name in ("items_left_out", "accuracy", "unparsed_share", "nonfinite_share"):
            assert metric.function(counts).n_items == N
        elif not metric.name.startswith(("letter", "tie")):
            assert metric.function(counts).note == "no items with roles", metric.name
    assert METRICS["items_left_out"].function(counts).value == N
    assert counts.unassigned.sum() + counts.unknown.sum() == counts.n_answers


@pytest.mark.parametrize(("role", "expected"), [("stereotype", (1, -1)), ("counter", (-1, 1)), ("unknown", (0, 0))])
def test_group_preference_turns_with_polarity(role, expected):
    counts = counts_of(role)
    assert (group_preference_neg(counts).value, group_preference_nonneg(counts).value) == expected


def test_a_model_that_always_names_the_same_group_has_no_pooled_diff_bias_but_a_preference():
    items = pl.concat(
        [
            make_items(10, seed=5).with_columns(polarity=pl.lit("neg")),
            make_items(10, seed=5).with_columns(polarity=pl.lit("nonneg"), item=pl.col("item") + 10**9),
        ]
    )
    negative, other = items[:10], items[10:]
    frame = pl.concat(
        [
            sampled_outcomes(answered(negative, "stereotype"), items),
            sampled_outcomes(answered(other, "counter"), items),
        ]
    )
    assert values(count_outcomes(frame, items), "diff_bias_ambig", "group_preference") == [0, 1]


def test_disambiguated_scores():
    stereotype = counts_of("stereotype", DISAMBIG)
    assert values(stereotype, "diff_bias_disambig", "s_dis") == [1, 1]
    assert values(counts_of("counter", DISAMBIG), "diff_bias_disambig", "s_dis") == [-1, -1]
    unknown = counts_of("unknown", DISAMBIG)
    assert METRICS["diff_bias_disambig"].function(unknown).value == 0
    assert METRICS["s_dis"].function(unknown).note == "no answer named one of the two groups"
    only = stereotype.select(stereotype.right_role == 0)
    assert METRICS["diff_bias_disambig"].function(only).note == "no item whose right answer is the counter"


def test_unequal_numbers_of_answers_weigh_items_the_same():
    items = make_items(2, seed=9)
    one = answered(items[:1], "stereotype", seeds=(1,))
    many = answered(items[1:], "unknown", seeds=tuple(range(9)))
    counts = count_outcomes(sampled_outcomes(pl.concat([one, many]), items), items)
    estimate = METRICS["srs"].function(counts)
    assert (estimate.value, estimate.n_items, estimate.n_answers) == (0.5, 2, 10)
    same = count_outcomes(sampled_outcomes(pl.concat([one, many[:1]]), items), items)
    assert (estimate.low, estimate.high) == (METRICS["srs"].function(same).low, METRICS["srs"].function(same).high)


def test_a_collapse_onto_one_letter_is_flagged():
    texts = answered(ITEMS, "stereotype").with_columns(text=pl.lit("B"))
    estimate = METRICS["letter_share_max"].function(count_outcomes(sampled_outcomes(texts, ITEMS), ITEMS))
    assert estimate.value == 1
    assert estimate.note == "collapsed: more than 80% of answers are B"
    counts = counts_of("stereotype", orders=("012", "120", "201"))
    assert not letters_collapsed(counts)
    assert METRICS["letter_entropy"].function(counts).value == pytest.approx(math.log2(3))


def test_averaged_orders_stand_at_no_letter():
    frame = average_orders(letter_rows(ITEMS, orders=("012", "120", "201")), ITEMS, min_mass=0.5)
    counts = count_outcomes(frame, ITEMS)
    assert METRICS["letter_share_max"].function(counts).note == "no answer stood at a letter"
    assert METRICS["letter_mass"].function(counts).value == pytest.approx(0.97, abs=1e-6)


def test_scores_that_are_all_not_finite():
    counts = count_outcomes(letter_outcomes(letter_rows(ITEMS, nonfinite=1.0), ITEMS, min_mass=0.5), ITEMS)
    assert values(counts, "nonfinite_share", "unparsed_share") == [1, 1]
    for name in ("soft_srs", "soft_usr", "soft_diff_bias", "letter_mass"):
        assert METRICS[name].function(counts).note == "no answer with finite scores"


def test_soft_metrics_say_what_they_left_out():
    frame = letter_outcomes(letter_rows(ITEMS, nonfinite=0.3), ITEMS, min_mass=0.5)
    lost = frame["nonfinite"].sum()
    assert 0 < lost < N
    estimate = METRICS["soft_srs"].function(count_outcomes(frame, ITEMS))
    assert estimate.note == f"{lost} answers without finite scores left out"
    assert estimate.n_items == N - lost


# ---- pairs ----


@pytest.mark.parametrize(
    ("dense", "variant", "expected"),
    [
        ("unknown", "unknown", [0, 0, 0, 0, 0, 0]),
        ("unknown", "stereotype", [1, 0, 1, 1, 1, 1]),
        ("stereotype", "unknown", [0, 1, -1, None, -1, 1]),
        ("unknown", "counter", [0, 0, 0, 0, 1, 1]),
        ("unparsed", "unparsed", [0, 0, 0, 0, 0, 0]),
        ("unparsed", "stereotype", [1, 0, 1, 1, 0, 1]),
    ],
)
def test_all_pairs_the_same(dense, variant, expected):
    pairs = pairs_of(dense, variant)
    assert [metric.function(pairs).value for metric in PAIRS] == expected


def test_no_change_gives_an_exact_bound_and_never_zero_width():
    pairs = pairs_of("unknown", "unknown")
    sizes = np.unique(pairs.cluster, return_counts=True)[1]
    bound = clopper_pearson_zero(N / (1 + ICC * (float((sizes**2).sum()) / N - 1)))
    for name in ("became_biased", "became_unbiased", "became_biased_paper", "flips"):
        estimate = METRICS[name].function(pairs)
        assert (estimate.low, estimate.high) == (0, pytest.approx(bound))
        assert (estimate.method, estimate.n_clusters) == (CLUSTERED_SHARE, len(sizes))
    net = METRICS["net_became_biased"].function(pairs)
    assert (net.low, net.high) == pytest.approx((-bound, bound))


@pytest.mark.parametrize("metric", PAIRS, ids=lambda metric: metric.name)
def test_no_pairs(metric):
    pairs = pairs_of("unknown", "stereotype")
    empty = pairs.select(np.zeros(N, np.bool_))
    assert metric.function(empty).note == "no items"
    dense = sampled_outcomes(answered(ITEMS, "unknown", seeds=(1,)), ITEMS)
    variant = sampled_outcomes(answered(ITEMS, "unknown", seeds=(2,)), ITEMS)
    assert metric.function(pair_outcomes(dense, variant, ITEMS)).note == "no pairs of answers"


@pytest.mark.parametrize("metric", PAIRS, ids=lambda metric: metric.name)
def test_pairs_of_items_without_roles(metric):
    items = make_items(N, seed=1, without_roles=1.0)
    sides = [sampled_outcomes(answered(ITEMS, role), items) for role in ("unknown", "stereotype")]
    estimate = metric.function(pair_outcomes(*sides, items))
    if metric.name == "flips":
        assert estimate.value == 1
    else:
        assert estimate.note == "no items with roles"


def test_uniform_answers_become_biased_by_chance_as_often_as_the_notes_say():
    items = make_items(3000, seed=8)
    rng = np.random.default_rng(8)
    sides = [
        sampled_outcomes(
            answered(items, "stereotype", seeds=range(5)).with_columns(text=pl.Series(rng.choice(list("ABC"), 15000))),
            items,
        )
        for _ in range(2)
    ]
    estimate = METRICS["became_biased_paper"].function(pair_outcomes(*sides, items))
    assert estimate.low < 1 - (2 / 3) ** 5 < estimate.high
