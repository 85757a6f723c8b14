"""The table of backends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from secateur.inference.backend import Backend, Decoding
from secateur.inference.scripted import ScriptedBackend
from secateur.inference.torch_backend import TorchBackend
from secateur.inference.tree_backend import TreeBackend
from secateur.models.loading import LoadedModel

FromModel: TypeAlias = Callable[[LoadedModel, tuple[int, int, int], Decoding, int], Backend]


@dataclass(frozen=True)
class BackendSpec:
    """One line of the table.

    Args:
        name: Part of every protocol.
        make: From a model, letter tokens, decoding and token budget to a backend.
        summary: One line for listings.
    """

    name: str
    make: FromModel
    summary: str


def _in_memory(kind: type[TorchBackend]) -> FromModel:
    def make(loaded: LoadedModel, letters: tuple[int, int, int], decoding: Decoding, token_budget: int) -> Backend:
        return kind(loaded, letters=letters, decoding=decoding, token_budget=token_budget)

    return make


def _scripted(loaded: LoadedModel, letters: tuple[int, int, int], decoding: Decoding, token_budget: int) -> Backend:
    del loaded, letters, decoding, token_budget
    return ScriptedBackend()


BACKENDS: dict[str, BackendSpec] = {
    spec.name: spec
    for spec in (
        BackendSpec(
            "torch-tree",
            _in_memory(TreeBackend),
            "transformers models on CPU, CUDA or MPS; what prompts share is computed once",
        ),
        BackendSpec("torch", _in_memory(TorchBackend), "the same, every prompt by itself: the reference"),
        BackendSpec("scripted", _scripted, "no model: answers hashed from the request, for tests"),
    )
}
"""Every backend by name."""
