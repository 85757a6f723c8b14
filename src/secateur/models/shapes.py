"""A model's shapes from its config alone: no weights, no download, no memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from transformers import CONFIG_MAPPING, AutoModelForCausalLM, PreTrainedModel

from secateur.errors import UnsupportedModelError
from secateur.models.families import Family, all_linears, family_of
from secateur.models.loading import in_a_line, keep_soft_caps


def meta_model(config: Mapping[str, Any], *, dtype: torch.dtype | None = None) -> PreTrainedModel:
    """The model of a config, with shapes and no numbers: every parameter is on torch's meta device.

    Args:
        config: As in ``config.json``; fields that are missing take their architecture's defaults.
        dtype: Of its parameters; the config's own if ``None``.

    Raises:
        UnsupportedModelError: For an unknown architecture, or a config that transformers cannot build.
    """
    family = family_of(str(config.get("model_type", "")))
    from_config: Any = AutoModelForCausalLM.from_config  # no annotations
    try:
        with torch.device("meta"):
            model: PreTrainedModel = from_config(CONFIG_MAPPING[family.name].from_dict(dict(config)), dtype=dtype)
    except (
        ValueError, TypeError, KeyError, AttributeError, RuntimeError, ArithmeticError, StrictDataclassError,
    ) as error:  # fmt: skip
        raise UnsupportedModelError(
            "transformers cannot build a model of this config.",
            where=family.name,
            got=in_a_line(error),
            todo="check the sizes in config.json: layers, heads, hidden and intermediate size, vocabulary",
        ) from error
    keep_soft_caps(model)
    return model


def linear_shapes(config: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """Full layer name -> (rows, columns) of every linear that is pruned, in model order.

    Args:
        config: As in ``config.json``; see :data:`secateur.models.published.PUBLISHED`.

    Shapes: the mapping's values are [o, i], as a linear's weight.

    Raises:
        UnsupportedModelError: As :func:`meta_model`, or if the model's linears are not those its family lists.
    """
    return shapes_of(meta_model(config), family_of(str(config["model_type"])))


def shapes_of(model: PreTrainedModel, family: Family) -> dict[str, tuple[int, int]]:
    """The same of a model that is there, with or without its weights.

    Shapes: the mapping's values are [o, i].

    Raises:
        UnsupportedModelError: If the model's linears are not those its family lists.
    """
    return {name: (linear.out_features, linear.in_features) for name, linear in all_linears(model, family)}
