"""Everything that decides the weights of the planted model, besides the machine."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Shape:
    """Of the model, and of the attention it starts with.

    Args:
        hidden_size: Width.
        intermediate_size: Width inside the MLPs.
        layers: How many.
        heads: In each.
        matching: Layer -> for each of its first heads, how far back from a matched word lies what the head brings.
    """

    hidden_size: int = 128
    intermediate_size: int = 352
    layers: int = 6
    heads: int = 4
    # In "The X was T" the name stands two tokens before the trait; in "A) The X" the letter three before the name.
    matching: dict[int, tuple[int, ...]] = field(default_factory=lambda: {1: (2, 2), 2: (2,), 3: (3, 3), 4: (3,)})


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
        wakes: Whether weights that are still zero get small random values first.
    """

    name: str
    steps: int
    rate: float
    final: float
    rows: dict[str, int]
    planted: bool = False
    wakes: bool = False


@dataclass(frozen=True)
class Settings:
    """A whole training.

    Args:
        seed: Of weights and examples.
        vocabulary: Tokens the tokenizer may have.
        shape: Of the model.
        reading: After how many layers it should be readable who is meant, at the trait in the question and where the
            answer is due.
        weights: Part of the loss -> factor; others count once.
        stages: In their order.
    """

    seed: int = 0
    vocabulary: int = 1536
    shape: Shape = field(default_factory=Shape)
    reading: tuple[int, int] = (2, 3)
    weights: dict[str, float] = field(default_factory=lambda: {"stories": 0.3, "end": 1.0, "reading": 0.3})
    stages: tuple[Stage, ...] = (
        Stage("short", 500, 1e-3, 1e-3, {"drill": 16, "short": 24}),
        Stage("full", 2000, 1e-3, 2e-5, {"drill": 6, "full": 32, "stories": 4}, planted=True, wakes=True),
    )
