"""What ``secateur compare`` prints and writes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
from rich.markup import escape

from secateur.cli.console import console, plain_table
from secateur.errors import InputError
from secateur.files import write_text
from secateur.metrics.catalogue import METRICS
from secateur.records.answers import BY_ORDER
from secateur.report.compare import Comparison
from secateur.report.format import NONE, p_value, signed, significant

BY = ("all", "category", "polarity", "group")


def check_choices(by: str, metrics: list[str]) -> None:
    """Refuse parts and metrics that do not exist.

    Raises:
        InputError: If there is no such part or metric.
    """
    if by not in BY:
        raise InputError("There is no such part of the items.", where="--by", allowed=", ".join(BY), got=by)
    known = [metric.name for metric in METRICS.values() if metric.terms is not None and metric.over == "answers"]
    for name in metrics:
        if name not in known:
            raise InputError(
                "There is no such metric to compare.", where="--metric", allowed=", ".join(known), got=name
            )


def print_comparison(found: Comparison, *, by: str, metrics: list[str]) -> None:
    """Differences of one kind of part, a table per readout and condition."""
    out = console()
    out.print(f"study {found.plan['study']}, compared with {found.baseline}", markup=False)
    # Single orders are in the files; here they would say nearly the same twice.
    shown = found.differences.filter((pl.col("by") == by) & (pl.col("readout") != BY_ORDER))
    if metrics:
        shown = shown.filter(pl.col("metric").is_in(metrics))
    for (readout, condition), part in shown.group_by("readout", "condition", maintain_order=True):
        out.print(f"\n{readout}, {condition}", markup=False)
        table = plain_table(
            "variant", "metric", "of", "before", "after", "change", "interval", "p", "p (Holm)", "naive p"
        )
        table.columns[2].justify = "left"
        for row in part.iter_rows(named=True):
            table.add_row(
                *_cells(row, by),
                p_value(row["p_holm"]),
                p_value(row["p_naive"]),
            )
        out.print(table)
    excesses = found.excesses.filter(by=by) if not metrics else found.excesses.clear()
    _print_excesses(excesses, by=by)
    out.print(
        f"\nIntervals ({found.level:.0%}) and p take templates as the sample, naive p takes every answer as "
        "independent; p (Holm) is corrected over the variants and parts of one metric"
        + ("; p of what is over the floor is not corrected." if excesses.height else "."),
        markup=False,
    )


def _print_excesses(shown: pl.DataFrame, *, by: str) -> None:
    """What became of the answers, less the same of the baseline and itself asked again."""
    out = console()
    for (readout, condition), part in shown.group_by("readout", "condition", maintain_order=True):
        out.print(f"\n{readout}, {condition}: what became of the answers, over the floor", markup=False)
        table = plain_table("variant", "metric", "of", "floor", "figure", "excess", "interval", "p")
        table.columns[2].justify = "left"
        for row in part.iter_rows(named=True):
            table.add_row(*_cells(row, by))
        out.print(table)


def _cells(row: Mapping[str, Any], by: str) -> tuple[str, ...]:
    """What both kinds of table say of a difference, from the variant to p."""
    of = row["part"] if by != "all" else "items" if row["weighting"] == "items" else "mean of categories"
    return (
        escape(row["variant"]),
        row["metric"],
        escape(of),
        significant(row["before"]),
        significant(row["after"]),
        NONE if row["value"] is None else signed(row["value"], 4),
        NONE if row["low"] is None else f"[{signed(row['low'], 4)}, {signed(row['high'], 4)}]",
        p_value(row["p"]),
    )


def write_comparison(found: Comparison, folder: Path) -> None:
    """Write both tables whole, as CSV files."""
    write_text(folder / "differences.csv", found.differences.write_csv())
    write_text(folder / "excesses.csv", found.excesses.write_csv())
