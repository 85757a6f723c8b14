"""Everything that a report says of one model's answers of one readout, from a store; no other readout is needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from secateur.metrics.catalogue import WHOLE_ANSWERS
from secateur.metrics.counts import CONDITIONS, NO_PARSED, Counts, count_outcomes
from secateur.metrics.differences import DIFFERENCE_COLUMNS
from secateur.metrics.table import ALL, TRANSITION_COLUMNS, Compared, compare_variants, counted_metrics
from secateur.metrics.transitions import TransitionsBy, transition_counts, transition_excess
from secateur.records.answers import BY_ORDER, LETTER, SAMPLED, one_readout, read_answers
from secateur.records.tables import QUESTIONS
from secateur.report.as_published import PARSED_COLUMNS, set_beside
from secateur.report.changes import (
    DIRECTION_COLUMNS,
    DOSE_COLUMNS,
    change_rows,
    direction_rows,
    dose_rows,
    main_pairs,
    placebo_rows,
    placed,
    put_all_beside,
)
from secateur.report.data import Variant
from secateur.report.matched import MATCHED_COLUMNS, matched_rows
from secateur.report.read_variants import VariantsRead, counted_as
from secateur.report.reading import Reading
from secateur.report.wordings import Reworded, reworded

WITHHELD = "withheld: it asks for a stereotype over all seeds, and the sides compared have different numbers of seeds"
"""Instead of the published "became biased" where a floor has more or fewer seeds than the figure."""

_MOVES = {
    "variant": pl.String,
    "floor": pl.Boolean,
    "readout": pl.String,
    "condition": pl.String,
    "from": pl.String,
    "to": pl.String,
    "pairs": pl.Int64,
    **dict.fromkeys(("share", "excess", "excess_low", "excess_high"), pl.Float64),
}
_LETTERS = {
    "variant": pl.String,
    "readout": pl.String,
    "condition": pl.String,
    **dict.fromkeys(
        ("answers", "at_a", "at_b", "at_c", "at_none", "unparsed", "nonfinite", "items_left_out"), pl.Int64
    ),
}


@dataclass(frozen=True)
class BesideDense:
    """The variants of a model beside the dense one, by one readout; frames as in ``ReportData``.

    Args:
        coupling: The readout -> how the two sides are coupled; empty without dense answers.
        pairs: Numbers of pairs, with floors.
        moves: Transitions.
        changes: Changes from dense, not yet corrected.
        directions: Why the stereotype rate changed.
        doses: What a regression on sparsity needs.
        placebo_changes: Changes of placebos, not yet corrected.
        matched: Changes beside others at the same KL, not yet corrected.
    """

    coupling: Mapping[str, str]
    pairs: pl.DataFrame
    moves: pl.DataFrame
    changes: pl.DataFrame
    directions: pl.DataFrame
    doses: pl.DataFrame
    placebo_changes: pl.DataFrame
    matched: pl.DataFrame


NOTHING_BESIDE = BesideDense(
    coupling={},
    pairs=pl.DataFrame(schema=TRANSITION_COLUMNS),
    moves=pl.DataFrame(schema=_MOVES),
    changes=placed(pl.DataFrame(schema=DIFFERENCE_COLUMNS)),
    directions=pl.DataFrame(schema=DIRECTION_COLUMNS),
    doses=pl.DataFrame(schema=DOSE_COLUMNS),
    placebo_changes=placed(pl.DataFrame(schema=DIFFERENCE_COLUMNS)),
    matched=pl.DataFrame(schema=MATCHED_COLUMNS),
)
"""Of a model that has no dense answers."""


@dataclass(frozen=True)
class ReadoutRead:
    """One model's answers of one readout; frames as in ``ReportData``.

    Args:
        rows: Rows that are there, by variant and what they are counted as.
        metrics: Those of answers.
        letters: Where the answers stood.
        beside: The variants beside the dense model.
        left_out: Items that lack some of the orders.
        parsed: What the parser makes of sampled answers, to be set beside others.
        reworded: The answers in other words.
    """

    rows: Mapping[str, Mapping[str, int]]
    metrics: pl.DataFrame
    letters: pl.DataFrame
    beside: BesideDense
    left_out: int
    parsed: pl.DataFrame
    reworded: Reworded


def read_readout(reading: Reading, number: int, readout: str, known: VariantsRead) -> ReadoutRead:
    """Read a model's answers of one readout; all its outcomes are in memory together.

    Args:
        reading: What is read, and how.
        number: Of the model in the plan.
        readout: ``LETTER`` or ``SAMPLED``.
        known: Of the same model.
    """
    items, level = reading.items, reading.level
    answers = _Answers(reading, number, readout)
    unread = _Unread(answers)
    letters = answers.of(LETTER)
    return ReadoutRead(
        rows=answers.rows,
        metrics=unread.mark(counted_metrics(answers.all(), items, level=level)),
        letters=_letters(answers),
        beside=_compare(answers, readout, known.variants, items, unread, kl=known.by_variant("kl"), level=level),
        left_out=answers.left_out,
        parsed=pl.concat(
            [
                pl.DataFrame(schema=PARSED_COLUMNS),
                *(
                    set_beside(key, reading.parser, counts, level=level)
                    for key, counts in answers.of(SAMPLED)[1].items()
                ),
            ]
        ),
        reworded=reworded(*letters, answers.reworded, known.with_rows(answers.rows), items, level=level),
    )


class _Answers:
    """A model's outcomes of one readout, restricted to what the plan asks."""

    def __init__(self, reading: Reading, number: int, readout: str) -> None:
        self.rows: dict[str, dict[str, int]] = {}
        self.frames: dict[str, Mapping[str, pl.DataFrame]] = {}
        self.counts: dict[str, Mapping[str, Counts]] = {}
        self.floors: dict[str, tuple[pl.DataFrame, Counts]] = {}
        self.letter_floors: dict[str, pl.DataFrame] = {}
        self.reworded: dict[str, dict[str, Mapping[str, pl.DataFrame]]] = {}
        self.left_out = 0
        plan = one_readout(reading.plan, readout)
        model = plan["models"][number]
        for entry in model["cells"]:
            # Other words and the floor of letters are asked by letter alone.
            if entry["task"] == "ask" or (readout == LETTER and entry["task"] in QUESTIONS):
                self._read(reading, plan, model, entry)

    def _read(
        self,
        reading: Reading,
        plan: Mapping[str, Any],
        model: Mapping[str, Any],
        entry: Mapping[str, Any],
    ) -> None:
        found = read_answers(
            reading.store,
            plan,
            model,
            entry,
            reading.items,
            parser=reading.readers.main,
            min_mass=reading.min_mass,
        )
        key = entry["variant"]
        self.rows.setdefault(key, {}).update(counted_as(entry, found.rows))
        if entry["task"] == "wording":
            self.reworded.setdefault(entry["wording"], {})[key] = found.outcomes
        elif entry["task"] == "floor":
            if LETTER in found.outcomes:
                self.letter_floors[key] = found.outcomes[LETTER]
        else:
            counts = {name: count_outcomes(frame, reading.items) for name, frame in found.outcomes.items()}
            if found.floor is not None:
                self.floors[key] = found.floor, count_outcomes(found.floor, reading.items)
            self.frames[key], self.counts[key] = found.outcomes, counts
            self.left_out += found.left_out

    def of(self, readout: str) -> tuple[dict[str, pl.DataFrame], dict[str, Counts]]:
        """Outcomes by variant, and the same counted."""
        frames = {key: found[readout] for key, found in self.frames.items() if readout in found}
        return frames, {key: self.counts[key][readout] for key in frames}

    def all(self) -> Iterator[tuple[str, str, Counts]]:
        """Variant, readout, counts."""
        for key, counted in self.counts.items():
            for readout, counts in counted.items():
                yield key, readout, counts


