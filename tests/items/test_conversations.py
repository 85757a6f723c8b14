"""Conversations: which rows, in which order, and what of a file is refused."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from secateur.errors import InputError
from secateur.items import conversations
from secateur.items.conversations import CONVERSATIONS, HubConversations, load_conversations, permuted, turns

MADE = HubConversations("made/up", ("a.parquet", "b.parquet", "c.parquet"), "0" * 40, "messages", seed=123, first=7)
TURNS = pa.list_(pa.struct([("content", pa.string()), ("role", pa.string())]))


def conversation(number):
    return [
        {"content": f"Question {number}, é?", "role": "user"},
        {"content": f"Answer {number}.", "role": "assistant"},
    ]


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """Three files of 3, 0 and 2,500 rows; more rows than one batch has."""

    def write(name, rows, kind=TURNS, field="messages"):
        pq.write_table(
            pa.table({field: pa.array(rows, kind), "id": [str(k) for k in range(len(rows))]}), tmp_path / name
        )

    numbers = iter(range(10_000))
    for name, n in (("a.parquet", 3), ("b.parquet", 0), ("c.parquet", 2500)):
        write(name, [conversation(next(numbers)) for _ in range(n)])
    monkeypatch.setitem(CONVERSATIONS, "made", MADE)
    monkeypatch.setattr(conversations, "hub_file_path", lambda name, repo, path, revision, *, offline: tmp_path / path)
    return write


def test_the_first_of_the_permutation_over_all_files(hub):
    corpus = load_conversations("made", offline=True)
    order = np.random.RandomState(123).permutation(2503)[:7]
    said = [[(turn["role"], turn["content"]) for turn in turns(document)] for document in corpus.documents]
    assert said == [[(t["role"], t["content"]) for t in conversation(number)] for number in order]
    assert corpus.source.startswith("made/up, 3 files, commit ")
    assert corpus.source.endswith("the first 7 of 2,503 conversations in the order of RandomState(123).permutation")


def test_the_permutation_is_the_legacy_one_that_a_seeded_global_generator_gives():
    state = np.random.mtrand.RandomState()
    state.seed(123)
    assert permuted(1000, 123).tolist() == state.permutation(1000).tolist()
    assert permuted(10, 123).tolist() == [4, 0, 7, 5, 8, 3, 1, 6, 9, 2], "frozen: the published windows depend on it"


def test_fewer_rows_than_wanted_are_all_read(hub, tmp_path):
    hub("c.parquet", [conversation(3)])
    assert len(load_conversations("made", offline=True).documents) == 4


def test_the_digest_covers_who_said_what(hub):
    before = load_conversations("made", offline=True).digest
    hub("a.parquet", [[{"content": "x", "role": "system"}]] * 3)
    hub("c.parquet", [[{"content": "x", "role": "system"}]] * 5)
    system = load_conversations("made", offline=True).digest
    hub("a.parquet", [[{"content": "x", "role": "user"}]] * 3)
    hub("c.parquet", [[{"content": "x", "role": "user"}]] * 5)
    assert len({before, system, load_conversations("made", offline=True).digest}) == 3


@pytest.mark.parametrize(
    ("rows", "kind", "got"),
    [([[]], TURNS, "no turns"), ([None], TURNS, "NoneType"), (["hello"], pa.string(), "str")],
)
def test_a_row_that_is_no_conversation_is_named(hub, rows, kind, got):
    hub("a.parquet", [])
    hub("c.parquet", rows, kind)
    match = rf"(?s)A row is not a conversation.*c\.parquet, row 1, column messages.*a role and a content.*got: +{got}"
    with pytest.raises(InputError, match=match):
        load_conversations("made", offline=True)


def test_a_turn_without_text_is_refused(hub):
    hub("a.parquet", [[{"content": None, "role": "user"}]] * 3)
    hub("c.parquet", [])
    with pytest.raises(InputError, match="not a conversation"):
        load_conversations("made", offline=True)


def test_a_file_without_the_column_or_that_is_no_parquet(hub, tmp_path):
    hub("a.parquet", [conversation(1)], field="chat")
    with pytest.raises(InputError, match=r"(?s)lacks the column that holds the conv.*messages.*got: +chat, id"):
        load_conversations("made", offline=True)
    (tmp_path / "b.parquet").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"(?s)not Parquet, or is damaged.*b\.parquet"):
        load_conversations("made", offline=True)


def test_no_rows_at_all(hub):
    hub("a.parquet", [])
    hub("c.parquet", [])
    with pytest.raises(InputError, match=r"(?s)no conversations in a data set.*made/up"):
        load_conversations("made", offline=True)


def test_an_unknown_name_lists_those_there_are():
    with pytest.raises(InputError, match=r"(?s)no conversations of this name.*allowed: +tulu-3.*got: +tulu-9"):
        load_conversations("tulu-9", offline=True)


def test_turns_come_back_as_they_were():
    messages = [{"role": "user", "content": 'a "quoted"\nline'}, {"role": "assistant", "content": ""}]
    assert turns(conversations.document_of(messages)) == messages
    assert json.loads(conversations.document_of(messages)) == [["user", 'a "quoted"\nline'], ["assistant", ""]]
