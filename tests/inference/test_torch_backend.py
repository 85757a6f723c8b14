"""Against definitions that recompute everything: no cache, no batch, no sharing."""

import math

import numpy as np
import pytest
import torch
from tests.tiny import ALL_FAMILIES, tiny_model

from secateur.inference.backend import Decoding, Request
from secateur.inference.sameness import compare
from secateur.inference.sampling import gumbel
from secateur.inference.torch_backend import TorchBackend, batches
from secateur.inference.tree_backend import TreeBackend
from secateur.items.corpora import Window
from secateur.items.orders import order_number
from secateur.models.families import blocks_of
from secateur.models.walk import BlockWalk, InMemory

LETTERS = (39, 40, 41)
PROMPTS = [tuple(range(10, 10 + n)) for n in (90, 60, 75)]


def backend(loaded, *, temperature=0.3, steps=5, stops=(2,), budget=10_000):
    return TorchBackend(loaded, letters=LETTERS, decoding=Decoding(temperature, steps, stops), token_budget=budget)


def next_logits(loaded, tokens):
    with torch.no_grad():
        return loaded.model(torch.tensor([tokens])).logits[0, -1].double()


def sampled_slowly(loaded, request, seed, temperature, steps, stops):
    tokens = list(request.tokens)
    for step in range(steps):
        logits = next_logits(loaded, tokens) / temperature
        n = len(logits)
        noise = gumbel(
            np.full(n, seed, np.uint32),
            np.full(n, request.item, np.uint64),
            np.full(n, order_number(request.order), np.uint32),
            step,
            np.arange(n),
        )
        token = int(np.argmax(logits.numpy() + noise))
        if token in stops:
            return loaded.tokenizer.decode(tokens[len(request.tokens) :]), "eos"
        tokens.append(token)
    return loaded.tokenizer.decode(tokens[len(request.tokens) :]), "length"


@pytest.mark.parametrize("family", ALL_FAMILIES)
@pytest.mark.parametrize("temperature", [0.3, 3.0])
def test_letters_and_samples_against_full_recomputation(family, temperature):
    loaded = tiny_model(family)
    stops = (2, 50, 60, 70, 80, 90)
    requests = [
        Request(5 + i, order, p, seeds=(1, 2, 3, 4))
        for i, (p, order) in enumerate(zip(PROMPTS, ("012", "120", "201"), strict=True))
    ]
    for request, response in zip(
        requests, backend(loaded, temperature=temperature, stops=stops).answer(requests), strict=True
    ):
        expected = torch.log_softmax(next_logits(loaded, request.tokens), -1)[list(LETTERS)]
        np.testing.assert_allclose(response.letters, expected.numpy(), atol=1e-4)
        for sample in response.samples:
            assert (sample.text, sample.stop) == sampled_slowly(loaded, request, sample.seed, temperature, 5, stops)


@pytest.mark.parametrize("family", ALL_FAMILIES)
def test_text_against_the_definition(family):
    loaded = tiny_model(family)
    windows = [Window("c", i, tuple(range(5 + i, 5 + i + n)), n) for i, n in enumerate((100, 100, 40))]
    for window, score in zip(windows, backend(loaded).read_text(windows), strict=True):
        with torch.no_grad():
            logprobs = torch.log_softmax(loaded.model(torch.tensor([window.tokens])).logits[0].double(), -1)
        expected = -sum(float(logprobs[i, token]) for i, token in enumerate(window.tokens[1:]))
        assert math.isclose(score.nll, expected, rel_tol=1e-5)
        assert score.window == window.key


def test_long_windows_are_scored_in_portions(monkeypatch):
    loaded = tiny_model("llama")
    window = [Window("c", 0, tuple(range(5, 105)), 100)]
    (whole,) = backend(loaded).read_text(window)
    monkeypatch.setattr("secateur.inference.torch_backend._POSITIONS_AT_ONCE", 7)
    (portions,) = backend(loaded).read_text(window)
    assert math.isclose(whole.nll, portions.nll, rel_tol=1e-6)


def test_a_large_vocabulary_makes_text_batches_smaller_and_nothing_else(monkeypatch):
    loaded = tiny_model("llama")
    windows = [Window("c", i, tuple(range(5 + i, 65 + i)), 60) for i in range(6)]
    whole = list(backend(loaded).read_text(windows))
    rows = []
    loaded.model.register_forward_pre_hook(
        lambda _m, _a, kwargs: rows.append(len(kwargs["input_ids"])), with_kwargs=True
    )
    monkeypatch.setattr("secateur.inference.torch_backend._LOGITS_AT_ONCE", 2 * 60 * loaded.model.config.vocab_size)
    for one, other in zip(whole, backend(loaded).read_text(windows), strict=True):
        assert math.isclose(one.nll, other.nll, rel_tol=1e-6)
    assert rows == [2, 2, 2]


def test_logits_that_are_not_finite_are_said_so():
    loaded = tiny_model("llama")
    with torch.no_grad():
        loaded.model.lm_head.weight[7] = float("nan")
    (response,) = backend(loaded).answer([Request(1, "012", PROMPTS[0], seeds=(1, 2))])
    assert all(math.isnan(value) for value in response.letters)
    assert [(sample.text, sample.stop) for sample in response.samples] == [("", "nonfinite")] * 2
    (score,) = backend(loaded).read_text([Window("c", 0, PROMPTS[0], 9)])
    assert math.isnan(score.nll)


