"""What `study status` prints. Needs the store alone, so no torch is loaded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rich.markup import escape

from secateur.cli.console import console, plain_table
from secateur.errors import StoreDamagedError, StoreError
from secateur.records.answers import named_models
from secateur.records.complete import rows_present
from secateur.records.store import Store


def print_status(store: Store) -> bool:
    """Every study of a store, cell by cell; true if every file is as written."""
    out = console()
    realised = {variant["planned"]: variant for variant in _as_far_as_read(store.variants)}
    for plan in _as_far_as_read(store.plans):
        out.print(f"study {plan['study']} ({plan['digest'][:16]})", markup=False)
        table = plain_table("model", "variant", "task", "records", "complete", "achieved sparsity")
        have = want = 0
        for name, model in named_models(plan):
            for cell in model["cells"]:
                wanted = sum(cell["rows"].values())
                want += wanted
                try:
                    stored = sum(rows_present(store, plan, model, cell).values())
                except StoreDamagedError:  # named below, with what to do
                    complete = ("damaged", "-")
                except StoreError:  # the plan's items or text: given up by a repair, added again by the next run
                    complete = ("missing", "-")
                else:
                    have += stored
                    complete = (f"{stored:,} / {wanted:,}", f"{stored / wanted:.0%}" if wanted else "-")
                table.add_row(
                    escape(name),
                    escape(cell["label"]),
                    " ".join(filter(None, (cell["task"], cell.get("wording")))),
                    *complete,
                    _achieved(realised.get(cell["variant"]), cell),
                )
        out.print(table)
        out.print(f"{have:,} of {want:,} records", markup=False)
    problems = store.check()
    for problem in problems:
        out.print(str(problem), soft_wrap=True, markup=False)
    out.print("every file is as written" if not problems else f"problems: {len(problems)}", markup=False)
    return not problems


def print_repairs(store: Store) -> None:
    """Give up what is damaged and name it."""
    out = console()
    for problem in store.repair():
        out.print(f"given up: {problem}", soft_wrap=True, markup=False)


def _as_far_as_read(read: Callable[[], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """The records; none if one is damaged, which the check names with what to do."""
    try:
        return read()
    except StoreError:
        return []


def _achieved(variant: dict[str, Any] | None, cell: dict[str, Any]) -> str:
    if variant is None:
        return "missing"
    if variant["recipe"] is None:
        return "dense"
    if cell.get("source"):  # imported answers
        counted = cell["achieved"]
        return f"{counted['zeros'] / counted['weights']:.4f}" if counted else "not known"
    if variant["realised"] is None:
        return "not made yet"
    return f"{variant['n_removed'] / variant['n_weights']:.4f}"
