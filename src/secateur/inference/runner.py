"""Running a cell: ask what the store lacks, chunk by chunk, and keep each chunk before the next begins."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Protocol, TypeVar

import numpy as np
import pyarrow as pa

from secateur.errors import VerificationError
from secateur.inference.backend import Backend, Request, Response, TextScore
from secateur.items.corpora import Window
from secateur.items.orders import order_number
from secateur.records.cell import Cell, CellSpec
from secateur.records.store import Store
from secateur.records.tables import LETTER, SAMPLED, TEXT, WINDOWS

CHUNK = 1024
"""Requests or windows per shard."""

MakeBackend = Callable[[int], Backend]
"""From a token budget to the variant's backend. Called once, and only if something is missing."""


class Watcher(Protocol):
    """Told how a cell goes on, for a progress bar."""

    def start(self, n_rows: int) -> None:
        """So many rows are missing."""

    def tick(self, n_rows: int) -> None:
        """So many more were answered."""


class NoWatcher:
    """Nobody looks."""

    def start(self, n_rows: int) -> None:
        """Nothing."""

    def tick(self, n_rows: int) -> None:
        """Nothing."""


_Work = TypeVar("_Work", Request, Window)


def run_ask(
    store: Store,
    spec: CellSpec,
    requests: Sequence[Request],
    make_backend: MakeBackend,
    watcher: Watcher = NoWatcher(),  # noqa: B008 - it has no state
) -> int:
    """Ask a cell's missing questions.

    Args:
        store: Where answers are kept.
        spec: The cell.
        requests: All that are wanted, those already answered among them.
        make_backend: Makes the variant's backend.
        watcher: Told how it goes on.

    Returns:
        Rows added.

    Raises:
        StoreBusyError: If another process is writing this cell.
        VerificationError: If the backend answered something else than it was asked.
    """
    with store.write_cell(spec) as cell:
        work = [list(_unanswered(cell, chunk)) for chunk in _chunks(in_cell_order(requests))]
        n_rows = sum(_n_rows(request) for chunk in work for request in chunk)
        watcher.start(n_rows)
        if n_rows:
            backend = make_backend(cell.token_budget)
            for chunk in filter(None, work):
                responses = _paired(chunk, backend.answer(chunk), watcher)
                cell.append({LETTER.name: letter_rows(responses), SAMPLED.name: sampled_rows(responses)})
    return n_rows


def run_text(
    store: Store,
    spec: CellSpec,
    windows: Sequence[Window],
    make_backend: MakeBackend,
    watcher: Watcher = NoWatcher(),  # noqa: B008 - it has no state
) -> int:
    """Have a cell's missing windows read; arguments, result and errors as :func:`run_ask`."""
    with store.write_cell(spec) as cell:
        distinct = list({window.key: window for window in windows}.values())
        work = [missing_windows(cell, TEXT.name, chunk) for chunk in _chunks(distinct)]
        n_rows = sum(map(len, work))
        watcher.start(n_rows)
        if n_rows:
            backend = make_backend(cell.token_budget)
            for chunk in filter(None, work):
                scores = []
                for window, score in zip(chunk, backend.read_text(chunk), strict=True):
                    if score.window != window.key:
                        raise VerificationError("A backend read another window than it was given.", where=spec.id)
                    scores.append(score)
                    watcher.tick(1)
                cell.append({TEXT.name: text_rows(scores)})
    return n_rows


def in_cell_order(requests: Iterable[Request]) -> list[Request]:
    """The one order in which a cell's requests are cut into chunks: by their tokens, then by key.

    Prompts that begin alike stand together, so that what they share is computed once.
    """
    return sorted(requests, key=lambda r: (r.tokens, r.item, order_number(r.order)))


def letter_rows(responses: Sequence[Response]) -> pa.Table:
    """Rows of the table ``letter``."""
    answered = [response for response in responses if response.letters is not None]
    scores = np.array([response.letters for response in answered], dtype=np.float32).reshape(-1, 3)
    return pa.table(
        [
            pa.array([response.item for response in answered], pa.uint64()),
            _names([response.order for response in answered]),
            *(pa.array(scores[:, letter], pa.float32(), from_pandas=False) for letter in range(3)),
        ],
        schema=LETTER.schema,
    )


