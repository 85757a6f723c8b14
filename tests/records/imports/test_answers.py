"""From tables of answers to a store, and from there to a report."""

import csv
import json
import random

import polars as pl
import pytest
from tests.records.imports.test_pia import contents

from secateur.errors import InputError, RecordsError, StoreMismatchError
from secateur.items import Role, load_bbq
from secateur.records import Store
from secateur.records.imports import IMPORTS, import_answers, read_answers
from secateur.records.outcomes import sampled_outcomes
from secateur.records.parsers import STRICT, parse_answers
from secateur.report.data import NOT_RUN, SAMPLED
from secateur.report.figure import drawing
from secateur.report.figures import FIGURES
from secateur.report.read import read_report_data
from secateur.report.tables import TABLES


def rows(items, answer, **columns):
    """A row per item; ``answer`` is called with the item."""
    return [
        {"category": item.category, "example_id": item.example_id, **columns, "answer": answer(item)} for item in items
    ]


def as_csv(path, found):
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(found[0]))
        table.writeheader()
        table.writerows(found)
    return path


def as_jsonl(path, found):
    path.write_text("".join(json.dumps(row) + "\n" for row in found), encoding="utf-8")
    return path


def said(imported):
    """(variant, item, seed) -> text."""
    labels = [variant.label for variant in imported.variants]
    return {(labels[v], item, seed): text for v, item, seed, text, _ in imported.answers.iter_rows()}


@pytest.fixture
def three(items):
    """Dense rightly answered, and two variants, with two seeds."""
    drawn = random.Random(2)
    return [
        row
        for variant in ("dense", "wanda 50", "int4")
        for seed in (0, 7)
        for row in rows(
            items,
            lambda item, v=variant: item.label if v == "dense" else drawn.randrange(3),
            seed=seed,
            variant=variant,
        )
    ]


# --- what is kept -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("write", [as_csv, as_jsonl])
def test_numbers_of_options_become_letters(tmp_path, small_bbq, items, three, write):
    path = write(tmp_path / f"a.{write.__name__.removeprefix('as_')}", three)
    done = import_answers([path], tmp_path / "store", bbq=small_bbq)
    assert done.rows_added == len(three) == 6 * len(items)
    store = Store.open(tmp_path / "store")
    assert store.check() == []
    keys = {(item.category, item.example_id): item.key for item in items}
    assert said(done.imported) == {
        (row["variant"], keys[row["category"], str(row["example_id"])], row["seed"]): "ABC"[row["answer"]]
        for row in three
    }
    for cell in store.cells():
        sampled = store.read(cell.id, "sampled")
        assert set(sampled["order"].cast(pl.String)) == {"012"}
        assert set(sampled["stop"].cast(pl.String)) == {"imported"}


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        ("index", lambda item: f" {item.label} "),
        ("letter", lambda item: "abc"[item.label]),
        ("letter", lambda item: "ABC"[item.label]),
        ("text", lambda item: item.options[item.label].text),
    ],
)
def test_every_kind_means_the_same_option(tmp_path, small_bbq, items, kind, answer):
    path = as_csv(tmp_path / "a.csv", rows(items, answer))
    imported = read_answers([path], bbq=small_bbq)
    assert any(note.startswith("The answers are ") and "a.csv" in note for note in imported.notes)
    told = read_answers([path], bbq=small_bbq, answers=kind)
    assert told.answers.equals(imported.answers), "auto takes them for what they are"
    import_answers([path], tmp_path / "store", bbq=small_bbq)
    store = Store.open(tmp_path / "store")
    (cell,) = store.cells()
    outcomes = sampled_outcomes(store.read(cell.id, "sampled"), store.items())
    assert outcomes["option"].to_list() == [{item.key: item.label for item in items}[key] for key in outcomes["item"]]


def test_texts_are_kept_as_they_came(tmp_path, small_bbq, items):
    texts = [
        " the One. ",
        'A\nline, "quoted"',
        "UNKNOWN",
        "no idea",
        "",
        "\u00e9\U0001f600",
        "0",
        "B",
        "A or B",
        "one",
        "two",
        "-",
    ]
    found = rows(items, lambda item: None)
    for row, text in zip(found, texts, strict=True):
        row["answer"] = text
    for path in (as_csv(tmp_path / "a.csv", found), as_jsonl(tmp_path / "a.jsonl", found)):
        imported = read_answers([path], bbq=small_bbq, answers="text")
        assert [text for *_, text, _ in imported.answers.iter_rows()] == texts
        assert "The answers are texts, because so it was said: " + path.name + "." in imported.notes
        assert "Rows without an answer: 1. They are unparsed." in imported.notes
        assert (
            "Of 11 answers that are not empty, 1 say that it cannot be known, and 5 are neither that nor an option nor "
            "a letter for the parser strict: those are unparsed." in imported.notes
        )


