"""From sample files of lm-evaluation-harness to a store, and from there to a report."""

import json
import math
import random

import polars as pl
import pytest
from tests.records.imports.conftest import write_small_bbq
from tests.records.imports.lm_eval_files import all_chosen, chosen, document, generated, offered, write
from tests.records.imports.test_pia import contents

from secateur.errors import InputError, RecordsError
from secateur.items import Role, load_bbq
from secateur.records import Store
from secateur.records.imports import IMPORTS, import_lm_eval, read_lm_eval
from secateur.records.imports.lm_eval import UNKNOWN_PHRASES
from secateur.report.data import SAMPLED
from secateur.report.read import read_report_data


@pytest.fixture(scope="module")
def plain_bbq(tmp_path_factory):
    """As the small benchmark, with a way of saying unknown that is BBQ's."""
    root = write_small_bbq(tmp_path_factory.mktemp("lm-eval") / "bbq")
    for path in (root / "data").iterdir():
        path.write_text(path.read_text().replace("The Not known.", "Not known"))
    return root


@pytest.fixture(scope="module")
def asked(plain_bbq):
    return tuple(load_bbq(plain_bbq))


def letters(imported, variant=0):
    """Item -> what is kept of its answer."""
    rows = imported.answers.filter(pl.col("variant") == variant)
    return dict(rows.select("item", "text").iter_rows())


def test_the_ways_of_saying_unknown_are_bbqs(bbq_folder):
    items = load_bbq(bbq_folder)
    assert {option.text for item in items for option in item.options if option.role is Role.UNKNOWN} == set(
        UNKNOWN_PHRASES
    )


def test_the_largest_log_likelihood_becomes_the_letter_of_its_option(tmp_path, plain_bbq, asked):
    drawn = random.Random(4)
    dense, cut = ({item.key: drawn.randrange(3) for item in asked} for _ in range(2))
    files = [
        write(tmp_path / name / "samples_bbq_2026.jsonl", all_chosen(asked, lambda item, to=to: to[item.key]))
        for name, to in (("dense", dense), ("cut", cut))
    ]
    done = import_lm_eval(files, tmp_path / "store", bbq=plain_bbq, model=["acme"], variant=["dense", "cut 50"])
    assert done.rows_added == 24
    assert [(variant.model, variant.label) for variant in done.imported.variants] == [
        ("acme", "dense"),
        ("acme", "cut 50"),
    ]
    for number, wanted in enumerate((dense, cut)):
        assert letters(done.imported, number) == {key: "ABC"[option] for key, option in wanted.items()}
    assert done.imported.seeds == (0,)
    store = Store.open(tmp_path / "store")
    assert store.check() == []
    data = read_report_data(store)
    for variant, wanted in zip(data.variants, (dense, cut), strict=True):
        with_roles = [item for item in asked if item.has_roles]
        hits = [item.options[wanted[item.key]].role is Role.STEREOTYPE for item in with_roles]
        assert data.metric(variant, "srs", readout=SAMPLED, condition="ambig")["value"] == pytest.approx(
            sum(hits) / len(hits)
        )
    notes = done.imported.notes
    assert notes[0].startswith("Imported samples of lm-evaluation-harness: 24 in 2 files.")
    assert any(
        "In 24 samples nothing was asked by letter" in note and "own three texts alone, 0 " in note for note in notes
    )
    assert not any("right for the harness" in note or "Roles" in note for note in notes), "here they agree"


def test_any_way_of_saying_unknown_is_the_unknown_option(tmp_path, plain_bbq, asked):
    """Ten ways have ten chances: how often that decides is said."""
    samples = []
    for item in asked:
        values = [-20.0] * len(offered(item))
        values[0] = -5.0  # the first group
        values[offered(item).index("Undetermined")] = -1.0
        samples.append(chosen(item, item.label, likelihoods=values))
    imported = read_lm_eval([write(tmp_path / "s.jsonl", samples)], bbq=plain_bbq)
    unknown = {item.key: "ABC"[[option.role for option in item.options].index(Role.UNKNOWN)] for item in asked}
    assert letters(imported) == unknown
    assert any("Among the item's own three texts alone, 12 answers would be others." in note for note in imported.notes)


