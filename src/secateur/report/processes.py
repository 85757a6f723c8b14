"""Models of a report read at the same time, each in a process of its own: nearly all of it is Python."""

from __future__ import annotations

import os
import signal
import threading
from concurrent.futures import FIRST_EXCEPTION, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import active_children, get_context, parent_process
from multiprocessing.process import BaseProcess

from secateur.report.read_model import ModelRead, Reading, read_model

MANY = 200_000
"""Answers of a plan below which starting a process takes longer than it saves."""


def read_models(reading: Reading, *, processes: int) -> list[ModelRead]:
    """Every model of the plan, in its order.

    Args:
        reading: What is read, and how.
        processes: How many may work at a time.
    """
    one = partial(read_model, reading)
    numbers = range(len(reading.plan["models"]))
    workers = min(processes, len(numbers))
    if workers < 2 or _n_answers(reading) < MANY:
        return [*map(one, numbers)]
    # Not by forking: the threads of polars would be missing, and their locks held.
    context = get_context("spawn")
    others = set(active_children())
    try:
        with ProcessPoolExecutor(workers, mp_context=context, initializer=_work_for_parent) as pool:
            try:
                return _results([pool.submit(one, number) for number in numbers])
            except BaseException:  # nobody waits for the models that are still being read
                for process in set(active_children()) - others:
                    process.terminate()
                raise
    except _NO_PROCESSES:
        return [*map(one, numbers)]


def _results(futures: list[Future[ModelRead]]) -> list[ModelRead]:
    pending = set(futures)
    while pending:
        # Not in one go: where polars sees signals first, a wait without end is not interrupted.
        done, pending = wait(pending, timeout=_LOOK_UP, return_when=FIRST_EXCEPTION)
        for future in done:
            future.result()
    return [future.result() for future in futures]


_LOOK_UP = 0.2
_NO_PROCESSES = (BrokenProcessPool, MemoryError, OSError, ImportError, NotImplementedError)
"""What it looks like where processes cannot be started, or one was killed, most likely for its memory. What is wrong
with a store is none of these."""


def _work_for_parent() -> None:
    """Leave with the process that started this one, and at Ctrl-C without a traceback: it says what there is to say."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # in the background they are ignored
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    threading.Thread(target=_leave_with, args=[parent_process()], daemon=True).start()


def _leave_with(parent: BaseProcess | None) -> None:
    if parent is not None:
        parent.join()
        os._exit(1)


def _n_answers(reading: Reading) -> int:
    planned = {cell["cell"] for model in reading.plan["models"] for cell in model["cells"]}
    return sum(sum(info.rows.values()) for cell, info in reading.cells.items() if cell in planned)
