"""Float32 matrix products on a processor, by the faster of the two libraries that torch brings.

Torch multiplies float32 matrices by MKL, which keeps its AVX-512 code for Intel's processors. On AMD's that have
AVX-512, oneDNN, which torch brings too and uses for 16-bit numbers, is more than twice as fast (LOG.md). Which one is
taken goes by the processor and not by a measurement, so that a study that goes on on its machine goes on with the same
bits.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from secateur.models.processor import processor_vendor

_LARGE = 2**20
"""From so many multiplications on oneDNN is the faster one; each of its calls takes some 12 microseconds."""


def use_fast_products(model: nn.Module, device: torch.device) -> None:
    """Have a model multiply by the faster library if it computes there in float32; other models stay.

    Args:
        model: The model, with or without its weights.
        device: Where it will compute.
    """
    if device.type != "cpu" or not onednn_is_faster():
        return
    for module in model.modules():
        if type(module) is nn.Linear and module.weight.dtype == torch.float32:
            module.__class__ = _OneDnnLinear


def fast_linear(rows: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """As ``torch.nn.functional.linear``, without gradients. Shapes: [..., i], [o, i], [o] -> [..., o]."""
    ours = rows.device.type == "cpu" and rows.dtype == torch.float32
    if ours and onednn_is_faster() and rows.numel() * len(weight) >= _LARGE:
        return _by_onednn(rows, weight, bias)
    return nn.functional.linear(rows, weight, bias)


@cache
def onednn_is_faster() -> bool:
    """Whether this is a processor on which it is, and a torch that has both."""
    available: list[Callable[[], bool]] = [torch.backends.mkl.is_available, torch.backends.mkldnn.is_available]
    both = all(library() for library in available)
    amd = both and torch.backends.cpu.get_cpu_capability() == "AVX512" and "AuthenticAMD" in processor_vendor()
    return amd and _agrees()


class _OneDnnLinear(nn.Linear):
    def forward(self, input: Tensor) -> Tensor:
        return fast_linear(input, self.weight, self.bias)


def _by_onednn(rows: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    product: Any = torch.ops.mkldnn._linear_pointwise
    found: Tensor = product(rows, weight, bias, "none", [], "")
    return found


def _agrees() -> bool:
    """Whether this torch's own name for the product is there and means what it did."""
    rows, weight, bias = torch.arange(6.0).reshape(2, 3), torch.arange(12.0).reshape(4, 3), torch.ones(4)
    try:
        return torch.equal(_by_onednn(rows, weight, bias), nn.functional.linear(rows, weight, bias))
    except (AttributeError, RuntimeError):
        return False