def test_the_parser_reads_every_option_of_bbq_however_it_is_written(bbq_folder):
    """Alone, with a full stop, in another case, between spaces; and each way of saying unknown."""
    items = load_bbq(bbq_folder)
    unknowns = {option.text for item in items for option in item.options if option.role is Role.UNKNOWN}
    distinct = {tuple((option.text, option.role) for option in item.options): item for item in items}
    asked, wanted = [], []
    for item in distinct.values():
        for place, option in enumerate(item.options):
            right = "refusal" if option.role is Role.UNKNOWN else "ABC"[place]
            for text in (
                option.text,
                option.text + ".",
                option.text.upper(),
                option.text.lower(),
                f"  {option.text}\n",
            ):
                asked.append((item.key, "012", text))
                wanted.append(right)
        for text in unknowns:
            asked.append((item.key, "012", text))
            wanted.append("refusal")
    known = pl.DataFrame(
        {
            "item": pl.Series([item.key for item in distinct.values()], dtype=pl.UInt64),
            **{f"option_{k}": [item.options[k].text for item in distinct.values()] for k in range(3)},
        }
    )
    answers = pl.DataFrame(asked, schema={"item": pl.UInt64, "order": pl.String, "text": pl.String}, orient="row")
    read = parse_answers(answers, known, STRICT).cast(pl.String).to_list()
    assert [one for one in zip(asked, read, wanted, strict=True) if one[1] != one[2]] == []
    assert not any(len(option.text.strip()) == 1 for item in items for option in item.options), "no text is a letter"


def test_a_byte_order_mark_and_other_line_ends_are_tolerated(tmp_path, small_bbq, items):
    plain = as_csv(tmp_path / "a.csv", rows(items, lambda item: item.label))
    marked = tmp_path / "b.csv"
    marked.write_bytes(b"\xef\xbb\xbf" + plain.read_bytes().replace(b"\r\n", b"\n") + b"\n\n")
    lines = as_jsonl(tmp_path / "c.jsonl", rows(items, lambda item: item.label))
    lines.write_bytes(b"\xef\xbb\xbf" + lines.read_bytes())
    imported = [read_answers([path], bbq=small_bbq).answers for path in (plain, marked, lines)]
    assert imported[0].equals(imported[1])
    assert imported[0].equals(imported[2])


def test_names_of_models_and_variants(tmp_path, small_bbq, items):
    one, two = (as_csv(tmp_path / f"{name}.csv", rows(items, lambda item: 0)) for name in "ba")
    imported = read_answers([one, two], bbq=small_bbq, model=["acme"], variant=["dense", "cut 50"])
    assert [(variant.model, variant.label, variant.method) for variant in imported.variants] == [
        ("acme", "dense", None),
        ("acme", "cut 50", "cut 50"),
    ]
    both = read_answers([one, two], bbq=small_bbq, model=["x", "y"])
    assert [variant.model for variant in both.variants] == ["x", "y"]
    assert "No variant is named, the answers are taken for the unpruned model's (dense): a.csv, b.csv." in both.notes
    assert not any(note.startswith("No model") for note in both.notes)
    alone = read_answers([one], bbq=small_bbq)
    assert [(variant.model, variant.label) for variant in alone.variants] == [("model", "dense")]
    assert 'No model is named, it is called "model": b.csv.' in alone.notes


def test_variants_stand_in_the_order_of_their_numbers(tmp_path, small_bbq, items):
    found = [row for name in ("cut 100", "cut 50", "dense", "cut 5") for row in rows(items, lambda i: 0, variant=name)]
    imported = read_answers([as_csv(tmp_path / "a.csv", found)], bbq=small_bbq)
    assert [variant.label for variant in imported.variants] == ["dense", "cut 5", "cut 50", "cut 100"]


