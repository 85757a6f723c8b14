"""Telling how a run goes on: a live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from secateur.inference.runner import Watcher
from secateur.models.memory import keep_freed_memory
from secateur.study.run import Progress

if TYPE_CHECKING:
    from rich import progress as bars

_LINE_EVERY = 30.0  # seconds between plain lines about one cell


@dataclass(frozen=True)
class Work:
    """What is done many times: the unit that is counted, and what is done to it."""

    unit: str
    verb: str


ASKING = Work("records", "ask")
PRUNING = Work("linears", "prune")


@contextmanager
def make_progress(work: Work = ASKING, *, runs_model: bool = True) -> Iterator[Progress]:
    """What fits where standard error goes; a process that runs models is set up for that, too."""
    quiet_libraries()
    if runs_model:
        keep_freed_memory()
    if sys.stderr.isatty():
        with _bar(work) as progress:
            yield progress
    else:
        yield PlainProgress(work)


def quiet_libraries() -> None:
    """No bars but our own, and no reports on weights, which loading turns into one of our errors."""
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]


def rate(rows: int, seconds: float, unit: str = ASKING.unit) -> str:
    """Records per second, for people."""
    return _speed(rows / seconds, unit) if seconds > 0 else "-"


def _speed(speed: float, unit: str) -> str:
    return f"{speed:,.{0 if speed >= 10 else 1}f} {unit}/s"


def duration(seconds: float) -> str:
    """A time, for people."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


class PlainProgress:
    """Lines on standard error: one when a cell begins, some while it goes on, one when it is done."""

    def __init__(self, work: Work = ASKING) -> None:
        self._work = work

    def cell(self, name: str, number: int, of: int) -> AbstractContextManager[Watcher]:
        """Tell of one cell."""
        return self._cell(f"[{number}/{of}] {name}")

    def note(self, text: str) -> None:
        """One line."""
        print(text, file=sys.stderr, flush=True)

    @contextmanager
    def _cell(self, title: str) -> Iterator[Watcher]:
        watcher = _PlainWatcher(title, self._work)
        yield watcher
        watcher.done()


@dataclass
class _PlainWatcher:
    title: str
    work: Work
    rows: int = 0
    answered: int = 0
    began: float = field(default_factory=time.monotonic)
    said: float = field(default_factory=time.monotonic)

    def start(self, n_rows: int) -> None:
        self.rows = n_rows
        self.began = self.said = time.monotonic()
        if n_rows:
            self._say(f"{n_rows:,} {self.work.unit} to {self.work.verb}")

    def tick(self, n_rows: int) -> None:
        self.answered += n_rows
        now = time.monotonic()
        if now - self.said >= _LINE_EVERY:
            self.said = now
            spent = now - self.began
            left = spent / self.answered * (self.rows - self.answered)
            done = f"{self.answered:,} of {self.rows:,}, {rate(self.answered, spent, self.work.unit)}"
            self._say(f"{done}, {duration(left)} left")

    def done(self) -> None:
        spent = time.monotonic() - self.began
        self._say(f"done, {rate(self.answered, spent, self.work.unit)}" if self.rows else "complete already")

    def _say(self, text: str) -> None:
        print(f"{self.title}: {text}", file=sys.stderr, flush=True)


@contextmanager
def _bar(work: Work) -> Iterator[Progress]:
    from rich import progress as bars
    from rich.console import Console
    from rich.text import Text

    class Rate(bars.ProgressColumn):
        """How many per second over the last moments."""

        def render(self, task: bars.Task) -> Text:
            return Text(_speed(task.speed, work.unit) if task.speed else "")

    console = Console(stderr=True)
    columns = (
        bars.TextColumn("{task.description}", markup=False),
        bars.BarColumn(),
        bars.MofNCompleteColumn(),
        Rate(),
        bars.TimeRemainingColumn(),
    )
    with bars.Progress(*columns, console=console) as bar:
        yield BarProgress(bar, work)


class BarProgress:
    """A bar per cell, the finished ones above it as lines.

    Args:
        bar: A running ``rich.progress.Progress``.
        work: What is counted.
    """

    def __init__(self, bar: bars.Progress, work: Work = ASKING) -> None:
        self._bar = bar
        self._work = work

    def cell(self, name: str, number: int, of: int) -> AbstractContextManager[Watcher]:
        """Tell of one cell."""
        return self._cell(f"[{number}/{of}] {name}")

    def note(self, text: str) -> None:
        """One line above the bar."""
        self._bar.console.print(text, style="dim", markup=False, highlight=False)

    @contextmanager
    def _cell(self, title: str) -> Iterator[Watcher]:
        watcher = _BarWatcher(self._bar, self._bar.add_task(title, total=None), self._work.unit)
        try:
            yield watcher
        finally:
            self._bar.remove_task(watcher.task)
        self.note(f"{title}: {watcher.summary()}")


class _BarWatcher:
    def __init__(self, bar: bars.Progress, task: bars.TaskID, unit: str) -> None:
        self._bar = bar
        self.task = task
        self._unit = unit
        self._rows = 0
        self._began = time.monotonic()

    def start(self, n_rows: int) -> None:
        self._rows = n_rows
        self._began = time.monotonic()
        self._bar.reset(self.task, total=n_rows)

    def tick(self, n_rows: int) -> None:
        self._bar.advance(self.task, n_rows)

    def summary(self) -> str:
        spent = time.monotonic() - self._began
        return (
            f"{self._rows:,} {self._unit}, {rate(self._rows, spent, self._unit)}" if self._rows else "complete already"
        )
