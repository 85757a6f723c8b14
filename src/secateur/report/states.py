"""Is a variant's number a number about bias? A broken model guesses, and must not be called biased for it."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from secateur.items.orders import LETTERS
from secateur.metrics.catalogue import METRICS
from secateur.metrics.letters import COLLAPSE_SHARE
from secateur.metrics.table import ALL
from secateur.records.answers import BY_ORDER, LETTER, SAMPLED
from secateur.records.parsers import STRICT
from secateur.report.data import BROKEN, GUESSING, INCOMPLETE, NOT_RUN, OK, TEXT, UNCHECKED, Row, State, Variant
from secateur.report.format import percent

CONDITION_WORDS = {"ambig": "ambiguous", "disambig": "disambiguated"}

BROKEN_UNPARSED = 0.5
"""More than this share of answers that cannot be read is a broken model: what is left is not what was asked."""

_COUNTED_AS = {LETTER: (LETTER, BY_ORDER), SAMPLED: (SAMPLED,)}

CRITERIA = (
    f"broken: more than {percent(BROKEN_UNPARSED, 0)} of the answers cannot be read, or one letter has "
    f"more than {percent(COLLAPSE_SHARE, 0)} of them, or text was read with a result that is not finite; "
    "no better than guessing: the interval of the accuracy on disambiguated items reaches down to one third; "
    "guessing not checked: no disambiguated item was asked, or all are of one cluster of templates, so a variant that "
    "guesses would not be noticed"
)


def find_states(
    variants: Sequence[Variant], readouts: Sequence[str], metrics: pl.DataFrame, parsed: pl.DataFrame | None = None
) -> dict[tuple[str, str], State]:
    """The state of every variant in every readout, from the numbers over all categories.

    Args:
        variants: Which.
        readouts: Which.
        metrics: As in ``ReportData``, read by the report's own parser.
        parsed: As in ``ReportData``. Whether answers can be read is judged by the parser ``strict`` too, because
            another may read nearly any text, and a model that answers nothing must not pass for one that answers.
    """
    rows: dict[str, list[Row]] = {variant.key: [] for variant in variants}
    for row in metrics.filter(pl.col("category") == ALL).iter_rows(named=True):
        rows[row["variant"]].append(row)
    if parsed is not None:
        for row in parsed.filter(parser=STRICT.name, metric="unparsed_share").iter_rows(named=True):
            rows[row["variant"]].append({**row, "readout": SAMPLED, "condition": "ambig", "by": "read strictly"})
    return {
        (variant.key, readout): _state(variant, readout, rows[variant.key])
        for variant in variants
        for readout in readouts
    }


def _state(variant: Variant, readout: str, rows: Sequence[Row]) -> State:
    have, want = variant.rows.get(readout, (0, 0))
    if not have:
        return State(NOT_RUN, (f"no {readout} record of it is in the store",))
    if reasons := [
        *_broken([row for row in rows if row["readout"] in _COUNTED_AS[readout]]),
        *_broken_text(variant, rows),
    ]:
        return State(BROKEN, tuple(reasons))
    accuracy = [
        row for row in rows if (row["readout"], row["metric"], row["condition"]) == (readout, "accuracy", "disambig")
    ]
    guessing = [f"its accuracy on disambiguated items is {percent(row['value'])}" for row in accuracy if _at_guess(row)]
    if guessing:
        return State(GUESSING, tuple(guessing))
    lacking = (f"{have:,} of {want:,} records",) if have < want else ()
    if lacking and not any(row["readout"] == readout for row in rows):
        return State(INCOMPLETE, lacking)  # of what is there nothing is a main answer
    if all(row["value"] is None for row in accuracy):
        return State(UNCHECKED, ("no disambiguated item was asked", *lacking))
    if any(row["value"] is not None and row["low"] is None for row in accuracy):
        return State(UNCHECKED, ("all disambiguated items are of one cluster", *lacking))
    return State(INCOMPLETE, lacking) if lacking else State(OK)


def _broken(rows: Sequence[Row]) -> list[str]:
    worst: dict[str, Row] = {}
    for row in rows:
        if row["value"] is None:
            continue
        known = worst.get(row["metric"])
        if row["metric"] in ("unparsed_share", "letter_share_max") and (not known or row["value"] > known["value"]):
            worst[row["metric"]] = row
    if (unread := worst.get("unparsed_share")) is not None and unread["value"] > BROKEN_UNPARSED:
        worst.pop("letter_share_max", None)  # one letter among a handful of answers is no collapse
    reasons = []
    for metric, row in worst.items():
        by = f", {row['by']}" if "by" in row else ""
        where = f"{CONDITION_WORDS[row['condition']]} items, {row['readout']}{by}"
        if metric == "unparsed_share" and row["value"] > BROKEN_UNPARSED:
            reasons.append(f"{percent(row['value'])} of its answers cannot be read ({where})")
        if metric == "letter_share_max" and row["value"] > COLLAPSE_SHARE:
            letter = _largest_letter(rows, row["readout"], row["condition"])
            reasons.append(f"{percent(row['value'])} of its lettered answers are {letter} ({where})")
    return reasons


def _largest_letter(rows: Sequence[Row], readout: str, condition: str) -> str:
    shares = {row["metric"]: row["value"] for row in rows if (row["readout"], row["condition"]) == (readout, condition)}
    return max(LETTERS, key=lambda letter: shares[f"letter_share_{letter.lower()}"])


def _broken_text(variant: Variant, rows: Sequence[Row]) -> list[str]:
    """Text of which every window was read has a perplexity, or else a result that is not finite."""
    return [
        f"its perplexity is undefined: {row['note']}"
        for row in rows
        if row["metric"] == "perplexity" and row["value"] is None and (variant.complete(TEXT) or variant.source)
    ]


def _at_guess(row: Row) -> bool:
    guess = METRICS["accuracy"].guess
    lowest = row["value"] if row["low"] is None else row["low"]
    return lowest is not None and guess is not None and lowest <= guess
