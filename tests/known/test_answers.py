"""Every metric of answers and of pairs, of models that leave nothing to chance, in every readout."""

from functools import cache

import pytest
from tests.known import expected
from tests.known.counting import groups
from tests.known.models import FLOOR_SEEDS, MODELS, SEEDS

from secateur.metrics.catalogue import WHOLE_ANSWERS
from secateur.metrics.counts import NO_PARSED
from secateur.metrics.table import NO_FLOOR
from secateur.records.answers import BY_ORDER, LETTER, SAMPLED
from secateur.report.data import measured

COLUMNS = {
    "right": "right",
    "always A": "A",
    "always the stereotype": "stereotype",
    "always the counter": "counter",
    "always unknown": "unknown",
    "refuses in words": "unknown",
    "never parses": "silent",
    "not finite": "nan",
    "little letter mass": "stereotype",
    "one in four unread": "quarter",
    "one seed in five": "once",
    "uniform": None,  # drawn: test_chance.py
    "skewed": None,
}
"""The column of each model when it is sampled."""

LETTER_COLUMNS = COLUMNS | {
    "little letter mass": "silent",
    "one seed in five": "counter",
    "uniform": "A",  # a tie goes to the first letter
    "skewed": "stereotype",
}
"""When it is asked for letters."""

FIRST = ("012",)
"""The order that shows option 0 at A: averaged over orders, a preference for A is a tie, which option 0 wins."""


def name_of(data, key):
    label = next(variant.label for variant in data.variants if variant.key == key)
    return "right" if label == "dense" else label


def known_metrics(group, condition, model, readout, orders):
    """Everything ``metric_table`` should say."""
    averaged = readout == LETTER and len(orders) > 1
    column = (COLUMNS if readout == SAMPLED else LETTER_COLUMNS)[model]
    shown = not averaged and not (readout == SAMPLED and model == "refuses in words")
    numbers = expected.answers(group, condition, column, FIRST if averaged else orders)
    numbers |= expected.letters(group, column, orders, shown=shown)
    if readout != SAMPLED:
        numbers |= expected.soft(
            group, condition, model if model in ("uniform", "skewed") else column, orders, averaged=averaged
        )
    return numbers


def answers_per_item(readout, orders):
    return 1 if readout == LETTER else len(orders) * (len(SEEDS) if readout == SAMPLED else 1)


def test_every_model_has_columns():
    assert set(COLUMNS) == set(LETTER_COLUMNS) == set(MODELS)


def test_metrics_of_answers(told_in, known):
    orders, data = told_in
    by_group = groups(known)
    found = {}
    for row in data.metrics.iter_rows(named=True):
        model = name_of(data, row["variant"])
        if row["readout"] == SAMPLED and COLUMNS[model] is None:
            continue
        place = (model, row["readout"], row["category"], row["condition"])
        found.setdefault(place, {})[row["metric"]] = row
    readouts = {LETTER, *([BY_ORDER] if len(orders) > 1 else []), *([SAMPLED] if SAMPLED in data.readouts else [])}
    assert {readout for _, readout, *_ in found} == readouts
    for (model, readout, category, condition), rows in found.items():
        group = by_group[category, condition]
        numbers = known_metrics(group, condition, model, readout, orders)
        assert set(rows) == set(numbers)
        for metric, number in numbers.items():
            where, row = (model, readout, category, condition, metric), rows[metric]
            if number is None:
                assert (row["value"], row["note"]) == (None, expected.REASONS[metric]), where
                continue
            assert row["value"] == pytest.approx(float(number), abs=2e-7), where
            if row["low"] is not None:
                assert row["low"] <= row["value"] <= row["high"], where
                assert row["low"] < row["high"], where


def test_pairs_with_a_dense_model_that_is_always_right(told_in, known):
    orders, data = told_in
    by_group = groups(known)
    pairs = cache(expected.pairs)
    seen = set()
    for row in data.pairs.iter_rows(named=True):
        model, readout = name_of(data, row["variant"]), row["readout"]
        column = (COLUMNS if readout == SAMPLED else LETTER_COLUMNS)[model]
        if column is None:
            continue
        averaged = readout == LETTER and len(orders) > 1
        group = by_group[row["category"], row["condition"]]
        numbers = pairs(group, row["condition"], column, FIRST if averaged else orders)
        where = (model, readout, row["category"], row["condition"], row["metric"])
        seen.add(where)
        assert row["value"] == pytest.approx(float(numbers[row["metric"]]), abs=1e-12), where
        # The dense model says the same to the floor seeds, so nothing changes there.
        assert (row["floor"], row["floor_note"]) == ((0, "") if readout == SAMPLED else (None, NO_FLOOR)), where
    metrics = {(metric, condition) for *_, condition, metric in seen}
    assert metrics == {(name, "ambig") for name in expected.PAIRS} | {("flips", "ambig"), ("flips", "disambig")}


@pytest.mark.parametrize("model", ["never parses", "not finite"])
def test_a_zero_over_answers_nobody_could_read_is_not_shown(told_in, model):
    _, data = told_in
    key = next(variant.key for variant in data.variants if variant.label == model)
    for frame in (data.metrics, data.pairs):
        rows = [row for row in frame.iter_rows(named=True) if row["variant"] == key and row["condition"] == "ambig"]
        zeros = [row for row in rows if row["metric"] in WHOLE_ANSWERS and row["value"] is not None]
        assert zeros
        assert not any(measured(row) for row in zeros)
        assert {row["note"] for row in zeros} == {NO_PARSED}


def test_numbers_of_items_answers_and_clusters(told_in, known):
    orders, data = told_in
    by_group = groups(known)
    rows = data.metrics.filter(metric="srs_all").vstack(data.metrics.filter(metric="accuracy"))
    for row in rows.iter_rows(named=True):
        group = by_group[row["category"], row["condition"]]
        items = group.kept if row["metric"] == "srs_all" else group.items
        assert row["n_items"] == len(items)
        assert row["n_answers"] == len(items) * answers_per_item(row["readout"], orders)
        assert row["n_clusters"] == len({item.cluster for item in items})


def test_transitions_from_a_dense_model_that_is_always_right(told, known):
    data = told["fixed"]
    by_group = groups(known)
    said = {
        "always the stereotype": ("stereotype", None),
        "always the counter": ("counter", None),
        "always unknown": ("unknown", "unknown"),
        "refuses in words": ("unknown", "unknown"),
        "never parses": ("unparsed", "unparsed"),
        "not finite": ("unparsed", "unparsed"),
    }
    for model, (outcome, verdict) in said.items():
        key = next(variant.key for variant in data.variants if variant.label == model)
        for condition, start, end in (("ambig", "unknown", outcome), ("disambig", "correct", verdict)):
            moves = data.moves.filter(variant=key, readout=SAMPLED, condition=condition)
            counts = {(row["from"], row["to"]): row["pairs"] for row in moves.iter_rows(named=True) if row["pairs"]}
            kept = by_group["all", condition].kept
            if end is not None:
                assert counts == {(start, end): len(SEEDS) * len(kept)}
                continue
            right = sum(item.options[item.label].role == outcome for item in kept)
            error = "stereotype error" if outcome == "stereotype" else "counter error"
            assert counts == {
                ("correct", "correct"): len(SEEDS) * right,
                ("correct", error): len(SEEDS) * (len(kept) - right),
            }
    assert len(FLOOR_SEEDS) == len(SEEDS)
