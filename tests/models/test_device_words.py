"""The same words as the processor's; on one here, tests/accelerator has them on a card."""

import numpy as np
import pytest
import torch

from secateur.models import device_words
from secateur.models.device_words import philox4x32, raw_words
from secateur.randomness import Domain, bits
from secateur.randomness import philox4x32 as reference

CPU = torch.device("cpu")


@pytest.mark.parametrize("n", [1, 4, 5, 257])
@pytest.mark.parametrize("seed", [0, 7, 2**32 - 1])
def test_raw_words_are_those_of_numpys_generator(monkeypatch, n, seed):
    monkeypatch.setattr(device_words, "_BLOCKS_AT_ONCE", 10)
    for name in ("a", "model.layers.3.mlp.up_proj", "ü"):
        found = raw_words(Domain.MASK, seed, name, 5, n=n, device=CPU)
        np.testing.assert_array_equal(found.numpy().view(np.uint64), bits(Domain.MASK, seed, name, 5).random_raw(n))


def test_no_words_are_none():
    assert raw_words(Domain.MASK, 0, "a", n=0, device=CPU).shape == (0,)


def test_philox4x32_gives_the_processors_words_for_every_corner_of_32_bits():
    corners = np.array([0, 1, 2**31 - 1, 2**31, 2**32 - 1], np.uint32)
    counter = np.stack(np.meshgrid(corners, corners, corners, corners), axis=-1).reshape(-1, 4)
    for key in ([0, 1], [2**32 - 1, 2**32 - 1], [42, 6]):
        words = [torch.from_numpy(column.astype(np.int64)) for column in counter.T]
        keys = [torch.full((len(counter),), word, dtype=torch.int64) for word in key]
        found = torch.stack(philox4x32(tuple(words), tuple(keys)), dim=1).numpy()
        np.testing.assert_array_equal(found, reference(counter, np.array(key, np.uint32)).astype(np.int64))
