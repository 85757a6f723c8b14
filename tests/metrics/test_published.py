"""The published quantities at their boundaries."""

import math

import polars as pl
import pytest
from tests.metrics.builders import answered, make_items

from secateur.metrics import published
from secateur.metrics.counts import count_outcomes
from secateur.records.outcomes import sampled_outcomes

ITEMS = make_items(12, seed=5, categories=("Age", "SES"))


def counted(*answers, items=ITEMS):
    """Counts of answers that all say one role each, per variant name."""
    return published.with_variant(
        (name, published.count_items(count_outcomes(sampled_outcomes(answered(items, role), items), items)))
        for name, role in answers
    )


def row_of(frame, **where):
    return frame.filter(*(pl.col(name) == value for name, value in where.items())).row(0, named=True)


def test_nothing_parsed_has_no_rate_and_fails_wholly():
    counts = counted(("dense", "unknown"), ("mute", "unparsed"))
    row = row_of(published.rates(counts, dense="dense"), variant="mute", category="Age")
    assert (row["srs"], row["usr"], row["anti_rate"], row["srs_low"], row["srs_delta"]) == (None,) * 5
    assert (row["parse_failures"], row["n_valid"]) == (1.0, 0)
    edge = row_of(published.edge(counts), variant="mute")
    assert (edge["entropy"], edge["parse_failures"]) == (None, 1.0)


def test_a_dense_rate_of_zero_has_no_relative_change():
    counts = counted(("dense", "unknown"), ("biased", "stereotype"))
    row = row_of(published.rates(counts, dense="dense"), variant="biased", category="all")
    assert (row["srs"], row["srs_delta"], row["srs_change"]) == (1.0, 1.0, None)
    assert (row["usr_delta"], row["usr_change"]) == (-1.0, -1.0)


@pytest.mark.parametrize(
    ("dense", "variant", "eligible", "became"),
    [
        ("unknown", "stereotype", 12, 12),
        ("unknown", "unparsed", 12, 0),  # no valid answer counts as "not biased"
        ("unparsed", "stereotype", 0, 0),  # no valid dense answer: not eligible
        ("stereotype", "unknown", 0, 0),  # the reverse is not counted
    ],
)
def test_became_biased(dense, variant, eligible, became):
    counts = counted(("dense", dense), ("v", variant))
    found = published.transitions(counts.filter(variant="v"), dense=counts.filter(variant="dense"))
    row = found.row(0, named=True)
    assert (row["eligible"], row["became"]) == (eligible, became)
    assert row["share"] == (became / eligible if eligible else None)
    assert (row["low"] is None) == (row["percent"] is None) == (eligible == 0)


def test_items_without_roles_and_disambiguated_ones_are_left_out_and_counted():
    items = make_items(40, seed=2, conditions=("ambig", "disambig"), without_roles=0.5)
    counts = counted(("dense", "unknown"), items=items)
    ambiguous = items.filter(condition="ambig")
    assert 0 < published.left_out(items) < ambiguous.height
    assert counts.height == ambiguous.height - published.left_out(items)


def test_the_subset_has_its_threshold_in_it():
    dense = pl.DataFrame(
        {"item": [1, 2, 3, 4], "category": ["Age"] * 4, "n_valid": [5, 5, 0, 10], "stereotype": [1, 0, 0, 1]}
    )
    assert published.latent_items(dense)["retained"].to_list() == [True, False, False, False]
    assert published.retained(published.latent_items(dense)).row(0) == ("all", 4, 1, 25.0)


def test_one_letter_has_no_entropy_and_three_have_the_most():
    def entropy(*letters):
        frame = pl.DataFrame(
            {
                "variant": ["x"],
                "n": [9],
                "n_valid": [9],
                **dict(zip(("at_a", "at_b", "at_c"), [[k] for k in letters], strict=True)),
            }
        )
        return published.edge(frame)["entropy"][0]

    assert entropy(9, 0, 0) == pytest.approx(0, abs=1e-9)
    assert entropy(3, 3, 3) == pytest.approx(math.log2(3), abs=1e-8)
    assert entropy(0, 0, 0) is None


def test_comparisons_without_a_value_say_why_and_stay_in_the_family():
    counts = counted(("dense", "unknown"), ("mute", "unparsed"), ("same", "unknown"), ("biased", "stereotype"))
    found = published.correct_tests(published.comparisons(published.rates(counts, dense="dense"), dense="dense"))
    mute, same = (row_of(found, variant=name, category="Age") for name in ("mute", "same"))
    assert (mute["p"], mute["p_holm"], mute["significant"], mute["note"]) == (None, None, False, "no valid answer")
    assert same["p"] is None
    assert "never or always seen" in same["note"]
    biased = found.filter(variant="biased")
    assert biased["p_holm"].min() == pytest.approx(6 * biased["p"].min())
    assert biased["cohens_h"].to_list() == pytest.approx([math.pi] * 2)


def test_seeds_of_a_method_are_averaged_before_methods_are():
    facts = pl.DataFrame(
        {"variant": list("abcd"), "method": ["random", "random", "random", "wanda"], "level": [0.5] * 4}
    )
    moved = pl.DataFrame({"variant": list("abcd"), "percent": [10.0, 20.0, 30.0, 60.0], "eligible": [8, 8, 8, 8]})
    row = row_of(published.dose_response(moved, facts), method="all")
    assert (row["percent"], row["methods"], row["variants"]) == (40.0, 2, 4)


def test_no_variant_gives_empty_tables():
    counts = published.with_variant([])
    rates = published.rates(counts, dense="dense")
    assert rates.height == published.comparisons(rates, dense="dense").height == published.edge(counts).height == 0
    assert published.correct_tests(published.comparisons(rates, dense="dense")).height == 0
