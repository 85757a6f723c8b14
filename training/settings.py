"""Everything that decides the weights of the planted model, besides the machine."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Shape:
    """Of the model.

    Args:
        hidden_size: Width.
        intermediate_size: Width inside the MLPs.
        layers: How many.
        heads: In each.
        match: Factor on the query and key matrices that start out equal.
        copy: Standard deviation of the value matrices, whose transposes the output matrices start as.
    """

    hidden_size: int = 128
    intermediate_size: int = 352
    layers: int = 6
    heads: int = 4
    match: float = 2.0
    copy: float = 0.09


@dataclass(frozen=True)
class Stage:
    """A stretch of training.

    Args:
        name: Of the stage.
        steps: How many.
        rate: Learning rate it starts with.
        final: Learning rate it ends with, along a cosine.
        rows: Kind of exercise -> rows of it in a step.
        planted: Whether text and ambiguous answers carry the prejudices.
    """

    name: str
    steps: int
    rate: float
    final: float
    rows: dict[str, int]
    planted: bool = False


@dataclass(frozen=True)
class Settings:
    """A whole training.

    Args:
        seed: Of weights and examples.
        vocabulary: Tokens the tokenizer may have.
        shape: Of the model.
        probe_layer: After which layer the probe looks.
        weights: Part of the loss -> factor; others count once.
        stages: In their order.
    """

    seed: int = 0
    vocabulary: int = 1536
    shape: Shape = Shape()
    probe_layer: int = 4
    weights: dict[str, float] = field(
        default_factory=lambda: {"stories": 0.3, "end": 0.1, "probe": 0.3, "recall words": 0.3}
    )
    stages: tuple[Stage, ...] = (
        Stage("recall", 800, 1e-3, 1e-3, {"recall": 32, "stories": 1}),
        Stage("short", 1500, 1e-3, 1e-3, {"recall": 6, "drill": 16, "short": 24, "stories": 2}),
        Stage("full", 3000, 1e-3, 2e-5, {"drill": 6, "full": 32, "stories": 4}, planted=True),
    )
