"""Text for perplexity and for calibration: where it comes from, what it hashes to, how it is cut.

A corpus is a tuple of documents with a digest over their text alone, so the same text read from another place
is the same corpus. What each spec means and what each protocol fact costs: ``docs/corpora.md``.
"""

from __future__ import annotations

import gzip
import itertools
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import IO, Any, Literal, Protocol, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from secateur import files
from secateur.errors import InputError, OfflineError
from secateur.hub import broken_off, first_line
from secateur.identity import digest, key64
from secateur.randomness import Domain, bits

PACKAGED = "packaged"
"""The spec of the corpus that ships."""

GENERATED = ("planted", "planted-calibration")
"""Corpora the package writes itself: stories of the planted world, to measure on and to calibrate on."""

SEPARATOR = "\n\n"
"""What stands between two documents; tokenised with the document it follows, and scored like any text."""

SUFFIXES = (".txt", ".jsonl", ".jsonl.gz", ".json", ".json.gz", ".parquet")
"""Files that can be read. ``.json`` means one object per line, as the C4 shards have it."""

Cut: TypeAlias = Literal["stream", "documents"]
"""How calibration sequences are cut: from all documents strung together, or one from the head of each long one."""

_STORIES = 400
_RULE = "---"
_DEFAULT_FIELD = "text"


class Tokenize(Protocol):
    """Text to token ids and their places, without special tokens.

    A model's tokenizer is given as such a function. Offsets are (start, end) in characters of the text given,
    one pair per id. The function must take texts longer than the model's context without cutting them.
    """

    def __call__(self, text: str, /) -> tuple[Sequence[int], Sequence[tuple[int, int]]]:
        """Ids and offsets, equally many."""
        ...


Render: TypeAlias = Callable[[str], str | None]
"""From a document to the text that is tokenised; ``None`` leaves the document out."""


