"""Leaving out of a model's last block what nobody reads. See ``docs/design/prefix-tree.md``.

Of a prompt only the last token's output is wanted. Every token is needed in every block, but in the last one as key and
value alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from torch import Tensor, nn

from secateur.inference.tree_attention import Attention, Scoring


@contextmanager
def narrowed(block: nn.Module, attention: Attention, keep: Tensor) -> Iterator[Attention]:
    """Have a model's last block give some of its rows only; what follows attention is computed for these alone.

    The others are needed there as keys and values and for nothing else. The block is run up to its attention with all
    rows, and then with those that are kept, which are handed what they attended to. So rows may meet in the block's
    attention and nowhere else in it.

    Args:
        block: The model's last block.
        attention: What stands in for the model's attention.
        keep: Which rows are kept, on the block's device.

    Yields:
        The attention to be used meanwhile.

    Raises:
        RuntimeError: When the block is run, if it does not attend once, through transformers' interface.

    Shapes: keep [kept], ascending.
    """
    usual = block.forward
    handed: list[Tensor] = []
    reading = False

    def attend(layer: int, query: Tensor, key: Tensor, value: Tensor, how: Scoring) -> Tensor:
        if handed:
            return handed.pop()
        found = attention(layer, query, key, value, how)
        if reading:
            handed.append(found[keep])
            raise _AttendedError
        return found

    def forward(hidden: Tensor, *others: Any, **named: Any) -> Any:
        nonlocal reading
        n, reading = hidden.shape[1], True
        with suppress(_AttendedError):
            usual(hidden, *others, **named)
        reading = False
        if len(handed) != 1:
            raise RuntimeError(f"{type(block).__name__} does not attend through transformers' interface")

        def cut(value: Any) -> Any:
            # What comes with the hidden states, such as rotations, has the rows in the same place.
            if isinstance(value, Tensor) and value.ndim > 1 and value.shape[1] == n:
                return value[:, keep]
            return type(value)(map(cut, value)) if isinstance(value, tuple) else value

        return usual(cut(hidden), *map(cut, others), **{name: cut(value) for name, value in named.items()})

    before = vars(block).get("forward")
    block.forward = forward
    try:
        yield attend
    finally:
        del block.forward
        if before is not None:
            block.forward = before


class _AttendedError(Exception):
    """Nothing behind its attention is wanted of a block."""
