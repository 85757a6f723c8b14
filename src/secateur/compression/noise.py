"""The placebo: random noise on the weights that pruning methods cut. Why and how: ``docs/design/placebo.md``."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor

from secateur.compression.layer import PrunedLayer
from secateur.compression.levels import exact_number, written
from secateur.compression.realise import Realisation
from secateur.compression.verify import LayerCount
from secateur.errors import InputError, VerificationError
from secateur.identity import Plain, digest
from secateur.models.bits import n_zeros, packed, row_slices
from secateur.models.device_words import made_there, raw_words
from secateur.models.families import all_linears
from secateur.models.loading import LoadedModel
from secateur.randomness import Domain, bits, check_seed

STRONGEST = 4
"""Beyond it nothing is left of a weight: the noise is four times as large."""

STRENGTHS: tuple[str, ...] = ("0.1", "0.2", "0.4", "0.6", "0.8", "1.2")
"""A grid from hardly a change to nothing left, for those who name none."""


@dataclass(frozen=True)
class Noise:
    """A placebo as planned.

    Args:
        strength: Norm of the noise on a linear / norm of its weight, above 0, at most ``STRONGEST``.
        seed: Of the signs.

    Raises:
        InputError: If one of them is out of range.
    """

    strength: Fraction
    seed: int = 0

    def __post_init__(self) -> None:
        noise_strength(self.strength)
        check_seed(self.seed, "noise seed")

    @property
    def plain(self) -> dict[str, Plain]:
        """The placebo as JSON values."""
        return {"placebo": "noise", "strength": str(self.strength), "noise_seed": self.seed}

    @property
    def label(self) -> str:
        """For people: the strength, and the seed if it is not 0."""
        return f"noise {written(self.strength)}" + (f" noise-seed-{self.seed}" if self.seed else "")


def noise_strength(strength: float | int | str | Fraction) -> Fraction:
    """The strength as written: 0.1 is 1/10.

    Raises:
        InputError: If it is not a number above 0, at most ``STRONGEST``.
    """
    number = exact_number(strength)
    if number is None or not 0 < number <= STRONGEST:
        raise InputError("There is no noise of this strength.", allowed=f"above 0, at most {STRONGEST}", got=strength)
    return number


@torch.no_grad()
def add_noise(
    loaded: LoadedModel, planned: Noise, *, progress: Callable[[str, int, int], None] | None = None
) -> Realisation:
    """Make a model in place its dense self with noise.

    Args:
        loaded: The model, dense or pruned or noisy: every weight of its linears is written anew, from the weights as
            the checkpoint stores them.
        planned: How much, and which.
        progress: Called with the layer's name, how many are done, how many there are.

    Returns:
        What became of it: nothing is removed, and a layer's hash is of its signs.

    Raises:
        VerificationError: If a changed weight is not finite, or its change is not as strong as planned.
    """
    result = Realisation()
    linears = list(all_linears(loaded.model, loaded.family))
    for number, (name, linear) in enumerate(linears, 1):
        stored = loaded.checkpoint.weight(name).to(linear.weight.device)
        result.add(noisy_layer(planned, name, stored, linear.weight), None)
        if progress:
            progress(name, number, len(linears))
    return result


def noisy_layer(planned: Noise, name: str, stored: Tensor, weight: Tensor) -> PrunedLayer:
    """Write a linear's weight with noise, and verify it.

    Args:
        planned: How much, and which.
        name: The linear's full name.
        stored: Its dense weight as the checkpoint stores it.
        weight: What is written to; the sum is rounded once, to its dtype.

    Shapes: stored and weight [o, i].

    Raises:
        VerificationError: If a changed weight is not finite, or its change is not as strong as planned.
    """
    size = root_mean_square(stored)
    amplitude = float(planned.strength) * size
    names, device = (stored.shape, name, planned.seed), stored.device
    signs = noise_signs_there(*names, device=device) if made_there(device) else noise_signs(*names).to(device)
    changed = 0.0
    for rows in row_slices(stored):
        dense = stored[rows].float()
        weight[rows] = (dense + amplitude * signs[rows]).to(weight.dtype)
        changed += float((weight[rows].double() - dense.double()).square().sum())
    norm, wanted = math.sqrt(changed), amplitude * math.sqrt(stored.numel())
    least, most = _KEPT if weight.element_size() < _FULL_SIZE else _KEPT_IN_FULL
    if not least * wanted <= norm <= most * wanted:
        raise VerificationError(
            "Noise on a linear is not what was planned.",
            where=f"{name}, {planned.label}",
            allowed=f"a change of norm {wanted:.4g}, {least:g} to {most:g} times",
            got=f"{norm:.4g} in {str(weight.dtype).removeprefix('torch.')}",
            todo="name a stronger one, or compute in float32" if norm < wanted else "",
        )
    identity = digest("noise", [name, list(stored.shape), hashlib.sha256(packed(signs > 0).data).hexdigest()])
    return PrunedLayer(LayerCount(name, stored.shape[0], stored.shape[1], 0, n_zeros(stored)), identity)


_FULL_SIZE = 4
_KEPT_IN_FULL = (0.999, 1.001)
_KEPT = (0.5, 2.1)
"""How much of the planned norm rounding may leave: in 16 bits faint noise on large weights is rounded off, or up."""


def noise_signs(shape: torch.Size | tuple[int, int], layer: str, seed: int) -> Tensor:
    """The signs of a linear: a function of seed, layer and place.

    Shapes: shape (o, i) -> int8 [o, i], each -1 or 1, on the CPU.
    """
    n = shape[0] * shape[1]
    words = bits(Domain.NOISE, seed, layer).random_raw(-(-n // 64))
    drawn = np.unpackbits(words.astype("<u8", copy=False).view(np.uint8), count=n, bitorder="little")
    return torch.from_numpy(2 * drawn.astype(np.int8) - 1).reshape(tuple(shape))


def noise_signs_there(shape: torch.Size, layer: str, seed: int, *, device: torch.device) -> Tensor:
    """As :func:`noise_signs`, made on an accelerator."""
    n = shape[0] * shape[1]
    octets = raw_words(Domain.NOISE, seed, layer, n=-(-n // 64), device=device).view(torch.uint8)
    ones = octets[:, None] >> torch.arange(8, dtype=torch.uint8, device=device) & 1
    return (2 * ones.view(torch.int8).view(-1)[:n] - 1).reshape(shape)


def root_mean_square(weight: Tensor) -> float:
    """Of all numbers of a matrix. Shapes: weight [o, i]."""
    total = sum(float(weight[rows].double().square().sum()) for rows in row_slices(weight))
    return math.sqrt(total / weight.numel()) if weight.numel() else 0.0
