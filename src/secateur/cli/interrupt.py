"""Leaving quietly on Ctrl-C."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

INTERRUPTED = 130


@contextmanager
def interruptible(kept: str) -> Iterator[None]:
    """Leave quietly on Ctrl-C, saying what was kept."""
    try:
        yield
    except KeyboardInterrupt:
        print(f"\nsecateur: interrupted; {kept}", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None