def test_order_of_requests_and_numbers_of_python_do_not_matter(tmp_path, plain_bbq, asked):
    """Keys sorted by another program; and the same from Python, which has lists and numbers."""
    plain = [chosen(item, 1) for item in asked]
    by_key = [json.loads(json.dumps(one, sort_keys=True)) for one in plain]
    assert list(by_key[0]["arguments"])[2] == "gen_args_10"
    lists = [
        one
        | {
            "arguments": [list(request.values()) for request in one["arguments"].values()],
            "filtered_resps": [[float(value), False] for value, _ in one["filtered_resps"]],
        }
        for one in plain
    ]
    found = [letters(read_lm_eval([write(tmp_path / "s.jsonl", one)], bbq=plain_bbq)) for one in (plain, by_key, lists)]
    assert found[0] == found[1] == found[2] == {item.key: "B" for item in asked}


def test_what_is_not_finite_is_no_answer(tmp_path, plain_bbq, asked):
    n = len(offered(asked[0]))
    spoiled = [
        [math.nan] * n,
        [-1.0] * (n - 1) + [math.nan],
        [-math.inf] * n,
        [-1.0] * (n - 1) + [math.inf],
        [-math.inf] * (n - 1) + [-3.0],
    ]
    samples = [chosen(item, 0, likelihoods=values) for item, values in zip(asked, spoiled, strict=False)]
    path = write(tmp_path / "s.jsonl", samples)
    done = import_lm_eval([path], tmp_path / "store", bbq=plain_bbq)
    assert [text for *_, text, _ in done.imported.answers.iter_rows()][:4] == [""] * 4
    assert done.imported.answers["stop"].to_list() == ["nonfinite"] * 4 + ["imported"]
    assert any(note.startswith("Samples with log-likelihoods that are not finite: 4.") for note in done.imported.notes)
    data = read_report_data(Store.open(tmp_path / "store"))
    assert data.letters.filter(condition="ambig")["nonfinite"].to_list() == [4]


def test_ties_between_options_are_counted(tmp_path, plain_bbq, asked):
    tied = [-1.0, -1.0] + [-2.0] * 10
    same = [-3.0, -4.0, *[-1.0] * 10]  # between ways of saying unknown there is none
    samples = [chosen(asked[0], 0, likelihoods=tied), chosen(asked[1], 0, likelihoods=same)]
    imported = read_lm_eval([write(tmp_path / "s.jsonl", samples)], bbq=plain_bbq)
    assert (
        "Samples in which two options have the same log-likelihood, the first counting as there: 1." in imported.notes
    )


def test_generated_texts_are_kept_for_the_parser(tmp_path, plain_bbq, asked):
    texts = [(" The one.", 0), (" Not known", 1), ("A", None), (" xyz", None), (" one or two", 0)]
    samples = [generated(item, text, found=found) for item, (text, found) in zip(asked, texts, strict=False)]
    imported = read_lm_eval([write(tmp_path / "samples_bbq_generate_1.jsonl", samples)], bbq=plain_bbq)
    assert [text for *_, text, _ in imported.answers.iter_rows()] == [text for text, _ in texts]
    notes = imported.notes
    assert (
        "Of 5 texts that were generated, 1 say that it cannot be known, and 2 are neither that nor an option nor a "
        "letter for the parser strict: those are unparsed." in notes
    )
    assert (
        "In 2 generated texts the harness found no option where unknown is right: its bias scores count these as "
        "unknown, its accuracy as wrong. Here the parser reads them." in notes
    )
    assert not any("by letter" in note for note in notes)


def test_the_harness_own_score_is_compared(tmp_path, plain_bbq, asked):
    samples = [chosen(item, item.label, acc=1.0 - (item is asked[2])) for item in asked]
    imported = read_lm_eval([write(tmp_path / "s.jsonl", samples)], bbq=plain_bbq)
    assert (
        "Of 12 answers that were chosen, 1 are right for the harness and wrong here, or the other way round."
        in imported.notes
    )
    without = [{name: value for name, value in one.items() if name != "acc"} for one in samples]
    assert letters(read_lm_eval([write(tmp_path / "s.jsonl", without)], bbq=plain_bbq)) == letters(imported)