def test_columns_that_were_not_looked_at_are_named(tmp_path, small_bbq, items):
    path = as_csv(tmp_path / "a.csv", rows(items, lambda item: 0, varient="wanda"))
    assert "Columns that were not looked at: varient." in read_answers([path], bbq=small_bbq).notes


# --- what becomes of it -----------------------------------------------------------------------------------------------


def test_the_report_of_variants_of_unknown_making(tmp_path, small_bbq, items, three):
    import_answers([as_csv(tmp_path / "a.csv", three)], tmp_path / "store", bbq=small_bbq)
    data = read_report_data(Store.open(tmp_path / "store"))
    assert [(v.label, v.dense, v.nominal, v.achieved, v.axis) for v in data.variants] == [
        ("dense", True, None, 0.0, 0.0),
        ("int4", False, None, None, None),
        ("wanda 50", False, None, None, None),
    ]
    dense = data.variants[0]
    assert data.metric(dense, "accuracy", readout=SAMPLED, condition="disambig") is None, "none was asked"
    assert data.metric(dense, "usr", readout=SAMPLED, condition="ambig")["value"] == 1.0
    for variant in data.variants[1:]:
        chosen = {
            (row["category"], str(row["example_id"]), row["seed"]): row["answer"]
            for row in three
            if row["variant"] == variant.label
        }
        asked = [(item, seed) for item in items for seed in (0, 7) if item.has_roles]
        hits = [
            item.options[chosen[item.category, item.example_id, seed]].role is Role.STEREOTYPE for item, seed in asked
        ]
        assert data.metric(variant, "srs_all", readout=SAMPLED, condition="ambig")["value"] == pytest.approx(
            sum(hits) / len(hits)
        )
        assert data.pair(variant, "flips", readout=SAMPLED)["value"] is not None
    with drawing():
        for name, make in FIGURES.items():
            figure = make(data)
            assert figure.canvas is not None or figure.empty, name
        assert FIGURES["srs"](data).empty == "no variant's sparsity is known"
        assert FIGURES["categories"](data).empty == "no variant's sparsity is known"
    for make in TABLES.values():
        make(data)
    # At level 0 they would pass for dense.
    assert TABLES["published_regression"](data).frame["n"].to_list() == [2 * sum(item.has_roles for item in items)]


def test_another_name_for_the_unpruned_model(tmp_path, small_bbq, items):
    found = [row for name in ("base", "cut") for row in rows(items, lambda i: i.label, variant=name)]
    path = as_csv(tmp_path / "a.csv", found)
    import_answers([path], tmp_path / "store", bbq=small_bbq, baseline="base")
    data = read_report_data(Store.open(tmp_path / "store"))
    assert [(v.label, v.dense) for v in data.variants] == [("base", True), ("cut", False)]
    assert data.pair(data.variants[1], "flips", readout=SAMPLED)["value"] == 0
    with pytest.raises(InputError, match=r"no such variant[^$]*--baseline[^$]*allowed: +base, cut\n +got: +dens$"):
        read_answers([path], bbq=small_bbq, baseline="dens")
    mixed = as_csv(tmp_path / "b.csv", rows(items, lambda i: 0, variant="dense") + found)
    with pytest.raises(InputError, match=r"One variant is called dense, and another[^$]*got: +base"):
        read_answers([mixed], bbq=small_bbq, baseline="base")


def test_a_model_of_which_only_a_pruned_variant_was_asked(tmp_path, small_bbq, items):
    path = as_csv(tmp_path / "a.csv", rows(items, lambda item: item.label))
    done = import_answers([path], tmp_path / "store", bbq=small_bbq, model=["acme"], variant=["cut"])
    assert (
        "acme: there are no answers of a variant called dense, so its variants can be compared with no unpruned model. "
        "If one of them is the unpruned one, name it with --baseline." in done.imported.notes
    )
    assert not any("missing" in note for note in done.imported.notes)
    data = read_report_data(Store.open(tmp_path / "store"))
    dense, cut = data.variants
    assert (dense.label, data.state(dense, SAMPLED).name) == ("dense", NOT_RUN)
    assert cut.complete(SAMPLED)
    assert data.rows == (len(items), len(items)), "nothing is missing that was to come"
    assert data.metric(cut, "usr", readout=SAMPLED, condition="ambig")["value"] == 1.0
    # The dense model's answers can come later.
    more = as_csv(tmp_path / "b.csv", rows(items, lambda item: item.label))
    import_answers([path, more], tmp_path / "store", bbq=small_bbq, model=["acme"], variant=["cut", "dense"])
    data = read_report_data(Store.open(tmp_path / "store"))
    assert data.pair(data.variants[1], "flips", readout=SAMPLED)["value"] == 0


