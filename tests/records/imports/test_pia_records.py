"""Reading the published pipeline's records: what is kept, what is refused, and that both ways of reading agree."""

import json
from fractions import Fraction

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from tests.records.imports.pia_files import answers, lines, record, write

from secateur.errors import InputError, RecordsError
from secateur.records.imports import pia_records
from secateur.records.imports.checks import ItemName
from secateur.records.imports.pia_records import Configuration, check_line, options_of, read_records


@pytest.fixture
def good(items):
    return [record(item, seed=seed) for item in items[:2] for seed in (1, 2)]


def put(tmp_path, text, name="r.jsonl"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def refused(tmp_path, text, **options):
    with pytest.raises(RecordsError) as caught:
        read_records([put(tmp_path, text)], **options)
    return caught.value


def test_what_is_kept(tmp_path, items):
    written = [
        record(items[1], seed=7, text="B) The", elapsed_s=0.5),
        record(items[8], model="b", method="wanda", sparsity=33.3, seed=2**32 - 1, text="", elapsed_s=None),
        record(items[1], model="b", method="wanda", sparsity=70.0, seed=0, text="\u00e9\u0000\U0001f600"),
    ]
    del written[2]["elapsed_s"]
    path = write(tmp_path / "r.jsonl", written)
    records = read_records([path])
    assert records.configurations == (
        Configuration("acme-2b", "dense", Fraction(0)),
        Configuration("b", "wanda", Fraction(333, 1000)),
        Configuration("b", "wanda", Fraction(7, 10)),
    )
    assert [config.label for config in records.configurations] == ["dense", "wanda 0.333", "wanda 0.7"]
    assert records.items == (ItemName("Age", "1"), ItemName("SES", "2"))
    assert records.rows.drop("roles").rows() == [
        (0, 0, 7, "B) The", 0.5, 0, 1),
        (1, 1, 2**32 - 1, "", None, 0, 2),
        (2, 0, 0, "\u00e9\u0000\U0001f600", None, 0, 3),
    ]
    for row, one in zip(records.rows.iter_rows(named=True), written, strict=True):
        assert options_of(row["roles"]) == tuple(one[name] for name in pia_records.ROLES)
    (file,) = records.files
    assert (file.name, file.bytes, file.records) == ("r.jsonl", path.stat().st_size, 3)
    assert records.misparsed == 0


@pytest.mark.parametrize("spelling", ["Age", "age", "AGE"])
def test_a_category_may_be_spelled_in_any_case(tmp_path, items, spelling):
    records = read_records([write(tmp_path / "r.jsonl", [record(items[0], category=spelling)])])
    assert records.items == (ItemName("Age", "0"),)


def test_an_item_is_its_category_and_id(tmp_path, items):
    both = [item for item in items if item.example_id == "3"]
    records = read_records([write(tmp_path / "r.jsonl", [record(item) for item in both])])
    assert records.items == (ItemName("Age", "3"), ItemName("SES", "3"))


@pytest.mark.parametrize("piece", [1, 300, 1000, 4096])
def test_pieces_and_ways_of_reading_do_not_matter(tmp_path, items, monkeypatch, piece):
    written = [*answers(items), *answers(items, method="wanda", sparsity=50)]
    path = write(tmp_path / "r.jsonl", written)
    at_once = read_records([path])
    assert at_once.rows["line"].to_list() == list(range(1, len(written) + 1))
    one_by_one = read_records([put(tmp_path, lines(written).replace("\n", "\r\n"), "crlf.jsonl")])
    monkeypatch.setattr(pia_records, "PIECE", piece)
    in_pieces = read_records([path])
    for other in (one_by_one, in_pieces):
        assert_frame_equal(other.rows, at_once.rows)
        assert (other.configurations, other.items) == (at_once.configurations, at_once.items)
    assert in_pieces.files == at_once.files
    monkeypatch.setattr(pia_records, "_read_at_once", lambda data, lines: None)
    assert_frame_equal(read_records([path]).rows, at_once.rows)


STRANGE = [None, True, -1, 0, 1.0, 1.5, 3, 100, 101, 2**32, 2**63, 2**70, "", "A", "age", "a b", "D", [], {}, ["A"],
           float("nan"), float("inf"), "\ud800", "2"]  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [
        "model", "prune_method", "sparsity", "item_id", "category", "seed", "raw_response", "parsed_answer",
        "stereotype_target_index", "anti_stereotype_target_index", "unknown_index", "elapsed_s",
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["dense", "wanda"])
def test_fields_are_judged_alike_both_ways(tmp_path, items, good, name, method):
    for value in STRANGE:
        _judged_alike(tmp_path, items, good, {"prune_method": method, name: value})
    _judged_alike(tmp_path, items, good, {"prune_method": method}, without=name)


def _judged_alike(tmp_path, items, good, changes, without=None):
    """The line's own check is the definition; files with that line among good ones must be judged the same."""
    bad = record(items[3], seed=9) | changes
    bad.pop(without, None)
    raw = json.dumps(bad)
    _, faults = check_line(raw.encode())
    path = put(tmp_path, lines(good[:1]) + raw + "\n" + lines(good[1:]))
    if not faults:
        assert read_records([path]).rows.height == len(good) + 1
        return
    with pytest.raises(RecordsError) as caught:
        read_records([path])
    assert caught.value.faults == [f"{path}, line 2: {fault}" for fault in faults]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"model": ""}, 'model: allowed is a text, not empty, got ""'),
        ({"sparsity": "50"}, 'sparsity: allowed is a number from 0 to 100, got "50"'),
        ({"sparsity": 50}, "sparsity: allowed is 0 where prune_method is dense, got 50"),
        ({"item_id": "7"}, 'item_id: allowed is a whole number from 0, got "7"'),
        ({"seed": 4294967296}, "seed: allowed is a whole number from 0 to 4294967295, got 4294967296"),
        ({"raw_response": None}, "raw_response: allowed is a text, got null"),
        ({"parsed_answer": "D"}, 'parsed_answer: allowed is A, B, C or null, got "D"'),
        ({"unknown_index": 3}, "unknown_index: allowed is 0, 1 or 2, got 3"),
        ({"elapsed_s": -0.5}, "elapsed_s: allowed is seconds from 0, or null, or no such field, got -0.5"),
        (
            {"stereotype_target_index": 1, "anti_stereotype_target_index": 1, "unknown_index": 0},
            "stereotype_target_index, anti_stereotype_target_index, unknown_index: allowed are three different "
            "options, got 1, 1, 0",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_wrong_with_a_field_is_said(tmp_path, items, changes, fault):
    error = refused(tmp_path, lines([record(items[0]) | changes]))
    assert str(error) == (
        f"1 fault in the records:\n  - {tmp_path / 'r.jsonl'}, line 1: {fault}\n"
        "  next:    put these lines right, or leave them out, and import again"
    )


def test_an_unknown_category_names_those_there_are(tmp_path, items):
    error = refused(tmp_path, lines([record(items[0], category="Weather")]))
    assert "line 1: category: allowed is one of age, disability_status, " in str(error)
    assert 'in any case, got "Weather"' in str(error)


def test_a_missing_field_is_named_also_where_null_is_allowed(tmp_path, items):
    one = record(items[0])
    for name in ("parsed_answer", "seed"):
        lacking = {key: value for key, value in one.items() if key != name}
        error = refused(tmp_path, lines([one, lacking]))
        assert f"line 2: {name}: missing; allowed is " in str(error)


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        ("", "the line is blank"),
        ("  ", "the line is blank"),
        ("[1, 2]", "the line is not a JSON object, got [1, 2]"),
        ("{", "the line is not JSON: "),
        ('{"model": "ac{"model": "acme-2b", "x": 1}', "two records on one line, the first cut off by a kill"),
        ("[" * 100_000 + "]" * 100_000, "the line is not JSON: "),
    ],
    ids=["empty", "space", "list", "open", "glued", "deep"],
)
def test_lines_that_are_not_objects(tmp_path, good, raw, fault):
    error = refused(tmp_path, lines(good[:2]) + raw + "\n" + lines(good[2:]))
    assert len(error.faults) == 1
    assert error.faults[0].startswith(f"{tmp_path / 'r.jsonl'}, line 3: ")
    assert fault in error.faults[0]


