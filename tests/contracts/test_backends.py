"""Every backend in the table keeps the promises of docs/design/backend.md."""

import random

import numpy as np
import pytest
from tests.tiny import ALL_FAMILIES, make_items, tiny_model

from secateur.inference.backend import Decoding, Probe, Request
from secateur.inference.backends import BACKENDS
from secateur.inference.sameness import compare
from secateur.items.corpora import Window
from secateur.items.prompts import LETTERS_V1
from secateur.models.chat import ChatPrompts
from secateur.models.loading import stop_tokens
from secateur.records.tables import STOPS

SEEDS = (42, 123, 456, 789, 1024)
PAIRS = [(name, family) for name in ("torch-tree", "torch") for family in ALL_FAMILIES] + [("scripted", "llama")]


@pytest.fixture(scope="module", params=PAIRS, ids=lambda pair: "-".join(pair))
def asked(request):
    """A backend maker and requests of unequal lengths, longer and shorter than the sliding window."""
    backend, family = request.param
    loaded = tiny_model(family)
    prompts = ChatPrompts(loaded.tokenizer, LETTERS_V1)
    items = make_items(12)
    work = [(item, order) for item in items for order in ("012", "120")]
    tokens = prompts.tokens([prompts.text(item, order) for item, order in work])
    requests = [
        Request(item.key, order, ids[: 30 + 5 * i] if i % 4 == 3 else ids, letter=i % 5 != 4, seeds=SEEDS[: i % 6])
        for i, ((item, order), ids) in enumerate(zip(work, tokens, strict=True))
    ]
    windows = [Window("c", i, tuple(range(10 + i, 90 + i)), 80) for i in range(9)]
    decoding = Decoding(0.3, 5, stop_tokens(loaded.checkpoint, loaded.tokenizer))

    def make(token_budget=100_000):
        return BACKENDS[backend].make(loaded, prompts.letter_tokens, decoding, token_budget)

    return make, requests, windows


def test_responses_match_requests_in_order(asked):
    make, requests, windows = asked
    responses = list(make().answer(requests))
    assert [(r.item, r.order) for r in responses] == [(r.item, r.order) for r in requests]
    for request, response in zip(requests, responses, strict=True):
        assert (response.letters is not None) == request.letter
        assert tuple(sample.seed for sample in response.samples) == request.seeds
        assert all(sample.stop in STOPS for sample in response.samples)
        if response.letters:
            assert all(value <= 0 for value in response.letters)
            assert sum(np.exp(response.letters)) <= 1 + 1e-6
    scores = list(make().read_text(windows))
    assert [score.window for score in scores] == [window.key for window in windows]
    assert all(score.nll > 0 for score in scores)


def test_the_same_plan_gives_the_same_bits(asked):
    make, requests, windows = asked
    assert list(make().answer(requests)) == list(make().answer(requests))
    assert list(make().read_text(windows)) == list(make().read_text(windows))


@pytest.mark.parametrize("rows", [1, 7, 64])
def test_batch_size_changes_nothing_but_near_ties(asked, rows):
    make, requests, windows = asked
    longest = max(len(request.tokens) for request in requests)
    whole = list(make().answer(requests))
    found = compare(whole, list(make(rows * longest).answer(requests)))
    assert found.same, found
    one_by_one = [score.nll for score in make(rows * 80).read_text(windows)]
    np.testing.assert_allclose(one_by_one, [score.nll for score in make().read_text(windows)], rtol=1e-5)


def test_order_of_requests_changes_nothing_but_near_ties(asked):
    make, requests, _ = asked
    shuffled = list(requests)
    random.Random(3).shuffle(shuffled)
    found = compare(list(make().answer(requests)), list(make().answer(shuffled)))
    assert found.same, found


