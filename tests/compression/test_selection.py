"""Selection, in each of its forms, against sorting by the definition."""

import pytest
import torch
from tests.reference.pruning import highest_stay, lowest_go

from secateur.compression import masks
from secateur.compression.masks import THRESHOLD, keep_top, kth_lowest
from secateur.models import bits

HALVES = [torch.bfloat16, torch.float16]
DTYPES = [*HALVES, torch.float32, torch.float64, torch.int16, torch.int32]
SHAPES = [(1, 1), (1, 24), (24, 1), (6, 11)]


def matrices(dtype, shape, seed):
    """Scores that are hard to rank: spread over all magnitudes, few values, zeros of both signs, subnormals."""
    draw = torch.Generator().manual_seed(seed)
    if not dtype.is_floating_point:
        yield torch.randint(0, torch.iinfo(dtype).max, shape, generator=draw, dtype=dtype)
        yield torch.randint(-2, 2, shape, generator=draw, dtype=dtype)
        return
    normal = torch.randn(shape, generator=draw)
    tiny = torch.finfo(dtype).tiny
    signs = torch.randint(0, 2, shape, generator=draw) * 2.0 - 1
    yield normal.to(dtype)
    yield (normal * torch.exp(8 * torch.randn(shape, generator=draw))).clamp(-6e4, 6e4).to(dtype)
    yield torch.randint(-1, 2, shape, generator=draw).to(dtype)
    yield (torch.randint(0, 2, shape, generator=draw) * signs).to(dtype)  # 0, -0, 1, -1
    yield (torch.randint(-3, 4, shape, generator=draw).to(torch.float64) * tiny / 8).to(dtype)
    yield torch.zeros(shape, dtype=dtype)


def levels(n):
    return sorted({0, 1, n // 3, n // 2, n - 1, n})


@pytest.fixture(autouse=True, params=[2**20, 16], ids=["one slice", "many slices"])
def size_of_slices(request, monkeypatch):
    for module in (masks, bits):
        monkeypatch.setattr(module, "SLICE", request.param)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("per", ["row", "tensor"])
def test_masks_against_sorting(dtype, shape, per):
    n = masks.group_size(shape, per)
    for seed in range(3):
        for scores in matrices(dtype, shape, seed):
            for given in (scores, scores.abs(), scores.T.contiguous().T):
                before = given.clone()
                for k in levels(n):
                    assert keep_top(given, sparsity=f"{k}/{n}", per=per).tolist() == lowest_go(given, f"{k}/{n}", per)
                assert torch.equal(given, before)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(("kept", "of"), [(1, 2), (2, 4), (1, 4), (3, 4), (4, 8), (7, 8), (2, 9), (8, 16), (63, 64)])
def test_patterns_against_sorting_each_group(dtype, kept, of):
    for seed in range(2):
        for scores in matrices(dtype, (5, 2 * of), seed):
            for given in (scores, scores.abs(), scores.T.contiguous().T):
                before = given.clone()
                found = keep_top(given, sparsity=f"{of - kept}/{of}", per=f"{kept}:{of}")
                assert found.tolist() == highest_stay(given, kept, of)
                assert torch.equal(given, before)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_the_kth_lowest_is_what_torch_selects(dtype):
    for seed in range(5):
        for scores in matrices(dtype, (4, 37), seed):
            for groups in (scores, scores.reshape(1, -1)):
                for k in levels(groups.shape[1])[1:]:
                    expected = torch.kthvalue(groups, k, dim=1, keepdim=True).values
                    assert torch.equal(kth_lowest(groups, k), expected)


@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_16_bit_magnitudes_give_the_masks_of_float32(dtype):
    for scores in matrices(dtype, (9, 16), 1):
        given = scores.abs()
        for per in ("row", "tensor"):
            for level in ("0.1", "0.29", "0.5", "0.97"):
                assert torch.equal(
                    keep_top(given, sparsity=level, per=per), keep_top(given.float(), sparsity=level, per=per)
                )


def test_every_value_of_16_bits_has_its_place():
    values = torch.arange(-(2**15), 2**15, dtype=torch.int32).to(torch.int16)[torch.randperm(2**16)][None]
    for k in (1, 2, 1000, 2**15, 2**16):
        assert int(kth_lowest(values, k)) == k - 1 - 2**15


def test_a_threshold_within_rows():
    scores = torch.tensor([[1.0, 2.0, 2.0, 4.0], [4.0, 3.0, 2.0, 1.0]])
    kept = THRESHOLD.keep(scores, masks.exact_fraction("0.5"), "row")
    assert kept.tolist() == [[False, False, False, True], [True, True, False, False]]
