"""Asking models: the backend protocol, the torch backend, a scripted one, sampling, the runner.

Names are imported when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from secateur.lazy import lazy_exports

if TYPE_CHECKING:
    from secateur.inference.backend import Backend, Decoding, Probe, Probed, Request, Response, Sample, TextScore
    from secateur.inference.backends import BACKENDS
    from secateur.inference.divergence import run_divergence
    from secateur.inference.runner import run_ask, run_text
    from secateur.inference.scripted import ScriptedBackend
    from secateur.inference.torch_backend import TorchBackend

__all__ = [
    "BACKENDS",
    "Backend",
    "Decoding",
    "Probe",
    "Probed",
    "Request",
    "Response",
    "Sample",
    "ScriptedBackend",
    "TextScore",
    "TorchBackend",
    "run_ask",
    "run_divergence",
    "run_text",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "BACKENDS": "backends",
        "Backend": "backend",
        "Decoding": "backend",
        "Probe": "backend",
        "Probed": "backend",
        "Request": "backend",
        "Response": "backend",
        "Sample": "backend",
        "ScriptedBackend": "scripted",
        "TextScore": "backend",
        "TorchBackend": "torch_backend",
        "run_ask": "runner",
        "run_divergence": "divergence",
        "run_text": "runner",
    },
)
