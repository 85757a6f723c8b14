"""What a report is made from: the plan, its variants, and the frames that tables, figures and claims query."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias, TypeGuard

import polars as pl

from secateur.identity import distinct_names
from secateur.metrics.counts import NO_PARSED
from secateur.metrics.table import ALL
from secateur.records.answers import BY_ORDER, LETTER, SAMPLED

DENSE = "dense"

TEXT = "text"
MASKS = "masks"

READOUTS: dict[str, str] = {
    LETTER: "log-probabilities of the three option letters; over several orders they are averaged per option",
    BY_ORDER: "the same, each order counted as an answer of its own, so that a preference for a letter shows",
    SAMPLED: "texts drawn from the model, read by the parser",
    TEXT: "running text, read once",
    MASKS: "the masks themselves, counted",
}
"""Where a number comes from, by the name in the column ``readout``."""

OK = "ok"
UNCHECKED = "guessing not checked"
NOT_RUN = "not run"
INCOMPLETE = "incomplete"
GUESSING = "no better than guessing"
BROKEN = "broken"

SAME = "same draws"
OTHER = "other draws"
FLOOR = "floor"
"""How the two sides of a published transition were drawn: with the same seeds, as published; dense with the floor
seeds and the variant with the main ones; and, the floor of the latter, dense with either. A figure and its floor must
have the same coupling, so the floor belongs to ``OTHER`` alone."""

Row: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Variant:
    """One variant of one model, as the plan has it.

    Args:
        key: Its planned digest, the column ``variant`` of every frame.
        model: Digest of its base model.
        model_name: What the user called that.
        label: For people; unique within the model.
        method: ``dense`` or the name of the method, with its pattern if it has one: where methods are set side by side
            at one nominal level, a pattern is another method.
        series: What is drawn as one line: the recipe without its level and seeds.
        nominal: The level that was asked for, 0..1; ``None`` where the recipe has none.
        achieved: Weights the mask removed / weights of the pruned linears; ``None`` if the variant was never made, or
            was imported without such counts.
        rows: Rows there are and rows planned, per table.
        source: The format its answers were imported from; empty if they were asked here.
        seed: Which of several masks or calibrations of the same recipe it is ("mask_seed 1"); empty if there is no
            choice.
        strength: Of a placebo, the strength of its noise; of others ``None``.
    """

    key: str
    model: str
    model_name: str
    label: str
    method: str
    series: str
    nominal: float | None
    achieved: float | None
    rows: Mapping[str, tuple[int, int]]
    source: str = ""
    seed: str = ""
    strength: float | None = None

    @property
    def placebo(self) -> bool:
        """Whether it is the dense model with noise, which no pruned variant is counted with."""
        return self.strength is not None

    @property
    def axis(self) -> float | None:
        """Its place on the axis of sparsity: the achieved one; where imported answers lack it, the nominal one."""
        return self.nominal if self.achieved is None and self.source else self.achieved

    @property
    def dense(self) -> bool:
        """Whether it is the unpruned model."""
        return self.method == DENSE

    @property
    def have(self) -> int:
        """Rows of the plan that are there."""
        return sum(have for have, _ in self.rows.values())

    @property
    def want(self) -> int:
        """Rows of the plan."""
        return sum(want for _, want in self.rows.values())

    def complete(self, table: str) -> bool:
        """Whether the plan wants rows of a table and all of them are there."""
        have, want = self.rows.get(table, (0, 0))
        return 0 < want <= have


LETTER_FLOOR = "letter, floor"
"""The name under which the dense model's letters after a lossless change are counted."""


def wording_table(wording: str) -> str:
    """The name under which a variant's rows in other words are counted."""
    return f"letter, {wording}"


def wording_rows_of(variant: Variant, wording: str) -> tuple[int, int]:
    """Rows there are and rows planned in these other words."""
    return variant.rows.get(wording_table(wording), (0, 0))


@dataclass(frozen=True)
class State:
    """Whether a variant's numbers of one readout can be read as what they are called.

    Args:
        name: One of ``ok``, ``guessing not checked``, ``not run``, ``incomplete``, ``no better than guessing``,
            ``broken``.
        reasons: What was found, as whole sentences' ends.
    """

    name: str
    reasons: tuple[str, ...] = ()

    @property
    def readable(self) -> bool:
        """Whether a bias number of this variant may be one: nothing that was checked speaks against it."""
        return self.name in (OK, UNCHECKED, INCOMPLETE)


