"""Attention of a tree: every token looks at its own prompt and at nothing else. See ``docs/design/prefix-tree.md``.

A model's own attention is replaced while a tree is read, through the interface that transformers has for this.
Tokens that stand together see nearly the same keys. They are taken in groups, each with the keys that any of it sees.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel

from secateur.inference.prefix_tree import Tree

_NAME = "secateur-tree"
_SPAN = 64  # nodes of a group: with fewer the products are small, with more many keys are seen by few
_LEAVES = 4  # of a group: all groups are filled up to the one with most branches
_KEYS_AT_ONCE = 1024  # gathered at a time; bounds memory for long prompts
_KEYS_AT_ONCE_ON_DEVICE = 2**16  # an accelerator wants few, large products
_AHEAD = 16  # steps for which there is room from the beginning
_KERNELS = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
# Without cuDNN's, which plans anew for every shape, and every tree has its own.
_Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Scoring:
    """How a layer scores keys.

    Args:
        scaling: Factor of the products.
        softcap: Scores are pressed between plus and minus this by a hyperbolic tangent; ``None``: they are not.
        window: How many places of its prompt a token sees, its own included; ``None`` for all.
    """

    scaling: float
    softcap: float | None
    window: int | None


class Attention(Protocol):
    """What stands in for a model's attention."""

    def __call__(self, layer: int, query: Tensor, key: Tensor, value: Tensor, how: Scoring) -> Tensor:
        """Shapes: query [new, heads, d]; key, value [new, key heads, d] -> as query."""


def on_device(device: torch.device, *arrays: npt.NDArray[Any]) -> list[Tensor]:
    """Arrays as tensors there. Nothing waits for them, nor for what the device is doing. Shapes: as arrays."""
    tensors = [torch.from_numpy(array) for array in arrays]
    if device.type != "cuda":
        return [tensor.to(device) for tensor in tensors]
    return [tensor.pin_memory().to(device, non_blocking=True) for tensor in tensors]


class Sight:
    """Which keys of its group each query sees.

    Args:
        seen: Whether it sees them.
        at: Places of the queries in their texts.
        keys_at: Places of the keys in theirs.
        longest: No place is as large as this.

    Shapes: seen [groups, rows, keys]; at [groups, rows]; keys_at [groups, keys].
    """

    def __init__(self, seen: Tensor, at: Tensor, keys_at: Tensor, longest: int) -> None:
        self._seen, self._at, self._keys_at, self._longest = seen, at, keys_at, longest
        self._masks: dict[tuple[int | None, int], Tensor] = {}

    def mask(self, window: int | None, times: int, dtype: torch.dtype) -> Tensor:
        """What is added to scores. Shapes: -> [groups, 1, times x rows, keys]."""
        if window is not None and window >= self._longest:
            window = None  # it hides nothing
        found = self._masks.get((window, times))
        if found is None:
            seen = self._seen
            if window is not None:
                seen = seen & (self._at[:, :, None] - self._keys_at[:, None] < window)
            hidden = ~seen[:, None].repeat(1, 1, times, 1)
            found = torch.zeros(hidden.shape, dtype=dtype, device=hidden.device)
            found.masked_fill_(hidden, torch.finfo(dtype).min)
            self._masks[window, times] = found
        return found