def test_lines_must_be_lines_though_arrow_does_not_care(tmp_path, good):
    one, two, three, four = (json.dumps(each) for each in good)
    error = refused(tmp_path, f"{one}{two}\n\n{three}\n{four}\n")
    assert [fault.split(": ", 1)[1][:20] for fault in error.faults] == ["the line is not JSON", "the line is blank"]


def test_bytes_that_are_no_text(tmp_path, good):
    error = refused(tmp_path, lines(good[:1]).encode() + b'{"model": "\xff"}\n')
    assert "line 2: the line is not JSON: 'utf-8' codec can't decode byte 0xff" in str(error)


def test_faults_of_all_files_are_shown_together_up_to_a_limit(tmp_path, items):
    bad = [record(items[0], seed=-number) for number in range(1, 16)]
    one, two = put(tmp_path, lines(bad[:3]), "1.jsonl"), put(tmp_path, lines(bad[3:6]), "2.jsonl")
    with pytest.raises(RecordsError, match=r"^6 faults in the records:") as caught:
        read_records([one, two])
    assert [fault.split(": seed")[0] for fault in caught.value.faults] == [
        f"{path}, line {line}" for path in (one, two) for line in (1, 2, 3)
    ]
    put(tmp_path, lines(bad), "1.jsonl"), put(tmp_path, lines(bad), "2.jsonl")
    with pytest.raises(RecordsError, match=r"^20 faults[^$]*\n  and perhaps more: reading ended here\n") as caught:
        read_records([one, two])
    assert len(caught.value.faults) == 20


