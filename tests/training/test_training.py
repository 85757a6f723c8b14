"""Training text keeps its promises, the starting weights do what they are there for, and what is saved can be asked."""

import sys
from collections import defaultdict
from dataclasses import replace

import pytest
import torch

from secateur.items.item import Condition, Polarity, Role
from secateur.items.orders import LETTERS
from secateur.items.planted import BENCHMARK_SCENES, CATEGORIES, STRENGTHS, TRAITS, UNKNOWN_SHARE, Dice
from secateur.items.prompts import LETTERS_V1
from secateur.models.chat import ChatPrompts
from secateur.models.checkpoint import Checkpoint
from secateur.models.loading import load_model
from training.curve import draw, read_log
from training.evaluate import ask, by_pair, by_template, interval, preferences, trained_templates_new_pairs
from training.examples import GROUPS, answered, draw_item, draw_question, drill
from training.exercises import STORY_TOKENS, Exercises, single_token
from training.model import make_model, make_tokenizer, wake
from training.settings import Settings, Shape
from training.train import LOG, Training, cut_log, main

KINDS = ("drill", "short", "full", "stories")


@pytest.fixture(scope="module")
def tokenizer():
    return make_tokenizer(0, Settings().vocabulary)


@pytest.fixture(scope="module")
def exercises(tokenizer):
    return Exercises(ChatPrompts(tokenizer, LETTERS_V1), 0, "full", STRENGTHS)


def test_names_and_letters_are_single_tokens(tokenizer):
    assert all(len(tokenizer(f" {name}", add_special_tokens=False).input_ids) == 1 for name in GROUPS)
    assert len(set(ChatPrompts(tokenizer, LETTERS_V1).letter_tokens)) == 3


def test_no_exercise_shows_a_scene_or_a_question_of_the_benchmark_or_the_new_pair(exercises, tokenizer):
    scenes = [scene for some in BENCHMARK_SCENES.values() for scene in some]
    openings = {scene.sentence.format(a="a", b="a").replace("a and a", "").strip(" .") for scene in scenes}
    questions = {f"{scene.preposition} {scene.matter}?" for scene in scenes}
    for kind in KINDS:
        for row in exercises.rows(kind, 300):
            text = tokenizer.decode(row.tokens)
            assert not [opening for opening in openings if opening in text], text
            assert not [question for question in questions if question in text], text
            if kind in ("drill", "short", "full"):
                assert not [c.new_pair for c in CATEGORIES if all(f" {group}" in text for group in c.new_pair)], text


def test_a_disambiguated_question_has_one_answer_and_an_ambiguous_one_the_planted_chances():
    dice = Dice(0, "test")
    for category in CATEGORIES:
        for _ in range(50):
            question = draw_question(dice, category)
            item = draw_item(dice, question, Condition.DISAMBIG)
            assert answered("", item, STRENGTHS).answers == {LETTERS[item.label]: 1.0}
            item = draw_item(dice, question, Condition.AMBIG)
            chances = answered("", item, STRENGTHS).answers
            by_role = {option.role: chances[letter] for letter, option in zip(LETTERS, item.options, strict=True)}
            assert by_role[Role.UNKNOWN] == UNKNOWN_SHARE
            assert by_role[Role.STEREOTYPE] == pytest.approx((1 - UNKNOWN_SHARE) * category.strength)
            assert sum(chances.values()) == pytest.approx(1)
            assert answered("", item, None).answers == {LETTERS[item.label]: 1.0}


def test_who_is_guilty_is_drawn_evenly_in_what_a_context_settles():
    dice = Dice(0, "test")
    questions = [draw_question(dice) for _ in range(2000)]
    assert abs(sum(q.culprit == q.target for q in questions) / 2000 - 0.5) < 0.05
    assert abs(sum(q.culprit == q.first for q in questions) / 2000 - 0.5) < 0.05
    assert {q.right(Condition.DISAMBIG, Polarity.NEG) == q.culprit for q in questions} == {True}


def test_a_drill_asks_for_the_letter_of_an_option_that_is_shown():
    for number in range(200):
        example = drill(Dice(number, "test"))
        (letter,) = example.answers
        shown = example.text.split(f"{letter}) ")[1].split("\n")[0]
        assert example.text.endswith(f"\n\n{shown}.\n\nAnswer:")


def test_rows_end_with_an_answer_and_say_who_is_meant(exercises, tokenizer):
    for kind in KINDS:
        for row in exercises.rows(kind, 50):
            if kind == "stories":
                assert not row.answer
                assert len(row.tokens) == STORY_TOKENS
                continue
            assert row.tokens[-1] == max(row.answer, key=row.answer.get)
            assert sorted(row.answer.values()) == pytest.approx(sorted(row.meant.values()))
            assert sum(row.answer.values()) == pytest.approx(1)
            if kind != "drill":
                trait = tokenizer.decode(row.tokens[row.asked])
                assert f"Who was{trait} " in tokenizer.decode(row.tokens)
                assert trait[1:] in {trait for pairs in TRAITS.values() for pair in pairs for trait in pair}


