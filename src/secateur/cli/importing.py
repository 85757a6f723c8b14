"""The commands under ``secateur import``: one per format."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from secateur.cli.interrupt import interruptible

import_app = typer.Typer(no_args_is_help=True)


@import_app.callback()
def _root() -> None:
    """Make a store from answers that another program got."""
    # Without a callback, the name of an only command would not be asked for.


@import_app.command("pia")
def import_pia_files(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILES...", help="Files of records, one JSON object per line.")
    ],
    into: Annotated[Path, typer.Option("--into", help="The store's folder; made if missing.")],
    bbq: Annotated[Path | None, typer.Option("--bbq", help="BBQ's folder, if not where it is usually found.")] = None,
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
            say=lambda text: print(text, file=sys.stderr, flush=True),
        )
    imported = done.imported
    for note in imported.notes:
        print(note)
    print(
        f"{imported.answers.height:,} answers, variants: {len(imported.variants):,}, items: {len(imported.items):,}; "
        f"{done.rows_added:,} of them added now"
    )
    print(f"next: secateur report {into} --out report --parser strict (or pia, as published)")
