"""Stereotype or damage: change of bias against KL from dense, pruned variants beside placebos."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from secateur.metrics.catalogue import METRICS
from secateur.report import format as fmt
from secateur.report.data import ReportData, Variant, measured, value_of
from secateur.report.figure import Figure, Style, canvas
from secateur.report.figures.parts import Point, draw_series, legend, listed, marker, panel_title
from secateur.report.placebo import NOTHING_MATCHED, matched_counts

if TYPE_CHECKING:
    from matplotlib.axes import Axes

METRICS_SHOWN = {"diff_bias_ambig": "diff-bias", "usr_all": "unknown rate"}
"""Metrics of ambiguous items whose change is drawn, and what they are called on an axis."""

_PLACEBO = Style("#555555", "d")


def matched(data: ReportData) -> Figure:
    """Change from dense against KL from dense, with clustered intervals: a row per model, a panel per metric."""
    name, title = "matched", "Stereotype or damage: changes against KL from dense"
    alt = (
        "Change of diff-bias and of the unknown rate against KL from dense on a logarithmic axis, one line per method "
        "and a grey one for the dense model with noise, with intervals; dense is a dashed line at no change."
    )
    get = partial(_point, data)
    drawn = [v for v in data.everything if any(get(v, metric) for metric in METRICS_SHOWN)]
    if not data.matched.height or not drawn:
        return Figure(name, title, (), alt, None, NOTHING_MATCHED)
    models = [model for model in data.models if any(v.model == model for v in drawn)]
    figure, axes = canvas(len(models), len(METRICS_SHOWN), height=0.95 + 2.7 * len(models), sharex=True, sharey="col")
    for row, model in enumerate(models):
        for column, metric in enumerate(METRICS_SHOWN):
            panel = axes[row][column]
            panel.set_xscale("log")
            panel.axhline(0, color="black", linewidth=1.1, linestyle=(0, (5, 2)), zorder=2)
            _draw_placebos(panel, [v for v in data.placebos if v.model == model], partial(get, metric=metric))
            draw_series(panel, data, model, partial(get, metric=metric), mean_x=_geometric)
            panel.xaxis.set_major_locator(LogLocator(numticks=6))
            panel.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
            panel.xaxis.set_minor_formatter(NullFormatter())
            panel.yaxis.set_major_formatter(FuncFormatter(lambda y, _: fmt.points(y)))
            panel.set_ylabel(f"{METRICS_SHOWN[metric]} \u2212 dense (points)")
            panel_title(panel, data, model if column == 0 else None, METRICS_SHOWN[metric])
            if row == len(models) - 1:
                panel.set_xlabel("KL from dense (nats per token)")
    noise = Line2D([], [], color=_PLACEBO.colour, marker=_PLACEBO.marker, label="placebo: dense with noise")
    legend(figure, data, dense="dense", extra=[noise] if data.placebos else [])
    return Figure(name, title, _caption(data, drawn), alt, figure)


def _point(data: ReportData, variant: Variant, metric: str) -> Point | None:
    kl = value_of(data.metric(variant, "kl", readout="text"))
    change = data.change(variant, metric, readout=data.main_readout)
    if not kl or not measured(change):
        return None
    return Point(variant, kl, 0.0, change, data.state(variant, data.main_readout).readable)


def _geometric(values: Sequence[float]) -> float:
    return float(np.exp(np.mean(np.log(values))))


def _draw_placebos(panel: Axes, placebos: Sequence[Variant], get: Callable[[Variant], Point | None]) -> None:
    """Every placebo, and a line through the mean of the seeds of each strength."""
    points = [point for variant in placebos if (point := get(variant)) is not None]
    strengths: dict[float, list[Point]] = {}
    for point in sorted(points, key=lambda one: one.variant.strength or 0.0):
        strengths.setdefault(point.variant.strength or 0.0, []).append(point)
    x = [_geometric([one.x for one in group]) for group in strengths.values()]
    y = [float(np.mean([one.row["value"] for one in group])) for group in strengths.values()]
    panel.plot(x, y, color=_PLACEBO.colour, linewidth=1.2, zorder=2.5)
    for point in points:
        marker(panel, _PLACEBO, point, size=4.5)


def _caption(data: ReportData, drawn: Sequence[Variant]) -> tuple[str, ...]:
    parts = []
    for row in matched_counts(data).frame.iter_rows(named=True):
        if row["metric"] not in METRICS_SHOWN or row["kind"] != "placebo":
            continue
        whose = f"{row['model']}: " if len(data.models) > 1 else ""
        parts.append(
            f"{whose}{METRICS[row['metric']].title} beside {row['reference']} at the same KL: of {row['compared']} "
            f"variants that can be read and have a match, {row['holm']} differ after Holm "
            f"({row['more']} with more, {row['less']} with less)."
        )
    unread = [v.label for v in drawn if not data.state(v, data.main_readout).readable]
    parts.append(
        f"{data.main_readout.capitalize()} readout, ambiguous items. The grey line is a mean of few seeds, and lines "
        "are apart somewhere by chance: only where a difference holds after Holm, in the table, is a change not what "
        "random damage of the same KL does. Intervals are paired by item and clustered by template."
        + (f" Hollow, no evidence about bias: {listed(unread)}." if unread else "")
    )
    return tuple(parts)
