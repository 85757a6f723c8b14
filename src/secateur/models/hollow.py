"""A model whose weights are in memory only where and while they are needed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from secateur.models.checkpoint import Checkpoint
from secateur.models.loading import LoadedModel, check_device, check_fit, stored_names
from secateur.models.products import use_fast_products
from secateur.models.shapes import meta_model


def hollow_model(
    checkpoint: Checkpoint, tokenizer: PreTrainedTokenizerFast, *, device: str, dtype: torch.dtype
) -> LoadedModel:
    """A checkpoint's model without its weights, which are on torch's meta device until :func:`filled` brings some.

    Raises:
        InputError: If there is no such device.
        UnsupportedModelError: If the files do not fit the config; see :func:`secateur.models.loading.check_fit`.
    """
    target = check_device(device)
    model: Any = meta_model(checkpoint.config, dtype=dtype)  # some methods have no annotations
    check_fit(checkpoint, model)
    for module in model.modules():
        for name in module._non_persistent_buffers_set:
            setattr(module, name, torch.empty_like(module.get_buffer(name), device=target))
        if module._non_persistent_buffers_set:
            # What transformers fills them with after loading; its parameters have no numbers to change.
            model._init_weights(module)
    model.eval().requires_grad_(False)
    use_fast_products(model, target)
    return LoadedModel(model, tokenizer, checkpoint, target, dtype)


@contextmanager
def filled(hollow: LoadedModel, names: list[str]) -> Iterator[None]:
    """Have these weights in memory for a while, in the dtype and on the device of the model.

    Args:
        hollow: A model of :func:`hollow_model`.
        names: As in its state dict.
    """
    model, stored = hollow.model, stored_names(hollow.checkpoint, hollow.model)
    for name in names:
        tensor = hollow.checkpoint.file_of(stored[name]).read(stored[name])
        _put(model, name, tensor.to(hollow.device, hollow.dtype))
    try:
        yield
    finally:
        for name in names:
            _put(model, name, torch.empty_like(model.get_parameter(name), device="meta"))


def block_weights(hollow: LoadedModel, index: int) -> list[str]:
    """Names of all weights of one block."""
    prefix = f"{hollow.family.blocks}.{index}."
    return [name for name in hollow.model.state_dict() if name.startswith(prefix)]


def outer_weights(hollow: LoadedModel) -> list[str]:
    """Names of the weights outside the blocks, without the output head: what a pass up to the first block may need."""
    model: Any = hollow.model  # some methods have no annotations
    heads = [f"{name}." for name, module in model.named_modules() if module is model.get_output_embeddings()]
    left_out = (f"{hollow.family.blocks}.", *heads)
    return [name for name in model.state_dict() if not name.startswith(left_out)]


def _put(model: PreTrainedModel, name: str, tensor: torch.Tensor) -> None:
    parent, _, last = name.rpartition(".")
    owner: Any = model.get_submodule(parent)
    setattr(owner, last, nn.Parameter(tensor, requires_grad=False))
