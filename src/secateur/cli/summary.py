"""What a report says first, on the terminal."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.markup import escape

from secateur.cli.console import console, plain_table
from secateur.metrics.catalogue import METRICS
from secateur.report import format as fmt

_WIDE = 125
"""Columns of a terminal from which on intervals have room."""

_TITLES = ("perplexity", "SRS (stereotype)", "USR (unknown)", "accuracy", "unparsed")


def print_summary(page: Path) -> None:
    """Warnings, the summary's rows in the main readout, what is said of all of them, and where the page is.

    Sentences about one variant are left to the page: the row has their numbers.
    """
    said = json.loads((page.parent / "report.json").read_text(encoding="utf-8"))
    shown = console()
    whole = not shown.is_terminal  # in a file a sentence stays one line
    for claim in said["claims"]:
        if claim["kind"] == "warning":
            shown.print("! " + claim["text"], markup=False, soft_wrap=whole)
    brief = shown.is_terminal and shown.width < _WIDE
    readout = said["settings"]["readout"]
    rows = [row for row in said["tables"]["summary"]["rows"] if row["readout"] == readout]
    columns = {
        title: texts for title, texts in _columns(rows, brief=brief).items() if any(text != fmt.NONE for text in texts)
    }
    table = plain_table(f"{readout} answers", "", *columns)
    several = len({row["model"] for row in rows}) > 1
    for place, row in enumerate(rows):
        name = f"{row['model']}, {row['variant']}" if several else row["variant"]
        state = "" if row["state"] == "ok" else row["state"]
        table.add_row(escape(name), state, *(texts[place] for texts in columns.values()))
    shown.print(table)
    for claim in said["claims"]:
        if claim["kind"] == "finding" and not claim["row"].startswith("summary-"):
            shown.print("- " + claim["text"], markup=False, soft_wrap=whole)
    limits = sum(claim["kind"] == "limit" for claim in said["claims"])
    level = fmt.percent(said["settings"]["level"], 0)
    shown.print(f"Intervals are {level} and take templates as the sample; {limits} limits are told on the page.")
    shown.print(f"report: {page}", markup=False, soft_wrap=True)


def _columns(rows: list[dict[str, Any]], *, brief: bool) -> dict[str, list[str]]:
    """Title -> its text in every row; intervals are left to the page where there is no room."""
    titles = ("ppl", "SRS", "USR", "accuracy", "unparsed") if brief else _TITLES
    share = _alone if brief else _share
    texts = (
        [fmt.value(row.get("perplexity"), METRICS["perplexity"]) for row in rows],
        [share(row, "srs") for row in rows],
        [share(row, "usr") for row in rows],
        [share(row, "accuracy") for row in rows],
        [_alone(row, "unparsed_share") for row in rows],
    )
    return {
        "achieved": [fmt.sparsity(row["achieved_sparsity"]) for row in rows],
        **dict(zip(titles, texts, strict=True)),
    }


def _alone(row: Mapping[str, Any], metric: str) -> str:
    return fmt.percent(row.get(metric))


def _share(row: Mapping[str, Any], metric: str) -> str:
    return fmt.share((row.get(f"{metric}_low"), row.get(f"{metric}_high")), row.get(metric))
