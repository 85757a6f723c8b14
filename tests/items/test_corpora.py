from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from huggingface_hub import errors as hub_errors
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from secateur.errors import InputError, OfflineError, SecateurError
from secateur.identity import digest, key64
from secateur.items.corpora import (
    NAMED,
    PACKAGED,
    SEPARATOR,
    SUFFIXES,
    Corpus,
    Tokenize,
    Window,
    calibration_digest,
    calibration_sequences,
    load_corpus,
    text_windows,
)

HERE = Path(__file__).resolve().parent
MIXED = ("Naïve café, 5 €.", "日本語の文 and 🦉🦉 owls.", "plain", "e\u0301 ends here\n")


def load(spec: str, base: Path, **options: object) -> Corpus:
    return load_corpus(spec, base=base, offline=True, **options)  # type: ignore[arg-type]


def message(raised: pytest.ExceptionInfo[SecateurError]) -> str:
    return str(raised.value)


def corpus_of(*documents: str) -> Corpus:
    return Corpus(name="made", documents=documents, source="a test")


def wrap(tokenizer: Tokenizer) -> Tokenize:
    def tokenize(text: str, /) -> tuple[Sequence[int], Sequence[tuple[int, int]]]:
        encoding = tokenizer.encode(text, add_special_tokens=False)
        return encoding.ids, encoding.offsets

    return tokenize


@pytest.fixture(scope="module")
def packaged() -> Corpus:
    return load(PACKAGED, HERE)


def byte_level(packaged: Corpus) -> Tokenizer:
    """As GPT-2, Llama 3: bytes, one token per piece of a character, offsets without leading spaces."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(packaged.documents, trainer)
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=True)
    return tokenizer


def metaspace(packaged: Corpus) -> Tokenizer:
    """As Llama 2 and Mistral: a space put before every text, bytes for characters not in the vocabulary."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    trainer = trainers.BpeTrainer(
        vocab_size=700,
        special_tokens=["<unk>", *(f"<0x{byte:02X}>" for byte in range(256))],
        show_progress=False,
    )
    tokenizer.train_from_iterator(packaged.documents[:5], trainer)
    return tokenizer


