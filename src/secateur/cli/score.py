"""What ``secateur score`` prints and writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from rich.markup import escape

from secateur.cli.console import console, plain_table
from secateur.files import write_text
from secateur.metrics.conventions.convention import ALL
from secateur.report.format import MINUS, NONE, significant
from secateur.report.scores import StoreScores

_PLACE = ("model", "variant", "readout", "category")
_OURS: dict[str, tuple[str, ...]] = {
    "ambig": ("srs", "diff_bias_ambig", "s_amb", "accuracy", "unparsed_share"),
    "disambig": ("diff_bias_disambig", "s_dis", "accuracy", "unparsed_share"),
}
_THEIRS = (
    ("accuracy", ALL),
    ("accuracy", "ambig"),
    ("accuracy", "disambig"),
    ("s_amb", "ambig"),
    ("s_dis", "disambig"),
    ("n_unread", "ambig"),
    ("n_unread", "disambig"),
    ("n_by_parser", "ambig"),
    ("n_by_parser", "disambig"),
)
_ASIDE = ("n_unread", "n_by_parser")


def print_scores(found: StoreScores) -> None:
    """Scores for people: the chosen few, with what must be known of them."""
    out = console()
    out.print(f"study {found.plan['study']}", markup=False)
    if found.convention is None:
        for condition, metrics in _OURS.items():
            part = found.table.filter(pl.col("condition") == condition)
            if part.height:
                out.print(f"\n{condition}", markup=False)
                _print_rows(part, [(metric, condition) for metric in metrics], _with_interval)
        out.print(
            f"\nIntervals are {found.table['level'][0]:.0%} and take templates as the sample; answers were read by the "
            f"parser {found.parser}.",
            markup=False,
        )
        return
    convention = found.convention
    out.print(f"by the convention {convention.name} ({convention.source}); see {convention.docs}\n", markup=False)
    columns = [one for one in _THEIRS if one[0] not in _ASIDE or _any(found.table, *one)]
    _print_rows(found.table, columns, _plain)
    for note, rows in Counter(note for text in found.table["note"] for note in text.split("; ") if note).items():
        out.print(f"- {note} ({rows:,} rows)", markup=False)
    for line in _about(found):
        out.print(line, markup=False)


def write_scores(found: StoreScores, path: Path) -> None:
    """Write every score, as CSV."""
    write_text(path, found.table.write_csv())


def _about(found: StoreScores) -> list[str]:
    assert found.convention is not None
    name = found.convention.name
    sampled = found.table.filter((pl.col("readout") == "sampled") & (pl.col("category") == ALL))
    unread = int(sampled.filter(pl.col("metric") == "n_unread")["value"].sum())
    lines = []
    if found.labels:
        lines.append(f"BBQ's own labels from {found.labels}")
    if found.parser is not None:
        lines.append(f"What {name} cannot read itself was read by the parser {found.parser}, where that could.")
    elif unread:
        lines.append(
            f"{unread:,} texts cannot be read by {name}; --parser strict reads letters and more, and counts them."
        )
    return lines


def _any(table: pl.DataFrame, metric: str, condition: str) -> bool:
    chosen = table.filter((pl.col("metric") == metric) & (pl.col("condition") == condition))
    return bool((chosen["value"] > 0).any())


def _print_rows(
    table: pl.DataFrame, columns: Sequence[tuple[str, str]], shown: Callable[[Mapping[str, Any]], str]
) -> None:
    """One row per model, variant, readout and category; a column per metric and condition that the table has."""
    cells = {
        (*(row[name] for name in _PLACE), row["metric"], row["condition"]): shown(row)
        for row in table.iter_rows(named=True)
    }
    there = {(metric, condition) for *_, metric, condition in cells}
    columns = [one for one in columns if one in there]
    several = len({condition for _, condition in columns}) > 1
    # A score says its condition in its name.
    titles = [
        f"{metric} {condition}" if several and condition != ALL and not metric.startswith("s_") else metric
        for metric, condition in columns
    ]
    shown_from = 0 if table["model"].n_unique() > 1 else 1
    printed = plain_table(*_PLACE[shown_from:], *titles)
    for text in range(len(_PLACE) - shown_from):
        printed.columns[text].justify = "left"
    for place in table.select(_PLACE).unique(maintain_order=True).iter_rows():
        texts = map(escape, place[shown_from:])
        printed.add_row(*texts, *(cells.get((*place, *column), NONE) for column in columns))
    console().print(printed)


def _plain(row: Mapping[str, Any]) -> str:
    if row["metric"] in _ASIDE:
        return f"{row['value']:,.0f}"
    return significant(row["value"])


def _with_interval(row: Mapping[str, Any]) -> str:
    if row["value"] is None:
        return NONE
    # Three decimals, so that rates and signed scores of a variant fit into one line.
    value, low, high = (
        "" if row[name] is None else f"{row[name]:.3f}".replace("-", MINUS) for name in ("value", "low", "high")
    )
    return f"{value} [{low}, {high}]" if low and high and row["metric"] != "unparsed_share" else value