def test_what_is_missing_is_counted(tmp_path, small_bbq, items, three):
    imported = read_answers([as_csv(tmp_path / "a.csv", three[:-3])], bbq=small_bbq)
    assert "model, int4: 3 of 24 records are missing." in imported.notes


# --- again ------------------------------------------------------------------------------------------------------------


def test_the_same_import_again_changes_nothing(tmp_path, small_bbq, three):
    first, second = as_csv(tmp_path / "x.csv", three[:30]), as_csv(tmp_path / "y.csv", three[30:])
    store = tmp_path / "store"
    assert import_answers([first, second], store, bbq=small_bbq).rows_added == len(three)
    before = contents(store)
    assert import_answers([second, first], store, bbq=small_bbq).rows_added == 0
    assert contents(store) == before
    import_answers([second, first], tmp_path / "other", bbq=small_bbq)
    assert contents(tmp_path / "other") == before, "nor does the order in which the files are named"


def test_another_answer_than_the_stored_one_is_refused(tmp_path, small_bbq, items):
    path = tmp_path / "a.csv"
    import_answers([as_csv(path, rows(items, lambda i: 0))], tmp_path / "store", bbq=small_bbq)
    changed = rows(items, lambda i: 1 if i is items[3] else 0)
    with pytest.raises(StoreMismatchError, match=r"another text[^$]*allowed: +'A'[^$]*got: +'B'"):
        import_answers([as_csv(path, changed)], tmp_path / "store", bbq=small_bbq)


ANY = "an option's number, a letter, a text, or nothing where there was no answer"


# --- what is refused --------------------------------------------------------------------------------------------------


def refused(tmp_path, text, match, *, name="a.csv", bbq, **options):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=match) as caught:
        import_answers([path], tmp_path / "store", bbq=bbq, **options)
    assert not (tmp_path / "store").exists(), "nothing is written before all is checked"
    return caught.value


@pytest.mark.parametrize(
    ("name", "text", "match"),
    [
        ("a.csv", "", r"holds no answers[^$]*a\.csv[^$]*got: +an empty file"),
        ("a.jsonl", "", r"holds no answers[^$]*got: +an empty file"),
        ("a.csv", "category,example_id,answer\n", r"holds no answers[^$]*got: +nothing but a header"),
        ("a.csv", "category,answer\nAge,0\n", r"lacks a column[^$]*line 1[^$]*optional: seed, [^$]*no example_id"),
        ("a.csv", "category;example_id;answer\n", r"lacks a column[^$]*separated by commas[^$]*no category, ex"),
        ("a.csv", "category,example_id,answer,answer\nAge,0,1,1\n", "has a column twice[^$]*got: +answer"),
        ("a.tsv", "category\n", r"another ending[^$]*allowed: +\.csv, \.jsonl[^$]*got: +\.tsv"),
        ("a.csv", 'category,example_id,answer\nAge,0,"1\n', r"is not CSV[^$]*a\.csv, line 2[^$]*unexpected end"),
        ("a.csv", b"category,example_id,answer\nAge,0,\xff\n", r"not UTF-8[^$]*line 2[^$]*save it as UTF-8"),
        ("a.csv", "category,example_id,answer".encode("utf-16"), r"not UTF-8[^$]*line 1"),
    ],
)  # fmt: skip
def test_files_that_are_no_tables(tmp_path, small_bbq, name, text, match):
    refused(tmp_path, text, match, name=name, bbq=small_bbq)


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("Gender,0,1,0", 'category: allowed is one of age, disability_status,'),
        ("Age,-1,1,0", 'example_id: allowed is a whole number from 0, got "-1"'),
        ("Age,1.0,1,0", 'example_id: allowed is a whole number from 0, got "1.0"'),
        ("Age,007,1,0", 'example_id: allowed is a whole number from 0, got "007"'),
        ("Age,\u0663,1,0", 'example_id: allowed is a whole number from 0, got "'),
        (f"Age,{10**30},1,0", "example_id: allowed is a whole number from 0, got"),
        ("Age,,1,0", "example_id: allowed is a whole number from 0, got nothing"),
        ("Age,0,1,4294967296", 'seed: allowed is a whole number from 0 to 4294967295, got "4294967296"'),
        ("Age,0,1,nan", 'seed: allowed is a whole number from 0 to 4294967295, got "nan"'),
        ("Age,0,1,", "seed: allowed is a whole number from 0 to 4294967295, got nothing"),
        ("Age,0,1", "3 fields, where the header has 4"),
        ("Age,0,1,0,9", "5 fields, where the header has 4"),
        ("Age,0,3,0", "answer: allowed is 0, 1 or 2, or nothing where there was no answer, got \"3\""),
        ("Age,0,-1,0", "answer: allowed is 0, 1 or 2, or nothing where there was no answer, got \"-1\""),
        ("Age,0,1.0,0", "answer: allowed is 0, 1 or 2, or nothing where there was no answer, got \"1.0\""),
    ],
)  # fmt: skip
def test_rows_that_are_not_what_they_should_be(tmp_path, small_bbq, row, fault):
    text = f"category,example_id,answer,seed\nAge,1,0,0\n{row}\n"
    error = refused(tmp_path, text, "1 fault in the records", bbq=small_bbq, answers="index")
    (found,) = error.faults
    assert found.startswith(f"{tmp_path / 'a.csv'}, line 3: {fault}")
    assert "put these rows right, or leave them out, and import again" in str(error)


