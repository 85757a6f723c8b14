"""Conversations for perplexity: chat data sets whose text exists only once a model's template has rendered it.

A corpus of conversations is a ``Corpus`` whose documents are the turns as JSON, so that its digest covers who said
what and no template. ``turns`` gives them back.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from secateur.errors import InputError
from secateur.items.corpora import Corpus, hub_file_path, resolved_commit

TULU = "tulu-3"
"""The conversations that the published study's perplexities were made on."""

_ROWS_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class HubConversations:
    """A chat data set on the Hugging Face Hub.

    Args:
        repo: The data set's repository.
        paths: Parquet files, in the order in which their rows are numbered.
        revision: A commit, so that the text cannot change under the name.
        field: Column with the turns: a list of (role, content).
        seed: Of the permutation that orders the rows.
        first: How many rows of the permutation are read, so that memory is bounded.
    """

    repo: str
    paths: tuple[str, ...]
    revision: str
    field: str
    seed: int
    first: int


CONVERSATIONS: dict[str, HubConversations] = {
    TULU: HubConversations(
        repo="allenai/tulu-3-sft-mixture",
        paths=tuple(f"data/train-{number:05d}-of-00006.parquet" for number in range(6)),
        revision="b14afda60f1bbebe55d5d2fa1e4df5042f97f8be",
        field="messages",
        seed=123,
        first=4096,
    ),
}
"""Conversations known by name and fetched from the Hub."""


def load_conversations(name: str, *, offline: bool) -> Corpus:
    """Read conversations in their permuted order; documents are for ``turns``.

    Args:
        name: A name in ``CONVERSATIONS``.
        offline: Make no network call; what is in the Hub's local cache can still be read.

    Raises:
        InputError: If there are none of this name, or a file is not what it should be.
        OfflineError: If the network is needed and forbidden, or out of reach.
    """
    if name not in CONVERSATIONS:
        raise InputError("There are no conversations of this name.", allowed=", ".join(CONVERSATIONS), got=name)
    said = CONVERSATIONS[name]
    paths = [hub_file_path(name, said.repo, path, said.revision, offline=offline) for path in said.paths]
    counts = [_n_rows(path) for path in paths]
    order = permuted(sum(counts), said.seed)[: said.first]
    found: dict[int, str] = {}
    start = 0
    for path, count in zip(paths, counts, strict=True):
        here = np.sort(order[(order >= start) & (order < start + count)]) - start
        found |= {start + row: document for row, document in _documents(path, said.field, here)}
        start += count
    if not found:
        raise InputError("There are no conversations in a data set.", where=said.repo, allowed="at least one row")
    source = (
        f"{said.repo}, {len(paths)} files, commit {resolved_commit(paths[0])}, the first {len(order):,} of "
        f"{sum(counts):,} conversations in the order of RandomState({said.seed}).permutation"
    )
    return Corpus(name=name, documents=tuple(found[int(row)] for row in order), source=source)


def permuted(n: int, seed: int) -> npt.NDArray[np.int64]:
    """The numbers 0 .. n - 1 in the order of NumPy's legacy generator, which is frozen and the same everywhere.

    Only for data that others have ordered so. Shapes: -> [n].
    """
    return np.random.RandomState(seed).permutation(n).astype(np.int64)


def turns(document: str) -> list[dict[str, str]]:
    """The turns of one conversation, as chat templates want them."""
    return [{"role": role, "content": content} for role, content in json.loads(document)]


def document_of(messages: list[dict[str, str]]) -> str:
    """One conversation as a document; the inverse of ``turns``."""
    return json.dumps([[turn["role"], turn["content"]] for turn in messages], ensure_ascii=False)


def _n_rows(path: Path) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            return int(file.metadata.num_rows)
    except pa.ArrowInvalid as error:
        raise InputError("A file is not Parquet, or is damaged.", where=path, got=str(error).splitlines()[0]) from None
    except OSError as error:
        raise InputError("A file cannot be read.", where=path, got=error.strerror or str(error)) from None


def _documents(path: Path, field: str, rows: npt.NDArray[np.int64]) -> Iterator[tuple[int, str]]:
    """Row and document of the rows wanted, which are sorted; other rows pass through memory a batch at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        names = file.schema_arrow.names
        if field not in names:
            raise InputError(
                "A Parquet file lacks the column that holds the conversations.",
                where=path,
                allowed=field,
                got=", ".join(names) or "no columns",
            )
        start = 0
        for batch in file.iter_batches(columns=[field], batch_size=_ROWS_AT_ONCE):
            inside = rows[(rows >= start) & (rows < start + len(batch))]
            for row, value in zip(inside, batch.column(0).take(pa.array(inside - start)).to_pylist(), strict=True):
                yield int(row), document_of(_checked(value, f"{path}, row {row + 1}, column {field}"))
            start += len(batch)


def _checked(value: Any, where: str) -> list[dict[str, str]]:  # Any: what Parquet held
    told = isinstance(value, list) and all(
        isinstance(turn, dict) and isinstance(turn.get("role"), str) and isinstance(turn.get("content"), str)
        for turn in value
    )
    if not told or not value:
        raise InputError(
            "A row is not a conversation.",
            where=where,
            allowed="a list of turns, each with a role and a content that are text",
            got="no turns" if value == [] else type(value).__name__,
        )
    return list(value)