def word_level(packaged: Corpus) -> Tokenizer:
    """Drops white space: the offsets leave gaps."""
    tokenizer = Tokenizer(models.WordLevel(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.WordLevelTrainer(special_tokens=["<unk>"], show_progress=False)
    tokenizer.train_from_iterator(packaged.documents, trainer)
    return tokenizer


TOKENIZERS = {"byte_level": byte_level, "metaspace": metaspace, "word_level": word_level}


@pytest.fixture(scope="module", params=sorted(TOKENIZERS))
def tokenize(request: pytest.FixtureRequest, packaged: Corpus) -> Tokenize:
    return wrap(TOKENIZERS[request.param](packaged))


@pytest.fixture(scope="module")
def bpe(packaged: Corpus) -> Tokenize:
    return wrap(byte_level(packaged))


def characters(text: str, /) -> tuple[list[int], list[tuple[int, int]]]:
    """The simplest tokenizer: a character is a token."""
    return [ord(c) for c in text], [(i, i + 1) for i in range(len(text))]


# --- the packaged corpus --------------------------------------------------------------------------


def test_packaged_corpus_is_the_one_results_were_made_with(packaged: Corpus) -> None:
    # A change of the text changes every figure made with it: it needs a changelog line, and this digest.
    assert packaged.digest == "2e1e1db37c52613a77445dd94b695e78a0d787800a119c6fa0afed1f731adc5b"
    assert len(packaged.documents) == 36


def test_packaged_corpus_is_plain_prose_without_repeats(packaged: Corpus) -> None:
    assert 45_000 < packaged.n_bytes < 60_000
    assert all(document.isascii() and document == document.strip() for document in packaged.documents)
    assert not any("---" in document for document in packaged.documents)
    paragraphs = [p for document in packaged.documents for p in document.split("\n") if len(p) > 60]
    assert len(set(paragraphs)) == len(paragraphs) > 150
    sentences = [s for p in paragraphs for s in re.split(r"(?<=[.?!]) ", p) if len(s) > 40]
    assert len(set(sentences)) == len(sentences)


def test_packaged_corpus_needs_neither_base_nor_network(tmp_path: Path, packaged: Corpus) -> None:
    assert load(PACKAGED, tmp_path / "nowhere") == packaged


def test_packaged_corpus_suffices_for_small_windows_and_calibration(packaged: Corpus, bpe: Tokenize) -> None:
    assert len(text_windows(packaged, bpe, window=256, bos=0)) > 50
    assert len(calibration_sequences(packaged, bpe, sequences=32, length=256, seed=0, bos=0)) == 32


def test_importing_the_module_imports_nothing_heavy() -> None:
    code = (
        "import sys, secateur.items.corpora\n"
        "heavy = {'torch', 'transformers', 'tokenizers', 'huggingface_hub', 'pyarrow'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


# --- corpus and digest ----------------------------------------------------------------------------


def test_equal_text_has_an_equal_digest_wherever_it_was_read_from(tmp_path: Path) -> None:
    texts = ["first, with ünïcode", "second\nwith two lines"]
    lines = "".join(json.dumps({"id": i, "text": text}) + "\n" for i, text in enumerate(texts))
    (tmp_path / "a.jsonl").write_text(lines, encoding="utf-8")
    (tmp_path / "b.json.gz").write_bytes(gzip.compress(lines.encode()))
    pq.write_table(pa.table({"id": [0, 1], "text": texts}), tmp_path / "c.parquet")
    folder = tmp_path / "folder"
    folder.mkdir()
    for name, text in zip(["1.txt", "2.txt"], texts, strict=True):
        (folder / name).write_text(text + "\n", encoding="utf-8")

    corpora = [load(spec, tmp_path) for spec in ("a.jsonl", "b.json.gz", "c.parquet", "folder")]

    assert {corpus.digest for corpus in corpora} == {digest("corpus", texts)}
    assert {corpus.documents for corpus in corpora} == {tuple(texts)}
    assert [corpus.name for corpus in corpora] == ["a.jsonl", "b.json.gz", "c.parquet", "folder"]
    assert corpora[0].source == "file a.jsonl, field text"
    assert corpora[3].source == "folder folder, 2 files"
    assert str(tmp_path) not in "".join(corpus.source for corpus in corpora)


def test_digest_depends_on_text_and_on_where_documents_end() -> None:
    digests = {
        corpus_of(*documents).digest for documents in (("a", "b"), ("b", "a"), ("a\n\nb",), ("ab",), ("a", "b", "c"))
    }
    assert len(digests) == 5
    assert Corpus("x", ("a",), "here").digest == Corpus("y", ("a",), "there").digest


def test_n_bytes_counts_utf8() -> None:
    assert corpus_of("abc", "é€🦉").n_bytes == 3 + 2 + 3 + 4


# --- local files ----------------------------------------------------------------------------------


def test_txt_file_is_one_document(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbf\nOne.\r\n\r\nStill one.\n---\nStill.\n\n")
    assert load("a.txt", tmp_path).documents == ("One.\n\nStill one.\n---\nStill.",)


def test_folder_is_read_in_the_order_of_names_and_not_below(tmp_path: Path) -> None:
    for name in ("b.txt", "B.txt", "10.txt", "9.txt", "c.md"):
        (tmp_path / name).write_text(name, encoding="utf-8")
    (tmp_path / "deeper.txt").mkdir()
    assert load(".", tmp_path).documents == ("10.txt", "9.txt", "B.txt", "b.txt")


def test_absolute_paths_are_taken_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("text", encoding="utf-8")
    assert load(str(tmp_path / "a.txt"), tmp_path / "elsewhere").documents == ("text",)


@pytest.mark.parametrize("suffix", [s for s in SUFFIXES if s not in (".txt", ".parquet")])
def test_json_lines_in_every_spelling_of_the_suffix(tmp_path: Path, suffix: str) -> None:
    data = b'\xef\xbb\xbf{"text": "a"}\n\n  \n{"text": "b\\r\\nc", "n": 1}'
    path = tmp_path / f"rows{suffix.upper()}"
    path.write_bytes(gzip.compress(data) if suffix.endswith(".gz") else data)
    assert load(path.name, tmp_path).documents == ("a", "b\r\nc")


def test_field_and_joined(tmp_path: Path) -> None:
    rows = ["= Title =\n", "", "Body.\n"]
    pq.write_table(pa.table({"body": rows}), tmp_path / "a.parquet")
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"body": r}) + "\n" for r in rows), encoding="utf-8")
    for spec in ("a.parquet", "a.jsonl"):
        joined = load(spec, tmp_path, field="body", joined=True)
        assert joined.documents == ("= Title =\n\n\n\n\nBody.\n",)
        apart = load(spec, tmp_path, field="body")
        assert apart.documents == ("= Title =\n", "Body.\n")
        assert apart.source == f"file {spec}, field body; 1 empty document left out"


