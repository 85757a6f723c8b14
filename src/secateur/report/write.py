"""From a store to a folder with a report."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from importlib import metadata
from pathlib import Path

from secateur import __version__
from secateur.errors import InputError
from secateur.files import read_text, remove_quietly, write_bytes, write_json
from secateur.identity import Plain
from secateur.records.store import Store
from secateur.report import figure as drawing
from secateur.report import table as writing
from secateur.report.claims import make_claims
from secateur.report.data import ReportData
from secateur.report.figure import Figure
from secateur.report.figures import FIGURES
from secateur.report.page import facts, render
from secateur.report.processes import MANY, in_processes
from secateur.report.read import read_report_data
from secateur.report.table import to_plain
from secateur.report.tables import TABLES

MARKER = ".secateur-report.json"
"""In a folder that holds a report: which files are ours, so that a later report may replace them and nothing else."""

FORMAT = "secateur-report"
VERSION = 1

_OURS = re.compile(r"(index\.html|report\.json|(tables|figures)/[a-z0-9_]+\.[a-z]+)")


_MOST_DRAWING = 4
"""Processes that draw figures: each starts with a second or two of imports, and holds all libraries in memory."""


def write_report(
    store: Path,
    out: Path,
    *,
    parser: str = "strict",
    plan: str | None = None,
    processes: int = 1,
    note: Callable[[str], None] | None = None,
) -> Path:
    """Write tables, figures and one page about a store; needs the store alone.

    Files of an earlier report in the folder are replaced, and removed where this report has none of that name.

    Args:
        store: The store's folder.
        out: Folder for the report; made if missing.
        parser: Which parser reads sampled answers.
        plan: Start of the plan's digest; the study run last if ``None``.
        processes: As in ``read_report_data``; figures are drawn in up to four of them, which know those of ``FIGURES``.
        note: Told what is done where it takes a while.

    Returns:
        The page.

    Raises:
        InputError: If the folder holds something else, or there is no such parser or plan.
        StoreError: If there is no store, no plan in it or no answer.
    """
    before = _check_folder(out)
    data = read_report_data(Store.open(store), parser=parser, plan=plan, processes=processes, note=note)
    if note is not None and data.rows[0] >= MANY:
        note(f"writing tables and drawing {len(FIGURES)} figures")
    files = report_files(data, processes=processes)
    write_json(out / MARKER, {"format": FORMAT, "version": VERSION, "files": sorted({*before, *files})})
    for name, content in files.items():
        write_bytes(out / name, content)
    for name in before - set(files):
        remove_quietly(out / name)
    write_json(out / MARKER, {"format": FORMAT, "version": VERSION, "files": sorted(files)})
    return out / "index.html"


def report_files(data: ReportData, *, processes: int = 1) -> dict[str, bytes]:
    """Every file of a report by its path in the folder, the page last.

    Args:
        data: What it is made from.
        processes: In how many figures may be drawn, up to four.
    """
    tables = {name: make(data) for name, make in TABLES.items()}
    claims = make_claims(data)
    files: dict[str, bytes] = {}
    for name, table in tables.items():
        for ending, write in writing.FORMATS.items():
            files[f"tables/{name}.{ending}"] = write(table).encode()
    figures, svgs = {}, {}
    have, want = data.rows
    drawn = in_processes(
        _drawn, data, lambda: [(name,) for name in FIGURES], rows=have, processes=min(processes, _MOST_DRAWING)
    )
    for name, (figure, formats) in zip(FIGURES, drawn, strict=True):
        figures[name] = figure
        files |= {f"figures/{name}.{ending}": content for ending, content in formats.items()}
        if formats:
            svgs[name] = formats["svg"]
    said: dict[str, Plain] = {
        "format": FORMAT,
        "version": VERSION,
        "study": data.study,
        "plan": data.digest,
        "hash_version": data.hash_version,
        "versions": {
            "secateur": __version__,
            **{name: metadata.version(name) for name in ("numpy", "polars", "matplotlib")},
        },
        "environments": [dict(environment) for environment in data.environments],
        "records": {"have": have, "want": want},
        "settings": {
            "parser": data.parser,
            "readout": data.main_readout,
            "min_letter_mass": data.min_mass,
            "level": data.level,
        },
        "facts": [list(fact) for fact in facts(data)],
        "claims": [claim.plain for claim in claims],
        "tables": {
            name: {"title": table.title, "about": table.about, "key": list(table.key), "rows": to_plain(table)}
            for name, table in tables.items()
        },
        "figures": {
            name: {"title": figure.title, "caption": list(figure.caption), "alt": figure.alt, "empty": figure.empty}
            for name, figure in figures.items()
        },
    }
    text = json.dumps(said, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    files["report.json"] = (text + "\n").encode("utf-8", "surrogatepass")
    files["index.html"] = render(data, claims, tables, figures, svgs).encode("utf-8", "replace")
    return files


def _drawn(data: ReportData, name: str) -> tuple[Figure, dict[str, bytes]]:
    """A figure without its canvas, and its files by their ending; none if there is nothing to draw."""
    with drawing.drawing():
        figure = FIGURES[name](data)
        canvas = figure.canvas
        files = {} if canvas is None else {ending: draw(canvas) for ending, draw in drawing.FORMATS.items()}
    return replace(figure, canvas=None), files


def _check_folder(out: Path) -> set[str]:
    """The files of an earlier report.

    Raises:
        InputError: If the folder holds something that is not ours, or is a file.
    """
    if not out.exists():
        return set()
    if not out.is_dir():
        raise InputError("A report is a folder, and this is a file.", where=out, todo="choose another folder for --out")
    marker = out / MARKER
    if marker.exists():
        try:
            said = json.loads(read_text(marker))
            if said["format"] == FORMAT:
                return {name for name in said["files"] if isinstance(name, str) and _OURS.fullmatch(name)}
        except (json.JSONDecodeError, KeyError, TypeError):
            pass
    names = sorted(entry.name for entry in out.iterdir() if entry.name != MARKER)
    if names:
        raise InputError(
            "A report cannot be written into a folder with other things in it.",
            where=out,
            allowed="a new or empty folder, or one with an earlier report",
            got=", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else ""),
            todo="choose another folder for --out",
        )
    return set()
