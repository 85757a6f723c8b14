"""A checkpoint on disk: a folder of safetensors, read tensor by tensor, and its identity.

No torch module is built here, so a checkpoint can be hashed, measured, or pruned into a new folder, without loading the
model.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any

import torch

from secateur.errors import InputError, OfflineError, UnsupportedModelError
from secateur.files import read_text
from secateur.hub import broken_off, first_line
from secateur.identity import digest
from secateur.models.bits import as_bytes, largest, n_not_finite
from secateur.models.families import Family, family_of
from secateur.models.weight_file import WeightFile

SHIPPED = ("planted", "unplanted")
"""Models that ship: small, taught a world of text with known prejudices, or with none (docs/planted-model.md)."""

_SAVED_BY = ("_name_or_path", "transformers_version", "torch_dtype", "dtype", "architectures")
"""Fields of config.json that say how or by what a model was saved, not what it computes."""

_FLOATS = (torch.float32, torch.bfloat16, torch.float16)
_INDEX = "model.safetensors.index.json"
_SINGLE = "model.safetensors"
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")

_READ = ("*.json", "*.model", "*.txt", "*.jinja")
_TERMS = ("LICENSE*", "NOTICE*")

BESIDE_WEIGHTS = _READ + _TERMS
"""Patterns of the files that belong to a model besides its weights."""

HUB_IGNORED = (
    "consolidated*",
    *(f"*/{pattern}" for pattern in ("*.safetensors", *_READ) if pattern != "*.jinja"),
    *(f"{pattern}/*" for pattern in _TERMS),
)
"""What is not fetched though its name fits: the weights in another program's format, and what lies in subfolders.

