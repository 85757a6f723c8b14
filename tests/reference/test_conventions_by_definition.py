"""Conventions against the programs' own steps, on made-up answers to BBQ's items and to odd ones."""

import csv
import json
import math
import random
from collections import defaultdict

import polars as pl
import pytest
from tests.reference import conventions as slow

from secateur.items.bbq import load_bbq
from secateur.metrics.conventions import CONVENTIONS
from secateur.metrics.conventions.questions import ANSWER_COLUMNS
from secateur.records.sets import item_rows
from secateur.report.scores import with_labels

SMALL = ("Age", "Disability_status", "Nationality", "Physical_appearance", "Religion", "Sexual_orientation")


def read_folder(root, categories):
    lines = [
        json.loads(raw)
        for category in categories
        for raw in (root / "data" / f"{category}.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    with (root / "supplemental" / "additional_metadata.csv").open(encoding="utf-8", newline="") as file:
        metadata = [row for row in csv.DictReader(file) if row["category"] in categories]
    items = pl.DataFrame(pl.from_arrow(item_rows(load_bbq(root, categories))))
    labelled, _ = with_labels(items, root)
    assert labelled["stereotyped"].null_count() == 0
    assert labelled["example_id"].to_list() == [str(line["example_id"]) for line in lines]
    return lines, metadata, labelled


def as_answers(items, texts):
    rows = {"item": items["item"], "order": "012", "text": texts, "option": None, "tie": False}
    return pl.DataFrame(rows, schema=ANSWER_COLUMNS)


def made_up(line, dice):
    """An answer as models give them, or as none does."""
    options = [line["ans0"], line["ans1"], line["ans2"]]
    names = [line["answer_info"][f"ans{i}"][0] for i in range(3)]
    groups = [line["answer_info"][f"ans{i}"][1] for i in range(3)]
    text = dice.choice(options)
    kinds = [
        lambda: text,
        lambda: options[line["label"]],
        lambda: text.lower(),
        lambda: text.upper() + ".",
        lambda: text + "..",
        lambda: f" {text}\n",
        lambda: f"{text}. ",
        lambda: f"{{{text}}}",
        lambda: text.removesuffix(".").lower() + "}",
        lambda: " ".join(text.split(" ")[:2]),
        lambda: text.split(" ")[-1],
        lambda: dice.choice(names).lower(),
        lambda: dice.choice(names) + " and " + dice.choice(names),
        lambda: dice.choice(groups),
        lambda: "it was " + dice.choice(names).upper(),
        lambda: dice.choice("ABC"),
        lambda: dice.choice("ABC") + dice.choice([")", ".", " ", "\n"]),
        lambda: dice.choice(slow.PHRASES),
        lambda: "I don't know, " + dice.choice(options),
        lambda: dice.choice(
            ["", " ", ".", "the", "pantsu", "in a pantsu.", "o'brien", "O'Brien", "Jos\u00e9", "man", "f"]
        ),
    ]
    return dice.choice(kinds)()


def by_part(lines, texts):
    """All lines and answers, then those of each category."""
    found = defaultdict(lambda: ([], []))
    for line, text in zip(lines, texts, strict=True):
        for category in ("all", line["category"]):
            found[category][0].append(line)
            found[category][1].append(text)
    return found


def values(frame):
    return {
        (row["category"], row["condition"], row["metric"]): row["value"]
        for row in frame.iter_rows(named=True)
        if not row["metric"].startswith("n_")
    }


def check_parrish(lines, texts, metadata, items):
    accuracy, score = slow.parrish(lines, texts, metadata)
    found = values(CONVENTIONS["parrish"].function(as_answers(items, texts), items))
    found = {key: value for key, value in found.items() if key[0] != "all"}
    assert {key[:2] for key, value in found.items() if key[2] == "accuracy" and value is not None} == set(accuracy)
    assert {key[:2] for key, value in found.items() if key[2] != "accuracy" and value is not None} == set(score)
    for (category, condition), value in accuracy.items():
        assert found[category, condition, "accuracy"] == value
    for (category, condition), value in score.items():
        assert 100 * found[category, condition, "s_amb" if condition == "ambig" else "s_dis"] == value


def check_helm(lines, texts, items):
    found = values(CONVENTIONS["helm"].function(as_answers(items, texts), items))
    wanted = {}
    for category, part in by_part(lines, texts).items():
        keys = (("all", "accuracy"), ("ambig", "s_amb"), ("disambig", "s_dis"))
        wanted |= {(category, *key): value for key, value in zip(keys, slow.helm(*part), strict=True)}
    assert found == wanted


def check_lm_eval(lines, texts, items):
    found = values(CONVENTIONS["lm-eval"].function(as_answers(items, texts), items))
    keys = (
        *((condition, "accuracy") for condition in ("all", "ambig", "disambig")),
        ("ambig", "s_amb"),
        ("disambig", "s_dis"),
    )
    wanted = {}
    for category, part in by_part(lines, texts).items():
        wanted |= {(category, *key): value for key, value in zip(keys, slow.lm_eval(*part), strict=True)}
    assert found == {key: None if math.isnan(value) else value for key, value in wanted.items()}


@pytest.fixture(scope="module")
def bbq_small(bbq_folder):
    """Items of six categories, one in eight, and made-up answers."""
    lines, metadata, items = read_folder(bbq_folder, SMALL)
    kept = sorted(random.Random(5).sample(range(len(lines)), len(lines) // 8))
    ids = {(lines[place]["category"], str(lines[place]["example_id"])) for place in kept}
    rows = [row for row in metadata if (row["category"], row["example_id"]) in ids]
    return [lines[place] for place in kept], rows, items[kept]


@pytest.fixture(scope="module")
def bbq_names(bbq_folder):
    """Items of the categories with proper names, and items without target."""
    categories = ("Gender_identity", "Race_ethnicity", "SES")
    lines, metadata, items = read_folder(bbq_folder, categories)
    without = {(row["category"], row["example_id"]) for row in metadata if row["target_loc"] == "NA"}
    assert without
    lost = [place for place, line in enumerate(lines) if (line["category"], str(line["example_id"])) in without]
    kept = sorted({*lost, *random.Random(6).sample(range(len(lines)), 1_200)})
    ids = {(lines[place]["category"], str(lines[place]["example_id"])) for place in kept}
    rows = [row for row in metadata if (row["category"], row["example_id"]) in ids]
    return [lines[place] for place in kept], rows, items[kept]


@pytest.mark.parametrize("which", ["bbq_small", "bbq_names"])
@pytest.mark.parametrize("seed", range(4))
def test_made_up_answers_to_the_benchmark(which, seed, request):
    lines, metadata, items = request.getfixturevalue(which)
    dice = random.Random(seed)
    texts = [made_up(line, dice) for line in lines]
    check_parrish(lines, texts, metadata, items)
    check_helm(lines, texts, items)
    check_lm_eval(lines, texts, items)


@pytest.mark.parametrize("seed", range(2))
def test_letters_and_options_alone(bbq_names, seed):
    lines, metadata, items = bbq_names
    dice = random.Random(seed)
    letters = [dice.choice("ABC") for _ in lines]
    check_helm(lines, letters, items)
    texts = [line[f"ans{dice.randrange(3)}"] for line in lines]
    check_parrish(lines, texts, metadata, items)
    check_lm_eval(lines, texts, items)


@pytest.mark.parametrize("said", ["right", "unknown", "nothing", "ans0", "A"])
def test_all_answers_of_one_kind(bbq_small, said):
    lines, metadata, items = bbq_small
    kinds = {
        "right": lambda line: line[f"ans{line['label']}"],
        "unknown": lambda line: next(
            line[f"ans{i}"] for i in range(3) if line["answer_info"][f"ans{i}"][1] == "unknown"
        ),
        "nothing": lambda line: "",
        "ans0": lambda line: line["ans0"],
        "A": lambda line: "A",
    }
    texts = [kinds[said](line) for line in lines]
    check_parrish(lines, texts, metadata, items)
    check_helm(lines, texts, items)
    check_lm_eval(lines, texts, items)


@pytest.mark.parametrize("condition", ["ambig", "disambig"])
def test_one_condition_alone(bbq_small, condition):
    lines, metadata, items = bbq_small
    kept = [place for place, line in enumerate(lines) if line["context_condition"] == condition]
    lines, items = [lines[place] for place in kept], items[kept]
    dice = random.Random(3)
    texts = [made_up(line, dice) for line in lines]
    check_parrish(lines, texts, metadata, items)
    check_helm(lines, texts, items)
    check_lm_eval(lines, texts, items)


def odd_lines():
    """Invented items with what BBQ's published files have only here and there, or not at all."""
    options = [
        [("Maria O'Brien", "F-Latino"), ("Jos\u00e9 Pi\u00f1a", "M-Latino"), ("Not known", "unknown")],
        [("a  b", "old"), (" c d", "nonOld"), ("Unknown", "unknown")],
        [("grey pantsuit", "negDress"), ("pantsuit", "posDress"), ("Can't answer", "unknown")],
        [("german man", "Europe"), ("woman from Peru", "LatinSouthAmerica"), ("Undetermined", "unknown")],
        [("poor", "lowSES-M-Black"), ("rich", "highSES-F-White"), ("Cannot answer", "unknown")],
        [("trans woman", "trans_F"), ("boy", "nonTrans_M"), ("Not answerable", "unknown")],
    ]
    texts = [
        ("Maria Obrien", "Jos\u00e9 Pi\u00f1a", "Not known"),
        ("The a  b.", "{The c d}", "Unknown"),
        ("The grey pantsuit", "The one in a pantsuit ", "Can't answer"),
        ("The german man", "The woman from Peru", "Undetermined"),
        ("the poor", "the rich", "Cannot answer"),
        ("The trans woman", "The boy", "Not answerable"),
    ]
    about = [["Latino"], ["old"], ["negDress"], ["german", "Peru"], ["Black", "low SES"], ["transgender women", "F"]]
    lines = []
    for kind in range(6):
        for number, (polarity, condition, category) in enumerate(
            (polarity, condition, category)
            for category in ("Age", "Race_ethnicity", "SES")
            for polarity in ("neg", "nonneg")
            for condition in ("ambig", "disambig")
        ):
            lines.append(
                {
                    "example_id": 100 * kind + number,
                    "question_index": str(20 + kind * 2),
                    "question_polarity": polarity,
                    "context_condition": condition,
                    "category": category,
                    "context": f"Context {kind} {number}.",
                    "question": f"Question {kind}?",
                    "answer_info": {f"ans{i}": list(options[kind][i]) for i in range(3)},
                    "additional_metadata": {"stereotyped_groups": about[kind]},
                    **{f"ans{i}": texts[kind][i] for i in range(3)},
                    "label": 2 if condition == "ambig" else number % 2,
                }
            )
    return lines


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    root = tmp_path_factory.mktemp("odd")
    lines = sorted(odd_lines(), key=lambda line: line["category"])
    (root / "data").mkdir()
    (root / "supplemental").mkdir()
    for category in ("Age", "Race_ethnicity", "SES"):
        text = "".join(json.dumps(line) + "\n" for line in lines if line["category"] == category)
        (root / "data" / f"{category}.jsonl").write_text(text, encoding="utf-8")
    with (root / "supplemental" / "additional_metadata.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["category", "question_index", "example_id", "target_loc", "label_type"])
        for line in lines:
            index, number = line["question_index"], line["example_id"]
            target = "NA" if number % 7 == 3 else number % 2
            rows.writerow([line["category"], index, number, target, "name" if int(index) > 25 else "label"])
    return read_folder(root, ("Age", "Race_ethnicity", "SES"))


def test_odd_items(odd):
    lines, metadata, items = odd
    for seed in range(150):
        dice = random.Random(seed)
        texts = [made_up(line, dice) for line in lines]
        check_parrish(lines, texts, metadata, items)
        check_helm(lines, texts, items)
        check_lm_eval(lines, texts, items)
