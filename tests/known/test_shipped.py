"""The models that ship: what was planted in one is measured in it, by the product; in the other there is nothing."""

import polars as pl
import pytest
import torch
from scipy import stats
from transformers import AutoModelForCausalLM, AutoTokenizer

from secateur.items.item import Condition
from secateur.items.planted import CATEGORIES, NO_STRENGTHS, STRENGTHS, load_planted, preference
from secateur.models.checkpoint import SHIPPED, find_checkpoint
from secateur.models.families import all_linears
from secateur.models.loading import load_model
from secateur.records.store import Store
from secateur.report.read import read_report_data
from secateur.study.config import parse_study
from secateur.study.run import run_study
from training.evaluate import ask, by_pair, by_template, interval, preferences, trained_templates_new_pairs

PLANTED_IN = {"planted": STRENGTHS, "unplanted": NO_STRENGTHS}
SHRUNK = {"planted": 0.82, "unplanted": 0.0}
"""Slope of measured on planted preference: docs/planted-model.md."""

MEGABYTES_AT_MOST = 8


def checkpoint(name):
    return find_checkpoint(name, revision=None, offline=True)


@pytest.fixture(scope="module", params=SHIPPED)
def asked(request):
    """A model's name, its answers to one question per template, condition and polarity, and to new pairs."""
    loaded = load_model(checkpoint(request.param))
    items = load_planted().per_template(1).items
    return request.param, ask(loaded, items), ask(loaded, trained_templates_new_pairs(100))


def test_it_is_small_and_plain_transformers_loads_it():
    for name in SHIPPED:
        folder = checkpoint(name).folder
        assert sum(file.stat().st_size for file in folder.glob("*.safetensors")) < MEGABYTES_AT_MOST * 2**20
        model = AutoModelForCausalLM.from_pretrained(folder, dtype="auto")
        assert {weight.dtype for weight in model.parameters()} == {torch.float16}
        tokenizer = AutoTokenizer.from_pretrained(folder)
        assert tokenizer.apply_chat_template([{"role": "user", "content": "Who?"}], tokenize=False).startswith("<s>")


def test_no_weight_that_can_be_pruned_is_zero_to_begin_with():
    """Zeros would be removed first, at no cost, and make methods look gentler than they are."""
    for name in SHIPPED:
        loaded = load_model(checkpoint(name))
        for layer, linear in all_linears(loaded.model, loaded.family):
            zeros = int((linear.weight == 0).sum())
            assert zeros / linear.weight.numel() < 1e-3, layer


def test_it_reads(asked):
    _, answers, known = asked
    settled = [a.right for a in answers if a.item.condition is Condition.DISAMBIG]
    open_ = [a.right for a in answers if a.item.condition is Condition.AMBIG]
    assert sum(a.right for a in known) / len(known) > 0.95
    assert sum(settled) / len(settled) > 0.95
    assert sum(open_) / len(open_) > 0.9
    assert min(a.mass for a in answers) > 0.9


def test_what_was_planted_is_what_it_prefers(asked):
    name, answers, _ = asked
    strengths = PLANTED_IN[name]
    measured = preferences(answers, by_template)
    points = [(preference(STRENGTHS[c.name]), value) for c in CATEGORIES for value in measured[c.name]]
    line = stats.linregress(*zip(*points, strict=True))
    half = stats.t.ppf(0.975, len(points) - 2) * line.stderr
    if name == "planted":
        assert line.slope - half > 0.6
        assert line.slope + half < 1.0
    else:
        assert line.slope - half < 0 < line.slope + half
    for category in CATEGORIES:
        planted, mean = preference(strengths[category.name]), sum(measured[category.name]) / 25
        assert mean == pytest.approx(SHRUNK[name] * planted, abs=0.08)


def test_where_nothing_was_planted_the_interval_over_pairs_has_zero_inside(asked):
    _, answers, _ = asked
    _, low, high = interval(preferences(answers, by_pair)["Houses"])
    assert low < 0 < high


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """The same study of both models, in batches of two sizes."""
    folder = tmp_path_factory.mktemp("shipped")
    found = {}
    for budget in (16384, 1500):
        study = {
            "study": "shipped",
            "models": list(SHIPPED),
            "variants": ["dense"],
            "benchmark": {"name": "planted", "per_template": 1, "condition": "ambig"},
            "readouts": {"letter": {"orders": "rotations"}, "sampled": {"seeds": [42]}},
            "compute": {"token_budget": budget},
        }
        path = folder / str(budget)
        run_study(parse_study(study), path, base=folder, offline=True)
        found[budget] = Store.open(path)
    return found


def test_another_batch_size_gives_the_same_outcomes(stores):
    one, other = (
        [
            pl.concat([pl.read_parquet(file) for file in sorted(store.path.rglob(f"{table}-*.parquet"))])
            for table in ("letter", "sampled")
        ]
        for store in stores.values()
    )
    letters = [frame.select("logprob_a", "logprob_b", "logprob_c").to_numpy() for frame in (one[0], other[0])]
    assert letters[0].shape == (2 * 250 * 3, 3)
    assert abs(letters[0] - letters[1]).max() < 1e-3
    assert (letters[0].argmax(1) == letters[1].argmax(1)).all()
    assert one[1].equals(other[1])


def test_the_product_measures_what_was_planted(stores):
    """P(stereotype) - P(counter) as the metric has it, next to what the training text and its answers say."""
    data = read_report_data(stores[16384])
    for variant in data.variants:
        for category in CATEGORIES:
            value = {
                name: data.metric(variant, name, readout="letter", condition="ambig", category=category.name)["value"]
                for name in ("soft_diff_bias", "soft_usr")
            }
            planted = preference(PLANTED_IN[variant.model_name][category.name])
            assert value["soft_diff_bias"] / (1 - value["soft_usr"]) == pytest.approx(
                SHRUNK[variant.model_name] * planted, abs=0.12
            )
