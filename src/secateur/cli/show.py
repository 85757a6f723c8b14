"""What the study commands print."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.markup import escape

from secateur.cli.console import console, expected_range, plain_table, print_items
from secateur.cli.progress import duration, rate
from secateur.compression.recipe import Recipe
from secateur.compression.verify import expected_sparsity
from secateur.identity import distinct_names
from secateur.records.store import Store
from secateur.study.decidable import CHANGED, Decidable, decidable_items
from secateur.study.missing import missing_rows
from secateur.study.outline import Outline
from secateur.study.plan import Plan

if TYPE_CHECKING:
    from secateur.study.run import Outcome

APART = {"wording": "in other wordings", "floor": "for the floor"}
"""Tasks whose letter rows are no answers of the study, and what they are."""

BYTES_PER_ROW = {"letter": 18.0, "sampled": 2.8, "text": 15.8, "reference": 8.0, "divergence": 18.4}
"""Parquet bytes a row takes, as measured on real runs (LOG.md); only for the plan's estimate."""

BYTES_PER_KEPT_TOKEN = 5.7
"""What each token that is kept of a distribution adds to a row of ``reference``: id and log-probability, compressed."""


def print_plan(plan: Plan, store: Store | None) -> None:
    """Cells, records, bytes, what the store lacks of them and, if it has timed a run before, how long that takes."""
    out = console()
    print_items(out, plan.config.study, plan.items)
    if plan.text:
        out.print(
            "text: {protocol}; {windows:,} windows of {window:,} tokens; BOS token: {bos}".format_map(plan.text),
            markup=False,
        )
        if plan.text["divergence"]:
            out.print("divergence from dense: {subset}".format_map(plan.text["divergence"]), markup=False)
        for note in plan.text["left_out"]:
            out.print(f"  {note}", markup=False)
    shown = {"letter": "letter", "sampled": "sampled", "text": "text windows"}
    apart = {task: name for task, name in APART.items() if plan.rows_of(task)}
    shown |= {task: f"letter, {name}" for task, name in apart.items()}
    if plan.text and plan.text["divergence"]:
        shown |= {"reference": "reference", "divergence": "divergence"}
    table = plain_table("model", "variant", *shown.values(), "expected sparsity")
    names = distinct_names([(model.checkpoint.digest, model.name) for model in plan.models])
    for called, model in zip(names, plan.models, strict=True):
        shapes = model.checkpoint.linear_shapes()
        for variant in model.variants:
            rows: dict[str, int] = {}
            for cell in model.cells:
                if cell.variant == variant and cell.spec.task in apart:
                    rows[cell.spec.task] = rows.get(cell.spec.task, 0) + sum(cell.rows.values())
                elif cell.variant == variant:
                    rows |= cell.rows
            table.add_row(
                escape(called),
                variant.label,
                *(f"{rows.get(name, 0):,}" for name in shown),
                expected_range(
                    expected_sparsity(variant.recipe, shapes) if isinstance(variant.recipe, Recipe) else None
                ),
            )
    out.print(table)
    total = sum(plan.n_rows.values())
    floor = f" (of the sampled, {plan.floor_rows:,} are dense floor answers)" if plan.floor_rows else ""
    counts = ", ".join(f"{rows:,} {name}" for name, rows in plan.n_rows.items() if rows)
    out.print(f"{total:,} records: {counts}{floor}{letters_apart(plan)}", markup=False)
    size = sum(BYTES_PER_ROW[name] * rows for name, rows in plan.n_rows.items()) + _kept_bytes(plan)
    out.print(f"about {size / 1e6:,.1f} MB in the store; computed in {plan.dtype} on {plan.device}", markup=False)
    missing = missing_rows(plan, store)
    if store is not None:
        out.print(f"{total - missing:,} of them are in the store, {missing:,} are to be asked", markup=False)
    if missing:
        out.print(_expected_time(missing, store), markup=False)
    print_decidable(decidable_items(plan.items))


def print_decidable(found: Sequence[Decidable], *, policy: bool = False) -> None:
    """The smallest changes that could be told from none, and beside a policy's margins whether that is enough."""
    if not found:
        return
    out = console()
    title = "criterion" if policy else "ambiguous items"
    heads = [f"if {share:.0%} change" for share in CHANGED]
    table = plain_table(title, "", "items", "templates", *heads, *(("margin", "decidable") if policy else ()))
    for one in found:
        margins = ("-" if least is None else f"{100 * least:.1f}" for least in one.margins)
        said: tuple[str, ...] = ()
        if policy:
            up_to = one.up_to
            said = (
                f"{100 * (one.margin or 0):.1f}",
                "no" if up_to is None else "yes" if up_to == CHANGED[-1] else f"if at most {up_to:.0%} change",
            )
        table.add_row(escape(one.name), "", f"{one.n_items:,}", f"{one.n_clusters:,}", *margins, *said)
    out.print(
        "\nsmallest margin, in points, against which no change is likely (80 %) to be found equivalent:", markup=False
    )
    out.print(table)


def letters_apart(plan: Plan | Outline) -> str:
    """How many of the letter records are no answers of the study."""
    told = ", ".join(f"{plan.rows_of(task):,} are {name}" for task, name in APART.items() if plan.rows_of(task))
    return f" (of the letter, {told})" if told else ""


def _kept_bytes(plan: Plan) -> float:
    """What the dense models' distributions take."""
    read = plan.config.perplexity
    if read is None or read.divergence is None:
        return 0.0
    probe = read.divergence.probe
    n_tokens = 0
    for model in plan.models:
        top = min(probe.top, model.vocabulary or probe.top)
        n_tokens += top * sum(probe.positions(window) for window in model.windows)
    return BYTES_PER_KEPT_TOKEN * n_tokens


def print_outcome(outcome: Outcome) -> None:
    """What a run did."""
    print(
        f"{outcome.rows_wanted:,} records complete, {outcome.rows_added:,} of them asked now, "
        f"in {duration(outcome.seconds)}"
    )


def _expected_time(rows: int, store: Store | None) -> str:
    seconds = asked = 0.0
    for event in store.events() if store is not None else ():
        if event.get("event") == "cell":
            seconds, asked = seconds + event["seconds"], asked + event["rows"]
    if not asked:
        return "time: unknown until a cell has run into the store"
    return f"time: about {duration(rows * seconds / asked)} at the store's mean of {rate(int(asked), seconds)}"
