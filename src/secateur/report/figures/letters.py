"""Figures of what answers were, and of what two parsers make of them."""

from __future__ import annotations

from typing import Any

import polars as pl
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from secateur.report import format as fmt
from secateur.report.as_published import SIDE_BY_SIDE
from secateur.report.data import BROKEN, ReportData, Row
from secateur.report.figure import Figure, canvas
from secateur.report.figures.parts import GREY, PER_CENT, READOUT_TITLES, called, listed, panel_title, variant_name


def letters(data: ReportData) -> Figure:
    """What answers were, stacked: where they stood, and what could not be read."""
    name, title = "letters", "Letters, and what could not be read"
    alt = "Stacked shares of answers at A, B and C, without a letter, unparsed and not finite, per variant."
    parts = (
        ("at_a", "A", "#0072B2", ""),
        ("at_b", "B", "#56B4E9", ""),
        ("at_c", "C", "#CFE8F7", ""),
        ("at_none", "no letter (refusal)", "#009E73", ""),
        ("unparsed", "unparsed", "#E69F00", "///"),
        ("nonfinite", "not finite", "#333333", ""),
    )
    totals = data.letters.group_by("variant", "readout", maintain_order=True).agg(
        pl.col("answers", *(part for part, *_ in parts)).sum()
    )
    found = {(row["variant"], row["readout"]): row for row in totals.iter_rows(named=True)}
    if not found:
        return Figure(name, title, (), alt, None, "no question was answered")
    models = list(data.models)
    tall = [len(data.of_model(model)) for model in models]
    figure, axes = canvas(
        len(models),
        len(data.readouts),
        height=1.0 + sum(0.25 * n + 0.5 for n in tall),
        sharex=True,
        sharey="row",
        gridspec_kw={"height_ratios": [n + 1 for n in tall]},
    )
    for row, model in enumerate(models):
        variants = data.of_model(model)
        for column, readout in enumerate(data.readouts):
            panel = axes[row][column]
            for place, variant in enumerate(variants):
                counts = found.get((variant.key, data.letters_readout[readout]))
                if counts is None:
                    panel.text(0.01, place, "not run", color=GREY, va="center")
                    continue
                left = 0.0
                for part, _, colour, hatch in parts:
                    share = counts[part] / counts["answers"]
                    panel.barh(
                        place,
                        share,
                        left=left,
                        height=0.74,
                        color=colour,
                        hatch=hatch,
                        edgecolor="white",
                        linewidth=0.4,
                    )
                    left += share
            panel.set_xlim(0, 1)
            panel.set_ylim(len(variants) - 0.4, -0.6)
            panel.set_yticks(range(len(variants)), [variant_name(v) for v in variants])
            panel.xaxis.set_major_formatter(PER_CENT)
            panel.grid(visible=False, axis="y")
            for third in (1 / 3, 2 / 3):
                panel.axvline(third, color="black", linewidth=0.7, linestyle=":")
            panel_title(panel, data, model if column == 0 else None, READOUT_TITLES[readout])
            if row == len(models) - 1:
                panel.set_xlabel("share of answers")
    used = [part for part in parts if totals[part[0]].sum()]
    handles = [Patch(facecolor=colour, hatch=hatch, edgecolor="white", label=label) for _, label, colour, hatch in used]
    figure.legend(handles=handles, loc="outside upper center", ncols=6, frameon=False, columnspacing=1.2)
    return Figure(name, title, _letters_caption(data, found), alt, figure)


_PARSER_LOOKS: dict[str, dict[str, Any]] = {
    SIDE_BY_SIDE[0]: {"marker": "o", "color": "#222222", "markerfacecolor": "#222222"},
    SIDE_BY_SIDE[1]: {"marker": "D", "color": "#CC79A7", "markerfacecolor": "#CC79A7"},
}
_PARSER_TITLES = {"unparsed_share": "unparsed", "srs": "SRS"}


