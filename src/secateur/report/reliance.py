"""Claims of what can be relied on: sentences about paired, clustered differences."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import polars as pl

from secateur.identity import Plain
from secateur.metrics.catalogue import METRICS
from secateur.metrics.decomposition import NEUTRAL_DIRECTION
from secateur.metrics.published import SIGNIFICANT
from secateur.metrics.table import ALL
from secateur.records.answers import LETTER
from secateur.report import format as fmt
from secateur.report.changes import EXCESSES
from secateur.report.claim import EVIDENCE, Claim, Part, Quantity
from secateur.report.data import NOT_RUN, ReportData, Row, State, Variant, measured
from secateur.report.evidence import (
    SLOPE_UNIT,
    change_title,
    changes_counted,
    directions,
    dose_regression,
    perplexity_gate,
    slope_text,
    survival,
    survival_counts,
)
from secateur.report.matched import PLACEBO
from secateur.report.placebo import matched_counts
from secateur.report.states import CONDITION_WORDS
from secateur.report.table import anchor
from secateur.report.wording_tables import TOLD, wording_counts
from secateur.report.wordings import FLIPS


def changed(data: ReportData) -> Iterator[Claim]:
    """Metric by metric: how many variants changed by tests that hold, and which changed most."""
    for row in changes_counted(data).frame.iter_rows(named=True):
        where = tuple((name, row[name]) for name in ("model_id", "readout", "condition", "metric"))

        def number(name: str, row: Row = row, where: tuple[tuple[str, str], ...] = where) -> Quantity:
            return Quantity(fmt.count(row[name]), "changes_counted", where, (name,))

        # The right answer to an ambiguous item is the unknown one, of which there is a sentence.
        if not row["tested"] or (row["metric"], row["condition"]) == ("accuracy", "ambig"):
            continue
        title = change_title(row["metric"], row["condition"])
        parts: list[Part] = [
            f"{_whose(data, row['model_id'])}{title[0].upper()}{title[1:]}: of ",
            number("tested"),
            f" {_plural(row['tested'], 'variant')} that can be read, ",
            number("clustered"),
            f" {'differs' if row['clustered'] == 1 else 'differ'} from {_what(row)} at {SIGNIFICANT:g} with templates "
            "as the sample and ",
            number("holm"),
            " after Holm",
        ]
        if row["holm"]:
            parts += [" (", number("more"), " with more, ", number("less"), " with less)"]
        if row["naive"] is not None:
            parts += ["; taking every answer as independent it would be ", number("naive")]
        yield Claim(
            EVIDENCE,
            (*parts, *_furthest(data, row), "."),
            model=row["model_id"],
            row=anchor("changes_counted", [value for _, value in where]),
        )


def survived(data: ReportData) -> Iterator[Claim]:
    """How many of the published comparisons survive, over all models."""
    rows = list(survival_counts(data).frame.iter_rows(named=True))
    if not rows or rows[-1]["undefined"] == rows[-1]["comparisons"]:
        return
    row = rows[-1]
    where = (("model_id", row["model_id"]),)

    def number(name: str) -> Quantity:
        return Quantity(fmt.count(row[name]), "survival_counts", where, (name,))

    parts: list[Part] = [
        "Of ",
        number("comparisons"),
        " comparisons of a variant with dense in a category the published test calls ",
        number("published"),
        f" significant at {SIGNIFICANT:g}. The same answers and the same SRS paired by item, with templates as the "
        "sample: ",
        number("paired"),
        " of these; after Holm over all comparisons ",
        number("paired_holm"),
    ]
    if row["paired_holm"] != row["paired_holm_readable"]:
        parts += [", of which ", number("paired_holm_readable"), " are of variants that can be read"]
    parts.append(". ")
    if row["undefined"]:
        frame = survival(data).frame
        reasons = frame.filter(pl.col("p_paired").is_null())["paired_note"].unique(maintain_order=True)
        parts += [f"Undefined ({', or '.join(reasons)}): ", number("undefined"), ". "]
    parts.append("What does not survive is not shown to be no change.")
    yield Claim(EVIDENCE, tuple(parts), row=anchor("survival_counts", [row["model_id"]]))


def why(data: ReportData) -> Iterator[Claim]:
    """Model by model: why the stereotype rate changed most, and which way new answers go."""
    readout = data.main_readout
    frame = directions(data).frame.filter(category=ALL, readout=readout)
    rows = {row["variant_id"]: row for row in frame.iter_rows(named=True)}
    for model in data.models:
        found = [
            (v, rows[v.key])
            for v in data.of_model(model)
            if v.key in rows and data.state(v, readout).readable and rows[v.key]["whole"] is not None
        ]
        if not found:
            continue
        variant, row = max(found, key=lambda pair: abs(pair[1]["whole"]))
        where = (("variant_id", variant.key), ("readout", readout), ("category", ALL))

        def points(name: str, row: Row = row, where: tuple[tuple[str, str], ...] = where) -> Quantity:
            columns = (name, f"{name}_low", f"{name}_high")
            place = dict(zip(("value", "low", "high"), (row[column] for column in columns), strict=True))
            return Quantity(fmt.difference({**place, "note": ""}, METRICS["srs_all"]), "directions", where, columns)

        parts: list[Part] = [
            f"{_whose(data, model)}{variant.label} has the largest change of the stereotype rate over all answers of "
            "the variants that can be read, ",
            points("whole"),
        ]
        if row["direction"] is None:
            parts.append(f". What it is made of is undefined: {row['note']}")
        else:
            parts += [
                ". Of this ",
                points("abstention"),
                " is lost abstention, ",
                points("reading"),
                " a change in what can be read, and ",
                points("direction"),
                " another direction of the answers that name a group",
            ]
        if row["new_direction"] is not None:
            ends = ("new_direction", "new_direction_low", "new_direction_high")
            text = fmt.share((row[ends[1]], row[ends[2]]), row[ends[0]])
            parts += [
                ". Of its answers that name a group where dense said unknown, ",
                Quantity(text, "directions", where, ends),
                f" are the stereotype, beside {fmt.percent(NEUTRAL_DIRECTION, 0)} of neutral ones",
            ]
        yield Claim(EVIDENCE, (*parts, "."), model=model, row=anchor("directions", [value for _, value in where]))


def gated(data: ReportData) -> Iterator[Claim]:
    """Would a gate on perplexity have caught a change of bias?"""
    for row in perplexity_gate(data).frame.iter_rows(named=True):
        where = (("model_id", row["model_id"]), ("gate", row["gate"]))

        def number(name: str, row: Row = row, where: tuple[tuple[str, Plain], ...] = where) -> Quantity:
            return Quantity(fmt.count(row[name]), "perplexity_gate", where, (name,))

        if not row["variants"]:
            continue
        margin = fmt.signed(100 * row["margin"], 1).removeprefix("+")
        parts: list[Part] = [
            f"{_whose(data, row['model_id'])}A gate that passes a perplexity of at most {row['gate']:.2f} times "
            "dense's passes ",
            number("passed"),
            " of ",
            number("variants"),
            f" {_plural(row['variants'], 'variant')} that can be read; in ",
            number("passed_worse"),
            f" of these diff-bias or abstention is worse by more than {margin} points with the whole interval",
        ]
        parts += [f" ({row['worse_names']})"] if row["worse_names"] else []
        parts += ["; of the ", number("stopped"), " that it stops ", number("stopped_equivalent")]
        parts.append(f" {'is' if row['stopped_equivalent'] == 1 else 'are'} equivalent in both")
        parts += [f" ({row['equivalent_names']})"] if row["equivalent_names"] else []
        if row["passed_unreadable"]:
            parts += ["; and it passes ", number("passed_unreadable"), " that cannot be read"]
        anchored = anchor("perplexity_gate", [value for _, value in where])
        yield Claim(EVIDENCE, (*parts, "."), model=row["model_id"], row=anchored)


def damaged(data: ReportData) -> Iterator[Claim]:
    """Model by model: does bias change otherwise than under noise that does as much damage?"""
    counts = matched_counts(data).frame.filter(kind=PLACEBO)
    for model in data.models:
        rows = [row for row in counts.filter(model_id=model).iter_rows(named=True) if row["compared"]]
        if not rows:
            continue

        def number(row: Row, name: str) -> Quantity:
            where = tuple((column, row[column]) for column in ("model_id", "readout", "metric", "reference"))
            return Quantity(fmt.count(row[name]), "matched_counts", where, (name,))

        parts: list[Part] = [
            f"{_whose(data, model)}Beside {rows[0]['reference']} on the dense weights at the same KL: "
        ]
        for place, row in enumerate(rows):
            parts += [
                "; " if place else "",
                f"{METRICS[row['metric']].title} changed otherwise in ",
                number(row, "holm"),
            ]
            variants = f" {_plural(row['compared'], 'variant')} that can be read"
            parts += [" of ", number(row, "compared"), "" if place else variants]
            if row["holm"]:
                parts += [" (", number(row, "more"), " with more, ", number(row, "less"), " with less)"]
        parts.append(", after Holm")
        parts += [*_furthest_matched(data, model), ". What does not differ may be damage and is not shown to be."]
        key = [rows[0][name] for name in ("model_id", "readout", "metric", "reference")]
        yield Claim(EVIDENCE, tuple(parts), model=model, row=anchor("matched_counts", key))


def _furthest_matched(data: ReportData, model: str) -> Iterator[Part]:
    """The largest difference from a placebo that holds after Holm."""
    variants = {v.key: v for v in data.of_model(model) if data.state(v, data.main_readout).readable}
    held = [
        row
        for row in data.matched.filter(kind=PLACEBO, readout=data.main_readout).iter_rows(named=True)
        if row["variant"] in variants and row["p_holm"] is not None and row["p_holm"] < SIGNIFICANT
    ]
    if not held:
        return
    row = max(held, key=lambda one: abs(one["value"]))
    columns = ("variant", "readout", "condition", "category", "metric", "reference")
    where = tuple(("variant_id" if name == "variant" else name, row[name]) for name in columns)
    metric = METRICS[row["metric"]]
    yield f". Furthest from it is {variants[row['variant']].label}, {metric.title} by "
    yield Quantity(fmt.difference(row, metric), "matched", where, ("value", "low", "high"))
    yield (
        " beside a single seed of the noise"
        if row["n_curves"] == 1
        else f" beside {row['n_curves']} seeds of the noise"
    )


def worded(data: ReportData) -> Iterator[Claim]:
    """Model by model and wording by wording: is what changed found when the same is asked in other words?"""
    counts = wording_counts(data).frame
    for model in data.models:
        for wording in data.other_wordings:
            rows = counts.filter(pl.col("metric").is_in(TOLD), model_id=model, wording=wording)
            told = [row for row in rows.iter_rows(named=True) if row["tested"]]
            parts: list[Part] = [f"{_whose(data, model)}Asked by letter in other words ({wording}), "]
            flipped = list(_flipped(data, model, wording))
            parts += flipped
            key: list[Plain] = []
            if not told:
                why = _why_not_told(data, model, wording)
                why = f"{why[0].upper()}{why[1:]}" if flipped else why
                parts.append(f"{why}, so no change from dense can be told there.")
            else:
                parts += [*_found_again(told), "; all after Holm. What is found in one wording alone is not shown to "]
                parts.append("be absent in the other.")
                key = [told[0][name] for name in ("model_id", "wording", "condition", "metric")]
            yield Claim(EVIDENCE, tuple(parts), model=model, row=anchor("wording_counts", key) if key else "")


def _of_count(row: Row, name: str) -> Quantity:
    where = tuple((column, row[column]) for column in ("model_id", "wording", "condition", "metric"))
    return Quantity(fmt.count(row[name]), "wording_counts", where, (name,))


def _found_again(told: list[Row]) -> Iterator[Part]:
    """Metric by metric, how many variants differ from dense here, how many of these there, and how many there alone."""
    for place, row in enumerate(told):
        title = change_title(row["metric"], row["condition"])
        yield f"; {title} in " if place else f"{title[0].upper()}{title[1:]} differs from dense in "
        yield _of_count(row, "here")
        yield " of "
        yield _of_count(row, "tested")
        yield "" if place else f" {_plural(row['tested'], 'variant')} that can be read in both"
        if row["here"]:
            yield ", of these in "
            yield _of_count(row, "same")
            yield " there too, to the same side"
        if row["opposite"]:
            yield " (to the other side in "
            yield _of_count(row, "opposite")
            yield ")"
        if row["only_there"]:
            yield ", there alone in "
            yield _of_count(row, "only_there")
        if row["apart"]:
            yield ", by more or less there than here in "
            yield _of_count(row, "apart")


def _why_not_told(data: ReportData, model: str, wording: str) -> str:
    dense = data.dense_of(model)
    there = data.wording_states.get((dense.key, wording), State(NOT_RUN))
    for state, where in ((there, "there"), (data.state(dense, LETTER), "here")):
        if not state.readable:
            return f"dense is {state.name} {where}"
    return "no pruned variant can be read in both"


def _flipped(data: ReportData, model: str, wording: str) -> Iterator[Part]:
    """How many of the dense model's answers hang on the words."""
    dense = data.dense_of(model).key
    rows = [
        row
        for row in data.wordings.filter(variant=dense, wording=wording, metric=FLIPS).iter_rows(named=True)
        if row["value"] is not None
    ]
    for place, row in enumerate(rows):
        where = (("variant_id", dense), *((name, row[name]) for name in ("wording", "condition", "metric")))
        text = fmt.share((row["low"], row["high"]), row["value"])
        yield " and " if place else "dense gives another answer to "
        yield Quantity(text, "wordings", where, ("value", "low", "high"))
        yield f" of {CONDITION_WORDS[row['condition']]} items"
    if rows:
        yield ". "


