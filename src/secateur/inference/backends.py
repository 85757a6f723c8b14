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
        short: Short = lambda tokens: None,
    ) -> Backend:
        """Arguments as :class:`TorchBackend` has them."""


@dataclass(frozen=True)
class BackendSpec:
    """One line of the table.

    Args:
        name: Part of every protocol.
        make: Makes one.
        summary: One line for listings.
    """

    name: str
    make: FromModel
    summary: str


def _in_memory(kind: type[TorchBackend]) -> FromModel:
    def make(
        loaded: LoadedModel,
        letters: tuple[int, int, int],
        decoding: Decoding,
        token_budget: int,
        short: Short = lambda tokens: None,
    ) -> Backend:
        return kind(loaded, letters=letters, decoding=decoding, token_budget=token_budget, short=short)

    return make


def _scripted(
    loaded: LoadedModel,
    letters: tuple[int, int, int],
    decoding: Decoding,
    token_budget: int,
    short: Short = lambda tokens: None,
) -> Backend:
    del loaded, letters, decoding, token_budget, short
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
