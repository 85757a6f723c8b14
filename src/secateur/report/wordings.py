"""What hangs on the words of the prompt: the same items asked by letter in other words, as rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from secateur.metrics.catalogue import METRICS, WHOLE_ANSWERS
from secateur.metrics.counts import CONDITIONS, NO_PARSED, Counts, PerItem, count_outcomes
from secateur.metrics.differences import correct, judged, tested
from secateur.metrics.paired import Beside, Difference, less, put_beside
from secateur.metrics.table import metric_table
from secateur.metrics.transitions import pair_outcomes
from secateur.records.answers import LETTER
from secateur.report.changes import PRIMARY
from secateur.report.data import State, Variant, wording_rows_of
from secateur.report.states import find_states
from secateur.statistics.clustered import Contributions

LEVELS = (*PRIMARY, "unparsed_share")
"""Metrics of answers of which both wordings are told."""

FLIPS = "flips"

_PLACE = ("variant", "wording", "condition", "metric")
_NUMBERS = ("before", "after", "value", "low", "high")

WORDING_COLUMNS: dict[str, Any] = {
    **dict.fromkeys(_PLACE, pl.String),
    **dict.fromkeys((*_NUMBERS, "level"), pl.Float64),
    **dict.fromkeys(("n_items", "n_clusters"), pl.Int64),
    "note": pl.String,
}
"""A variant in two wordings: ``before`` in the study's, ``after`` in the other, ``value`` the latter less the former.
Of ``flips`` the value alone: the share of questions that were answered otherwise."""

REWORDED_COLUMNS: dict[str, Any] = {
    **WORDING_COLUMNS,
    **dict.fromkeys(("p", "there_low", "there_high", "there_p"), pl.Float64),
}
"""A variant's change from dense in two wordings: ``before`` in the study's, ``after`` in the other with its interval
and test in ``there_*``, ``value`` the latter less the former with its own."""

CORRECTED_REWORDED: dict[str, Any] = {
    **REWORDED_COLUMNS,
    **dict.fromkeys(("p_holm", "p_bh", "there_p_holm"), pl.Float64),
}


@dataclass(frozen=True)
class Reworded:
    """One model's answers in other words.

    Args:
        levels: Columns ``WORDING_COLUMNS``.
        changes: Columns ``REWORDED_COLUMNS``.
        states: Variant key and wording -> whether its numbers there can be read as what they are called.
    """

    levels: pl.DataFrame
    changes: pl.DataFrame
    states: Mapping[tuple[str, str], State]


def reworded(
    main: Mapping[str, pl.DataFrame],
    counts: Mapping[str, Counts],
    others: Mapping[str, Mapping[str, Mapping[str, pl.DataFrame]]],
    variants: Sequence[Variant],
    items: pl.DataFrame,
    *,
    level: float,
) -> Reworded:
    """Set answers in other words beside those in the study's.

    Args:
        main: Outcomes of the letter readout by variant.
        counts: The same counted.
        others: Wording -> variant -> outcomes by readout.
        variants: Of one model, dense first.
        items: Rows of the table ``items``.
        level: Of the two-sided intervals.
    """
    levels: list[dict[str, Any]] = []
    changes: list[dict[str, Any]] = []
    states: dict[tuple[str, str], State] = {}
    dense = next(variant.key for variant in variants if variant.dense)
    for wording, asked in others.items():
        there = {key: frames[LETTER] for key, frames in asked.items() if LETTER in frames}
        states |= _states(wording, asked, variants, items, level=level)
        again = {key: count_outcomes(frame, items) for key, frame in there.items()}
        for variant in variants:
            key = variant.key
            if key not in counts or key not in again:
                continue
            about = {"variant": key, "wording": wording, "level": level}
            beside = put_beside(counts[key], again[key])
            levels += [about | row for row in _levels(beside, level)]
            levels += [about | row for row in _flips(main[key], there[key], beside, items, level)]
            if key != dense and dense in counts and dense in again:
                four = _common(counts[dense], counts[key], again[dense], again[key])
                changes += [about | row for row in _changes(put_beside(*four[:2]), put_beside(*four[2:]), level)]
    return Reworded(
        pl.DataFrame(levels, schema=WORDING_COLUMNS), pl.DataFrame(changes, schema=REWORDED_COLUMNS), states
    )


def _common(*sides: Counts) -> list[Counts]:
    """The items that all were asked."""
    common = sides[0].item
    for side in sides[1:]:
        common = np.intersect1d(common, side.item)
    return [side.select(np.isin(side.item, common)) for side in sides]


def _silent(condition: str, metric: str, *sides: PerItem) -> bool:
    """Whether the metric is zero only because on one side no answer could be read."""
    if metric not in WHOLE_ANSWERS and metric != FLIPS:
        return False
    parts = [side.of(condition=condition).with_roles() for side in sides]
    return any(isinstance(part, Counts) and part.n_items > 0 and not part.parsed.any() for part in parts)


def _places(first: Counts, metrics: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Conditions that were asked, each with the metrics that are defined for it."""
    for number, condition in enumerate(CONDITIONS):
        if (first.condition == number).any():
            for name in metrics:
                # The right answer to an ambiguous item is the unknown one, which has a metric of its own.
                if condition in METRICS[name].conditions and (name, condition) != ("accuracy", "ambig"):
                    yield condition, name


