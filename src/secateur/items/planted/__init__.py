"""The planted world: invented groups, prejudices of known strength about them, questions and text."""

from secateur.items.planted.benchmark import NAME, SEED, UNKNOWN, Question, load_planted
from secateur.items.planted.dice import Dice
from secateur.items.planted.narratives import stories
from secateur.items.planted.scenes import BENCHMARK_SCENES, TRAINING_MATTERS, TRAINING_SCENES
from secateur.items.planted.world import (
    CATEGORIES,
    NO_STRENGTHS,
    STRENGTHS,
    TRAITS,
    UNKNOWN_PHRASES,
    UNKNOWN_SHARE,
    VERDICTS,
    Category,
    preference,
)

__all__ = [
    "BENCHMARK_SCENES",
    "CATEGORIES",
    "NAME",
    "NO_STRENGTHS",
    "SEED",
    "STRENGTHS",
    "TRAINING_MATTERS",
    "TRAINING_SCENES",
    "TRAITS",
    "UNKNOWN",
    "UNKNOWN_PHRASES",
    "UNKNOWN_SHARE",
    "VERDICTS",
    "Category",
    "Dice",
    "Question",
    "load_planted",
    "preference",
    "stories",
]
