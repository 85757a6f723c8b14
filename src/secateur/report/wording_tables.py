"""What hangs on the words of the prompt: tables that set answers in other words beside those in the study's."""

from __future__ import annotations

from typing import Any

import polars as pl

from secateur.metrics.catalogue import METRICS
from secateur.metrics.published import SIGNIFICANT
from secateur.records.answers import LETTER
from secateur.report import format as fmt
from secateur.report.data import ReportData, Row, Variant
from secateur.report.rows import change_of, counted, metric_title, model_column, named, names
from secateur.report.table import Column, Table
from secateur.report.wordings import CORRECTED_REWORDED, FLIPS, WORDING_COLUMNS

ONE_WORDING = "items were asked in one wording alone (study file: readouts.letter.other_prompts)"
NOT_IN_BOTH = "no pruned variant, or not the dense model, was asked in both wordings yet"

TOLD = ("srs", "diff_bias_ambig", "usr_all", "accuracy")
"""Metrics of which a sentence tells whether changes are found in other words."""

_COUNTS = {
    "tested": "Variants",
    "here": "Differ here",
    "same": "Of these there, same side",
    "opposite": "Of these there, other side",
    "only_there": "Differ only there",
    "apart": "Change there unlike here",
}

_COUNTED: dict[str, Any] = {
    **dict.fromkeys(("model", "wording", "condition", "metric"), pl.String),
    **dict.fromkeys(_COUNTS, pl.Int64),
    "model_id": pl.String,
}


def wording_counts(data: ReportData) -> Table:
    """How many changes from dense are found in other words too, per wording and metric."""
    rows: list[Row] = []
    frame = data.reworded if data.reworded.width else pl.DataFrame(schema=CORRECTED_REWORDED)
    told = frame.select("wording", "metric", "condition").unique(maintain_order=True)
    for model, name in data.models.items():
        for wording, metric, condition in told.iter_rows():
            pairs = (_tests(data, variant, wording, metric, condition) for variant in data.of_model(model))
            found = [pair for pair in pairs if pair is not None]
            held = [(here, there) for here, there in found if here["p_holm"] < SIGNIFICANT]
            again = [(here["value"], there["after"]) for here, there in held if there["there_p_holm"] < SIGNIFICANT]
            same = sum((first > 0) == (second > 0) for first, second in again)
            rows.append(
                {
                    "model": name,
                    "wording": wording,
                    "condition": condition,
                    "metric": metric,
                    "tested": len(found),
                    "here": len(held),
                    "same": same,
                    "opposite": len(again) - same,
                    "only_there": sum(there["there_p_holm"] < SIGNIFICANT <= here["p_holm"] for here, there in found),
                    "apart": sum(there["p_holm"] < SIGNIFICANT for _, there in found),
                    "model_id": model,
                }
            )
    return Table(
        "wording_counts",
        "Other words: how many changes are found again",
        "Letter readout. Of the pruned variants that can be read in both wordings, if dense can: those whose metric "
        f"differs from dense in the study's wording (here), p below {SIGNIFICANT:g} after Holm over all variants; of "
        "these those that differ in the other wording (there), too; those that differ only there; and those whose "
        "change from dense there is unlike the one here, by a test of its own. Only that last number compares the two: "
        "a change that is found in one wording alone can be one that the other was too few items to show.",
        pl.DataFrame(rows, schema=_COUNTED, orient="row"),
        (
            *model_column(data),
            Column("Wording", lambda row: row["wording"], "left"),
            Column("Metric", metric_title, "left"),
            *(Column(title, counted(name)) for name, title in _COUNTS.items()),
        ),
        ("model_id", "wording", "condition", "metric"),
        empty=_why_empty(data),
    )


