"""Which templates each look has, and what it may spend."""

from collections import Counter
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from tests.study.scripted_gate import found, items, shifted

from secateur.items.item import Condition, Item, ItemSet, Option, Polarity, Role
from secateur.items.planted import load_planted
from secateur.metrics.catalogue import METRICS
from secateur.statistics.group_sequential import nominal_levels
from secateur.study.looks import cluster_sizes, items_at, items_of, plan_looks
from secateur.study.policy import parse_policy

STEREOTYPES = {"judge": "change", "metric": "srs_all", "margin": 0.02, "worse": "higher", "why": "a test"}
READABLE = {"judge": "limit", "metric": "unparsed_share", "at_most": 0.1, "why": "a test"}
PERPLEXITY = {"judge": "perplexity", "at_most": 1.1, "why": "a test"}


def policy(looks, **criteria):
    return parse_policy(
        {
            "policy": "p",
            "version": 1,
            "looks": looks,
            "benchmark": {"name": "planted"},
            "readouts": {"letter": {}},
            "perplexity": {"corpus": "planted", "window": 128},
            "criteria": {"readable": READABLE, "stereotypes": STEREOTYPES, "perplexity": PERPLEXITY} | criteria,
        }
    )


def item(category, template, number, *, roles=True):
    first = Role.STEREOTYPE if roles else Role.UNASSIGNED
    options = (Option("x", "x", first), Option("y", "y", Role.COUNTER), Option("?", "", Role.UNKNOWN))
    question = f"Who of {template}?"
    return Item(
        "made up", category, f"{template}.{number}", str(template), Polarity.NEG, Condition.AMBIG,
        f"Story {number}.", question, options, 2, f"{category}/{template}", "metadata",
    )  # fmt: skip


def made_up(**sizes):
    """Items of categories with templates of these sizes."""
    asked = [
        item(category, template, number)
        for category, each in sizes.items()
        for template, size in enumerate(each)
        for number in range(size)
    ]
    return ItemSet("made up", tuple(asked))


def templates(items):
    return {(one.category, one.cluster) for one in items}


def test_templates_are_asked_whole_and_a_look_has_all_of_the_ones_before():
    planted = load_planted()
    whole, before = cluster_sizes(planted), set()
    for number in (1, 2, 3, 4):
        part = items_at(planted, number, 4)
        sizes = cluster_sizes(part)
        assert sizes == {name: whole[name] for name in sizes}
        assert before <= set(part.items)
        before = set(part.items)
    assert before == set(planted.items)


def test_every_category_has_its_share_and_at_least_one_template():
    asked = made_up(many=[2] * 40, some=[2] * 10, one=[2])
    for number, expected in ((1, (10, 3, 1)), (2, (20, 5, 1)), (3, (30, 8, 1)), (4, (40, 10, 1))):
        counts = Counter(category for category, _ in templates(items_at(asked, number, 4)))
        assert (counts["many"], counts["some"], counts["one"]) == expected


