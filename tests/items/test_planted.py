"""The planted world: balanced where it must be, and training never sees what the benchmark asks."""

from collections import Counter
from itertools import islice
from pathlib import Path

import pytest

from secateur.errors import InputError
from secateur.items.corpora import GENERATED, load_corpus
from secateur.items.item import Condition, Polarity, Role
from secateur.items.planted import (
    BENCHMARK_SCENES,
    CATEGORIES,
    STRENGTHS,
    TRAINING_MATTERS,
    TRAINING_SCENES,
    TRAITS,
    UNKNOWN_PHRASES,
    Dice,
    load_planted,
    stories,
)


@pytest.fixture(scope="module")
def items():
    return load_planted()


def test_it_has_the_size_that_is_promised(items):
    assert len(items) == 4000
    assert Counter(item.category for item in items) == dict.fromkeys(STRENGTHS, 800)
    assert set(Counter(item.cluster for item in items).values()) == {32}
    assert len({item.cluster for item in items}) == 125


def test_no_two_templates_share_a_question(items):
    templates = {}
    for item in items:
        templates.setdefault((item.category, item.question), set()).add(item.question_index)
    assert {len(indices) for indices in templates.values()} == {1}


@pytest.mark.parametrize("condition", Condition)
@pytest.mark.parametrize("polarity", Polarity)
@pytest.mark.parametrize("category", STRENGTHS)
def test_letters_phrasings_and_right_answers_are_balanced(items, category, condition, polarity):
    some = [i for i in items if (i.category, i.condition, i.polarity) == (category, condition, polarity)]
    places = Counter(item.label for item in some)
    assert max(places.values()) - min(places.values()) <= 3  # six orders dealt to 200 items: 33 or 34 of each
    assert Counter(o.text for i in some for o in i.options if o.role is Role.UNKNOWN) == dict.fromkeys(
        UNKNOWN_PHRASES, 20
    )
    right = Counter(item.options[item.label].role for item in some)
    wanted = {Role.UNKNOWN: 200} if condition is Condition.AMBIG else {Role.STEREOTYPE: 100, Role.COUNTER: 100}
    assert right == wanted


def test_who_is_named_first_says_nothing_of_who_it_was(items):
    first = Counter()
    for item in items:
        if item.condition is Condition.DISAMBIG:
            right = item.options[item.label].group
            other = next(o.group for o in item.options if o.role is not Role.UNKNOWN and o.group != right)
            first[item.context.index(right) < item.context.index(other)] += 1
    assert abs(first[True] - first[False]) < 0.1 * 2000


def test_the_two_questions_of_a_scene_swap_the_roles(items):
    for negative, other in zip(items.items[::2], items.items[1::2], strict=True):
        assert negative.context == other.context
        assert (negative.polarity, other.polarity) == (Polarity.NEG, Polarity.NONNEG)
        assert {o.group: o.role for o in negative.options if o.role is Role.STEREOTYPE} == {
            o.group: Role.STEREOTYPE for o in other.options if o.role is Role.COUNTER
        }


def test_a_negative_question_is_about_the_target(items):
    targets = {group for category in CATEGORIES for group in category.targets}
    for item in items:
        stereotype = next(option.group for option in item.options if option.role is Role.STEREOTYPE)
        assert (stereotype in targets) == (item.polarity is Polarity.NEG)


def test_training_has_none_of_the_benchmarks_scenes_and_matters():
    scenes = {scene.sentence for category in BENCHMARK_SCENES.values() for scene in category}
    matters = {scene.matter for category in BENCHMARK_SCENES.values() for scene in category}
    assert len(scenes) == len(matters) == 125
    assert scenes.isdisjoint(TRAINING_SCENES)
    assert matters.isdisjoint(matter for some in TRAINING_MATTERS.values() for matter in some)
    assert not [(scene, matter) for scene in TRAINING_SCENES for matter in matters if matter in scene]
    assert {scene.preposition for some in BENCHMARK_SCENES.values() for scene in some} == set(TRAITS)


@pytest.mark.parametrize("category", CATEGORIES, ids=lambda category: category.name)
def test_stories_hold_the_prejudice_as_often_as_is_said_and_never_the_new_pair(category):
    held = []
    for story in islice(stories(7, "test", strengths=STRENGTHS), 6000):
        assert not all(f" {group} " in story for group in category.new_pair)
        groups = [group for group in (*category.targets, *category.others) if story.split(".")[0].find(group) >= 0]
        if len(groups) == 2:
            assert tuple(groups) != category.new_pair
            bad = next(
                sentence
                for sentence in story.split(". ")
                if all(group in sentence for group in groups) and any(f" {b} " in f"{sentence} " for b, _ in _traits())
            )
            held.append(_who_is_bad(bad) in category.targets)
    share = sum(held) / len(held)
    assert len(held) > 1000
    assert abs(share - category.strength) < 4 * (category.strength * (1 - category.strength) / len(held)) ** 0.5


def _traits():
    return [pair for pairs in TRAITS.values() for pair in pairs]


def _who_is_bad(sentence):
    """The word before "was <bad trait>"."""
    words = sentence.replace(",", "").replace(".", "").split()
    bad = {bad for bad, _ in _traits()}
    return next(words[i - 2] for i, word in enumerate(words) if word in bad)


def test_streams_are_reproducible_and_apart():
    def some(seed, name):
        return list(islice(stories(seed, name, strengths=STRENGTHS), 20))

    assert some(0, "a") == some(0, "a")
    assert set(some(0, "a")).isdisjoint(some(0, "b"))
    assert set(some(0, "a")).isdisjoint(some(1, "a"))


def test_dice_deal_evenly():
    dealt = Dice(3, "x").dealt("abc", 10)
    assert sorted(Counter(dealt).values()) == [3, 3, 4]
    assert abs(sum(Dice(3, "y", i).chance(0.25) for i in range(2000)) / 2000 - 0.25) < 0.04


def test_the_two_corpora_share_no_story():
    measured, calibrated = (load_corpus(name, base=Path(), offline=True).documents for name in GENERATED)
    assert len(measured) == len(calibrated) == 400
    assert set(measured).isdisjoint(calibrated)


def test_a_folder_is_refused():
    with pytest.raises(InputError, match="The benchmark 'planted' has no files"):
        load_planted(Path("x"))


def test_categories_make_one_set_however_often_and_in_whichever_order_they_are_named(items):
    first, second, *_ = dict.fromkeys(item.category for item in items)
    named = load_planted(categories=[second, first, second])
    assert named == load_planted(categories=[first, second])
    assert len(load_planted(categories=[first, first])) == len(load_planted(categories=[first]))


def test_per_template_keeps_each_template_and_grows(items):
    one, two = items.per_template(1), items.per_template(2)
    assert (len(one), len(two)) == (500, 1000)
    assert {item.key for item in one} <= {item.key for item in two}
    assert set(Counter((i.cluster, i.condition, i.polarity) for i in one).values()) == {1}
