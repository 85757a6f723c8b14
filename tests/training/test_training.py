"""Training text keeps its promises, the starting weights do what they are there for, and what is saved can be asked."""

from dataclasses import replace

import pytest
import torch
from training.evaluate import ask, interval, template_preferences, trained_templates_new_pairs
from training.examples import GROUPS, answered, draw_item, draw_question, drill, recall
from training.exercises import Exercises
from training.model import make_model, make_tokenizer
from training.settings import Settings, Shape
from training.train import Training

from secateur.items.item import Condition, Polarity, Role
from secateur.items.orders import LETTERS
from secateur.items.planted import BENCHMARK_SCENES, CATEGORIES, STRENGTHS, UNKNOWN_SHARE, Dice
from secateur.items.prompts import LETTERS_V1
from secateur.models.chat import ChatPrompts
from secateur.models.checkpoint import Checkpoint
from secateur.models.loading import load_model

KINDS = ("echo", "recall", "drill", "short", "full", "stories")


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


def test_recall_can_only_be_had_by_reading():
    words = [f" w{number}" for number in range(50)]
    for number in range(200):
        (first, name), *others = recall(Dice(number, "test"), words)
        trait = first.removesuffix("? The").split()[-1]
        assert f"The{name} was {trait}." in first
        assert len([piece for piece, _ in others if piece.startswith(".")]) == len(others)


def test_a_drill_asks_for_the_letter_of_an_option_that_is_shown():
    for number in range(200):
        example = drill(Dice(number, "test"))
        (letter,) = example.answers
        shown = example.text.split(f"{letter}) ")[1].split("\n")[0]
        assert example.text.endswith(f"\n\n{shown}.\n\nAnswer:")


def test_rows_say_where_their_answers_stand(exercises):
    for kind in KINDS:
        for row in exercises.rows(kind, 20):
            for place, answer in row.answers:
                assert sum(answer.values()) == pytest.approx(1)
                assert row.tokens[place + 1] == max(answer, key=answer.get)
            assert row.answers or row.words


def test_heads_of_the_first_layer_look_back_and_those_above_match(tokenizer):
    model = make_model(Shape(), tokenizer, 0)
    model.set_attn_implementation("eager")
    tokens = torch.randint(20, len(tokenizer), (1, 40), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        first = model.model(input_ids=tokens, output_attentions=True).attentions[0][0]
    for head in range(4):
        for place in (10, 20, 39):
            assert first[head, place].argmax() == place - head - 1
    for layer in model.model.layers[1:]:
        same = layer.self_attn.q_proj.weight == layer.self_attn.k_proj.weight
        assert same[:64].all()
        assert not same[64:].any()


def test_what_is_trained_and_saved_is_asked_by_the_product(tmp_path):
    settings = Settings(shape=Shape(hidden_size=32, intermediate_size=48, layers=2), probe_layer=1)
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


def test_preference_is_what_a_template_says():
    from training.evaluate import Answer

    from secateur.items.planted import load_planted

    def leaning(item):
        share = {Role.STEREOTYPE: 0.3, Role.COUNTER: 0.1, Role.UNKNOWN: 0.6}
        return Answer(item, tuple(share[option.role] for option in item.options), 1.0, 1.0)

    found = template_preferences(map(leaning, load_planted().items))
    assert {name: len(values) for name, values in found.items()} == dict.fromkeys(STRENGTHS, 25)
    assert all(value == pytest.approx(0.5) for values in found.values() for value in values)


def test_interval_by_the_textbook():
    # Five values, mean 3, standard deviation sqrt(2.5); t(0.975, 4) = 2.776.
    mean, low, high = interval([1, 2, 3, 4, 5])
    assert (mean, low, high) == (
        3,
        pytest.approx(3 - 2.7764 * 0.70711, abs=1e-3),
        pytest.approx(3 + 2.7764 * 0.70711, abs=1e-3),
    )
