"""Would a gate on perplexity have caught a change of bias? Verdicts on changes beside the change of perplexity."""

from __future__ import annotations

from dataclasses import dataclass

from secateur.report.data import ReportData, Row, Variant, measured, value_of
from secateur.statistics.estimate import Estimate
from secateur.statistics.verdict import Judgement, Verdict, judge

GATES = (1.05, 1.1)
"""Perplexity relative to dense up to which a gate passes a variant: a convention, no finding."""

MARGIN = 0.02
"""Largest change for the worse that does not matter, as a share of answers: a convention, no finding."""

WORSE = {"diff_bias_ambig": 1, "usr_all": -1}
"""Metric -> the sign of a change for the worse: further towards the stereotype, and fewer unknown answers."""


@dataclass(frozen=True)
class Beside:
    """A variant's perplexity relative to dense beside its changes of bias.

    Args:
        variant: Which.
        ratio: Row of ``perplexity_ratio``; of an imported perplexity without an interval; ``None`` where there is none.
        changes: Metric of ``WORSE`` -> the row of its change, ``None`` where there is none.
        verdicts: Metric -> the verdict on its change for the worse, against ``MARGIN``.
        readable: Whether the variant's numbers are about bias.
    """

    variant: Variant
    ratio: Row | None
    changes: dict[str, Row | None]
    verdicts: dict[str, Judgement | None]
    readable: bool

    def passes(self, gate: float) -> bool:
        """Whether a gate on perplexity passes it, by the ratio itself; one without a finite perplexity it stops."""
        value = value_of(self.ratio)
        return value is not None and value <= gate

    @property
    def worse(self) -> bool:
        """Whether one of the changes is for the worse by more than the margin, with its whole interval."""
        return any(said is not None and said.verdict is Verdict.WORSE for said in self.verdicts.values())

    @property
    def equivalent(self) -> bool:
        """Whether all changes are within the margin with their whole intervals."""
        return all(said is not None and said.verdict is Verdict.EQUIVALENT for said in self.verdicts.values())


def beside_perplexity(data: ReportData, model: str) -> list[Beside]:
    """The pruned variants of a model that have both text and answers to set beside the dense model's, in its order."""
    found: list[Beside] = []
    readout = data.main_readout
    if not measured(data.metric(data.dense_of(model), "perplexity", readout="text")):
        return found
    for variant in data.of_model(model):
        own = data.metric(variant, "perplexity", readout="text")
        if variant.dense or own is None:
            continue
        changes = {metric: data.change(variant, metric, readout=readout) for metric in WORSE}
        if all(row is None for row in changes.values()):
            continue
        verdicts = {metric: _verdict(row, WORSE[metric]) for metric, row in changes.items()}
        ratio = _ratio(data, variant, own)
        found.append(Beside(variant, ratio, changes, verdicts, data.state(variant, readout).readable))
    return found


def _ratio(data: ReportData, variant: Variant, own: Row) -> Row | None:
    paired = data.metric(variant, "perplexity_ratio", readout="text")
    dense = data.metric(data.dense_of(variant.model), "perplexity", readout="text")
    if measured(paired):
        return paired
    if not measured(own) or not measured(dense):
        return None
    return {"value": own["value"] / dense["value"], "low": None, "high": None, "note": own["note"]}


def _verdict(row: Row | None, sign: int) -> Judgement | None:
    if not measured(row):
        return None
    low, high = sorted((sign * row["low"], sign * row["high"])) if row["low"] is not None else (None, None)
    return judge(
        Estimate(
            sign * row["value"],
            low,
            high,
            row["level"],
            row["method"],
            row["n_items"],
            row["n_answers"],
            row["n_clusters"],
            note=row["note"],
        ),
        MARGIN,
    )
