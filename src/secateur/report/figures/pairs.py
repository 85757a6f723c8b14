"""Figures of pairs of answers: dense beside variant, with the floor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from secateur.metrics.catalogue import METRICS
from secateur.metrics.counts import NO_PARSED
from secateur.metrics.transitions import MOVES
from secateur.records.answers import SAMPLED
from secateur.report import format as fmt
from secateur.report.data import ReportData, Row, Variant, measured
from secateur.report.figure import BROKEN_FACE, Figure, Style, canvas, styles
from secateur.report.figures.parts import (
    GREY,
    PER_CENT,
    READOUT_TITLES,
    called,
    listed,
    panel_title,
    unread,
    variant_name,
    variants_in_words,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def became_biased(data: ReportData) -> Figure:
    """Became biased beside its floor, a line per variant: a row per model, a panel per readout and definition."""
    name, title = "became_biased", "Became biased, beside its floor"
    alt = "Share of items that became biased per variant, with its interval, and the floor beside it."
    panels = [(readout, "became_biased") for readout in data.readouts]
    if SAMPLED in data.readouts:
        panels.append((SAMPLED, "became_biased_paper"))
    if not data.pairs.filter(pl.col("value").is_not_null(), pl.col("metric").is_in([m for _, m in panels])).height:
        return Figure(name, title, (), alt, None, "no answer of a variant could be set beside one of the dense model")
    models = [model for model in data.models if len(data.of_model(model)) > 1]
    tall = [len(data.of_model(model)) - 1 for model in models]
    figure, axes = canvas(
        len(models),
        len(panels),
        height=1.0 + sum(0.27 * n + 0.55 for n in tall),
        sharex="col",
        sharey="row",
        gridspec_kw={"height_ratios": [n + 1 for n in tall]},
    )
    looks = styles(v.method for v in data.variants)
    for row, model in enumerate(models):
        variants = [v for v in data.of_model(model) if not v.dense]
        for column, (readout, metric) in enumerate(panels):
            panel = axes[row][column]
            for place, variant in enumerate(variants):
                found = data.pair(variant, metric, readout=readout)
                if not measured(found):
                    said = "not measured" if found is None else NO_PARSED if unread(found) else "no value"
                    panel.text(0.01, place, said, color=GREY, va="center", transform=panel.get_yaxis_transform())
                    continue
                readable = data.state(variant, readout).readable
                _beside_floor(panel, place, found, looks[variant.method], readable=readable)
            panel.set_ylim(len(variants) - 0.4, -0.6)
            panel.set_yticks(range(len(variants)), [variant_name(v) for v in variants])
            # Ticks are whole per cent; an axis narrower than this would repeat them.
            panel.set_xlim(0, max(0.05, _widest(data, panels[column]) * 1.08))
            panel.xaxis.set_major_formatter(PER_CENT)
            panel.grid(visible=False, axis="y")
            panel.locator_params(axis="x", nbins=4)
            kind = "paper's" if metric.endswith("paper") else readout
            panel_title(panel, data, model if column == 0 else None, kind)
            if row == len(models) - 1:
                panel.set_xlabel("became biased")
    handles = [
        Line2D([], [], marker="o", color="#333333", label="variant (colour and marker: its method)"),
        Line2D([], [], marker="|", color=GREY, markersize=11, markeredgewidth=2, linestyle="", label="floor"),
        Patch(facecolor="#bbbbbb", alpha=0.55, label="floor's interval"),
        Line2D(
            [], [], marker="o", color="#333333", markerfacecolor=BROKEN_FACE, linestyle="", label="broken or guessing"
        ),
    ]
    figure.legend(
        handles=handles, loc="outside upper center", ncols=4, frameon=False, columnspacing=1.2, handletextpad=0.5
    )
    return Figure(name, title, _floor_caption(data), alt, figure)


def transitions(data: ReportData) -> Figure:
    """Outcome dense to outcome variant, a grid of heat maps: each method's highest level that all methods have."""
    name, title = "transitions", "Transitions of ambiguous items"
    alt = "Heat maps of the share of items by outcome when dense (rows) and in the variant (columns)."
    moves = data.moves.filter(pl.col("condition") == "ambig", pl.col("share").is_not_null())
    shares = {
        key: dict(zip(zip(part["from"], part["to"], strict=True), part["share"], strict=True))
        for key, part in moves.partition_by(["variant", "floor", "readout"], as_dict=True).items()
    }
    lines = []
    for model in data.models:
        for readout in data.readouts:
            shown: list[tuple[str, dict[tuple[str, str], float]]] = []
            dense = data.dense_of(model).key, True, readout
            if dense in shares:
                shown.append(("dense again\n(floor)", shares[dense]))
            shown += [
                (variant_name(v, between="\n"), shares[v.key, False, readout])
                for v in _highest_common(data, model)
                if (v.key, False, readout) in shares
            ]
            if shown:
                lines.append((model, readout, shown))
    if not lines:
        return Figure(name, title, (), alt, None, "there is no pair of dense and variant answers to ambiguous items")
    columns = min(4, max(len(shown) for _, _, shown in lines))
    grid = [
        (model, readout, shown[start : start + columns])
        for model, readout, shown in lines
        for start in range(0, len(shown), columns)
    ]
    figure, axes = canvas(len(grid), columns, height=0.75 + 2.1 * len(grid), sharex=True, sharey=True)
    short = [move[:6] + "." if len(move) > 8 else move for move in MOVES]
    for row, (model, readout, shown) in enumerate(grid):
        for panel in axes[row]:
            panel.set_visible(False)
        for column, (label, share) in enumerate(shown):
            panel = axes[row][column]
            panel.set_visible(True)
            matrix = np.array([[share.get((a, b), 0.0) for b in MOVES] for a in MOVES])
            panel.imshow(matrix, cmap="Blues", vmin=0, vmax=1, aspect="equal")
            for i in range(len(MOVES)):
                for j in range(len(MOVES)):
                    text = _cell_percent(matrix[i, j])
                    panel.text(j, i, text, ha="center", va="center", color="white" if matrix[i, j] > 0.5 else "black")
            panel.grid(visible=False)
            for edge in range(1, len(MOVES)):
                panel.axhline(edge - 0.5, color="#dddddd", linewidth=0.6)
                panel.axvline(edge - 0.5, color="#dddddd", linewidth=0.6)
            panel.set_xticks(range(len(MOVES)), short, rotation=45, ha="right", rotation_mode="anchor")
            panel.set_yticks(range(len(MOVES)), short)
            panel.tick_params(length=0, labelbottom=row == len(grid) - 1, labelleft=column == 0)
            panel.set_title(label, fontsize=9, fontweight="normal")
            if column == 0:
                model_name = f"{fmt.shorten(data.models[model], 24)}\n" if len(data.models) > 1 else ""
                panel.set_ylabel(f"{model_name}{READOUT_TITLES[readout]}\nfrom (dense)")
    figure.supxlabel("to (variant); per cent of items", fontsize=9)
    return Figure(name, title, _transitions_caption(data, lines), alt, figure)


