"""Which variants a study file names: its lists crossed, each variant with its recipe and its label."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from secateur.compression.methods import METHODS
from secateur.compression.noise import Noise
from secateur.compression.patterns import is_pattern, misfit, read_pattern
from secateur.compression.recipe import Recipe, recipe
from secateur.items.orders import ORDERS
from secateur.study.config import PlaceboConfig, StudyConfig, VariantConfig

DENSE = "dense"


@dataclass(frozen=True)
class NamedVariant:
    """One variant of a study, whatever the model.

    Args:
        label: For people; unique within the study.
        recipe: What is done to a model, a placebo too; ``None`` for the dense one.
        calibration_seed: Which calibration sequences it is made with, if any are drawn.
    """

    label: str
    recipe: Recipe | Noise | None
    calibration_seed: int | None = None


def name_variants(config: StudyConfig, calibrations: Mapping[int, str]) -> list[NamedVariant]:
    """Every variant that a study names, dense first.

    Args:
        config: The study file, its methods, groups and propagations known to exist.
        calibrations: Calibration seed -> digest of its sequences; one for each of the file's seeds if any method needs
            text.
    """
    found = [NamedVariant(DENSE, None)]
    for entry in config.variants:
        if isinstance(entry, VariantConfig):
            found += _of_methods(entry, config, calibrations)
        elif isinstance(entry, PlaceboConfig):
            placebos = (Noise(strength, seed) for strength in entry.strength for seed in entry.noise_seed)
            found += [NamedVariant(placebo.label, placebo) for placebo in placebos]
    return found


def _of_methods(entry: VariantConfig, config: StudyConfig, calibrations: Mapping[int, str]) -> Iterator[NamedVariant]:
    drawn = config.calibration is not None and config.calibration.cut == "stream"
    for method in entry.method:
        spec = METHODS[method]
        for level, pattern in [
            *((each, None) for each in entry.sparsity or ()),
            *((None, each) for each in entry.pattern or ()),
        ]:
            for mask_seed in entry.mask_seed if spec.uses_mask_seed else entry.mask_seed[:1]:
                for seed in calibrations if spec.needs_inputs else (None,):
                    made = recipe(
                        method,
                        level,
                        pattern=pattern,
                        per=entry.per,
                        mask_seed=mask_seed,
                        propagation=entry.propagation,
                        calibration=None if seed is None else calibrations[seed],
                    )
                    label = f"{made.label} calibration-seed-{seed}" if seed else made.label
                    yield NamedVariant(label, made, seed if drawn else None)


def faults_of_variants(config: StudyConfig) -> list[str]:
    """What is wrong with the methods that a study names, a line each."""
    faults = []
    for number, entry in _entries(config):
        for method in entry.method:
            place = f"variants.{number}"
            if method not in METHODS:
                faults.append(f"{place}.method: {method!r} is not one of {', '.join(METHODS)}")
                continue
            spec = METHODS[method]
            if entry.per is not None and entry.per not in spec.groups:
                faults.append(f"{place}.per: {entry.per!r} is not one of {', '.join(spec.groups)}, which {method} has")
            if entry.pattern and not spec.takes_patterns:
                able = ", ".join(name for name, each in METHODS.items() if each.takes_patterns)
                faults.append(f"{place}.pattern: {method} has no patterns; {able} have")
            if entry.propagation is not None and spec.passes and entry.propagation not in spec.passes:
                allowed = ", ".join(spec.passes)
                faults.append(f"{place}.propagation: {entry.propagation!r} is not one of {allowed}, which {method} has")
            if spec.needs_inputs and config.calibration is None:
                faults.append(f"calibration: missing; {method} ({place}) needs it")
    for number, other in enumerate(config.variants):
        if isinstance(other, PlaceboConfig) and (config.perplexity is None or config.perplexity.divergence is None):
            faults.append(f"perplexity.divergence: missing; a placebo (variants.{number}) is matched by KL")
    return faults


def faults_of_shapes(
    model: str, recipes: Iterable[Recipe | Noise | None], shapes: Callable[[], Mapping[str, tuple[int, int]]]
) -> list[str]:
    """Which patterns do not fit a model, a line each.

    Args:
        model: What the user called it.
        recipes: What is to be made of it.
        shapes: Gives its linears, layer name -> (rows, columns); called only if there is a pattern.
    """
    patterns = dict.fromkeys(
        read_pattern(one.per) for one in recipes if isinstance(one, Recipe) and is_pattern(one.per)
    )
    linears = shapes() if patterns else {}
    return [
        f"variants: the pattern {pattern} does not fit {model}: {found}; {pattern.of} must divide the input features"
        for pattern in patterns
        if (found := misfit(pattern, linears))
    ]


def methods_of(config: StudyConfig) -> tuple[str, ...]:
    """The methods that a study names, each once."""
    return tuple(dict.fromkeys(method for _, entry in _entries(config) for method in entry.method))


def ask_rows(config: StudyConfig, n_items: int, *, dense: bool) -> dict[str, int]:
    """Rows per table that one variant's ask cell holds when it is complete."""
    letter, sampled = config.readouts.letter, config.readouts.sampled
    rows = {"letter": n_items * len(ORDERS[letter.orders]) if letter else 0, "sampled": 0}
    if sampled:
        n_seeds = len(sampled.seeds) + (len(sampled.floor_seeds) if dense else 0)
        rows["sampled"] = n_items * len(ORDERS[sampled.orders]) * n_seeds
    return rows


def letter_floor_rows(config: StudyConfig, n_items: int) -> int:
    """Letter rows of the dense model asked again after a lossless change."""
    letter = config.readouts.letter
    return n_items * len(ORDERS[letter.orders]) if letter and letter.floor else 0


def wording_rows(config: StudyConfig, n_items: int, made: Recipe | Noise | None) -> dict[str, int]:
    """Letter rows of one variant in each other wording; placebos are asked in none."""
    letter = config.readouts.letter
    if letter is None or isinstance(made, Noise):
        return {}
    return dict.fromkeys(letter.other_prompts, n_items * len(ORDERS[letter.orders]))


def floor_rows(config: StudyConfig, n_items: int) -> int:
    """Of one dense model's sampled rows, those that serve only as a floor."""
    sampled = config.readouts.sampled
    return n_items * len(ORDERS[sampled.orders]) * len(sampled.floor_seeds) if sampled else 0


def _entries(config: StudyConfig) -> Iterator[tuple[int, VariantConfig]]:
    """The study's entries of methods, each with its place in the file's list."""
    return ((place, entry) for place, entry in enumerate(config.variants) if isinstance(entry, VariantConfig))