def test_a_part_of_the_work_gives_the_same_answers(asked):
    """As after a kill, or when seeds are added: letters alone, seeds alone, some of the seeds."""
    make, requests, _ = asked
    whole = {(r.item, r.order): r for r in make().answer(requests)}
    parts = [Request(r.item, r.order, r.tokens, letter=False, seeds=r.seeds[1:3]) for r in requests if len(r.seeds) > 2]
    for response in make().answer(parts):
        before = {s.seed: s for s in whole[response.item, response.order].samples}
        assert all(before[sample.seed] == sample for sample in response.samples)


def test_nothing_asked_gives_nothing(asked):
    make, _, _ = asked
    assert list(make().answer([])) == []
    assert list(make().read_text([])) == []


PROBE = Probe(every=7, top=20)


def probed(backend, windows, probe=PROBE, tokens=None):
    return {score.window: score.probed for score in backend.read_text(windows, probe, tokens)}


def test_a_probe_sees_the_most_probable_tokens_and_all_the_others_together(asked):
    make, _, windows = asked
    plain = list(make().read_text(windows))
    assert all(score.probed is None for score in plain)
    for score, window in zip(make().read_text(windows, PROBE), windows, strict=True):
        seen = score.probed
        assert seen.tokens.shape == seen.logprobs.shape == (79 // 7, 20) == (PROBE.positions(window), PROBE.top)
        assert (seen.tokens.dtype, seen.logprobs.dtype, seen.rest.dtype) == (np.int32, np.float32, np.float32)
        assert (np.diff(seen.logprobs, axis=1) <= 0).all()
        assert (seen.best == seen.tokens[:, 0]).all()
        assert (np.sort(seen.tokens, axis=1) == np.array([np.unique(row) for row in seen.tokens])).all()
        mass = np.exp(seen.logprobs.astype(np.float64)).sum(axis=1) + np.exp(seen.rest.astype(np.float64))
        np.testing.assert_allclose(mass, 1, atol=2e-6)
    assert [score.nll for score in make().read_text(windows, PROBE)] == [score.nll for score in plain]


def test_the_same_probe_sees_the_same_bits(asked):
    make, _, windows = asked
    seen = probed(make(), windows)
    assert seen == probed(make(), windows)
    tokens = {key: one.tokens for key, one in seen.items()}
    assert seen == probed(make(), windows, tokens=tokens), "whoever chose the tokens"


@pytest.mark.parametrize("rows", [1, 4])
def test_batch_size_and_company_change_a_probe_by_rounding_only(asked, rows):
    make, _, windows = asked
    seen = probed(make(), windows)
    tokens = {key: one.tokens for key, one in seen.items()}
    for other in (probed(make(rows * 80), windows, tokens=tokens), probed(make(), windows[3:5], tokens=tokens)):
        for key, one in other.items():
            np.testing.assert_allclose(one.logprobs, seen[key].logprobs, atol=1e-4)
            np.testing.assert_allclose(one.rest, seen[key].rest, atol=1e-4)


def test_a_probe_for_more_tokens_than_there_are_keeps_all(asked):
    make, _, windows = asked
    for seen in probed(make(), windows[:2], Probe(every=40, top=10**6)).values():
        assert (np.sort(seen.tokens, axis=1) == np.arange(seen.tokens.shape[1])).all()
        assert np.isneginf(seen.rest).all()


def test_other_tokens_than_the_best_can_be_asked_about(asked):
    make, _, windows = asked
    whole = probed(make(), windows[:1], Probe(every=7, top=10**6))[windows[0].key]
    tokens = np.tile(np.array([5, 3, 8], np.int32), (11, 1))
    seen = probed(make(), windows[:1], tokens={windows[0].key: tokens})[windows[0].key]
    assert (seen.tokens == tokens).all()
    places = np.argsort(whole.tokens, axis=1)[:, [5, 3, 8]]
    assert (seen.logprobs == np.take_along_axis(whole.logprobs, places, axis=1)).all()
    assert (seen.best == whole.tokens[:, 0]).all()
