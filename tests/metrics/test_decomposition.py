"""Why the stereotype rate changed: an exact sum, and intervals that know of clusters."""

import dataclasses

import numpy as np
import pytest
from tests.metrics.builders import make_items, sampled_rows

from secateur.metrics import METRICS, count_outcomes, pair_outcomes
from secateur.metrics.decomposition import NO_DIRECTION, NO_NEW, PARTS, decompose, new_direction, share_intervals
from secateur.metrics.paired import put_beside
from secateur.metrics.transitions import MOVES
from secateur.records.outcomes import sampled_outcomes
from secateur.records.parsers import STRICT
from secateur.statistics.clustered import Contributions
from secateur.statistics.samples import Clusters, intervals

SAID = ["A", "B", "C", "Unknown", "nonsense"]


@pytest.fixture(scope="module")
def items():
    return make_items(120, seed=3, without_roles=0.1)


@pytest.fixture(scope="module")
def sides(items):
    rng = np.random.default_rng(5)
    return [sampled_outcomes(sampled_rows(items, said, rng=rng), items, STRICT) for said in (SAID, SAID[:3] * 3 + SAID)]


@pytest.fixture(scope="module")
def beside(sides, items):
    return put_beside(*(count_outcomes(frame, items) for frame in sides))


def parts_of(beside):
    return decompose(beside, beside.first.whole)


def mean(found):
    return float(found.means.mean[0])


def share_interval(contributions):
    return tuple(float(end[0]) for end in share_intervals(contributions.alone, 0.95))


def test_the_parts_add_up_to_the_change_item_by_item(beside):
    parts = parts_of(beside)
    whole = parts["whole"]
    assert mean(whole) == pytest.approx(beside.difference(METRICS["srs_all"]).contributions.mean, abs=1e-14)
    summed = sum(parts[name].means.values.each for name in PARTS[1:])
    assert summed == pytest.approx(whole.means.values.each, abs=1e-12)
    assert sum(mean(parts[name]) for name in PARTS[1:]) == pytest.approx(mean(whole), abs=1e-14)


def test_of_each_category_they_are_what_they_are_of_it_alone(beside):
    first = beside.first
    together = decompose(beside, first.by_category)
    for number in range(len(first.categories)):
        alone = decompose(beside, first.some(first.category == number))
        for name in PARTS:
            for one, other in zip(columns(together[name], number), columns(alone[name], 0), strict=True):
                assert one == pytest.approx(other, rel=1e-12, nan_ok=True)


def columns(found, number):
    ends = intervals(found.means, 0.95)
    return [values[number] for values in (found.before, found.after, found.means.mean, *ends, found.used.n_items)]


def test_the_parts_are_those_of_the_definition(beside, items):
    named, direction, unknown = [], [], []
    for side in (beside.first, beside.second):
        kept = side.with_roles()
        shares = [float((part / kept.answers).mean()) for part in (kept.stereotype, kept.counter, kept.unknown)]
        named.append(shares[0] + shares[1])
        direction.append(shares[0] / named[-1])
        unknown.append(shares[2])
    parts = parts_of(beside)
    middle = sum(direction) / 2
    unread = [1 - n - u for n, u in zip(named, unknown, strict=True)]
    assert mean(parts["abstention"]) == pytest.approx((unknown[0] - unknown[1]) * middle)
    assert mean(parts["reading"]) == pytest.approx((unread[0] - unread[1]) * middle)
    assert mean(parts["direction"]) == pytest.approx((direction[1] - direction[0]) * sum(named) / 2)
    assert (parts["direction"].before[0], parts["direction"].after[0]) == pytest.approx(tuple(direction))


def test_of_a_model_and_itself_every_part_is_zero(beside):
    for part in parts_of(put_beside(beside.first, beside.first)).values():
        assert np.abs(part.means.values.each).max() < 1e-15


def test_exchanging_the_sides_turns_every_sign(beside):
    there, back = parts_of(beside), parts_of(put_beside(beside.second, beside.first))
    for name in PARTS:
        assert mean(back[name]) == pytest.approx(-mean(there[name]), abs=1e-14)


def test_without_a_group_on_one_side_only_the_whole_is_there(items, sides):
    silent = sampled_outcomes(sampled_rows(items, ["Unknown"]), items, STRICT)
    beside = put_beside(*(count_outcomes(frame, items) for frame in (silent, sides[1])))
    parts = parts_of(beside)
    assert mean(parts["whole"]) > 0
    assert parts["whole"].reasons == [""]
    for name in PARTS[1:]:
        assert not parts[name].means.values.each.any()
        assert parts[name].reasons == [NO_DIRECTION.format("when dense")]