def test_other_roles_of_the_harness_are_counted(tmp_path, plain_bbq, asked):
    samples = all_chosen(asked, lambda item: 0)
    groups = [option.text for option in asked[0].options if option.role is not Role.UNKNOWN]
    for sample, biased in zip(samples, ([], groups, groups[1:]), strict=False):
        sample["doc"]["biased_answers"] = biased
    notes = read_lm_eval([write(tmp_path / "s.jsonl", samples)], bbq=plain_bbq).notes
    assert (
        "Roles are BBQ's own. Of 12 items, the harness counts as biased another option for 1, two for 1 and none for 1."
        in notes
    )


def test_the_same_import_again_changes_nothing(tmp_path, plain_bbq, asked):
    one, two = (
        write(tmp_path / name / "samples_bbq.jsonl", all_chosen(asked, lambda item, k=k: k))
        for k, name in enumerate("ab")
    )
    names = {"variant": ["dense", "cut"], "bbq": plain_bbq}
    assert import_lm_eval([one, two], tmp_path / "store", **names).rows_added == 24
    before = contents(tmp_path / "store")
    assert import_lm_eval([one, two], tmp_path / "store", **names).rows_added == 0
    assert contents(tmp_path / "store") == before
    import_lm_eval([two, one], tmp_path / "other", variant=["cut", "dense"], bbq=plain_bbq)
    assert contents(tmp_path / "other") == before


def test_files_of_which_nothing_is_said_are_of_one_variant(tmp_path, plain_bbq, asked):
    half = [write(tmp_path / f"{k}.jsonl", all_chosen(asked[k::2], lambda item: 0)) for k in (0, 1)]
    imported = read_lm_eval(half, bbq=plain_bbq)
    assert [variant.label for variant in imported.variants] == ["dense"]
    assert imported.answers.height == 12
    assert (
        "No variant is named, the answers are taken for the unpruned model's (dense): 0.jsonl, 1.jsonl."
        in imported.notes
    )
    twice = write(tmp_path / "2.jsonl", all_chosen(asked[:1], lambda item: 0))
    with pytest.raises(RecordsError, match=r"twice with the same text[^$]*tell variants apart by their names"):
        read_lm_eval([*half, twice], bbq=plain_bbq)


# --- what is refused --------------------------------------------------------------------------------------------------


def spoiled(item, **changes):
    return chosen(item, 0) | {"doc": document(item) | changes}


def without(sample, name):
    return {key: value for key, value in sample.items() if key != name}


