"""What follows from a whole frame, worked out once: every cell of a report asks the same of the same items."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import polars as pl

_Key = TypeVar("_Key")
_Found = TypeVar("_Found")
_KEPT = 4


def kept_lately(
    kept: list[tuple[_Key, _Found]], key: _Key, same: Callable[[_Key], bool], make: Callable[[], _Found]
) -> _Found:
    """What ``make`` gives, or gave lately for a key that is the same; the last few are kept.

    Args:
        kept: Where they are kept.
        key: What the result is of.
        same: Whether a key that was kept is this one.
        make: Called if none is. Its result is handed to many, and nobody changes it.
    """
    place = next((place for place, (known, _) in enumerate(kept) if same(known)), None)
    # What was asked for last is forgotten last.
    kept.append((key, make()) if place is None else kept.pop(place))
    del kept[:-_KEPT]
    return kept[-1][1]


def once_per_frame(function: Callable[[pl.DataFrame], _Found]) -> Callable[[pl.DataFrame], _Found]:
    """Keep the results of the last few frames, told apart by being the same object.

    Only for functions whose result nobody changes; neither are frames changed in place anywhere here.
    """
    kept: list[tuple[pl.DataFrame, _Found]] = []

    @wraps(function)
    def remembered(frame: pl.DataFrame) -> _Found:
        return kept_lately(kept, frame, lambda known: known is frame, lambda: function(frame))

    return remembered
