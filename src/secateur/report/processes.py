"""Models of a report read at the same time, each in a process of its own: nearly all of it is Python."""

from __future__ import annotations

import signal
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import get_context

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
    try:
        # Not by forking: the threads of polars would be missing, and their locks held.
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_die_of_interrupts) as pool:
            return [*pool.map(one, numbers)]
    except BrokenProcessPool:  # one was killed, for its memory most likely, of which one process needs less
        return [*map(one, numbers)]


def _die_of_interrupts() -> None:
    """At Ctrl-C without a traceback each: the process that started them says what there is to say."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # in the background they are ignored
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def _n_answers(reading: Reading) -> int:
    planned = {cell["cell"] for model in reading.plan["models"] for cell in model["cells"]}
    return sum(sum(info.rows.values()) for cell, info in reading.cells.items() if cell in planned)
