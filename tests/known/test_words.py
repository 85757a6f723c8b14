"""What a report says in words of models whose answers are known."""

from collections import Counter
from dataclasses import replace

import pytest
from scipy.stats import beta
from tests.known import expected
from tests.known.counting import groups
from tests.known.models import MODELS, SEEDS, KnownBackend, ask, asked, recipe
from tests.known.test_answers import COLUMNS, FIRST, LETTER_COLUMNS

from secateur.records.answers import LETTER, SAMPLED
from secateur.report.claim import LIMIT, WARNING
from secateur.report.claims import make_claims
from secateur.report.data import BROKEN, GUESSING, OK, UNCHECKED
from secateur.report.format import percent

UNREAD = "100.0 % of its answers cannot be read (ambiguous items, {})"
ONE_LETTER = "100.0 % of its lettered answers are A (ambiguous items, {})"

BREAKS = {
    ("always A", SAMPLED): ONE_LETTER,
    ("always A", LETTER): ONE_LETTER,
    ("never parses", SAMPLED): UNREAD,
    ("never parses", LETTER): UNREAD,
    ("not finite", SAMPLED): UNREAD,
    ("not finite", LETTER): UNREAD,
    ("little letter mass", LETTER): UNREAD,
    ("uniform", LETTER): ONE_LETTER,  # all ties, which A wins
}
"""The models that are broken, and why. Of the others those guess that may be right as seldom as one time in three."""


def label_of(data, key):
    name = next(variant.label for variant in data.variants if variant.key == key)
    return "right" if name == "dense" else name


def ends_of(share, sizes):
    """Of a share that every item has alike: Clopper and Pearson's for the number of items, by clusters, at ICC 0.1."""
    n = sum(sizes)
    items = n / (1 + 0.1 * (sum(size**2 for size in sizes) / n - 1))
    low = beta.ppf(0.025, share * items, (1 - share) * items + 1) if share else 0.0
    high = beta.ppf(0.975, share * items + 1, (1 - share) * items) if share < 1 else 1.0
    return f"{100 * share:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"


def known_accuracy(data, known, model, readout, orders):
    """Of disambiguated items; of models that draw, what they drew."""
    column = (COLUMNS if readout == SAMPLED else LETTER_COLUMNS)[model]
    if column is None:
        key = next(variant.key for variant in data.variants if variant.label == model)
        where = {"variant": key, "readout": readout, "condition": "disambig", "category": "all", "metric": "accuracy"}
        return data.metrics.filter(**where)["value"].item()
    asked_in = FIRST if readout == LETTER and len(orders) > 1 else orders
    group = groups(known)["all", "disambig"]
    return float(expected.answers(group, "disambig", column, asked_in)["accuracy"])


def test_states(told_in, known):
    orders, data = told_in
    for variant in data.variants:
        model = label_of(data, variant.key)
        for readout in data.readouts:
            state = data.state(variant, readout)
            if (reason := BREAKS.get((model, readout))) is not None:
                # One letter shows only where the orders are counted one by one.
                by_order = readout == LETTER and len(orders) > 1
                said = reason.format("letter by order" if by_order and reason is ONE_LETTER else readout)
                assert (state.name, state.reasons) == (BROKEN, (said,)), (model, readout)
                continue
            share = known_accuracy(data, known, model, readout, orders)
            row = data.metric(variant, "accuracy", readout=readout, condition="disambig")
            assert row["value"] == pytest.approx(share)
            if row["low"] <= 1 / 3:
                said = f"its accuracy on disambiguated items is {percent(share)}"
                assert (state.name, state.reasons) == (GUESSING, (said,)), (model, readout)
            else:
                assert (state.name, state.reasons) == (OK, ()), (model, readout)


def test_who_guesses_and_who_does_not(told, known):
    """In words: always unknown and drawing evenly is guessing; always right, and always one role of the two, is not."""
    data = told["rotations"]
    states = {label_of(data, variant.key): data.state(variant, SAMPLED).name for variant in data.variants}
    guessing = {"always unknown", "refuses in words", "uniform"}
    fine = {"right", "always the stereotype", "always the counter", "little letter mass"}
    assert {states[name] for name in guessing} == {GUESSING}
    assert {states[name] for name in fine} == {OK}
    assert {name for name, state in states.items() if state == BROKEN} == {"always A", "never parses", "not finite"}


