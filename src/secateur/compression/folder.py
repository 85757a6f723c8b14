"""Writing a pruned model as a folder that plain transformers loads.

The folder is the base checkpoint, file by file, with masks applied: same tensors, names, dtypes and shards, so whatever
loaded the base loads this. It appears whole or not at all.
"""

from __future__ import annotations

import html
import json
import os
import shutil
import tempfile
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from secateur import __version__
from secateur.compression.realise import Realisation
from secateur.compression.recipe import Recipe, planned_digest
from secateur.errors import InputError
from secateur.files import share_as_usual, unwritable
from secateur.models.checkpoint import SHIPPED, Checkpoint

_COPIED = ("*.json", "*.model", "*.txt", "*.jinja", "LICENSE*", "NOTICE*")
_CARD = "README.md"
_RECIPE = "secateur.json"


def check_new_folder(out: Path) -> None:
    """Refuse a target that would overwrite something.

    Raises:
        InputError: If ``out`` exists and is not an empty folder.
    """
    if out.exists() and not out.is_dir():
        raise InputError("The output is a file, not a folder.", where=out, todo="give a new folder")
    if out.exists() and any(out.iterdir()):
        raise InputError("The output folder is not empty.", where=out, todo="give a new folder")


def write_pruned_folder(
    checkpoint: Checkpoint, planned: Recipe, made: Realisation, out: Path, *, calibration: str | None = None
) -> Path:
    """Write the base checkpoint with the realisation's masks applied.

    Args:
        checkpoint: The dense model.
        planned: What was asked.
        made: What it became on this checkpoint.
        out: A folder that does not exist or is empty.
        calibration: One line about the calibration text, for the model card.

    Raises:
        InputError: If ``out`` is not empty.
        UnsupportedModelError: If the checkpoint stores a pruned weight under another name or shape.
        StoreUnwritableError: If the disk is full or the folder cannot be written; nothing is left behind.
    """
    check_new_folder(out)
    for layer in made.packed_masks:
        checkpoint.check_weight(layer)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
        partial.chmod(0o777 & ~_umask())
    except OSError as error:
        raise unwritable(error, out) from error
    try:
        for pattern in _COPIED:
            for path in checkpoint.folder.glob(pattern):
                shutil.copyfile(path, partial / path.name)
        n_zero = n_all = 0
        for file in checkpoint.files:
            zero, weights = _write_masked(checkpoint, file, made, partial / file)
            n_zero, n_all = n_zero + zero, n_all + weights
        facts = _facts(checkpoint, planned, made, n_zero, n_all, calibration)
        (partial / _RECIPE).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
        (partial / _CARD).write_text(model_card(facts), encoding="utf-8")
        if out.exists():
            out.rmdir()
        partial.replace(out)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise unwritable(error, out) from error
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return out


def _write_masked(checkpoint: Checkpoint, file: str, made: Realisation, target: Path) -> tuple[int, int]:
    """Write one weight file; gives its zeros and its weights."""
    tensors: dict[str, torch.Tensor] = {}
    for name, tensor in checkpoint.tensors(file):
        layer = name.removesuffix(".weight")
        if layer in made.packed_masks:
            rows, columns = tensor.shape
            tensors[name] = tensor.masked_fill(~made.mask(layer, (rows, columns)), 0)
        else:
            tensors[name] = tensor
    with safe_open(checkpoint.folder / file, framework="pt") as opened:
        metadata = dict(opened.metadata() or {}) | {"format": "pt"}
    save_file(tensors, target, metadata=metadata)
    share_as_usual(target)
    weights = sum(tensor.numel() for tensor in tensors.values())
    return weights - sum(int(torch.count_nonzero(tensor)) for tensor in tensors.values()), weights


def _facts(
    checkpoint: Checkpoint, planned: Recipe, made: Realisation, n_zero: int, n_all: int, calibration: str | None
) -> dict[str, object]:
    return {
        "secateur": __version__,
        "base_model": checkpoint.reference,
        "base_revision": checkpoint.revision,
        "base_digest": checkpoint.digest,
        "recipe": planned.plain,
        "label": planned.label,
        "planned_digest": planned_digest(checkpoint.digest, planned),
        "realised_digest": made.digest,
        "achieved_sparsity": made.achieved_sparsity,
        "removed_weights": made.removed,
        "pruned_linears_weights": made.weights,
        "left_dense": ", ".join(sorted(planned.spec.stays_dense)),
        "zeros_in_whole_model": n_zero,
        "weights_in_whole_model": n_all,
        "calibration_text": calibration,
    }


def model_card(facts: dict[str, object]) -> str:
    """The README of a pruned folder, from its facts."""
    whole, zeros = int(str(facts["weights_in_whole_model"])), int(str(facts["zeros_in_whole_model"]))
    base = str(facts["base_model"])
    name = _plain(Path(base).expanduser().resolve().name)
    # The Hub rejects a card whose base_model is not a Hub id.
    front = ["---", "library_name: transformers", "tags: [pruned, secateur]"]
    if facts["base_revision"]:
        front.append(f"base_model: {base}")
    rows = {
        "Base model": f"{base if facts['base_revision'] else name}",
        "Base revision": facts["base_revision"] or ("ships with Secateur" if name in SHIPPED else "a local folder"),
        "Method and level": facts["label"],
        "Recipe": f"`{json.dumps(facts['recipe'], sort_keys=True)}`",
        "Achieved sparsity, pruned linears": f"{facts['achieved_sparsity']:.6f} "
        f"({facts['removed_weights']:,} of {facts['pruned_linears_weights']:,} weights)",
        "Linears left dense": facts["left_dense"] or "none",
        "Zeros in the whole model": f"{zeros / whole if whole else 0.0:.6f} ({zeros:,} of {whole:,})",
        "Calibration text": _plain(str(facts["calibration_text"] or "none needed")),
        "Base digest": f"`{facts['base_digest']}`",
        "Planned digest": f"`{facts['planned_digest']}`",
        "Realised digest": f"`{facts['realised_digest']}`",
        "Made by": f"secateur {facts['secateur']}",
    }
    table = "\n".join(f"| {name} | {value} |" for name, value in rows.items())
    return "\n".join(
        [
            *front,
            "---",
            "",
            f"# {name}, pruned: {facts['label']}",
            "",
            "The removed weights are zeros in dense tensors: this folder is as large and as slow as its base.",
            "What the cut did to answers and bias is not on this card; measure it with `secateur study run`.",
            "",
            "| | |",
            "|---|---|",
            table,
            "",
        ]
    )


def _plain(text: str) -> str:
    """Text that means itself in a Markdown table."""
    return html.escape(text).replace("|", "&#124;").replace("\n", " ")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