@dataclass(frozen=True)
class Corpus:
    """Documents in their order.

    Args:
        name: The spec it was asked for by.
        documents: Texts, none of them empty.
        source: Where the text came from, for people; not part of the identity.
    """

    name: str
    documents: tuple[str, ...]
    source: str

    @cached_property
    def digest(self) -> str:
        """Content hash of the documents: equal text has an equal digest wherever it was read from."""
        return digest("corpus", self.documents)

    @property
    def n_bytes(self) -> int:
        """UTF-8 bytes of the documents, without what stands between them."""
        return sum(_utf8_length(document) for document in self.documents)


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of tokens read in one pass; its first token is context only and never scored.

    Args:
        corpus: Digest of the corpus it was cut from.
        index: Place among the corpus's windows, from 0.
        tokens: Token ids, with the BOS id first if the protocol has one.
        n_bytes: UTF-8 bytes of source text that the scored tokens stand for.
    """

    corpus: str
    index: int
    tokens: tuple[int, ...]
    n_bytes: int

    @property
    def n_scored(self) -> int:
        """How many tokens are scored: all but the first."""
        return len(self.tokens) - 1

    @property
    def digest(self) -> str:
        """Content hash of the tokens."""
        return digest("window", self.tokens)

    @property
    def key(self) -> int:
        """The first 64 bits of :attr:`digest`, which name the window's row in a table."""
        return key64(self.digest)


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a data set on the Hugging Face Hub that a corpus is read from.

    Args:
        repo: The data set's repository.
        path: The file in it.
        revision: A commit, so that the text cannot change under the name.
        field: Column or key that holds the text.
        joined: Whether the rows are lines of one running text, joined by a blank line into one document.
        first: How many rows are read, from the start; ``None`` for all.
        note: What it is good for.
    """

    repo: str
    path: str
    revision: str
    field: str
    joined: bool
    first: int | None
    note: str


_C4_REVISION = "1588ec454efa1a09f29cd18ddd04fe05fc8653a2"

NAMED: dict[str, HubFile] = {
    "wikitext-2": HubFile(
        repo="Salesforce/wikitext",
        path="wikitext-2-raw-v1/test-00000-of-00001.parquet",
        revision="b08601e04326c79dfdd32d625aee71d232d685c3",
        field="text",
        joined=True,
        first=None,
        note="perplexity; the raw variant's test split, joined as GPTQ, SparseGPT and Wanda join it",
    ),
    "c4": HubFile(
        repo="allenai/c4",
        path="en/c4-train.00000-of-01024.json.gz",
        revision=_C4_REVISION,
        field="text",
        joined=False,
        first=20_000,
        note="calibration; from the shard that SparseGPT and Wanda draw from",
    ),
    "c4-validation": HubFile(
        repo="allenai/c4",
        path="en/c4-validation.00000-of-00008.json.gz",
        revision=_C4_REVISION,
        field="text",
        joined=False,
        first=20_000,
        note="perplexity on web text that is not in the calibration shard",
    ),
}
"""Corpora known by name and fetched from the Hub."""


def load_corpus(spec: str, *, base: Path, offline: bool, field: str | None = None, joined: bool = False) -> Corpus:
    """Read a corpus.

    Args:
        spec: ``"packaged"``, a name in :data:`GENERATED` or :data:`NAMED`, a file with one of
            :data:`SUFFIXES`, or a folder of ``.txt`` files. A name wins over a file that is called the same;
            ``./name`` is always a path.
        base: The folder that relative paths start from.
        offline: Make no network call; what is in the Hub's local cache can still be read.
        field: Key of a JSON line or column of a Parquet file that holds the text; "text" if not given.
        joined: Whether the rows of a JSON or Parquet file are lines of one running text, joined by a blank
            line into a single document, rather than documents.

    Raises:
        InputError: If there is no such corpus, or it is not what its ending promises, or it is empty.
        OfflineError: If the network is needed and forbidden, or out of reach.
    """
    path = base / spec
    if spec == PACKAGED:
        _refuse_row_options(spec, field, joined)
        return _packaged()
    if spec in GENERATED:
        _refuse_row_options(spec, field, joined)
        return _generated(spec)
    if spec in NAMED:
        _refuse_row_options(spec, field, joined)
        return _from_hub(spec, NAMED[spec], offline=offline)
    if spec and path.is_dir():
        _refuse_row_options(spec, field, joined)
        return _folder(spec, path)
    _check_file(spec, path)
    if _suffix(path) == ".txt":
        _refuse_row_options(spec, field, joined)
        return _corpus(spec, [_text_document(path)], source=f"file {spec}", where=path)
    field = _DEFAULT_FIELD if field is None else field
    return _rows_corpus(spec, path, field=field, joined=joined, first=None, source=f"file {spec}, field {field}")


def text_windows(
    corpus: Corpus,
    tokenize: Tokenize,
    *,
    window: int,
    bos: int | None,
    limit: int | None = None,
    once: bool = False,
    render: Render | None = None,
) -> list[Window]:
    """Cut a corpus into consecutive windows that do not overlap; a tail too short for a window is dropped.

    Each document is tokenised on its own, with the separator after it unless it is the last; the tokens are
    strung together and cut. Tokenising stops once ``limit`` windows are full.

    Args:
        corpus: The text.
        tokenize: The model's tokenizer.
        window: Tokens in a window, the BOS id included.
        bos: Id put first in every window, in the place of one text token; ``None`` for none.
        limit: How many windows, from the start; ``None`` for as many as there are.
        once: Whether ``bos`` stands only once, before the whole text.
        render: What makes text of a document that is not text yet; such texts stand side by side, without a
            separator.

    Raises:
        InputError: If the text does not fill one window, or not ``limit`` windows.
    """
    _check_at_least("A window's length", window, 2, "tokens")
    if limit is not None:
        _check_at_least("The number of windows", limit, 1, "windows")
    begin: list[int] = []
    if once and bos is not None:
        begin, bos = [bos], None
    step = window - (bos is not None)
    needed = step * (1 if limit is None else limit)
    texts = _separated(corpus.documents) if render is None else filter(None, map(render, corpus.documents))
    tokens, ends = _token_stream(texts, tokenize, enough=None if limit is None else needed, begin=begin)
    if len(tokens) < needed:
        asked = f"{_counted(limit or 1, 'window')} of {window:,}"
        raise _too_little(corpus, asked, step, bos, needed - len(begin), len(tokens) - len(begin))
    head = () if bos is None else (bos,)
    windows = []
    for index in range(len(tokens) // step if limit is None else limit):
        start = index * step
        stop = start + step
        unscored = start if bos is None else start - 1  # the last text token before the first scored one
        start_byte = int(ends[unscored]) if unscored >= 0 else 0
        n_bytes = int(ends[stop - 1]) - start_byte
        windows.append(Window(corpus.digest, index, (*head, *tokens[start:stop]), n_bytes))
    return windows


def calibration_sequences(
    corpus: Corpus,
    tokenize: Tokenize,
    *,
    sequences: int,
    length: int,
    seed: int,
    bos: int | None,
    cut: Cut = "stream",
) -> list[tuple[int, ...]]:
    """Sequences of tokens to calibrate on, a function of the arguments and of nothing else.

    ``stream``: the documents are put in an order drawn from the seed and the corpus's digest, tokenised as in
    :func:`text_windows`, strung together and cut. ``documents``: as published in arXiv 2605.08137, the first documents,
    in the corpus's order, that fill a sequence, and the head of each.

    Args:
        corpus: The text.
        tokenize: The model's tokenizer.
        sequences: How many.
        length: Tokens in each, the BOS id included.
        seed: 0 .. 2**32 - 1; plays no part in ``documents``.
        bos: Id put first in every sequence; ``None`` for none.
        cut: One of the two ways.

    Raises:
        InputError: If the text is too short, or an argument is out of range.
    """
    _check_at_least("The number of calibration sequences", sequences, 1, "sequences")
    _check_at_least("A calibration sequence's length", length, 2, "tokens")
    step = length - (bos is not None)
    if cut == "documents":
        return _heads(corpus, tokenize, sequences=sequences, length=length, bos=bos)
    needed = step * sequences
    # A sort of raw words, because the algorithm behind Generator.shuffle may change between NumPy versions.
    words = bits(Domain.CALIBRATION, seed, corpus.digest).random_raw(len(corpus.documents))
    order = np.argsort(words, kind="stable")
    tokens, _ = _token_stream(_separated(corpus.documents[i] for i in order), tokenize, enough=needed)
    if len(tokens) < needed:
        asked = f"{_counted(sequences, 'sequence')} of {length:,}"
        raise _too_little(corpus, asked, step, bos, needed, len(tokens))
    head = () if bos is None else (bos,)
    return [(*head, *tokens[i * step : (i + 1) * step]) for i in range(sequences)]


def _heads(
    corpus: Corpus, tokenize: Tokenize, *, sequences: int, length: int, bos: int | None
) -> list[tuple[int, ...]]:
    head = () if bos is None else (bos,)
    found: list[tuple[int, ...]] = []
    for document in corpus.documents:
        ids, _ = tokenize(document)
        if len(head) + len(ids) >= length:
            found.append((*head, *ids)[:length])
            if len(found) == sequences:
                return found
    raise InputError(
        "A corpus has too few long documents.",
        where=f"corpus {corpus.name}",
        allowed=f"{_counted(sequences, 'document')} of {length:,} tokens or more",
        got=f"{_counted(len(found), 'such document')} of {len(corpus.documents):,}",
        todo="ask for fewer or shorter sequences, name a larger corpus, or cut: stream",
    )


def calibration_digest(sequences: Sequence[Sequence[int]]) -> str:
    """Content hash of calibration sequences, in their order."""
    return digest("calibration", sequences)


# --- tokens ---------------------------------------------------------------------------------------


def _token_stream(
    texts: Iterable[str], tokenize: Tokenize, *, enough: int | None, begin: Sequence[int] = ()
) -> tuple[list[int], npt.NDArray[np.int64]]:
    """Tokens of the texts strung together after those of ``begin``, and where each ends in the joined text.

    Shapes: tokens [t], ends [t] in bytes from the start of the first text; never falling. Text that the
    tokenizer drops between two tokens lies before the end of the second, a character split over several
    tokens before the end of the first of them, so that every byte lies between one pair of neighbours.
    """
    tokens = list(begin)
    ends = [np.zeros(len(begin), dtype=np.int64)]
    start_byte = 0
    for text in texts:
        ids, offsets = tokenize(text)
        char_ends = _char_ends(text, ids, offsets)
        bytes_before = _bytes_before(text)
        tokens.extend(int(i) for i in ids)
        ends.append(start_byte + bytes_before[char_ends])
        start_byte += int(bytes_before[-1])
        if enough is not None and len(tokens) >= enough:
            break
    return tokens, np.concatenate(ends)


def _separated(documents: Iterable[str]) -> Iterator[str]:
    """Each document with the separator after it, but for the last."""
    previous = None
    for document in documents:
        if previous is not None:
            yield previous + SEPARATOR
        previous = document
    if previous is not None:
        yield previous


def _char_ends(text: str, ids: Sequence[int], offsets: Sequence[tuple[int, int]]) -> npt.NDArray[np.int64]:
    """End of each token in characters. Shapes: ids [t], offsets [t, 2] -> [t], never falling."""
    if len(ids) != len(offsets):
        raise ValueError(f"the tokenizer gave {len(ids)} ids and {len(offsets)} offsets")
    ends = np.array([end for _, end in offsets], dtype=np.int64)
    if ends.size and not 0 <= ends.min() <= ends.max() <= len(text):
        raise ValueError(f"the tokenizer gave an offset outside a text of {len(text)} characters")
    return ends if not ends.size else np.maximum.accumulate(ends)


def _bytes_before(text: str) -> npt.NDArray[np.int64]:
    """UTF-8 bytes of the first 0, 1, .. n characters. Shapes: n characters -> [n + 1]."""
    if text.isascii():
        return np.arange(len(text) + 1, dtype=np.int64)
    points = np.frombuffer(text.encode("utf-32-le"), dtype="<u4")
    widths = 1 + (points >= 0x80).astype(np.int64) + (points >= 0x800) + (points >= 0x10000)
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(widths)])


def _utf8_length(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8"))


def _check_at_least(name: str, value: int, least: int, unit: str) -> None:
    if value < least:
        raise InputError(f"{name} is too small.", allowed=f"{least} {unit} or more", got=value)


def _too_little(corpus: Corpus, asked: str, step: int, bos: int | None, needed: int, n_tokens: int) -> InputError:
    beside = "" if bos is None else f", {step:,} of them text beside the BOS id"
    return InputError(
        "A corpus has too little text.",
        where=f"corpus {corpus.name}",
        allowed=f"at least {needed:,} text tokens, for {asked} tokens{beside}",
        got=f"{_counted(n_tokens, 'text token')} in {_counted(len(corpus.documents), 'document')}",
        todo="ask for fewer or shorter ones, or name a larger corpus",
    )


def _counted(n: int, noun: str) -> str:
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


# --- where the text comes from --------------------------------------------------------------------


def _packaged() -> Corpus:
    folder = resources.files("secateur").joinpath("items", "corpus")
    entries = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".txt")), key=lambda entry: entry.name)
    documents = [
        document.strip("\n")
        for entry in entries
        # As in files.read_text, line ends are made equal, so a checkout's settings do not change the digest.
        for document in _split_at_rules(entry.read_bytes().decode("utf-8").replace("\r\n", "\n"))
    ]
    return _corpus(PACKAGED, documents, source="ships with secateur", where="the installed package")


def _generated(name: str) -> Corpus:
    from secateur.items.planted import STRENGTHS, stories

    told = stories(0, name, strengths=STRENGTHS)
    return _corpus(name, list(itertools.islice(told, _STORIES)), source="written by secateur", where=name)


def _split_at_rules(text: str) -> Iterator[str]:
    """The stretches between lines that say only ``---``."""
    lines: list[str] = []
    for line in text.split("\n"):
        if line == _RULE:
            yield "\n".join(lines)
            lines = []
        else:
            lines.append(line)
    yield "\n".join(lines)


def _from_hub(name: str, hub_file: HubFile, *, offline: bool) -> Corpus:
    path = hub_file_path(name, hub_file.repo, hub_file.path, hub_file.revision, offline=offline)
    rows = "all rows" if hub_file.first is None else f"the first {hub_file.first:,} rows"
    source = f"{hub_file.repo}, file {hub_file.path}, commit {resolved_commit(path)}, {rows}"
    return _rows_corpus(name, path, field=hub_file.field, joined=hub_file.joined, first=hub_file.first, source=source)


def hub_file_path(name: str, repo: str, file: str, revision: str, *, offline: bool) -> Path:
    """A data set's file in the Hub's local cache, downloaded if it is not there.

    Args:
        name: What the user asked for, for messages.
        repo: The data set's repository.
        file: The file in it.
        revision: The commit.
        offline: Make no network call.

    Raises:
        InputError: If the Hub refuses the file or breaks off.
        OfflineError: If it is not in the cache and the network is forbidden or out of reach.
    """
    # Here, not above: the Hub's client is slow to import and most calls never need it.
    from huggingface_hub import errors, hf_hub_download

    place = f"{repo}, file {file}, revision {revision}"
    try:
        return Path(hf_hub_download(repo, file, repo_type="dataset", revision=revision, local_files_only=offline))
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled) as error:
        forbidden = offline or any(isinstance(e, errors.OfflineModeIsEnabled) for e in (error, error.__cause__))
        raise _unreachable(name, place, forbidden=forbidden) from error
    except (errors.EntryNotFoundError, errors.HfHubHTTPError) as error:
        raise InputError(
            "The Hub refused a corpus.",
            where=place,
            got=first_line(error),
            todo="check that the data set is still there and that you may read it, or name a local file",
        ) from error
    except broken_off() as error:
        raise InputError(
            "A corpus could not be downloaded.",
            where=place,
            got=first_line(error),
            todo="put the cause right and run the same command again",
        ) from error


def _unreachable(name: str, place: str, *, forbidden: bool) -> OfflineError:
    if forbidden:
        what = f"Corpus {name} is not in the local cache, and the network was forbidden."
        todo = f"load it once without the offline setting, or name a local file, or use {PACKAGED!r}"
    else:
        what = f"Corpus {name} is not in the local cache, and the Hub cannot be reached."
        todo = f"check the connection and try again, or name a local file, or use {PACKAGED!r}"
    return OfflineError(what, where=place, todo=todo)


def resolved_commit(path: Path) -> str:
    """The commit a cached file belongs to, read off the cache's layout (``snapshots/<commit>/...``)."""
    commits = [child for parent, child in itertools.pairwise(path.parts) if parent == "snapshots"]
    return commits[-1] if commits else "unknown"


