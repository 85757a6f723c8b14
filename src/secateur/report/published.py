"""The published study's tables, as published, and those that set the corrected figures beside them.

One function each, one line each in ``PUBLISHED`` or ``CORRECTING``, which ``tables.TABLES`` takes over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import polars as pl

from secateur.metrics.published import ALL, COMPARED_LEVEL, LATENT, SIGNIFICANT
from secateur.report import format as fmt
from secateur.report.as_published import PARSED_METRICS, SIDE_BY_SIDE
from secateur.report.data import FLOOR, OTHER, SAME, Published, ReportData, Row, Variant, value_of
from secateur.report.rows import model_column, named, names, who
from secateur.report.table import Column, Table

NOT_SAMPLED = "no ambiguous item with roles was sampled"
NOT_MEASURED = "not measured"

_RATES = (
    Column("Answers", lambda row: fmt.count(row["n"])),
    Column("Valid", lambda row: fmt.count(row["n_valid"])),
    Column("SRS", lambda row: _share(row, "srs")),
    Column("USR", lambda row: _share(row, "usr")),
    Column("Rest", lambda row: fmt.percent(row["anti_rate"])),
    Column("Parse failures", lambda row: fmt.percent(row["parse_failures"])),
    Column("SRS against dense", lambda row: fmt.change(_hundred(row["srs_delta"]))),
    Column("Relative", lambda row: fmt.change(_hundred(row["srs_change"]), unit="%")),
)
_CATEGORY = Column("Category", lambda row: row["category"], "left")


# ---- corrected beside published -------------------------------------------------------------------------------------


def side_by_side(data: ReportData) -> Table:
    """Published figures beside corrected ones, a row per variant."""
    title = "Published beside corrected"
    about = (
        "Left in each pair the figure as published, right what should be read instead. SRS (strict): an answer counts "
        "only if it is clearly one; best and worst are what SRS would be had no, or every, unread answer been the "
        "stereotype. The published interval takes answers as independent, the strict one is clustered. "
        "Became biased (paper) means something only as far as it exceeds its floor, the dense model drawn "
        "again with other seeds; that floor goes with the figure whose two sides were drawn with other seeds too. With "
        "the same seeds on both sides, as published, answers are coupled and fewer change. Significant: of the "
        "variant's comparisons by category, chi-squared at 0.05 as published, then with Holm's and with Benjamini and "
        "Hochberg's correction over all comparisons of the study; these tests stay naive."
    )
    return _table(data, "side_by_side", title, about, _side_by_side, _SIDE_BY_SIDE, ("variant_id",), folded=False)


_SIDE_BY_SIDE = (
    Column("Nominal", lambda row: fmt.percent(row["nominal_sparsity"], 0)),
    Column("SRS (published)", lambda row: _share(row, "srs_published")),
    Column("SRS (strict)", lambda row: _share(row, "srs_strict")),
    Column("Best to worst", lambda row: _from_to(row["srs_best"], row["srs_worst"])),
    Column("Became biased (paper)", lambda row: fmt.percent(row["became_biased_paper"])),
    Column("Other draws", lambda row: fmt.percent(row["became_biased_other_draws"])),
    Column("Their floor", lambda row: fmt.percent(row["floor"])),
    Column("Significant", lambda row: _of(row, "significant")),
    Column("Holm", lambda row: _of(row, "significant_holm")),
    Column("Benjamini-Hochberg", lambda row: _of(row, "significant_bh")),
)


def _side_by_side(data: ReportData, found: Published) -> pl.DataFrame:
    over_all = _by_variant(found.rates.filter(pl.col("category") == ALL))
    moved, apart, floors = (_by_variant(found.transitions.filter(draws=draws)) for draws in (SAME, OTHER, FLOOR))
    counted = ("significant", "significant_holm", "significant_bh")
    tests = _by_variant(
        found.tests.group_by("variant", maintain_order=True).agg(
            pl.col(counted).sum().cast(pl.Int64), comparisons=pl.len().cast(pl.Int64)
        )
    )
    parsed = _parsed(data)
    rows = []
    for variant in data.variants:
        published = over_all.get(variant.key, {})
        strict = {metric: parsed.get((variant.key, "strict", metric), {}) for metric in PARSED_METRICS}
        row: Row = who(data)[variant.key] | {"nominal_sparsity": variant.nominal}
        row |= {f"srs_published{end}": published.get(f"srs{end}") for end in ("", "_low", "_high")}
        row |= {f"srs_strict{end}": strict["srs"].get(name) for end, name in _ENDS}
        row |= {"srs_best": strict["srs_all"].get("value"), "srs_worst": strict["srs_worst"].get("value")}
        row["became_biased_paper"] = moved.get(variant.key, {}).get("share")
        row["became_biased_other_draws"] = apart.get(variant.key, {}).get("share")
        row["floor"] = floors.get(data.dense_of(variant.model).key, {}).get("share")
        row |= {name: tests.get(variant.key, {}).get(name) for name in (*counted, "comparisons")}
        rows.append(row | {"variant_id": variant.key})
    whole = dict.fromkeys((*counted, "comparisons"), pl.Int64)
    return _frame(rows, whole, texts=("model", "variant", "variant_id"))


def parsers(data: ReportData) -> Table:
    """The same stored answers under either parser, a row per variant."""
    there = [name for name in SIDE_BY_SIDE if data.parsed.height and (data.parsed["parser"] == name).any()]
    columns = [Column(f"{_CALLED[metric]}, {name}", _parsed_text(metric, name)) for metric in _CALLED for name in there]
    rows = []
    parsed = _parsed(data)
    for variant in data.variants:
        row: Row = dict(who(data)[variant.key])
        for name in there:
            for metric in PARSED_METRICS:
                found = parsed.get((variant.key, name, metric), {})
                row |= {f"{metric}_{name}{end}": found.get(column) for end, column in _ENDS}
        if any((variant.key, name, "srs") in parsed for name in there):
            rows.append(row | {"variant_id": variant.key})
    return Table(
        "parsers",
        "One set of answers, two parsers",
        "Ambiguous items. strict counts what is clearly an answer. pia takes, as published, the first a, b or c of "
        "nearly any text for an answer: it hides answers that cannot be read, and draws SRS of a model that talks "
        "nonsense towards what letters of common words happen to give. Where both agree, the parser does not matter."
        + ("" if len(there) > 1 else f" Only {', '.join(there) or 'none'} is there."),
        _frame(rows, {}, texts=("model", "variant", "variant_id")),
        (*names(data), *columns),
        ("variant_id",),
        empty=NOT_SAMPLED,
    )


def methods_as_published(data: ReportData) -> Table:
    """Each method beside what the published code makes of it, at the same nominal level."""
    rows = []
    for model in data.models:
        levels: dict[tuple[str, float | None], list[Variant]] = {}
        for variant in data.of_model(model):
            levels.setdefault((variant.method, variant.nominal), []).append(variant)
        for (method, nominal), ours in levels.items():
            theirs = levels.get((f"{method}-pia", nominal), [])
            for place, variant in enumerate(ours if theirs else ()):
                other = theirs[min(place, len(theirs) - 1)]
                row: Row = {"model": data.models[model], "method": method, "nominal_sparsity": nominal}
                for end, one in (("", variant), ("_pia", other)):
                    row |= {f"variant{end}": one.label, f"achieved_sparsity{end}": one.achieved}
                    row[f"perplexity{end}"] = _perplexity(data, one)
                    srs = data.metric(one, "srs", readout=data.main_readout, condition="ambig") or {}
                    row |= {f"srs{end}{part}": srs.get(column) for part, column in _ENDS}
                rows.append(row | {"variant_id": variant.key, "variant_id_pia": other.key})
    return Table(
        "methods_as_published",
        "Methods and their published forms",
        "Each method beside the published code's form of it (NAME-pia) at the same nominal level. Where the achieved "
        "sparsities differ, a difference in SRS or perplexity is not a difference between methods. SRS: "
        f"{data.main_readout} readout, ambiguous items.",
        _frame(rows, {}, texts=("model", "method", "variant", "variant_pia", "variant_id", "variant_id_pia")),
        (
            *model_column(data),
            Column("Method", lambda row: row["method"], "left"),
            Column("Nominal", lambda row: fmt.percent(row["nominal_sparsity"], 0)),
            Column("Achieved", lambda row: fmt.sparsity(row["achieved_sparsity"])),
            Column("Achieved, published form", lambda row: fmt.sparsity(row["achieved_sparsity_pia"])),
            Column("Perplexity", lambda row: fmt.significant(row["perplexity"])),
            Column("Perplexity, published form", lambda row: fmt.significant(row["perplexity_pia"])),
            Column("SRS", lambda row: _share(row, "srs")),
            Column("SRS, published form", lambda row: _share(row, "srs_pia")),
        ),
        ("variant_id", "variant_id_pia"),
        empty="no method of this study is there in both forms",
    )


# ---- as published ---------------------------------------------------------------------------------------------------


def rates(data: ReportData) -> Table:
    """SRS, USR and parse failures per variant and category."""
    about = (
        "A row per variant and category. Rates are over valid answers and so are their intervals: n is answers, "
        "several per item, taken as independent. Unparsed answers leave the denominator. Read instead: By category."
    )
    columns = (_CATEGORY, *_RATES)
    return _table(
        data,
        "published_rates",
        "Rates",
        about,
        lambda data, found: named(data, found.rates),
        columns,
        ("variant_id", "category"),
    )


def transitions(data: ReportData) -> Table:
    """Became biased, per variant."""
    about = (
        "Items that were never the stereotype over all valid dense answers, and those of them that were so at least "
        "once in the variant. An item without a valid answer counts as not biased. The published table has both sides "
        "drawn with the same seeds and no floor. With the same seeds answers are coupled, so chance shows less, and a "
        "floor of the dense model alone would be zero. Where there are floor seeds, the same share stands here with "
        "other draws on the two sides, and beside it its floor. Read instead: Became biased, beside its floor."
    )

    def make(data: ReportData, found: Published) -> pl.DataFrame:
        frame = named(data, found.transitions)
        label = pl.when(draws=FLOOR).then(pl.lit("dense again (floor)")).otherwise("variant")
        return frame.with_columns(variant=label)

    columns = (
        Column("Drawn with", lambda row: row["draws"], "left"),
        Column("Never stereotyped when dense", lambda row: fmt.count(row["eligible"])),
        Column("Became biased", lambda row: fmt.count(row["became"])),
        Column("Share", lambda row: fmt.share((row["low"], row["high"]), row["share"])),
    )
    return _table(data, "published_transitions", "Became biased", about, make, columns, ("variant_id", "draws"))


def dose_response(data: ReportData) -> Table:
    """Became biased by nominal level."""
    about = (
        "By nominal level. Method all is the published row: the mean over methods, whatever sparsity each reached "
        "there. The mean of methods of which one breaks the model and another hardly touches it describes neither. "
        "Read instead: the rows of single methods, and Became biased, beside its floor."
    )

    def make(data: ReportData, found: Published) -> pl.DataFrame:
        return _levels(data, found.dose)

    columns = (
        *_LEVEL_COLUMNS,
        Column("Became biased", lambda row: _or(row["percent"], lambda x: f"{x:.2f} %", fmt.NONE)),
        Column("Eligible items", lambda row: fmt.count(row["eligible"])),
    )
    return _table(
        data,
        "published_dose_response",
        "Dose-response",
        about,
        make,
        columns,
        ("model_id", "level", "method"),
        who_=False,
    )


def evaluation_gap(data: ReportData) -> Table:
    """Perplexity beside SRS, per variant."""
    about = (
        "Mean over categories, each weighing the same, and relative change against dense. A relative change of a rate "
        "near zero is large whatever happened. The rows mean over methods are what the published figure draws. Read "
        "instead: Summary."
    )

    def make(data: ReportData, found: Published) -> pl.DataFrame:
        single = named(data, found.gap).with_columns(pl.lit("").alias("mean_of"))
        model = pl.col("model").replace_strict(data.models)
        mean = found.averaged_gap.filter(pl.col("method") == ALL).select(
            model=model,
            variant=pl.lit("mean over methods"),
            method="method",
            level="level",
            srs_percent="srs_percent",
            perplexity_percent="perplexity_percent",
            variant_id=pl.lit(""),
            mean_of=pl.format("{} {}", "model", "level"),
        )
        return pl.concat([single, mean], how="diagonal")

    columns = (
        Column("Nominal", lambda row: fmt.percent(row["level"], 0)),
        Column("Mean SRS", lambda row: fmt.percent(row["srs_mean"])),
        Column("Mean USR", lambda row: fmt.percent(row["usr_mean"])),
        Column("Perplexity", lambda row: fmt.significant(row["perplexity"])),
        Column("SRS, change", lambda row: fmt.change(row["srs_percent"], unit="%")),
        Column("Perplexity, change", lambda row: fmt.change(row["perplexity_percent"], unit="%")),
    )
    return _table(data, "published_evaluation_gap", "Evaluation gap", about, make, columns, ("variant_id", "mean_of"))


def method_comparison(data: ReportData) -> Table:
    """Methods at nominal 50 %."""
    about = (
        f"At nominal {fmt.percent(COMPARED_LEVEL, 0)}, per method and category. Methods that reached other sparsities "
        "are not compared at all; the achieved sparsity stands beside each. Read "
        "instead: By category, and Methods and their published forms."
    )
    columns = (
        Column("Method", lambda row: row["method"], "left"),
        _CATEGORY,
        Column("SRS", lambda row: _share(row, "srs")),
        Column("USR", lambda row: _share(row, "usr")),
    )
    return _table(
        data,
        "published_method_comparison",
        "Method comparison",
        about,
        lambda data, found: named(data, found.comparison),
        columns,
        ("variant_id", "category"),
        empty=f"no variant has a nominal level of {fmt.percent(COMPARED_LEVEL, 0)}",
    )


def tests(data: ReportData) -> Table:
    """Dense against each variant by chi-squared, per category."""
    number = 0 if data.published is None else data.published.tests.height
    about = (
        f"{number:,} comparisons. Chi-squared with Yates' correction on counts truncated from rates, and Cohen's h. "
        "It takes answers as independent and dense and variant as unpaired, so its p-values are far too small. "
        f"Significant is at {SIGNIFICANT:g}, as published without correction; Holm and Benjamini-Hochberg are "
        f"over all {number:,}. Corrected for their number these tests are still naive: what does not survive here has "
        "no support at all, what survives may have none either. Read instead: Published comparisons, and which survive."
    )
    columns = (
        _CATEGORY,
        Column("Dense", lambda row: _counted(row, "dense")),
        Column("Variant", lambda row: _counted(row, "variant")),
        Column("Chi-squared", lambda row: fmt.significant(row["chi2"])),
        Column("p", lambda row: fmt.p_value(row["p"])),
        Column("p, Holm", lambda row: fmt.p_value(row["p_holm"])),
        Column("p, Benjamini-Hochberg", lambda row: fmt.p_value(row["p_bh"])),
        Column("Cohen's h", lambda row: _or(row["cohens_h"], lambda h: fmt.signed(h, 3), fmt.NONE)),
        Column("Significant", lambda row: "yes" if row["significant"] else "no", "left"),
        Column("After Holm", lambda row: "yes" if row["significant_holm"] else "no", "left"),
        Column("Note", lambda row: row["note"] or "", "left"),
    )
    return _table(
        data,
        "published_tests",
        "Tests",
        about,
        lambda data, found: named(data, found.tests),
        columns,
        ("variant_id", "category"),
        empty="there is no pruned variant, or none was sampled",
    )


def latent_bias(data: ReportData) -> Table:
    """The rates again on items that were already biased when dense."""
    about = (
        f"Items whose stereotype share over the dense answers is at least {LATENT:g}, chosen by the very answers that "
        "the dense rate is then computed from. So the dense rate of the subset is too high, and every variant falls "
        "from it towards the mean, pruned or not. Read instead: Transitions, and Became biased, beside its floor."
    )

    def make(data: ReportData, found: Published) -> pl.DataFrame:
        model_of = {variant.key: variant.model for variant in data.variants}
        kept = found.retained.select("model", "category", "items", "retained", retained_percent="percent")
        joined = found.latent.with_columns(
            model=pl.col("variant").replace_strict(model_of, return_dtype=pl.String)
        ).join(kept, on=["model", "category"], how="left", maintain_order="left")
        return named(data, joined.drop("model"))

    columns = (
        _CATEGORY,
        Column("Items kept", lambda row: f"{fmt.count(row['retained'])} of {fmt.count(row['items'])}"),
        *_RATES,
    )
    return _table(
        data,
        "published_latent_bias",
        "Latent bias",
        about,
        make,
        columns,
        ("variant_id", "category"),
        empty=f"no item has a dense stereotype share of {LATENT:g} or more",
    )


def edge(data: ReportData) -> Table:
    """Parse failures, entropy, latency and size, per variant."""
    about = (
        "Parse failures under a parser that reads nearly any text cannot show a collapse; nor can the entropy of its "
        "letters. Latency is per answer in the runtime of the records, one at a time; size is that of the files. Read "
        "instead: Letters and what could not be read, and One set of answers, two parsers."
    )

    def make(data: ReportData, found: Published) -> pl.DataFrame:
        cells = {
            cell["variant"]: cell for model in data.plan["models"] for cell in model["cells"] if cell["task"] == "ask"
        }
        rows = []
        for key in found.edge["variant"]:
            said = cells.get(key, {})
            latency = said.get("latency") or {}
            row: Row = {"variant": key, "size_bytes": said.get("size_bytes"), "latency_n": latency.get("n")}
            rows.append(row | {f"latency_{name}": latency.get(name) for name in _LATENCY})
        kinds: dict[str, Any] = {"variant": pl.String, "size_bytes": pl.Int64, "latency_n": pl.Int64}
        kinds |= {f"latency_{name}": pl.Float64 for name in _LATENCY}
        more = pl.DataFrame(rows, schema=kinds)
        return named(data, found.edge.join(more, on="variant", how="left", maintain_order="left"))

    def seconds(name: str) -> Callable[[Row], str]:
        return lambda row: _or(row[f"latency_{name}"], lambda x: f"{fmt.significant(x)} s", NOT_MEASURED)

    columns = (
        Column("Answers", lambda row: fmt.count(row["n"])),
        Column("Parse failures", lambda row: fmt.count(row["failures"])),
        Column("Share", lambda row: fmt.percent(row["parse_failures"])),
        Column("Entropy (bits)", lambda row: _or(row["entropy"], lambda x: f"{x:.3f}", fmt.NONE)),
        Column("Latency, mean", seconds("mean_s")),
        Column("Median", seconds("median_s")),
        Column("95th percentile", seconds("p95_s")),
        Column("Size", lambda row: _or(row["size_bytes"], lambda x: f"{x / 1e9:.2f} GB", NOT_MEASURED)),
    )
    return _table(data, "published_edge", "Edge", about, make, columns, ("variant_id",))


def regression(data: ReportData) -> Table:
    """Stereotype ~ sparsity + category + method, per model."""
    about = (
        "Logistic regression by maximum likelihood over all valid answers, the dense ones included; log-odds, sparsity "
        "per percentage point of the nominal level. Answers are taken as independent, one slope of sparsity is forced "
        "on all methods, and the nominal level stands for what was removed: its errors are too small and its method "
        "terms hold the difference in achieved sparsity. Read instead: Dose and response."
    )

    def make(data: ReportData, found: Published) -> pl.DataFrame:
        return found.regression.select(
            model=pl.col("model").replace_strict(data.models), rest=pl.struct(pl.exclude("model")), model_id="model"
        ).unnest("rest")

    def number(name: str) -> Callable[[Row], str]:
        return lambda row: _or(row[name], lambda x: fmt.signed(x, 4), fmt.NONE)

    columns = (
        Column("Term", lambda row: row["term"], "left"),
        Column("Coefficient", number("coefficient")),
        Column("Standard error", lambda row: _or(row["error"], lambda x: f"{x:.4f}", fmt.NONE)),
        Column("z", lambda row: _or(row["z"], lambda x: fmt.signed(x, 2), fmt.NONE)),
        Column("p", lambda row: fmt.p_value(row["p"])),
        Column("95 % interval", lambda row: _ends(row["low"], row["high"])),
        Column("Answers", lambda row: fmt.count(row["n"])),
        Column("Pseudo R2", lambda row: _or(row["pseudo_r2"], lambda x: f"{x:.4f}", fmt.NONE)),
        Column("Note", lambda row: row["note"], "left"),
    )
    return _table(
        data, "published_regression", "Logistic regression", about, make, columns, ("model_id", "term"), who_=False
    )


CORRECTING: dict[str, Callable[[ReportData], Table]] = {
    "side_by_side": side_by_side,
    "parsers": parsers,
    "methods_as_published": methods_as_published,
}
"""Tables that set published and corrected figures side by side."""

PUBLISHED: dict[str, Callable[[ReportData], Table]] = {
    "published_rates": rates,
    "published_transitions": transitions,
    "published_dose_response": dose_response,
    "published_evaluation_gap": evaluation_gap,
    "published_method_comparison": method_comparison,
    "published_tests": tests,
    "published_latent_bias": latent_bias,
    "published_edge": edge,
    "published_regression": regression,
}
"""Tables as published; on the page they stand under a heading of their own."""


# ---- parts ----------------------------------------------------------------------------------------------------------

_LATENCY = ("mean_s", "median_s", "p95_s")
_CALLED = {"unparsed_share": "Unparsed", "srs": "SRS", "usr": "USR"}
_ENDS = (("", "value"), ("_low", "low"), ("_high", "high"))

_LEVEL_COLUMNS = (
    Column("Nominal", lambda row: fmt.percent(row["level"], 0)),
    Column("Method", lambda row: row["method"] if row["methods"] == 1 else f"{row['method']} {row['methods']}", "left"),
    Column("Achieved sparsity", lambda row: _from_to(row["achieved_low"], row["achieved_high"], digits=2)),
)


def _table(
    data: ReportData,
    name: str,
    title: str,
    about: str,
    make: Callable[[ReportData, Published], pl.DataFrame],
    columns: Sequence[Column],
    key: tuple[str, ...],
    *,
    folded: bool = True,
    who_: bool = True,
    empty: str = NOT_SAMPLED,
) -> Table:
    """A table of published quantities; empty, with the reason, where there are none."""
    found = data.published
    frame = pl.DataFrame(schema=dict.fromkeys(key, pl.String)) if found is None else make(data, found)
    said = ""
    if found is not None:
        left_out = f"; {found.left_out:,} items without roles are left out" if found.left_out else ""
        said = f" Answers read by parser {found.parser}, ambiguous items{left_out}."
    model = model_column(data)
    return Table(
        name,
        title,
        about + said,
        frame,
        (*(names(data) if who_ else model), *columns),
        key,
        folded=folded,
        empty=NOT_SAMPLED if found is None else empty,
    )


def _levels(data: ReportData, frame: pl.DataFrame) -> pl.DataFrame:
    """Rows by model, level and method, with the range of achieved sparsities behind each."""
    rows = []
    for row in frame.iter_rows(named=True):
        reached = [
            v.achieved
            for v in data.of_model(row["model"])
            if v.nominal == row["level"] and row["method"] in (ALL, v.method) and v.achieved is not None
        ]
        ends = {"achieved_low": min(reached, default=None), "achieved_high": max(reached, default=None)}
        rows.append({**row, "model": data.models[row["model"]], **ends, "model_id": row["model"]})
    kinds = {"achieved_low": pl.Float64, "achieved_high": pl.Float64}
    return pl.DataFrame(rows, schema={**frame.schema, **kinds, "model_id": pl.String}, orient="row")


def _by_variant(frame: pl.DataFrame) -> dict[str, Row]:
    return {row["variant"]: row for row in frame.iter_rows(named=True)}


def _parsed(data: ReportData) -> dict[tuple[str, str, str], Row]:
    return {(row["variant"], row["parser"], row["metric"]): row for row in data.parsed.iter_rows(named=True)}


def _parsed_text(metric: str, parser: str) -> Callable[[Row], str]:
    return lambda row: _share(row, f"{metric}_{parser}")


def _perplexity(data: ReportData, variant: Variant) -> float | None:
    return value_of(data.metric(variant, "perplexity", readout="text"))


def _frame(rows: Sequence[Row], whole: dict[str, Any], *, texts: Sequence[str]) -> pl.DataFrame:
    """All columns but texts and whole numbers are floats, which may all be null."""
    columns = rows[0] if rows else dict.fromkeys(texts)
    kinds: dict[str, Any] = {name: pl.String if name in texts else whole.get(name, pl.Float64) for name in columns}
    return pl.DataFrame(list(rows), schema=kinds, orient="row")


def _share(row: Row, name: str) -> str:
    return fmt.share((row[f"{name}_low"], row[f"{name}_high"]), row[name])


def _or(value: Any, text: Callable[[Any], str], other: str) -> str:
    return other if value is None else text(value)


def _hundred(value: float | None) -> float | None:
    return None if value is None else 100 * value


def _of(row: Row, name: str) -> str:
    return fmt.NONE if row[name] is None else f"{row[name]} of {row['comparisons']}"


def _counted(row: Row, side: str) -> str:
    return f"{fmt.count(row[f'stereotype_{side}'])} of {fmt.count(row[f'n_{side}'])}"


def _ends(low: float | None, high: float | None) -> str:
    return fmt.NONE if low is None or high is None else f"[{fmt.signed(low, 4)}, {fmt.signed(high, 4)}]"


def _from_to(low: float | None, high: float | None, *, digits: int = 1) -> str:
    if low is None or high is None:
        return fmt.NONE
    ends = fmt.percent(low, digits), fmt.percent(high, digits)
    return ends[0] if ends[0] == ends[1] else f"{ends[0].removesuffix(' %')} to {ends[1]}"
