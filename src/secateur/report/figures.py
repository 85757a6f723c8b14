"""The figures of a report: one function each, one line each in ``FIGURES``. Drawn inside ``figure.drawing``."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, PercentFormatter
from matplotlib.transforms import Affine2D, Transform

from secateur.metrics.catalogue import METRICS
from secateur.metrics.counts import NO_PARSED
from secateur.metrics.metric import Metric
from secateur.metrics.transitions import MOVES
from secateur.report import format as fmt
from secateur.report.data import BROKEN, LETTER, SAMPLED, TEXT, ReportData, Row, Variant, measured, value_of
from secateur.report.figure import (
    BROKEN_FACE,
    DENSE_STYLE,
    LINES,
    Figure,
    Style,
    canvas,
    series_of,
    styles,
)
from secateur.report.tables import HEADLINES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

READOUT_TITLES = {LETTER: "letter readout", SAMPLED: "sampled readout"}

_NAME_LENGTH = 34
# Of the width of a panel: what counts as the same place, how far apart markers there are set so that intervals do not
# hide each other, and how far to each side at most.
_SAME, _APART, _ASIDE = 0.002, 0.01, 0.03
_GREY = "#777777"


def dose(data: ReportData, metric: str) -> Figure:
    """A metric of ambiguous items against achieved sparsity: a row per model, a panel per readout."""
    said = METRICS[metric]
    title = f"{HEADLINES[metric]} against achieved sparsity"
    alt = (
        f"{said.title} of ambiguous items against achieved sparsity, one line per method, dense as a dashed line with "
        "its interval as a band."
    )
    get = partial(_ambiguous, data, metric)
    if "ambig" not in data.conditions:
        return Figure(metric, title, (), alt, None, "no ambiguous items were asked")
    if not any(value_of(get(v, r)) is not None for v in data.variants for r in data.readouts):
        return Figure(metric, title, (), alt, None, "no answer to an ambiguous item could be read")
    models = list(data.models)
    figure, axes = canvas(len(models), len(data.readouts), height=0.75 + 2.35 * len(models), sharex=True, sharey=True)
    low, high = _limits([get(v, r) for v in data.variants for r in data.readouts], said)
    lost_anywhere = any(_unread(get(v, r)) for v in data.variants for r in data.readouts)
    if lost_anywhere:
        high += 0.1 * (high - low)  # room for the crosses
    for row, model in enumerate(models):
        for column, readout in enumerate(data.readouts):
            panel = axes[row][column]
            _dose_panel(panel, data, model, partial(get, readout=readout), readout)
            _crosses(panel, data, [v for v in data.of_model(model) if _unread(get(v, readout))])
            panel.set_ylim(low, high)
            _reference(panel, said, low, high)
            if metric != "diff_bias_ambig":
                panel.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
            _panel_title(panel, data, model, READOUT_TITLES[readout])
            if column == 0:
                panel.set_ylabel(HEADLINES[metric])
            if row == len(models) - 1:
                panel.set_xlabel("achieved sparsity of the pruned linears")
    _legend(figure, data, said, extra=[_cross("no answer could be read")] if lost_anywhere else [])
    return Figure(metric, title, _dose_caption(data, said, get), alt, figure)


def perplexity(data: ReportData) -> Figure:
    """Perplexity against achieved sparsity, on a log axis: a panel per model."""
    name, title = "perplexity", "Perplexity against achieved sparsity"
    alt = "Perplexity on a logarithmic axis against achieved sparsity, one line per method, dense as a dashed line."
    said = METRICS["perplexity"]

    def get(variant: Variant) -> Row | None:
        return data.metric(variant, "perplexity", readout="text")

    values = [v for variant in data.variants if (v := value_of(get(variant))) is not None]
    if not values:
        empty = "no perplexity is finite" if data.plan["text"] else "no text was read"
        return Figure(name, title, (), alt, None, empty)
    models = list(data.models)
    columns = min(len(models), 2)
    rows = -(-len(models) // columns)
    figure, axes = canvas(rows, columns, height=0.85 + 2.4 * rows, sharex=True, sharey=True)
    panels = list(chain.from_iterable(axes))
    ends = [end for variant in data.variants if (row := get(variant)) for end in (row["low"], row["high"]) if end]
    low, high = min([*values, *ends]), max([*values, *ends])
    lost_anywhere = False
    for panel, model in zip(panels, models, strict=False):
        panel.set_yscale("log")
        _dose_panel(panel, data, model, get, None)
        lost = [v for v in data.of_model(model) if _not_finite(v, get(v))]
        _crosses(panel, data, lost)
        lost_anywhere |= bool(lost)
        panel.set_ylim(low / (high / low) ** 0.06 / 1.02, high * (high / low) ** 0.14 * 1.02)
        panel.yaxis.set_major_locator(LogLocator(subs=(1.0,) if high / low > 30 else (1.0, 2.0, 5.0)))
        panel.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:,g}" if y < 1e6 else f"{y:.0e}"))
        panel.yaxis.set_minor_formatter(NullFormatter())
        panel.set_ylabel("perplexity")
        panel.set_xlabel("achieved sparsity of the pruned linears")
        panel.tick_params(labelbottom=True)
        _panel_title(panel, data, model, "")
    for panel in panels[len(models) :]:
        panel.set_visible(False)
    _legend(figure, data, said, extra=[_cross("not finite")] if lost_anywhere else [], hollow=False)
    return Figure(name, title, _perplexity_caption(data, get), alt, figure)


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
                    said = "not measured" if found is None else NO_PARSED if _unread(found) else "no value"
                    panel.text(0.01, place, said, color=_GREY, va="center", transform=panel.get_yaxis_transform())
                    continue
                readable = data.state(variant, readout).readable
                _beside_floor(panel, place, found, looks[variant.method], readable=readable)
            panel.set_ylim(len(variants) - 0.4, -0.6)
            panel.set_yticks(range(len(variants)), [_variant_name(v) for v in variants])
            # Ticks are whole per cent; an axis narrower than this would repeat them.
            panel.set_xlim(0, max(0.05, _widest(data, panels[column]) * 1.08))
            panel.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
            panel.grid(visible=False, axis="y")
            panel.locator_params(axis="x", nbins=4)
            kind = "paper's" if metric.endswith("paper") else readout
            _panel_title(panel, data, model if column == 0 else None, kind)
            if row == len(models) - 1:
                panel.set_xlabel("became biased")
    handles = [
        Line2D([], [], marker="o", color="#333333", label="variant (colour and marker: its method)"),
        Line2D([], [], marker="|", color=_GREY, markersize=11, markeredgewidth=2, linestyle="", label="floor"),
        Patch(facecolor="#bbbbbb", alpha=0.55, label="floor's interval"),
        Line2D(
            [], [], marker="o", color="#333333", markerfacecolor=BROKEN_FACE, linestyle="", label="broken or guessing"
        ),
    ]
    figure.legend(
        handles=handles, loc="outside upper center", ncols=4, frameon=False, columnspacing=1.2, handletextpad=0.5
    )
    return Figure(name, title, _floor_caption(data), alt, figure)


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
    totals = data.letters.group_by("variant", "readout").agg(pl.col("answers", *(part for part, *_ in parts)).sum())
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
                    panel.text(0.01, place, "not run", color=_GREY, va="center")
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
            panel.set_yticks(range(len(variants)), [_variant_name(v) for v in variants])
            panel.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
            panel.grid(visible=False, axis="y")
            for third in (1 / 3, 2 / 3):
                panel.axvline(third, color="black", linewidth=0.7, linestyle=":")
            _panel_title(panel, data, model if column == 0 else None, READOUT_TITLES[readout])
            if row == len(models) - 1:
                panel.set_xlabel("share of answers")
    used = [part for part in parts if totals[part[0]].sum()]
    handles = [Patch(facecolor=colour, hatch=hatch, edgecolor="white", label=label) for _, label, colour, hatch in used]
    figure.legend(handles=handles, loc="outside upper center", ncols=6, frameon=False, columnspacing=1.2)
    return Figure(name, title, _letters_caption(data, found), alt, figure)


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
                (_variant_name(v, between="\n"), shares[v.key, False, readout])
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


FIGURES: dict[str, Callable[[ReportData], Figure]] = {
    "srs": partial(dose, metric="srs"),
    "usr": partial(dose, metric="usr"),
    "diff_bias_ambig": partial(dose, metric="diff_bias_ambig"),
    "perplexity": perplexity,
    "became_biased": became_biased,
    "letters": letters,
    "transitions": transitions,
}
"""The figures, in the order of the page."""


# ---- parts of panels ------------------------------------------------------------------------------------------------


def _dose_panel(
    panel: Axes, data: ReportData, model: str, get: Callable[[Variant], Row | None], readout: str | None
) -> None:
    """One line per series, intervals on every marker, dense as a dashed line with its band."""
    dense = get(data.dense_of(model))
    if measured(dense):
        panel.axhline(dense["value"], color=DENSE_STYLE.colour, linewidth=1.1, linestyle=(0, (5, 2)), zorder=2)
        if dense["low"] is not None and dense["high"] is not None:
            panel.axhspan(dense["low"], dense["high"], color="#bbbbbb", alpha=0.4, linewidth=0, zorder=1)
    looks = styles(v.method for v in data.variants)
    asides = _asides(data, model)
    seen: dict[str, int] = {}
    for variants in series_of(data, model).values():
        method = variants[0].method
        line = seen[method] = seen.get(method, -1) + 1
        points = [(v, row) for v in variants if measured(row := get(v))]
        if not points:
            continue
        x = [(v.axis or 0.0) + asides[v.key] for v, _ in points]
        y = [row["value"] for _, row in points]
        look = looks[method]
        panel.plot(x, y, color=look.colour, linewidth=1.2, linestyle=LINES[line % len(LINES)], zorder=3)
        for variant, row in points:
            at = variant.axis or 0.0
            transform = _shifted(asides[variant.key], panel.transData)
            if row["low"] is not None and row["high"] is not None:
                panel.plot(
                    [at, at], [row["low"], row["high"]], color=look.colour, linewidth=1.6, transform=transform, zorder=3
                )
            readable = readout is None or data.state(variant, readout).readable
            panel.plot(
                [at],
                [row["value"]],
                color=look.colour,
                marker=look.marker,
                markersize=6,
                markeredgewidth=1.3,
                markerfacecolor=look.colour if readable else BROKEN_FACE,
                linestyle="",
                transform=transform,
                zorder=4,
            )
    panel.set_xlim(0, _width(data))
    panel.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    panel.locator_params(axis="x", nbins=6)


def _width(data: ReportData) -> float:
    """Where the axis of achieved sparsity ends, in every panel."""
    return max(0.1, min(1.0, max(v.axis or 0.0 for v in data.variants))) * 1.07


def _asides(data: ReportData, model: str) -> dict[str, float]:
    """How far each marker is set aside, in units of the axis: only those at the same place, and none past another."""
    width = _width(data)
    points = sorted(
        (v.axis or 0.0, place, v.key)
        for place, variants in enumerate(series_of(data, model).values())
        for v in variants
    )
    groups: list[list[tuple[float, int, str]]] = []
    for point in points:
        if groups and point[0] - groups[-1][-1][0] <= _SAME * width:
            groups[-1].append(point)
        else:
            groups.append([point])
    found = {}
    ends = [0.0, *(group[-1][0] for group in groups)]
    starts = [*(group[0][0] for group in groups[1:]), math.inf]
    for group, before, after in zip(groups, ends, starts, strict=False):
        room = 0.45 * min(group[0][0] - before, after - group[-1][0])
        half = min(_APART * width * (len(group) - 1) / 2, _ASIDE * width, room)
        for place, (_, _, key) in enumerate(group):
            found[key] = half * (2 * place / (len(group) - 1) - 1) if len(group) > 1 else 0.0
    return found


def _shifted(aside: float, transform: Transform) -> Any:
    return Affine2D().translate(aside, 0) + transform


def _crosses(panel: Axes, data: ReportData, variants: Sequence[Variant]) -> None:
    """A cross at the top for each of these that was made: there is no value to draw."""
    looks = styles(v.method for v in data.variants)
    for variant in variants:
        if variant.axis is None:
            continue
        panel.plot(
            [variant.axis],
            [0.96],
            transform=_shifted(_asides(data, variant.model).get(variant.key, 0.0), panel.get_xaxis_transform()),
            color=looks[variant.method].colour,
            clip_on=False,
            **_CROSS,
        )


_CROSS: dict[str, Any] = {"marker": "x", "markersize": 7, "markeredgewidth": 2, "linestyle": ""}


def _cross(label: str) -> Line2D:
    return Line2D([], [], color=_GREY, label=label, **_CROSS)


def _not_finite(variant: Variant, perplexity: Row | None) -> bool:
    return perplexity is not None and perplexity["value"] is None and variant.complete(TEXT)


def _unread(row: Row | None) -> bool:
    return row is not None and row["note"] == NO_PARSED


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
        panel.plot([row["floor"]], [place], marker="|", color=_GREY, markersize=11, markeredgewidth=2, zorder=3)
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
    ends = [*rows["high"].drop_nulls(), *rows["floor_high"].drop_nulls()]
    return max(ends, default=0.1)


def _legend(
    figure: Canvas, data: ReportData, metric: Metric, *, extra: Sequence[Line2D] = (), hollow: bool = True
) -> None:
    looks = styles(v.method for v in data.variants)
    handles = [Line2D([], [], color="black", linestyle=(0, (5, 2)), label="dense, with its interval")]
    lines: dict[str, list[str]] = {}
    for model in data.models:
        for name, variants in series_of(data, model).items():
            known = lines.setdefault(variants[0].method, [])
            if name not in known:
                known.append(name)
    for method, names in lines.items():
        for place, name in enumerate(names):
            look = looks[method]
            handles.append(
                Line2D(
                    [],
                    [],
                    color=look.colour,
                    marker=look.marker,
                    linestyle=LINES[place % len(LINES)],
                    label=fmt.shorten(method if len(names) == 1 else name, 44),
                )
            )
    if hollow:
        handles.append(
            Line2D(
                [], [], marker="o", color=_GREY, markerfacecolor=BROKEN_FACE, linestyle="", label="broken or guessing"
            )
        )
    if metric.guess is not None:
        handles.append(Line2D([], [], color=_GREY, linestyle=":", label="a model that guesses"))
    handles += extra
    longest = max(len(str(handle.get_label())) for handle in handles)
    figure.legend(
        handles=handles,
        loc="outside upper center",
        ncols=min(len(handles), 6 if len(handles) * longest < 90 else 4 if longest < 26 else 2),
        frameon=False,
        columnspacing=1.2,
        handletextpad=0.5,
    )


def _reference(panel: Axes, metric: Metric, low: float, high: float) -> None:
    if metric.guess is not None and low <= metric.guess <= high:
        panel.axhline(metric.guess, color=_GREY, linewidth=1, linestyle=":", zorder=1.5)


def _panel_title(panel: Axes, data: ReportData, model: str | None, what: str) -> None:
    name = fmt.shorten(data.models[model], _NAME_LENGTH) if model is not None and len(data.models) > 1 else ""
    if name and what:
        panel.set_title(f"{name}\n{what}", fontsize=9)
    else:
        panel.set_title(name or what, fontsize=9)


def _limits(rows: Sequence[Row | None], metric: Metric) -> tuple[float, float]:
    ends = [end for row in rows if measured(row) for end in (row["low"], row["value"], row["high"])]
    ends = [end for end in ends if end is not None]
    low, high = min(ends), max(ends)
    if metric.range[0] < 0:
        low, high = min(low, 0.0), max(high, 0.0)
    pad = 0.06 * max(high - low, 0.05)
    return low - pad, high + pad


def _ambiguous(data: ReportData, metric: str, variant: Variant, readout: str) -> Row | None:
    return data.metric(variant, metric, readout=readout, condition="ambig")


def _variant_name(variant: Variant, *, between: str = " ") -> str:
    label = fmt.shorten(variant.label, 22)
    return label if variant.dense else f"{label}{between}({fmt.sparsity(variant.achieved)})"


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


# ---- captions -------------------------------------------------------------------------------------------------------


def _dose_caption(data: ReportData, metric: Metric, get: Callable[[Variant, str], Row | None]) -> tuple[str, ...]:
    readout = data.main_readout
    parts = []
    for model, name in data.models.items():
        whose = f"{name}, {readout}" if len(data.models) > 1 else f"{readout.capitalize()} readout"
        dense = get(data.dense_of(model), readout)
        found = [(v, row) for v in data.of_model(model) if not v.dense and measured(row := get(v, readout))]
        if not measured(dense):
            parts.append(f"{whose}: the dense model has no value, so nothing can be compared.")
            continue
        readable = [(v, row) for v, row in found if data.state(v, readout).readable]
        apart = [v for v, row in readable if _apart(dense, row)]
        text = f"{whose}: dense {fmt.estimate(dense, metric)}. "
        if readable:
            far = max(readable, key=lambda pair: abs(pair[1]["value"] - dense["value"]))
            text += (
                f"Of {_variants(len(readable))} that can be read, {len(apart)} "
                f"{'has' if len(apart) == 1 else 'have'} an interval that does not touch dense's; furthest "
                f"away is {far[0].label} (achieved "
                f"{fmt.sparsity(far[0].achieved)}) with {fmt.estimate(far[1], metric)}."
            )
        else:
            text += "No variant can be read."
        if hollow := [v.label for v, _ in found if not data.state(v, readout).readable]:
            text += f" Not evidence about bias (hollow): {_listed(hollow)}."
        if lost := [v.label for v in data.of_model(model) if _unread(get(v, readout))]:
            text += f" No answer could be read (cross): {_listed(lost)}."
        parts.append(text)
    parts.append(
        "Intervals take items as independent and are too narrow where items share a template. Markers at the same "
        "achieved sparsity are set apart sideways by a hair."
    )
    return tuple(parts)


def _perplexity_caption(data: ReportData, get: Callable[[Variant], Row | None]) -> tuple[str, ...]:
    metric = METRICS["perplexity"]
    parts = []
    for model, name in data.models.items():
        whose = f"{name}: dense " if len(data.models) > 1 else "Dense "
        dense = get(data.dense_of(model))
        if dense is None or dense["value"] is None:
            parts.append(f"{whose}has no finite perplexity.")
            continue
        text = f"{whose}{fmt.estimate(dense, metric)}"
        found = [
            (v, row["value"] / dense["value"])
            for v in data.of_model(model)
            if not v.dense and (row := get(v)) is not None and row["value"] is not None
        ]
        if found:
            least, most = min(found, key=lambda pair: pair[1]), max(found, key=lambda pair: pair[1])
            text += (
                f"; least changed is {least[0].label} ({fmt.significant(least[1])} times dense), most "
                f"{most[0].label} ({fmt.significant(most[1])} times)"
            )
        lost = [v.label for v in data.of_model(model) if _not_finite(v, get(v))]
        text += f"; no finite value: {_listed(lost)}." if lost else "."
        parts.append(text)
    return (*parts, f"Protocol: {(data.plan['text'] or {}).get('protocol')}.")


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
        above = [_called(data, v) for v, row in readable if row["low"] > (row["floor_high"] or row["floor"])]
        metric = METRICS["became_biased"]
        floors = sorted({fmt.value(row["floor"], metric) for _, row in with_floor})
        parts.append(
            f"In the {readout} readout {len(above)} of {_variants(len(readable))} that can be read lie above their "
            f"floor ({_listed(floors)}), intervals not touching{': ' + _listed(above) if above else ''}. "
            + ("The others cannot be told from asking the dense model twice." if len(above) < len(readable) else "")
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


def _letters_caption(data: ReportData, found: dict[tuple[str, str], Row]) -> tuple[str, ...]:
    broken = [
        f"{_called(data, v)} ({readout})"
        for v in data.variants
        for readout in data.readouts
        if data.state(v, readout).name == BROKEN
    ]
    unread = {key: (row["unparsed"] + row["nonfinite"]) / row["answers"] for key, row in found.items()}
    worst = max(unread, key=lambda key: unread[key])
    variant = next(v for v in data.variants if v.key == worst[0])
    return (
        f"Broken, so that no other number of theirs means what it is called: {_listed(broken)}."
        if broken
        else "No variant is broken.",
        f"Most answers that could not be read: {fmt.percent(unread[worst])} ({_called(data, variant)}, {worst[1]}).",
        "Dotted lines are thirds, where the borders stand if no letter is preferred.",
    )


def _transitions_caption(
    data: ReportData, lines: Sequence[tuple[str, str, Sequence[tuple[str, dict[tuple[str, str], float]]]]]
) -> tuple[str, ...]:
    parts = []
    for model, readout, shown in lines:
        whose = f"{data.models[model]}, {readout}" if len(data.models) > 1 else f"{readout.capitalize()} readout"
        stayed = [
            f"{fmt.clean(label)}: {fmt.percent(sum(share.get((a, a), 0.0) for a in MOVES))}" for label, share in shown
        ]
        parts.append(f"{whose}: unchanged outcomes (the diagonal) {_listed(stayed, limit=6)}.")
    return (
        *parts,
        "Each cell is a share of all ambiguous items with roles; where there is a floor, only what exceeds it is "
        "change.",
    )


def _apart(dense: Row, row: Row) -> bool:
    if dense["low"] is None or row["low"] is None:
        return False
    return bool(row["low"] > dense["high"] or row["high"] < dense["low"])


def _called(data: ReportData, variant: Variant) -> str:
    return f"{data.models[variant.model]} {variant.label}" if len(data.models) > 1 else variant.label


def _variants(number: int) -> str:
    return "1 variant" if number == 1 else f"{number} variants"


def _listed(names: Sequence[str], *, limit: int = 12) -> str:
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"
