"""The table of formats that can be imported."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from secateur.records.imports import answers, lm_eval, pia
from secateur.records.imports.write import ImportOutcome


@dataclass(frozen=True)
class Import:
    """A format of another program's answers.

    Args:
        name: What it is asked for by; the key of the table, and the name of its command.
        summary: One line.
        docs: Its page.
        run: From files and a store to what was done; each format has further arguments of its own.
    """

    name: str
    summary: str
    docs: str
    run: Callable[..., ImportOutcome]


IMPORTS: dict[str, Import] = {
    one.name: one
    for one in (
        Import(
            name=pia.SOURCE,
            summary="records of the published pipeline (arXiv 2605.08137), one JSON object per line",
            docs="docs/importing.md",
            run=pia.import_pia,
        ),
        Import(
            name=answers.SOURCE,
            summary="a table of answers, CSV or JSON lines: a column for the item, one for what was answered",
            docs="docs/importing.md",
            run=answers.import_answers,
        ),
        Import(
            name=lm_eval.SOURCE,
            summary="what lm-evaluation-harness logs of its BBQ tasks (--log_samples)",
            docs="docs/importing.md",
            run=lm_eval.import_lm_eval,
        ),
    )
}
"""Every format by name."""