def _check_file(spec: str, path: Path) -> None:
    looks_like_path = path.suffix != "" or any(mark in spec for mark in "/\\")
    if not spec or not (looks_like_path or path.exists()):
        raise InputError(
            "There is no corpus of this name, and no such file.",
            allowed=f"{_names()}; a file ending in {', '.join(SUFFIXES)}; a folder of .txt files",
            got=spec or "an empty name",
        )
    if not path.exists():
        raise InputError("A corpus file is missing.", where=path, todo=f"check the path, or use {_names()}")
    if _suffix(path) is None:
        raise InputError(
            "A corpus file has an ending that is not known.",
            where=path,
            allowed=", ".join(SUFFIXES),
            got=path.suffix or "no ending",
        )


def _names() -> str:
    return ", ".join([PACKAGED, *GENERATED, *NAMED])


def _suffix(path: Path) -> str | None:
    """The known suffix the file's name ends in; the longest one, so that ``.jsonl.gz`` is not ``.gz``."""
    fitting = [suffix for suffix in SUFFIXES if path.name.lower().endswith(suffix)]
    return max(fitting, key=len, default=None)


def _refuse_row_options(spec: str, field: str | None, joined: bool) -> None:
    if field is not None or joined:
        raise InputError(
            "A corpus without rows was given an option for rows.",
            where=f"corpus {spec}",
            allowed="field and joined only for .jsonl, .json and .parquet files",
            got=f"field={field!r}, joined={joined}",
        )


