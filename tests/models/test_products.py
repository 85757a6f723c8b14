"""Which library multiplies, and that it makes no difference but in last bits."""

import pytest
import torch
from tests.tiny import tiny_checkpoint, tiny_model
from torch import nn

from secateur.models import products
from secateur.models.families import all_linears
from secateur.models.loading import load_model

needs_onednn = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="needs a torch with oneDNN")


@pytest.fixture(autouse=True)
def decided_anew():
    products.onednn_is_faster.cache_clear()
    yield
    products.onednn_is_faster.cache_clear()


@pytest.fixture
def amd(monkeypatch):
    """A processor on which oneDNN is faster, whatever this one is."""
    monkeypatch.setattr(products, "processor_vendor", lambda: "AuthenticAMD")
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: True)


@needs_onednn
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(3, 5, 7), (1, 700, 64), (200, 100, 90), (2, 64, 128, 256)])
def test_both_libraries_give_the_same_product(amd, bias, shape, monkeypatch):
    monkeypatch.setattr(products, "_LARGE", 1)
    *rows, i, o = shape
    given, weight = torch.randn(*rows, i), torch.randn(o, i)
    added = torch.randn(o) if bias else None
    assert products.onednn_is_faster()
    expected = nn.functional.linear(given.double(), weight.double(), None if added is None else added.double())
    torch.testing.assert_close(products.fast_linear(given, weight, added).double(), expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(
    ("processor", "capability", "mkl"),
    [("GenuineIntel", "AVX512", True), ("AuthenticAMD", "AVX2", True), ("AuthenticAMD", "AVX512", False)],
)
def test_elsewhere_torch_multiplies_as_ever(amd, monkeypatch, processor, capability, mkl):
    monkeypatch.setattr(products, "processor_vendor", lambda: processor)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: mkl)
    assert not products.onednn_is_faster()
    assert {type(linear) for linear in linears(tiny_model("llama"))} == {nn.Linear}


def test_a_torch_without_the_product_or_with_another_under_its_name_multiplies_as_ever(amd, monkeypatch):
    def missing(*_):
        raise AttributeError("no such operator")

    for product in (missing, lambda rows, weight, bias: nn.functional.linear(rows, weight)):
        monkeypatch.setattr(products, "_by_onednn", product)
        products.onednn_is_faster.cache_clear()
        assert not products.onednn_is_faster()


def linears(loaded):
    return [linear for _, linear in all_linears(loaded.model, loaded.family)]


@needs_onednn
def test_a_models_linears_stay_what_they_are_but_for_who_multiplies(amd, monkeypatch):
    loaded = tiny_model("qwen2")
    tokens = torch.arange(10, 90)[None]
    assert {type(linear) for linear in linears(loaded)} == {products._OneDnnLinear}
    assert all(isinstance(linear, nn.Linear) for linear in linears(loaded))
    narrow = load_model(tiny_checkpoint("qwen2"), dtype=torch.bfloat16)
    assert {type(linear) for linear in linears(narrow)} == {nn.Linear}
    names = set(loaded.model.state_dict())
    monkeypatch.setattr(products, "_LARGE", 1)
    with torch.no_grad():
        found = loaded.model(tokens).logits
    products.onednn_is_faster.cache_clear()
    monkeypatch.setattr(products, "processor_vendor", lambda: "GenuineIntel")
    plain = tiny_model("qwen2")
    assert set(plain.model.state_dict()) == names
    with torch.no_grad():
        torch.testing.assert_close(plain.model(tokens).logits, found, rtol=1e-5, atol=1e-5)
