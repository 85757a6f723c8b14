"""What is known of the processor, and what of it is recorded beside answers."""

import pytest
import torch

from secateur.models import processor, products
from secateur.study.provenance import environment

AMD = """\
processor\t: 0
vendor_id\t: AuthenticAMD
model name\t: AMD EPYC: 9R14
flags\t\t: fpu avx2 avx512f
power management:

processor\t: 1
model name\t: another
"""


@pytest.fixture
def cpuinfo(tmp_path, monkeypatch):
    """Where what Linux says of its processors is read; read anew."""
    monkeypatch.setattr(processor, "_DESCRIBED", tmp_path / "cpuinfo")
    for known in (processor.described, products.onednn_is_faster):
        known.cache_clear()
    yield tmp_path / "cpuinfo"
    for known in (processor.described, products.onednn_is_faster):
        known.cache_clear()


def test_the_first_processor_is_described(cpuinfo):
    cpuinfo.write_text(AMD)
    assert processor.processor_name() == "AMD EPYC: 9R14"
    assert processor.processor_vendor() == "AuthenticAMD"
    assert processor.described()["flags"] == "fpu avx2 avx512f"
    assert processor.described()["power management"] == ""


def test_elsewhere_python_says_what_it_knows(cpuinfo, monkeypatch):
    monkeypatch.setattr("platform.processor", lambda: "arm")
    assert (processor.processor_name(), processor.processor_vendor()) == ("arm", "arm")
    monkeypatch.setattr("platform.processor", lambda: "")
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    assert (processor.processor_name(), processor.processor_vendor()) == ("arm64", "")


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="needs a torch with oneDNN")
def test_a_study_records_the_processor_and_who_multiplies(cpuinfo, monkeypatch):
    cpuinfo.write_text(AMD)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: True)
    assert environment("cpu")["processor"] == "AMD EPYC: 9R14"
    assert environment("cpu")["products_by_onednn"] is True
    assert environment("mps")["products_by_onednn"] is False, "only what is computed on the processor"
    cpuinfo.write_text(AMD.replace("AuthenticAMD", "GenuineIntel"))
    processor.described.cache_clear()
    products.onednn_is_faster.cache_clear()
    assert environment("cpu")["products_by_onednn"] is False