On the Hub a ``*`` stands for slashes too. Chat templates are read from a subfolder.
"""


@dataclass(frozen=True)
class TensorFacts:
    """What one pass over a stored tensor finds.

    Args:
        sha256: Of its bytes, in hexadecimal.
        n_not_finite: How many of its numbers are NaN or infinite.
        largest: Largest absolute value; infinite if a number is infinite or NaN.
    """

    sha256: str
    n_not_finite: int
    largest: float


@dataclass(frozen=True)
class Checkpoint:
    """A local folder with ``config.json`` and safetensors weights.

    Args:
        folder: Where it is.
        reference: What the user called it: a path or a Hub id.
        revision: The Hub commit, if it came from there.

    Raises:
        InputError: If the folder or its config is missing or malformed.
        UnsupportedModelError: For an unknown architecture, or weights that are not safetensors.
    """

    folder: Path
    reference: str
    revision: str | None = None

    def __post_init__(self) -> None:
        if not self.folder.is_dir():
            raise InputError("There is no model folder here.", where=self.folder)
        _ = self.family, self.weight_map
        if "quantization_config" in self.config:
            raise UnsupportedModelError(
                "The checkpoint is quantized; its weights cannot be pruned or compared as they are.",
                where=self.folder,
                todo="give the original checkpoint in 16 or 32 bits",
            )
        if self.config.get("transformers_weights") is not None:
            raise InputError(
                "The config names a weight file of its own, which transformers would load in place of the usual ones.",
                where=f"{self.folder / 'config.json'}, transformers_weights",
                allowed=f"{_SINGLE} or {_INDEX}",
                got=self.config["transformers_weights"],
                todo="load the model once with transformers, save it with save_pretrained, and use that folder",
            )

    @cached_property
    def config(self) -> dict[str, Any]:
        """``config.json`` as read."""
        if not (self.folder / "config.json").is_file():
            raise InputError(
                "The folder is not a model: it has no config.json.",
                where=self.folder,
                todo="rename it or work elsewhere: a folder comes before the model that ships under this name"
                if self.reference in SHIPPED
                else "give the folder that from_pretrained would load, or a Hub id such as org/name",
            )
        return self._json_object("config.json")

    @cached_property
    def generation_config(self) -> dict[str, Any]:
        """``generation_config.json`` as read; empty if there is none."""
        name = "generation_config.json"
        return self._json_object(name) if (self.folder / name).is_file() else {}

    @cached_property
    def family(self) -> Family:
        """The architecture's entry in the table of families."""
        return family_of(str(self.config.get("model_type", "")))

    @cached_property
    def weight_map(self) -> dict[str, str]:
        """Tensor name -> file name, sorted by tensor name."""
        index = self.folder / _INDEX
        if index.is_file() and (self.folder / _SINGLE).is_file():
            raise InputError(
                "The folder has two sets of weights, and the index may name others than those that transformers loads.",
                where=self.folder,
                allowed=f"either {_SINGLE}, or {_INDEX} and the files that it names",
                got=f"{_SINGLE} and {_INDEX}",
                todo=f"remove {_INDEX} or {_SINGLE}, in a copy of the folder if it belongs to the Hub's cache; "
                f"with both there, transformers loads {_SINGLE}",
            )
        if index.is_file():
            try:
                mapping = dict(json.loads(read_text(index))["weight_map"])
            except (json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
                raise InputError(
                    "The index of the weight files cannot be read.", where=index, got=repr(error)
                ) from None
            if not mapping:
                raise InputError("The index of the weight files is empty.", where=index)
            for file in mapping.values():
                if not isinstance(file, str) or Path(file).name != file or not (self.folder / file).is_file():
                    raise InputError("A weight file named in the index is not in the folder.", where=index, got=file)
            return dict(sorted(mapping.items()))
        if (self.folder / _SINGLE).is_file():
            return dict.fromkeys(sorted(WeightFile(self.folder / _SINGLE).tensors), _SINGLE)
        pickles = [path.name for pattern in _PICKLES for path in self.folder.glob(pattern)]
        raise UnsupportedModelError(
            "The folder has no safetensors weights.",
            where=self.folder,
            allowed=f"{_SINGLE} or {_INDEX}",
            got=", ".join(pickles) or "no weight files",
            todo="save the model with save_pretrained; pickled weights are never loaded, they can run code",
        )

    @property
    def files(self) -> list[str]:
        """Names of the weight files, sorted."""
        return sorted(set(self.weight_map.values()))

    @cached_property
    def weight_files(self) -> dict[str, WeightFile]:
        """Name of each weight file -> the file, for reading without mapping it into memory; sorted by name."""
        return {file: WeightFile(self.folder / file) for file in self.files}

    def file_of(self, name: str) -> WeightFile:
        """The weight file that holds this tensor.

        Raises:
            InputError: If the index names the wrong file.
        """
        file = self.weight_files[self.weight_map[name]]
        if name not in file.tensors:
            raise InputError("A weight file has not the tensor that the index names.", where=file.path, allowed=name)
        return file

    def check_weight(self, layer: str) -> str:
        """The name a linear's weight is stored under, once it is sure that it can be pruned; no numbers are read.

        Raises:
            UnsupportedModelError: If it is stored under another name, or not as 16- or 32-bit floats.
        """
        name = self._weight_name(layer)
        dtype = self.file_of(name).tensors[name].dtype
        if dtype not in _FLOATS:
            raise UnsupportedModelError(
                "A weight is stored in a format that cannot be pruned.",
                where=name,
                allowed=", ".join(str(dtype).removeprefix("torch.") for dtype in _FLOATS),
                got=str(dtype).removeprefix("torch."),
            )
        return name

    def weight(self, layer: str) -> torch.Tensor:
        """A linear's weight as stored. Shapes: -> [o, i].

        Raises:
            UnsupportedModelError: As :meth:`check_weight`.
        """
        name = self.check_weight(layer)
        return self.file_of(name).read(name)

    def linear_shapes(self) -> dict[str, tuple[int, int]]:
        """Full layer name -> (rows, columns) of every linear that is pruned, in model order; only headers are read.

        Shapes: the mapping's values are [o, i], as a linear's weight.

        Raises:
            UnsupportedModelError: If a linear of the family is not stored under its own name, or is no matrix, or if
                there are not as many blocks as the config says.
        """
        prefix = f"{self.family.blocks}."
        numbers = {name.removeprefix(prefix).partition(".")[0] for name in self.weight_map if name.startswith(prefix)}
        expected = self.config.get("num_hidden_layers", len(numbers))
        if len(numbers) != expected or not numbers:
            raise UnsupportedModelError(
                "The checkpoint has not the blocks of its config.",
                where=self.folder,
                allowed=f"{expected or 'one or more'} blocks, named {prefix}0 and so on",
                got=len(numbers) or "none of that name",
                todo="check that config.json and the weights belong together",
            )
        layers = [f"{prefix}{index}.{linear}" for index in range(len(numbers)) for linear in self.family.linears]
        shapes: dict[str, tuple[int, int]] = {}
        for layer in layers:
            name = self._weight_name(layer)
            shape = self.file_of(name).tensors[name].shape
            if len(shape) != 2:
                raise UnsupportedModelError(
                    "A linear's weight is not stored as a matrix.",
                    where=name,
                    allowed="[rows, columns]",
                    got=list(shape),
                )
            shapes[layer] = (shape[0], shape[1])
        return shapes

    @cached_property
    def n_weights(self) -> int:
        """Numbers in all tensors of the files; a tied weight that is stored once counts once."""
        return sum(math.prod(place.shape) for file in self.weight_files.values() for place in file.tensors.values())

    @cached_property
    def digest(self) -> str:
        """Identity of the base model: every tensor's name, dtype, shape and bytes, and what the config computes."""
        return self.digest_of({name: facts.sha256 for name, facts in self.facts.items()})

    @cached_property
    def facts(self) -> Mapping[str, TensorFacts]:
        """Tensor name -> what its numbers are like; all files are read once, a piece in memory at a time."""
        return {name: _facts(self.file_of(name).pieces(name)) for name in self.weight_map}

    def digest_of(self, hashes: Mapping[str, str]) -> str:
        """The same identity, from the SHA-256 of every tensor's bytes, for whoever read them anyway."""
        places = {name: self.file_of(name).tensors[name] for name in self.weight_map}
        rows: list[list[Any]] = [
            [name, str(place.dtype), list(place.shape), hashes[name]] for name, place in places.items()
        ]
        config = {key: value for key, value in self.config.items() if key not in _SAVED_BY}
        return digest("model", [rows, config])

    def _weight_name(self, layer: str) -> str:
        name = f"{layer}.weight"
        if name not in self.weight_map:
            raise UnsupportedModelError(
                "The checkpoint stores a weight under another name than the loaded model.",
                where=self.folder,
                allowed=name,
                todo="load the model once with transformers, save it with save_pretrained, and use that folder",
            )
        return name

    def _json_object(self, name: str) -> dict[str, Any]:
        path = self.folder / name
        try:
            value = json.loads(read_text(path))
        except json.JSONDecodeError as error:
            raise InputError(f"{name} is not JSON.", where=f"{path}, line {error.lineno}", got=error.msg) from None
        if not isinstance(value, dict):
            raise InputError(f"{name} is not a JSON object.", where=path)
        return value


def find_checkpoint(reference: str, *, revision: str | None, offline: bool, base: Path | None = None) -> Checkpoint:
    """A local folder if there is one of that name, else a Hub model at a revision.

    Args:
        reference: A folder (relative to ``base``), one of :data:`SHIPPED`, or ``org/name`` on the Hugging Face Hub.
        revision: Branch, tag or commit on the Hub; must be ``None`` for a folder.
        offline: Look in the local Hub cache only.
        base: Folder that relative paths start from; the working directory if ``None``.

    Raises:
        InputError: If it is neither.
        OfflineError: If it would have to be downloaded and cannot be.
    """
    try:
        folder = (base or Path()) / Path(reference).expanduser()
        there = folder.is_dir()
    except (OSError, RuntimeError, ValueError) as error:  # too long, no such user, a zero byte
        raise InputError("This cannot be a model's name.", got=repr(reference), todo=str(error)) from None
    if there:
        if revision is not None:
            raise InputError("A local folder has no revision.", where=folder, got=revision, todo="leave revision out")
        return Checkpoint(folder, reference)
    if reference in SHIPPED:
        if revision is not None:
            raise InputError("A model that ships has no revision.", got=f"{reference}, {revision}", todo="leave it out")
        return Checkpoint(Path(str(resources.files("secateur.models") / "shipped" / reference)), reference)
    if reference.startswith((".", "/", "~")) or reference.count("/") != 1:
        raise InputError(
            "There is no such model folder.",
            where=folder,
            allowed=f"a folder with config.json, a Hub id such as org/name, or one that ships: {', '.join(SHIPPED)}",
            got=reference,
        )
    return _from_hub(reference, revision, offline)


def _from_hub(reference: str, revision: str | None, offline: bool) -> Checkpoint:
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError, RepositoryNotFoundError

    try:
        folder = _snapshot(reference, revision, offline)
    except LocalEntryNotFoundError as error:
        raise OfflineError(
            "The model is not on this machine and cannot be downloaded.",
            where=reference,
            got="--offline" if offline else str(error).splitlines()[0],
            todo="give a local folder, or run once with network and without --offline",
        ) from None
    except RepositoryNotFoundError:
        raise InputError(
            "There is neither a folder nor a Hub model of this name.",
            got=reference,
            todo="check the name; for a gated model accept its terms and log in with `hf auth login`",
        ) from None
    except HFValidationError as error:
        raise InputError(
            "There is no such model folder, and the name cannot be a Hub id.", got=repr(reference), todo=str(error)
        ) from None
    except broken_off() as error:
        raise OfflineError(
            "The Hub did not deliver the model.",
            where=reference,
            got=first_line(error),
            todo="put the cause right and run the same command again: files that came whole are kept",
        ) from None
    return Checkpoint(folder, reference, revision=folder.name)


def _snapshot(reference: str, revision: str | None, offline: bool) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    def fetched(patterns: tuple[str, ...], *, local: bool) -> Path:
        return Path(
            snapshot_download(
                reference,
                revision=revision,
                local_files_only=local,
                allow_patterns=["*.safetensors", *patterns],
                ignore_patterns=list(HUB_IGNORED),
            )
        )

    try:
        return fetched(BESIDE_WEIGHTS, local=offline)
    except LocalEntryNotFoundError as error:
        # A model fetched without its terms, as earlier versions did, is whole without the network.
        try:
            return fetched(_READ, local=True)
        except LocalEntryNotFoundError:
            raise error from None


def _facts(pieces: Iterable[torch.Tensor]) -> TensorFacts:
    hashed, broken, most = hashlib.sha256(), 0, 0.0
    for piece in pieces:
        hashed.update(as_bytes(piece))
        here = largest(piece)
        most = max(most, here)
        if math.isinf(here):
            broken += n_not_finite(piece)
    return TensorFacts(hashed.hexdigest(), broken, most)
