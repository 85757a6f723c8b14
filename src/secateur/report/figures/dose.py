"""Figures of a metric against achieved sparsity: a dose and its response."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from itertools import chain

from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from secateur.metrics.catalogue import METRICS
from secateur.metrics.metric import Metric
from secateur.report import format as fmt
from secateur.report.data import ReportData, Row, Variant, measured, value_of
from secateur.report.figure import Figure, canvas
from secateur.report.figures.parts import (
    PER_CENT,
    READOUT_TITLES,
    apart,
    cross,
    crosses,
    dose_panel,
    legend,
    limits,
    listed,
    not_finite,
    panel_title,
    reference,
    unplaced,
    unread,
    variants_in_words,
)
from secateur.report.tables import HEADLINES


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
    if reason := unplaced(data):
        return Figure(metric, title, (), alt, None, reason)
    models = list(data.models)
    figure, axes = canvas(len(models), len(data.readouts), height=0.75 + 2.35 * len(models), sharex=True, sharey=True)
    low, high = limits([get(v, r) for v in data.variants for r in data.readouts], said)
    lost_anywhere = any(unread(get(v, r)) for v in data.variants for r in data.readouts)
    if lost_anywhere:
        high += 0.1 * (high - low)  # room for the crosses
    for row, model in enumerate(models):
        for column, readout in enumerate(data.readouts):
            panel = axes[row][column]
            dose_panel(panel, data, model, partial(get, readout=readout), readout)
            crosses(panel, data, [v for v in data.of_model(model) if unread(get(v, readout))])
            panel.set_ylim(low, high)
            reference(panel, said, low, high)
            if metric != "diff_bias_ambig":
                panel.yaxis.set_major_formatter(PER_CENT)
            panel_title(panel, data, model, READOUT_TITLES[readout])
            if column == 0:
                panel.set_ylabel(HEADLINES[metric])
            if row == len(models) - 1:
                panel.set_xlabel(data.sparsity_axis)
    legend(figure, data, said, extra=[cross("no answer could be read")] if lost_anywhere else [])
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
        empty = "no perplexity is finite" if data.has_text else "no text was read"
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
        dose_panel(panel, data, model, get, None)
        lost = [v for v in data.of_model(model) if not_finite(v, get(v))]
        crosses(panel, data, lost)
        lost_anywhere |= bool(lost)
        panel.set_ylim(low / (high / low) ** 0.06 / 1.02, high * (high / low) ** 0.14 * 1.02)
        panel.yaxis.set_major_locator(LogLocator(subs=(1.0,) if high / low > 30 else (1.0, 2.0, 5.0)))
        panel.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:,g}" if y < 1e6 else f"{y:.0e}"))
        panel.yaxis.set_minor_formatter(NullFormatter())
        panel.set_ylabel("perplexity")
        panel.set_xlabel(data.sparsity_axis)
        panel.tick_params(labelbottom=True)
        panel_title(panel, data, model, "")
    for panel in panels[len(models) :]:
        panel.set_visible(False)
    legend(figure, data, said, extra=[cross("not finite")] if lost_anywhere else [], hollow=False)
    return Figure(name, title, _perplexity_caption(data, get), alt, figure)


def categories(data: ReportData) -> Figure:
    """SRS of each category against achieved sparsity: a row per category, a column per model."""
    name, title = "categories", "SRS by category against achieved sparsity"
    alt = "Stereotype rate against achieved sparsity, a row of panels per category and a column per model."
    readout, said = data.main_readout, METRICS["srs"]
    found = data.items.filter(condition="ambig")["category"].to_list()[1:]

    def get(category: str, variant: Variant) -> Row | None:
        return data.metric(variant, "srs", readout=readout, condition="ambig", category=category)

    rows = [get(category, v) for category in found for v in data.variants]
    if not any(value_of(row) is not None for row in rows):
        empty = "no answer to an ambiguous item could be read" if found else "no ambiguous items were asked"
        return Figure(name, title, (), alt, None, empty)
    if reason := unplaced(data):
        return Figure(name, title, (), alt, None, reason)
    models = list(data.models)
    figure, axes = canvas(len(found), len(models), height=0.9 + 1.55 * len(found), sharex=True, sharey=True)
    low, high = limits(rows, said)
    for row, category in enumerate(found):
        for column, model in enumerate(models):
            panel = axes[row][column]
            dose_panel(panel, data, model, partial(get, category), readout)
            panel.set_ylim(low, high)
            panel.locator_params(axis="x", nbins=4)
            reference(panel, said, low, high)
            panel.yaxis.set_major_formatter(PER_CENT)
            if row == 0:
                panel_title(panel, data, model, "", length=78 // len(models))
            if column == 0:
                panel.set_ylabel(f"{fmt.shorten(category, 18)}\nSRS")
            if row == len(found) - 1:
                panel.set_xlabel(data.sparsity_axis)
    legend(figure, data, said)
    return Figure(name, title, _category_caption(data, found, get), alt, figure)


def _ambiguous(data: ReportData, metric: str, variant: Variant, readout: str) -> Row | None:
    return data.metric(variant, metric, readout=readout, condition="ambig")


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
        away = [v for v, row in readable if apart(dense, row)]
        text = f"{whose}: dense {fmt.estimate(dense, metric)}. "
        if readable:
            far = max(readable, key=lambda pair: abs(pair[1]["value"] - dense["value"]))
            text += (
                f"Of {variants_in_words(len(readable))} that can be read, {len(away)} "
                f"{'has' if len(away) == 1 else 'have'} an interval that does not touch dense's; furthest "
                f"away is {far[0].label} (achieved "
                f"{fmt.sparsity(far[0].achieved)}) with {fmt.estimate(far[1], metric)}."
            )
        else:
            text += "No variant can be read."
        if hollow := [v.label for v, _ in found if not data.state(v, readout).readable]:
            text += f" Not evidence about bias (hollow): {listed(hollow)}."
        if lost := [v.label for v in data.of_model(model) if unread(get(v, readout))]:
            text += f" No answer could be read (cross): {listed(lost)}."
        parts.append(text)
    parts.append(
        "Intervals are clustered by template. Markers at the same achieved sparsity are set apart sideways by a hair."
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
            # A perplexity below dense's has changed too.
            least, most = (end(found, key=lambda pair: abs(math.log(pair[1]))) for end in (min, max))
            text += (
                f"; least changed is {least[0].label} ({fmt.significant(least[1])} times dense), most "
                f"{most[0].label} ({fmt.significant(most[1])} times)"
            )
        lost = [v.label for v in data.of_model(model) if not_finite(v, get(v))]
        # What has no finite value has changed most of all.
        text += f"; no finite value: {listed(lost)}." if lost else "."
        parts.append(text)
    return (*parts, f"Protocol: {data.text_protocol}.")


def _category_caption(data: ReportData, found: list[str], get: Callable[[str, Variant], Row | None]) -> tuple[str, ...]:
    readout, metric = data.main_readout, METRICS["srs"]
    parts = []
    for model, name in data.models.items():
        dense = data.dense_of(model)
        moved = [
            (value - before, category, variant)
            for category in found
            for variant in data.of_model(model)
            if not variant.dense
            and data.state(variant, readout).readable
            and (value := value_of(get(category, variant))) is not None
            and (before := value_of(get(category, dense))) is not None
        ]
        whose = f"{name}: " if len(data.models) > 1 else ""
        if not moved:
            parts.append(f"{whose}no variant that can be read has a category to compare with dense.")
            continue
        change, category, variant = max(moved, key=lambda one: abs(one[0]))
        both = " to ".join(fmt.estimate(get(category, v), metric) for v in (dense, variant))
        away = sum(apart(get(c, dense), get(c, v)) for _, c, v in moved)
        parts.append(
            f"{whose}most moved is {category} in {variant.label} (achieved {fmt.sparsity(variant.achieved)}): {both}, "
            f"{fmt.change(100 * change)}. In {away} of {len(moved)} panels' points the interval does not touch dense's."
        )
    return (
        *parts,
        f"{readout.capitalize()} readout. Categories have {_least_most(data, found)} items; where there are few, "
        "intervals are wide and a large change is easily noise.",
    )


def _least_most(data: ReportData, found: list[str]) -> str:
    rows = data.items.filter(data.items["condition"] == "ambig", data.items["category"].is_in(found))
    return f"{fmt.count(rows['with_roles'].min())} to {fmt.count(rows['with_roles'].max())}"  # type: ignore[arg-type]
