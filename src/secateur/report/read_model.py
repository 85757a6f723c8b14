"""Everything that a report says of one model, from a store; no model needs another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from secateur.metrics.catalogue import METRICS, WHOLE_ANSWERS
from secateur.metrics.counts import CONDITIONS, NO_PARSED
from secateur.metrics.differences import DIFFERENCE_COLUMNS
from secateur.metrics.divergence import count_divergence
from secateur.metrics.sparsity import count_layers, sparsity_per_layer
from secateur.metrics.table import (
    ALL,
    METRIC_COLUMNS,
    TRANSITION_COLUMNS,
    Compared,
    compare_variants,
    metric_table,
)
from secateur.metrics.text import count_text, pair_text
from secateur.metrics.transitions import TransitionsBy, transition_counts, transition_excess
from secateur.records.answers import BY_ORDER, LETTER, SAMPLED, Answers, letters_only, read_answers
from secateur.records.cell import CellInfo
from secateur.records.complete import plan_rows
from secateur.records.outcomes import role_codes
from secateur.records.parsers import Parser
from secateur.records.store import Store
from secateur.report.as_published import Readers, Reread
from secateur.report.changes import (
    DIRECTION_COLUMNS,
    DOSE_COLUMNS,
    change_rows,
    count_beside,
    direction_rows,
    dose_rows,
    main_pairs,
    placebo_rows,
    placed,
)
from secateur.report.data import DENSE, LETTER_FLOOR, MASKS, TEXT, Published, Variant, wording_table
from secateur.report.matched import MATCHED_COLUMNS, matched_rows
from secateur.report.wordings import Reworded, reworded
from secateur.statistics.estimate import Estimate
from secateur.statistics.intervals import z_value

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
_LAYERS = {
    "variant": pl.String,
    "layer": pl.String,
    **dict.fromkeys(("weights", "removed", "zeros_before"), pl.Int64),
    "sparsity": pl.Float64,
}


class Reading:
    """What is read, and how; what its models share is worked out once. Pickled, it is the store's path and the rest.

    Args:
        store: Where the answers are.
        plan: One of ``store.plans()``.
        parser: Name of the one that reads sampled answers.
        min_mass: Letter mass below which a letter answer is unparsed.
        level: Of the intervals.
    """

    def __init__(self, store: Store, plan: Mapping[str, Any], *, parser: str, min_mass: float, level: float) -> None:
        self.store = store
        self.plan = plan
        self.parser = parser
        self.min_mass = min_mass
        self.level = level

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopened, (self.store.path, self.plan, self.parser, self.min_mass, self.level)

    @cached_property
    def cells(self) -> dict[str, CellInfo]:
        """The store's cells by their id."""
        return {info.id: info for info in self.store.cells()}

    @cached_property
    def items(self) -> pl.DataFrame:
        """The plan's items, rows of the table ``items``."""
        return self.store.item_set(self.plan["items"])

    @cached_property
    def realised(self) -> set[str]:
        """Keys of the variants that were realised."""
        return {said["planned"] for said in self.store.variants()}

    @cached_property
    def readers(self) -> Readers:
        """The parsers."""
        return Readers(self.parser)


def _reopened(path: Path, plan: Mapping[str, Any], parser: str, min_mass: float, level: float) -> Reading:
    return Reading(Store.open(path), plan, parser=parser, min_mass=min_mass, level=level)


@dataclass(frozen=True)
class ModelRead:
    """What a report says of one model, as in ``ReportData``."""

    digest: str
    variants: list[Variant]
    protocol: Mapping[str, Any]
    metrics: pl.DataFrame
    pairs: pl.DataFrame
    moves: pl.DataFrame
    letters: pl.DataFrame
    layers: pl.DataFrame
    coupling: dict[str, str]
    left_out: int
    published: Published | None
    parsed: pl.DataFrame
    changes: pl.DataFrame
    directions: pl.DataFrame
    doses: pl.DataFrame
    placebo_changes: pl.DataFrame
    matched: pl.DataFrame
    reworded: Reworded


