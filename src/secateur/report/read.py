"""From a store to the frames of a report. Only this and the modules ``read_...`` see the store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from secateur.errors import InputError, StoreError
from secateur.identity import HASH_VERSION, short
from secateur.items.clusters import effective_number
from secateur.metrics.counts import CONDITIONS
from secateur.metrics.table import ALL
from secateur.records.answers import LETTER, SAMPLED
from secateur.records.outcomes import MIN_LETTER_MASS, has_roles
from secateur.records.parsers import PARSERS, STRICT
from secateur.records.store import Store
from secateur.report.as_published import together
from secateur.report.changes import correct_changes
from secateur.report.data import ReportData
from secateur.report.matched import correct_matched
from secateur.report.processes import MANY
from secateur.report.read_model import read_models
from secateur.report.reading import Reading
from secateur.report.states import find_states
from secateur.report.wordings import correct_reworded


def read_report_data(
    store: Store,
    *,
    parser: str = "strict",
    plan: str | None = None,
    min_mass: float = MIN_LETTER_MASS,
    level: float = 0.95,
    processes: int = 1,
    note: Callable[[str], None] | None = None,
) -> ReportData:
    """Read what a report needs of one plan of a store.

    Args:
        store: Where the answers are.
        parser: Which parser reads sampled answers.
        plan: Start of the plan's digest; the one run last if ``None``.
        min_mass: Letter mass below which a letter answer is unparsed.
        level: Of the intervals.
        processes: In how many answers may be read, where there are many. With more than one, a script that calls
            this keeps its own doings behind ``if __name__ == "__main__"``, and parsers, metrics and figures that it
            added are not known.
        note: Told before answers are read that take a while.

    Raises:
        InputError: If there is no such parser or plan.
        StoreError: If the store holds no plan, or no answer of it.
    """
    if parser not in PARSERS:
        raise InputError("There is no such parser.", where="--parser", allowed=", ".join(PARSERS), got=parser)
    chosen = choose_plan(store, plan)
    reading = Reading(store, chosen, parser=parser, min_mass=min_mass, level=level)
    if note is not None and reading.n_rows >= MANY:
        note(f"reading {reading.n_rows:,} records")
    models = read_models(reading, processes=processes)
    variants, placebos = (
        tuple(v for model in models for v in model.variants if v.placebo is placebo) for placebo in (False, True)
    )
    if not any(variant.have for variant in variants):
        raise StoreError(
            "The store has no answers of this study yet.",
            where=store.path,
            got=f"0 of {sum(variant.want for variant in variants):,} records of study {chosen['study']}",
            todo="run the study (`secateur study run`), or name another with --plan",
        )
    known = [model.known for model in models]
    read = [part for model in models for part in model.readouts]
    beside = [part.beside for part in read]
    metrics = pl.concat([frame for model in models for frame in model.metrics])
    parsed = pl.concat([*(part.parsed for part in read), *(model.again.parsed for model in models)])
    return ReportData(
        plan=chosen,
        other_plans=tuple(
            (str(other["study"]), str(other["digest"]))
            for other in store.plans()
            if other["digest"] != chosen["digest"]
        ),
        hash_version=HASH_VERSION,
        environments=tuple(store.environments()),
        protocol={model.digest: model.protocol for model in known},
        parser=parser,
        min_mass=min_mass,
        level=level,
        variants=variants,
        states=find_states(
            (*variants, *placebos),
            [name for name in (LETTER, SAMPLED) if chosen.get(name)],
            metrics,
            None if parser == STRICT.name else parsed,
        ),
        items=_item_counts(reading.items),
        metrics=metrics,
        pairs=pl.concat([part.pairs for part in beside]),
        moves=pl.concat([part.moves for part in beside]),
        letters=pl.concat([part.letters for part in read]),
        layers=pl.concat([model.layers for model in known]),
        coupling={readout: text for part in beside for readout, text in part.coupling.items()},
        left_out={model.known.digest: model.left_out for model in models if model.left_out},
        published=together([model.again.published for model in models]),
        parsed=parsed,
        # Placebos are a family of their own: nobody asks of them whether they changed.
        changes=pl.concat(
            [
                correct_changes(pl.concat([getattr(part, which) for part in beside]))
                for which in ("changes", "placebo_changes")
            ]
        ),
        directions=pl.concat([part.directions for part in beside]),
        doses=pl.concat([part.doses for part in beside]),
        placebos=placebos,
        matched=correct_matched(pl.concat([part.matched for part in beside])),
        wordings=pl.concat([part.reworded.levels for part in read]),
        reworded=correct_reworded(pl.concat([part.reworded.changes for part in read])),
        wording_states={key: state for part in read for key, state in part.reworded.states.items()},
    )


def choose_plan(store: Store, prefix: str | None) -> dict[str, Any]:
    """The plan whose digest starts with ``prefix``; without one, the plan that was run last.

    The store's log says which study ran last; where it does not decide, the plan that was added last is taken.

    Raises:
        StoreError: If the store holds no plan.
        InputError: If no plan, or more than one, starts so.
    """
    plans = store.plans()
    if not plans:
        raise StoreError(
            "The store holds no study, so there is nothing to report.",
            where=store.path,
            todo="run a study into it (`secateur study run STUDY.YAML --store STORE`)",
        )
    if prefix is None:
        return max(_run_last(store, plans), key=lambda said: (_added(store, said["digest"]), said["digest"]))
    found = [said for said in plans if said["digest"].startswith(prefix)] if prefix else []
    if len(found) != 1:
        listed = ", ".join(f"{said['digest'][:16]} ({said['study']})" for said in plans)
        what = "More than one study of the store starts so." if found else "The store has no such study."
        raise InputError(what, where="--plan", allowed=listed, got=repr(prefix))
    return found[0]


def _run_last(store: Store, plans: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The plans that the last run in the log can have been of; all if it does not say."""
    candidates = list(plans)
    for event in store.events():
        if event.get("event") == "run":
            named = [said for said in plans if said["digest"] == event.get("plan")]
            candidates = named or [said for said in plans if said["study"] == event.get("study")] or candidates
    return candidates


def _added(store: Store, digest: str) -> float:
    path: Path = store.path / "plans" / f"{short(digest)}.json"
    return path.stat().st_mtime if path.exists() else 0.0


def _item_counts(items: pl.DataFrame) -> pl.DataFrame:
    """Items per category and condition, and over all categories of a condition."""
    facts = items.select(
        "category",
        "condition",
        pl.concat_str("benchmark", "category", "cluster", separator="\0").alias("cluster"),
        has_roles=pl.Series(has_roles(items)),
    )
    rows = []
    for condition in CONDITIONS:
        part = facts.filter(pl.col("condition") == condition)
        if not part.height:
            continue
        names = sorted(part["category"].unique())
        for category in (ALL, *names):
            chosen = part if category == ALL else part.filter(pl.col("category") == category)
            kept = chosen.filter(pl.col("has_roles"))
            sizes = kept.group_by("cluster").len()["len"].to_list()
            rows.append(
                {
                    "condition": condition,
                    "category": category,
                    "items": chosen.height,
                    "with_roles": kept.height,
                    "left_out": chosen.height - kept.height,
                    "clusters": len(sizes),
                    "effective_clusters": effective_number(sizes),
                }
            )
    return pl.DataFrame(rows)
