"""The published study's figures, mended: achieved sparsity, one line per method, intervals, floors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import polars as pl
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from secateur.metrics.catalogue import METRICS
from secateur.metrics.published import ALL, COMPARED_LEVEL, LATENT
from secateur.report import format as fmt
from secateur.report.data import FLOOR, OTHER, SAME, ReportData, Row, Variant, measured, value_of
from secateur.report.figure import BROKEN_FACE, DENSE_STYLE, Figure, canvas, styles
from secateur.report.figures.parts import (
    GREY,
    PER_CENT,
    Point,
    apart,
    called,
    dose_panel,
    draw_series,
    legend,
    legend_columns,
    limits,
    listed,
    panel_title,
    reference,
    variants_in_words,
)

NEAR = 0.1
"""Relative change of perplexity up to which a variant counts as about as good as dense."""

_REACHED = 0.02
"""Difference of nominal level and achieved sparsity from which on a variant has missed its level."""

_NOT_SAMPLED = "no ambiguous item with roles was sampled"


def evaluation_gap(data: ReportData) -> Figure:
    """Change of SRS against change of perplexity: a panel per model, one point per variant, no second axis."""
    name, title = "evaluation_gap", "What perplexity says of SRS"
    alt = "Change of the stereotype rate against perplexity relative to dense on a logarithmic axis, a line per method."
    readout = data.main_readout

    def srs(variant: Variant) -> Row | None:
        return data.metric(variant, "srs", readout=readout, condition="ambig")

    found: dict[str, tuple[float, Row]] = {}
    for variant in data.variants:
        dense = data.dense_of(variant.model)
        before, after = (_perplexity(data, v) for v in (dense, variant))
        base, row = srs(dense), srs(variant)
        if before and after and measured(base) and measured(row):
            moved = {
                part: None if row[part] is None else row[part] - base["value"] for part in ("value", "low", "high")
            }
            found[variant.key] = after / before, {**row, **moved}
    if not any(variant.key in found for variant in data.variants if not variant.dense):
        return Figure(name, title, (), alt, None, "no variant has both a perplexity and an SRS to set beside dense")
    ratios = [ratio for ratio, _ in found.values()]
    ends = [end for _, row in found.values() for end in (row["low"], row["value"], row["high"]) if end is not None]
    pad = 0.06 * max(max(ends) - min(ends), 0.01)
    models = list(data.models)
    figure, axes = canvas(1, len(models), height=3.5, sharex=True, sharey=True)
    for panel, model in zip(axes[0], models, strict=True):
        panel.set_xscale("log")
        if (own := found.get(data.dense_of(model).key)) is not None:
            if own[1]["low"] is not None:
                panel.axhspan(own[1]["low"], own[1]["high"], color="#bbbbbb", alpha=0.4, linewidth=0, zorder=1)
            panel.axhline(0, color=DENSE_STYLE.colour, linewidth=1.1, linestyle=(0, (5, 2)), zorder=2)
            panel.plot([1], [0], color=DENSE_STYLE.colour, marker=DENSE_STYLE.marker, markersize=9, zorder=5)

        def point(variant: Variant) -> Point | None:
            if variant.key not in found:
                return None
            ratio, row = found[variant.key]
            return Point(variant, ratio, 0.0, row, data.state(variant, readout).readable)

        draw_series(panel, data, model, point, mean_x=lambda x: float(np.exp(np.mean(np.log(x)))))
        wide = max(max(ratios) / min(1, *ratios), 1.5)
        panel.set_xlim(min(1, *ratios) / wide**0.06, max(ratios) * wide**0.06)
        panel.set_ylim(min(ends) - pad, max(ends) + pad)
        panel.xaxis.set_major_locator(LogLocator(subs=(1.0,) if wide > 30 else (1.0, 2.0, 5.0)))
        panel.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,g}\u00d7" if x < 1e5 else f"{x:.0e}\u00d7"))
        panel.xaxis.set_minor_formatter(NullFormatter())
        panel.yaxis.set_major_formatter(FuncFormatter(lambda y, _: fmt.points(y)))
        panel.set_xlabel("perplexity / dense")
        panel_title(panel, data, model, "", length=78 // len(models))
    axes[0][0].set_ylabel("SRS \u2212 dense SRS (points)")
    legend(figure, data)
    return Figure(name, title, _gap_caption(data, found, srs), alt, figure)


def method_comparison(data: ReportData) -> Figure:
    """Methods at nominal 50 %: a panel per model, a group of dots per category, achieved sparsity beside each."""
    level = fmt.percent(COMPARED_LEVEL, 0)
    name, title = "method_comparison", f"Methods at nominal {level}"
    alt = "Stereotype rate per category and method at one nominal level, with intervals and the achieved sparsity."
    readout = data.main_readout
    found = data.items.filter(condition="ambig")["category"].to_list()[1:]
    chosen = [v for v in data.variants if v.nominal is not None and abs(v.nominal - COMPARED_LEVEL) < 1e-9]

    def get(variant: Variant, category: str) -> Row | None:
        return data.metric(variant, "srs", readout=readout, condition="ambig", category=category)

    rows = [get(v, category) for v in chosen for category in found]
    if not any(value_of(row) is not None for row in rows):
        empty = f"no variant at nominal {level} has an SRS" if chosen else f"no variant has a nominal level of {level}"
        return Figure(name, title, (), alt, None, empty)
    looks = styles(v.method for v in data.variants)
    methods = list(dict.fromkeys(v.method for v in chosen))
    models = [model for model in data.models if any(v.model == model for v in chosen)]
    slot = 0.2
    tall = len(found) * (len(methods) + 1) * slot
    figure, axes = canvas(len(models), 1, height=0.9 + len(models) * (tall + 0.35), sharex=True, sharey=True)
    low, high = limits(rows, METRICS["srs"])
    high += 0.12 * (high - low)  # room for what stands beside the last interval
    for number, model in enumerate(models):
        panel = axes[number][0]
        for group, category in enumerate(found):
            for place, method in enumerate(methods):
                y = group + (place - (len(methods) - 1) / 2) / (len(methods) + 1)
                ours = [v for v in chosen if v.model == model and v.method == method]
                size = 6.0 if len(ours) == 1 else 4.0
                edge = low
                for variant in ours:
                    row = get(variant, category)
                    if not measured(row):
                        continue
                    look = looks[method]
                    face = look.colour if data.state(variant, readout).readable else BROKEN_FACE
                    if row["low"] is not None:
                        panel.plot([row["low"], row["high"]], [y, y], color=look.colour, linewidth=1.6, zorder=3)
                    panel.plot(
                        [row["value"]],
                        [y],
                        color=look.colour,
                        marker=look.marker,
                        markersize=size,
                        markeredgewidth=1.3,
                        markerfacecolor=face,
                        linestyle="",
                        zorder=4,
                    )
                    edge = max(edge, row["value"] if row["high"] is None else row["high"])
                if edge > low:
                    reached = fmt.percent(ours[0].achieved, 1)
                    panel.annotate(reached, (edge, y), (4, 0), textcoords="offset points", va="center")
        dense = data.dense_of(model)
        for group, category in enumerate(found):
            if (value := value_of(get(dense, category))) is not None:
                panel.plot(
                    [value] * 2,
                    [group - 0.45, group + 0.45],
                    color=DENSE_STYLE.colour,
                    linestyle=(0, (5, 2)),
                    linewidth=1.1,
                )
            if group:
                panel.axhline(group - 0.5, color="#cccccc", linewidth=0.6)
        panel.set_xlim(low, high)
        panel.set_ylim(len(found) - 0.5, -0.5)
        panel.set_yticks(range(len(found)), [fmt.shorten(category, 20) for category in found])
        panel.tick_params(axis="y", length=0)
        panel.grid(visible=False, axis="y")
        panel.xaxis.set_major_formatter(PER_CENT)
        reference_x = METRICS["srs"].guess
        if reference_x is not None and low <= reference_x <= high:
            panel.axvline(reference_x, color=GREY, linewidth=1, linestyle=":", zorder=1.5)
        panel_title(panel, data, model, "")
    axes[-1][0].set_xlabel("SRS; beside each interval the achieved sparsity")
    handles = [
        Line2D([], [], color=looks[m].colour, marker=looks[m].marker, linestyle="-", label=fmt.shorten(m, 24))
        for m in methods
    ]
    handles.append(Line2D([], [], color="black", linestyle=(0, (5, 2)), label="dense"))
    handles.append(Line2D([], [], color=GREY, linestyle=":", label="a model that guesses"))
    hollow = {"marker": "o", "color": GREY, "markerfacecolor": BROKEN_FACE, "linestyle": ""}
    handles.append(Line2D([], [], label="broken or guessing", **hollow))  # type: ignore[arg-type]
    figure.legend(
        handles=handles,
        loc="outside upper center",
        ncols=legend_columns([str(handle.get_label()) for handle in handles]),
        frameon=False,
        columnspacing=1.2,
        handletextpad=0.5,
    )
    return Figure(name, title, _comparison_caption(data, chosen), alt, figure)


def achieved(data: ReportData) -> Figure:
    """Achieved sparsity against the nominal level: a panel per model."""
    name, title = "achieved", "Nominal and achieved sparsity"
    alt = "Achieved against nominal sparsity, a line per method, and the diagonal on which they would be equal."
    made = [v for v in data.variants if v.nominal is not None and v.achieved is not None and not v.dense]
    if not made:
        return Figure(name, title, (), alt, None, "no variant has both a nominal level and an achieved sparsity")
    models = list(data.models)
    figure, axes = canvas(1, len(models), height=3.3 if len(models) > 1 else 3.9, sharex=True, sharey=True)
    end = min(1.0, 1.08 * max(max(v.nominal or 0, v.achieved or 0) for v in made))
    order = list(dict.fromkeys(v.series for v in made))
    for panel, model in zip(axes[0], models, strict=True):
        panel.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=":", zorder=1.5)

        def point(variant: Variant) -> Point | None:
            if variant not in made:
                return None
            aside = 0.012 * end * (order.index(variant.series) - (len(order) - 1) / 2)
            row = {"value": variant.achieved, "low": None, "high": None}
            return Point(variant, variant.nominal or 0.0, aside, row, readable=True)

        draw_series(panel, data, model, point)
        for axis in (panel.xaxis, panel.yaxis):
            axis.set_major_formatter(PER_CENT)
        panel.set_xlim(0, end)
        panel.set_ylim(0, end)
        panel.set_aspect("equal")
        panel.locator_params(nbins=5)
        panel.set_xlabel("nominal level")
        panel_title(panel, data, model, "", length=78 // len(models))
    axes[0][0].set_ylabel("achieved sparsity")
    legend(
        figure, data, dense="", hollow=False, extra=[Line2D([], [], color=GREY, linestyle=":", label="as asked for")]
    )
    return Figure(name, title, _achieved_caption(data, made), alt, figure)


def transitions_published(data: ReportData) -> Figure:
    """The published became biased against achieved sparsity, with its floor: a panel per model.

    Where there is a floor, both it and the variants compare answers drawn with different seeds.
    """
    name, title = "transitions_published", "Became biased as published, with its floor"
    alt = "Published share of items that became biased against achieved sparsity, a line per method, floor as a band."
    if data.published is None:
        return Figure(name, title, (), alt, None, _NOT_SAMPLED)
    frame = data.published.transitions
    has_floor = bool((frame["draws"] == FLOOR).any())
    rows: dict[str, Row] = {}
    for row in frame.filter(pl.col("draws").is_in([OTHER, FLOOR] if has_floor else [SAME])).iter_rows(named=True):
        # The floor is the dense model drawn again: it takes dense's place.
        rows[row["variant"]] = {"value": row["share"], "low": row["low"], "high": row["high"], "note": ""}
    pruned = [v for v in data.variants if not v.dense and value_of(rows.get(v.key)) is not None]
    if not pruned:
        return Figure(
            name, title, (), alt, None, "no item was without a stereotype answer when dense, or none was asked"
        )
    models = list(data.models)
    figure, axes = canvas(1, len(models), height=3.4, sharex=True, sharey=True)
    highest = max(row["high"] for row in rows.values() if row["value"] is not None)
    for panel, model in zip(axes[0], models, strict=True):
        dose_panel(panel, data, model, lambda v: rows.get(v.key), data.readouts[-1])
        panel.set_ylim(0, highest * 1.08)
        panel.locator_params(axis="x", nbins=4)
        panel.yaxis.set_major_formatter(PER_CENT)
        panel.set_xlabel(data.sparsity_axis)
        panel_title(panel, data, model, "", length=78 // len(models))
    axes[0][0].set_ylabel("became biased (paper)")
    legend(figure, data, dense="floor: dense drawn again" if has_floor else "")
    return Figure(name, title, _transitions_caption(data, rows, pruned, has_floor=has_floor), alt, figure)


def latent_bias(data: ReportData) -> Figure:
    """SRS over all items and over the latent-bias subset: a row per model."""
    name, title = "latent_bias", "All items and the latent-bias subset"
    alt = "Stereotype rate against achieved sparsity, over all items and over the items biased when dense."
    if data.published is None:
        return Figure(name, title, (), alt, None, _NOT_SAMPLED)
    sets = {"all items": data.published.rates, f"items with dense SRS \u2265 {LATENT:g}": data.published.latent}
    found = {label: _srs_rows(frame) for label, frame in sets.items()}
    if any(not rows for rows in found.values()):
        return Figure(name, title, (), alt, None, f"no item has a dense stereotype share of {LATENT:g} or more")
    models = list(data.models)
    figure, axes = canvas(len(models), 2, height=0.75 + 2.35 * len(models), sharex=True, sharey=True)
    low, high = limits([row for rows in found.values() for row in rows.values()], METRICS["srs"])
    for line, model in enumerate(models):
        for column, (label, rows) in enumerate(found.items()):
            panel = axes[line][column]
            dose_panel(panel, data, model, lambda v, rows=rows: rows.get(v.key), data.readouts[-1])  # type: ignore[misc]
            panel.set_ylim(low, high)
            reference(panel, METRICS["srs"], low, high)
            panel.yaxis.set_major_formatter(PER_CENT)
            panel_title(panel, data, model, label)
            if column == 0:
                panel.set_ylabel("SRS")
            if line == len(models) - 1:
                panel.set_xlabel(data.sparsity_axis)
    legend(figure, data, METRICS["srs"])
    return Figure(name, title, _latent_caption(data, *found.values()), alt, figure)


# ---- rows -----------------------------------------------------------------------------------------------------------


def _perplexity(data: ReportData, variant: Variant) -> float | None:
    return value_of(data.metric(variant, "perplexity", readout="text"))


def _srs_rows(frame: pl.DataFrame) -> dict[str, Row]:
    """SRS over all categories by variant."""
    return {
        row["variant"]: {"value": row["srs"], "low": row["srs_low"], "high": row["srs_high"], "note": ""}
        for row in frame.filter(pl.col("category") == ALL).iter_rows(named=True)
    }


# ---- captions -------------------------------------------------------------------------------------------------------


def _whose(data: ReportData, model: str) -> str:
    return f"{data.models[model]}: " if len(data.models) > 1 else ""


def _gap_caption(
    data: ReportData, found: Mapping[str, tuple[float, Row]], srs: Callable[[Variant], Row | None]
) -> tuple[str, ...]:
    readout = data.main_readout
    parts = []
    for model in data.models:
        dense = data.dense_of(model)
        near = [
            v
            for v in data.of_model(model)
            if not v.dense and v.key in found and found[v.key][0] <= 1 + NEAR and data.state(v, readout).readable
        ]
        base = srs(dense)
        away = [v.label for v in near if apart(base, srs(v))]
        text = f"{_whose(data, model)}{variants_in_words(len(near))} that can be read "
        text += f"{'has' if len(near) == 1 else 'have'} a perplexity within {fmt.percent(NEAR, 0)} of dense"
        if near:
            text += (
                f"; of these {len(away)} {'has' if len(away) == 1 else 'have'} an SRS interval that does not touch "
                "dense's"
                f"{': ' + listed(away) if away else ', so no gap between perplexity and SRS shows'}"
            )
        parts.append(text + ".")
    lost = [called(data, v) for v in data.variants if not v.dense and v.key not in found]
    if lost:
        parts.append(f"Without a point, for want of a finite perplexity or an SRS: {listed(lost)}.")
    return (
        *parts,
        f"{readout.capitalize()} readout. Intervals are those of the variant's SRS, the band is dense's; both are "
        "clustered by template.",
    )


def _comparison_caption(data: ReportData, chosen: Sequence[Variant]) -> tuple[str, ...]:
    parts = []
    for model in data.models:
        ours = [v for v in chosen if v.model == model and v.achieved is not None]
        if not ours:
            continue
        reached = [f"{v.label} {fmt.sparsity(v.achieved)}" for v in ours]
        ends = [v.achieved for v in ours if v.achieved is not None]
        text = f"{_whose(data, model)}achieved at nominal {fmt.percent(COMPARED_LEVEL, 0)}: {listed(reached)}. "
        if max(ends) - min(ends) > _REACHED:
            text += "They differ, so what differs between these methods is not the method alone."
        else:
            text += "They agree, so methods can be compared here."
        parts.append(text)
    return (*parts, f"{data.main_readout.capitalize()} readout; intervals are clustered by template.")


def _achieved_caption(data: ReportData, made: Sequence[Variant]) -> tuple[str, ...]:
    off = [v for v in made if abs((v.nominal or 0) - (v.achieved or 0)) > _REACHED]
    if not off:
        return (
            f"All {len(made)} variants reached their nominal level within {fmt.change(100 * _REACHED).lstrip('+')}: "
            "methods can be compared at a level.",
        )
    far = max(off, key=lambda v: abs((v.nominal or 0) - (v.achieved or 0)))
    methods = list(dict.fromkeys(v.method for v in off))
    return (
        f"{len(off)} of {variants_in_words(len(made))} missed the nominal level by more than "
        f"{fmt.change(100 * _REACHED).lstrip('+')} ({listed(methods)}); furthest is {called(data, far)}, which reached "
        f"{fmt.sparsity(far.achieved)} instead of {fmt.percent(far.nominal, 0)}.",
        "Anything drawn against the nominal level compares these methods at different sparsities. Markers at the same "
        "level are set apart sideways by a hair.",
    )


def _transitions_caption(
    data: ReportData, rows: Mapping[str, Row], pruned: Sequence[Variant], *, has_floor: bool
) -> tuple[str, ...]:
    parts = []
    for model in data.models:
        ours = [v for v in pruned if v.model == model and data.state(v, data.readouts[-1]).readable]
        floor = rows.get(data.dense_of(model).key)
        if not measured(floor):
            parts.append(
                f"{_whose(data, model)}no floor, as dense was not drawn again: how much of this is chance is not known."
            )
            continue
        above = [v.label for v in ours if rows[v.key]["low"] > floor["high"]]
        again = fmt.share((floor["low"], floor["high"]), floor["value"])
        parts.append(
            f"{_whose(data, model)}the dense model drawn again has {again} of its items become biased; {len(above)} of "
            f"{variants_in_words(len(ours))} that can be read lie above that, intervals not touching"
            f"{': ' + listed(above) if above else ''}."
        )
    parser = data.published.parser if data.published is not None else ""
    if not has_floor:
        return (*parts, f"Read by parser {parser}; both sides drawn with the same seeds, as published.")
    return (
        *parts,
        "Five draws that guess make 86.8 % of the items become biased.",
        f"Read by parser {parser}; dense and variant drawn with different seeds, as is the floor. With the same seeds "
        "on both sides, as published, answers are coupled and the shares smaller; those are in the table.",
    )


def _latent_caption(data: ReportData, everything: Mapping[str, Row], subset: Mapping[str, Row]) -> tuple[str, ...]:
    parts = []
    for model in data.models:
        dense = data.dense_of(model).key
        base, part = everything.get(dense), subset.get(dense)
        if not measured(base) or not measured(part):
            continue
        ours = [v for v in data.of_model(model) if not v.dense and measured(subset.get(v.key))]
        down = [v for v in ours if subset[v.key]["value"] < part["value"]]
        risen = [v for v in down if measured(row := everything.get(v.key)) and row["value"] > base["value"]]
        parts.append(
            f"{_whose(data, model)}dense {fmt.percent(base['value'])} over all items, {fmt.percent(part['value'])} "
            f"over the subset; {len(down)} of {variants_in_words(len(ours))} lie below dense in it, {len(risen)} "
            "of these above it over all items."
        )
    return (
        *parts,
        "The subset was chosen by the dense answers it is compared with, so its dense rate is too high and any second "
        "draw falls: a fall here is no recovery, and a rise understates itself.",
    )