def sloped(data: ReportData) -> Iterator[Claim]:
    """Model by model: the slope of each method, and whether slopes differ."""
    frame = dose_regression(data).frame.filter(pl.col("unit") == SLOPE_UNIT, pl.col("readout") == data.main_readout)
    for model in data.models:
        rows = list(frame.filter(pl.col("model_id") == model).iter_rows(named=True))
        if not rows:
            continue
        parts: list[Part] = [
            f"{_whose(data, model)}With every 10 points of achieved sparsity the stereotype rate over all answers "
            "changes by so many points along a line: "
        ]
        for place, row in enumerate(rows):
            where = tuple((name, row[name]) for name in ("model_id", "readout", "term"))
            parts += ["; " if place else "", f"{row['term']} "]
            parts.append(Quantity(slope_text(row), "dose_regression", where, ("value", "low", "high")))
        parts.append(f". Left out: {rows[0]['left_out']}." if rows[0]["left_out"] else ".")
        key = [rows[0][name] for name in ("model_id", "readout", "term")]
        yield Claim(EVIDENCE, tuple(parts), model=model, row=anchor("dose_regression", key))


RELIANCE: tuple[Callable[[ReportData], Iterator[Claim]], ...] = (
    survived,
    changed,
    why,
    damaged,
    worded,
    gated,
    sloped,
)
"""What claims of this kind are made, in order."""


