"""A model that tests may spoil."""

import shutil

import pytest
from tests.tiny import tiny_folder


@pytest.fixture
def folder(tmp_path):
    """A copy of a tiny llama that a test may spoil."""
    return shutil.copytree(tiny_folder("llama"), tmp_path / "model")