def reworded(data: ReportData) -> Table:
    """Each variant's change from dense in the study's wording and in others."""
    frame = data.reworded if data.reworded.width else pl.DataFrame(schema=CORRECTED_REWORDED)
    return Table(
        "reworded",
        "Changes from dense in other words",
        "A variant's change from dense in the study's wording (here), in the other (there), and how much more it is "
        "there, each paired by item with templates as the sample, over items that dense and variant were asked in "
        "both. Letter readout. Holm: over all variants, for each wording, metric and condition.",
        _with_state(data, frame),
        (
            *names(data),
            Column("Wording", lambda row: row["wording"], "left"),
            Column("State there", lambda row: row["state"], "left"),
            Column("Dense there", lambda row: row["dense_state"], "left"),
            Column("Metric", metric_title, "left"),
            Column("Change here", lambda row: change_of(row, "before")),
            Column("Change there", _change_there),
            Column("p there, Holm", lambda row: fmt.p_value(row["there_p_holm"])),
            Column("Difference", lambda row: fmt.difference(row, METRICS[row["metric"]])),
            Column("p", lambda row: fmt.p_value(row["p"])),
            Column("p, Holm", lambda row: fmt.p_value(row["p_holm"])),
            Column("Items", lambda row: fmt.count(row["n_items"])),
            Column("Clusters", lambda row: fmt.count(row["n_clusters"])),
        ),
        ("variant_id", "wording", "condition", "metric"),
        folded=True,
        empty=_why_empty(data),
    )


def wordings(data: ReportData) -> Table:
    """Each variant in the study's wording and in others."""
    frame = data.wordings if data.wordings.width else pl.DataFrame(schema=WORDING_COLUMNS)
    return Table(
        "wordings",
        "The same items in other words",
        "A variant in the study's wording (here) and in another (there), paired by item with templates as the sample; "
        f"of {METRICS[FLIPS].title} the share of questions that are answered otherwise there. State says whether the "
        "numbers there can be read. Letter readout. A wording is a sensitivity and no floor: it changes the question, "
        "and a floor does not.",
        _with_state(data, frame),
        (
            *names(data),
            Column("Wording", lambda row: row["wording"], "left"),
            Column("State there", lambda row: row["state"], "left"),
            Column("Metric", metric_title, "left"),
            Column("Here", lambda row: fmt.value(row["before"], METRICS[row["metric"]])),
            Column("There", lambda row: fmt.value(row["after"], METRICS[row["metric"]])),
            Column("Difference", _difference),
            Column("Items", lambda row: fmt.count(row["n_items"])),
            Column("Clusters", lambda row: fmt.count(row["n_clusters"])),
        ),
        ("variant_id", "wording", "condition", "metric"),
        folded=True,
        empty=_why_empty(data),
    )


def readable_there(data: ReportData, variant: Variant, wording: str) -> bool:
    """Whether a variant can be read in other words."""
    state = data.wording_states.get((variant.key, wording))
    return state is not None and state.readable


def _tests(data: ReportData, variant: Variant, wording: str, metric: str, condition: str) -> tuple[Row, Row] | None:
    """A variant's change here and there, if both have a test and dense and the variant can be read in both."""
    sides = (data.dense_of(variant.model), variant)
    if variant.dense or not all(data.state(v, LETTER).readable and readable_there(data, v, wording) for v in sides):
        return None
    here = data.change(variant, metric, readout=LETTER, condition=condition)
    there = data.reworded_change(variant, metric, wording=wording, condition=condition)
    tested = here is not None and there is not None and None not in (here["p_holm"], there["p"], there["there_p"])
    return (here, there) if tested and here is not None and there is not None else None


def _with_state(data: ReportData, frame: pl.DataFrame) -> pl.DataFrame:
    dense = {v.key: data.dense_of(v.model).key for v in data.variants}
    keys = list(frame.select("variant", "wording").iter_rows())
    columns = {
        "state": [data.wording_states[key].name for key in keys],
        "dense_state": [data.wording_states[dense[variant], wording].name for variant, wording in keys],
    }
    return named(data, frame.with_columns(**{name: pl.Series(of, dtype=pl.String) for name, of in columns.items()}))


def _why_empty(data: ReportData) -> str:
    return NOT_IN_BOTH if data.other_wordings else ONE_WORDING


def _change_there(row: Row) -> str:
    place = {"value": row["after"], "low": row["there_low"], "high": row["there_high"], "note": row["note"]}
    return fmt.NONE if row["after"] is None else fmt.difference(place, METRICS[row["metric"]])


def _difference(row: Row) -> str:
    metric = METRICS[row["metric"]]
    return fmt.estimate(row, metric) if row["metric"] == FLIPS else fmt.difference(row, metric)