def _levels(beside: Beside, level: float) -> Iterator[dict[str, Any]]:
    assert isinstance(beside.first, Counts)
    for condition, name in _places(beside.first, LEVELS):
        chosen = beside.first.condition == CONDITIONS.index(condition)
        if _silent(condition, name, beside.first, beside.second):
            yield {"condition": condition, "metric": name, "note": NO_PARSED}
            continue
        found = tested(beside, beside.difference(METRICS[name], chosen), level=level)
        yield {
            "condition": condition,
            "metric": name,
            "before": found.before,
            "after": found.after,
            **{column: getattr(found.estimate, column) for column in _OF_ESTIMATE},
        }


def _flips(
    main: pl.DataFrame, there: pl.DataFrame, beside: Beside, items: pl.DataFrame, level: float
) -> Iterator[dict[str, Any]]:
    pairs = pair_outcomes(main, there, items)
    for condition in CONDITIONS:
        part = pairs.of(condition=condition)
        if part.n_items and _silent(condition, FLIPS, beside.first, beside.second):
            yield {"condition": condition, "metric": FLIPS, "note": NO_PARSED}
        elif part.n_items:
            found = METRICS[FLIPS].function(part, level=level)
            columns = {column: getattr(found, column) for column in _OF_ESTIMATE}
            yield {"condition": condition, "metric": FLIPS, **columns}


def _changes(here: Beside, there: Beside, level: float) -> Iterator[dict[str, Any]]:
    """Changes from dense in the study's wording and in the other, and how far the two differ."""
    assert isinstance(here.first, Counts)
    for condition, name in _places(here.first, PRIMARY):
        if _silent(condition, name, here.first, here.second, there.first, there.second):
            yield {"condition": condition, "metric": name, "note": NO_PARSED}
            continue
        sides = []
        for beside in (here, there):
            chosen = beside.first.condition == CONDITIONS.index(condition)
            sides.append(beside.difference(METRICS[name], chosen))
        apart = less(sides[1], [(sides[0], 1.0)])
        n_answers = here.n_answers(sides[0].used) + there.n_answers(sides[1].used)
        found = judged(apart, n_answers=n_answers, level=level)
        alone = judged(sides[1], n_answers=there.n_answers(sides[1].used), level=level)
        yield {
            "condition": condition,
            "metric": name,
            "before": _mean(sides[0]),
            "after": _mean(sides[1]),
            **{column: getattr(found.estimate, column) for column in _OF_ESTIMATE},
            "p": found.p,
            "there_low": alone.estimate.low,
            "there_high": alone.estimate.high,
            "there_p": alone.p,
        }


_OF_ESTIMATE = ("value", "low", "high", "n_items", "n_clusters", "note")


def _mean(difference: Difference) -> float | None:
    contributions: Contributions | None = difference.contributions
    return None if contributions is None else contributions.mean


def _states(
    wording: str,
    asked: Mapping[str, Mapping[str, pl.DataFrame]],
    variants: Sequence[Variant],
    items: pl.DataFrame,
    *,
    level: float,
) -> dict[tuple[str, str], State]:
    """By the rules for the study's own wording, of the rows asked in this one."""
    frames = ((key, readout, frame) for key, found in asked.items() for readout, frame in found.items())
    metrics = metric_table(frames, items, level=level)
    there = [replace(v, rows={LETTER: wording_rows_of(v, wording)}) for v in variants if not v.placebo]
    found = find_states(there, [LETTER], metrics)
    return {(key, wording): state for (key, _), state in found.items()}


def correct_reworded(rows: pl.DataFrame) -> pl.DataFrame:
    """Correct both tests over all variants of all models; a family is one wording, metric and condition.

    Args:
        rows: Of all models, from ``reworded``.

    Returns:
        Columns ``CORRECTED_REWORDED``.
    """
    family = ("wording", "metric", "condition")
    apart = correct(rows, family, {**REWORDED_COLUMNS, "p_holm": pl.Float64, "p_bh": pl.Float64})
    as_p = rows.with_columns(p=pl.col("there_p"))
    there = correct(as_p, family, {**REWORDED_COLUMNS, "p_holm": pl.Float64, "p_bh": pl.Float64})
    return apart.with_columns(there_p_holm=there["p_holm"]).select(*CORRECTED_REWORDED)
