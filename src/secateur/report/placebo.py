"""Stereotype or damage: tables that set changes beside those of placebos and other methods at the same KL."""

from __future__ import annotations

from typing import Any

import polars as pl

from secateur.metrics.catalogue import METRICS
from secateur.metrics.published import SIGNIFICANT
from secateur.report import format as fmt
from secateur.report.data import ReportData, Row
from secateur.report.matched import CORRECTED_MATCHED, PLACEBO
from secateur.report.rows import change_of, counted, model_column, named, names
from secateur.report.table import Column, Table

NOTHING_MATCHED = (
    "no KL from dense was measured, or there is neither a placebo nor a second method "
    "(study file: perplexity.divergence, and `placebo: noise` under variants)"
)

_COUNTS = {
    "compared": "Compared",
    "differ": "Differ",
    "holm": "Differ, Holm",
    "more": "More",
    "less": "Less",
    "beyond": "No match",
}

_COUNTED: dict[str, Any] = {
    **dict.fromkeys(("model", "readout", "metric", "kind", "reference"), pl.String),
    **dict.fromkeys(_COUNTS, pl.Int64),
    "model_id": pl.String,
}


def matched_counts(data: ReportData) -> Table:
    """How many variants differ from what else gives their KL, per metric and reference."""
    variants = {v.key: v for v in data.variants}
    rows: list[Row] = []
    for (model, metric, kind, reference), part in (
        data.matched.with_columns(
            model=pl.col("variant").replace_strict(
                {key: v.model for key, v in variants.items()}, return_dtype=pl.String
            )
        )
        .filter(readout=data.main_readout)
        .group_by("model", "metric", "kind", "reference", maintain_order=True)
    ):
        found = [
            row
            for row in part.iter_rows(named=True)
            if data.state(variants[row["variant"]], data.main_readout).readable
        ]
        tested = [row for row in found if row["p"] is not None]
        held = [row for row in tested if row["p_holm"] < SIGNIFICANT]
        rows.append(
            {
                "model": data.models[str(model)],
                "readout": data.main_readout,
                "metric": metric,
                "kind": kind,
                "reference": reference,
                "compared": len(tested),
                "differ": sum(row["p"] < SIGNIFICANT for row in tested),
                "holm": len(held),
                "more": sum(row["value"] > 0 for row in held),
                "less": sum(row["value"] < 0 for row in held),
                "beyond": len(found) - len(tested),
                "model_id": model,
            }
        )
    return Table(
        "matched_counts",
        "Stereotype or damage: how many variants differ at the same KL",
        "Of the variants that can be read: those whose change from dense differs from the change that noise on the "
        "dense weights, or another method, makes at the same KL from dense; p below "
        f"{SIGNIFICANT:g} with clusters of templates as the sample, and of these what is left after Holm's correction "
        "over all variants and one kind of reference (placebo, or methods). Of several seeds each must differ, to the "
        "same side; a variant that is like one more seed lies outside all k of them with a chance of 2 / (k + 1). More "
        "and less: the direction of those left after Holm. No match: the reference does not reach so large a KL, or "
        "one side is undefined.",
        pl.DataFrame(rows, schema=_COUNTED, orient="row").sort(
            pl.col("kind") != PLACEBO, "reference", maintain_order=True
        ),
        (
            *model_column(data),
            Column("Beside", _reference, "left"),
            Column("Metric", lambda row: METRICS[row["metric"]].title, "left"),
            *(Column(title, counted(name)) for name, title in _COUNTS.items()),
        ),
        ("model_id", "readout", "metric", "reference"),
        empty=NOTHING_MATCHED,
    )


def matched(data: ReportData) -> Table:
    """Each variant's change beside the change at the same KL of each placebo and other method."""
    states = {key: state.name for (key, readout), state in data.states.items() if readout == data.main_readout}
    frame = data.matched if data.matched.width else pl.DataFrame(schema=CORRECTED_MATCHED)
    return Table(
        "matched",
        "Changes at the same KL",
        "A variant's change from dense less the change from dense of the reference at the same KL(dense || variant), "
        "item by item. The reference is the dense model with random noise on its weights, which knows nothing of any "
        "group, or another method; points at which more than half of the answers cannot be read are left out. Between "
        "two of its points its change lies along a line in sqrt(KL), starting at "
        "dense; over several seeds it is their mean, the smallest and largest difference from a single one stand "
        "beside, and p is the largest of the single ones, or 1 where they are to different sides. Matching level: the "
        "strength or sparsity that would give the same KL along that line; a variant that has it needs no "
        "interpolation. Intervals are clustered by templates and hold neither the spread between seeds nor the error "
        "of KL. A difference that is not found is not shown to be none.",
        named(
            data, frame.with_columns(state=pl.col("variant").replace_strict(states, default="", return_dtype=pl.String))
        ),
        (
            *names(data),
            Column("State", lambda row: row["state"], "left"),
            Column("Readout", lambda row: row["readout"], "left"),
            Column("Metric", lambda row: METRICS[row["metric"]].title, "left"),
            Column("KL", lambda row: fmt.value(row["kl"], METRICS["kl"])),
            Column("Beside", _reference, "left"),
            Column("Matching level", lambda row: _level(row["matching_level"])),
            Column("Change", lambda row: change_of(row, "change")),
            Column("Its change", lambda row: change_of(row, "matched")),
            Column(
                "Difference",
                lambda row: fmt.difference(row, METRICS[row["metric"]]) if row["value"] is not None else fmt.NONE,
            ),
            Column("p", lambda row: fmt.p_value(row["p"])),
            Column("p, Holm", lambda row: fmt.p_value(row["p_holm"])),
            Column("Seeds", lambda row: fmt.count(row["n_curves"])),
            Column("Single seeds", _spread),
            Column("Interpolated between", lambda row: row["between"] or fmt.NONE, "left"),
            Column("Note", lambda row: row["note"], "left"),
        ),
        ("variant_id", "readout", "condition", "category", "metric", "reference"),
        on_page=(pl.col("readout") == data.main_readout),
        folded=True,
        empty=NOTHING_MATCHED,
    )


def _reference(row: Row) -> str:
    return f"{row['reference']} (placebo)" if row["kind"] == PLACEBO else str(row["reference"])


def _level(level: float | None) -> str:
    return fmt.NONE if level is None else fmt.significant(level)


def _spread(row: Row) -> str:
    if row["n_curves"] < 2 or row["least"] is None:
        return fmt.NONE
    return f"{change_of(row, 'least')} to {change_of(row, 'most')}"