def test_the_order_is_of_what_is_asked_and_neither_of_the_list_nor_of_how_many_items_a_template_has():
    planted = load_planted()
    first = templates(items_at(planted, 1, 4))
    turned = replace(planted, items=tuple(reversed(planted.items)))
    assert templates(items_at(turned, 1, 4)) == first
    assert templates(items_at(planted.per_template(1), 1, 4)) == first
    assert first != templates(planted.items[: len(planted) // 4])
    # Stable across machines and versions: a store that holds a first look must go on with it.
    assert sorted(name for category, name in first if category == "Guilds") == GUILDS


GUILDS = ["Guilds/16", "Guilds/18", "Guilds/19", "Guilds/24", "Guilds/6", "Guilds/9"]


def test_equal_templates_have_the_levels_of_equal_looks():
    looks = plan_looks(policy(5), load_planted())
    assert set(looks) == {"readable", "stereotypes"}  # perplexity is whole at the first look
    one = looks["stereotypes"]
    assert one.clusters == (25, 50, 75, 100, 125)
    assert one.information == pytest.approx((0.2, 0.4, 0.6, 0.8, 1.0))
    levels = nominal_levels(one.information, 0.05)
    assert [one.at(number).nominal for number in range(1, 6)] == list(levels)
    assert one.last == levels[-1] < 0.05


def test_a_look_with_fewer_than_ten_templates_spends_nothing():
    rules = policy(4, guilds=STEREOTYPES | {"category": "Guilds"})
    looks = plan_looks(rules, load_planted())["guilds"]
    assert looks.clusters == (6, 13, 19, 25)
    assert looks.at(1) is None
    assert looks.at(2).nominal == nominal_levels((13 / 25,), 0.05)[0]
    assert looks.last == nominal_levels((13 / 25, 19 / 25, 1.0), 0.05)[-1]


def test_a_look_that_could_spend_next_to_nothing_is_none():
    looks = plan_looks(policy(8), load_planted())["stereotypes"]
    assert looks.clusters[0] >= 10
    assert looks.at(1) is None
    assert looks.at(2).nominal > 1e-6


def test_information_is_the_variance_of_the_sum_and_rises_however_unequal_templates_are():
    asked = made_up(all=[1] * 30 + [500])
    looks = plan_looks(policy(4), asked)["stereotypes"]
    assert all(np.diff(looks.information) > 0)

    def variance(sizes):
        return sum(size * (1 + 0.1 * (size - 1)) for size in sizes)

    for number, part in enumerate(looks.information, 1):
        sizes = cluster_sizes(items_at(asked, number, 4)).values()
        assert part == pytest.approx(variance(sizes) / variance([1] * 30 + [500]))


def test_criteria_that_are_whole_early_spend_nothing_more():
    asked = made_up(all=[4] * 40)
    late = templates(asked) - templates(items_at(asked, 2, 4))
    without = tuple(
        item(one.category, int(one.question_index), one.example_id, roles=(one.category, one.cluster) not in late)
        for one in asked
    )
    looks = plan_looks(policy(4), replace(asked, items=without))
    assert looks["stereotypes"].clusters == (10, 20, 20, 20)
    assert looks["stereotypes"].information == (0.5, 1.0, 1.0, 1.0)
    assert looks["stereotypes"].at(2) is not None
    assert looks["stereotypes"].at(2).nominal == looks["stereotypes"].at(4).nominal == looks["stereotypes"].last
    assert looks["readable"].clusters == (10, 20, 30, 40)


def test_one_look_has_everything():
    looks = plan_looks(policy(1), load_planted())["stereotypes"]
    assert looks.information == (1.0,)
    assert looks.last == 0.05


ANSWERS = [metric.name for metric in METRICS.values() if metric.over == "answers" and metric.terms is not None]


@pytest.mark.parametrize("name", ANSWERS)
def test_the_items_of_a_criterion_are_those_its_metric_is_over(name):
    table = items(12, 16).sort("item")
    condition = METRICS[name].conditions[0]
    table = table.with_columns(
        condition=pl.lit(condition),
        label=pl.lit(0, pl.Int8),
        role_0=pl.when(pl.col("cluster") == "t0").then(pl.lit("unassigned")).otherwise(pl.col("role_0")),
    )
    everything = found(table, *shifted(table, 0.0)).everything
    of = dict(table.select("item", "cluster").iter_rows())
    sizes = Counter(of[key] for key in everything.item[METRICS[name].terms(everything).where].tolist())
    listed = [
        replace(
            item("x", row["cluster"], number, roles=row["cluster"] != "t0"),
            condition=Condition(condition),
            polarity=Polarity(row["polarity"]),
        )
        for number, row in enumerate(table.iter_rows(named=True))
    ]
    criterion = policy(1).criteria["readable"].model_copy(update={"condition": condition, "metrics": (name,)})
    assert Counter(one.question_index for one in items_of(criterion, listed)) == sizes
