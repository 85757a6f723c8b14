"""Whether a checkpoint's weights are finite, from its files alone: before anything is loaded or asked."""

from __future__ import annotations

import math

import torch

from secateur.models.checkpoint import Checkpoint
from secateur.models.loading import damaged_weights, overflows, refuse_damaged, refuse_overflow
from secateur.models.shapes import meta_model


def damage(checkpoint: Checkpoint) -> dict[str, int]:
    """Name of a stored weight -> how many of its numbers are NaN or infinite; only those with any, in model order.

    Raises:
        UnsupportedModelError: If some are, and transformers cannot build a model of the config.
    """
    if all(math.isfinite(facts.largest) for facts in checkpoint.facts.values()):
        return {}
    return damaged_weights(checkpoint, meta_model(checkpoint.config))


def check_finite(checkpoint: Checkpoint, dtype: torch.dtype | None = None) -> None:
    """Refuse a checkpoint with weights that are not finite.

    Args:
        checkpoint: A local checkpoint.
        dtype: What is computed in, in which they must be finite too.

    Raises:
        InputError: If there are any.
        UnsupportedModelError: As :func:`damage`.
    """
    largest = max((facts.largest for facts in checkpoint.facts.values()), default=0.0)
    if math.isfinite(largest) and (dtype is None or not overflows(largest, dtype)):
        return
    model = meta_model(checkpoint.config)
    refuse_damaged(checkpoint, model)
    if dtype is not None:
        refuse_overflow(checkpoint, model, dtype)