@pytest.mark.parametrize("kind", [pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
def test_other_kinds_of_string_columns(tmp_path: Path, kind: pa.DataType) -> None:
    pq.write_table(pa.table({"text": pa.array(["a", "b"]).cast(kind)}), tmp_path / "a.parquet")
    assert load("a.parquet", tmp_path).documents == ("a", "b")


# --- what can be wrong with local files -----------------------------------------------------------


def test_unknown_name_lists_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(InputError) as raised:
        load("wikitext2", tmp_path)
    assert message(raised) == (
        "There is no corpus of this name, and no such file.\n"
        "  allowed: packaged, planted, planted-calibration, wikitext-2, c4, c4-validation; a file ending in .txt, "
        ".jsonl, .jsonl.gz, .json, .json.gz, .parquet; a folder of .txt files\n"
        "  got:     wikitext2"
    )
    with pytest.raises(InputError, match=r"no corpus of this name[\s\S]*got: +an empty name"):
        load("", tmp_path)


@pytest.mark.parametrize("spec", ["none.txt", "sub/none", "./c4"])
def test_missing_file(tmp_path: Path, spec: str) -> None:
    with pytest.raises(InputError) as raised:
        load(spec, tmp_path)
    assert message(raised) == (
        "A corpus file is missing.\n"
        f"  where:   {tmp_path / spec}\n"
        "  next:    check the path, or use packaged, planted, planted-calibration, wikitext-2, c4, c4-validation"
    )


@pytest.mark.parametrize(("name", "got"), [("a.md", ".md"), ("README", "no ending"), ("a.txt.gz", ".gz")])
def test_unknown_suffix(tmp_path: Path, name: str, got: str) -> None:
    (tmp_path / name).write_text("text", encoding="utf-8")
    with pytest.raises(InputError) as raised:
        load(name, tmp_path)
    assert message(raised) == (
        "A corpus file has an ending that is not known.\n"
        f"  where:   {tmp_path / name}\n"
        "  allowed: .txt, .jsonl, .jsonl.gz, .json, .json.gz, .parquet\n"
        f"  got:     {got}"
    )


def test_folder_without_text_files(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("text", encoding="utf-8")
    with pytest.raises(InputError) as raised:
        load(".", tmp_path)
    assert message(raised) == (
        "A corpus folder holds no .txt file.\n"
        f"  where:   {tmp_path}\n"
        "  next:    name a folder of .txt files, or one file"
    )


GOOD_LINE = b'{"text": "good"}\n'


@pytest.mark.parametrize(
    ("line", "what", "rest"),
    [
        (
            b'{"text": }',
            "A line is not JSON.",
            "allowed: one object per line\n  got:     Expecting value at column 10",
        ),
        (
            b'["text"]',
            "A line is not a JSON object.",
            'allowed: an object such as {"text": "..."}\n  got:     list',
        ),
        (
            b'{"body": "a", "id": 1}',
            "A line lacks the field that holds the text.",
            "allowed: text\n  got:     body, id\n  next:    name the field that holds the text with the option field",
        ),
        (b"{}", "A line lacks the field that holds the text.", "allowed: text\n  got:     no fields"),
        (b'{"text": "\xff"}', "A line is not UTF-8 text.", "got:     byte 10: invalid start byte"),
    ],
)
@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz"])
def test_bad_json_line_is_named(tmp_path: Path, suffix: str, line: bytes, what: str, rest: str) -> None:
    data = GOOD_LINE + b"\n" + line + b"\n" + GOOD_LINE
    path = tmp_path / f"a{suffix}"
    path.write_bytes(gzip.compress(data) if suffix.endswith(".gz") else data)
    with pytest.raises(InputError) as raised:
        load(path.name, tmp_path)
    assert message(raised).startswith(f"{what}\n  where:   {path}, line 3\n  {rest}")


@pytest.mark.parametrize(("value", "got"), [("null", "null"), ("3", "int"), ('["a"]', "list"), ("true", "bool")])
def test_json_value_that_is_not_text(tmp_path: Path, value: str, got: str) -> None:
    (tmp_path / "a.jsonl").write_bytes(GOOD_LINE + f'{{"text": {value}}}'.encode())
    with pytest.raises(InputError) as raised:
        load("a.jsonl", tmp_path)
    assert message(raised) == (
        f"A value is not text.\n  where:   {tmp_path / 'a.jsonl'}, line 2, field text\n"
        f"  allowed: a string\n  got:     {got}"
    )


def test_json_value_that_is_not_unicode(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "half \\ud83e"}', encoding="utf-8")
    with pytest.raises(InputError, match=r"A value is not valid Unicode[\s\S]*character 5: surrogates not allowed"):
        load("a.jsonl", tmp_path)


def test_json_nested_too_deeply(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": ' + "[" * 200_000, encoding="utf-8")
    with pytest.raises(InputError, match=r"A line is nested too deeply[\s\S]*line 1"):
        load("a.jsonl", tmp_path)


@pytest.mark.parametrize("damage", [lambda data: data[:-12], lambda data: b"not gzip at all"])
def test_damaged_gzip(tmp_path: Path, damage: object) -> None:
    (tmp_path / "a.jsonl.gz").write_bytes(damage(gzip.compress(GOOD_LINE * 100)))  # type: ignore[operator]
    with pytest.raises(InputError, match=r"A gzip file is damaged[\s\S]*next: +fetch the file again"):
        load("a.jsonl.gz", tmp_path)


def test_missing_column(tmp_path: Path) -> None:
    pq.write_table(pa.table({"body": ["a"], "id": [1]}), tmp_path / "a.parquet")
    with pytest.raises(InputError) as raised:
        load("a.parquet", tmp_path)
    assert message(raised) == (
        "A Parquet file lacks the column that holds the text.\n"
        f"  where:   {tmp_path / 'a.parquet'}\n"
        "  allowed: text\n"
        "  got:     body, id\n"
        "  next:    name the column that holds the text with the option field"
    )


def test_column_of_another_type(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": [1, 2]}), tmp_path / "a.parquet")
    with pytest.raises(InputError) as raised:
        load("a.parquet", tmp_path)
    assert message(raised) == (
        f"A column does not hold text.\n  where:   {tmp_path / 'a.parquet'}, column text\n"
        "  allowed: string\n  got:     int64"
    )


def test_null_in_a_column(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["a", None]}), tmp_path / "a.parquet")
    with pytest.raises(InputError) as raised:
        load("a.parquet", tmp_path)
    assert message(raised) == (
        f"A value is not text.\n  where:   {tmp_path / 'a.parquet'}, row 2, column text\n"
        "  allowed: a string\n  got:     null"
    )


def test_file_that_is_not_parquet(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 is not enough")
    with pytest.raises(InputError, match="A file is not Parquet, or is damaged"):
        load("a.parquet", tmp_path)


def test_text_file_that_is_not_utf8(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("café".encode("latin-1"))
    for spec in ("a.txt", "."):
        with pytest.raises(InputError, match=r"A file is not UTF-8 text\.[\s\S]*a\.txt[\s\S]*byte 3"):
            load(spec, tmp_path)


def test_corpus_without_text(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(" \n\n\t\n", encoding="utf-8")
    (tmp_path / "b.jsonl").write_text('{"text": ""}\n{"text": " "}\n', encoding="utf-8")
    (tmp_path / "c.jsonl").write_text("", encoding="utf-8")
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), tmp_path / "d.parquet")
    for spec in ("a.txt", "b.jsonl", "c.jsonl", "d.parquet"):
        for joined in (False, True):
            if spec == "a.txt" and joined:
                continue
            with pytest.raises(InputError) as raised:
                load(spec, tmp_path, joined=joined)
            assert message(raised) == (
                f"A corpus is empty.\n  where:   {tmp_path / spec}\n"
                "  allowed: at least one document with text\n  got:     no text"
            )


@pytest.mark.parametrize("spec", [PACKAGED, "c4", "a.txt", "."])
def test_options_for_rows_are_refused_where_there_are_none(tmp_path: Path, spec: str) -> None:
    (tmp_path / "a.txt").write_text("text", encoding="utf-8")
    with pytest.raises(InputError) as raised:
        load(spec, tmp_path, field="body")
    assert message(raised) == (
        f"A corpus without rows was given an option for rows.\n  where:   corpus {spec}\n"
        "  allowed: field and joined only for .jsonl, .json and .parquet files\n"
        "  got:     field='body', joined=False"
    )


# --- the Hub --------------------------------------------------------------------------------------


class FakeHub:
    """Stands in for ``hf_hub_download``: gives a file out of a made-up cache, or raises."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.error: Exception | None = None
        self.calls: list[SimpleNamespace] = []

    def __call__(self, repo_id: str, filename: str, **options: object) -> str:
        self.calls.append(SimpleNamespace(repo_id=repo_id, filename=filename, **options))
        if self.error is not None:
            raise self.error
        return str(self.path(repo_id, filename, str(options["revision"])))

    def path(self, repo_id: str, filename: str, revision: str) -> Path:
        repo = "datasets--" + repo_id.replace("/", "--")
        path = self.folder / "hub" / repo / "snapshots" / revision / filename
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHub:
    fake = FakeHub(tmp_path)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fake)
    return fake


@pytest.mark.parametrize("name", sorted(NAMED))
def test_named_corpora_are_pinned_to_a_commit(name: str) -> None:
    assert re.fullmatch(r"[0-9a-f]{40}", NAMED[name].revision)
    assert NAMED[name].path.endswith(SUFFIXES)


@pytest.mark.parametrize("offline", [False, True])
def test_wikitext_is_one_document_joined_as_the_pruning_papers_join_it(hub: FakeHub, offline: bool) -> None:
    known = NAMED["wikitext-2"]
    rows = ["", " = Robert = \n", "", " He was . \n"]
    pq.write_table(pa.table({"text": rows}), hub.path(known.repo, known.path, known.revision))

    corpus = load_corpus("wikitext-2", base=Path("unused"), offline=offline)

    assert corpus.documents == ("\n\n".join(rows),)
    assert corpus.source == (f"Salesforce/wikitext, file {known.path}, commit {known.revision}, all rows")
    [call] = hub.calls
    assert call == SimpleNamespace(
        repo_id="Salesforce/wikitext",
        filename="wikitext-2-raw-v1/test-00000-of-00001.parquet",
        repo_type="dataset",
        revision=known.revision,
        local_files_only=offline,
    )


def test_c4_stops_at_its_number_of_rows(hub: FakeHub) -> None:
    known = NAMED["c4"]
    assert known.first == 20_000
    lines = [json.dumps({"text": f"page {i}", "url": "u"}) for i in range(known.first)] + ["not json"]
    path = hub.path(known.repo, known.path, known.revision)
    path.write_bytes(gzip.compress("\n".join(lines).encode(), compresslevel=1))

    corpus = load_corpus("c4", base=Path(), offline=False)

    assert len(corpus.documents) == 20_000
    assert corpus.documents[-1] == "page 19999"
    assert corpus.source.endswith(f"commit {known.revision}, the first 20,000 rows")


def test_first_rows_of_parquet(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    known = NAMED["wikitext-2"]
    short = type(known)(known.repo, known.path, known.revision, "text", False, 2, "a test")
    monkeypatch.setitem(NAMED, "wikitext-2", short)
    pq.write_table(pa.table({"text": ["a", "b", "c"]}), hub.path(known.repo, known.path, known.revision))
    assert load("wikitext-2", Path()).documents == ("a", "b")


def test_offline_and_not_cached(hub: FakeHub) -> None:
    hub.error = hub_errors.LocalEntryNotFoundError("not in the cache")
    known = NAMED["c4"]
    with pytest.raises(OfflineError) as raised:
        load_corpus("c4", base=Path(), offline=True)
    assert message(raised) == (
        "Corpus c4 is not in the local cache, and the network was forbidden.\n"
        f"  where:   allenai/c4, file {known.path}, revision {known.revision}\n"
        "  next:    load it once without the offline setting, or name a local file, or use 'packaged'"
    )
    assert hub.calls[0].local_files_only is True


def test_hub_out_of_reach(hub: FakeHub) -> None:
    hub.error = hub_errors.LocalEntryNotFoundError("no connection")
    with pytest.raises(OfflineError) as raised:
        load_corpus("wikitext-2", base=Path(), offline=False)
    assert message(raised).startswith("Corpus wikitext-2 is not in the local cache, and the Hub cannot be reached.\n")
    assert message(raised).endswith(
        "  next:    check the connection and try again, or name a local file, or use 'packaged'"
    )


def test_network_forbidden_by_the_hub_clients_own_setting(hub: FakeHub) -> None:
    hub.error = hub_errors.LocalEntryNotFoundError("no connection")
    hub.error.__cause__ = hub_errors.OfflineModeIsEnabled("offline mode")
    with pytest.raises(OfflineError, match="the network was forbidden"):
        load_corpus("wikitext-2", base=Path(), offline=False)


def test_hub_refuses(hub: FakeHub) -> None:
    hub.error = hub_errors.EntryNotFoundError("404: no such file\nand a long explanation")
    known = NAMED["c4"]
    with pytest.raises(InputError) as raised:
        load_corpus("c4", base=Path(), offline=False)
    assert message(raised) == (
        "The Hub refused a corpus.\n"
        f"  where:   allenai/c4, file {known.path}, revision {known.revision}\n"
        "  got:     404: no such file\n"
        "  next:    check that the data set is still there and that you may read it, or name a local file"
    )


@pytest.mark.parametrize("kind", [OSError, hub_errors.HTTPError, RuntimeError])
def test_download_breaks_off(hub: FakeHub, kind: type[Exception]) -> None:
    hub.error = kind("No space left on device")
    with pytest.raises(InputError, match=r"could not be downloaded[\s\S]*got: +No space left on device[\s\S]*again"):
        load_corpus("c4", base=Path(), offline=False)


def test_a_name_wins_over_a_file_and_dot_slash_names_the_file(hub: FakeHub, tmp_path: Path) -> None:
    (tmp_path / "c4").mkdir()
    (tmp_path / "c4" / "a.txt").write_text("mine", encoding="utf-8")
    hub.error = hub_errors.LocalEntryNotFoundError("not in the cache")
    with pytest.raises(OfflineError):
        load("c4", tmp_path)
    assert load("./c4", tmp_path).documents == ("mine",)


# --- windows --------------------------------------------------------------------------------------


def slow_stream(documents: Sequence[str], tokenize: Tokenize) -> list[tuple[int, str]]:
    """The definition, one token at a time: each token with the text it stands for."""
    stream: list[tuple[int, str]] = []
    for number, document in enumerate(documents):
        text = document + (SEPARATOR if number < len(documents) - 1 else "")
        ids, offsets = tokenize(text)
        seen = 0
        for token, (_, end) in zip(ids, offsets, strict=True):
            stream.append((token, text[seen:end] if end > seen else ""))
            seen = max(seen, end)
        if seen < len(text):
            # What is dropped at a document's end stands before the next document's first token.
            stream.append((-1, text[seen:]))
    merged: list[tuple[int, str]] = []
    carried = ""
    for token, text in stream:
        if token == -1:
            carried += text
        else:
            merged.append((token, carried + text))
            carried = ""
    return merged


@pytest.mark.parametrize("documents", [MIXED, MIXED[:1], ("  lead", "trail  ", "\n\nx\n\n", "end")])
@pytest.mark.parametrize("bos", [None, 7])
@pytest.mark.parametrize("window", [2, 3, 5])
def test_windows_against_the_definition(
    documents: tuple[str, ...], bos: int | None, window: int, tokenize: Tokenize
) -> None:
    corpus = corpus_of(*documents)
    stream = slow_stream(documents, tokenize)
    step = window if bos is None else window - 1
    if len(stream) < step:
        with pytest.raises(InputError, match="too little text"):
            text_windows(corpus, tokenize, window=window, bos=bos)
        return

    windows = text_windows(corpus, tokenize, window=window, bos=bos)

    assert len(windows) == len(stream) // step
    for index, got in enumerate(windows):
        piece = stream[index * step : (index + 1) * step]
        tokens = [token for token, _ in piece]
        scored = piece[1:] if bos is None else piece
        assert got.corpus == corpus.digest
        assert got.index == index
        assert got.tokens == tuple(tokens if bos is None else [bos, *tokens])
        assert got.n_scored == window - 1 == len(scored)
        assert got.n_bytes == sum(len(text.encode()) for _, text in scored)


def test_bytes_of_windows_with_bos_add_up_to_the_text(tokenize: Tokenize, packaged: Corpus) -> None:
    documents = packaged.documents + MIXED
    windows = text_windows(corpus_of(*documents), tokenize, window=2, bos=1)
    joined = SEPARATOR.join(documents).encode()
    dropped_at_the_end = len(joined) - sum(window.n_bytes for window in windows)
    assert 0 <= dropped_at_the_end <= 1  # the last newline, where white space is dropped


def test_windows_of_byte_tokens_decode_to_the_joined_text(packaged: Corpus) -> None:
    tokenizer = byte_level(packaged)
    windows = text_windows(packaged, wrap(tokenizer), window=65, bos=0)
    text = tokenizer.decode([token for window in windows for token in window.tokens[1:]])
    assert SEPARATOR.join(packaged.documents).startswith(text)
    assert [len(tokenizer.decode(list(window.tokens[1:]))) for window in windows] == [w.n_bytes for w in windows]


@pytest.mark.parametrize("window", [2, 3, 7, 13])
def test_bos_once_stands_before_the_whole_text(window: int, tokenize: Tokenize) -> None:
    """The definition: the tokens with one BOS before them, cut; nothing else is put in."""
    stream = [(1, 0), *slow_stream(MIXED, tokenize)]
    windows = text_windows(corpus_of(*MIXED), tokenize, window=window, bos=1, once=True)
    assert len(windows) == len(stream) // window
    for window_, start in zip(windows, range(0, len(stream), window), strict=False):
        ids = [token for token, _ in stream[start : start + window]]
        assert list(window_.tokens) == ids
        assert window_.n_scored == window - 1
    plain = text_windows(corpus_of(*MIXED), tokenize, window=window, bos=None, once=True)
    assert plain == text_windows(corpus_of(*MIXED), tokenize, window=window, bos=None)


def test_bos_once_counts_no_byte_for_the_bos(bpe: Tokenize) -> None:
    (first,) = text_windows(corpus_of("plain text"), bpe, window=4, bos=1, once=True, limit=1)
    ids, offsets = bpe("plain text")
    assert first.tokens == (1, *ids[:3])
    assert first.n_bytes == offsets[2][1]


def test_rendered_documents_stand_side_by_side_and_refused_ones_are_left_out() -> None:
    def render(document: str) -> str | None:
        return None if document == "b" else document.upper()

    windows = text_windows(corpus_of("aa", "b", "cd"), characters, window=2, bos=None, render=render)
    assert ["".join(map(chr, window.tokens)) for window in windows] == ["AA", "CD"]
    with pytest.raises(InputError, match="too little text"):
        text_windows(corpus_of("b", "b"), characters, window=2, bos=None, render=render)


def test_rendering_stops_once_the_windows_are_full() -> None:
    seen = []

    def render(document: str) -> str | None:
        seen.append(document)
        return document

    text_windows(corpus_of("aa", "bb", "cc"), characters, window=2, bos=None, limit=2, render=render)
    assert seen == ["aa", "bb"]


def test_a_character_split_over_tokens_counts_at_its_first(packaged: Corpus, bpe: Tokenize) -> None:
    ids, _ = bpe("🦉")
    assert len(ids) == 4  # one token a byte
    windows = text_windows(corpus_of("🦉"), bpe, window=2, bos=0)
    assert [window.n_bytes for window in windows] == [4, 0, 0, 0]


def test_ragged_tail_is_dropped_and_limit_takes_the_first() -> None:
    corpus = corpus_of("abcde", "fgh")  # ten tokens, with the separator
    all_windows = text_windows(corpus, characters, window=4, bos=None)
    assert [bytes(window.tokens) for window in all_windows] == [b"abcd", b"e\n\nf"]
    assert [window.n_bytes for window in all_windows] == [3, 3]
    assert text_windows(corpus, characters, window=4, bos=None, limit=1) == all_windows[:1]
    assert text_windows(corpus, characters, window=4, bos=None, limit=2) == all_windows
    with_bos = text_windows(corpus, characters, window=4, bos=0)
    assert [bytes(window.tokens) for window in with_bos] == [b"\0abc", b"\0de\n", b"\0\nfg"]
    assert [window.n_bytes for window in with_bos] == [3, 3, 3]


def test_limit_stops_tokenising() -> None:
    seen: list[str] = []

    def counting(text: str, /) -> tuple[list[int], list[tuple[int, int]]]:
        seen.append(text)
        return characters(text)

    text_windows(corpus_of("abc", "def", "ghi"), counting, window=5, bos=None, limit=1)
    assert seen == ["abc\n\n"]


def test_windows_leave_documents_without_tokens_alone() -> None:
    def no_b(text: str, /) -> tuple[list[int], list[tuple[int, int]]]:
        return ([], []) if "b" in text else characters(text)

    windows = text_windows(corpus_of("a", "b", "c"), no_b, window=2, bos=0)
    assert [bytes(window.tokens) for window in windows] == [b"\0a", b"\0\n", b"\0\n", b"\0c"]
    assert [window.n_bytes for window in windows] == [1, 1, 1, 4]


def test_window_identity() -> None:
    window = Window(corpus="d" * 64, index=3, tokens=(1, 2, 3), n_bytes=9)
    assert window.digest == digest("window", [1, 2, 3])
    assert window.key == key64(window.digest)
    assert 0 <= window.key < 2**64
    assert window.digest == Window("e" * 64, 0, (1, 2, 3), 0).digest
    assert not hasattr(window, "__dict__")


def test_numpy_ids_become_plain_integers() -> None:
    def arrays(text: str, /) -> tuple[Sequence[int], Sequence[tuple[int, int]]]:
        ids, offsets = characters(text)
        return np.array(ids), np.array(offsets)  # type: ignore[return-value]

    [window] = text_windows(corpus_of("abc"), arrays, window=3, bos=None)
    assert [type(token) for token in window.tokens] == [int, int, int]
    assert type(window.n_bytes) is int


def test_too_little_text_for_windows() -> None:
    corpus = corpus_of("abc", "d")
    with pytest.raises(InputError) as raised:
        text_windows(corpus, characters, window=2048, bos=None)
    assert message(raised) == (
        "A corpus has too little text.\n"
        "  where:   corpus made\n"
        "  allowed: at least 2,048 text tokens, for 1 window of 2,048 tokens\n"
        "  got:     6 text tokens in 2 documents\n"
        "  next:    ask for fewer or shorter ones, or name a larger corpus"
    )
    with pytest.raises(InputError) as raised:
        text_windows(corpus_of("abc"), characters, window=3, bos=9, limit=2)
    assert message(raised) == (
        "A corpus has too little text.\n"
        "  where:   corpus made\n"
        "  allowed: at least 4 text tokens, for 2 windows of 3 tokens, 2 of them text beside the BOS id\n"
        "  got:     3 text tokens in 1 document\n"
        "  next:    ask for fewer or shorter ones, or name a larger corpus"
    )


def test_lengths_and_counts_out_of_range() -> None:
    corpus = corpus_of("abc")
    with pytest.raises(InputError) as raised:
        text_windows(corpus, characters, window=1, bos=None)
    assert message(raised) == "A window's length is too small.\n  allowed: 2 tokens or more\n  got:     1"
    with pytest.raises(InputError, match=r"The number of windows is too small[\s\S]*got: +0"):
        text_windows(corpus, characters, window=2, bos=None, limit=0)
    with pytest.raises(InputError, match=r"The number of calibration sequences is too small[\s\S]*got: +0"):
        calibration_sequences(corpus, characters, sequences=0, length=2, seed=0, bos=None)
    with pytest.raises(InputError, match=r"A calibration sequence's length is too small[\s\S]*got: +1"):
        calibration_sequences(corpus, characters, sequences=1, length=1, seed=0, bos=None)
    with pytest.raises(InputError, match=r"A seed is out of range[\s\S]*got: +-1"):
        calibration_sequences(corpus, characters, sequences=1, length=2, seed=-1, bos=None)


def test_tokenizers_that_break_their_promise_are_bugs() -> None:
    with pytest.raises(ValueError, match="2 ids and 1 offsets"):
        text_windows(corpus_of("ab"), lambda _: ([1, 2], [(0, 1)]), window=2, bos=None)
    with pytest.raises(ValueError, match="outside a text of 2 characters"):
        text_windows(corpus_of("ab"), lambda _: ([1, 2], [(0, 1), (1, 3)]), window=2, bos=None)


# --- calibration ----------------------------------------------------------------------------------


def test_calibration_is_the_documents_in_a_drawn_order() -> None:
    documents = tuple(f"document {i} " + chr(97 + i) * i for i in range(9))
    corpus = corpus_of(*documents)
    n_tokens = len(SEPARATOR.join(documents))
    [sequence] = calibration_sequences(corpus, characters, sequences=1, length=n_tokens, seed=5, bos=None)
    order = "".join(map(chr, sequence)).split(SEPARATOR)
    assert sorted(order) == sorted(documents)
    assert order != list(documents)


def test_calibration_sequences_are_fixed_for_all_time() -> None:
    # Read off once; a change here means that every variant calibrated before has another identity.
    corpus = corpus_of("aa", "bb", "cc", "dd", "ee", "ff")
    orders = {0: "fecabd", 1: "eafcbd", 4294967295: "eabfcd"}
    for seed, order in orders.items():
        [sequence] = calibration_sequences(corpus, characters, sequences=1, length=22, seed=seed, bos=None)
        assert "".join(map(chr, sequence)) == SEPARATOR.join(letter * 2 for letter in order)


def test_calibration_is_cut_with_bos_first(packaged: Corpus, tokenize: Tokenize) -> None:
    plain = calibration_sequences(packaged, tokenize, sequences=14, length=63, seed=3, bos=None)
    with_bos = calibration_sequences(packaged, tokenize, sequences=14, length=64, seed=3, bos=1)
    assert with_bos == [(1, *sequence) for sequence in plain]
    assert {len(sequence) for sequence in with_bos} == {64}
    longer = calibration_sequences(packaged, tokenize, sequences=20, length=63, seed=3, bos=None)
    assert longer[:14] == plain


def test_seed_and_text_change_calibration(packaged: Corpus, bpe: Tokenize) -> None:
    options = {"sequences": 4, "length": 32, "bos": None}
    digests = [
        calibration_digest(calibration_sequences(corpus, bpe, seed=seed, **options))  # type: ignore[arg-type]
        for corpus in (packaged, corpus_of(*packaged.documents[1:]))
        for seed in (0, 0, 1)
    ]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 4


def test_calibration_digest_is_content() -> None:
    assert calibration_digest([(1, 2), (3, 4)]) == digest("calibration", [[1, 2], [3, 4]])
    assert calibration_digest([(1, 2), (3, 4)]) != calibration_digest([(3, 4), (1, 2)])
    assert calibration_digest([(1, 2, 3, 4)]) != calibration_digest([(1, 2), (3, 4)])


def test_too_little_text_for_calibration() -> None:
    with pytest.raises(InputError) as raised:
        calibration_sequences(corpus_of("abc"), characters, sequences=128, length=2048, seed=0, bos=1)
    assert message(raised) == (
        "A corpus has too little text.\n"
        "  where:   corpus made\n"
        "  allowed: at least 262,016 text tokens, for 128 sequences of 2,048 tokens, 2,047 of them text "
        "beside the BOS id\n"
        "  got:     3 text tokens in 1 document\n"
        "  next:    ask for fewer or shorter ones, or name a larger corpus"
    )


# --- the page -------------------------------------------------------------------------------------


def test_the_page_names_every_corpus_suffix_and_pin() -> None:
    page = (HERE.parents[1] / "docs" / "corpora.md").read_text(encoding="utf-8")
    for name, known in NAMED.items():
        assert f"\n| `{name}` | `{known.repo}` | `{known.path}` |" in page
        assert known.revision in page
    for suffix in SUFFIXES:
        assert f"`{suffix}`" in page


def test_calibration_on_the_heads_of_long_documents() -> None:
    corpus = corpus_of("abcdef", "xy", "ghijkl", "mnopq", "rstuvw")
    cut = {"sequences": 3, "length": 5, "seed": 0, "cut": "documents"}
    heads = calibration_sequences(corpus, characters, bos=None, **cut)  # type: ignore[arg-type]
    assert ["".join(map(chr, head)) for head in heads] == ["abcde", "ghijk", "mnopq"]
    with_bos = calibration_sequences(corpus, characters, bos=1, **cut)  # type: ignore[arg-type]
    assert [head[0] for head in with_bos] == [1, 1, 1]
    assert ["".join(map(chr, head[1:])) for head in with_bos] == ["abcd", "ghij", "mnop"]
    with pytest.raises(
        InputError, match=r"(?s)too few long documents.*allowed: 5 documents of 5 tokens.*got:     4 such"
    ):
        calibration_sequences(corpus, characters, bos=None, **cut | {"sequences": 5})  # type: ignore[arg-type]