def _beside_floor(panel: Axes, place: int, row: Row, look: Style, *, readable: bool) -> None:
    if row["floor"] is not None:
        if row["floor_low"] is not None:
            panel.barh(
                place,
                row["floor_high"] - row["floor_low"],
                left=row["floor_low"],
                height=0.78,
                color="#bbbbbb",
                alpha=0.55,
                linewidth=0,
            )
        panel.plot([row["floor"]], [place], marker="|", color=GREY, markersize=11, markeredgewidth=2, zorder=3)
    if row["low"] is not None:
        panel.plot([row["low"], row["high"]], [place, place], color=look.colour, linewidth=1.6, zorder=3)
    panel.plot(
        [row["value"]],
        [place],
        marker=look.marker,
        color=look.colour,
        markerfacecolor=look.colour if readable else BROKEN_FACE,
        markeredgewidth=1.3,
        markersize=6,
        zorder=4,
        clip_on=False,
    )


def _widest(data: ReportData, which: tuple[str, str]) -> float:
    rows = data.pairs.filter(pl.col("readout") == which[0], pl.col("metric") == which[1], pl.col("category") == "all")
    ends = [end for name in ("value", "high", "floor", "floor_high") for end in rows[name].drop_nulls()]
    return max(ends, default=0.1)


def _cell_percent(share: float) -> str:
    if share == 0:
        return "0"
    return f"{100 * share:.0f}" if share >= 0.0995 else f"{100 * share:.1f}"