def read_model(reading: Reading, number: int) -> ModelRead:
    """Everything of one model of the plan; its outcomes are in memory together, those of other models are not."""
    store, plan, items, level = reading.store, reading.plan, reading.items, reading.level
    model = plan["models"][number]
    again = Reread(reading.readers, items, level=level)
    answers = _Answers(store, plan, model, items, reading.readers.main, reading.min_mass, again)
    variants, text_rows, protocol = [], [], {}
    read: dict[tuple[str, str], pl.DataFrame] = {}
    windows = store.window_set(model["windows"]) if model["windows"] else None
    layers = []
    for key, entries in _by_variant(model["cells"]).items():
        rows: dict[str, tuple[int, int]] = {}
        for entry in entries:
            info = reading.cells.get(entry["cell"])
            wanted = {table: count for table, count in entry["rows"].items() if count}
            if entry["task"] == "ask":
                have = dict(answers.read(entry))
                if info is not None and entry["recipe"] is None:
                    protocol = dict(info.protocol)
            elif entry["task"] == "floor":
                have = {LETTER_FLOOR: answers.read_floor(entry)}
                wanted = {LETTER_FLOOR: sum(wanted.values())}
            elif entry["task"] == "wording":
                wording = entry["wording"]
                have = {wording_table(wording): answers.read_reworded(entry)}
                wanted = {wording_table(wording): sum(wanted.values())}
            else:
                have = {}
                for table in wanted if info is not None and windows is not None and plan["text"] else ():
                    # Of the dense model's distributions only the number is told here, and they are large.
                    columns = ("window",) if table == "reference" else None
                    frame = plan_rows(store, plan, model, entry, table, columns=columns)
                    have[table] = frame.height
                    if frame.height:
                        read[key, table] = frame
            rows |= {table: (have.get(table, 0), count) for table, count in wanted.items()}
        realisation = store.realisation(key) if key in reading.realised else None
        layer_frame = None
        if realisation is not None and "placebo" not in (entries[0]["recipe"] or {}):  # which removes nothing
            layer_frame = pl.DataFrame(pl.from_arrow(realisation.layers()))
            layers.append(
                sparsity_per_layer(layer_frame).select(pl.lit(key).alias("variant"), pl.all()).cast(_LAYERS)  # type: ignore[arg-type]
            )
            text_rows += _mask_rows(key, layer_frame, level=level)
        text_rows += _imported_rows(key, entries[0], level=level)
        variants.append(_variant(model, key, entries[0], rows, layer_frame))
    if windows is not None:
        dense = next(variant.key for variant in variants if variant.dense)
        text_rows += _text_rows(read, dense, windows, plan["text"], model.get("vocabulary"), level=level)
    unread = _Unread(answers, items)
    metrics = unread.mark(metric_table(answers.all(), items, level=level))
    beside = _compare(answers, variants, items, unread, kl=_by_variant_of("kl", text_rows), level=level)
    letters = {key: frames[LETTER] for key, frames in answers.frames.items() if LETTER in frames}
    return ModelRead(
        digest=str(model["model"]),
        variants=variants,
        protocol=protocol,
        metrics=pl.concat([metrics, pl.DataFrame(text_rows, schema=METRIC_COLUMNS)]),
        pairs=beside.pairs,
        moves=beside.moves,
        letters=_letters(answers, items),
        layers=pl.concat([pl.DataFrame(schema=_LAYERS), *layers]),
        coupling=beside.coupling,
        left_out=answers.left_out,
        published=again.published([v for v in variants if not v.placebo], _by_variant_of("perplexity", text_rows)),
        parsed=again.parsed,
        changes=beside.changes,
        directions=beside.directions,
        doses=beside.doses,
        placebo_changes=beside.placebo_changes,
        matched=beside.matched,
        reworded=reworded(letters, answers.reworded, variants, items, level=level),
    )


