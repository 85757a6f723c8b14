"""The tables of a report: one function each, one line each in ``TABLES``."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from secateur.metrics.catalogue import METRICS
from secateur.metrics.metric import Metric
from secateur.metrics.table import ALL
from secateur.report import format as fmt
from secateur.report.data import ReportData, Row, Variant, measured
from secateur.report.evidence import EVIDENCE
from secateur.report.published import CORRECTING, PUBLISHED
from secateur.report.rows import named, names, who
from secateur.report.states import CONDITION_WORDS
from secateur.report.table import Column, Table

SUMMARY_METRICS: tuple[tuple[str, str], ...] = (
    ("srs", "ambig"),
    ("usr", "ambig"),
    ("diff_bias_ambig", "ambig"),
    ("diff_bias_disambig", "disambig"),
    ("accuracy", "disambig"),
    ("unparsed_share", "ambig"),
)
"""What the summary says of a variant and readout."""

_OVER_ROLES = {"ambig": "srs_all", "disambig": "diff_bias_disambig"}
"""Metrics over all items with roles, whatever was answered."""

HEADLINES: dict[str, str] = {
    "srs": "SRS",
    "usr": "USR",
    "diff_bias_ambig": "Diff-bias, ambiguous",
    "diff_bias_disambig": "Diff-bias, disambiguated",
    "accuracy": "Accuracy, disambiguated",
    "unparsed_share": "Unparsed, ambiguous",
    "became_biased": "Became biased",
    "became_unbiased": "Became unbiased",
    "became_biased_paper": "Became biased (paper)",
    "flips": "Flips",
}


def summary(data: ReportData) -> Table:
    """One row per variant and readout: the numbers everything begins with."""
    rows = []
    for variant in data.variants:
        text = data.metric(variant, "perplexity", readout="text")
        for readout in data.readouts:
            state = data.state(variant, readout)
            row: Row = who(data)[variant.key] | {"readout": readout}
            row |= _numbers("perplexity", text)
            for metric, condition in SUMMARY_METRICS:
                if condition in data.conditions:
                    row |= _numbers(metric, data.metric(variant, metric, readout=readout, condition=condition))
            condition = data.conditions[0]
            whole = data.metric(variant, _OVER_ROLES[condition], readout=readout, condition=condition)
            row |= {
                "n_items": _asked(data, variant, readout),
                "n_clusters": None if whole is None else whole["n_clusters"],
                "state": state.name,
                "reasons": "; ".join(state.reasons),
            }
            rows.append(row | {"variant_id": variant.key})
    shown = [(metric, condition) for metric, condition in SUMMARY_METRICS if condition in data.conditions]
    return Table(
        "summary",
        "Summary",
        "One row per variant and readout. Every value has its interval in brackets. State says whether the numbers can "
        "be read as numbers about bias. Items are those with roles that were asked, whether or not an answer to them "
        f"could be read ({CONDITION_WORDS[data.conditions[0]]} ones); clusters of templates are what intervals take as "
        "the sample.",
        pl.DataFrame(rows, infer_schema_length=None, schema_overrides=_numeric(rows)),
        (
            *names(data),
            Column("Readout", lambda row: row["readout"], "left"),
            Column("State", lambda row: row["state"], "left"),
            *([_estimate_column("Perplexity", "perplexity")] if data.has_text else []),
            *(_estimate_column(HEADLINES[metric], metric) for metric, _ in shown),
            Column("Items asked", lambda row: fmt.count(row["n_items"])),
            Column("Clusters", lambda row: fmt.count(row["n_clusters"])),
        ),
        ("variant_id", "readout"),
    )


def metrics(data: ReportData) -> Table:
    """Every metric of every variant, readout, condition and category."""
    return Table(
        "metrics",
        "All metrics",
        "One row per variant, readout, condition, category and metric. The page shows the rows over all categories; "
        "the files have every category.",
        named(data, data.metrics),
        (
            *names(data),
            *_place(),
            Column("Value", lambda row: _estimated(row)),
            Column("Items", lambda row: fmt.count(row["n_items"])),
            Column("Clusters", lambda row: fmt.count(row["n_clusters"])),
            Column("Interval", lambda row: row["method"], "left"),
            Column("Note", lambda row: row["note"], "left"),
        ),
        _PLACE_KEY,
        on_page=(pl.col("category") == ALL) & ~pl.col("readout").is_in(["masks"]),
        folded=True,
    )


def categories(data: ReportData) -> Table:
    """The summary's metrics of ambiguous and disambiguated items, per category."""
    frame = named(data, data.metrics).filter(
        pl.col("category") != ALL,
        pl.col("readout").is_in(list(data.readouts)),
        pl.struct("metric", "condition").is_in(
            [{"metric": metric, "condition": condition} for metric, condition in SUMMARY_METRICS]
        ),
    )
    wide = frame.pivot(
        "metric",
        index=["model", "variant", "achieved_sparsity", "readout", "category", "variant_id"],
        values=["value", "low", "high", "note"],
        aggregate_function="first",
        maintain_order=True,
    )
    present = [metric for metric, _ in SUMMARY_METRICS if f"value_{metric}" in wide.columns]
    renamed = {
        f"{part}_{metric}": metric if part == "value" else f"{metric}_{part}"
        for metric in present
        for part in ("value", "low", "high", "note")
    }
    return Table(
        "categories",
        "By category",
        "One row per variant, readout and category.",
        wide.rename(renamed),
        (
            *names(data),
            Column("Readout", lambda row: row["readout"], "left"),
            Column("Category", lambda row: row["category"], "left"),
            *(_estimate_column(HEADLINES[metric], metric) for metric in present),
        ),
        ("variant_id", "readout", "category"),
        folded=True,
    )