@dataclass(frozen=True)
class Published:
    """The published study's quantities (``metrics.published``), of all models.

    Args:
        parser: Which parser read the answers for them.
        left_out: Ambiguous items without roles, which none of them counts.
        rates: As ``rates``, per variant and category.
        transitions: As ``transitions``, per variant and ``draws``: one of ``SAME``, ``OTHER``, ``FLOOR``.
        dose: As ``dose_response``, with the model.
        gap: As ``evaluation_gap``, per variant.
        averaged_gap: As ``averaged_gap``, with the model.
        comparison: As ``method_comparison``, per variant and category.
        tests: As ``correct_tests``, per pruned variant and category.
        paired: As ``correct_paired``, the same comparisons by a paired, clustered test.
        retained: As ``retained``, with the model.
        latent: As ``rates``, over the latent-bias subset.
        edge: As ``edge``, per variant.
        regression: A row per model and term, or one without a term that says why there is none.
    """

    parser: str
    left_out: int
    rates: pl.DataFrame
    transitions: pl.DataFrame
    dose: pl.DataFrame
    gap: pl.DataFrame
    averaged_gap: pl.DataFrame
    comparison: pl.DataFrame
    tests: pl.DataFrame
    paired: pl.DataFrame
    retained: pl.DataFrame
    latent: pl.DataFrame
    edge: pl.DataFrame
    regression: pl.DataFrame


