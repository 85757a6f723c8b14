"""Scores of a store: ours, or those of another program's convention."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from secateur.errors import InputError, StoreError
from secateur.items.bbq import NAME, bbq_labels
from secateur.items.bbq_source import bbq_is_somewhere, find_bbq
from secateur.metrics.conventions.convention import SCORE_COLUMNS, Convention
from secateur.metrics.conventions.questions import LABEL_COLUMNS, letter_answers, text_answers
from secateur.metrics.conventions.table import CONVENTIONS, convention_table
from secateur.metrics.table import METRIC_COLUMNS
from secateur.records.answers import SAMPLED, named_models, read_answers
from secateur.records.parsers import PARSERS, STRICT
from secateur.records.store import Store
from secateur.report.read import choose_plan, read_report_data

OURS: dict[str, Any] = {"model": pl.String, **METRIC_COLUMNS}
"""Columns of our scores; a variant is its label."""

THEIRS: dict[str, Any] = {
    **dict.fromkeys(("model", "variant", "readout"), pl.String),
    **SCORE_COLUMNS,
}
"""Columns of scores by a convention."""


@dataclass(frozen=True)
class StoreScores:
    """Scores of one plan of a store.

    Args:
        plan: The plan that was read.
        convention: Whose scores; ``None`` for ours.
        parser: Which parser read texts; ``None`` if none did.
        labels: Where BBQ's labels come from; "" if they were not needed or not at hand.
        table: Columns ``OURS`` or ``THEIRS``.
    """

    plan: Mapping[str, Any]
    convention: Convention | None
    parser: str | None
    labels: str
    table: pl.DataFrame


def score_store(
    store: Store,
    *,
    convention: str | None = None,
    parser: str | None = None,
    plan: str | None = None,
    bbq: Path | None = None,
    level: float = 0.95,
) -> StoreScores:
    """Score one plan of a store.

    Args:
        store: Where the answers are.
        convention: Name of a convention; ``None`` for our metrics.
        parser: Which parser reads sampled answers. By a convention it reads only what that cannot read itself, and
            ``None`` means that nothing else does; for our metrics ``None`` means ``strict``.
        plan: Start of the plan's digest; the one run last if ``None``.
        bbq: BBQ's folder, whose labels conventions use; ``None``: where it is usually found, if it is.
        level: Of the intervals of our metrics.

    Raises:
        InputError: If there is no such convention, parser or plan, or the folder is not BBQ's.
        StoreError: If the store holds no plan, or no answer of it.
    """
    if convention is not None and convention not in CONVENTIONS:
        raise InputError(
            "There is no such convention.", where="--convention", allowed=", ".join(CONVENTIONS), got=convention
        )
    if parser is not None and parser not in PARSERS:
        raise InputError("There is no such parser.", where="--parser", allowed=", ".join(PARSERS), got=parser)
    if convention is None and bbq is not None:
        raise InputError(
            "Our own metrics do not read BBQ's files.", where="--bbq", todo="leave it out, or name a --convention"
        )
    chosen = choose_plan(store, plan)
    if not chosen.get("letter") and not chosen.get("sampled"):
        raise StoreError(
            "This study asks no questions, so there is nothing to score.",
            where=f"{store.path}, study {chosen['study']}",
            todo="name another study with --plan",
        )
    if convention is None:
        found = _ours(store, parser or STRICT.name, chosen, level)
    else:
        found = _theirs(store, CONVENTIONS[convention], parser, chosen, bbq)
    if not found.table.height:
        raise StoreError(
            "The store has no answers of this study yet.",
            where=store.path,
            got=f"0 answers of study {chosen['study']}",
            todo="run the study (`secateur study run`), or name another with --plan",
        )
    return found


def with_labels(items: pl.DataFrame, bbq: Path | None) -> tuple[pl.DataFrame, str]:
    """Items with BBQ's names and stereotyped groups, and where these come from.

    An item gets them if BBQ's files have it with the same three options.

    Args:
        items: Rows of the table ``items``.
        bbq: BBQ's folder; ``None``: where it is usually found, and if it is not, items stay as they are.

    Raises:
        InputError: If the folder is not BBQ's.
    """
    if bbq is None and not bbq_is_somewhere():
        return items, ""
    root = find_bbq(bbq)
    asked = items.filter(pl.col("benchmark") == NAME)["category"].unique().to_list()
    if not asked:
        return items, ""
    labels = bbq_labels(root, asked)
    rows = {
        "category": [label.category for label in labels],
        "example_id": [label.example_id for label in labels],
        **{f"option_{i}": [label.answers[i] for label in labels] for i in range(3)},
        **{f"name_{i}": [label.named[i] for label in labels] for i in range(3)},
        "stereotyped": [list(label.stereotyped) for label in labels],
    }
    table = pl.DataFrame(rows, schema={name: LABEL_COLUMNS.get(name, pl.String()) for name in rows})
    keys = [name for name in rows if name not in LABEL_COLUMNS]
    named = items.join(
        table.with_columns(benchmark=pl.lit(NAME)), on=["benchmark", *keys], how="left", maintain_order="left"
    )
    n_found = named["stereotyped"].count()
    return named, f"{root}: {n_found:,} of {items.height:,} items"


def _theirs(
    store: Store, convention: Convention, parser: str | None, plan: Mapping[str, Any], bbq: Path | None
) -> StoreScores:
    items, labels = with_labels(store.item_set(plan["items"]), bbq)
    tables = [
        convention_table(_answers(store, plan, model, items, parser), items, convention).select(
            pl.lit(name).alias("model"), pl.all()
        )
        for name, model in named_models(plan)
    ]
    return StoreScores(plan, convention, parser, labels, pl.concat([pl.DataFrame(schema=THEIRS), *tables]))


def _ours(store: Store, parser: str, plan: Mapping[str, Any], level: float) -> StoreScores:
    data = read_report_data(store, parser=parser, plan=plan["digest"], level=level)
    labels = pl.DataFrame(
        [(variant.key, data.models[variant.model], variant.label) for variant in data.variants],
        schema=["variant", "model", "label"],
        orient="row",
    )
    table = (
        # Rows without a condition are of text and masks.
        data.metrics.filter(pl.col("condition") != "")
        .join(labels, on="variant", how="left", maintain_order="left")
        .with_columns(variant=pl.col("label"))
        .select(*OURS)
    )
    return StoreScores(data.plan, None, parser, "", table)


def _answers(
    store: Store, plan: Mapping[str, Any], model: Mapping[str, Any], items: pl.DataFrame, parser: str | None
) -> Iterator[tuple[str, str, pl.DataFrame]]:
    """Variant, readout and answers as conventions take them."""
    for cell in model["cells"]:
        if cell["task"] != "ask":
            continue
        # Whatever little mass the letters have: no other program asks for some.
        answers = read_answers(
            store, plan, model, cell, items, parser=STRICT if parser is None else PARSERS[parser], min_mass=0.0
        )
        for readout, outcomes in answers.outcomes.items():
            if readout != SAMPLED:
                yield cell["label"], readout, letter_answers(outcomes)
            elif answers.sampled is not None:
                yield cell["label"], readout, text_answers(answers.sampled, None if parser is None else outcomes)
