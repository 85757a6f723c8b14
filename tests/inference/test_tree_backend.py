"""The tree backend against the plain one, for every architecture; and that it shares what can be shared."""

import random
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.tiny import ALL_FAMILIES, planted_requests, tiny_model

from secateur.inference.backend import Decoding, Request
from secateur.inference.narrowing import narrowed
from secateur.inference.prefix_tree import common, trees
from secateur.inference.sameness import compare
from secateur.inference.torch_backend import TorchBackend
from secateur.inference.tree_attention import DrawnAttention, PromptAttention
from secateur.inference.tree_backend import TreeBackend
from secateur.items.prompts import LETTERS_V1
from secateur.models.chat import ChatPrompts
from secateur.models.families import blocks_of, linears_by_block
from secateur.models.loading import stop_tokens

SEEDS = (42, 123, 456)


@pytest.fixture(scope="module", params=ALL_FAMILIES)
def both(request):
    """A plain backend, a tree backend, and requests in the order of their tokens."""
    loaded = tiny_model(request.param)
    prompts = ChatPrompts(loaded.tokenizer, LETTERS_V1)
    requests = planted_requests(prompts, SEEDS)
    stops = stop_tokens(loaded.checkpoint, loaded.tokenizer)

    def make(kind, budget=16384, new_tokens=4):
        decoding = Decoding(0.3, new_tokens, stops)
        return kind(loaded, letters=prompts.letter_tokens, decoding=decoding, token_budget=budget)

    return make, requests


def test_it_answers_as_the_plain_backend(both):
    make, requests = both
    found = compare(list(make(TorchBackend).answer(requests)), list(make(TreeBackend).answer(requests)))
    assert found.same, found
    assert found.n_samples == 3 * len(requests)


@pytest.mark.parametrize("budget", [1, 600])
def test_small_trees_and_unsorted_requests_answer_the_same(both, budget):
    make, requests = both
    shuffled = requests[:20]
    random.Random(1).shuffle(shuffled)
    plain = list(make(TorchBackend).answer(shuffled))
    found = compare(plain, list(make(TreeBackend, budget).answer(shuffled)))
    assert found.same, found


def test_long_answers_are_the_same(both):
    """Longer than the room that is made for them at first; answers end at different lengths."""
    make, requests = both
    plain = list(make(TorchBackend, new_tokens=40).answer(requests[:12]))
    found = compare(plain, list(make(TreeBackend, new_tokens=40).answer(requests[:12])))
    assert found.same, found


def test_what_is_not_a_number_stays_with_its_own_prompt(both, monkeypatch):
    """A model may overflow on a prompt or on a drawn token; its neighbours see nothing of it."""
    make, requests = both
    table = make(TreeBackend)._loaded.model.get_input_embeddings()
    usual, used = table.forward, {token for request in requests for token in request.tokens}
    free = [token for token in range(table.num_embeddings) if token not in used]
    asked = [*requests[:5], replace(requests[5], tokens=(*requests[5].tokens, free[0])), *requests[6:12]]
    for poisoned in (free[:1], free[1::2]):
        bad = torch.tensor(poisoned)

        def forward(tokens, bad=bad):
            return usual(tokens).masked_fill(torch.isin(tokens, bad)[..., None], float("nan"))

        monkeypatch.setattr(table, "forward", forward)
        plain, tree = (list(make(kind).answer(asked)) for kind in (TorchBackend, TreeBackend))
        stops = Counter(sample.stop for response in plain for sample in response.samples)
        assert 0 < stops["nonfinite"] < stops.total()
        assert compare(plain, tree).same
        assert [[s.stop for s in r.samples] for r in tree] == [[s.stop for s in r.samples] for r in plain]


def test_a_crowded_beginning_does_not_fill_up_all_other_groups():
    """Forty prompts that differ in their last token, and thirty that share nothing."""
    crowd = [request(*range(60), 100 + place) for place in range(40)]
    alone = [request(*range(200 + 70 * place, 270 + 70 * place)) for place in range(30)]
    (tree,) = trees([*crowd, *alone], 4096)
    leaves = np.unique(tree.ends)
    drawn = DrawnAttention(tree, PromptAttention(tree, torch.device("cpu"), keep=True), leaves, 4)
    parents = np.repeat(np.arange(70), 5)
    drawn.step(parents)
    groups, rows = drawn._shape
    assert groups * rows < 4 * len(parents)