class PromptAttention:
    """Attention while the prompts of a tree are read.

    Args:
        tree: The tree.
        device: Where the model is.
        keep: Whether keys and values are kept, for what is drawn afterwards.
    """

    def __init__(self, tree: Tree, device: torch.device, *, keep: bool) -> None:
        seen_by = [tree.seen_by(start, min(start + _SPAN, len(tree))) for start in range(0, len(tree), _SPAN)]
        # All that layers need is brought to the device once: it would wait for every copy.
        self.after, self.depths = on_device(device, tree.after, tree.depths)
        """The tree's, on the device."""
        self._longest = int(tree.depths.max()) + 1
        self._parts = [self._part(seen_by, groups, device) for groups in _alike(list(map(len, seen_by)), device)]
        self._groups = len(seen_by)
        self._keep = keep
        self._scratch = _Scratch(), _Scratch()
        self.kept: dict[int, tuple[Tensor, Tensor]] = {}

    def __call__(self, layer: int, query: Tensor, key: Tensor, value: Tensor, how: Scoring) -> Tensor:
        """See :class:`Attention`."""
        if self._keep:
            self.kept[layer] = key, value
        n, heads, d = query.shape
        rows = F.pad(query, (0, 0, 0, 0, 0, self._groups * _SPAN - n)).reshape(self._groups, _SPAN, heads, d)
        found = torch.empty_like(rows)
        for groups, keys, sight in self._parts:
            mask = sight.mask(how.window, heads // key.shape[1], query.dtype)
            k, v = (_gathered(*pair, keys) for pair in zip(self._scratch, (key, value), strict=True))
            found[groups] = _attended(rows[groups], k, v, mask, how)
        return found.reshape(self._groups * _SPAN, heads, d)[:n]

    def _part(
        self, seen_by: Sequence[_Integers], groups: _Integers, device: torch.device
    ) -> tuple[Tensor, Tensor, Sight]:
        """Some groups, their keys, and what is seen of them. Shapes: groups [some], keys [some, keys]."""
        which, keys, there = on_device(device, groups, *_rows([seen_by[group] for group in groups.tolist()]))
        nodes = which[:, None] * _SPAN + torch.arange(_SPAN, device=device)
        rows = nodes.clamp(max=len(self.depths) - 1)
        before = (keys[:, None] <= rows[:, :, None]) & (rows[:, :, None] < self.after[keys][:, None])
        return which, keys, Sight(there[:, None] & before, self.depths[rows], self.depths[keys], self._longest)


class DrawnAttention:
    """Attention while answers are drawn: a drawn token sees its prompt and what was drawn before it on its branch.

    Up to four leaves that stand together are a group. The keys of its prompts are gathered once a layer, with room for
    what is drawn behind them.

    Args:
        tree: The tree.
        read: The attention its prompts were read with, kept.
        leaves: The nodes that branches grow from.
        steps: How many tokens will be drawn and read at most.

    Shapes: leaves [leaves], ascending.
    """

    def __init__(self, tree: Tree, read: PromptAttention, leaves: _Integers, steps: int) -> None:
        self._kept, self._steps, self._device = read.kept, min(steps, _AHEAD), read.depths.device
        span = leaves // _SPAN
        nth = np.arange(len(leaves)) - np.searchsorted(span, span)  # of its span
        self._group = np.unique(span * _SPAN + nth // _LEAVES, return_inverse=True)[1]
        firsts = np.flatnonzero(np.diff(self._group, prepend=-1))
        lasts = np.append(firsts[1:], len(leaves)) - 1
        found = _rows(
            [tree.seen_by(a, b + 1) for a, b in zip(leaves[firsts].tolist(), leaves[lasts].tolist(), strict=True)]
        )
        self._keys, there, group, nodes = on_device(self._device, *found, self._group, leaves[:, None])
        keys = self._keys[group]
        self._seen = there[group] & (keys <= nodes) & (nodes < read.after[keys])
        self._depths = read.depths[self._keys]
        self._stores: dict[int, list[Tensor]] = {}
        self._scratch = _Scratch(), _Scratch(), _Scratch()
        self.at = tree.depths[leaves]
        """Place of every branch's last token in its text."""

    def step(self, parents: _Integers) -> None:
        """A token was drawn on each of these branches.

        Args:
            parents: Their places among the branches before.

        Shapes: parents [branches], ascending.
        """
        self.at, self._group = self.at[parents] + 1, self._group[parents]
        groups = len(self._keys)
        sizes = np.bincount(self._group, minlength=groups)
        rows = int(sizes.max())
        nth = np.arange(len(parents)) - (np.cumsum(sizes) - sizes)[self._group]
        self._ahead, self._shape = 2 * rows * self._steps, (groups, rows)  # branches part later too
        flat = self._group * rows + nth
        branch = np.zeros(groups * rows, dtype=np.int64)  # where there is none, the first stands in, and sees nothing
        branch[flat] = np.arange(len(parents))
        self._flat, self._branch, there, place, before, at = on_device(
            self._device, flat, branch, np.arange(rows) < sizes[:, None], nth, parents, self.at
        )
        own = place[:, None] == torch.arange(rows, device=self._device)
        self._seen = torch.cat([self._seen[before], own], dim=1)
        at = self._laid(at)
        self._depths = torch.cat([self._depths, at], dim=1)
        seen = self._laid(self._seen) & there[:, :, None]
        self._sight = Sight(seen, at, self._depths, int(self.at.max()) + 1)

    def __call__(self, layer: int, query: Tensor, key: Tensor, value: Tensor, how: Scoring) -> Tensor:
        """See :class:`Attention`."""
        q, k, v = (self._laid(*pair) for pair in zip((query, key, value), self._scratch, strict=True))
        keys, values = self._stored(layer, k, v)
        mask = self._sight.mask(how.window, q.shape[2] // k.shape[2], query.dtype)
        return _attended(q, keys, values, mask, how).flatten(0, 1)[self._flat]

    def _stored(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """All keys and values of the groups, these new ones last.

        Shapes: [groups, rows, heads, d] -> [groups, keys, heads, d].
        """
        end = self._seen.shape[1]
        start = end - self._shape[1]
        stores = self._stores.get(layer)
        if stores is None:
            # Room is made of any key: what stands there is not seen before it is written over.
            where = F.pad(self._keys, (0, self._ahead))
            stores = [_gathered(_Scratch(), states, where) for states in self._kept.pop(layer)]
        elif stores[0].shape[1] < end:
            stores = [F.pad(store, (0, 0, 0, 0, 0, self._ahead)) for store in stores]
        self._stores[layer] = stores
        for store, new in zip(stores, (key, value), strict=True):
            store[:, start:end] = new
        return stores[0][:, :end], stores[1][:, :end]

    def _laid(self, states: Tensor, scratch: _Scratch | None = None) -> Tensor:
        """Shapes: [branches, ...] -> [groups, rows, ...]."""
        laid = _gathered(scratch or _Scratch(), states, self._branch)
        return laid.reshape(*self._shape, *states.shape[1:])


@contextmanager
def attending(model: PreTrainedModel, attention: Attention) -> Iterator[None]:
    """Have a model attend in this way; afterwards its own is back."""
    config = model.config
    usual = config._attn_implementation
    active = _active.set(attention)
    config._attn_implementation = _NAME
    try:
        with sdpa_kernel(_KERNELS):
            yield
    finally:
        config._attn_implementation = usual
        _active.reset(active)


_active: ContextVar[Attention] = ContextVar("_active")


def _attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float,
    softcap: float | None = None,
    sliding_window: int | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """As transformers calls it. Shapes: [1, heads, new, d] -> [1, new, heads, d]."""
    del attention_mask
    layer: Any = module.layer_idx
    q, k, v = (states[0].transpose(0, 1) for states in (query, key, value))
    return _active.get()(layer, q, k, v, Scoring(scaling, softcap, sliding_window))[None], None


AttentionInterface.register(_NAME, _attend)
AttentionMaskInterface.register(_NAME, lambda *_, **__: None)


class _Scratch:
    """Memory that is used again by every layer: fresh memory costs as much as what is written into it."""

    def __init__(self) -> None:
        self._kept: Tensor | None = None

    def take(self, like: Tensor, size: int) -> Tensor:
        """So many numbers of any value, of the same type and on the same device. Shapes: -> [size]."""
        kept = self._kept
        if kept is None or len(kept) < size or (kept.dtype, kept.device) != (like.dtype, like.device):
            kept = self._kept = like.new_empty(size)
        return kept[:size]


def _gathered(scratch: _Scratch, states: Tensor, where: Tensor) -> Tensor:
    """Shapes: states [nodes, ...]; where [groups, keys] or [n] -> as where, then as states without the first."""
    # A projection's output lies in memory token by token, so whole tokens are copied.
    flat = where.reshape(-1)
    found = scratch.take(states, len(flat) * math.prod(states.shape[1:])).view(len(flat), *states.shape[1:])
    torch.index_select(states, 0, flat, out=found)
    return found.reshape(*where.shape, *states.shape[1:])


def _attended(query: Tensor, key: Tensor, value: Tensor, mask: Tensor, how: Scoring) -> Tensor:
    """Softmax attention, group by group.

    Shapes: query [groups, rows, heads, d]; key, value [groups, keys, key heads, d];
    mask [groups, 1, heads / key heads x rows, keys] -> as query.
    """
    groups, rows, heads, d = query.shape
    k, v = key.transpose(1, 2), value.transpose(1, 2)
    # Heads that share a key head stand as rows of it, so that no key is copied.
    q = query.transpose(1, 2).reshape(groups, k.shape[1], -1, d)
    if how.softcap is None:
        found = F.scaled_dot_product_attention(q, k, v, mask, scale=how.scaling)
    else:
        scores = q @ k.transpose(2, 3) * how.scaling
        scores = torch.tanh(scores / how.softcap) * how.softcap + mask
        found = torch.softmax(scores, dim=-1, dtype=torch.float32).to(v.dtype) @ v
    return found.reshape(groups, heads, rows, d).transpose(1, 2)


def _alike(sizes: Sequence[int], device: torch.device) -> Iterator[_Integers]:
    """Places of groups with about so many keys, a few at a time, so that hardly any is filled up for another."""
    most = _KEYS_AT_ONCE if device.type == "cpu" else _KEYS_AT_ONCE_ON_DEVICE
    order = np.argsort(sizes, kind="stable")
    start = 0
    for end in range(1, len(order) + 1):
        if end == len(order) or (end + 1 - start) * sizes[order[end]] > most:
            yield np.sort(order[start:end])
            start = end


def _rows(lists: Sequence[_Integers]) -> tuple[_Integers, npt.NDArray[np.bool_]]:
    """Lists as rows of equal length, filled up with 0, and what is no filling. Shapes: -> both [lists, longest]."""
    longest = max(map(len, lists))
    there = np.arange(longest) < np.array([len(row) for row in lists])[:, None]
    rows = np.zeros(there.shape, dtype=np.int64)
    rows[there] = np.concatenate(lists)
    return rows, there