def _by_variant_of(metric: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    return {row["variant"]: row["value"] for row in rows if row["metric"] == metric}


def _imported_rows(key: str, entry: Mapping[str, Any], *, level: float) -> list[dict[str, Any]]:
    """The perplexity of a variant that was measured elsewhere, as the import kept it."""
    stated = entry.get("perplexity")
    if not stated:
        return []
    value, error = stated["value"], stated["standard_error"]
    half = None if error is None or value is None else z_value(level) * error
    found = Estimate(
        value=value,
        low=None if half is None else max(value - half, 0.0),
        high=None if half is None else value + half,
        level=level,
        method="normal, standard error as imported",
        n_items=0,
        n_answers=0,
        n_clusters=None,
        note="measured elsewhere" if value is not None else "measured elsewhere, not finite",
    )
    return [_plain_row(key, TEXT, "perplexity", found)]


def _by_variant(cells: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    found: dict[str, list[Mapping[str, Any]]] = {}
    for cell in cells:
        found.setdefault(cell["variant"], []).append(cell)
    return found


def _variant(
    model: Mapping[str, Any],
    key: str,
    entry: Mapping[str, Any],
    rows: Mapping[str, tuple[int, int]],
    layers: pl.DataFrame | None,
) -> Variant:
    recipe: Mapping[str, Any] = entry["recipe"] or {}
    method = str(recipe.get("method", recipe.get("placebo", DENSE)))
    pattern = str(recipe["per"]) if ":" in str(recipe.get("per", "")) else ""
    departs = [
        f"{'pattern' if name == 'per' and pattern else name} {recipe[name]}"
        for name in sorted(recipe)
        if name not in _NO_SERIES
    ]
    seeds = {name: entry.get(name, recipe.get(name)) for name in _SEEDS}
    achieved = 0.0 if method == DENSE else None
    if layers is not None and method != DENSE:
        achieved = METRICS["achieved_sparsity"].function(count_layers(layers)).value
    elif layers is None and entry.get("achieved"):  # of imported answers: counted by another program
        achieved = entry["achieved"]["zeros"] / entry["achieved"]["weights"]
    return Variant(
        key=key,
        model=str(model["model"]),
        model_name=str(model["name"]),
        label=str(entry["label"]),
        method=f"{method} {pattern}" if pattern else method,
        series=", ".join([method, *departs]),
        nominal=float(Fraction(recipe["sparsity"])) if "sparsity" in recipe else None,
        achieved=achieved,
        rows=rows,
        source=str(entry.get("source", "")),
        seed=", ".join(f"{name} {seed}" for name, seed in seeds.items() if seed is not None),
        strength=float(Fraction(recipe["strength"])) if "strength" in recipe else None,
    )


_SEEDS = ("mask_seed", "calibration_seed", "noise_seed")
_NO_SERIES = frozenset({"method", "placebo", "sparsity", "strength", "calibration", "source", *_SEEDS})


class _Answers:
    """The outcomes of one model's variants, restricted to what the plan asks."""

    def __init__(
        self,
        store: Store,
        plan: Mapping[str, Any],
        model: Mapping[str, Any],
        items: pl.DataFrame,
        parser: Parser,
        min_mass: float,
        again: Reread,
    ) -> None:
        self._of = (store, plan, model)
        self._items = items
        self._parser = parser
        self._min_mass = min_mass
        self._again = again
        self.frames: dict[str, Mapping[str, pl.DataFrame]] = {}
        self.floors: dict[str, pl.DataFrame] = {}
        self.letter_floors: dict[str, pl.DataFrame] = {}
        self.reworded: dict[str, dict[str, Mapping[str, pl.DataFrame]]] = {}
        self.left_out = 0

    def read(self, entry: Mapping[str, Any]) -> Mapping[str, int]:
        """Read a variant's cell of the plan; gives the rows found that the plan asks for."""
        key = entry["variant"]
        found = read_answers(*self._of, entry, self._items, parser=self._parser, min_mass=self._min_mass)
        if found.sampled is not None:
            self._again.add(key, found.sampled, found.outcomes[SAMPLED])
        if found.floor is not None and found.floor_rows is not None:
            self.floors[key] = found.floor
            self._again.add(key, found.floor_rows, found.floor, floor=True)
        self.frames[key] = found.outcomes
        self.left_out += found.left_out
        return found.rows

    def read_reworded(self, entry: Mapping[str, Any]) -> int:
        """Read a variant's cell in other words; gives the rows found that the plan asks for."""
        found = self._letters(entry)
        self.reworded.setdefault(entry["wording"], {})[entry["variant"]] = found.outcomes
        return found.rows[LETTER]

    def read_floor(self, entry: Mapping[str, Any]) -> int:
        """Read a variant's letters after a lossless change; gives the rows found that the plan asks for."""
        found = self._letters(entry)
        if LETTER in found.outcomes:
            self.letter_floors[entry["variant"]] = found.outcomes[LETTER]
        return found.rows[LETTER]

    def _letters(self, entry: Mapping[str, Any]) -> Answers:
        store, plan, model = self._of
        return read_answers(
            store, letters_only(plan), model, entry, self._items, parser=self._parser, min_mass=self._min_mass
        )

    def all(self) -> Iterator[tuple[str, str, pl.DataFrame]]:
        """Variant, readout, outcomes."""
        for key, frames in self.frames.items():
            for readout, frame in frames.items():
                yield key, readout, frame


class _Unread:
    """Where no answer to an item with roles could be read, so that a share of all answers is zero and says nothing."""

    _PLACE = ("variant", "readout", "category", "condition")

    def __init__(self, answers: _Answers, items: pl.DataFrame) -> None:
        self._facts = items.filter(has_roles(items)).select("item", "category", "condition")
        self._found = pl.concat(
            [
                pl.DataFrame(schema=dict.fromkeys(self._PLACE, pl.String)),
                *(self._places(frame, key, readout) for key, readout, frame in answers.all()),
            ]
        )

    def mark(self, rows: pl.DataFrame, *, dense: str = "", baseline: pl.DataFrame | None = None) -> pl.DataFrame:
        """Write it into the notes of the metrics it concerns.

        Args:
            rows: Of metrics or, with the next two, of pairs.
            dense: The dense variant's key.
            baseline: The dense model's answers in these pairs.
        """
        found = self._found
        if baseline is not None:
            readouts = rows.select("variant", "readout").unique()
            lost = self._places(baseline, dense, "").select("category", "condition").join(readouts, how="cross")
            found = pl.concat([found, lost.select(self._PLACE)]).unique()
        marked = rows.join(
            found.with_columns(unread=pl.lit(value=True)), on=self._PLACE, how="left", maintain_order="left"
        )
        says = pl.col("unread").is_not_null() & pl.col("value").is_not_null() & pl.col("metric").is_in(WHOLE_ANSWERS)
        return marked.with_columns(note=pl.when(says).then(pl.lit(NO_PARSED)).otherwise(pl.col("note"))).drop("unread")

    def _places(self, frame: pl.DataFrame, key: str, readout: str) -> pl.DataFrame:
        """Categories and conditions that were asked and of which nothing was read."""
        said = frame.select("item", read=pl.col("outcome") != "unparsed").join(self._facts, on="item")
        by_category = said.group_by("category", "condition", maintain_order=True).agg(pl.col("read").any())
        over_all = (
            by_category.group_by("condition", maintain_order=True)
            .agg(pl.col("read").any())
            .with_columns(category=pl.lit(ALL))
        )
        both = pl.concat([by_category, over_all.select(by_category.columns)]).filter(~pl.col("read"))
        return both.select(pl.lit(key).alias("variant"), pl.lit(readout).alias("readout"), "category", "condition")


@dataclass(frozen=True)
class _BesideDense:
    pairs: pl.DataFrame
    moves: pl.DataFrame
    coupling: dict[str, str]
    changes: pl.DataFrame
    directions: pl.DataFrame
    doses: pl.DataFrame
    placebo_changes: pl.DataFrame
    matched: pl.DataFrame


def _compare(
    answers: _Answers,
    variants: Sequence[Variant],
    items: pl.DataFrame,
    unread: _Unread,
    *,
    kl: Mapping[str, float | None],
    level: float,
) -> _BesideDense:
    """Every variant beside dense, per readout: numbers with floors, transitions, and changes item by item.

    Placebos are counted only to set others beside them at the same KL.
    """
    pairs, moves, coupling = [], [], {}
    directions = [pl.DataFrame(schema=DIRECTION_COLUMNS)]
    doses = [pl.DataFrame(schema=DOSE_COLUMNS)]
    placebo_changes = [placed(pl.DataFrame(schema=DIFFERENCE_COLUMNS))]
    matched = [pl.DataFrame(schema=MATCHED_COLUMNS)]
    changes = [placed(pl.DataFrame(schema=DIFFERENCE_COLUMNS))]
    dense = next(variant for variant in variants if variant.dense)
    for readout in (LETTER, SAMPLED):
        baseline, again = answers.frames[dense.key].get(readout), None
        coupling_text = "the same question and order on both sides"
        if readout == LETTER and (again := answers.letter_floors.get(dense.key)) is not None:
            coupling_text += "; floor: dense asked again in batches that are cut otherwise"
        if readout == SAMPLED and baseline is not None:
            coupling_text = "both sides drawn with the same seeds"
            if dense.key in answers.floors:
                # The figure and its floor must both compare different seeds.
                baseline, again = answers.floors[dense.key], baseline
                seeds = baseline["seed"].n_unique(), again["seed"].n_unique()
                coupling_text = (
                    f"dense drawn with {seeds[0]} floor seeds, the variant with {seeds[1]} main seeds; "
                    "floor: dense with the floor seeds against dense with the main seeds"
                )
        if baseline is None:
            continue
        frames, placebos = (
            [
                (variant.key, frame)
                for variant in variants
                if not variant.dense
                and variant.placebo is placebo
                and (frame := answers.frames[variant.key].get(readout)) is not None
            ]
            for placebo in (False, True)
        )
        coupling[readout] = coupling_text
        compared = compare_variants(baseline, frames, items, readout=readout, floor=again, level=level)
        found = unread.mark(compared.rows, dense=dense.key, baseline=baseline)
        pairs.append(_equal_seeds_only(found, baseline, dict(frames), again))
        whole = {dense.key: answers.frames[dense.key][readout], **dict(frames)}
        own = main_pairs(whole, compared, items, dense=dense.key)
        sides = count_beside(whole, items, dense=dense.key)
        changed = placed(change_rows(sides, compared, own, items, dense=dense.key, readout=readout, level=level))
        changes.append(unread.mark(changed, dense=dense.key, baseline=whole[dense.key]))
        doses.append(dose_rows(sides, readout=readout))
        directions.append(direction_rows(sides, own, readout=readout, level=level))
        noisy = count_beside({dense.key: whole[dense.key], **dict(placebos)}, items, dense=dense.key)
        changed = placed(placebo_rows(noisy, items, dense=dense.key, readout=readout, level=level))
        placebo_changes.append(unread.mark(changed, dense=dense.key, baseline=whole[dense.key]))
        sides |= noisy
        matched.append(matched_rows(sides, variants, kl, readout=readout, level=level))
        moves.append(_moves(compared, dense=dense.key, readout=readout, level=level))
    return _BesideDense(
        pairs=pl.concat([pl.DataFrame(schema=TRANSITION_COLUMNS), *pairs]),
        moves=pl.concat([pl.DataFrame(schema=_MOVES), *moves]),
        coupling=coupling,
        changes=pl.concat(changes),
        directions=pl.concat(directions),
        doses=pl.concat(doses),
        placebo_changes=pl.concat(placebo_changes),
        matched=pl.concat(matched),
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


def _letters(answers: _Answers, items: pl.DataFrame) -> pl.DataFrame:
    facts = items.select("item", "condition", has_roles=has_roles(items))
    found = [pl.DataFrame(schema=_LETTERS)]
    for key, readout, frame in answers.all():
        if readout == LETTER and BY_ORDER in answers.frames[key]:
            continue  # an average over orders stood at no letter
        unparsed = pl.col("outcome") == "unparsed"
        found.append(
            frame.join(facts, on="item", how="left")
            .group_by("condition", maintain_order=True)
            .agg(
                pl.len().alias("answers"),
                *((pl.col("letter") == place).sum().alias(f"at_{name}") for place, name in enumerate("abc")),
                (pl.col("letter").is_null() & ~unparsed).sum().alias("at_none"),
                (unparsed & ~pl.col("nonfinite")).sum().alias("unparsed"),
                pl.col("nonfinite").sum(),
                pl.col("item").filter(~pl.col("has_roles")).n_unique().alias("items_left_out"),
            )
            .sort("condition")
            .select(pl.lit(key).alias("variant"), pl.lit(readout).alias("readout"), pl.all())
            .cast(_LETTERS)  # type: ignore[arg-type]
        )
    return pl.concat(found)


def has_roles(items: pl.DataFrame) -> pl.Series:
    """Which items metrics of roles use: those with exactly one stereotype option."""
    return pl.Series((role_codes(items) == 0).sum(axis=1) == 1)


def _text_rows(
    read: Mapping[tuple[str, str], pl.DataFrame],
    dense: str,
    windows: pl.DataFrame,
    about: Mapping[str, Any],
    vocabulary: int | None,
    *,
    level: float,
) -> list[dict[str, Any]]:
    """What was made of text: each variant alone, and beside the dense model."""
    corpus = str(about["corpus"])
    rows = []
    for (key, table), frame in read.items():
        if table == "text":
            rows += _plain_rows(key, TEXT, "text", count_text(frame, windows, corpus=corpus), level=level)
            if key != dense and (dense, table) in read:
                pairs = pair_text(read[dense, table], frame, windows, corpus=corpus)
                rows += _plain_rows(key, TEXT, "text_pairs", pairs, level=level)
        elif table == "divergence":
            top = int(about["divergence"]["top"])
            counts = count_divergence(frame, windows, corpus=corpus, top=top, vocabulary=vocabulary)
            rows += _plain_rows(key, TEXT, "divergence", counts, level=level)
    return rows


def _mask_rows(key: str, layers: pl.DataFrame, *, level: float) -> list[dict[str, Any]]:
    return _plain_rows(key, MASKS, "layers", count_layers(layers), level=level)


def _plain_rows(key: str, readout: str, over: str, counts: object, *, level: float) -> list[dict[str, Any]]:
    """Rows of the metrics that know no category and no condition."""
    rows = []
    for metric in METRICS.values():
        if metric.over != over:
            continue
        estimate = metric.function(counts, level=level)
        rows.append(_plain_row(key, readout, metric.name, estimate))
    return rows


def _plain_row(key: str, readout: str, metric: str, estimate: Estimate) -> dict[str, Any]:
    row = {name: getattr(estimate, name, None) for name in METRIC_COLUMNS}
    return row | {"variant": key, "readout": readout, "category": ALL, "condition": "", "metric": metric}