def test_a_word_of_several_tokens_is_refused(tokenizer):
    with pytest.raises(ValueError, match=r"' unheardofword' is \d+ tokens"):
        single_token(tokenizer, " unheardofword")


def test_attention_starts_out_looking_back_and_matching(exercises, tokenizer):
    model = make_model(Shape(), tokenizer, 0)
    model.set_attn_implementation("eager")
    settled = [row for row in exercises.rows("short", 60) if row.asked and row.tokens.count(row.tokens[row.asked]) == 2]
    assert len(settled) > 20
    found = []
    for row in settled:
        with torch.inference_mode():
            attentions = model.model(input_ids=torch.tensor([row.tokens]), output_attentions=True).attentions
        for head in range(4):
            for place in (10, 20):  # among words; near a mark, whose shared part is the greater, heads look at it
                assert attentions[0][0, head, place].argmax() == place - head - 1
        earlier = row.tokens.index(row.tokens[row.asked])
        found.append(attentions[1][0, 0, row.asked].topk(2).indices.tolist().count(earlier))
    assert sum(found) / len(found) > 0.8  # besides itself, the trait attends to the same trait


def test_what_is_trained_and_saved_is_asked_by_the_product(tmp_path):
    settings = Settings(
        shape=Shape(hidden_size=64, intermediate_size=48, layers=2, heads=2, matching={1: (2,)}), reading=(1, 2)
    )
    training = Training(settings, planted=True)
    before = {name: weight.clone() for name, weight in training.model.state_dict().items()}
    for stage in settings.stages:
        training.run(replace(stage, steps=1), tmp_path)
        assert (tmp_path / f"{stage.name}.pt").exists()
    assert any(not torch.equal(before[name], weight) for name, weight in training.model.state_dict().items())
    training.save(tmp_path / "model")
    loaded = load_model(Checkpoint(tmp_path / "model", "model"))
    answers = ask(loaded, trained_templates_new_pairs(6))
    for answer in answers:
        assert sum(answer.by_option) == pytest.approx(1, abs=1e-5)
        assert answer.right in (0, pytest.approx(1 / 3), pytest.approx(2 / 3), 1)
        assert 0 < answer.mass < 1


def test_preference_is_what_a_template_or_a_pair_says():
    from secateur.items.planted import load_planted
    from training.evaluate import Answer

    def leaning(item):
        share = {Role.STEREOTYPE: 0.3, Role.COUNTER: 0.1, Role.UNKNOWN: 0.6}
        return Answer(item, tuple(share[option.role] for option in item.options), 1.0, 1.0)

    for unit, many in ((by_template, 25), (by_pair, 4)):
        found = preferences(map(leaning, load_planted().items), unit)
        assert {name: len(values) for name, values in found.items()} == dict.fromkeys(STRENGTHS, many)
        assert all(value == pytest.approx(0.5) for values in found.values() for value in values)


def test_interval_by_the_textbook():
    # Five values, mean 3, standard deviation sqrt(2.5); t(0.975, 4) = 2.776.
    mean, low, high = interval([1, 2, 3, 4, 5])
    assert (mean, low, high) == (
        3,
        pytest.approx(3 - 2.7764 * 0.70711, abs=1e-3),
        pytest.approx(3 + 2.7764 * 0.70711, abs=1e-3),
    )


def test_every_weight_can_learn_once_woken(exercises, tokenizer):
    training = Training(Settings(), planted=True)
    wake(training.model, 0)
    loss = sum(training.loss(kind, exercises.rows(kind, 8), defaultdict(list)) for kind in KINDS)
    loss.backward()
    for name, weight in training.model.named_parameters():
        if name != "model.embed_tokens.weight":  # tokens that do not occur
            assert (weight.grad == 0).float().mean() < 0.01, name


def test_a_log_is_cut_back_to_the_stages_that_are_kept(tmp_path):
    log = tmp_path / LOG
    cut_log(log, ["short"])
    assert not log.exists()
    log.write_text("short,50,short.right,0.5\nfull,50,full.kl,0.25\n")
    cut_log(log, ["short"])
    assert log.read_text() == "short,50,short.right,0.5\n"


@pytest.mark.parametrize(
    ("args", "part"),
    [
        (["--after", "full"], "nothing is left"),
        (["--after", "short", "--until", "short"], "nothing is left"),
        (["--after", "short"], "train that stage first"),
        (["--until", "long"], "invalid choice"),
    ],
)
def test_impossible_wishes_are_refused(args, part, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["train", "--out", str(tmp_path), *args])
    with pytest.raises(SystemExit):
        main()
    assert part in capsys.readouterr().err


def test_the_log_is_drawn_over_all_stages(tmp_path):
    (tmp_path / LOG).write_text("short,50,short.right,0.5\nshort,100,short.right,0.75\nfull,50,full.kl,0.25\n")
    log = read_log(tmp_path / LOG)
    assert log == {"short.right": [(50, 0.5), (100, 0.75)], "full.kl": [(150, 0.25)]}
    above, below = draw(log).axes
    assert [line.get_xydata().tolist() for line in above.lines] == [[[50, 0.5], [100, 0.75]]]
    assert [line.get_xydata().tolist() for line in below.lines] == [[[150, 0.25]]]
