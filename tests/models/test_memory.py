"""Freed memory is kept where glibc is asked to."""

import platform
import subprocess
import sys

import pytest

from secateur.models import memory

TAKE_AND_FREE = """
import resource, sys
import numpy as np
from secateur.models.memory import keep_freed_memory
if sys.argv[1] == "kept":
    assert keep_freed_memory()
def faults():
    np.ones(3_000_000)[::512].sum()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
first = faults()
for _ in range(20):
    last = faults()
print(last - first)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_memory_that_is_taken_again_costs_no_page_faults():
    counted = {
        how: int(subprocess.run([sys.executable, "-c", TAKE_AND_FREE, how], capture_output=True, check=True).stdout)
        for how in ("kept", "given back")
    }
    assert counted["kept"] < counted["given back"] / 5, counted


def test_elsewhere_nothing_happens(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not memory.keep_freed_memory()