def _furthest(data: ReportData, counted: Row) -> Iterator[Part]:
    """The largest of the changes that hold after Holm."""
    metric = METRICS[counted["metric"]]
    held: list[tuple[Variant, Row]] = [
        (v, row)
        for v in data.of_model(counted["model_id"])
        if not v.dense
        and data.state(v, counted["readout"]).readable
        and measured(row := data.change(v, metric.name, readout=counted["readout"], condition=counted["condition"]))
        and row["p_holm"] is not None
        and row["p_holm"] < SIGNIFICANT
    ]
    if not held:
        return
    variant, row = max(held, key=lambda pair: abs(pair[1]["value"]))
    yield f". Most changed is {variant.label}, by "
    yield change_quantity(row)


def change_quantity(row: Row) -> Quantity:
    """A change with its interval, from the table of changes."""
    where = (("variant_id", row["variant"]), *((n, row[n]) for n in ("readout", "condition", "category", "metric")))
    return Quantity(fmt.difference(row, METRICS[row["metric"]]), "changes", where, ("value", "low", "high"))


def _whose(data: ReportData, model: str) -> str:
    return f"{data.models[model]}: " if len(data.models) > 1 else ""


def _what(row: Row) -> str:
    return "the floor" if row["metric"] in EXCESSES else "dense"


def _plural(number: int, word: str) -> str:
    return word if number == 1 else f"{word}s"
