"""Parts of a report made at the same time, in processes: nearly all of it is Python."""

from __future__ import annotations

import os
import pickle
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import active_children, get_context, parent_process
from multiprocessing.process import BaseProcess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Generic, TypeVar

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
        processes: How many may work at a time, this one among them; with one, or with few rows, all is done here.
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
            most = min(processes - 1, _MOST)
            with ProcessPoolExecutor(most, mp_context=context, initializer=_begin, initargs=(shared,)) as pool:
                try:
                    return _Work(pool, function, first).do(parts, most)
                except BaseException:  # nobody waits for the parts that are still being made
                    for process in set(active_children()) - others:
                        process.terminate()
                    raise
    except _NO_PROCESSES:
        return [function(first, *part) for part in parts()]


class _Work(Generic[Result]):
    """Parts that are done here and in other processes, each by whoever is free."""

    def __init__(self, pool: Executor, function: Callable[..., Result], first: object) -> None:
        self._pool = pool
        self._function = function
        self._first = first
        self._waiting: deque[tuple[int, tuple[Any, ...]]] = deque()
        self._begun: dict[int, Future[Result]] = {}
        # The executor calls back from a thread of its own, or at once.
        self._lock = threading.RLock()

    def do(self, parts: Callable[[], Iterable[tuple[Any, ...]]], others: int) -> list[Result]:
        """The results of all parts, in their order, with so many other processes."""
        for number, part in enumerate(parts()):
            self._waiting.append((number, part))
            if number < others:
                self._hand_on()
        results: dict[int, Result] = {}
        while (task := self._next()) is not None:
            number, part = task
            results[number] = self._function(self._first, *part)
        pending = set(self._begun.values())
        while pending:
            # Not in one go: where polars sees signals first, a wait without end is not interrupted.
            done, pending = wait(pending, timeout=_LOOK_UP, return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()
        results |= {number: future.result() for number, future in self._begun.items()}
        return [results[number] for number in sorted(results)]

    def _next(self) -> tuple[int, tuple[Any, ...]] | None:
        with self._lock:
            return self._waiting.popleft() if self._waiting else None

    def _hand_on(self, done: Future[Result] | None = None) -> None:
        """Give the next part to a process that is free. Not more than one: the rest is for whoever is free then."""
        with self._lock:
            if done is not None and (done.cancelled() or done.exception() is not None):
                self._waiting.clear()  # it is of no use to anyone
            elif (task := self._next()) is not None:
                number, part = task
                self._begun[number] = future = self._pool.submit(_do, self._function, part)
                future.add_done_callback(self._hand_on)


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
    _FIRST[:] = [pickle.loads(shared.read_bytes())]


def _do(function: Callable[..., Result], part: tuple[Any, ...]) -> Result:
    return function(*_FIRST, *part)


def _leave_with(parent: BaseProcess | None) -> None:
    if parent is not None:
        parent.join()
        os._exit(1)
