"""The table of backends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from secateur.inference.backend import Backend, Decoding
from secateur.inference.scripted import ScriptedBackend
from secateur.inference.torch_backend import TorchBackend
from secateur.inference.tree_backend import TreeBackend
from secateur.models.loading import LoadedModel


@dataclass(frozen=True)
class BackendSpec:
    """One line of the table.

    Args:
        name: Part of every protocol.
        make: From a model, letter tokens, decoding and token budget to a backend.
        summary: One line for listings.
    """

    name: str
    make: Callable[[LoadedModel, tuple[int, int, int], Decoding, int], Backend]
    summary: str


def _torch(loaded: LoadedModel, letters: tuple[int, int, int], decoding: Decoding, token_budget: int) -> Backend:
    return TorchBackend(loaded, letters=letters, decoding=decoding, token_budget=token_budget)


def _tree(loaded: LoadedModel, letters: tuple[int, int, int], decoding: Decoding, token_budget: int) -> Backend:
    return TreeBackend(loaded, letters=letters, decoding=decoding, token_budget=token_budget)


def _scripted(loaded: LoadedModel, letters: tuple[int, int, int], decoding: Decoding, token_budget: int) -> Backend:
    del loaded, letters, decoding, token_budget
    return ScriptedBackend()


BACKENDS: dict[str, BackendSpec] = {
    spec.name: spec
    for spec in (
        BackendSpec(
            "torch-tree", _tree, "transformers models on CPU, CUDA or MPS; what prompts share is computed once"
        ),
        BackendSpec("torch", _torch, "the same, every prompt by itself: the reference"),
        BackendSpec("scripted", _scripted, "no model: answers hashed from the request, for tests"),
    )
}
"""Every backend by name."""