class _Unread:
    """Where no answer to an item with roles could be read, so that a share of all answers is zero and says nothing."""

    _PLACE = ("variant", "readout", "category", "condition")

    def __init__(self, answers: _Answers) -> None:
        self._found = self._frame(place for counted in answers.all() for place in self._places(*counted))

    def mark(self, rows: pl.DataFrame, *, baseline: Counts | None = None) -> pl.DataFrame:
        """Write it into the notes of the metrics it concerns.

        Args:
            rows: Of metrics or, with the next one, of pairs.
            baseline: The dense model's answers in these pairs.
        """
        found = self._found
        if baseline is not None:
            pairs = rows.select("variant", "readout").unique()
            lost = [place for key, readout in pairs.iter_rows() for place in self._places(key, readout, baseline)]
            found = pl.concat([found, self._frame(lost)]).unique()
        marked = rows.join(
            found.with_columns(unread=pl.lit(value=True)), on=self._PLACE, how="left", maintain_order="left"
        )
        says = pl.col("unread").is_not_null() & pl.col("value").is_not_null() & pl.col("metric").is_in(WHOLE_ANSWERS)
        return marked.with_columns(note=pl.when(says).then(pl.lit(NO_PARSED)).otherwise(pl.col("note"))).drop("unread")

    def _frame(self, places: Iterable[tuple[str, ...]]) -> pl.DataFrame:
        return pl.DataFrame(list(places), dict.fromkeys(self._PLACE, pl.String), orient="row")

    @staticmethod
    def _places(key: str, readout: str, counts: Counts) -> Iterator[tuple[str, ...]]:
        """Categories and conditions that were asked and of which nothing was read."""
        kept = counts.with_roles()
        at = (kept.condition, kept.category)
        asked, read = (np.zeros((len(CONDITIONS), len(kept.categories)), np.bool_) for _ in range(2))
        asked[at] = True
        read[tuple(axis[kept.parsed > 0] for axis in at)] = True
        for condition, found, said in zip(CONDITIONS, asked, read, strict=True):
            if found.any() and not said.any():
                yield key, readout, ALL, condition
            for place in np.flatnonzero(found & ~said):
                yield key, readout, kept.categories[place], condition


