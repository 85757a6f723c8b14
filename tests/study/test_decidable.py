"""Whether a policy or a study can decide what it asks."""

from pathlib import Path

import pytest

from secateur.errors import InputError
from secateur.items.planted import load_planted
from secateur.study.decidable import CHANGED, decidable_items, decidable_policy
from secateur.study.gate import plan_gate
from secateur.study.policy import load_policy, parse_policy


def test_fewer_items_decide_less():
    items = load_planted()
    whole, part = decidable_items(items)[0], decidable_items(items.per_template(1))[0]
    assert (whole.n_items, whole.n_clusters) == (2000, 125)
    assert all(few > many for few, many in zip(part.margins, whole.margins, strict=True))
    assert sorted(whole.margins) == list(whole.margins)


def test_a_category_decides_less_than_all_of_them():
    all_, *categories = decidable_items(load_planted())
    assert len(categories) > 1
    assert sum(one.n_items for one in categories) == all_.n_items
    assert all(one.margins[0] > all_.margins[0] for one in categories)


def test_a_folder_of_a_user_who_does_not_exist():
    with pytest.raises(InputError, match=r"A folder's name cannot be read(.|\n)*~nobody-here/BBQ"):
        plan_gate(load_policy("default"), bbq=Path("~nobody-here/BBQ"), base=Path())


def test_every_margin_of_a_policy_is_looked_at():
    policy = load_policy("planted")
    found = plan_gate(policy, base=Path())
    with_margin = [name for name, one in policy.criteria.items() if hasattr(one, "margin")]
    assert [one.name for one in found] == with_margin
    assert all(one.up_to in CHANGED for one in found)


READABLE = {"judge": "limit", "metric": "unparsed_share", "at_most": 0.1, "why": "a test"}


def test_halves_need_twice_the_margin_and_one_polarity_has_half_the_items():
    rules = {
        name: {
            "judge": "change",
            "metric": metric,
            "margin": 0.1,
            "worse": "higher",
            "why": "x",
            "condition": condition,
        }
        for name, metric, condition in (
            ("all", "accuracy", "disambig"),
            ("halves", "diff_bias_disambig", "disambig"),
            ("negative", "group_preference_neg", "ambig"),
        )
    }
    policy = {"policy": "p", "version": 1, "benchmark": {"name": "planted"}, "readouts": {"letter": {}}}
    limits = {condition: READABLE | {"condition": condition} for condition in ("ambig", "disambig")}
    found = decidable_policy(parse_policy(policy | {"criteria": rules | limits}), load_planted())
    whole, halves, negative = found
    assert halves.margins[2] == pytest.approx(2 * whole.margins[2])
    assert negative.n_items == 1000


@pytest.mark.parametrize(("margin", "up_to"), [(0.001, None), (0.012, 0.01), (0.5, 0.2)])
def test_up_to_which_share_a_margin_can_be_decided(margin, up_to):
    rule = {"judge": "change", "metric": "srs_all", "margin": margin, "worse": "higher", "why": "a test"}
    policy = parse_policy(
        {
            "policy": "p",
            "version": 1,
            "benchmark": {"name": "planted"},
            "readouts": {"letter": {}},
            "criteria": {"a": rule, "readable": READABLE},
        }
    )
    (one,) = decidable_policy(policy, load_planted())
    assert one.up_to == up_to


def test_looks_have_their_price():
    policy = load_policy("planted")
    once, often = (decidable_policy(policy.model_copy(update={"looks": n}), load_planted()) for n in (1, 8))
    for one, other in zip(once, often, strict=True):
        ratios = [late / at_once for late, at_once in zip(other.margins, one.margins, strict=True)]
        assert all(1.0 < ratio < 1.1 for ratio in ratios)
