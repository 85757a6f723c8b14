"""What a pruning method is: a pure function from a weight and statistics to scores, and four choices beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from torch import Tensor

from secateur.compression.masks import EXACT, Group, MaskRule

Propagation: TypeAlias = Literal["propagated", "one-shot", "pia"]
"""What a block's input statistics are measured on. ``propagated``: what the already pruned blocks give it;
``one-shot``: what the dense blocks give it; ``pia``: the published study's own pass over the dense blocks."""


@dataclass(frozen=True)
class LayerStats:
    """All that a score may depend on besides the weight itself.

    Args:
        layer: The layer's full name.
        mask_seed: Seed of random masks.
        input_sq_sum: Sum of squares of each input feature over all calibration tokens, if the method needs it.

    Shapes: input_sq_sum [i], float32.
    """

    layer: str
    mask_seed: int = 0
    input_sq_sum: Tensor | None = None


Scores = Callable[[Tensor, LayerStats], Tensor]
"""``scores(weight [o, i], stats) -> [o, i]``: low scores go first. Float32 inside wherever something is rounded, inputs
unmodified, and the same order for equal numbers of any dtype."""


@dataclass(frozen=True)
class Method:
    """One line of the table of methods.

    Args:
        name: As in study files.
        scores: The kernel.
        groups: Comparison groups it may use; the first unless told otherwise.
        summary: One line for listings.
        source: Where it was published.
        docs: Its page and section.
        rule: How its scores become a mask.
        passes: Where its input statistics may come from, the first unless told otherwise; empty if it needs none.
        stays_dense: Linears it leaves alone, by the last part of their names.
        uses_mask_seed: Whether the mask seed changes its masks.
    """

    name: str
    scores: Scores
    groups: tuple[Group, ...]
    summary: str
    source: str
    docs: str
    rule: MaskRule = EXACT
    passes: tuple[Propagation, ...] = ()
    stays_dense: frozenset[str] = frozenset()
    uses_mask_seed: bool = False

    @property
    def per(self) -> Group:
        """The comparison group it uses unless told otherwise."""
        return self.groups[0]

    @property
    def takes_patterns(self) -> bool:
        """Whether its groups may be those of an N:M pattern, which needs exact counts."""
        return self.rule is EXACT

    @property
    def needs_inputs(self) -> bool:
        """Whether it needs calibration text."""
        return bool(self.passes)

    def prunes(self, layer: str) -> bool:
        """Whether it removes weights of the linear of this name."""
        return layer.rpartition(".")[2] not in self.stays_dense