def _highest_common(data: ReportData, model: str) -> list[Variant]:
    """Each method's variants at the highest nominal level that all of them have; else each at its own highest."""
    levels: dict[str, dict[float, list[Variant]]] = {}
    for variant in data.of_model(model):
        if not variant.dense and variant.have:
            levels.setdefault(variant.method, {}).setdefault(variant.nominal or 0.0, []).append(variant)
    common = set.intersection(*(set(found) for found in levels.values())) if levels else set()
    return [v for found in levels.values() for v in found[max(common) if common else max(found)]]


def _floor_caption(data: ReportData) -> tuple[str, ...]:
    parts = []
    for readout in data.readouts:
        found = [(v, row) for v in data.variants if measured(row := data.pair(v, "became_biased", readout=readout))]
        with_floor = [(v, row) for v, row in found if row["floor"] is not None]
        if not found:
            continue
        if not with_floor:
            parts.append(
                f"The {readout} readout has no floor: dense was not asked again, so small figures may be noise."
            )
            continue
        readable = [(v, row) for v, row in with_floor if data.state(v, readout).readable]
        if not readable:
            parts.append(f"In the {readout} readout no variant can be read, so none can be said to have become biased.")
            continue
        judged = [(v, row) for v, row in readable if row["excess_low"] is not None]
        above = [called(data, v) for v, row in judged if row["excess_low"] > 0]
        below = [called(data, v) for v, row in judged if row["excess_high"] < 0]
        metric = METRICS["became_biased"]
        floors = sorted({fmt.value(row["floor"], metric) for _, row in with_floor})
        parts.append(
            f"In the {readout} readout {len(above)} of {variants_in_words(len(readable))} that can be read lie above "
            f"their floor ({listed(floors)}) by the interval of the excess, paired by item"
            f"{': ' + listed(above) if above else ''}, and {len(below)} below it"
            f"{': ' + listed(below) if below else ''}."
            + (" Of the others no excess is shown." if len(above) + len(below) < len(judged) else "")
            + (f" {len(readable) - len(judged)} have no excess to judge." if len(judged) < len(readable) else "")
        )
    if SAMPLED in data.readouts:
        parts.append(
            "The paper's definition (no seed stereotyped when dense, at least one in the variant) counts chance as "
            "change, which its floor shows."
        )
        papers = [data.pair(v, "became_biased_paper", readout=SAMPLED) for v in data.variants]
        if why := sorted({row["note"] for row in papers if row is not None and not measured(row)}):
            parts.append(f"Where it has no value: {'; '.join(why)}.")
    return tuple(parts)


def _transitions_caption(
    data: ReportData, lines: Sequence[tuple[str, str, Sequence[tuple[str, dict[tuple[str, str], float]]]]]
) -> tuple[str, ...]:
    parts = []
    for model, readout, shown in lines:
        whose = f"{data.models[model]}, {readout}" if len(data.models) > 1 else f"{readout.capitalize()} readout"
        stayed = [
            f"{fmt.clean(label)}: {fmt.percent(sum(share.get((a, a), 0.0) for a in MOVES))}" for label, share in shown
        ]
        parts.append(f"{whose}: unchanged outcomes (the diagonal) {listed(stayed, limit=6)}.")
    return (
        *parts,
        "Each cell is a share of all ambiguous items with roles; where there is a floor, only what exceeds it is "
        "change.",
    )
