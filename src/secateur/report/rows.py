"""How rows of tables name their variant: model, label and achieved sparsity in front, the digest at the end."""

from __future__ import annotations

import polars as pl

from secateur.report import format as fmt
from secateur.report.data import ReportData, Row
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


def names(data: ReportData) -> tuple[Column, ...]:
    """The columns that say which variant a row is about."""
    model = (Column("Model", lambda row: row["model"], "left"),) if len(data.models) > 1 else ()
    return (
        *model,
        Column("Variant", lambda row: row["variant"], "left"),
        Column("Achieved sparsity", lambda row: fmt.sparsity(row["achieved_sparsity"])),
    )