def test_one_pass_over_the_prompt_serves_everything():
    loaded = tiny_model("llama")
    passes = []
    loaded.model.register_forward_pre_hook(
        lambda _m, _a, kwargs: passes.append(kwargs["input_ids"].shape), with_kwargs=True
    )
    list(backend(loaded, temperature=0.01).answer([Request(1, "012", PROMPTS[0], seeds=tuple(range(50)))]))
    assert passes[0] == (1, 90)
    assert passes[1:] == [(1, 1)] * 4, "fifty seeds that draw the same tokens share one row"


def test_batches_keep_the_order_and_the_budget():
    work = [Request(i, "012", (0,) * n) for i, n in enumerate((5, 5, 9, 2, 2, 2, 30, 1))]
    cut = list(batches(work, 20))
    assert [request for batch in cut for request in batch] == work
    assert [len(batch) for batch in cut] == [2, 2, 2, 1, 1]
    assert all(len(batch) == 1 or len(batch) * max(len(r.tokens) for r in batch) <= 20 for batch in cut)


@pytest.mark.parametrize("family", ALL_FAMILIES)
def test_the_walk_ends_where_the_model_does(family):
    """The last block gives what it gives in an ordinary forward pass."""
    loaded = tiny_model(family)
    sequences = [list(range(10 + i, 100 + i)) for i in range(3)]
    hidden = InMemory()
    walk = BlockWalk(loaded, sequences, hidden)
    for index in range(len(walk)):
        walk.advance(index)
    seen = []
    blocks_of(loaded.model, loaded.family)[-1].register_forward_hook(lambda _m, _a, output: seen.append(output))
    with torch.no_grad():
        loaded.model(torch.tensor(sequences))
    whole = seen[0][0] if isinstance(seen[0], tuple) else seen[0]
    assert whole.shape == (3, 90, loaded.model.config.hidden_size)
    torch.testing.assert_close(next(iter(hidden)), whole)


@pytest.mark.parametrize("kind", [TorchBackend, TreeBackend])
def test_too_little_memory_halves_the_batches_of_what_is_left(kind, monkeypatch):
    loaded = tiny_model("llama")
    requests = [Request(item, "012", tuple(range(item, item + 40)), seeds=(1, 2)) for item in range(130)]
    decoding = Decoding(0.3, 3, ())
    reference = list(kind(loaded, letters=LETTERS, decoding=decoding, token_budget=2048).answer(requests))
    passes, told = [], []
    usual = loaded.model.forward

    def forward(*arguments, input_ids, **named):
        passes.append(input_ids.numel())
        if len(passes) > 3 and input_ids.numel() > 600:
            raise torch.OutOfMemoryError("no memory")
        return usual(*arguments, input_ids=input_ids, **named)

    monkeypatch.setattr(loaded.model, "forward", forward)
    backend = kind(loaded, letters=LETTERS, decoding=decoding, token_budget=2048, short=told.append)
    found = compare(reference, list(backend.answer(requests)))
    assert found.same, found
    assert found.n_samples == 260
    assert told == [1024, 512]
    assert 1024 < passes[0] <= 2048


def test_too_little_memory_for_text_halves_the_batches_that_are_read(monkeypatch):
    """A large vocabulary makes them smaller than the budget; halving that would repeat the same batch."""
    loaded = tiny_model("llama")
    windows = [Window("c", number, tuple(range(number, number + 50)), 49) for number in range(40)]
    monkeypatch.setattr("secateur.inference.torch_backend._LOGITS_AT_ONCE", 1024 * loaded.model.config.vocab_size)
    decoding = Decoding(0.3, 3, ())
    reference = list(TorchBackend(loaded, LETTERS, decoding, 16_384).read_text(windows))
    passes, told = [], []
    usual = loaded.model.forward

    def forward(*arguments, input_ids, **named):
        passes.append(input_ids.numel())
        if input_ids.numel() > 512:
            raise torch.OutOfMemoryError("no memory")
        return usual(*arguments, input_ids=input_ids, **named)

    monkeypatch.setattr(loaded.model, "forward", forward)
    found = list(TorchBackend(loaded, LETTERS, decoding, 16_384, told.append).read_text(windows))
    assert passes == [1000, 500, 500, 500, 500]
    assert told == [512]
    assert [score.nll for score in found] == pytest.approx([score.nll for score in reference], rel=1e-5)


def test_too_little_memory_for_small_batches_is_an_error(monkeypatch):
    loaded = tiny_model("llama")

    def forward(*_, **__):
        raise torch.OutOfMemoryError("no memory")

    monkeypatch.setattr(loaded.model, "forward", forward)
    told = []
    backend = TorchBackend(loaded, letters=LETTERS, decoding=Decoding(0.3, 3, ()), token_budget=2048, short=told.append)
    with pytest.raises(torch.OutOfMemoryError):
        list(backend.answer([Request(1, "012", (1, 2, 3))]))
    with pytest.raises(torch.OutOfMemoryError):
        list(backend.read_text([Window("c", 0, (1, 2, 3), 2)]))
    assert told == [1024, 512, 256]