def parsers(data: ReportData) -> Figure:
    """What two parsers make of the same answers: a row per model, a line per variant."""
    name, title = "parsers", "The same answers under two parsers"
    alt = "Share of unparsed answers and stereotype rate per variant, a marker for each of two parsers."
    found = {(row["variant"], row["parser"], row["metric"]): row for row in data.parsed.iter_rows(named=True)}
    there = [parser for parser in SIDE_BY_SIDE if any(key[1] == parser for key in found)]
    if len(there) < len(SIDE_BY_SIDE):
        empty = f"only the parser {there[0]} is there" if there else "no ambiguous item was sampled"
        return Figure(name, title, (), alt, None, empty)
    models = list(data.models)
    tall = [len(data.of_model(model)) for model in models]
    figure, axes = canvas(
        len(models),
        len(_PARSER_TITLES),
        height=1.0 + sum(0.25 * n + 0.5 for n in tall),
        sharex="col",
        sharey="row",
        gridspec_kw={"height_ratios": [n + 1 for n in tall]},
    )
    for row, model in enumerate(models):
        variants = data.of_model(model)
        for column, (metric, said) in enumerate(_PARSER_TITLES.items()):
            panel = axes[row][column]
            for place, variant in enumerate(variants):
                both = [found.get((variant.key, parser, metric)) for parser in there]
                values = [one["value"] for one in both if one is not None and one["value"] is not None]
                if not values:
                    panel.text(0.01, place, "no value", color=GREY, va="center", transform=panel.get_yaxis_transform())
                    continue
                panel.plot([min(values), max(values)], [place] * 2, color="#bbbbbb", linewidth=3, zorder=2)
                for shift, parser, one in zip((-0.14, 0.14), there, both, strict=True):
                    if one is None or one["value"] is None:
                        continue
                    look = _PARSER_LOOKS[parser]
                    if one["low"] is not None:
                        ends = [one["low"], one["high"]]
                        panel.plot(ends, [place + shift] * 2, color=look["color"], linewidth=1.4, zorder=3)
                    panel.plot([one["value"]], [place + shift], markersize=5, linestyle="", zorder=4, **look)
            panel.set_ylim(len(variants) - 0.4, -0.6)
            panel.set_yticks(range(len(variants)), [variant_name(v) for v in variants])
            panel.xaxis.set_major_formatter(PER_CENT)
            panel.grid(visible=False, axis="y")
            panel_title(panel, data, model if column == 0 else None, said)
            if row == len(models) - 1:
                panel.set_xlabel("share of answers" if metric != "srs" else "stereotype rate of parsed answers")
    handles = [Line2D([], [], linestyle="-", markersize=5, label=f"parser {p}", **_PARSER_LOOKS[p]) for p in there]
    figure.legend(handles=handles, loc="outside upper center", ncols=2, frameon=False)
    return Figure(name, title, _parsers_caption(data, found), alt, figure)


def _letters_caption(data: ReportData, found: dict[tuple[str, str], Row]) -> tuple[str, ...]:
    broken = [
        f"{called(data, v)} ({readout})"
        for v in data.variants
        for readout in data.readouts
        if data.state(v, readout).name == BROKEN
    ]
    drawn = {v.key: v for v in data.variants}
    unread = {
        key: (row["unparsed"] + row["nonfinite"]) / row["answers"] for key, row in found.items() if key[0] in drawn
    }
    worst = max(unread, key=lambda key: unread[key])
    variant = drawn[worst[0]]
    return (
        f"Broken, so that no other number of theirs means what it is called: {listed(broken)}."
        if broken
        else "No variant is broken.",
        f"Most answers that could not be read: {fmt.percent(unread[worst])} ({called(data, variant)}, {worst[1]}).",
        "Dotted lines are thirds, where the borders stand if no letter is preferred.",
    )


def _parsers_caption(data: ReportData, found: dict[tuple[str, str, str], Row]) -> tuple[str, ...]:
    strict, pia = SIDE_BY_SIDE
    moved = []
    hidden = []
    for variant in data.variants:
        srs = [found.get((variant.key, parser, "srs"), {}).get("value") for parser in SIDE_BY_SIDE]
        unparsed = [found.get((variant.key, parser, "unparsed_share"), {}).get("value") for parser in SIDE_BY_SIDE]
        if srs[0] is not None and srs[1] is not None:
            moved.append((abs(srs[1] - srs[0]), variant, srs))
        if unparsed[0] is not None and unparsed[1] is not None:
            hidden.append((unparsed[0] - unparsed[1], variant, unparsed))
    parts = []
    if hidden:
        _, variant, shares = max(hidden, key=lambda one: one[0])
        parts.append(
            f"Most hidden: {called(data, variant)} has {fmt.percent(shares[0])} of its answers unparsed under {strict} "
            f"and {fmt.percent(shares[1])} under {pia}."
        )
    but = "; for what could not be read it does" if hidden and max(one[0] for one in hidden) > 0.01 else ""
    if moved:
        far, variant, shares = max(moved, key=lambda one: one[0])
        parts.append(
            f"Most moved: SRS of {called(data, variant)} is {fmt.percent(shares[0])} under {strict} and "
            f"{fmt.percent(shares[1])} under {pia}."
            + (f" For SRS the parser hardly matters here{but}." if far < 0.01 else "")
        )
    return (*parts, "Same stored texts on both sides. Intervals are clustered by template.")