def sampled_rows(responses: Sequence[Response]) -> pa.Table:
    """Rows of the table ``sampled``."""
    rows = [(response, sample) for response in responses for sample in response.samples]
    return pa.table(
        [
            pa.array([response.item for response, _ in rows], pa.uint64()),
            _names([response.order for response, _ in rows]),
            pa.array([sample.seed for _, sample in rows], pa.uint32()),
            _names([sample.text for _, sample in rows]),
            _names([sample.stop for _, sample in rows]),
        ],
        schema=SAMPLED.schema,
    )


def text_rows(scores: Sequence[TextScore]) -> pa.Table:
    """Rows of the table ``text``."""
    nll = np.array([score.nll for score in scores], dtype=np.float64)
    return pa.table(
        [pa.array([score.window for score in scores], pa.uint64()), pa.array(nll, from_pandas=False)],
        schema=TEXT.schema,
    )


def window_rows(corpus: str, windows: Sequence[Window]) -> pa.Table:
    """Rows of the table ``windows``."""
    return pa.table(
        [
            pa.array([window.key for window in windows], pa.uint64()),
            pa.array([corpus] * len(windows), pa.string()),
            pa.array([window.index for window in windows], pa.int32()),
            pa.array([window.n_scored for window in windows], pa.int32()),
            pa.array([window.n_bytes for window in windows], pa.int32()),
        ],
        schema=WINDOWS.schema,
    )


def _names(values: list[str]) -> pa.Array:
    return pa.array(values, pa.string()).dictionary_encode()


def _unanswered(cell: Cell, chunk: Sequence[Request]) -> Iterator[Request]:
    """Of each request what is not stored yet; nothing where all is."""
    letters = [request for request in chunk if request.letter]
    lacks_letter = {
        (request.item, request.order)
        for request, lacks in zip(letters, cell.missing(LETTER.name, _keys(letters)), strict=True)
        if lacks
    }
    pairs = [(request, seed) for request in chunk for seed in request.seeds]
    keys = _keys([request for request, _ in pairs]) | {"seed": np.array([s for _, s in pairs], dtype=np.uint32)}
    lacks_seed: dict[tuple[int, str], list[int]] = {}
    for (request, seed), lacks in zip(pairs, cell.missing(SAMPLED.name, keys), strict=True):
        if lacks:
            lacks_seed.setdefault((request.item, request.order), []).append(seed)
    for request in chunk:
        key = (request.item, request.order)
        if key in lacks_letter or key in lacks_seed:
            yield replace(request, letter=key in lacks_letter, seeds=tuple(lacks_seed.get(key, ())))


def missing_windows(cell: Cell, table: str, chunk: Sequence[Window]) -> list[Window]:
    """The windows of which a table of the cell has no row yet."""
    keys = np.array([window.key for window in chunk], dtype=np.uint64)
    return [w for w, lacks in zip(chunk, cell.missing(table, {"window": keys}), strict=True) if lacks]


def _chunks(work: Sequence[_Work]) -> Iterator[Sequence[_Work]]:
    return (work[start : start + CHUNK] for start in range(0, len(work), CHUNK))


def _n_rows(request: Request) -> int:
    return request.letter + len(request.seeds)


def _keys(requests: Sequence[Request]) -> dict[str, Any]:
    return {
        "item": np.array([request.item for request in requests], dtype=np.uint64),
        "order": [request.order for request in requests],
    }


def _paired(asked: Sequence[Request], answers: Iterator[Response], watcher: Watcher) -> list[Response]:
    responses = []
    for request, response in zip(asked, answers, strict=True):
        seeds = tuple(sample.seed for sample in response.samples)
        if (response.item, response.order, seeds) != (request.item, request.order, request.seeds) or (
            request.letter != (response.letters is not None)
        ):
            raise VerificationError(
                "A backend answered something else than it was asked.",
                where=f"item {request.item:016x}, order {request.order}",
                allowed=f"letter={request.letter}, seeds={request.seeds}",
                got=f"item {response.item:016x}, order {response.order}, letters={response.letters}, seeds={seeds}",
            )
        responses.append(response)
        watcher.tick(_n_rows(request))
    return responses
