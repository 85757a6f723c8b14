"""What rows of several tables have in common: how they name model, variant and metric, and how they tell a number."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from secateur.metrics.catalogue import METRICS
from secateur.report import format as fmt
from secateur.report.data import ReportData, Row
from secateur.report.states import CONDITION_WORDS
from secateur.report.table import Column


def who(data: ReportData) -> dict[str, Row]:
    """Variant key -> how it is called."""
    return {
        variant.key: {
            "model": data.models[variant.model],
            "variant": variant.label,
            "achieved_sparsity": variant.achieved,
        }
        for variant in data.everything
    }


def named(data: ReportData, frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with names in front and the variant's digest at the end, in the plan's order."""
    facts = pl.DataFrame(
        [{"variant_id": key, **row, "_place": place} for place, (key, row) in enumerate(who(data).items())],
        schema_overrides={"achieved_sparsity": pl.Float64},
    )
    return (
        frame.rename({"variant": "variant_id"})
        .join(facts, on="variant_id", how="left", maintain_order="left")
        .sort("_place", maintain_order=True)
        .select(
            "model",
            "variant",
            "achieved_sparsity",
            pl.exclude("model", "variant", "achieved_sparsity", "variant_id"),
            "variant_id",
        )
        .drop("_place")
    )


def model_column(data: ReportData) -> tuple[Column, ...]:
    """The column that says which model a row is about, if there are several."""
    return (Column("Model", lambda row: row["model"], "left"),) if len(data.models) > 1 else ()


def counted(name: str) -> Callable[[Row], str]:
    """The text of a column that holds a whole number."""
    return lambda row: fmt.count(row[name])


def change_of(row: Row, name: str) -> str:
    """A difference of two values of the row's metric, from one of its columns."""
    return fmt.value(row[name], fmt.of_difference(METRICS[row["metric"]]))


def metric_title(row: Row) -> str:
    """What the row's metric is called, with the condition where it is defined for both."""
    metric = METRICS[row["metric"]]
    return f"{metric.title}, {CONDITION_WORDS[row['condition']]}" if len(metric.conditions) > 1 else metric.title


def names(data: ReportData) -> tuple[Column, ...]:
    """The columns that say which variant a row is about."""
    return (
        *model_column(data),
        Column("Variant", lambda row: row["variant"], "left"),
        Column("Achieved sparsity", lambda row: fmt.sparsity(row["achieved_sparsity"])),
    )
