"""The commands under ``secateur import``: one per format."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from secateur.cli.interrupt import interruptible

if TYPE_CHECKING:
    from secateur.records.imports import ImportOutcome

import_app = typer.Typer(no_args_is_help=True)


_Into = Annotated[Path, typer.Option("--into", help="The store's folder; made if missing.")]
_Bbq = Annotated[Path | None, typer.Option("--bbq", help="BBQ's folder, if not where it is usually found.")]
_Baseline = Annotated[
    str | None, typer.Option("--baseline", help="The variant that is the unpruned model.", show_default="dense")
]


@import_app.callback()
def _root() -> None:
    """Make a store from answers that another program got."""


@import_app.command("pia")
def import_pia_files(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILES...", help="Files of records, one JSON object per line.")
    ],
    into: _Into,
    bbq: _Bbq = None,
    perplexity: Annotated[Path | None, typer.Option("--perplexity", help="The pipeline's CSV of perplexities.")] = None,
    pruning_meta: Annotated[
        list[Path] | None,
        typer.Option("--pruning-meta", help="A pruning_meta.json, for achieved sparsity; once per file."),
    ] = None,
    drop_torn_line: Annotated[
        bool, typer.Option("--drop-torn-line", help="Leave out a file's last line if it was cut off by a kill.")
    ] = False,
) -> None:
    """Import the records of the published pipeline (arXiv 2605.08137); see docs/importing.md."""
    from secateur.records.imports import import_pia

    with interruptible("run the same command to go on"):
        done = import_pia(
            files,
            into,
            bbq=bbq,
            perplexity=perplexity,
            pruning_meta=pruning_meta or (),
            drop_torn_line=drop_torn_line,
            say=_say,
        )
    _print_outcome(done, into, " --parser strict (or pia, as published)")


@import_app.command("answers")
def import_table_of_answers(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILES...", help="Tables (.csv or .jsonl) with columns category, example_id, answer."),
    ],
    into: _Into,
    answers: Annotated[
        str,
        typer.Option(
            "--answers", help="What the column answer holds: index, letter or text; auto looks at all values."
        ),
    ] = "auto",
    model: Annotated[
        list[str] | None,
        typer.Option("--model", help="The model's name, where no column has it; once, or once per file."),
    ] = None,
    variant: Annotated[
        list[str] | None,
        typer.Option("--variant", help="The variant's name, where no column has it; once, or once per file."),
    ] = None,
    baseline: _Baseline = None,
    bbq: _Bbq = None,
) -> None:
    """Import tables of answers to BBQ's questions; see docs/importing.md."""
    from secateur.records.imports import import_answers

    with interruptible("run the same command to go on"):
        done = import_answers(
            files,
            into,
            answers=answers,
            model=model or (),
            variant=variant or (),
            baseline=baseline,
            bbq=bbq,
            say=_say,
        )
    _print_outcome(done, into)


@import_app.command("lm-eval")
def import_lm_eval_samples(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILES...", help="Files samples_bbq_*.jsonl, written with --log_samples.")
    ],
    into: _Into,
    model: Annotated[
        list[str] | None, typer.Option("--model", help="The model's name; once, or once per file.")
    ] = None,
    variant: Annotated[
        list[str] | None, typer.Option("--variant", help="The variant's name; once, or once per file.")
    ] = None,
    baseline: _Baseline = None,
    bbq: _Bbq = None,
) -> None:
    """Import what lm-evaluation-harness logged of its BBQ tasks; see docs/importing.md."""
    from secateur.records.imports import import_lm_eval

    with interruptible("run the same command to go on"):
        done = import_lm_eval(
            files, into, model=model or (), variant=variant or (), baseline=baseline, bbq=bbq, say=_say
        )
    _print_outcome(done, into)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _print_outcome(done: ImportOutcome, into: Path, options: str = "") -> None:
    imported = done.imported
    for note in imported.notes:
        print(note)
    print(
        f"{imported.answers.height:,} answers, variants: {len(imported.variants):,}, items: {len(imported.items):,}; "
        f"{done.rows_added:,} of them added now"
    )
    print(f"next: secateur report {into} --out report{options}")