def test_a_last_line_that_a_kill_cut_off(tmp_path, good):
    whole = lines(good)
    torn = whole[:-30]
    error = refused(tmp_path, torn)
    length = len(lines(good[-1:])) - 30
    assert error.faults == [
        f"{tmp_path / 'r.jsonl'}, line 4: the last line is cut off after {length} bytes, as a writer that was killed "
        "leaves it; delete it, or give --drop-torn-line to leave it out"
    ]
    path = put(tmp_path, torn)
    records = read_records([path], drop_torn_line=True)
    assert records.rows["line"].to_list() == [1, 2, 3]
    assert records.dropped == ("r.jsonl",)
    assert records.files[0].bytes == len(torn)
    for end in ("", "\n"):
        records = read_records([put(tmp_path, whole.rstrip("\n") + end)], drop_torn_line=True)
        assert records.rows.height == 4, "a whole last line counts, with or without its end"
        assert records.dropped == ()


def test_only_a_last_line_may_be_dropped(tmp_path, good):
    first, *others = lines(good).splitlines(keepends=True)
    error = refused(tmp_path, first[:-20] + "\n" + "".join(others), drop_torn_line=True)
    assert "line 1: the line is not JSON" in str(error)
    with pytest.raises(InputError, match="A file holds no records"):
        read_records([put(tmp_path, first[:-20])], drop_torn_line=True)


def test_a_record_that_is_there_twice_names_both_lines(tmp_path, good):
    one = put(tmp_path, lines(good), "1.jsonl")
    two = put(tmp_path, lines([good[1], good[0] | {"raw_response": "C", "parsed_answer": "C"}]), "2.jsonl")
    with pytest.raises(RecordsError) as caught:
        read_records([one, two])
    assert sorted(caught.value.faults) == [
        f"{one}, line 1, and {two}, line 2: acme-2b, dense, Age item 0, seed 1, twice with different texts",
        f"{one}, line 2, and {two}, line 1: acme-2b, dense, Age item 0, seed 2, twice with the same text",
    ]
    assert "leave one of the two lines out" in str(caught.value)


def test_the_same_item_and_seed_of_other_configurations_is_no_repetition(tmp_path, items):
    written = [
        record(items[0], **changes)
        for changes in ({}, {"model": "b"}, {"method": "wanda"}, {"method": "wanda", "sparsity": 50}, {"seed": 1})
    ]
    assert read_records([write(tmp_path / "r.jsonl", [*written, record(items[6])])]).rows.height == 6


def test_records_that_disagree_about_an_items_roles(tmp_path, good):
    turned = good[1] | {
        "stereotype_target_index": good[1]["anti_stereotype_target_index"],
        "anti_stereotype_target_index": good[1]["stereotype_target_index"],
    }
    error = refused(tmp_path, lines([good[0], good[2], turned]))
    path = tmp_path / "r.jsonl"
    assert error.faults == [
        f"{path}, line 1, and {path}, line 3: Age item 0 has the roles 1, 2, 0 and 2, 1, 0 "
        "(stereotype_target_index, anti_stereotype_target_index, unknown_index)"
    ]


def test_recorded_parses_are_held_against_the_parser(tmp_path, items):
    written = [
        record(items[0], seed=1, text="Answer: B"),
        record(items[0], seed=2, text="Answer: B", parsed_answer="B"),
        record(items[0], seed=3, text="Unknown"),
        record(items[0], seed=4, text="Unknown", parsed_answer="A"),
        record(items[0], seed=5, text="B", parsed_answer=None),
    ]
    assert written[0]["parsed_answer"] == "A"
    assert written[2]["parsed_answer"] is None
    assert read_records([write(tmp_path / "r.jsonl", written)]).misparsed == 3


def test_files_that_cannot_be_read(tmp_path, good):
    with pytest.raises(InputError, match="No files of records were given"):
        read_records([])
    with pytest.raises(InputError, match=r"A file cannot be read[^$]*got: +No such file"):
        read_records([tmp_path / "none.jsonl"])
    with pytest.raises(InputError, match=r"A file holds no records[^$]*allowed: +one JSON object per line"):
        read_records([put(tmp_path, "")])
    path = put(tmp_path, lines(good))
    with pytest.raises(InputError, match="A file of records was given twice"):
        read_records([path, tmp_path / "." / "r.jsonl"])


def test_no_rows_are_lost_to_memory_savings(tmp_path, items):
    """Types are narrow, and every value still fits."""
    written = [record(items[0], seed=seed, text=f"B {seed}") for seed in range(300)]
    rows = read_records([write(tmp_path / "r.jsonl", written)]).rows
    assert rows["seed"].to_list() == list(range(300))
    assert rows["text"].to_list() == [f"B {seed}" for seed in range(300)]
    assert rows.schema["text"] == pl.String