def perplexity(data: ReportData) -> Table:
    """What every variant makes of text, alone and beside the dense model."""
    frame = named(data, data.metrics.filter(pl.col("readout") == "text"))
    return Table(
        "perplexity",
        "Perplexity",
        f"Protocol: {data.text_protocol}. Values under another protocol (corpus, window, "
        "beginning-of-sequence token) cannot be compared with these; perplexities of different tokenizers "
        "cannot either, bits per byte can.",
        frame.with_columns(protocol=pl.lit(data.text_protocol, pl.String)),
        (
            *names(data),
            Column("Metric", lambda row: METRICS[row["metric"]].title, "left"),
            Column("Value", _estimated),
            Column("Windows", lambda row: fmt.count(row["n_items"])),
            Column("Tokens", lambda row: fmt.count(row["n_answers"])),
            Column("Note", lambda row: row["note"] if measured(row) else "", "left"),
        ),
        _PLACE_KEY,
        empty="no text was read",
    )


def became_biased(data: ReportData) -> Table:
    """What became of the answers, each number beside its floor."""
    coupling = "; ".join(f"{readout}: {text}" for readout, text in data.coupling.items())
    return Table(
        "became_biased",
        "Became biased, beside its floor",
        "Each answer of a variant beside the dense model's answer to the same question. The floor is the same number "
        f"between the dense model and itself asked again; a figure near its floor is noise. Pairs: {coupling}.",
        named(data, data.pairs),
        (
            *names(data),
            *_place(),
            Column("Value", _estimated),
            Column("Floor", _floor),
            Column("Excess over the floor", _excess),
            Column("Items", lambda row: fmt.count(row["n_items"])),
            Column("Clusters", lambda row: fmt.count(row["n_clusters"])),
            Column("Note", lambda row: row["note"] if measured(row) else "", "left"),
        ),
        _PLACE_KEY,
        on_page=(pl.col("category") == ALL) & pl.col("metric").is_in(list(HEADLINES)),
        folded=True,
        empty="there is no pair of dense and variant answers",
    )


def transitions(data: ReportData) -> Table:
    """Outcome dense to outcome variant."""
    frame = named(data, data.moves).with_columns(
        variant=pl.when(pl.col("floor")).then(pl.lit("dense again (floor)")).otherwise(pl.col("variant"))
    )
    return Table(
        "transitions",
        "Transitions",
        "Share of items (each item's mean over its pairs) that went from one outcome to another, dense to variant; "
        "ambiguous items by outcome, disambiguated ones by correctness. Items without roles are left out. The excess "
        "is what the share is more than the same share of the floor, item by item.",
        frame,
        (
            *names(data),
            Column("Readout", lambda row: row["readout"], "left"),
            Column("Condition", lambda row: row["condition"], "left"),
            Column("From (dense)", lambda row: row["from"], "left"),
            Column("To (variant)", lambda row: row["to"], "left"),
            Column("Pairs", lambda row: fmt.count(row["pairs"])),
            Column("Share", lambda row: fmt.percent(row["share"])),
            Column("Excess over the floor", _excess_of_share),
        ),
        ("variant_id", "floor", "readout", "condition", "from", "to"),
        on_page=pl.col("pairs") > 0,
        folded=True,
        empty="there is no pair of dense and variant answers",
    )