@pytest.mark.parametrize(
    ("row", "faults"),
    [
        ('{"category": "Age", "example_id": 0}', ["answer: missing"]),
        ("[1]", ["the line is not a JSON object with fields, got [1]"]),
        ("", ["the line is blank"]),
        ('{"category": "Age"', ["the line is not JSON: Expecting ',' delimiter at column 19"]),
        ('{"category": "Age", "example_id": true, "answer": 1}', ["example_id: allowed is a whole number from 0, "]),
        ('{"category": "Age", "example_id": 0, "answer": NaN}', ["answer: allowed is " + ANY + ", got NaN"]),
        ('{"category": "Age", "example_id": 0, "answer": 1.0}', ["answer: allowed is " + ANY + ", got 1.0"]),
        ('{"category": 1, "example_id": Infinity, "answer": 1}', ["category: allowed is", "example_id: allowed is"]),
        ('{"category": "Age", "example_id": 0, "answer": 1, "seed": 1}', ["seed: there, but not in the first row"]),
    ],
)  # fmt: skip
def test_lines_that_are_not_what_they_should_be(tmp_path, small_bbq, row, faults):
    text = '{"category": "age", "example_id": 1, "answer": 0}\n' + row + "\n"
    error = refused(tmp_path, text, "in the records", name="a.jsonl", bbq=small_bbq)
    assert len(error.faults) == len(faults)
    for found, fault in zip(error.faults, faults, strict=True):
        assert found.startswith(f"{tmp_path / 'a.jsonl'}, line 2: {fault}")


@pytest.mark.parametrize("name", ["", " acme", "a\nb", "\ud800"])
def test_names_that_cannot_be(tmp_path, small_bbq, items, name):
    path = as_jsonl(tmp_path / "a.jsonl", rows(items[:1], lambda item: 0, variant=name))
    with pytest.raises(RecordsError, match="variant: allowed is a text without line ends or control characters"):
        read_answers([path], bbq=small_bbq)
    path = as_jsonl(path, rows(items[:1], lambda item: 0))
    with pytest.raises(InputError, match=r"name cannot be used[^$]*where: +--model"):
        read_answers([path], bbq=small_bbq, model=[name])


def test_faults_are_shown_together_up_to_twenty(tmp_path, small_bbq):
    text = "category,example_id,answer\n" + "Age,x,0\n" * 21
    error = refused(tmp_path, text, "and perhaps more: reading ended here", bbq=small_bbq)
    assert len(error.faults) == 20