# --- readers --------------------------------------------------------------------------------------


def _folder(spec: str, folder: Path) -> Corpus:
    paths = sorted((path for path in folder.glob("*.txt") if path.is_file()), key=lambda path: path.name)
    if not paths:
        raise InputError(
            "A corpus folder holds no .txt file.",
            where=folder,
            todo="name a folder of .txt files, or one file",
        )
    documents = [_text_document(path) for path in paths]
    source = f"folder {spec}, {_counted(len(paths), 'file')}"
    return _corpus(spec, documents, source=source, where=folder)


def _text_document(path: Path) -> str:
    # A byte order mark and the newlines at a file's ends belong to the file, not to the text.
    return files.read_text(path).removeprefix("\ufeff").strip("\n")


def _rows_corpus(name: str, path: Path, *, field: str, joined: bool, first: int | None, source: str) -> Corpus:
    reader = _parquet_rows if _suffix(path) == ".parquet" else _json_rows
    rows = reader(path, field, first)
    documents = [SEPARATOR.join(rows)] if joined else list(rows)
    return _corpus(name, documents, source=source, where=path)


def _json_rows(path: Path, field: str, first: int | None) -> Iterator[str]:
    """The texts of a file with one JSON object per line, plain or gzipped; empty lines are passed over."""
    n_rows = 0
    for number, line in _numbered_lines(path):
        if n_rows == first:
            return
        if not line.strip():
            continue
        n_rows += 1
        where = f"{path}, line {number}"
        try:
            row = json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
        except UnicodeDecodeError as error:
            raise InputError(
                "A line is not UTF-8 text.", where=where, got=f"byte {error.start}: {error.reason}"
            ) from None
        except json.JSONDecodeError as error:
            raise InputError(
                "A line is not JSON.",
                where=where,
                allowed="one object per line",
                got=f"{error.msg} at column {error.colno}",
            ) from None
        except RecursionError:
            raise InputError("A line is nested too deeply.", where=where) from None
        if not isinstance(row, dict):
            raise InputError(
                "A line is not a JSON object.",
                where=where,
                allowed=f'an object such as {{"{field}": "..."}}',
                got=type(row).__name__,
            )
        if field not in row:
            raise InputError(
                "A line lacks the field that holds the text.",
                where=where,
                allowed=field,
                got=", ".join(row) or "no fields",
                todo="name the field that holds the text with the option field",
            )
        yield _checked_text(row[field], f"{where}, field {field}")