def _compare(
    answers: _Answers,
    readout: str,
    variants: Sequence[Variant],
    items: pl.DataFrame,
    unread: _Unread,
    *,
    kl: Mapping[str, float | None],
    level: float,
) -> BesideDense:
    """Every variant beside dense: numbers with floors, transitions, and changes item by item.

    Placebos are counted only to set others beside them at the same KL.
    """
    dense = next(variant.key for variant in variants if variant.dense)
    outcomes, counts = answers.of(readout)
    if dense not in outcomes:
        return NOTHING_BESIDE
    baseline, paired, again = outcomes[dense], counts[dense], None
    coupling = "the same question and order on both sides"
    if readout == LETTER and (again := answers.letter_floors.get(dense)) is not None:
        coupling += "; floor: dense asked again in batches that are cut otherwise"
    if readout == SAMPLED:
        coupling = "both sides drawn with the same seeds"
        if dense in answers.floors:
            # The figure and its floor must both compare different seeds.
            again = baseline
            baseline, paired = answers.floors[dense]
            seeds = baseline["seed"].n_unique(), again["seed"].n_unique()
            coupling = (
                f"dense drawn with {seeds[0]} floor seeds, the variant with {seeds[1]} main seeds; "
                "floor: dense with the floor seeds against dense with the main seeds"
            )
    frames, placebos = (
        {
            variant.key: outcomes[variant.key]
            for variant in variants
            if not variant.dense and variant.placebo is placebo and variant.key in outcomes
        }
        for placebo in (False, True)
    )
    compared = compare_variants(baseline, frames.items(), items, readout=readout, floor=again, level=level)
    own = main_pairs(outcomes, compared, items, dense=dense)
    sides, noisy = (
        put_all_beside({key: counts[key] for key in (dense, *part)}, dense=dense) for part in (frames, placebos)
    )
    changed, shaken = (
        unread.mark(placed(rows), baseline=counts[dense])
        for rows in (
            change_rows(sides, compared, own, items, dense=dense, readout=readout, level=level),
            placebo_rows(noisy, items, dense=dense, readout=readout, level=level),
        )
    )
    return BesideDense(
        coupling={readout: coupling},
        pairs=_equal_seeds_only(unread.mark(compared.rows, baseline=paired), baseline, frames, again),
        moves=_moves(compared, dense=dense, readout=readout, level=level),
        changes=changed,
        directions=direction_rows(sides, own, readout=readout, level=level),
        doses=dose_rows(sides, readout=readout),
        placebo_changes=shaken,
        matched=matched_rows({**sides, **noisy}, variants, kl, readout=readout, level=level),
    )


