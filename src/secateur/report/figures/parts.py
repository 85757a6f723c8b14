"""Parts that several figures share: panels, markers, legends, and words for captions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter
from matplotlib.transforms import Affine2D, Transform

from secateur.metrics.counts import NO_PARSED
from secateur.metrics.metric import Metric
from secateur.records.answers import LETTER, SAMPLED
from secateur.report import format as fmt
from secateur.report.data import TEXT, ReportData, Row, Variant, measured
from secateur.report.figure import BROKEN_FACE, DENSE_STYLE, Style, series_of, styles

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

READOUT_TITLES = {LETTER: "letter readout", SAMPLED: "sampled readout"}

_NAME_LENGTH = 34
# Of the width of a panel: what counts as the same place, how far apart markers there are set so that intervals do not
# hide each other, and how far to each side at most.
_SAME, _APART, _ASIDE = 0.002, 0.01, 0.03
# For each of many markers at one place.
_CROWDED = 0.0028
GREY = "#6b6b6b"
_SEED_SIZE = 3.2
# Characters: of a legend's whole width, and of what stands before each label.
_LEGEND, _HANDLE = 98, 6


PER_CENT = FuncFormatter(lambda share, _: f"{round(100 * share, 6):g}%")
"""Labels of an axis of shares, with as many digits as its ticks have: two ticks never read the same."""


class Point(NamedTuple):
    """A variant in a panel.

    Args:
        variant: Which.
        x: Where it truly stands.
        aside: How far it is set aside from there, in units of the axis.
        row: Its value, low and high; all in the axis' units.
        readable: Whether the number says what it is called.
    """

    variant: Variant
    x: float
    aside: float
    row: Row
    readable: bool


def unplaced(data: ReportData) -> str:
    """Why nothing can be drawn against sparsity, if pruned variants have answers but none has a place; else empty.

    So it is with imported variants of which only the name is known.
    """
    pruned = [variant for variant in data.variants if not variant.dense and variant.have]
    return "no variant's sparsity is known" if pruned and all(variant.axis is None for variant in pruned) else ""


def dose_panel(
    panel: Axes, data: ReportData, model: str, get: Callable[[Variant], Row | None], readout: str | None
) -> None:
    """One line per series, intervals on every marker, dense as a dashed line with its band."""
    base = get(data.dense_of(model))
    if measured(base):
        panel.axhline(base["value"], color=DENSE_STYLE.colour, linewidth=1.1, linestyle=(0, (5, 2)), zorder=2)
        if base["low"] is not None and base["high"] is not None:
            panel.axhspan(base["low"], base["high"], color="#bbbbbb", alpha=0.4, linewidth=0, zorder=1)
    aside = asides(data, model)

    def point(variant: Variant) -> Point | None:
        row = get(variant)
        if not measured(row):
            return None
        readable = readout is None or data.state(variant, readout).readable
        return Point(variant, variant.axis or 0.0, aside[variant.key], row, readable)

    draw_series(panel, data, model, point)
    panel.set_xlim(0, width(data))
    panel.xaxis.set_major_formatter(PER_CENT)
    panel.locator_params(axis="x", nbins=6)


def draw_series(
    panel: Axes,
    data: ReportData,
    model: str,
    point: Callable[[Variant], Point | None],
    *,
    mean_x: Callable[[Sequence[float]], float] = lambda x: float(np.mean(x)),
) -> None:
    """A line per series of a model, through the mean of its seeds where there are several.

    Args:
        panel: Where.
        data: The report's.
        model: Which.
        point: Where a variant stands; ``None`` leaves it out.
        mean_x: Of the places of several seeds of one level.
    """
    looks = styles(v.method for v in data.variants)
    seen: dict[str, int] = {}
    for variants in series_of(data, model).values():
        look = looks[variants[0].method]
        line = seen[variants[0].method] = seen.get(variants[0].method, -1) + 1
        points = [found for variant in variants if (found := point(variant)) is not None]
        levels: dict[float | None, list[Point]] = {}
        for one in points:
            levels.setdefault(one.variant.nominal, []).append(one)
        several = any(len(group) > 1 for group in levels.values())
        x = [mean_x([one.x + one.aside for one in group]) for group in levels.values()]
        y = [float(np.mean([one.row["value"] for one in group])) for group in levels.values()]
        panel.plot(x, y, color=look.colour, linewidth=1.2, linestyle=look.lines(line), zorder=3)
        for one in points:
            marker(panel, look, one, size=_SEED_SIZE if several else 6.0)
        if several:
            for at, value, group in zip(x, y, levels.values(), strict=True):
                face = look.colour if any(one.readable for one in group) else BROKEN_FACE
                panel.plot([at], [value], color=look.colour, marker=look.marker, markerfacecolor=face, **_MEAN)


_MEAN: dict[str, Any] = {"markersize": 6, "markeredgewidth": 1.3, "linestyle": "", "zorder": 4}


def marker(panel: Axes, look: Style, point: Point, *, size: float) -> None:
    """One variant, with its interval; hollow if it is not readable."""
    row = point.row
    transform = shifted(point.aside, panel.transData)
    if row["low"] is not None and row["high"] is not None:
        ends = [row["low"], row["high"]]
        panel.plot([point.x] * 2, ends, color=look.colour, linewidth=1.6 * size / 6, transform=transform, zorder=3)
    panel.plot(
        [point.x],
        [row["value"]],
        color=look.colour,
        marker=look.marker,
        markersize=size,
        markeredgewidth=1.3 * size / 6,
        markerfacecolor=look.colour if point.readable else BROKEN_FACE,
        linestyle="",
        transform=transform,
        zorder=4,
    )


def width(data: ReportData) -> float:
    """Where the axis of achieved sparsity ends, in every panel."""
    return max(0.1, min(1.0, max(v.axis or 0.0 for v in data.variants))) * 1.07


def asides(data: ReportData, model: str) -> dict[str, float]:
    """How far each marker is set aside, in units of the axis: only those at the same place, and none past another."""
    across = width(data)
    points = sorted(
        (v.axis or 0.0, place, v.key)
        for place, variants in enumerate(series_of(data, model).values())
        for v in variants
    )
    groups: list[list[tuple[float, int, str]]] = []
    for point in points:
        if groups and point[0] - groups[-1][-1][0] <= _SAME * across:
            groups[-1].append(point)
        else:
            groups.append([point])
    found = {}
    ends = [0.0, *(group[-1][0] for group in groups)]
    starts = [*(group[0][0] for group in groups[1:]), math.inf]
    for group, before, after in zip(groups, ends, starts, strict=False):
        room = 0.45 * min(group[0][0] - before, after - group[-1][0])
        half = min(_APART * across * (len(group) - 1) / 2, max(_ASIDE, _CROWDED * len(group)) * across, room)
        for place, (_, _, key) in enumerate(group):
            found[key] = half * (2 * place / (len(group) - 1) - 1) if len(group) > 1 else 0.0
    return found


def shifted(aside: float, transform: Transform) -> Any:
    """The same place, moved by so much of the first axis."""
    return Affine2D().translate(aside, 0) + transform


def crosses(panel: Axes, data: ReportData, variants: Sequence[Variant]) -> None:
    """A cross at the top for each of these that was made: there is no value to draw."""
    looks = styles(v.method for v in data.variants)
    for variant in variants:
        if variant.axis is None:
            continue
        panel.plot(
            [variant.axis],
            [0.96],
            transform=shifted(asides(data, variant.model).get(variant.key, 0.0), panel.get_xaxis_transform()),
            color=looks[variant.method].colour,
            clip_on=False,
            **CROSS,
        )


CROSS: dict[str, Any] = {"marker": "x", "markersize": 7, "markeredgewidth": 2, "linestyle": ""}


def cross(label: str) -> Line2D:
    """A cross for the legend."""
    return Line2D([], [], color=GREY, label=label, **CROSS)


def not_finite(variant: Variant, perplexity: Row | None) -> bool:
    """Whether the whole text was read, here or elsewhere, and gave no finite perplexity."""
    return perplexity is not None and perplexity["value"] is None and (variant.complete(TEXT) or bool(variant.source))


def unread(row: Row | None) -> bool:
    """Whether no answer could be read."""
    return row is not None and row["note"] == NO_PARSED


def legend(
    figure: Canvas,
    data: ReportData,
    metric: Metric | None = None,
    *,
    dense: str = "dense, with its interval",
    extra: Sequence[Artist] = (),
    hollow: bool = True,
) -> None:
    """What lines and markers mean, above the panels."""
    looks = styles(v.method for v in data.variants)
    handles: list[Artist] = [Line2D([], [], color="black", linestyle=(0, (5, 2)), label=dense)] if dense else []
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
                    linestyle=look.lines(place),
                    label=fmt.shorten(method if len(names) == 1 else name, 44),
                )
            )
    if hollow:
        handles.append(
            Line2D(
                [], [], marker="o", color=GREY, markerfacecolor=BROKEN_FACE, linestyle="", label="broken or guessing"
            )
        )
    if metric is not None and metric.guess is not None:
        handles.append(Line2D([], [], color=GREY, linestyle=":", label="a model that guesses"))
    if any(v.seed != w.seed and v.series == w.series for v, w in pairwise(data.variants)):
        handles.append(
            Line2D([], [], marker="o", color=GREY, markersize=_SEED_SIZE, linestyle="", label="single seeds")
        )
    handles += extra
    figure.legend(
        handles=handles,
        loc="outside upper center",
        ncols=legend_columns([str(handle.get_label()) for handle in handles]),
        frameon=False,
        columnspacing=1.2,
        handletextpad=0.5,
    )


def legend_columns(labels: Sequence[str]) -> int:
    """How many columns of a legend fit side by side, rows about equally full."""
    for rows in range(1, len(labels) + 1):
        columns = -(-len(labels) // rows)
        # A legend fills column by column; a column is as wide as its longest label.
        widest = [max(map(len, labels[start : start + rows])) for start in range(0, len(labels), rows)]
        if sum(widest) + _HANDLE * len(widest) <= _LEGEND:
            return columns
    return 1


def reference(panel: Axes, metric: Metric, low: float, high: float) -> None:
    """A line where a model that guesses stands."""
    if metric.guess is not None and low <= metric.guess <= high:
        panel.axhline(metric.guess, color=GREY, linewidth=1, linestyle=":", zorder=1.5)


def panel_title(panel: Axes, data: ReportData, model: str | None, what: str, *, length: int = _NAME_LENGTH) -> None:
    """The model, where there are several, above what is shown of it."""
    name = _short_name(data, model, length) if model is not None and len(data.models) > 1 else ""
    if name and what:
        panel.set_title(f"{name}\n{what}", fontsize=9)
    else:
        panel.set_title(name or what, fontsize=9)


def _short_name(data: ReportData, model: str, length: int) -> str:
    """The model's name, without what stands before the last slash if it is too long and the rest says enough."""
    name = data.models[model]
    ends = [other.rsplit("/", 1)[-1] for other in data.models.values()]
    end = name.rsplit("/", 1)[-1]
    return fmt.shorten(end if len(name) > length and end and ends.count(end) == 1 else name, length)


