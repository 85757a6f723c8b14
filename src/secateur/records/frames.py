"""What follows from a whole frame, worked out once: every cell of a report asks the same of the same items."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import polars as pl

_Found = TypeVar("_Found")
_KEPT = 4


def once_per_frame(function: Callable[[pl.DataFrame], _Found]) -> Callable[[pl.DataFrame], _Found]:
    """Keep the results of the last few frames, told apart by being the same object.

    Only for functions whose result nobody changes; neither are frames changed in place anywhere here.
    """
    kept: list[tuple[pl.DataFrame, _Found]] = []

    @wraps(function)
    def remembered(frame: pl.DataFrame) -> _Found:
        place = next((place for place, (known, _) in enumerate(kept) if known is frame), None)
        # What was asked for last is forgotten last.
        kept.append((frame, function(frame)) if place is None else kept.pop(place))
        del kept[:-_KEPT]
        return kept[-1][1]

    return remembered