def _moves(compared: Compared, *, dense: str, readout: str, level: float) -> pl.DataFrame:
    """What became of the answers of each variant, less the floor, and of the dense model asked again."""
    found = [pl.DataFrame(schema=_MOVES)]
    floor = compared.floor
    for key, pairs in [*([(dense, floor)] if floor is not None else []), *compared.pairs.items()]:
        for condition in CONDITIONS:
            part = pairs.of(condition=condition)
            if not part.n_items:
                continue
            by: TransitionsBy = "outcome" if condition == "ambig" else "correctness"
            counted = transition_counts(part, by=by).rename({"dense": "from", "variant": "to"})
            # Shares over other items than the floor's would not subtract to it.
            if floor is not None and pairs is not floor and np.array_equal(floor.item, pairs.item):
                excess = transition_excess(floor.of(condition=condition), part, by=by, level=level)
                counted = counted.hstack(excess.drop("dense", "variant"))
            about = {"variant": key, "floor": pairs is floor, "readout": readout, "condition": condition}
            counted = counted.with_columns(**{name: pl.lit(value) for name, value in about.items()})
            found.append(counted)
    return pl.concat(found, how="diagonal")


def _equal_seeds_only(
    rows: pl.DataFrame, baseline: pl.DataFrame, frames: Mapping[str, pl.DataFrame], again: pl.DataFrame | None
) -> pl.DataFrame:
    """Says where seeds were left without a partner, and withholds there what depends on how many there are."""
    ours = _n_seeds(baseline)
    theirs = {key: _n_seeds(frame) for key, frame in frames.items()}
    unequal = [key for key, number in theirs.items() if len({ours, number, _n_seeds(again) or ours}) > 1]
    if not unequal:
        return rows
    paper = pl.col("metric") == "became_biased_paper"
    concerned = pl.col("variant").is_in(unequal)
    seeds = pl.col("variant").replace_strict(theirs, return_dtype=pl.Int64)
    used = pl.format(
        "{} pairs used: of {} seeds of the dense model and {} of the variant, {} could be paired",
        pl.col("n_answers"),
        pl.lit(ours),
        seeds,
        pl.min_horizontal(pl.lit(ours), seeds),
    )
    both = pl.concat_str(pl.col("note").replace("", None), used, separator="; ", ignore_nulls=True)
    note = (
        pl.when(concerned & paper)
        .then(pl.lit(WITHHELD))
        .when(concerned & (seeds != ours) & (pl.col("note") != NO_PARSED))
        .then(both)
        .otherwise(pl.col("note"))
    )
    numbers = (f"{name}{end}" for name in ("floor", "excess") for end in ("", "_low", "_high"))
    floor_note = pl.when(concerned & paper).then(pl.lit("withheld likewise")).otherwise(pl.col("floor_note"))
    return rows.with_columns(
        *(
            pl.when(concerned & paper).then(None).otherwise(pl.col(name)).alias(name)
            for name in ("value", "low", "high", *numbers)
        ),
        note=note,
        floor_note=floor_note,
    )


def _n_seeds(frame: pl.DataFrame | None) -> int:
    """How many seeds answers were drawn with; 0 if none were drawn."""
    return 0 if frame is None or "seed" not in frame.columns else frame["seed"].n_unique()


def _letters(answers: _Answers) -> pl.DataFrame:
    rows = []
    for key, readout, counts in answers.all():
        if readout == LETTER and BY_ORDER in answers.counts[key]:
            continue  # an average over orders stood at no letter
        for condition in CONDITIONS:
            part = counts.of(condition=condition)
            if not part.n_items:
                continue
            at = part.letters.sum(axis=0).tolist()
            unparsed, nonfinite = int(part.unparsed.sum()), int(part.nonfinite.sum())
            none = part.n_answers - sum(at) - unparsed
            left_out = int((~part.has_roles).sum())
            rows.append((key, readout, condition, part.n_answers, *at, none, unparsed - nonfinite, nonfinite, left_out))
    return pl.DataFrame(rows, _LETTERS, orient="row")
