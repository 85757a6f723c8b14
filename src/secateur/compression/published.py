"""The pruning of arXiv 2605.08137 as its code does it, so that its numbers can be told from the methods'.

The kernels are those of the methods as they should be; what differs is the mask rule, the linears left dense and, for
``wanda-pia``, what its norms are measured on. The reasons for each are in ``docs/design/published.md``.
"""

from __future__ import annotations

from secateur.compression.magnitude import magnitude_scores
from secateur.compression.masks import CHANCE, THRESHOLD, TRUNCATED
from secateur.compression.method import Method
from secateur.compression.random import random_scores
from secateur.compression.wanda import wanda_scores

_SOURCE = "code of arXiv:2605.08137"

RANDOM_PIA = Method(
    name="random-pia",
    scores=random_scores,
    groups=("tensor",),
    rule=CHANCE,
    uses_mask_seed=True,
    summary="As published: each weight goes with a probability equal to the level",
    source=_SOURCE,
    docs="docs/methods.md#random-pia",
)

MAGNITUDE_PIA = Method(
    name="magnitude-pia",
    scores=magnitude_scores,
    groups=("tensor",),
    rule=THRESHOLD,
    summary="As published: weights up to a threshold go, all ties with it",
    source=_SOURCE,
    docs="docs/methods.md#magnitude-pia",
)

WANDA_PIA = Method(
    name="wanda-pia",
    scores=wanda_scores,
    groups=("row",),
    rule=TRUNCATED,
    passes=("pia",),
    stays_dense=frozenset({"o_proj", "down_proj"}),
    summary="As published: norms from the study's own pass; o_proj and down_proj stay dense",
    source=_SOURCE,
    docs="docs/methods.md#wanda-pia",
)
