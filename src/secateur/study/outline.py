"""What a study would ask, counted from its file and its items alone: no model, no text, no network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

from secateur.compression.recipe import Recipe
from secateur.compression.verify import expected_sparsity
from secateur.errors import ConfigError, OfflineError
from secateur.items.corpora import load_corpus
from secateur.items.item import ItemSet
from secateur.models.checkpoint import find_checkpoint
from secateur.models.published import PUBLISHED
from secateur.models.shapes import linear_shapes
from secateur.study.config import StudyConfig
from secateur.study.plan import check_names, study_items
from secateur.study.reading import load_text
from secateur.study.variants import (
    NamedVariant,
    ask_rows,
    faults_of_shapes,
    floor_rows,
    letter_floor_rows,
    name_variants,
    wording_rows,
)


@dataclass(frozen=True)
class Outline:
    """A study before its models are there.

    Args:
        config: The study file.
        items: What is asked.
        variants: Of each model, dense first.
        missing: Models and texts that are not on this machine.
    """

    config: StudyConfig
    items: ItemSet
    variants: tuple[NamedVariant, ...]
    missing: tuple[str, ...]

    @property
    def n_configurations(self) -> int:
        """Models x variants, dense ones among them."""
        return len(self.config.models) * len(self.variants)

    def rows(self, variant: NamedVariant) -> dict[str, int]:
        """Rows of one variant of one model per table, floor answers among the sampled, without ``letters_apart``."""
        return ask_rows(self.config, len(self.items), dense=variant.recipe is None)

    def letters_apart(self, variant: NamedVariant) -> dict[str, int]:
        """Letter rows of one variant of one model that are no answers of the study, by task."""
        others = wording_rows(self.config, len(self.items), variant.recipe)
        floor = letter_floor_rows(self.config, len(self.items)) if variant.recipe is None else 0
        return {"wording": sum(others.values()), "floor": floor}

    def rows_of(self, task: str) -> int:
        """Letter rows over all models and variants that are no answers of the study."""
        return len(self.config.models) * sum(self.letters_apart(variant)[task] for variant in self.variants)

    @cached_property
    def n_rows(self) -> dict[str, int]:
        """Rows per table over all models and variants, without the dense floor answers."""
        totals = {"letter": 0, "sampled": 0}
        for variant in self.variants:
            for table, rows in self.rows(variant).items():
                totals[table] += len(self.config.models) * rows
        totals["sampled"] -= self.floor_rows
        totals["letter"] += self.rows_of("wording") + self.rows_of("floor")
        return totals

    @property
    def floor_rows(self) -> int:
        """Sampled rows that serve only as the dense models' floor."""
        return len(self.config.models) * floor_rows(self.config, len(self.items))

    @cached_property
    def shapes(self) -> dict[str, Mapping[str, tuple[int, int]]]:
        """The linears of those of the study's models whose shapes are known without a download."""
        return {model.id: linear_shapes(PUBLISHED[model.id]) for model in self.config.models if model.id in PUBLISHED}

    def expected_sparsity(self, model: str, variant: NamedVariant) -> tuple[float, float] | None:
        """The least and the most that a variant's achieved sparsity can be, 0 to 1; ``None`` if shapes are unknown."""
        shapes = self.shapes.get(model)
        if shapes is None or not isinstance(variant.recipe, Recipe):
            return None
        return expected_sparsity(variant.recipe, shapes)


def outline_study(config: StudyConfig, *, base: Path) -> Outline:
    """Count what a study would ask.

    Args:
        config: The study file.
        base: Folder that relative paths in it start from.

    Raises:
        ConfigError: If methods, backend or benchmark do not exist, or a pattern does not fit a model whose shapes are
            known; all at once.
        InputError: If the items cannot be found or read.
    """
    check_names(config)
    seeds = config.calibration.seed if config.calibration else ()
    # The digest of text that is not here is not known; what stands in its place never leaves this function's result.
    variants = name_variants(config, {seed: f"calibration seed {seed}" for seed in seeds})
    outline = Outline(config, study_items(config, base), tuple(variants), tuple(_missing(config, base)))
    recipes = [variant.recipe for variant in variants]
    faults = [
        fault
        for model in outline.shapes
        for fault in faults_of_shapes(model, recipes, partial(outline.shapes.__getitem__, model))
    ]
    if faults:
        raise ConfigError(faults, where=config.study)
    return outline


def _missing(config: StudyConfig, base: Path) -> Iterator[str]:
    for model in config.models:
        try:
            find_checkpoint(model.id, revision=model.revision, offline=True, base=base)
        except OfflineError:
            yield model.id
    if config.perplexity is not None:
        try:
            load_text(config.perplexity.reading, base=base, offline=True)
        except OfflineError:
            yield f"text {config.perplexity.reading.corpus}"
    if config.calibration is not None:
        try:
            load_corpus(config.calibration.corpus, base=base, offline=True)
        except OfflineError:
            yield f"text {config.calibration.corpus}"
