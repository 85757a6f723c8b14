"""Language models: loading, the table of architectures, chat prompts, walking blocks.

Names are imported when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from secateur.lazy import lazy_exports

if TYPE_CHECKING:
    from secateur.models.chat import ChatPrompts
    from secateur.models.checkpoint import Checkpoint, find_checkpoint
    from secateur.models.families import FAMILIES
    from secateur.models.loading import LoadedModel, load_model
    from secateur.models.published import PUBLISHED
    from secateur.models.shapes import linear_shapes

__all__ = [
    "FAMILIES",
    "PUBLISHED",
    "ChatPrompts",
    "Checkpoint",
    "LoadedModel",
    "find_checkpoint",
    "linear_shapes",
    "load_model",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "ChatPrompts": "chat",
        "Checkpoint": "checkpoint",
        "FAMILIES": "families",
        "LoadedModel": "loading",
        "PUBLISHED": "published",
        "find_checkpoint": "checkpoint",
        "linear_shapes": "shapes",
        "load_model": "loading",
    },
)
