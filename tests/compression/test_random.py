"""What is drawn on an accelerator is what is drawn by a processor: here by running its code on one."""

import pytest
import torch

from secateur.compression.method import LayerStats
from secateur.compression.noise import noise_signs, noise_signs_there
from secateur.compression.random import drawn_there, random_scores
from secateur.randomness import Domain

CPU = torch.device("cpu")
SHAPES = [(1, 1), (3, 5), (64, 33), (128, 256)]


@pytest.mark.parametrize("shape", SHAPES)
def test_random_scores_are_the_same_made_on_the_device(shape):
    here = random_scores(torch.zeros(shape), LayerStats(layer="model.layers.0.mlp.up_proj", mask_seed=9))
    there = drawn_there(Domain.MASK, 9, "model.layers.0.mlp.up_proj", n=here.numel(), device=CPU)
    assert there.dtype == here.dtype
    torch.testing.assert_close(there.view(shape), here, rtol=0, atol=0)


@pytest.mark.parametrize("shape", SHAPES)
def test_signs_of_noise_are_the_same_made_on_the_device(shape):
    here = noise_signs(shape, "lm_head", 4)
    there = noise_signs_there(torch.Size(shape), "lm_head", 4, device=CPU)
    assert there.dtype == here.dtype
    torch.testing.assert_close(there, here, rtol=0, atol=0)