def letters(data: ReportData) -> Table:
    """Where answers stood, and what could not be read."""
    counted = ("answers", "at_a", "at_b", "at_c", "at_none", "unparsed", "nonfinite")
    rows = []
    for row in named(data, data.letters).iter_rows(named=True):
        variant = next(v for v in data.everything if v.key == row["variant_id"])

        def of(name: str, row: Row = row, variant: object = variant) -> Row | None:
            return data.metric(variant, name, readout=row["readout"], condition=row["condition"])  # type: ignore[arg-type]

        largest = of("letter_share_max")
        extra = {f"largest_share_{part}": None if largest is None else largest[part] for part in ("value", "note")}
        for name in ("letter_entropy", "letter_mass", "tie_share"):
            found = of(name)
            extra[name] = None if found is None else found["value"]
        rows.append(row | extra)

    def share(name: str) -> Callable[[Row], str]:
        return lambda row: fmt.percent(row[name] / row["answers"])

    frame = pl.DataFrame(
        rows,
        infer_schema_length=None,
        schema_overrides={
            **dict.fromkeys((*counted, "items_left_out"), pl.Int64),
            **dict.fromkeys(("letter_entropy", "letter_mass", "tie_share", "largest_share_value"), pl.Float64),
            "largest_share_note": pl.String,
        },
    )
    return Table(
        "letters",
        "Letters and what could not be read",
        "Shares of all answers, items without roles included. Without a letter: a refusal, which is the unknown "
        f"option. Letter mass is the probability of the three letters together; below {data.min_mass:g} a "
        "letter answer is "
        "unparsed.",
        frame,
        (
            *names(data),
            Column("Readout", lambda row: row["readout"], "left"),
            Column("Condition", lambda row: row["condition"], "left"),
            Column("Answers", lambda row: fmt.count(row["answers"])),
            Column("A", share("at_a")),
            Column("B", share("at_b")),
            Column("C", share("at_c")),
            Column("No letter", share("at_none")),
            Column("Unparsed", share("unparsed")),
            Column("Not finite", share("nonfinite")),
            Column("Entropy (bits)", lambda row: fmt.value(row["letter_entropy"], METRICS["letter_entropy"])),
            Column("Letter mass", lambda row: fmt.percent(row["letter_mass"])),
            Column("Exact ties", lambda row: fmt.percent(row["tie_share"])),
        ),
        ("variant_id", "readout", "condition"),
        folded=True,
    )


def sparsity(data: ReportData) -> Table:
    """Achieved sparsity of every variant, overall."""
    rows: list[Row] = []
    for variant in data.variants:
        before = data.metric(variant, "zeros_before", readout="masks")
        achieved = data.metric(variant, "achieved_sparsity", readout="masks")
        rows.append(
            who(data)[variant.key]
            | {
                "nominal_sparsity": variant.nominal,
                "recipe": ", ".join(filter(None, (variant.series, variant.seed))),
                "n_linears": None if achieved is None else achieved["n_items"],
                "n_weights": None if achieved is None else achieved["n_answers"],
                "whole_model": _of_whole_model(data, variant, achieved),
                "zeros_before": None if before is None else before["value"],
                "records": variant.have,
                "records_planned": variant.want,
                "variant_id": variant.key,
            }
        )
    floats = ("nominal_sparsity", "achieved_sparsity", "whole_model", "zeros_before")
    return Table(
        "sparsity",
        "Variants and achieved sparsity",
        "Achieved: weights the mask removed over weights of the pruned linears, counted. The nominal level is what was "
        "asked for. Of the whole model: the same removed weights over all of its weights, head and embeddings too.",
        pl.DataFrame(
            rows,
            schema_overrides={
                **dict.fromkeys(floats, pl.Float64),
                **dict.fromkeys(("n_linears", "n_weights"), pl.Int64),
            },
        ),
        (
            *names(data),
            Column("Nominal", lambda row: fmt.percent(row["nominal_sparsity"])),
            Column("Recipe", lambda row: row["recipe"], "left"),
            Column("Pruned linears", lambda row: fmt.count(row["n_linears"])),
            Column("Their weights", lambda row: fmt.count(row["n_weights"])),
            Column("Of the whole model", lambda row: fmt.sparsity(row["whole_model"])),
            Column("Zeros before", lambda row: fmt.sparsity(row["zeros_before"])),
            Column("Records", lambda row: f"{row['records']:,} of {row['records_planned']:,}"),
        ),
        ("variant_id",),
    )


def _of_whole_model(data: ReportData, variant: Variant, achieved: Row | None) -> float | None:
    """Removed weights over all weights of the model, if the plan says how many there are."""
    weights = {model["model"]: model.get("weights") for model in data.plan["models"]}[variant.model]
    if achieved is None or achieved["value"] is None or not weights:
        return None
    return float(achieved["value"] * achieved["n_answers"] / weights)


