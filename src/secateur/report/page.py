"""The page: one HTML file with everything inside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from markupsafe import Markup, escape

from secateur import __version__
from secateur.records.parsers import STRICT
from secateur.report import format as fmt
from secateur.report import table as writing
from secateur.report.claim import EVIDENCE, FINDING, LIMIT, WARNING, Claim
from secateur.report.data import ReportData
from secateur.report.evidence import EVIDENCE as EVIDENCE_TABLES
from secateur.report.figure import Figure, inline_svg
from secateur.report.glossary import glossary
from secateur.report.published import PUBLISHED
from secateur.report.states import CRITERIA
from secateur.report.table import Table
from secateur.report.templating import environment

PAGE_ROWS = 400
"""A folded table with more rows than this is in the files only."""

LONG = 30
"""A table with more rows than this is folded, but for those in ``OPEN_TABLES``."""

OPEN_TABLES = ("side_by_side",)

FIRST_TABLES = ("summary",)
"""Tables that stand before the figures."""


def render(
    data: ReportData,
    claims: Sequence[Claim],
    tables: Mapping[str, Table],
    figures: Mapping[str, Figure],
    svgs: Mapping[str, bytes],
) -> str:
    """The page as HTML.

    Args:
        data: What it is about.
        claims: The sentences.
        tables: Name -> table, in order.
        figures: Name -> figure, in order.
        svgs: Name -> the figure as SVG, for those that were drawn.
    """
    drawn = {
        name: Markup(inline_svg(svg, name=f"figure-{name}", alt=figures[name].alt))  # escaped there
        for name, svg in svgs.items()
    }
    have, want = data.rows
    page: str = _template().render(
        data=data,
        version=__version__,
        have=have,
        want=want,
        warnings=[claim for claim in claims if claim.kind == WARNING],
        findings=_by_model(data, [claim for claim in claims if claim.kind == FINDING]),
        # What is about all models comes first here.
        evidence=sorted(
            _by_model(data, [claim for claim in claims if claim.kind == EVIDENCE]), key=lambda group: bool(group[0])
        ),
        evidence_tables=[tables[name] for name in EVIDENCE_TABLES if tables[name].n_rows],
        limits=[claim for claim in claims if claim.kind == LIMIT],
        first=[_page_table(tables[name]) for name in FIRST_TABLES],
        groups=[
            (key, title, about, [_page_table(tables[name]) for name in names])
            for key, title, about, names in _groups(tables, data.parser, data.level)
        ],
        figures=[(figure, drawn.get(name)) for name, figure in figures.items()],
        facts=facts(data),
        environments=[_environment(environment) for environment in data.environments],
        glossary=glossary(data),
        criteria=CRITERIA,
        files=[
            *(f"tables/{name}.{kind}" for name in tables for kind in writing.FORMATS),
            *(f"figures/{name}.{kind}" for name in drawn for kind in ("svg", "png")),
            "report.json",
        ],
    )
    return page


def _groups(tables: Mapping[str, Table], parser: str, level: float) -> list[tuple[str, str, str, list[str]]]:
    """The tables after the figures under headings: id, heading, what is under it, names."""
    first = [name for name in tables if name in EVIDENCE_TABLES]
    ours = [name for name in tables if name not in (*FIRST_TABLES, *EVIDENCE_TABLES, *PUBLISHED)]
    theirs = [name for name in tables if name in PUBLISHED]
    return [
        (
            "evidence",
            "What can be relied on",
            f"Differences from dense, paired by item, with clusters of templates as the sample; "
            f"{fmt.percent(level, 0)} intervals.",
            first,
        ),
        (
            "corrected",
            "Corrected",
            "What to read: items as the unit, beside achieved sparsity and floors."
            + ("" if parser == STRICT.name else f" In this report sampled answers are read by {parser} here too."),
            ours,
        ),
        (
            "published",
            "As published",
            "The tables of arXiv:2605.08137 by its own definitions, for comparison. Each says what is wrong with it "
            "and which table to read instead; no sentence of the summary rests on them.",
            theirs,
        ),
    ]


def facts(data: ReportData) -> list[tuple[str, str]]:
    """How it was measured: a name and a value each."""
    plan = data.plan
    asked = data.items.filter(data.items["category"] == "all")
    found: list[tuple[str, str]] = [
        ("Study", data.study),
        ("Plan", data.digest),
        ("Benchmark", str(plan["benchmark"])),
        ("Items", ", ".join(f"{n:,} {c}" for n, c in zip(asked["items"], asked["condition"], strict=True))),
        ("Computed in", str(plan["dtype"])),
    ]
    for readout in data.readouts:
        said = dict(plan[readout])
        for name, value in said.items():
            found.append((f"{readout}: {name.replace('_', ' ')}", _plain(value)))
    found += [
        ("Parser of sampled answers", data.parser),
        ("Letter mass threshold", f"{data.min_mass:g}"),
        ("Level of intervals", fmt.percent(data.level, 0)),
    ]
    for readout, text in data.coupling.items():
        found.append((f"{readout}: pairs", text))
    for name, value in (plan["text"] or {}).items():
        found.append((f"text: {name.replace('_', ' ')}", _plain(value)))
    for name, value in (plan["calibration"] or {}).items():
        found.append((f"calibration: {name.replace('_', ' ')}", _plain(value)))
    for model, protocol in data.protocol.items():
        name = f" ({data.models[model]})" if len(data.models) > 1 else ""
        found.append(
            (f"Protocol{name}", "; ".join(f"{key} {_plain(value)}" for key, value in sorted(protocol.items())))
        )
    found += [("Note", str(note)) for note in plan["notes"]]
    found += [("Hash version of the store", str(data.hash_version)), ("Report by", f"secateur {__version__}")]
    for study, digest in data.other_plans:
        found.append(("Also in the store, not reported", f"{study} ({digest[:16]})"))
    return found


def _plain(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_plain, value)) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{key}={_plain(inner)}" for key, inner in value.items())
    return fmt.shorten("none" if value is None else str(value), 300)


def _environment(environment: Mapping[str, Any]) -> str:
    return "; ".join(
        f"{name.replace('_', ' ')} {_plain(value)}" for name, value in environment.items() if name != "digest"
    )


def _page_table(table: Table) -> dict[str, Any]:
    n_shown = len(table.on_page_rows)
    return {
        "table": table,
        "rows": list(table.shown()) if n_shown <= PAGE_ROWS or not table.folded else [],
        "n_shown": n_shown,
        "folded": table.folded or (n_shown > LONG and table.name not in OPEN_TABLES),
        "columns": [(column, place) for place, column in enumerate(table.columns)],
    }


def _by_model(data: ReportData, claims: Sequence[Claim]) -> list[tuple[str, list[Claim], list[Claim]]]:
    """Model name, headlines, the others; claims about all models come last, under an empty name."""
    groups = []
    for model in [*data.models, ""]:
        ours = [claim for claim in claims if claim.model == model]
        if ours:
            name = data.models.get(model, "")
            groups.append((name, [c for c in ours if c.headline], [c for c in ours if not c.headline]))
    return groups


def _clean_keep(text: str) -> str:
    """Part of a sentence, with the spaces at its ends."""
    inner = fmt.clean(text)
    return f"{' ' * text[:1].isspace()}{inner}{' ' * (bool(inner) and text[-1:].isspace())}"


def _broken_before_interval(cell: str) -> Markup:
    """A cell with its interval on a line of its own."""
    head, bracket, tail = cell.partition(" [")
    if not bracket or not tail.endswith("]"):
        return escape(cell)
    return Markup('{} <span class="interval">[{}</span>').format(head, tail)


@cache
def _template() -> Any:
    made = environment()
    made.filters["clean_keep"] = _clean_keep
    made.filters["count"] = fmt.count
    made.filters["broken_before_interval"] = _broken_before_interval
    return made.get_template("index.html")
