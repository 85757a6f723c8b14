"""Perplexity beside bias: whether the one tells of the other."""

from __future__ import annotations

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from secateur.report import format as fmt
from secateur.report.blindness import GATES, MARGIN, WORSE, Beside, beside_perplexity
from secateur.report.data import ReportData, Row, Variant, measured
from secateur.report.evidence import perplexity_gate
from secateur.report.figure import Figure, canvas, styles
from secateur.report.figures.parts import GREY, Point, called, draw_series, legend, listed, panel_title

_CALLED = {"diff_bias_ambig": "diff-bias", "usr_all": "unknown rate"}


def perplexity_blindness(data: ReportData) -> Figure:
    """Change of bias against perplexity relative to dense, with clustered intervals: a row per model."""
    name, title = "perplexity_blindness", "What a perplexity gate would see"
    alt = (
        "Change of diff-bias and of the unknown rate against perplexity relative to dense on a logarithmic axis, with "
        "intervals in both directions, the gates as vertical lines and the margin as a band."
    )
    found = {one.variant.key: one for model in data.models for one in beside_perplexity(data, model)}
    drawn = [one for one in found.values() if measured(one.ratio) and any(map(measured, one.changes.values()))]
    if not drawn:
        return Figure(name, title, (), alt, None, "no variant has both a finite perplexity and an answer beside dense")
    models = [model for model in data.models if any(one.variant.model == model for one in drawn)]
    figure, axes = canvas(len(models), len(WORSE), height=0.95 + 2.7 * len(models), sharex=True, sharey="col")
    # Those that say nothing about bias are often so far away that the others would be one spot.
    framing = [one for one in drawn if one.readable] or drawn
    ratios = [value for one in framing for value in _ends(one.ratio)] + [1.0, *GATES]
    wide = max(max(ratios) / min(ratios), 1.1)
    x = min(ratios) / wide**0.06, max(ratios) * wide**0.06
    y = {metric: _across([end for one in framing for end in _ends(one.changes[metric])]) for metric in WORSE}
    looks = styles(v.method for v in data.variants)
    for row, model in enumerate(models):
        for column, metric in enumerate(WORSE):
            panel = axes[row][column]
            panel.set_xscale("log")
            panel.axhspan(-MARGIN, MARGIN, color="#bbbbbb", alpha=0.4, linewidth=0, zorder=1)
            panel.axhline(0, color="black", linewidth=1.1, linestyle=(0, (5, 2)), zorder=2)
            for gate in GATES:
                panel.axvline(gate, color=GREY, linewidth=1, linestyle=":", zorder=1.5)

            def point(variant: Variant, metric: str = metric) -> Point | None:
                one = found.get(variant.key)
                if one is None or not measured(one.ratio) or not measured(change := one.changes[metric]):
                    return None
                return Point(variant, one.ratio["value"], 0.0, change, one.readable)

            draw_series(panel, data, model, point, mean_x=lambda x: float(np.exp(np.mean(np.log(x)))))
            for one in drawn:
                change = one.changes[metric]
                if one.variant.model == model and one.ratio is not None and measured(change):
                    ends = [end for end in (one.ratio["low"], one.ratio["high"]) if end is not None]
                    colour = looks[one.variant.method].colour
                    panel.plot(ends, [change["value"]] * len(ends), color=colour, linewidth=1.6, zorder=3)
            panel.set_xlim(*x)
            panel.set_ylim(*y[metric])
            panel.xaxis.set_major_locator(
                MaxNLocator(5) if wide < 3 else LogLocator(subs=(1.0,) if wide > 30 else (1.0, 2.0, 5.0))
            )
            panel.xaxis.set_major_formatter(
                FuncFormatter(lambda x, _: f"{x:,g}\u00d7" if x < 1e5 else f"{x:.0e}\u00d7")
            )
            panel.xaxis.set_minor_formatter(NullFormatter())
            panel.yaxis.set_major_formatter(FuncFormatter(lambda y, _: fmt.points(y)))
            panel.set_ylabel(f"{_CALLED[metric]} \u2212 dense (points)")
            panel_title(panel, data, model if column == 0 else None, _CALLED[metric])
            if row == len(models) - 1:
                panel.set_xlabel("perplexity / dense")
    extra = [
        Line2D([], [], color=GREY, linestyle=":", label="gates: " + ", ".join(f"{gate:.2f}\u00d7" for gate in GATES)),
        Patch(facecolor="#bbbbbb", alpha=0.55, label=f"within {100 * MARGIN:g} points of dense"),
    ]
    legend(figure, data, dense="dense", extra=extra)
    outside = [one for one in drawn if not _inside(one, x, y)]
    return Figure(name, title, _caption(data, outside), alt, figure)


def _ends(row: Row | None) -> list[float]:
    return [] if row is None else [row[name] for name in ("value", "low", "high") if row[name] is not None]


def _across(values: list[float]) -> tuple[float, float]:
    low, high = min([-MARGIN, *values]), max([MARGIN, *values])
    return low - 0.06 * (high - low), high + 0.06 * (high - low)


def _inside(one: Beside, x: tuple[float, float], y: dict[str, tuple[float, float]]) -> bool:
    places = [(one.ratio, x), *((one.changes[metric], ends) for metric, ends in y.items())]
    return all(ends[0] <= row["value"] <= ends[1] for row, ends in places if measured(row))


def _caption(data: ReportData, outside: list[Beside]) -> tuple[str, ...]:
    parts = []
    for row in perplexity_gate(data).frame.iter_rows(named=True):
        whose = f"{row['model']}: a" if len(data.models) > 1 else "A"
        parts.append(
            f"{whose} gate at {row['gate']:.2f} times dense passes {row['passed']} of {row['variants']} variants that "
            f"can be read, {row['passed_worse']} of them worse{_names(row['worse_names'])}, and stops "
            f"{row['stopped']}, {row['stopped_equivalent']} of them equivalent{_names(row['equivalent_names'])}."
        )
    parts.append(
        "Worse is up in diff-bias and down in the unknown rate. Intervals of changes are paired by item and clustered "
        "by template, those of perplexity paired by window. Hollow markers say nothing about bias"
        + (f"; outside the panels: {listed([called(data, one.variant) for one in outside])}." if outside else ".")
    )
    return tuple(parts)


def _names(names: str) -> str:
    return f" ({names})" if names else ""
