"""Differences at the same damage, against item-by-item definitions."""

import math

import numpy as np
import pytest

from secateur.metrics.matched import Place, Point, averaged, beyond_match, place_at
from secateur.metrics.paired import OTHER_ITEMS, Difference
from secateur.statistics.clustered import Contributions
from secateur.statistics.samples import Clusters

CURVE = [Point("c", 4.0, 0.8), Point("a", 0.25, 0.2), Point("b", 1.0, 0.4)]


@pytest.mark.parametrize(
    ("kl", "weights", "level"),
    [
        (0.0, {}, 0.0),
        (0.0625, {"a": 0.5}, 0.1),  # half way from dense, in sqrt(KL)
        (0.25, {"a": 1.0}, 0.2),
        (0.5625, {"a": 0.5, "b": 0.5}, 0.2 * 2 ** (math.log(2.25) / math.log(4))),
        (1.0, {"b": 1.0}, 0.4),
        (2.25, {"b": 0.5, "c": 0.5}, 0.4 * 2 ** (math.log(2.25) / math.log(4))),
        (4.0, {"c": 1.0}, 0.8),
    ],
)
def test_places_on_a_curve(kl, weights, level):
    place = place_at(CURVE, kl)
    assert place.weights == pytest.approx(weights)
    assert place.level == pytest.approx(level)


def test_nothing_is_taken_beyond_the_last_point():
    assert place_at(CURVE, 4.0001) is None
    assert place_at([], 0.1) is None
    assert place_at([Point("a", math.inf, 1.0)], 0.1) is None


def test_points_of_equal_damage_are_no_division_by_zero():
    assert place_at([Point("a", 0.0, 0.1), Point("b", 1.0, 0.2)], 0.0).weights == {"a": 1.0}
    assert place_at([Point("a", 1.0, 0.1), Point("b", 1.0, 0.2)], 1.0).weights == {"a": 1.0}
    found = place_at([Point("z", 0.0, 0.1), Point("b", 1.0, 0.3)], 0.25)
    assert found.weights == pytest.approx({"z": 0.5, "b": 0.5})
    assert found.level == pytest.approx(0.15)


def test_an_average_of_places_weighs_each_seed_the_same():
    mean = averaged([Place({"a": 1.0}, 0.2), Place({"a": 0.5, "b": 0.5}, 0.3)])
    assert mean.weights == pytest.approx({"a": 0.75, "b": 0.25})
    assert mean.level == pytest.approx(0.25)


def difference(values, *, used=None, unit=1.0):
    values = np.asarray(values, np.float64)
    clusters = Clusters.of(np.arange(len(values)) // 2)
    used = np.ones(len(values), bool) if used is None else used
    return Difference(0.0, float(values.mean()), Contributions(values, clusters, unit=unit, span=2.0), used)


def test_what_is_beyond_a_match_item_by_item():
    own, one, two = [1.0, 0, -1, 1], [1.0, 0, 0, 0], [0.0, 0, -1, 0]
    changes = {"own": difference(own), "one": difference(one), "two": difference(two, unit=3.0)}
    found = beyond_match(changes, "own", Place({"one": 0.25, "two": 0.5}, 0.0))
    each = [x - 0.25 * a - 0.5 * b for x, a, b in zip(own, one, two, strict=True)]
    assert found.contributions.values.tolist() == each
    assert found.after == 0.25
    assert found.before == pytest.approx(0.25 * 0.25 + 0.5 * -0.25)
    assert found.contributions.mean == pytest.approx(found.after - found.before)
    assert found.contributions.unit == 3.0
    assert changes["own"].contributions.values.tolist() == own  # nothing was changed in place


def test_a_variant_beside_itself_has_nothing_beyond():
    changes = {"own": difference([1.0, 0, -1, 1])}
    found = beyond_match(changes, "own", Place({"own": 1.0}, 0.0))
    assert not found.contributions.values.any()


def test_undefined_where_a_side_is():
    whole = np.ones(4, bool)
    changes = {
        "own": difference([1.0, 0, 0, 0]),
        "none": Difference(None, None, None, whole, "undefined in the second"),
        "other": difference([1.0, 0, 0, 0], used=np.array([True, True, True, True, False])),
    }
    for name, reason in (("none", "undefined in the second"), ("other", OTHER_ITEMS)):
        found = beyond_match(changes, "own", Place({name: 1.0}, 0.0))
        assert found.contributions is None
        assert found.reason == reason