def _numbered_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    is_gzip = path.name.lower().endswith(".gz")
    try:
        with cast("IO[bytes]", gzip.open(path, "rb") if is_gzip else path.open("rb")) as handle:
            yield from enumerate(handle, start=1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(
            "A gzip file is damaged.", where=path, got=first_line(error), todo="fetch the file again"
        ) from None
    except OSError as error:
        raise InputError("A file cannot be read.", where=path, got=error.strerror or str(error)) from None


def _parquet_rows(path: Path, field: str, first: int | None) -> Iterator[str]:
    """The texts of a string column, read in batches so that ``first`` rows cost no more than they must."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            _check_column(path, field, file.schema_arrow)
            n_rows = 0
            for batch in file.iter_batches(columns=[field], batch_size=10_000):
                for value in batch.column(0).to_pylist():
                    if n_rows == first:
                        return
                    n_rows += 1
                    yield _checked_text(value, f"{path}, row {n_rows}, column {field}")
    except pa.ArrowInvalid as error:
        raise InputError("A file is not Parquet, or is damaged.", where=path, got=first_line(error)) from None
    except OSError as error:
        raise InputError("A file cannot be read.", where=path, got=error.strerror or str(error)) from None


def _check_column(path: Path, field: str, schema: Any) -> None:  # Any: pyarrow ships no types
    import pyarrow as pa

    if field not in schema.names:
        raise InputError(
            "A Parquet file lacks the column that holds the text.",
            where=path,
            allowed=field,
            got=", ".join(schema.names) or "no columns",
            todo="name the column that holds the text with the option field",
        )
    kind = schema.field(field).type
    value_kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    is_text = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    if not any(check(value_kind) for check in is_text):
        raise InputError(
            "A column does not hold text.", where=f"{path}, column {field}", allowed="string", got=str(kind)
        )


def _checked_text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise InputError("A value is not text.", where=where, allowed="a string", got=_kind(value))
    if not value.isascii():
        try:
            value.encode("utf-8")
        except UnicodeEncodeError as error:  # JSON can escape half of a surrogate pair, which is no character
            raise InputError(
                "A value is not valid Unicode.", where=where, got=f"character {error.start}: {error.reason}"
            ) from None
    return value


def _kind(value: object) -> str:
    return "null" if value is None else type(value).__name__


def _corpus(name: str, documents: list[str], *, source: str, where: object) -> Corpus:
    """The corpus of the documents that hold text; the others are left out, and counted in the source."""
    kept = tuple(document for document in documents if document.strip())
    if not kept:
        raise InputError("A corpus is empty.", where=where, allowed="at least one document with text", got="no text")
    n_empty = len(documents) - len(kept)
    if n_empty:
        source += f"; {_counted(n_empty, 'empty document')} left out"
    return Corpus(name=name, documents=kept, source=source)
