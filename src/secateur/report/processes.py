"""Parts of a report made at the same time, in processes: nearly all of it is Python."""

from __future__ import annotations

import os
import pickle
import signal
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing import active_children, get_context, parent_process
from multiprocessing.process import BaseProcess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

Result = TypeVar("Result")

MANY = 200_000
"""Rows of a study below which starting a process takes longer than it saves."""


def in_processes(
    function: Callable[..., Result],
    first: object,
    parts: Callable[[], Iterable[tuple[Any, ...]]],
    *,
    rows: int,
    processes: int,
) -> list[Result]:
    """``function(first, *part)`` of every part, in the order of the parts.

    Args:
        function: Of a module, and it needs nothing that was set in this process.
        first: Handed to a process once, so that it keeps what it works out.
        parts: Gives them, best what takes longest first. Processes start while the others are still being found; it is
            called again if they fail.
        rows: Of the study that the parts are of.
        processes: How many may work at a time; with one, or with few rows, it is done here.
    """
    if processes < 2 or rows < MANY:
        return [function(first, *part) for part in parts()]
    # Not by forking: the threads of polars would be missing, and their locks held.
    context = get_context("spawn")
    others = set(active_children())
    try:
        with TemporaryDirectory(prefix="secateur-", ignore_cleanup_errors=True) as folder:
            # By a file: what is handed to a process that starts holds this one up until the other has imported all.
            shared = Path(folder) / "first"
            shared.write_bytes(pickle.dumps(first))
            most = min(processes, _MOST)
            pool = ProcessPoolExecutor(most, mp_context=context, initializer=_begin, initargs=(shared,))
            try:
                found = _results([pool.submit(_do, function, part) for part in parts()])
            except BaseException:  # nobody waits for the parts that are still being made
                for process in set(active_children()) - others:
                    process.terminate()
                pool.shutdown()
                raise
            pool.shutdown(wait=False)  # giving their memory back takes them a while
            return found
    except _NO_PROCESSES:
        return [function(first, *part) for part in parts()]


def _results(futures: list[Future[Result]]) -> list[Result]:
    pending = set(futures)
    while pending:
        # Not in one go: where polars sees signals first, a wait without end is not interrupted.
        done, pending = wait(pending, timeout=_LOOK_UP, return_when=FIRST_EXCEPTION)
        for future in done:
            future.result()
    return [future.result() for future in futures]


_LOOK_UP = 0.2
_MOST = 61  # Windows waits for no more
_NO_PROCESSES = (BrokenProcessPool, MemoryError, OSError, ImportError, NotImplementedError)
"""What it looks like where processes cannot be started, or one was killed, most likely for its memory. What is wrong
with a store is none of these."""

_FIRST: list[object] = []


def _begin(shared: Path) -> None:
    """Keep what all parts need. Leave with the process that started this one, and at Ctrl-C without a traceback."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # in the background they are ignored
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    threading.Thread(target=_leave_with, args=[parent_process()], daemon=True).start()
    with suppress(Exception):  # gone, if the others were done before this one had started; else ``_do`` says so
        _FIRST[:] = [pickle.loads(shared.read_bytes())]


def _do(function: Callable[..., Result], part: tuple[Any, ...]) -> Result:
    if not _FIRST:
        raise FileNotFoundError("what all parts need is gone")
    return function(*_FIRST, *part)


def _leave_with(parent: BaseProcess | None) -> None:
    if parent is not None:
        parent.join()
        os._exit(1)
