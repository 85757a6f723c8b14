import pytest
import torch

from secateur.models import bits
from secateur.models.bits import all_finite, as_bytes, as_integers, largest, n_not_finite, n_zeros

FLOATS = [torch.bfloat16, torch.float16, torch.float32, torch.float64]


@pytest.fixture(autouse=True, params=[2**20, 3], ids=["one slice", "many slices"])
def size_of_slices(request, monkeypatch):
    monkeypatch.setattr(bits, "SLICE", request.param)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_zeros_of_both_signs_are_counted_and_subnormals_are_not(dtype):
    smallest = torch.finfo(dtype).smallest_normal / 4
    numbers = torch.tensor([[0.0, -0.0, 1.0, -2.0], [smallest, -smallest, 0.0, 5.0]], dtype=torch.float64).to(dtype)
    assert n_zeros(numbers) == n_zeros(numbers.T) == 3


@pytest.mark.parametrize("dtype", [*FLOATS, torch.float8_e4m3fn, torch.float8_e5m2], ids=str)
@pytest.mark.parametrize("place", [0, 3, 6])
@pytest.mark.parametrize("sliced", [True, False], ids=["processor", "as on a device"])
def test_one_number_that_is_not_finite_is_found(dtype, place, sliced, monkeypatch):
    if not sliced:
        monkeypatch.setattr(bits, "_sliced", lambda _: False)
    highest = torch.finfo(dtype).max
    numbers = torch.tensor([1.0, -2.0, 0.0, -0.0, highest, -highest, 3.0], dtype=torch.float64).to(dtype)
    assert all_finite(numbers)
    assert (float(largest(numbers)), n_not_finite(numbers)) == (highest, 0)
    infinite = [] if dtype == torch.float8_e4m3fn else [float("inf"), -float("inf")]
    for value in (float("nan"), -float("nan"), *infinite):
        spoiled = numbers.clone()
        spoiled[place] = value
        assert not all_finite(spoiled)
        assert (largest(spoiled), n_not_finite(spoiled)) == (float("inf"), 1)


def test_numbers_that_are_no_floats():
    assert all_finite(torch.arange(3))
    assert largest(torch.arange(3)) == n_not_finite(torch.arange(3)) == 0
    assert n_zeros(torch.arange(3)) == 1
    assert n_zeros(torch.tensor([True, False])) == 1


@pytest.mark.parametrize("dtype", bits._UNCOUNTABLE, ids=str)
def test_zeros_are_counted_where_torch_cannot(dtype):
    assert n_zeros(torch.tensor([0, 1, 0, 4]).to(dtype)) == 2


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_none_and_one(dtype):
    assert all_finite(torch.empty(0, 4, dtype=dtype))
    assert largest(torch.empty(0, 4, dtype=dtype)) == n_not_finite(torch.empty(0, 4, dtype=dtype)) == 0
    assert n_zeros(torch.empty(0, 4, dtype=dtype)) == 0
    assert as_bytes(torch.empty(0, 4, dtype=dtype)).nbytes == 0
    assert n_zeros(torch.zeros((), dtype=dtype)) == 1


def test_bits_are_the_numbers_own_memory():
    numbers = torch.tensor([1.0, -0.0])
    as_integers(numbers)[0] = 0
    assert numbers[0] == 0
    assert bytes(as_bytes(numbers)) == b"\0\0\0\0\0\0\0\x80"
