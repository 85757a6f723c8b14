"""Compression: pure kernels, masks, calibration, applying, verifying, writing pruned folders.

Names are imported when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from secateur.lazy import lazy_exports

if TYPE_CHECKING:
    from secateur.compression.masks import keep_top
    from secateur.compression.methods import METHODS
    from secateur.compression.realise import Realisation
    from secateur.compression.recipe import Recipe
    from secateur.compression.stream import prune_files

__all__ = ["METHODS", "Realisation", "Recipe", "keep_top", "prune_files"]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "METHODS": "methods",
        "Realisation": "realise",
        "Recipe": "recipe",
        "keep_top": "masks",
        "prune_files": "stream",
    },
)
