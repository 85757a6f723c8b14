"""Every method in the table keeps the promises of the design: pure, exact, indifferent to what it should not see."""

import pytest
import torch

from secateur.compression.levels import exact_fraction
from secateur.compression.masks import GROUPS, group_size
from secateur.compression.method import LayerStats
from secateur.compression.methods import METHODS

pytestmark = pytest.mark.parametrize("method", METHODS.values(), ids=list(METHODS))


def weight(dtype=torch.float32):
    return torch.randn(12, 20, generator=torch.Generator().manual_seed(5)).to(dtype)


def stats(layer="a.b", mask_seed=0):
    return LayerStats(layer, mask_seed, torch.rand(20, generator=torch.Generator().manual_seed(6)) + 0.1)


def test_the_kernel_is_pure(method):
    given, known = weight(), stats()
    before, sums = given.clone(), known.input_sq_sum.clone()
    first = method.scores(given, known)
    assert torch.equal(first, method.scores(given, known))
    assert torch.equal(given, before)
    assert torch.equal(known.input_sq_sum, sums)
    assert first.shape == given.shape
    assert first.dtype in (torch.float32, torch.int32)


@pytest.mark.parametrize("narrow", [torch.bfloat16, torch.float16], ids=str)
def test_16_bit_weights_are_scored_in_float32_or_exactly(method, narrow):
    first = method.scores(weight(narrow), stats())
    assert first.dtype in (torch.float32, torch.int32, narrow)


def test_scores_do_not_depend_on_the_storage_dtype(method):
    """A bfloat16 checkpoint gives the masks of the same numbers in float32."""
    narrow = weight(torch.bfloat16)
    scores, wide = method.scores(narrow, stats()), method.scores(narrow.float(), stats())
    assert torch.equal(scores.to(wide.dtype), wide)
    for level in ("0.29", "0.5"):
        assert torch.equal(kept(method, level, scores=scores), kept(method, level, scores=wide))


def kept(method, level, per=None, scores=None):
    scores = method.scores(weight(), stats()) if scores is None else scores
    return method.rule.keep(scores, exact_fraction(level), per or method.per)


def test_patterns_where_counts_are_exact(method):
    if not method.takes_patterns:
        pytest.skip("its counts are not exact, as published")
    found = method.rule.keep(method.scores(weight(), stats()), exact_fraction("1/2"), "2:4")
    assert (found.reshape(-1, 4).sum(dim=1) == 2).all()


@pytest.mark.parametrize("level", ["0", "0.1", "0.29", "0.5", "0.99", "1"])
def test_counts_are_what_the_rule_says(method, level):
    for per in method.groups:
        gone = ~kept(method, level, per)
        groups = gone.reshape(1, -1) if per == "tensor" else gone
        least, most = method.rule.bounds(group_size((12, 20), per), exact_fraction(level))
        assert 0 <= least <= most <= groups.shape[1]
        assert ((groups.sum(dim=1) >= least) & (groups.sum(dim=1) <= most)).all()


def test_none_and_all_are_exact_under_every_rule(method):
    assert kept(method, "0").all()
    assert not kept(method, "1").any()


def test_levels_are_nested(method):
    scores = method.scores(weight(), stats())
    smaller, larger = (kept(method, level, scores=scores) for level in ("0.3", "0.6"))
    assert not (larger & ~smaller).any(), "what goes at 0.3 must also go at 0.6"


def test_the_number_of_threads_changes_nothing(method):
    threads = torch.get_num_threads()
    masks = []
    for n in (1, 2):
        torch.set_num_threads(n)
        masks.append(kept(method, "0.5"))
    torch.set_num_threads(threads)
    assert torch.equal(*masks)


def test_a_matrix_that_is_not_contiguous(method):
    base = weight()
    strided = base.T.contiguous().T
    assert not strided.is_contiguous()
    assert torch.equal(method.scores(strided, stats()), method.scores(base, stats()))


def test_it_uses_what_it_says_it_uses(method):
    base = method.scores(weight(), stats())
    assert torch.equal(base, method.scores(weight(), stats(mask_seed=1))) != method.uses_mask_seed
    other = LayerStats("a.b", 0, torch.ones(20))
    assert torch.equal(base, method.scores(weight(), other)) != method.needs_inputs


def test_it_is_described(method):
    assert method.summary
    assert method.source
    assert set(method.groups) <= set(GROUPS)
    assert method.per == method.groups[0]
    assert method.docs.startswith("docs/")