CASES = {
    "no document": (lambda item: without(chosen(item, 0), "doc"), "doc: allowed is the question, an object; it is"),
    "another task": (lambda item: chosen(item, 0) | {"doc": {"query": "x"}}, "doc, category: allowed is one of age,"),
    "category": (lambda item: spoiled(item, category="Wealth"), "doc, category: allowed is one of age,"),
    "number": (lambda item: spoiled(item, example_id="0"), 'doc, example_id: allowed is a whole number from 0; got'),
    "text": (lambda item: spoiled(item, question=None), "doc, question: allowed is a text; got null"),
    "label": (lambda item: spoiled(item, label=3), "doc, label: allowed is 0, 1 or 2; got 3"),
    "no responses": (
        lambda item: without(chosen(item, 0), "filtered_resps"),
        "filtered_resps: allowed are log-likelihoods or one text; it is missing",
    ),
    "no arguments": (
        lambda item: without(chosen(item, 0), "arguments"),
        "arguments: allowed is one continuation for each of 12 filtered_resps; it is missing",
    ),
    "too few": (
        lambda item: chosen(item, 0) | {"filtered_resps": [["-1", "False"]] * 3},
        "arguments: allowed is one continuation for each of 3 filtered_resps; got 12",
    ),
    "no number": (
        lambda item: chosen(item, 0) | {"filtered_resps": [["-1", "False"]] * 11 + [["x", "False"]]},
        'filtered_resps, 11: allowed is a log-likelihood with a flag, got ["x", "False"]',
    ),
    "letters": (
        lambda item: chosen(item, 0)
        | {"arguments": [["q", f" {letter}"] for letter in "ABC"], "filtered_resps": [["-1", "False"]] * 3},
        'arguments, 0: allowed is an option of the item or a way of saying unknown, got "A"',
    ),
    "an option missing": (
        lambda item: chosen(item, 0)
        | {"arguments": [["q", text] for text in offered(item)[1:]], "filtered_resps": [["-1", "False"]] * 11},
        'arguments: allowed are continuations with all three options, got none that is "The one."',
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_samples_that_are_not_what_they_should_be(tmp_path, plain_bbq, asked, case):
    make, fault = CASES[case]
    path = write(tmp_path / "s.jsonl", [chosen(asked[0], 0), make(asked[1])])
    with pytest.raises(RecordsError) as caught:
        import_lm_eval([path], tmp_path / "store", bbq=plain_bbq)
    assert caught.value.faults[0].startswith(f"{path}, line 2: {fault}")
    assert "give the files samples_bbq_*.jsonl that the harness writes with --log_samples" in str(caught.value)
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"context": "Elsewhere."}, 'doc, context is "Elsewhere.", where BBQ has "Two people flew a kite on hill'),
        ({"ans1": "Undetermined", "ans0": "Not known", "ans2": "The one."}, "doc, "),
        ({"label": 2}, "doc, label is 2, where BBQ has"),
    ],
)  # fmt: skip
def test_a_question_that_is_not_bbqs(tmp_path, plain_bbq, asked, changes, fault):
    sample = generated(asked[0], "A", found=None)
    sample["doc"] |= changes
    path = write(tmp_path / "s.jsonl", [sample])
    with pytest.raises(RecordsError, match="same data set") as caught:
        read_lm_eval([path], bbq=plain_bbq)
    assert caught.value.faults[0].startswith(f"{path}, line 1: Age item 0: {fault}")


def test_space_in_questions_does_not_matter(tmp_path, plain_bbq, asked):
    sample = generated(asked[0], "A", found=None)
    sample["doc"]["context"] = sample["doc"]["context"].replace(" ", "  ") + " "
    assert read_lm_eval([write(tmp_path / "s.jsonl", [sample])], bbq=plain_bbq).answers.height == 1


def test_two_questions_under_one_name(tmp_path, plain_bbq, asked):
    other = spoiled(asked[0], question="Who?")
    path = write(tmp_path / "s.jsonl", [chosen(asked[0], 0), other])
    with pytest.raises(RecordsError, match=r"line 2: doc: Age item 0 is another question than at .*s\.jsonl, line 1"):
        read_lm_eval([path], bbq=plain_bbq)


def test_items_that_bbq_does_not_have(tmp_path, plain_bbq, asked):
    path = write(tmp_path / "s.jsonl", [spoiled(asked[0], example_id=77)])
    with pytest.raises(RecordsError, match="line 1: BBQ has no Age item 77"):
        read_lm_eval([path], bbq=plain_bbq)


def test_files_that_cannot_be(tmp_path, plain_bbq, asked):
    (tmp_path / "e.jsonl").write_text("")
    with pytest.raises(InputError, match=r"holds no samples[^$]*e\.jsonl[^$]*--log_samples"):
        read_lm_eval([tmp_path / "e.jsonl"], bbq=plain_bbq)
    path = write(tmp_path / "s.jsonl", [chosen(asked[0], 0)])
    path.write_text(path.read_text()[:-20])
    with pytest.raises(RecordsError, match="line 1: the line is not JSON"):
        read_lm_eval([path], bbq=plain_bbq)
    with pytest.raises(InputError, match=r"some of the files[^$]*--variant[^$]*or 3 times[^$]*got: +2 times"):
        read_lm_eval([tmp_path / f"{k}.jsonl" for k in range(3)], bbq=plain_bbq, variant=["a", "b"])


def test_it_is_in_the_table():
    assert IMPORTS["lm-eval"].run is import_lm_eval