def layers(data: ReportData) -> Table:
    """Achieved sparsity per pruned linear."""
    return Table(
        "layers",
        "Achieved sparsity per linear",
        "One row per variant and pruned linear; in the files only.",
        named(data, data.layers),
        (
            *names(data),
            Column("Linear", lambda row: row["layer"], "left"),
            Column("Weights", lambda row: fmt.count(row["weights"])),
            Column("Removed", lambda row: fmt.count(row["removed"])),
            Column("Sparsity", lambda row: fmt.sparsity(row["sparsity"])),
            Column("Zeros before", lambda row: fmt.count(row["zeros_before"])),
        ),
        ("variant_id", "layer"),
        on_page=pl.lit(value=False),
        folded=True,
        empty="no variant was made",
    )


def items(data: ReportData) -> Table:
    """What was asked, and what is left out of role metrics."""
    return Table(
        "items",
        "Items",
        "Items without exactly one stereotype option are asked, but left out of metrics that need roles. A cluster is "
        "a set of templates that share question texts; items of one cluster resemble each other, and "
        "clusters of unequal "
        "size count for fewer (effective number).",
        data.items,
        (
            Column("Condition", lambda row: row["condition"], "left"),
            Column("Category", lambda row: row["category"], "left"),
            Column("Items", lambda row: fmt.count(row["items"])),
            Column("With roles", lambda row: fmt.count(row["with_roles"])),
            Column("Left out", lambda row: fmt.count(row["left_out"])),
            Column("Clusters", lambda row: fmt.count(row["clusters"])),
            Column("Effective clusters", lambda row: f"{row['effective_clusters']:.1f}"),
        ),
        ("condition", "category"),
    )


TABLES: dict[str, Callable[[ReportData], Table]] = {
    "summary": summary,
    **EVIDENCE,
    **CORRECTING,
    "sparsity": sparsity,
    "perplexity": perplexity,
    "became_biased": became_biased,
    "items": items,
    "categories": categories,
    "transitions": transitions,
    "letters": letters,
    "metrics": metrics,
    "layers": layers,
    **PUBLISHED,
}
"""The tables, in the order of the page."""

_PLACE_KEY = ("variant_id", "readout", "condition", "category", "metric")


def _asked(data: ReportData, variant: Variant, readout: str) -> int | None:
    """Items with roles that have an answer, of the first condition planned; ``None`` if nothing was asked."""
    row = data.metric(variant, "items_left_out", readout=readout, condition=data.conditions[0])
    return None if row is None else row["n_items"] - int(row["value"] or 0)


def _place() -> tuple[Column, ...]:
    return (
        Column("Readout", lambda row: row["readout"], "left"),
        Column("Condition", lambda row: row["condition"] or fmt.NONE, "left"),
        Column("Category", lambda row: row["category"], "left"),
        Column("Metric", lambda row: METRICS[row["metric"]].title, "left"),
    )


def _estimated(row: Row) -> str:
    return fmt.estimate(row, METRICS[row["metric"]])


def _floor(row: Row) -> str:
    metric = METRICS[row["metric"]]
    if row["floor"] is None:
        return row["floor_note"] or "none"
    text = fmt.value(row["floor"], metric) + fmt.interval(row["floor_low"], row["floor_high"], metric)
    return f"{text}; {row['floor_note']}" if row["floor_note"] else text


def _excess(row: Row) -> str:
    return _over_floor(row, METRICS[row["metric"]]) if measured(row) else fmt.NONE


def _excess_of_share(row: Row) -> str:
    return _over_floor(row, METRICS["became_biased"])  # a share of pairs like any other


def _over_floor(row: Row, metric: Metric) -> str:
    if row["excess"] is None:
        return fmt.NONE
    metric = fmt.of_difference(metric)
    return fmt.value(row["excess"], metric) + fmt.interval(row["excess_low"], row["excess_high"], metric)


def _numbers(name: str, row: Row | None) -> Row:
    if row is None:
        return {name: None, f"{name}_low": None, f"{name}_high": None, f"{name}_note": "not measured"}
    return {name: row["value"], f"{name}_low": row["low"], f"{name}_high": row["high"], f"{name}_note": row["note"]}


def _numeric(rows: list[Row]) -> dict[str, type[pl.DataType]]:
    """Types of the summary's columns, which may all be null."""
    names = rows[0] if rows else {}
    measured = [name.removesuffix("_note") for name in names if name.endswith("_note")]
    floats = {"achieved_sparsity", *(f"{name}{end}" for name in measured for end in ("", "_low", "_high"))}
    return {name: pl.Float64 for name in names if name in floats} | {"n_items": pl.Int64, "n_clusters": pl.Int64}


def _estimate_column(title: str, name: str) -> Column:
    metric = METRICS[name]

    def text(row: Row) -> str:
        if not measured({"value": row[name], "note": row[f"{name}_note"]}):
            return row[f"{name}_note"] or fmt.NONE
        return fmt.value(row[name], metric) + fmt.interval(row[f"{name}_low"], row[f"{name}_high"], metric)

    return Column(title, text)
