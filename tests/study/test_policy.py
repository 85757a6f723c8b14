"""The policy file of a gate."""

import re

import pytest

from secateur.errors import ConfigError, InputError
from secateur.items.benchmarks import BENCHMARKS
from secateur.study.policy import SHIPPED, load_policy, parse_policy

CHANGE = {"judge": "change", "metric": "srs_all", "margin": 0.02, "worse": "higher", "why": "a test"}
READABLE = {"judge": "limit", "metric": "unparsed_share", "at_most": 0.1, "why": "a test"}
SMALLEST = {
    "policy": "p",
    "version": 1,
    "benchmark": {"name": "bbq", "condition": "ambig"},
    "readouts": {"letter": {}},
    "criteria": {"a": CHANGE, "readable": READABLE},
}


def faults(data):
    with pytest.raises(ConfigError) as caught:
        parse_policy(data)
    return caught.value.faults


@pytest.mark.parametrize("name", SHIPPED)
def test_policies_of_the_package_are_whole_and_every_margin_says_why(name):
    policy = load_policy(name)
    assert policy.benchmark.name in BENCHMARKS
    assert policy.about
    for criterion in policy.criteria.values():
        assert criterion.why.startswith(("Convention", "What"))
    kinds = {criterion.judge for criterion in policy.criteria.values()}
    assert kinds == {"change", "limit", "excess", "perplexity", "label"}


def test_the_digest_is_of_what_is_judged_and_not_of_how_it_is_computed():
    whole = parse_policy(SMALLEST)
    assert parse_policy(SMALLEST | {"compute": {"device": "cpu"}}).digest == whole.digest
    assert parse_policy(SMALLEST | {"version": 2}).digest != whole.digest
    wider = {"a": CHANGE | {"margin": 0.03}, "readable": READABLE}
    assert parse_policy(SMALLEST | {"criteria": wider}).digest != whole.digest


def test_all_faults_come_at_once_each_with_its_place():
    found = faults(
        SMALLEST
        | {
            "colour": 1,
            "alpha": 0.7,
            "criteria": {
                "a": CHANGE | {"margin": 0},
                "b": {"judge": "label", "why": "x", "tolerence": 1},
                "c": {"judge": "guess", "why": "x"},
                "d": {"judge": "limit", "metric": "accuracy", "at_most": 0.1, "at_least": 0.1, "why": "x"},
                "e": CHANGE | {"why": ""},
            },
        }
    )
    assert [fault.split(":")[0] for fault in found] == [
        "alpha",
        "colour",
        "criteria.a.change.margin",
        "criteria.b.label.tolerence",
        "criteria.c",
        "criteria.d.limit",
        "criteria.e.change.why",
    ]


@pytest.mark.parametrize(
    ("criterion", "fault"),
    [
        (CHANGE | {"metric": "sss"}, "metric: 'sss' is not one of srs, srs_all"),
        (CHANGE | {"metric": "flips"}, "metric: 'flips' is not one of"),
        (CHANGE | {"margin": 1}, "margin: 1 cannot be missed; srs_all lies in 0 to 1"),
        (CHANGE | {"condition": "disambig"}, "condition: srs_all is defined for ambig only"),
        (CHANGE | {"metric": "accuracy", "condition": "disambig"}, "condition: disambig items are not asked"),
        (CHANGE | {"readout": "sampled"}, "readout: sampled answers are not asked; see readouts"),
        (CHANGE | {"metric": "soft_srs", "readout": "sampled"}, "readout: soft_srs needs probabilities"),
        (
            {"judge": "limit", "metric": "unparsed_share", "at_most": 1, "why": "x"},
            "limit: 1 cannot be missed; unparsed_share lies in 0 to 1",
        ),
        (
            {"judge": "limit", "metric": "unparsed_share", "at_most": 2, "why": "x"},
            "limit: 2 is outside unparsed_share's range, 0 to 1",
        ),
        (
            {"judge": "limit", "metric": "unparsed_share", "at_most": 0, "why": "x"},
            "limit: 0 cannot be met; a bound is never of zero width",
        ),
        (CHANGE | {"metric": ["srs_all", "srs_all"]}, "metric: one stands there twice"),
        ({"judge": "perplexity", "at_most": 1.1, "why": "x"}, "judge: perplexity is not measured"),
        (
            {"judge": "excess", "metric": "became_biased", "margin": 0.02, "why": "x"},
            "readout: sampled answers are not asked",
        ),
    ],
)
def test_what_cannot_be_judged_is_a_fault(criterion, fault):
    found = faults(SMALLEST | {"criteria": {"a": criterion}})
    assert any(each.startswith(f"criteria.a.{fault}") for each in found), found


