"""The table of backends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from secateur.inference.backend import Backend, Decoding
from secateur.inference.scripted import ScriptedBackend
from secateur.inference.torch_backend import Short, TorchBackend
from secateur.inference.tree_backend import TreeBackend
from secateur.models.loading import LoadedModel


class FromModel(Protocol):
    """How a backend is made."""

    def __call__(
        self,
        loaded: LoadedModel,
        letters: tuple[int, int, int],
        decoding: Decoding,
        token_budget: int,
        short: Short = ...,
        /,
    ) -> Backend:
        """Arguments as :class:`TorchBackend` has them."""


@dataclass(frozen=True)
class BackendSpec:
    """One line of the table.

    Args:
        name: Part of every protocol.
        make: Makes one.
        summary: One line for listings.
        otherwise: Name of one that computes the same in batches cut otherwise; empty if there is none.
    """

    name: str
    make: FromModel
    summary: str
    otherwise: str = ""


BACKENDS: dict[str, BackendSpec] = {
    spec.name: spec
    for spec in (
        BackendSpec(
            "torch-tree",
            TreeBackend,
            "transformers models on CPU, CUDA or MPS; what prompts share is computed once",
            "torch",
        ),
        BackendSpec("torch", TorchBackend, "the same, every prompt by itself: the reference", "torch-tree"),
        BackendSpec("scripted", lambda *_: ScriptedBackend(), "no model: answers hashed from the request, for tests"),
    )
}
"""Every backend by name."""