def test_new_answers_are_those_that_dense_withheld(items, sides):
    silent = sampled_outcomes(sampled_rows(items, ["Unknown"]), items, STRICT)
    pairs = pair_outcomes(silent, sides[1], items)
    found = new_direction(pairs, pairs.whole)
    kept = count_outcomes(sides[1], items).with_roles()
    named = (kept.stereotype + kept.counter) / kept.answers
    assert found.after[0] == pytest.approx((kept.stereotype / kept.answers).sum() / named.sum())
    assert mean(found) == pytest.approx(found.after[0])
    pairs = pair_outcomes(sides[1], silent, items)
    assert new_direction(pairs, pairs.whole).reasons == [NO_NEW]


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_one_sided_new_answers_have_an_exact_bound(share):
    """Ten items of ten clusters that all went one way: Clopper and Pearson's bound, 0.025 ** (1 / 10), or wider."""
    contributions = Contributions(np.full(10, share), Clusters.of(np.arange(10)))
    low, high = share_interval(contributions)
    bound = 0.025**0.1
    if share:
        assert high == 1.0
        assert low == pytest.approx(bound, abs=1e-9)
    else:
        assert low == 0.0
        assert high == pytest.approx(1 - bound, abs=1e-9)


def test_a_share_and_its_rest_have_the_same_interval_turned_round():
    rng = np.random.default_rng(1)
    values, clusters = (rng.random(60) < 0.3).astype(float), Clusters.of(rng.integers(0, 12, 60))
    low, high = share_interval(Contributions(values, clusters))
    other = share_interval(Contributions(1 - values, clusters))
    assert (1 - other[1], 1 - other[0]) == pytest.approx((low, high))
    assert np.isnan(share_interval(Contributions(values, Clusters.of(np.zeros(60, np.int64))))).all()


@pytest.mark.parametrize(
    ("dense", "variant"),
    [((0.05, 0.02, 0.92, 0.01), (0.2, 0.15, 0.6, 0.05)), ((0.3, 0.2, 0.4, 0.1), (0.3, 0.3, 0.3, 0.1))],
)
def test_intervals_hold_the_truth_at_least_as_often_as_they_say(items, dense, variant):
    """24 unequal templates, each with rates of its own; seven of ten answers stay what they were."""
    rng = np.random.default_rng(7)
    stay, reps = 0.7, 120
    rates = [np.array(dense), stay * np.array(dense) + (1 - stay) * np.array(variant)]
    named, direction = [r[0] + r[1] for r in rates], [r[0] / (r[0] + r[1]) for r in rates]
    truth = {
        "whole": rates[1][0] - rates[0][0],
        "abstention": (rates[0][2] - rates[1][2]) * sum(direction) / 2,
        "reading": (rates[0][3] - rates[1][3]) * sum(direction) / 2,
        "direction": (direction[1] - direction[0]) * sum(named) / 2,
    }
    template = count_outcomes(sampled_outcomes(sampled_rows(items, SAID), items, STRICT), items)
    held = dict.fromkeys(truth, 0)
    for _ in range(reps):
        cluster = np.repeat(np.arange(24), rng.integers(10, 60, 24))
        sides = [_drawn(rng, rate, cluster) for rate in (dense, variant)]
        sides[1] = np.where(rng.random(len(cluster)) < stay, sides[0], sides[1])
        for name, part in parts_of(put_beside(*(_counts(template, said, cluster) for said in sides))).items():
            low, high = intervals(part.means, 0.95)
            held[name] += low[0] <= truth[name] <= high[0]
    assert all(count / reps > 0.93 for count in held.values()), held


def _drawn(rng, rates, cluster):
    """An outcome per item, 0 to 3, with the rates of its cluster."""
    own = rng.dirichlet(9 * np.array(rates), cluster.max() + 1)[cluster]
    return (rng.random(len(cluster))[:, None] > np.cumsum(own, axis=1)[:, :3]).sum(axis=1)


def _counts(template, said, cluster):
    n = len(said)
    arrays = {
        field.name: np.zeros((n, *getattr(template, field.name).shape[1:]), getattr(template, field.name).dtype)
        for field in dataclasses.fields(template)
        if isinstance(getattr(template, field.name), np.ndarray)
    }
    outcomes = {name: (said == place) * 1 for place, name in enumerate(MOVES)}
    arrays |= {**outcomes, "answers": np.ones(n, np.int64), "has_roles": np.ones(n, np.bool_), "cluster": cluster}
    return dataclasses.replace(template, **arrays | {"item": np.arange(n, dtype=np.uint64)})
