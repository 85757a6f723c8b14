"""Loading a checkpoint into memory, strictly: nothing missing, nothing invented, nothing executed."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerFast

from secateur.errors import InputError, UnsupportedModelError
from secateur.identity import digest
from secateur.models.bits import all_finite
from secateur.models.checkpoint import Checkpoint
from secateur.models.families import Family, all_linears
from secateur.models.products import use_fast_products


@dataclass(frozen=True)
class LoadedModel:
    """A model ready to run, with its tokenizer and where both came from.

    Args:
        model: In evaluation mode, without gradients, on ``device`` in ``dtype``.
        tokenizer: A fast tokenizer (offsets are needed to measure text).
        checkpoint: What was loaded.
        device: Where it runs.
        dtype: What it computes in.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerFast
    checkpoint: Checkpoint
    device: torch.device
    dtype: torch.dtype

    def dense_as_stored(self, layer: str, weight: Tensor) -> Tensor:
        """A linear's dense weight as the checkpoint stores it, on the device; read only if it must be.

        Args:
            layer: The linear's full name.
            weight: Its weight in the model, which is dense; given back if it has the stored dtype.

        Shapes: weight [o, i] -> [o, i].

        Raises:
            UnsupportedModelError: As :meth:`Checkpoint.check_weight`.
        """
        name = self.checkpoint.check_weight(layer)
        as_stored = self.checkpoint.file_of(name).tensors[name].dtype == weight.dtype
        return weight if as_stored else self.checkpoint.weight(layer).to(weight.device)

    @property
    def family(self) -> Family:
        """The architecture's entry."""
        return self.checkpoint.family


def load_model(checkpoint: Checkpoint, *, device: str = "cpu", dtype: torch.dtype = torch.float32) -> LoadedModel:
    """Load a checkpoint's model and tokenizer.

    Args:
        checkpoint: A local checkpoint.
        device: A torch device: ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        dtype: What to compute in; weights are converted.

    Raises:
        UnsupportedModelError: If weights are missing, left over or tied across pruned layers, or the
            tokenizer is not fast.
        InputError: If a weight is NaN or infinite, or would be in ``dtype``.
    """
    target = check_device(device)
    # With output_loading_info this gives a pair, which its own annotation does not say.
    from_pretrained: Callable[..., Any] = AutoModelForCausalLM.from_pretrained
    try:
        result: tuple[PreTrainedModel, dict[str, Any]] = from_pretrained(
            checkpoint.folder,
            dtype=dtype,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # reported below, in our words
        )
    except (OSError, ValueError, TypeError, KeyError, RuntimeError, ImportError, StrictDataclassError) as error:
        raise UnsupportedModelError(
            "transformers cannot load the model.",
            where=checkpoint.folder,
            got=in_a_line(error),
            todo="check that config.json and the weights are whole and belong together",
        ) from error
    model, info = result
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        _refuse_any(kind.removesuffix("_keys"), map(str, info.get(kind, ())), checkpoint)
    if broken := [name for name, weight in model.named_parameters() if not all_finite(weight)]:
        refuse_damaged(checkpoint, model)
        refuse_overflow(checkpoint, model, dtype)
        raise not_finite(broken, checkpoint)
    _check_linears(model, checkpoint)
    keep_soft_caps(model)
    module: nn.Module = model  # transformers' own overrides of these have no annotations
    module.to(target).eval().requires_grad_(False)
    use_fast_products(module, target)
    return LoadedModel(model, load_tokenizer(checkpoint), checkpoint, target, dtype)