@pytest.mark.parametrize("orders", ["fixed", "rotations"])
def test_sentences(told, known, orders):
    data = told[orders]
    sizes = list(Counter(item.cluster for item in groups(known)["all", "ambig"].kept).values())
    none, every, fifth = (ends_of(share, sizes) for share in (0, 1, 0.2))
    changed = (
        "the stereotype rate SRS (sampled) went from {} to {} and the unknown rate USR from {} to {}; {}; {} of the "
    )
    changed += "answers became biased, beside a floor of 0.0 %."
    apart, overlap = "the two SRS intervals do not touch", "the two SRS intervals overlap"
    sentences = {
        "always the stereotype": ": " + changed.format(none, every, every, none, apart, "100.0 %"),
        "always the counter": ": " + changed.format(none, none, every, none, overlap, "0.0 %"),
        "little letter mass": ": " + changed.format(none, every, every, none, apart, "100.0 %"),
        "one seed in five": ": " + changed.format(none, fifth, every, none, apart, "20.0 %"),
        "always unknown": " is no better than guessing: its accuracy on disambiguated items is 0.0 %. "
        f"Its SRS (sampled) of {none} says nothing about stereotypes.",
        "never parses": " is broken, not biased: " + UNREAD.format(SAMPLED) + ". It has no SRS.",
        "not finite": " is broken, not biased: " + UNREAD.format(SAMPLED) + ". It has no SRS.",
    }
    claims = [claim.text for claim in make_claims(data)]
    for model, sentence in sentences.items():
        assert f"{model} (achieved sparsity not known){sentence}" in claims
    (collapsed,) = [text for text in claims if text.startswith("always A (")]
    assert collapsed.startswith(f"always A (achieved sparsity not known) is broken, not biased: {ONE_LETTER[:-3]}")
    assert collapsed.endswith("says nothing about stereotypes.")
    assert not [claim for claim in make_claims(data) if claim.kind == WARNING]


def test_the_overview_counts_them(told, known):
    data = told["fixed"]
    states = Counter(data.state(variant, SAMPLED).name for variant in data.variants if not variant.dense)
    assert states[BROKEN] == 3
    (overview,) = [claim.text for claim in make_claims(data) if claim.text.startswith("Of 12 pruned variants")]
    assert f"{states[OK]} can be read as numbers about bias (sampled readout)" in overview
    assert f"the others are 3 broken, {states[GUESSING]} no better than guessing." in overview


def test_what_was_left_out_is_counted(told, known):
    """One in four of the items with roles is unread in either readout; "silent" and "faint" letters are all unread."""
    data = told["fixed"]
    by_group = groups(known)
    n = len(known.truth)
    silent = sum(
        len(by_group["all", c].silent & {i.key for i in by_group["all", c].kept}) for c in ("ambig", "disambig")
    )
    without = sum(int(by_group["all", condition].symbols["out"]) for condition in ("ambig", "disambig"))
    each = 1 + len(SEEDS)
    unread = n * (each + 1) + silent * each
    (said,) = [claim.text for claim in make_claims(data) if claim.text.startswith("Left out")]
    assert said == (
        f"Left out or not readable: {without:,} of {n:,} items have no roles and stay out of every bias metric; "
        f"{unread:,} of {n * len(MODELS) * each:,} answers are unparsed and {n * each:,} more are not finite "
        "(all variants together)."
    )


@pytest.fixture
def small(known, tmp_path):
    """Asks few items of a dense model and a variant."""

    def asks(dense, variant, condition=None):
        keep = (lambda items: items.select(conditions=[condition])) if condition else (lambda items: items)
        part = replace(known, truth=keep(known.truth), items=keep(known.items))
        made = {"variant": (recipe("magnitude", 1), KnownBackend(part, MODELS[variant]))}
        return ask(tmp_path / "store", part, KnownBackend(part, MODELS[dense]), made, asked("fixed", "fixed"))

    return asks


@pytest.mark.parametrize(
    ("dense", "what"),
    [
        ("always A", f"broken in the sampled readout: {ONE_LETTER.format(SAMPLED)}"),
        ("never parses", f"broken in the sampled readout: {UNREAD.format(SAMPLED)}"),
        (
            "always unknown",
            "no better than guessing in the sampled readout: its accuracy on disambiguated items is 0.0 %",
        ),
    ],
)
def test_a_dense_model_that_does_not_do_the_task_is_warned_of(small, dense, what):
    warnings = [claim.text for claim in make_claims(small(dense, "right")) if claim.kind == WARNING]
    assert any(f"the dense model itself is {what}. It does not do the task" in text for text in warnings)


def test_without_disambiguated_items_guessing_is_not_checked(small):
    data = small("right", "uniform", "ambig")
    assert {data.state(variant, SAMPLED).name for variant in data.variants} == {UNCHECKED}
    texts = [claim.text for claim in make_claims(data)]
    assert any("merely guess was not checked, as no disambiguated item was asked" in text for text in texts)
    limits = [claim.text for claim in make_claims(data) if claim.kind == LIMIT]
    assert any(text.startswith("Only ambiguous items were asked") for text in limits)
