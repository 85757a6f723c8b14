"""The plain way to a pruned folder: the whole model in memory, its masks, and the library's own writer of files."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from secateur.compression.realise import Realisation, realise
from secateur.compression.recipe import Recipe
from secateur.identity import digest
from secateur.models.checkpoint import Checkpoint
from secateur.models.families import all_linears
from secateur.models.loading import load_model


def prune_in_memory(base: Path, planned: Recipe, out: Path, sequences: list[list[int]] | None) -> Realisation:
    """Weight files of the pruned model. A weight that is zero in the pruned model in memory is zero in its file."""
    loaded = load_model(Checkpoint(base, str(base)))
    made = realise(loaded, planned, sequences=sequences)
    weights = {f"{name}.weight": linear.weight for name, linear in all_linears(loaded.model, loaded.family)}
    out.mkdir()
    for file in sorted(base.glob("*.safetensors")):
        tensors = load_file(file)
        for name in tensors.keys() & weights.keys():
            tensors[name] = torch.where(weights[name] == 0, 0.0, tensors[name])
        with safe_open(file, framework="pt") as opened:
            save_file(tensors, out / file.name, metadata=opened.metadata())
    return made


def base_digest(base: Path) -> str:
    """Identity of a checkpoint by its definition, all tensors in memory."""
    tensors = {name: tensor for file in base.glob("*.safetensors") for name, tensor in load_file(file).items()}
    rows = [
        [
            name,
            str(tensors[name].dtype),
            list(tensors[name].shape),
            hashlib.sha256(tensors[name].reshape(-1).view(torch.uint8).numpy().tobytes()).hexdigest(),
        ]
        for name in sorted(tensors)
    ]
    saved_by = ("_name_or_path", "transformers_version", "torch_dtype", "dtype", "architectures")
    config = json.loads((base / "config.json").read_text())
    return digest("model", [rows, {key: value for key, value in config.items() if key not in saved_by}])
