"""A verdict as files: JSON (the evidence), a page, Markdown for a pull request, JUnit XML for a build server."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from secateur.files import make_folder, unwritable, write_bytes
from secateur.report import format as fmt
from secateur.report.templating import environment
from secateur.report.verdict import Evidence, GateVerdict, Stage, Status
from secateur.statistics.estimate import Estimate

FORMAT, VERSION = "secateur-gate", 1

TARGETS: Mapping[str, str] = {
    "templates": "The templates that were asked are taken as a sample of such templates.",
    "benchmark": "This is about the listed items only, and says nothing about other templates.",
}
"""What a verdict is about, as a sentence."""


def clear_verdict(folder: Path) -> None:
    """Remove an earlier verdict, so that none is left standing beside a run that ends without one.

    Raises:
        StoreUnwritableError: If the folder cannot be written.
    """
    try:
        make_folder(folder)
        for name in FORMATS:
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise unwritable(error, folder) from error


def write_verdict(verdict: GateVerdict, folder: Path) -> list[Path]:
    """Write every format into a folder, made if missing.

    Raises:
        StoreUnwritableError: If it cannot be written.
    """
    written = []
    try:
        make_folder(folder)
        for name, make in FORMATS.items():
            write_bytes(folder / name, make(verdict).encode("utf-8", "replace"))
            written.append(folder / name)
    except OSError as error:
        raise unwritable(error, folder) from error
    return written


def to_json(verdict: GateVerdict) -> str:
    """Everything, to be read by programs."""
    said = {"format": FORMAT, "version": VERSION, **_plain(dataclasses.asdict(verdict)), "exit_code": verdict.exit_code}
    return json.dumps(said, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return str(value) if isinstance(value, Status) else value


def to_markdown(verdict: GateVerdict) -> str:
    """Fit for a comment on a pull request."""
    lines = [
        f"### {SIGNS[verdict.outcome]} {_cell(verdict.headline)}",
        "",
        f"`{_code(verdict.candidate['name'])}` against `{_code(verdict.dense['name'])}`, policy "
        f"{_cell(str(verdict.policy['name']))} {verdict.policy['version']}, {asked(verdict)}.",
        "",
        "| | criterion | must hold | found |",
        "|---|---|---|---|",
    ]
    for one in verdict.criteria:
        name = f"{one.name}{' (sanity)' if one.sanity else ''}"
        cells = [SIGNS[one.status], name, one.rule, one.reason]
        lines.append("| " + " | ".join(map(_cell, cells)) + " |")
    lines += ["", f"{about(verdict)} {error_rate(verdict)}"]
    lines += [f"- {_cell(line)}" for line in looks(verdict)]
    lines += [f"- {_cell(note)}" for note in verdict.notes]
    return "\n".join(lines) + "\n"


SIGNS: Mapping[Status, str] = {
    Status.PASS: "\u2705",
    Status.FAIL: "\u274c",
    Status.INCONCLUSIVE: "\u2753",
    Status.NOT_JUDGED: "\u2796",
}


def _cell(text: str) -> str:
    cleaned = fmt.clean(text)
    for character in "\\|`*_<>[]":
        cleaned = cleaned.replace(character, f"\\{character}")
    return cleaned


def _code(text: str) -> str:
    return fmt.clean(text).replace("`", "'")


def to_junit(verdict: GateVerdict) -> str:
    """A test case per criterion: failed ones are failures, undecided ones errors, those not judged are skipped."""
    suite = ElementTree.Element("testsuite", name=f"secateur gate: {fmt.clean(verdict.policy['name'])}")
    counts = {"tests": len(verdict.criteria), "failures": 0, "errors": 0, "skipped": 0}
    for one in verdict.criteria:
        case = ElementTree.SubElement(
            suite,
            "testcase",
            classname=fmt.clean(f"secateur.{verdict.policy['name']}.{one.kind}"),
            name=fmt.clean(one.name),
        )
        tag = {Status.FAIL: "failure", Status.INCONCLUSIVE: "error", Status.NOT_JUDGED: "skipped"}.get(one.status)
        if tag is not None:
            counts[{"failure": "failures", "error": "errors"}.get(tag, tag)] += 1
            ElementTree.SubElement(case, tag, message=fmt.clean(f"{one.status}: {one.reason}")).text = fmt.clean(
                f"must hold: {one.rule}; {one.why}"
            )
    for name, number in counts.items():
        suite.set(name, str(number))
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def to_html(verdict: GateVerdict) -> str:
    """One page with everything inside it."""
    page: str = _template().render(
        verdict=verdict,
        signs=SIGNS,
        about=about(verdict),
        asked=asked(verdict),
        looks=looks(verdict),
        error_rate=error_rate(verdict),
        rows=[(one, [evidence_row(number) for number in one.evidence]) for one in verdict.criteria],
    )
    return page


def about(verdict: GateVerdict) -> str:
    """What the verdict says something about."""
    return TARGETS[verdict.target] if verdict.n_items else "It rests on the files alone."


def asked(verdict: GateVerdict) -> str:
    """How many items were asked, and what was spared."""
    if not verdict.n_items:
        return f"none of {verdict.n_listed:,} items asked, as none was needed"
    if verdict.n_items == verdict.n_listed:
        return f"all {verdict.n_items:,} items asked"
    items = f"{verdict.n_items:,} of {verdict.n_listed:,} items"
    if verdict.n_clusters_listed is None:
        return f"{items} asked, the rest not needed"
    last = verdict.stages[-1]
    templates = f"{last.n_clusters:,} of {verdict.n_clusters_listed:,} templates"
    return f"{templates} ({items}) asked by look {len(verdict.stages)} of {verdict.looks}, the rest not needed"


def looks(verdict: GateVerdict) -> list[str]:
    """A line for each look: what was asked by then, what was decided, and at which level."""
    lines = []
    for stage in verdict.stages:
        of = f" of {verdict.n_clusters_listed:,}" if verdict.n_clusters_listed is not None else ""
        templates = "" if stage.n_clusters is None else f"{stage.n_clusters:,}{of} templates, "
        decided = f"{stage.decided} of {len(verdict.criteria)} criteria decided"
        lines.append(f"after {templates}{stage.n_items:,} items: {decided}{_levels(stage)}")
    return lines


def _levels(stage: Stage) -> str:
    if not stage.nominal:
        return ""
    levels = [level for level in stage.nominal.values() if level is not None]
    early = len(stage.nominal) - len(levels)
    shown = list(dict.fromkeys(f"{level:.2g}" for level in (min(levels), max(levels)))) if levels else []
    told = f"; one-sided level {' to '.join(shown)}" if shown else ""
    return told + (f"; without a level yet: {early}" if early else "")


def error_rate(verdict: GateVerdict) -> str:
    """How often a criterion is wrong, as a sentence."""
    several = ", over all looks together; bounds are at a look's own level" if verdict.looks > 1 else ""
    return f"One-sided error rate of each criterion: {verdict.alpha:g}{several}."


def ends(estimate: Estimate) -> str:
    """A value and its bounds: "0.012 [0.004, 0.020]"."""
    if estimate.value is None:
        return f"undefined: {estimate.note}"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.4g}"
    return f"{estimate.value:.4g} [{estimate.low:.4g}, {estimate.high:.4g}]"


def evidence_row(number: Evidence) -> list[str]:
    """Cells of one number: metric, dense, candidate, what is judged, p, items, clusters, how."""
    found = number.estimate
    return [
        number.metric,
        fmt.significant(number.before),
        fmt.significant(number.after),
        ends(found),
        fmt.p_value(number.p_worse),
        fmt.count(found.n_items),
        fmt.count(found.n_clusters),
        found.method + (f"; {found.note}" if found.note else ""),
    ]


EVIDENCE_COLUMNS = ("number", "dense", "candidate", "judged", "p worse", "items", "clusters", "how")

FORMATS: Mapping[str, Callable[[GateVerdict], str]] = {
    "verdict.json": to_json,
    "verdict.html": to_html,
    "verdict.md": to_markdown,
    "junit.xml": to_junit,
}
"""Every file of a verdict."""


@cache
def _template() -> Any:
    made = environment()
    made.globals["columns"] = EVIDENCE_COLUMNS
    return made.get_template("verdict.html")
