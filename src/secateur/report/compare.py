"""Comparing two variants of a store, item by item: the whole of ``secateur compare`` as one function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from secateur.errors import InputError, StoreError
from secateur.metrics.differences import DIFFERENCE_COLUMNS, corrected, difference_table, excess_table
from secateur.metrics.transitions import align_seeds, pair_outcomes
from secateur.records.answers import BY_ORDER, LETTER, SAMPLED, Answers, named_models, one_readout, read_answers
from secateur.records.outcomes import MIN_LETTER_MASS
from secateur.records.parsers import PARSERS, STRICT
from secateur.records.store import Store
from secateur.report.read import choose_plan


@dataclass(frozen=True)
class Side:
    """One variant of a plan.

    Args:
        model: The model's name, unique within the plan.
        label: The variant's label, unique within the model.
        answers: What it answered.
        letter_floor: Its letters after a lossless change; ``None`` where it was not asked again.
    """

    model: str
    label: str
    answers: Answers
    letter_floor: pl.DataFrame | None = None

    @property
    def name(self) -> str:
        """Unique within the plan."""
        return f"{self.model}, {self.label}"


@dataclass(frozen=True)
class Comparison:
    """Variants beside one of them.

    Args:
        plan: The plan that was read.
        baseline: Name of the one that the others are compared with.
        variants: Names of the others.
        differences: As ``differences.corrected``. A family of tests is one metric, readout and condition over all
            variants and all parts of one kind, such as all categories.
        excesses: Figures of pairs less their floors, columns ``DIFFERENCE_COLUMNS``; empty without a floor.
        level: Of the two-sided intervals.
    """

    plan: Mapping[str, Any]
    baseline: str
    variants: tuple[str, ...]
    differences: pl.DataFrame
    excesses: pl.DataFrame
    level: float


def compare_store(
    store: Store,
    *,
    baseline: str = "dense",
    variants: Sequence[str] = (),
    plan: str | None = None,
    parser: str = STRICT.name,
    min_mass: float = MIN_LETTER_MASS,
    level: float = 0.95,
) -> Comparison:
    """Every metric of variants less that of a baseline, with clustered intervals and tests.

    Args:
        store: Where the answers are.
        baseline: A variant's label, or ``MODEL, LABEL`` where several models have it.
        variants: Likewise; all others of the baseline's model if empty.
        plan: Start of the plan's digest; the one run last if ``None``.
        parser: Which parser reads sampled answers.
        min_mass: Letter mass below which a letter answer is unparsed.
        level: Of the two-sided intervals.

    Raises:
        InputError: If there is no such parser, plan or variant, or the name means several.
        StoreError: If the store holds no plan, or no answer of the baseline or of a variant.
    """
    if parser not in PARSERS:
        raise InputError("There is no such parser.", where="--parser", allowed=", ".join(PARSERS), got=parser)
    chosen = choose_plan(store, plan)
    items = store.item_set(chosen["items"])
    cells = _ask_cells(chosen)
    first = _find(cells, baseline, "--baseline")
    named = list(dict.fromkeys(_find(cells, name, "--variant") for name in variants))
    if first in named:
        raise InputError("A variant cannot be compared with itself.", where="--variant", got=_name(first))
    others = named or [key for key in cells if key[0] == first[0] and key != first]
    if not others:
        raise InputError(
            "There is nothing to compare with.", where="--variant", allowed=_listed(cells), got=f"only {_name(first)}"
        )

    how: Any = {"parser": PARSERS[parser], "min_mass": min_mass}

    def read(key: tuple[str, str]) -> Side:
        model, cell = cells[key]
        found = read_answers(store, chosen, model, cell, items, **how)
        if not found.outcomes:
            raise StoreError(
                "The store has no answers of this variant yet.", where=store.path, got=_name(key), todo="run the study"
            )
        again = [one for one in model["cells"] if one["task"] == "floor" and one["variant"] == cell["variant"]]
        letters = (read_answers(store, one_readout(chosen, LETTER), model, one, items, **how) for one in again)
        return Side(*key, found, letter_floor=next((one.outcomes.get(LETTER) for one in letters), None))

    before = read(first)
    differences, excesses = [], []
    for key in others:
        after = read(key)
        differences.append(compare_sides(before, after, items, level=level))
        excesses.append(excess_over_floor(before, after, items, level=level))
    return Comparison(
        chosen,
        before.name,
        tuple(_name(key) for key in others),
        corrected(pl.concat(differences)),
        pl.concat(excesses),
        level,
    )


def compare_sides(before: Side, after: Side, items: pl.DataFrame, *, level: float) -> pl.DataFrame:
    """All readouts that both have. Columns ``DIFFERENCE_COLUMNS``."""
    found = [pl.DataFrame(schema=DIFFERENCE_COLUMNS)]
    for readout in (LETTER, BY_ORDER, SAMPLED):
        first, second = (side.answers.outcomes.get(readout) for side in (before, after))
        if first is None or second is None:
            continue
        second = _with_seeds_of(first, second)
        found.append(
            difference_table(
                first,
                second,
                items,
                names=(before.name, after.name),
                readout=readout,
                level=level,
                pairs=pair_outcomes(first, second, items),
            )
        )
    return pl.concat(found)


def excess_over_floor(before: Side, after: Side, items: pl.DataFrame, *, level: float) -> pl.DataFrame:
    """Transitions and flips less their floor, of every readout in which the first was asked twice.

    Of sampled answers the figure pairs its second draws with the variant's, the floor with its own first ones: both
    compare different seeds. Of letters both pair its answers with those to the same question. Columns
    ``DIFFERENCE_COLUMNS``.
    """
    found = [pl.DataFrame(schema=DIFFERENCE_COLUMNS)]
    about: Any = {"names": (before.name, after.name), "level": level}
    for readout in (LETTER, SAMPLED):
        first, second = (side.answers.outcomes.get(readout) for side in (before, after))
        if first is None or second is None:
            continue
        if readout == LETTER and before.letter_floor is not None:
            floor, figure = (pair_outcomes(first, frame, items) for frame in (before.letter_floor, second))
        elif readout == SAMPLED and (again := before.answers.floor) is not None:
            floor, figure = (pair_outcomes(again, align_seeds(frame, like=again), items) for frame in (first, second))
        else:
            continue
        found.append(excess_table(floor, figure, items, readout=readout, **about))
    return pl.concat(found)


def _with_seeds_of(first: pl.DataFrame, second: pl.DataFrame) -> pl.DataFrame:
    """Answers drawn with wholly other seeds are paired by rank of seed."""
    if "seed" not in first.columns or not set(first["seed"].unique()).isdisjoint(second["seed"].unique()):
        return second
    return align_seeds(second, like=first)


def _ask_cells(plan: Mapping[str, Any]) -> dict[tuple[str, str], tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Model's name and variant's label -> the plan's model and cell."""
    return {
        (name, str(cell["label"])): (model, cell)
        for name, model in named_models(plan)
        for cell in model["cells"]
        if cell["task"] == "ask"
    }


def _find(cells: Mapping[tuple[str, str], object], name: str, option: str) -> tuple[str, str]:
    found = [key for key in cells if name in (key[1], _name(key))]
    if len(found) == 1:
        return found[0]
    what = "Several models have a variant of this name." if found else "There is no such variant."
    raise InputError(what, where=option, allowed=_listed(cells), got=name)


def _listed(cells: Mapping[tuple[str, str], object]) -> str:
    return "; ".join(_name(key) for key in cells)


def _name(key: tuple[str, str]) -> str:
    return f"{key[0]}, {key[1]}"
