"""On what a study ran: recorded beside the answers, never part of what they are called."""

from __future__ import annotations

import os
import platform
from importlib import metadata

import torch

from secateur import __version__
from secateur.identity import Plain
from secateur.models.processor import processor_name
from secateur.models.products import onednn_is_faster

_LIBRARIES = ("torch", "transformers", "tokenizers", "safetensors", "numpy", "pyarrow", "polars")


def environment(device: str) -> dict[str, Plain]:
    """Machine, device, library versions and settings that can change last bits."""
    where = torch.device(device)
    name = torch.cuda.get_device_name(where) if where.type == "cuda" else platform.processor() or platform.machine()
    return {
        "secateur": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "device": device,
        "device_name": name,
        "processor": processor_name(),
        "products_by_onednn": where.type == "cpu" and onednn_is_faster(),
        "cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "float32_matmul_precision": torch.get_float32_matmul_precision(),
        "libraries": {library: metadata.version(library) for library in _LIBRARIES},
    }
