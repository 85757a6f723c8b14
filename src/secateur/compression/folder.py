"""Writing a pruned model as a folder that plain transformers loads.

The folder is the base checkpoint, file by file, with masks applied: same tensors, names, dtypes and shards, so whatever
loaded the base loads this. It appears whole or not at all.
"""

from __future__ import annotations

import html
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from secateur import __version__
from secateur.compression.realise import Realisation
from secateur.compression.recipe import Recipe, planned_digest
from secateur.compression.shards import Counted
from secateur.errors import InputError, UnsupportedModelError, VerificationError
from secateur.files import TEMP_SUFFIX, sync_folder, unwritable, write_text
from secateur.models.checkpoint import BESIDE_WEIGHTS, SHIPPED, Checkpoint
from secateur.records.lease import lease

_CARD = "README.md"
_CONFIG = "config.json"
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


@contextmanager
def folder_in_the_making(out: Path) -> Iterator[tuple[Path, Path]]:
    """Give a folder for what a killed run leaves to the next, and an empty one that becomes ``out`` in one step.

    Both lie in a hidden folder beside ``out``, whose name follows from ``out``'s, so that the next run finds it.

    Args:
        out: A folder that does not exist or is empty.

    Raises:
        InputError: If ``out`` is not empty.
        StoreBusyError: If another process is making it.
        StoreUnwritableError: If the disk is full or the folder cannot be written; ``out`` is untouched.
    """
    check_new_folder(out)
    whole = out.resolve()
    partial = whole.parent / f".{whole.name}.partial"
    try:
        with lease(partial, what=f"the pruned model {out}"):
            check_new_folder(out)
            folder, kept = partial / "model", partial / "calibration"
            try:
                _remove(folder)
                folder.mkdir()
                yield kept, folder
                (folder / (_CONFIG + TEMP_SUFFIX)).replace(folder / _CONFIG)  # last: without it, nothing is a model
                sync_folder(folder)
                if whole.exists():
                    whole.rmdir()
                folder.replace(whole)
                sync_folder(whole.parent)
                shutil.rmtree(kept, ignore_errors=True)
            except (UnsupportedModelError, VerificationError):
                shutil.rmtree(kept, ignore_errors=True)  # the next run would end there too
                raise
            finally:
                _remove(folder)
                if not any(kept.glob("*/*")):
                    shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        raise unwritable(error, out) from error


def _remove(folder: Path) -> None:
    """Remove a folder, first what makes it a model: a kill meanwhile leaves none with files missing."""
    (folder / _CONFIG).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def write_facts(
    folder: Path,
    checkpoint: Checkpoint,
    base: str,
    planned: Recipe,
    made: Realisation,
    counted: Counted,
    calibration: str | None = None,
) -> None:
    """Write everything but the weights: the base's own files, the facts about the pruning, the model card.

    Args:
        folder: Of :func:`folder_in_the_making`.
        checkpoint: The dense model.
        base: Its digest.
        planned: What was asked.
        made: What it became on this checkpoint.
        counted: Zeros and weights of all tensors written.
        calibration: One line about the calibration text, for the model card.

    Raises:
        OSError: If the disk is full or the folder cannot be written.
    """
    for pattern in BESIDE_WEIGHTS:
        for path in checkpoint.folder.glob(pattern):
            shutil.copyfile(path, folder / (path.name + TEMP_SUFFIX if path.name == _CONFIG else path.name))
    facts = _facts(checkpoint, base, planned, made, counted, calibration)
    write_text(folder / _RECIPE, json.dumps(facts, indent=2) + "\n")
    write_text(folder / _CARD, model_card(facts))


def _facts(
    checkpoint: Checkpoint, base: str, planned: Recipe, made: Realisation, counted: Counted, calibration: str | None
) -> dict[str, object]:
    return {
        "secateur": __version__,
        "base_model": checkpoint.reference,
        "base_revision": checkpoint.revision,
        "base_digest": base,
        "recipe": planned.plain,
        "label": planned.label,
        "planned_digest": planned_digest(base, planned),
        "realised_digest": made.digest,
        "achieved_sparsity": made.achieved_sparsity,
        "removed_weights": made.removed,
        "pruned_linears_weights": made.weights,
        "left_dense": ", ".join(sorted(planned.spec.stays_dense)),
        "zeros_in_whole_model": counted.zeros,
        "weights_in_whole_model": counted.weights,
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