def check_fit(checkpoint: Checkpoint, model: PreTrainedModel) -> None:
    """The checks of :func:`load_model` that need no numbers, from the files' headers.

    Args:
        checkpoint: A local checkpoint.
        model: What its config describes, on torch's meta device.

    Raises:
        InputError: If a tensor stands in two files, or not in the one that the index names.
        UnsupportedModelError: If weights are missing, left over, of another shape, in a format that cannot be
            pruned, or tied across pruned layers.
    """
    for name in checkpoint.weight_map:
        checkpoint.file_of(name)
    shapes: dict[str, tuple[int, ...]] = {}
    for file, weights in checkpoint.weight_files.items():
        for name, place in weights.tensors.items():
            if checkpoint.weight_map.get(name, file) != file or name in shapes:
                raise InputError("A tensor stands in more than one weight file.", where=weights.path, got=name)
            shapes[name] = place.shape
    wanted = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    stored = stored_names(checkpoint, model)
    missing = wanted.keys() - stored
    # As transformers: old files hold some buffers that are computed now.
    ignored = [*(model._keys_to_ignore_on_load_unexpected or ()), r"rotary_emb\.inv_freq"]
    unexpected = [
        name for name in shapes.keys() - stored.values() if not any(re.search(pattern, name) for pattern in ignored)
    ]
    mismatched = [name for name, there in stored.items() if wanted[name] != shapes[there]]
    for kind, names in (("missing", missing), ("unexpected", unexpected), ("mismatched", mismatched)):
        _refuse_any(kind, names, checkpoint)
    _check_linears(model, checkpoint)


def stored_names(checkpoint: Checkpoint, model: PreTrainedModel) -> dict[str, str]:
    """Name in the model's state dict -> name in the files; of tied weights that are stored once, both have it."""
    tied: dict[str, str] = model.all_tied_weights_keys
    partners = tied | {source: target for target, source in tied.items()}
    renamed = dict(checkpoint.family.stored_as)
    found: dict[str, str] = {}
    for name in model.state_dict():
        for known in (name, partners.get(name, name)):
            for there in (known, renamed.get(known, known)):
                if there in checkpoint.weight_map:
                    found.setdefault(name, there)
    return found


def damaged_weights(checkpoint: Checkpoint, model: PreTrainedModel) -> dict[str, int]:
    """Name of a stored weight -> how many of its numbers are NaN or infinite; only those with any, in model order.

    Tensors that no weight is loaded from, such as a mask that old versions of transformers stored, may be anything.

    Args:
        checkpoint: A local checkpoint.
        model: What its config describes; it may be on torch's meta device.
    """
    found = {name: checkpoint.facts[name].n_not_finite for name in stored_names(checkpoint, model).values()}
    return {name: n for name, n in found.items() if n}


def refuse_damaged(checkpoint: Checkpoint, model: PreTrainedModel) -> None:
    """Arguments as :func:`damaged_weights`.

    Raises:
        InputError: If a stored weight is NaN or infinite.
    """
    if damaged := damaged_weights(checkpoint, model):
        counts = [f"{name} ({n:,} value{'s' * (n > 1)})" for name, n in damaged.items()]
        raise not_finite(counts, checkpoint)


def refuse_overflow(checkpoint: Checkpoint, model: PreTrainedModel, dtype: torch.dtype) -> None:
    """Arguments as :func:`damaged_weights`, and what is computed in.

    Raises:
        InputError: If a stored weight is finite and not in this dtype.
    """
    stored = dict.fromkeys(stored_names(checkpoint, model).values())
    if broken := [name for name in stored if overflows(checkpoint.facts[name].largest, dtype)]:
        what = str(dtype).removeprefix("torch.")
        raise InputError(
            f"The model has weights that are finite and too large for {what}.",
            where=checkpoint.folder,
            allowed=f"up to {torch.finfo(dtype).max:g}",
            got=_first_few(broken),
            todo="compute in another dtype (compute.dtype), if there is one that holds them",
        )


def overflows(largest: float, dtype: torch.dtype) -> bool:
    """Whether a finite number is infinite in this dtype."""
    return math.isfinite(largest) and not math.isfinite(float(torch.tensor(largest, dtype=torch.float64).to(dtype)))


def not_finite(names: list[str], checkpoint: Checkpoint) -> InputError:
    """The error for weights that are NaN or infinite."""
    return InputError(
        "The model has weights that are NaN or infinite.",
        where=checkpoint.folder,
        got=_first_few(names),
        todo="such a model cannot be scored or compared; get an intact copy",
    )