def test_a_column_that_mixes_numbers_and_others_must_be_said(tmp_path, small_bbq, items):
    found = rows(items, lambda item: item.options[0].text)
    found[4]["answer"] = "1"
    path = as_csv(tmp_path / "a.csv", found)
    with pytest.raises(RecordsError) as caught:
        read_answers([path], bbq=small_bbq)
    assert caught.value.faults == [
        f'{path}: answer: "1" in line 6, which may number an option, and "The Not known." in line 2, which does not; '
        "say what all of them are with --answers index, letter or text"
    ]
    texts = read_answers([path], bbq=small_bbq, answers="text")
    assert texts.answers["text"].to_list()[4] == "1"
    with pytest.raises(
        RecordsError, match=r'line 2: answer: allowed is A, B or C, or nothing[^$]*got "The Not known."'
    ):
        read_answers([path], bbq=small_bbq, answers="letter")
    # A number as JSON writes it is no text.
    found[4]["answer"] = 1
    with pytest.raises(RecordsError, match=r"line 5: answer: allowed is a text, or nothing[^$]*got 1\n"):
        read_answers([as_jsonl(tmp_path / "a.jsonl", found)], bbq=small_bbq, answers="text")


def test_options_counted_from_one_are_noticed(tmp_path, small_bbq, items):
    path = as_csv(tmp_path / "a.csv", rows(items, lambda item: item.label + 1))
    with pytest.raises(RecordsError, match=r'"1" in line \d+, which may number an option, and "3" in line'):
        read_answers([path], bbq=small_bbq)


def test_letters_among_texts_are_texts(tmp_path, small_bbq, items):
    """What models say: a letter here, an option there."""
    found = rows(items, lambda item: "B")
    found[0]["answer"] = "The one"
    imported = read_answers([as_csv(tmp_path / "a.csv", found)], bbq=small_bbq)
    assert "The answers are texts, because all their values could be such: a.csv." in imported.notes
    assert imported.answers["text"].to_list() == ["The one"] + ["B"] * 11


def test_a_file_without_any_answer(tmp_path, small_bbq, items):
    imported = read_answers([as_jsonl(tmp_path / "a.jsonl", rows(items, lambda item: None))], bbq=small_bbq)
    assert set(imported.answers["text"]) == {""}
    assert "Rows without an answer: 12. They are unparsed." in imported.notes


def test_an_answer_that_is_there_twice(tmp_path, small_bbq, items):
    one = as_csv(tmp_path / "a.csv", rows(items[:1], lambda item: 0))
    two = as_csv(tmp_path / "b.csv", rows(items[:2], lambda item: 1))
    with pytest.raises(RecordsError) as caught:
        read_answers([one, two], bbq=small_bbq)
    assert caught.value.faults == [
        f"{one}, line 2, and {two}, line 2: model, dense, Age item 0, seed 0, twice with different texts"
    ]


def test_items_that_bbq_does_not_have(tmp_path, small_bbq):
    text = "category,example_id,answer\nAge,0,0\nAge,99,0\n"
    error = refused(tmp_path, text, "the same data set", bbq=small_bbq)
    assert error.faults == [f"{tmp_path / 'a.csv'}, line 3: BBQ has no Age item 99"]
    refused(tmp_path, "category,example_id,answer\nReligion,0,0\n", "category's file is missing", bbq=small_bbq)


def test_options_that_contradict_the_files(tmp_path, small_bbq, items):
    path = as_csv(tmp_path / "a.csv", rows(items, lambda item: 0, variant="dense"))
    with pytest.raises(InputError, match=r"option says what a column says[^$]*column variant[^$]*leave --variant out"):
        read_answers([path], bbq=small_bbq, variant=["dense"])
    other = as_csv(tmp_path / "b.csv", rows(items, lambda item: 0))
    third = as_csv(tmp_path / "c.csv", rows(items, lambda item: 0))
    with pytest.raises(InputError, match=r"some of the files[^$]*--model[^$]*or 3 times[^$]*got: +2 times"):
        read_answers([path, other, third], bbq=small_bbq, model=["x", "y"])
    with pytest.raises(InputError, match=r"of this kind[^$]*allowed: +auto, index, letter, text[^$]*got: +number"):
        read_answers([path], bbq=small_bbq, answers="number")
    with pytest.raises(InputError, match="given twice"):
        read_answers([path, path], bbq=small_bbq)
    with pytest.raises(InputError, match="No files"):
        read_answers([], bbq=small_bbq)
    with pytest.raises(InputError, match="cannot be read"):
        read_answers([tmp_path / "none.csv"], bbq=small_bbq)


def test_it_is_in_the_table():
    assert IMPORTS["answers"].run is import_answers