@dataclass(frozen=True)
class ReportData:
    """Everything a report needs, read once.

    Args:
        plan: The plan's record, as in the store.
        other_plans: Study names and digests of the plans not reported.
        hash_version: Of the store.
        environments: Machines and versions that wrote.
        protocol: What the dense model's answers were made under, model digest -> plain values.
        parser: Which parser read the sampled answers.
        min_mass: Letter mass below which a letter answer is unparsed.
        level: Of every interval.
        variants: In the plan's order, dense first within a model; without placebos.
        states: Variant key and readout -> state.
        items: Items per category and condition, with clusters and what is left out.
        metrics: As ``metric_table``, of answers, text and masks.
        pairs: As ``transition_table``.
        moves: Transitions: variant, floor, readout, condition, from, to, pairs, share; and the share's excess over its
            floor, with an interval, of variants that have one. Rows with ``floor`` are the floor itself.
        letters: Answers per variant, readout and condition by what they were.
        layers: Achieved sparsity per pruned linear.
        coupling: Readout -> how the two sides of a pair were drawn.
        left_out: Model digest -> items left out of the averaged letter readout because an order is missing.
        published: The published quantities; ``None`` if no ambiguous item with roles was sampled.
        parsed: The same sampled answers to ambiguous items under several parsers: variant, parser, metric, value, low,
            high, n_items, n_answers, note.
        changes: Each pruned variant less dense, item by item, with clustered intervals and corrected tests: as
            ``changes.CHANGE_COLUMNS``.
        directions: Why the stereotype rate of each pruned variant changed: as ``changes.DIRECTION_COLUMNS``.
        doses: Stereotype shares per variant and cluster: as ``changes.DOSE_COLUMNS``.
        placebos: In the plan's order.
        matched: Changes beside those at the same KL: as ``matched.CORRECTED_MATCHED``.
        wordings: Answers in other words beside those in the study's: as ``wordings.WORDING_COLUMNS``.
        reworded: Changes from dense in other words: as ``wordings.CORRECTED_REWORDED``.
        wording_states: Variant key and wording -> state.
    """

    plan: Mapping[str, Any]
    other_plans: tuple[tuple[str, str], ...]
    hash_version: int
    environments: tuple[Mapping[str, Any], ...]
    protocol: Mapping[str, Mapping[str, Any]]
    parser: str
    min_mass: float
    level: float
    variants: tuple[Variant, ...]
    states: Mapping[tuple[str, str], State]
    items: pl.DataFrame
    metrics: pl.DataFrame
    pairs: pl.DataFrame
    moves: pl.DataFrame
    letters: pl.DataFrame
    layers: pl.DataFrame
    coupling: Mapping[str, str]
    left_out: Mapping[str, int] = field(default_factory=dict)
    published: Published | None = None
    parsed: pl.DataFrame = field(default_factory=pl.DataFrame)
    changes: pl.DataFrame = field(default_factory=pl.DataFrame)
    directions: pl.DataFrame = field(default_factory=pl.DataFrame)
    doses: pl.DataFrame = field(default_factory=pl.DataFrame)
    placebos: tuple[Variant, ...] = ()
    matched: pl.DataFrame = field(default_factory=pl.DataFrame)
    wordings: pl.DataFrame = field(default_factory=pl.DataFrame)
    reworded: pl.DataFrame = field(default_factory=pl.DataFrame)
    wording_states: Mapping[tuple[str, str], State] = field(default_factory=dict)

    @property
    def study(self) -> str:
        """The study's name."""
        return str(self.plan["study"])

    @property
    def digest(self) -> str:
        """The plan's digest."""
        return str(self.plan["digest"])

    @cached_property
    def models(self) -> dict[str, str]:
        """Model digest -> name, in the plan's order; names that occur twice carry the start of the digest."""
        names = {variant.model: variant.model_name for variant in self.variants}
        return dict(zip(names, distinct_names(list(names.items())), strict=True))

    def state(self, variant: Variant, readout: str) -> State:
        """Whether the variant's numbers of this readout can be read as what they are called."""
        return self.states[variant.key, readout]

    def of_model(self, model: str) -> list[Variant]:
        """The variants of one model, dense first."""
        return [variant for variant in self.variants if variant.model == model]

    def dense_of(self, model: str) -> Variant:
        """The dense variant of a model."""
        return next(variant for variant in self.of_model(model) if variant.dense)

    @property
    def everything(self) -> tuple[Variant, ...]:
        """The variants, and the placebos after them."""
        return (*self.variants, *self.placebos)

    @property
    def rows(self) -> tuple[int, int]:
        """Rows of the plan that are there, and rows planned."""
        return sum(v.have for v in self.everything), sum(v.want for v in self.everything)

    @property
    def conditions(self) -> tuple[str, ...]:
        """Which conditions were planned."""
        return tuple(self.items["condition"].unique(maintain_order=True))

    @property
    def readouts(self) -> tuple[str, ...]:
        """The readouts planned: ``letter``, ``sampled``."""
        return tuple(name for name in (LETTER, SAMPLED) if self.plan.get(name))

    @property
    def other_wordings(self) -> tuple[str, ...]:
        """In which other words than the study's the items were to be asked."""
        return tuple((self.plan.get(LETTER) or {}).get("other_prompts", ()))

    @property
    def main_readout(self) -> str:
        """The readout that sentences quote: the paper's if it was planned."""
        return self.readouts[-1]

    @property
    def letters_readout(self) -> dict[str, str]:
        """Readout -> the readout under which its letters are counted."""
        by_order = BY_ORDER if len((self.plan.get("letter") or {}).get("orders", ())) > 1 else LETTER
        return {LETTER: by_order, SAMPLED: SAMPLED}

    @property
    def sparsity_axis(self) -> str:
        """What the axis of sparsity is called; imported variants may stand at their nominal level."""
        nominal = any(v.achieved is None and v.axis is not None for v in self.variants)
        return "sparsity (nominal where not known)" if nominal else "achieved sparsity"

    @property
    def has_text(self) -> bool:
        """Whether text was to be read here, or was read elsewhere and its perplexity imported."""
        return bool(self.plan["text"]) or bool((self.metrics["metric"] == "perplexity").any())

    @property
    def text_protocol(self) -> str:
        """Under which protocol text was read."""
        if self.plan["text"]:
            return str(self.plan["text"]["protocol"])
        return "that of the source, not stated" if self.has_text else "none, no text was read"

    @cached_property
    def _metric_rows(self) -> dict[tuple[str, ...], Row]:
        return _index(self.metrics)

    @cached_property
    def _pair_rows(self) -> dict[tuple[str, ...], Row]:
        return _index(self.pairs)

    @cached_property
    def _change_rows(self) -> dict[tuple[str, ...], Row]:
        return _index(self.changes)

    @cached_property
    def _reworded_rows(self) -> dict[tuple[str, ...], Row]:
        names = ("variant", "wording", "condition", "metric")
        return {tuple(row[name] for name in names): row for row in self.reworded.iter_rows(named=True)}

    def metric(
        self, variant: Variant, metric: str, *, readout: str = "", condition: str = "", category: str = ALL
    ) -> Row | None:
        """The row of one number of a variant; ``None`` if there is none."""
        return self._metric_rows.get((variant.key, readout, condition, category, metric))

    def pair(
        self, variant: Variant, metric: str, *, readout: str, condition: str = "ambig", category: str = ALL
    ) -> Row | None:
        """The row of one number of a variant beside dense; ``None`` if there is none."""
        return self._pair_rows.get((variant.key, readout, condition, category, metric))

    def change(
        self, variant: Variant, metric: str, *, readout: str, condition: str = "ambig", category: str = ALL
    ) -> Row | None:
        """The row of what a variant has more of a metric than dense, item by item; ``None`` if there is none."""
        return self._change_rows.get((variant.key, readout, condition, category, metric))

    def reworded_change(self, variant: Variant, metric: str, *, wording: str, condition: str) -> Row | None:
        """The row of what a variant changed from dense in other words; ``None`` if there is none."""
        return self._reworded_rows.get((variant.key, wording, condition, metric))


def measured(row: Row | None) -> TypeGuard[Row]:
    """Whether there is a value to show. A zero over answers of which none could be read is none."""
    return row is not None and row["value"] is not None and row["note"] != NO_PARSED


def value_of(row: Row | None) -> float | None:
    """The value of a row, ``None`` where there is none to show."""
    return row["value"] if measured(row) else None


def _index(frame: pl.DataFrame) -> dict[tuple[str, ...], Row]:
    names = ("variant", "readout", "condition", "category", "metric")
    return {tuple(row[name] for name in names): row for row in frame.iter_rows(named=True)}