def load_tokenizer(checkpoint: Checkpoint) -> PreTrainedTokenizerFast:
    """The checkpoint's own tokenizer.

    Raises:
        UnsupportedModelError: If there is none, or only a slow one.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            checkpoint.folder, local_files_only=True, trust_remote_code=False, use_fast=True
        )
    except Exception as error:
        raise UnsupportedModelError(
            "The model's tokenizer cannot be loaded.",
            where=checkpoint.folder,
            allowed="tokenizer.json and tokenizer_config.json beside the weights",
            got=in_a_line(error),
        ) from error
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise UnsupportedModelError(
            "The tokenizer gives no character offsets.", where=checkpoint.folder, allowed="a tokenizer.json"
        )
    return tokenizer


def tokenizer_digest(tokenizer: PreTrainedTokenizerFast) -> str:
    """Identity of a tokenizer: its rules, special tokens and chat template."""
    template = tokenizer.chat_template
    return digest(
        "tokenizer",
        [
            tokenizer.backend_tokenizer.to_str(),
            tokenizer.bos_token_id,
            tokenizer.eos_token_id,
            template if isinstance(template, str | None) else dict(template),
        ],
    )


def begin_token(tokenizer: PreTrainedTokenizerFast) -> int | None:
    """The token the tokenizer itself puts before plain text, or ``None`` if it puts none."""
    ids = tokenizer("a").input_ids
    return ids[0] if len(ids) > 1 and ids[0] == tokenizer.bos_token_id else None


def stop_tokens(checkpoint: Checkpoint, tokenizer: PreTrainedTokenizerFast) -> tuple[int, ...]:
    """Token ids that end an answer: those of the generation config (else the config) and the tokenizer's end token."""
    configured = checkpoint.generation_config.get("eos_token_id", checkpoint.config.get("eos_token_id"))
    ids = configured if isinstance(configured, list) else [configured]
    if any(i is not None and type(i) is not int for i in ids):
        raise UnsupportedModelError("eos_token_id is not a token id.", where=checkpoint.folder, got=configured)
    return tuple(sorted({int(i) for i in [*ids, tokenizer.eos_token_id] if i is not None}))


def keep_soft_caps(model: PreTrainedModel) -> None:
    """Have a model whose attention scores are soft-capped attend in a way that caps them.

    Some versions of transformers choose one for it that leaves the cap out without a word (5.17 does, 5.23 does not).
    """
    if getattr(model.config, "attn_logit_softcapping", None) is not None:
        set_attention: Callable[[str], None] = model.set_attn_implementation
        set_attention("eager")


def check_device(device: str) -> torch.device:
    """The torch device of this name.

    Raises:
        InputError: If this machine has no such device.
    """
    try:
        target = torch.device(device)
    except RuntimeError:
        raise InputError("There is no such device.", allowed="cpu, cuda, cuda:N, mps", got=device) from None
    present = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and (target.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not present.get(target.type, False):
        names = ", ".join(name for name, there in present.items() if there)
        raise InputError("This machine has no such device.", allowed=names, got=device)
    return target


def in_a_line(error: Exception, longest: int = 200) -> str:
    """An error of another library in one short line, for the ``got`` of ours."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return text if len(text) <= longest else text[: longest - 3] + "..."


def _refuse_any(kind: str, names: Iterable[str], checkpoint: Checkpoint) -> None:
    if found := sorted(names):
        raise UnsupportedModelError(
            f"The weights do not fit the model: {kind} tensors.",
            where=checkpoint.folder,
            got=_first_few(found),
            todo="check that config.json and the weights belong together; if they do, load the model once with "
            "transformers, save it with save_pretrained, and use that folder",
        )


def _check_linears(model: PreTrainedModel, checkpoint: Checkpoint) -> None:
    _check_untied(model, checkpoint)
    for name, _ in all_linears(model, checkpoint.family):
        checkpoint.check_weight(name)


def _check_untied(model: PreTrainedModel, checkpoint: Checkpoint) -> None:
    owner: dict[int, str] = {}
    linears = dict(all_linears(model, checkpoint.family))
    others: dict[int, str] = {
        id(parameter): name
        for name, parameter in model.named_parameters(remove_duplicate=False)
        if name.removesuffix(".weight") not in linears
    }
    for name, linear in linears.items():
        shared_with = owner.get(id(linear.weight)) or others.get(id(linear.weight))
        if shared_with:
            raise UnsupportedModelError(
                "A linear to be pruned shares its weight with another layer; pruning one would prune both.",
                where=f"{name} and {shared_with}",
            )
        owner[id(linear.weight)] = name


def _first_few(names: list[Any], shown: int = 3) -> str:
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(map(str, names[:shown])) + more