def test_answers_that_are_judged_need_a_limit_of_those_that_cannot_be_read():
    assert faults(SMALLEST | {"criteria": {"a": CHANGE}}) == [
        "criteria: a judges letter answers to ambig items, and nothing limits those that cannot be read; add a limit "
        "of unparsed_share with readout letter and condition ambig"
    ]


BOTH = SMALLEST | {"benchmark": {"name": "bbq"}}
LEAN = {"judge": "change", "metric": "diff_bias_disambig", "condition": "disambig", "margin": 0.02, "worse": "either"}
RIGHT = CHANGE | {"metric": "accuracy", "condition": "disambig", "worse": "lower"}


@pytest.mark.parametrize(
    "criteria",
    [
        {"a": CHANGE, "readable": READABLE | {"condition": "disambig"}},
        {"a": CHANGE, "readable": READABLE | {"category": "Age"}},
        {"a": CHANGE | {"category": "Religion"}, "readable": READABLE | {"category": "Age"}},
        {"a": LEAN | {"why": "x"}, "readable": READABLE},
        {"a": LEAN | {"why": "x"}, "readable": READABLE, "right": RIGHT | {"category": "Age"}},
        {"a": RIGHT | {"worse": "higher"}, "readable": READABLE},
    ],
)
def test_a_limit_of_other_answers_is_none_of_those_judged(criteria):
    (fault,) = faults(BOTH | {"criteria": criteria})
    assert re.match("criteria: a judges letter answers to (dis)?ambig items( of Religion)?, and nothing limits", fault)


@pytest.mark.parametrize(
    "criteria",
    [
        {"a": CHANGE | {"category": "Age"}, "readable": READABLE},
        {"a": CHANGE | {"category": "Age"}, "readable": READABLE | {"category": "Age"}},
        {"a": LEAN | {"why": "x"}, "readable": READABLE | {"condition": "disambig"}},
        {"a": LEAN | {"why": "x"}, "right": RIGHT},
    ],
)
def test_a_limit_of_the_answers_judged_is_enough(criteria):
    assert parse_policy(BOTH | {"criteria": criteria}).criteria


def test_criteria_whose_names_begin_with_a_capital_keep_their_own_faults():
    without = {name: value for name, value in CHANGE.items() if name != "why"}
    assert faults(SMALLEST | {"criteria": {"Age": without, "Religion": without, "readable": READABLE}}) == [
        "criteria.Age.change.why: missing",
        "criteria.Religion.change.why: missing",
    ]


def test_an_excess_needs_a_floor():
    sampled = {"readouts": {"sampled": {"seeds": [1]}}}
    excess = {"judge": "excess", "metric": "flips", "margin": 0.02, "why": "x"}
    readable = READABLE | {"readout": "sampled"}
    assert faults(SMALLEST | sampled | {"criteria": {"a": excess, "readable": readable}}) == [
        "criteria.a.judge: an excess needs a floor; name readouts.sampled.floor_seeds"
    ]


def test_a_category_must_be_asked():
    benchmark = {"benchmark": {"name": "bbq", "condition": "ambig", "categories": ["Age"]}}
    criteria = {"criteria": {"a": CHANGE | {"category": "Religion"}, "readable": READABLE}}
    assert faults(SMALLEST | benchmark | criteria) == ["criteria.a.category: 'Religion' is not asked; asked are Age"]


def test_the_criterion_that_every_policy_has_cannot_be_named_again():
    criteria = {"criteria": {"finite numbers": CHANGE, "readable": READABLE}}
    assert faults(SMALLEST | criteria) == ["criteria.finite numbers: every policy has it anyway; choose another name"]


def test_files(tmp_path):
    with pytest.raises(InputError, match=r"There is no such policy(.|\n)*a file, or default, planted"):
        load_policy(str(tmp_path / "no.yaml"))
    broken = tmp_path / "p.yaml"
    broken.write_text("policy: x\npolicy: y\n")
    with pytest.raises(InputError, match=r"The policy file is not YAML(.|\n)*line 2"):
        load_policy(str(broken))
    broken.write_text("- x\n")
    with pytest.raises(ConfigError, match="not a mapping"):
        load_policy(str(broken))


def test_looks_are_for_templates_and_one_is_as_if_none_were_named():
    whole = parse_policy(SMALLEST)
    assert parse_policy(SMALLEST | {"looks": 1}).digest == whole.digest
    assert parse_policy(SMALLEST | {"looks": 4}).digest != whole.digest
    assert faults(SMALLEST | {"looks": 4, "target": "benchmark"}) == [
        "looks: a policy about the benchmark alone may be looked at any time; leave looks out"
    ]
    for wrong in (0, 9, 2.0, "many"):
        (fault,) = faults(SMALLEST | {"looks": wrong})
        assert fault.startswith("looks: ")