def limits(rows: Sequence[Row | None], metric: Metric) -> tuple[float, float]:
    """Ends of an axis that shows all values and intervals."""
    ends = [end for row in rows if measured(row) for end in (row["low"], row["value"], row["high"])]
    ends = [end for end in ends if end is not None]
    low, high = min(ends), max(ends)
    if metric.range[0] < 0:
        low, high = min(low, 0.0), max(high, 0.0)
    pad = 0.06 * max(high - low, 0.05)
    return low - pad, high + pad


def variant_name(variant: Variant, *, between: str = " ") -> str:
    """A variant with its achieved sparsity, short."""
    label = fmt.shorten(variant.label, 22)
    return label if variant.dense else f"{label}{between}({fmt.sparsity(variant.achieved)})"


def apart(dense: Row | None, row: Row | None) -> bool:
    """Whether two intervals do not touch."""
    if not measured(dense) or not measured(row) or dense["low"] is None or row["low"] is None:
        return False
    return bool(row["low"] > dense["high"] or row["high"] < dense["low"])


def called(data: ReportData, variant: Variant) -> str:
    """A variant, with its model where there are several."""
    return f"{data.models[variant.model]} {variant.label}" if len(data.models) > 1 else variant.label


def variants_in_words(number: int) -> str:
    """How many."""
    return "1 variant" if number == 1 else f"{number} variants"


def listed(names: Sequence[str], *, limit: int = 12) -> str:
    """Names with commas, at most ``limit`` of them."""
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"
