"""What ``secateur gate`` prints."""

from __future__ import annotations

from pathlib import Path

from rich.markup import escape

from secateur.cli.console import console, plain_table
from secateur.report.format import clean
from secateur.report.verdict import GateVerdict
from secateur.report.verdict_files import about, asked, looks


def print_verdict(verdict: GateVerdict, files: list[Path]) -> None:
    """A short table with reasons, then the outcome."""
    out = console()
    table = plain_table("criterion", "verdict", "must hold", "found")
    for column in table.columns:
        column.justify = "left"
    for one in verdict.criteria:
        name = f"{one.name} (sanity)" if one.sanity else one.name
        where = f"{one.where}: " if one.where else ""
        table.add_row(escape(name), one.status.value, escape(where + one.rule), escape(one.reason))
    out.print(table)
    out.print(f"\n{verdict.outcome.value.upper()}  {verdict.headline}", markup=False)
    policy = f"policy {clean(verdict.policy['name'])} {verdict.policy['version']}"
    out.print(f"{policy}, {asked(verdict)}. {about(verdict)}", markup=False)
    for line in looks(verdict):
        out.print(f"look: {line}", markup=False)
    for note in verdict.notes:
        out.print(f"note: {note}", markup=False)
    out.print("written: " + ", ".join(map(str, files)), markup=False, soft_wrap=True)
