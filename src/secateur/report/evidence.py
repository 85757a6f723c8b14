"""Tables of what can be relied on: differences from dense, paired by item, with templates as what was sampled.

One function each, one line each in ``EVIDENCE``, which ``tables.TABLES`` takes over.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl

from secateur.metrics.catalogue import METRICS
from secateur.metrics.decomposition import NEUTRAL_DIRECTION
from secateur.metrics.metric import Metric
from secateur.metrics.published import SIGNIFICANT
from secateur.metrics.table import ALL
from secateur.records.answers import SAMPLED
from secateur.report import format as fmt
from secateur.report.blindness import GATES, MARGIN, beside_perplexity
from secateur.report.changes import EXCESSES
from secateur.report.data import ReportData, Row, measured
from secateur.report.placebo import matched, matched_counts
from secateur.report.published import NOT_SAMPLED
from secateur.report.rows import counted, metric_title, model_column, named, names
from secateur.report.table import Column, Table
from secateur.report.wording_tables import reworded, wording_counts, wordings
from secateur.statistics.dose import dose_response

NOTHING_BESIDE = "there is no variant whose answers could be set beside the dense model's"

UNUSABLE_DENSE = "the dense model itself is broken, guesses or was not run"
SLOPE_UNIT = "points per 10 points of achieved sparsity"

NO_TEXT = "no text was read of any pruned variant"

PAIRED = (
    "Paired by item: an item's own change, its mean over orders and seeds, is what is counted. Intervals and p-values "
    "take the clusters of templates as the sample, so they speak of such templates and not of this list of items alone"
)


def changes_counted(data: ReportData) -> Table:
    """How many variants changed, metric by metric, by stricter and stricter tests."""
    rows: list[Row] = []
    for model, name in data.models.items():
        readable = [v for v in data.of_model(model) if not v.dense and data.state(v, data.main_readout).readable]
        for metric, condition in _told(data):
            found = [
                row
                for v in readable
                if measured(row := data.change(v, metric, readout=data.main_readout, condition=condition))
                and row["p"] is not None
            ]
            held = [row for row in found if row["p_holm"] < SIGNIFICANT]
            naive = [row["p_naive"] for row in found if row["p_naive"] is not None]
            rows.append(
                {
                    "model": name,
                    "readout": data.main_readout,
                    "condition": condition,
                    "metric": metric,
                    "variants": len(readable),
                    "tested": len(found),
                    "naive": sum(p < SIGNIFICANT for p in naive) if naive else None,
                    "clustered": sum(row["p"] < SIGNIFICANT for row in found),
                    "holm": len(held),
                    "bh": sum(row["p_bh"] < SIGNIFICANT for row in found),
                    "more": sum(row["value"] > 0 for row in held),
                    "less": sum(row["value"] < 0 for row in held),
                    "model_id": model,
                }
            )
    return Table(
        "changes_counted",
        "How many variants changed",
        f"Of the variants that can be read, those whose change from dense has a p-value below {SIGNIFICANT:g} over all "
        "categories: with every answer as independent (McNemar, where it applies), with clusters of templates as the "
        "sample, and of these what is left after Benjamini and Hochberg's and after Holm's correction over all "
        "variants of the study. More and less: the direction of those left after Holm.",
        pl.DataFrame(rows, schema=_COUNTED),
        (
            *model_column(data),
            Column("Metric", lambda row: change_title(row["metric"], row["condition"]), "left"),
            Column("Variants", lambda row: fmt.count(row["variants"])),
            Column("Tested", lambda row: fmt.count(row["tested"])),
            Column("Naive", lambda row: fmt.count(row["naive"])),
            Column("Clustered", lambda row: fmt.count(row["clustered"])),
            Column("Benjamini-Hochberg", lambda row: fmt.count(row["bh"])),
            Column("Holm", lambda row: fmt.count(row["holm"])),
            Column("More than dense", lambda row: fmt.count(row["more"])),
            Column("Less than dense", lambda row: fmt.count(row["less"])),
        ),
        ("model_id", "readout", "condition", "metric"),
        empty=NOTHING_BESIDE,
    )


def changes(data: ReportData) -> Table:
    """Every primary metric of every variant less dense, over all items and per category."""
    frame = data.changes.join(_states(data), on=["variant", "readout"], how="left", maintain_order="left")

    def number(name: str) -> Callable[[Row], str]:
        def text(row: Row) -> str:
            return fmt.value(row[name], METRICS[row["metric"]]) if measured(row) or row["value"] is None else fmt.NONE

        return text

    def p_value(name: str) -> Callable[[Row], str]:
        return lambda row: fmt.p_value(row[name]) if measured(row) else fmt.NONE

    return Table(
        "changes",
        "Changes from dense",
        f"{PAIRED}. Change: variant less dense. Excess: a figure of pairs less its floor, the dense model asked again; "
        "there the floor stands in the place of dense. p: signs of clusters flipped, never below what the interval "
        "allows. Holm: over all variants of the study, placebos among themselves, of the same metric, readout and "
        "condition, all categories together where a row is of one. Naive: McNemar's with every answer as independent, "
        "where it applies. A zero of which nothing changed has an exact bound. The page shows all categories together; "
        "the files have each.",
        named(data, frame),
        (
            *names(data),
            Column("State", lambda row: row["state"], "left"),
            Column("Readout", lambda row: row["readout"], "left"),
            Column("Category", lambda row: row["category"], "left"),
            Column("Metric", lambda row: change_title(row["metric"], row["condition"]), "left"),
            Column("Dense", number("before")),
            Column("Variant", number("after")),
            Column("Change", lambda row: fmt.difference(row, METRICS[row["metric"]])),
            Column("p", p_value("p")),
            Column("p, Holm", p_value("p_holm")),
            Column("p, naive", p_value("p_naive")),
            Column("Items", lambda row: fmt.count(row["n_items"])),
            Column("Clusters", lambda row: fmt.count(row["n_clusters"])),
        ),
        ("variant_id", "readout", "condition", "category", "metric"),
        on_page=pl.col("category") == ALL,
        folded=True,
        empty=NOTHING_BESIDE,
    )


def directions(data: ReportData) -> Table:
    """Why the stereotype rate changed, and which way the new answers go."""
    largest = [
        {"variant": row["variant"], "readout": readout, "letter_share_max": row["value"]}
        for readout in data.readouts
        for row in data.metrics.filter(
            readout=data.letters_readout[readout], category=ALL, condition="ambig", metric="letter_share_max"
        ).iter_rows(named=True)
    ]
    kinds = {"variant": pl.String, "readout": pl.String, "letter_share_max": pl.Float64}
    beside = _states(data).join(pl.DataFrame(largest, schema=kinds), on=["variant", "readout"], how="left")
    frame = data.directions.join(beside, on=["variant", "readout"], how="left", maintain_order="left")
    return Table(
        "directions",
        "Lost abstention or another direction",
        "The stereotype rate over all answers (SRS, all) is the share that names a group times the direction of these, "
        "which is stereotype / (stereotype + counter). Its change is the exact sum of three parts: fewer unknown "
        "answers and fewer unreadable ones, each at the mean direction of dense and variant, and the change of "
        "direction at their mean share (Shapley's split, which prefers no order). A rate that rises by lost abstention "
        "alone is a model that withholds less and leans as before. New answers: of the pairs that were unknown when "
        f"dense and name a group now, the share of the stereotype; {fmt.percent(NEUTRAL_DIRECTION, 0)} is neutral, "
        "whatever direction dense had. Where one side names no group the parts are undefined, and where it names one "
        "in a handful of items its direction is poorly known. Intervals are clustered by templates. Same draws on both "
        "sides. Ambiguous items with roles. Largest letter: of all answers at a letter, over all categories; a "
        "collapse onto one letter names groups too.",
        named(data, frame),
        (
            *names(data),
            Column("State", lambda row: row["state"], "left"),
            Column("Readout", lambda row: row["readout"], "left"),
            Column("Category", lambda row: row["category"], "left"),
            Column("SRS, all: dense", lambda row: fmt.percent(row["whole_before"])),
            Column("Variant", lambda row: fmt.percent(row["whole_after"])),
            Column("Change", lambda row: _points(row, "whole")),
            Column("By lost abstention", lambda row: _points(row, "abstention")),
            Column("By answers read or not", lambda row: _points(row, "reading")),
            Column("By direction", lambda row: _points(row, "direction")),
            Column("Direction: dense", lambda row: fmt.percent(row["direction_before"])),
            Column("Direction: variant", lambda row: fmt.percent(row["direction_after"])),
            Column("Direction of new answers", _new_direction),
            Column("Items with new answers", lambda row: fmt.count(row["n_new_items"])),
            Column("Largest letter", lambda row: fmt.percent(row["letter_share_max"])),
        ),
        ("variant_id", "readout", "category"),
        on_page=(pl.col("category") == ALL),
        folded=True,
        empty=NOTHING_BESIDE,
    )


def perplexity_gate(data: ReportData) -> Table:
    """What a gate on perplexity passes and stops, beside the verdicts on bias."""
    rows: list[Row] = []
    for model, name in data.models.items():
        found = beside_perplexity(data, model)
        ours = [one for one in found if one.readable]
        for gate in GATES if found else ():
            passed, stopped = ([one for one in ours if one.passes(gate) is side] for side in (True, False))
            blind = [one for one in passed if one.worse]
            needless = [one for one in stopped if one.equivalent]
            rows.append(
                {
                    "model": name,
                    "gate": gate,
                    "margin": MARGIN,
                    "variants": len(ours),
                    "passed": len(passed),
                    "passed_worse": len(blind),
                    "passed_equivalent": sum(one.equivalent for one in passed),
                    "stopped": len(stopped),
                    "stopped_worse": sum(one.worse for one in stopped),
                    "stopped_equivalent": len(needless),
                    "passed_unreadable": sum(one.passes(gate) for one in found if not one.readable),
                    "worse_names": ", ".join(one.variant.label for one in blind),
                    "equivalent_names": ", ".join(one.variant.label for one in needless),
                    "model_id": model,
                }
            )
    return Table(
        "perplexity_gate",
        "Would a perplexity gate have caught it?",
        "A gate passes variants whose perplexity is at most so many times dense's. Worse: diff-bias has gone further "
        f"towards the stereotype, or unknown answers have become fewer, by more than {_margin()} with the whole "
        f"interval. Equivalent: both within {_margin()} with the whole interval. The rest is inconclusive. Thresholds "
        f"and margin are conventions, no findings. {data.main_readout.capitalize()} readout, ambiguous items, variants "
        "that can be read; those that cannot and would pass are counted at the end.",
        pl.DataFrame(rows, schema=_GATED, orient="row"),
        (
            *model_column(data),
            Column("Gate", lambda row: _times(row["gate"])),
            *(Column(title, counted(name)) for name, title in _GATE_COUNTS.items()),
            Column("Which pass although worse", lambda row: row["worse_names"] or fmt.NONE, "left"),
            Column("Which are stopped although equivalent", lambda row: row["equivalent_names"] or fmt.NONE, "left"),
        ),
        ("model_id", "gate"),
        empty=NO_TEXT,
    )


def perplexity_blindness(data: ReportData) -> Table:
    """Change of perplexity and KL beside the change of bias, per variant."""
    rows: list[Row] = []
    for model in data.models:
        for one in beside_perplexity(data, model):
            kl = data.metric(one.variant, "kl", readout="text") or {}
            row: Row = {"variant": one.variant.key, "state": data.state(one.variant, data.main_readout).name}
            row |= {f"ratio{end}": (one.ratio or {}).get(name) for end, name in _ENDS}
            row |= {f"kl{end}": kl.get(name) for end, name in _ENDS} | {"kl_note": kl.get("note", "not measured")}
            for metric, said in one.verdicts.items():
                change = one.changes[metric]
                shown = change if measured(change) else {}
                row |= {f"{metric}{end}": shown.get(name) for end, name in _ENDS}
                row[f"{metric}_verdict"] = "undefined" if said is None else str(said.verdict)
            rows.append(row | {f"passes_{gate:g}": one.passes(gate) for gate in GATES})
    kinds: dict[str, Any] = {name: pl.Float64 for row in rows[:1] for name in row}
    kinds |= dict.fromkeys(("variant", "state"), pl.String)
    kinds |= {name: pl.String for name in kinds if name.endswith(("_verdict", "_note"))}
    kinds |= {name: pl.Boolean for name in kinds if name.startswith("passes_")}

    def verdict(metric: str) -> Callable[[Row], str]:
        return lambda row: row[f"{metric}_verdict"]

    def passes(gate: float) -> Callable[[Row], str]:
        return lambda row: "passes" if row[f"passes_{gate:g}"] else "stopped"

    return Table(
        "perplexity_blindness",
        "Perplexity beside bias",
        "Perplexity of the variant / dense, paired by window, beside what became of bias, paired by item and "
        "clustered. Verdicts on a change for the worse (towards the stereotype, fewer unknown answers): "
        f"worse or better by {_margin()}, or equivalent, with the whole interval shown here; else inconclusive. A gate "
        "at so many times dense's perplexity passes or stops. "
        f"{data.main_readout.capitalize()} readout, ambiguous items.",
        named(data, pl.DataFrame(rows, schema=kinds)),
        (
            *names(data),
            Column("State", lambda row: row["state"], "left"),
            Column("Perplexity / dense", lambda row: _estimate_of(row, "ratio", METRICS["perplexity_ratio"])),
            Column("KL from dense", _kl),
            Column("Diff-bias, change", lambda row: _change_of(row, "diff_bias_ambig")),
            Column("Verdict", verdict("diff_bias_ambig"), "left"),
            Column("Unknown rate, change", lambda row: _change_of(row, "usr_all")),
            Column("Verdict", verdict("usr_all"), "left"),
            *(Column(f"Gate at {_times(gate)}", passes(gate), "left") for gate in GATES),
        ),
        ("variant_id",),
        empty=NO_TEXT,
    )


def dose_regression(data: ReportData) -> Table:
    """Slopes of the stereotype rate over achieved sparsity, a method each, with clustered errors."""
    rows: list[Row] = []
    for model, name in data.models.items():
        dense = data.dense_of(model)
        for readout in data.readouts:
            about: Row = {"model": name, "readout": readout, "model_id": model}
            pruned = [v for v in data.of_model(model) if not v.dense]
            kept = [v for v in pruned if data.state(v, readout).readable and v.achieved is not None]
            left_out = ", ".join(v.label for v in pruned if v not in kept)
            if not data.state(dense, readout).readable:
                rows.append(about | {"term": "none", "left_out": left_out, "note": UNUSABLE_DENSE})
                continue
            of = {v.key: v for v in (dense, *kept)}
            doses = data.doses.filter(pl.col("readout") == readout, pl.col("variant").is_in(list(of)))
            fit = dose_response(
                doses["stereotype"].to_numpy(),
                doses["items"].to_numpy(),
                np.array([of[key].achieved or 0.0 for key in doses["variant"]], np.float64),
                [of[key].method for key in doses["variant"]],
                doses["category"].to_list(),
                doses["cluster"].to_numpy(),
                level=data.level,
            )
            about |= {"left_out": left_out, "n_variants": len(kept), "n_clusters": fit.n_clusters, "note": fit.note}
            rows += [
                about
                | {"term": f"{slope.method} \u2212 {slope.against}" if slope.against else slope.method}
                | {column: _in_points(getattr(slope, column)) for column in ("value", "error", "low", "high")}
                | {"p": slope.p, "unit": SLOPE_UNIT}
                for slope in fit.slopes
            ] or [about | {"term": "none"}]
        rows += _published_slope(data, model, name)
    return Table(
        "dose_regression",
        "Dose and response",
        "The stereotype rate over all answers to ambiguous items against achieved sparsity: least squares with a "
        "level for each category at sparsity 0, dense included, and a slope for each method; errors are clustered by "
        f"template over all variants. A slope is in points of the rate per {_per_ten()} of achieved sparsity, so it is "
        "a difference of shares like the others, and exists where a logistic one does not. It says nothing of "
        "thresholds: where the rate is flat and then steep it lies in between, so see the figure. A row with two "
        "methods is the one's slope less the other's. Left out: variants that are broken, guess or were not run, and "
        "those whose achieved sparsity is not known. As published: the logistic slope that all methods share there, at "
        "nominal levels, answers as independent, in other units; whole under As published.",
        pl.DataFrame(rows, schema=_SLOPES, orient="row"),
        (
            *model_column(data),
            Column("Readout", lambda row: row["readout"], "left"),
            Column("Slope of", lambda row: row["term"], "left"),
            Column("Per unit", lambda row: row["unit"] or fmt.NONE, "left"),
            Column("Slope", slope_text),
            Column("p", lambda row: fmt.p_value(row["p"])),
            Column("Variants", lambda row: fmt.count(row["n_variants"])),
            Column("Clusters", lambda row: fmt.count(row["n_clusters"])),
            Column("Left out", lambda row: row["left_out"] or fmt.NONE, "left"),
            Column("Note", lambda row: row["note"] or "", "left"),
        ),
        ("model_id", "readout", "term"),
        folded=True,
    )


def slope_text(row: Row) -> str:
    """A slope with its interval, in its unit."""
    if row["value"] is None:
        return fmt.NONE
    numbers = [row[name] for name in ("value", "low", "high")]
    digits = 2 if row["unit"] == SLOPE_UNIT else 4
    value, low, high = (None if number is None else fmt.signed(number, digits) for number in numbers)
    return f"{value} [{low}, {high}]" if low is not None else f"{value}"


def _in_points(slope: float | None) -> float | None:
    """A slope of shares over sparsity 0..1, in ``SLOPE_UNIT``."""
    return None if slope is None else 100 * _TEN * slope


def _published_slope(data: ReportData, model: str, name: str) -> list[Row]:
    if data.published is None:
        return []
    found = data.published.regression.filter(pl.col("model") == model)
    row = next(iter(found.filter(pl.col("term") == "sparsity").iter_rows(named=True)), None)
    about = {"model": name, "readout": SAMPLED, "term": "all methods, as published", "model_id": model}
    if row is None:
        return [about | {"note": found["note"][0]}]
    numbers = {column: row[column] for column in ("value", "error", "p", "low", "high") if column != "value"}
    unit = "log-odds per point of nominal level"
    return [about | numbers | {"value": row["coefficient"], "unit": unit, "note": "answers as independent"}]


def survival_counts(data: ReportData) -> Table:
    """How many of the published comparisons survive, per model and over all models."""
    frame = survival(data).frame
    rows = []
    for model in [*data.models, *([ALL] if len(data.models) > 1 else [])]:
        ours = frame if model == ALL else frame.filter(pl.col("model_id") == model)
        if not ours.height:
            continue
        called = ours.filter("significant")
        held = called.filter(pl.col("p_paired_holm") < SIGNIFICANT)
        rows.append(
            {
                "model": data.models.get(model, "all models"),
                "comparisons": ours.height,
                "family": frame.height,
                "published": called.height,
                "published_holm": int(called["significant_holm"].sum()),
                "paired": called.filter(pl.col("p_paired") < SIGNIFICANT).height,
                "paired_bh": called.filter(pl.col("p_paired_bh") < SIGNIFICANT).height,
                "paired_holm": held.height,
                "paired_holm_readable": held.filter(pl.col("readable")).height,
                "only_paired": ours.filter(~pl.col("significant"), pl.col("p_paired") < SIGNIFICANT).height,
                "undefined": ours["p_paired"].null_count(),
                "model_id": model,
            }
        )
    whole = [name for name in _SURVIVING if name not in ("model", "model_id")]
    return Table(
        "survival_counts",
        "How many published comparisons survive",
        f"Of the comparisons that the published test calls significant at {SIGNIFICANT:g}: those that its own p-value "
        "leaves after Holm; those that the paired, clustered test calls significant too; these after Benjamini and "
        "Hochberg's and after Holm's correction over all comparisons of the study; and the last of variants that are "
        "neither broken nor guess. Only paired: significant by the paired test alone, uncorrected.",
        pl.DataFrame(rows, schema={n: pl.Int64 if n in whole else pl.String for n in _SURVIVING}, orient="row"),
        (
            *model_column(data),
            *(Column(title, counted(name)) for name, title in _SURVIVING.items() if title),
        ),
        ("model_id",),
        empty=NOT_SAMPLED,
    )


def survival(data: ReportData) -> Table:
    """Each published comparison beside the same comparison paired by item and clustered."""
    found = data.published
    parser = "" if found is None else f" Answers read by parser {found.parser}, as in the published tables."
    if found is None:
        frame = pl.DataFrame(schema=dict.fromkeys(("variant_id", "category", "model_id"), pl.String))
        frame = frame.with_columns(significant=pl.lit(value=False))
    else:
        model_of = {v.key: v.model for v in data.variants}
        readable = {v.key: data.state(v, data.readouts[-1]).readable for v in data.variants}
        kept = ("variant", "category", "srs_dense", "srs_variant", "p", "significant", "p_holm", "significant_holm")
        joined = found.tests.select(kept).join(found.paired, on=["variant", "category"], maintain_order="left")
        frame = named(
            data,
            joined.with_columns(
                model_id=pl.col("variant").replace_strict(model_of, return_dtype=pl.String),
                readable=pl.col("variant").replace_strict(readable, return_dtype=pl.Boolean),
            ),
        )
    return Table(
        "survival",
        "Published comparisons, and which survive",
        "The comparisons of the published study, each with the published p-value (chi-squared, answers as independent, "
        "dense and variant as unpaired; * below 0.05, ** below 0.01, *** below 0.001) beside the p-value of the same "
        "change of the same SRS when items are paired and clusters of templates are the sample (signs of clusters "
        "flipped, never below what the interval allows). Holm and Benjamini-Hochberg are over all comparisons of the "
        "study. Where few clusters changed, no change can give a small p: the smallest that flipping signs can give "
        "stands beside it. Clusters changed: those with another number of stereotypes or of valid answers; where "
        f"answers are unread, others add a little to the change of the ratio.{parser}",
        frame,
        (
            *names(data),
            Column("Category", lambda row: row["category"], "left"),
            Column("SRS dense", lambda row: fmt.percent(row["srs_dense"])),
            Column("SRS variant", lambda row: fmt.percent(row["srs_variant"])),
            Column("p, published", lambda row: f"{fmt.p_value(row['p'])} {_stars(row['p'])}".strip()),
            Column("Change, paired", _paired_change),
            Column("p, paired", lambda row: fmt.p_value(row["p_paired"])),
            Column("p, paired, Holm", lambda row: fmt.p_value(row["p_paired_holm"])),
            Column("p, paired, Benjamini-Hochberg", lambda row: fmt.p_value(row["p_paired_bh"])),
            Column("Smallest possible p", lambda row: fmt.p_value(row["p_smallest"])),
            Column("Clusters changed", lambda row: _of_clusters(row)),
            Column("Survives", survives, "left"),
        ),
        ("variant_id", "category"),
        folded=True,
        empty=NOT_SAMPLED if found is None else "there is no pruned variant, or none was sampled",
    )


def _states(data: ReportData) -> pl.DataFrame:
    return pl.DataFrame(
        [{"variant": key, "readout": readout, "state": state.name} for (key, readout), state in data.states.items()],
        schema=dict.fromkeys(("variant", "readout", "state"), pl.String),
    )


def _points(row: Row, name: str) -> str:
    place = {"value": row[name], "low": row[f"{name}_low"], "high": row[f"{name}_high"], "note": ""}
    return "undefined" if row[name] is None else fmt.difference(place, METRICS["srs_all"])


def _new_direction(row: Row) -> str:
    if row["new_direction"] is None:
        return "none"
    return fmt.share((row["new_direction_low"], row["new_direction_high"]), row["new_direction"])


def survives(row: Row) -> str:
    """What is left of a published comparison."""
    if row["p_paired"] is None:
        return "undefined"
    paired = row["p_paired"] < SIGNIFICANT
    if not row["significant"]:
        return "was not called significant" + (", paired it is" if paired else "")
    if row["p_paired_holm"] < SIGNIFICANT:
        return "yes, after Holm"
    return "paired, not after Holm" if paired else "no"


def _times(gate: float) -> str:
    return f"{gate:.2f}\u00d7"


def _per_ten() -> str:
    return f"{100 * _TEN:g} points"


def _margin() -> str:
    return f"{fmt.signed(100 * MARGIN, 1).removeprefix('+')} points"


def _estimate_of(row: Row, name: str, metric: Metric) -> str:
    if row[name] is None:
        return row.get(f"{name}_note") or "not finite"
    return fmt.value(row[name], metric) + fmt.interval(row[f"{name}_low"], row[f"{name}_high"], metric)


def _kl(row: Row) -> str:
    bound = row["kl"] is not None and row["kl_note"].startswith("lower bound")
    return ("at least " if bound else "") + _estimate_of(row, "kl", METRICS["kl"])


def _change_of(row: Row, name: str) -> str:
    place = {"value": row[name], "low": row[f"{name}_low"], "high": row[f"{name}_high"], "note": ""}
    return fmt.NONE if row[name] is None else fmt.difference(place, METRICS[name])


def _stars(p: float | None) -> str:
    return "" if p is None else "*" * sum(p < limit for limit in (0.05, 0.01, 0.001))


def _paired_change(row: Row) -> str:
    place = {"value": row["change"], "low": row["change_low"], "high": row["change_high"], "note": row["paired_note"]}
    return fmt.difference(place, METRICS["srs"])


def _of_clusters(row: Row) -> str:
    return fmt.NONE if row["n_changed"] is None else f"{row['n_changed']} of {row['n_clusters']}"


_ENDS = (("", "value"), ("_low", "low"), ("_high", "high"))

_GATE_COUNTS = {
    "variants": "Variants",
    "passed": "Passed",
    "passed_worse": "Passed, worse",
    "passed_equivalent": "Passed, equivalent",
    "stopped": "Stopped",
    "stopped_worse": "Stopped, worse",
    "stopped_equivalent": "Stopped, equivalent",
    "passed_unreadable": "Passed, cannot be read",
}

_GATED: dict[str, Any] = {
    "model": pl.String,
    **dict.fromkeys(("gate", "margin"), pl.Float64),
    **dict.fromkeys(_GATE_COUNTS, pl.Int64),
    **dict.fromkeys(("worse_names", "equivalent_names", "model_id"), pl.String),
}

_TEN = 0.1

_SLOPES: dict[str, Any] = {
    **dict.fromkeys(("model", "readout", "term", "unit"), pl.String),
    **dict.fromkeys(("value", "error", "p", "low", "high"), pl.Float64),
    **dict.fromkeys(("n_variants", "n_clusters"), pl.Int64),
    **dict.fromkeys(("left_out", "note", "model_id"), pl.String),
}

_SURVIVING = {
    "model": "",
    "comparisons": "Comparisons",
    "family": "",
    "published": "Significant as published",
    "published_holm": "Published, Holm",
    "paired": "Also paired",
    "paired_bh": "Paired, Benjamini-Hochberg",
    "paired_holm": "Paired, Holm",
    "paired_holm_readable": "Of variants that can be read",
    "only_paired": "Only paired",
    "undefined": "Undefined",
    "model_id": "",
}
"""Columns of ``survival_counts``, with their headings."""


EVIDENCE: dict[str, Callable[[ReportData], Table]] = {
    "changes_counted": changes_counted,
    "changes": changes,
    "directions": directions,
    "survival_counts": survival_counts,
    "survival": survival,
    "matched_counts": matched_counts,
    "matched": matched,
    "wording_counts": wording_counts,
    "reworded": reworded,
    "wordings": wordings,
    "perplexity_gate": perplexity_gate,
    "perplexity_blindness": perplexity_blindness,
    "dose_regression": dose_regression,
}
"""Tables of what can be relied on; on the page they come first under Tables."""


_COUNTED: dict[str, Any] = {
    **dict.fromkeys(("model", "readout", "condition", "metric"), pl.String),
    **dict.fromkeys(("variants", "tested", "naive", "clustered", "bh", "holm", "more", "less"), pl.Int64),
    "model_id": pl.String,
}


def change_title(metric: str, condition: str) -> str:
    """What a change is called."""
    title = metric_title({"metric": metric, "condition": condition})
    return f"{title}, excess over floor" if metric in EXCESSES else title


def _told(data: ReportData) -> list[tuple[str, str]]:
    """Metrics and conditions of the main readout of which there is a change, in order."""
    there = data.changes.filter(pl.col("readout") == data.main_readout).select("metric", "condition")
    return list(there.unique(maintain_order=True).iter_rows())