def test_the_models_own_attention_is_back_afterwards(both):
    make, requests = both
    backend = make(TreeBackend)
    config = backend._loaded.model.config
    usual = config._attn_implementation
    list(backend.answer(requests[:2]))
    assert config._attn_implementation == usual
    with pytest.raises(IndexError):
        list(backend.answer([Request(1, "012", (10**6,))]))
    assert config._attn_implementation == usual


def test_behind_its_attention_the_last_block_sees_the_ends_of_prompts_alone(both):
    make, requests = both
    backend = make(TreeBackend)
    loaded = backend._loaded
    blocks = [list(linears.values()) for linears in linears_by_block(loaded.model, loaded.family)]
    rows = {}

    def see(place):
        def hook(_, inputs):
            rows[place] = inputs[0].flatten(0, -2).shape[0]

        return hook

    hooks = [blocks[place][-1].register_forward_pre_hook(see(place)) for place in (0, -1)]
    asked = [replace(one, seeds=()) for one in requests[:20]]
    responses = list(backend.answer(asked))
    for hook in hooks:
        hook.remove()
    (tree,) = trees(asked, 4096)
    assert rows == {0: len(tree), -1: len(set(tree.ends.tolist()))}
    assert all("forward" not in vars(block) for block in blocks_of(loaded.model, loaded.family))
    assert compare(list(make(TorchBackend).answer(asked)), responses).same


def test_a_block_is_left_as_it_was_found(both):
    make, requests = both
    backend = make(TreeBackend)
    last = blocks_of(backend._loaded.model, backend._loaded.family)[-1]
    usual = last.forward

    def failing(*inputs, **named):
        usual(*inputs, **named)
        raise RuntimeError("a block of somebody's own")

    last.forward = failing
    try:
        with pytest.raises(RuntimeError, match="somebody's own"):
            list(backend.answer(requests[:3]))
        assert last.forward is failing
    finally:
        del last.forward
    assert len(list(backend.answer(requests[:3]))) == 3


def test_a_block_that_does_not_attend_is_not_narrowed_in_silence():
    class Sums(torch.nn.Module):
        def forward(self, hidden):
            return hidden + hidden.cumsum(1)

    block = Sums()
    with (
        narrowed(block, lambda *_: pytest.fail("it does not attend"), torch.tensor([1, 4])),
        pytest.raises(RuntimeError, match="Sums does not attend"),
    ):
        block(torch.ones(1, 5, 2))
    assert block(torch.ones(1, 5, 2)).shape == (1, 5, 2)


def request(*tokens, item=0):
    return Request(item, "012", tokens)


def test_a_tree_holds_every_prefix_once():
    asked = [request(1, 2, 3), request(1, 2, 3, 4), request(1, 2, 5), request(1, 2, 5), request(7)]
    (tree,) = trees(asked, 100)
    assert tree.tokens.tolist() == [1, 2, 3, 4, 5, 7]
    assert tree.depths.tolist() == [0, 1, 2, 3, 2, 0]
    assert tree.ends.tolist() == [2, 3, 4, 4, 5]
    for one, end in zip(asked, tree.ends, strict=True):
        path = tree.seen_by(end, end + 1)
        assert tuple(tree.tokens[path]) == one.tokens
        assert tree.depths[path].tolist() == list(range(len(one.tokens)))


def test_trees_stay_within_the_budget_and_keep_the_order():
    dice = random.Random(0)
    asked = sorted(
        (request(*(dice.randrange(3) for _ in range(dice.randrange(1, 9))), item=i) for i in range(200)),
        key=lambda r: r.tokens,
    )
    for budget in (1, 8, 20, 1000):
        cut = list(trees(asked, budget))
        assert [r for tree in cut for r in tree.requests] == asked
        assert all(len(tree.tokens) <= budget or len(tree.requests) == 1 for tree in cut)
        for tree in cut:
            prefixes = {r.tokens[: n + 1] for r in tree.requests for n in range(len(r.tokens))}
            assert len(tree.tokens) == len(prefixes)


def test_common_beginnings():
    assert common((1, 2, 3), (1, 2, 4)) == 2
    assert common((1, 2), (1, 2, 4)) == 2
    assert common((), (1,)) == 0
