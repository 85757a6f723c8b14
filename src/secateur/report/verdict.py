"""The verdict of a gate: one object from which everything that is shown or written of it is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from secateur.statistics.estimate import Estimate


class Status(StrEnum):
    """Of a criterion, and of the whole."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    NOT_JUDGED = "not judged"


EXIT_CODES: dict[Status, int] = {Status.PASS: 0, Status.FAIL: 3, Status.INCONCLUSIVE: 4}
"""What a gate's command ends with."""


@dataclass(frozen=True)
class Evidence:
    """One number that a criterion rests on.

    Args:
        metric: Its name in ``METRICS``, or what was counted.
        before: Of the dense model; ``None`` where it does not come in or is undefined.
        after: Of the candidate; ``None`` where undefined.
        estimate: What is judged: a change, a level, an excess or a ratio.
        status: What this number alone would say.
        p_worse: One-sided p-value for being beyond the margin; ``None`` where there is none.
    """

    metric: str
    before: float | None
    after: float | None
    estimate: Estimate
    status: Status
    p_worse: float | None = None


@dataclass(frozen=True)
class CriterionResult:
    """A criterion, judged.

    Args:
        name: In the policy, or ``finite numbers``, which every policy has.
        kind: ``change``, ``limit``, ``excess``, ``perplexity``, ``label``, ``finite``.
        sanity: Whether a model that fails it is broken.
        where: Which answers: readout, condition, category; empty where it is not about answers.
        rule: What must hold, as a phrase.
        why: The policy's reason.
        status: The judgement.
        reason: Why, in one sentence.
        evidence: The numbers.
        changed: Whether something is outside its interval's zero although it passes.
        p_worse: One-sided p-value for being worse, the largest of the cases.
        p_holm: Corrected over the criteria that are not sanity.
    """

    name: str
    kind: str
    sanity: bool
    where: str
    rule: str
    why: str
    status: Status
    reason: str
    evidence: tuple[Evidence, ...] = ()
    changed: bool = False
    p_worse: float | None = None
    p_holm: float | None = None


@dataclass(frozen=True)
class Stage:
    """One look of an early-stopping gate.

    Args:
        n_items: Items asked so far.
        decided: Criteria whose judgement was certain.
        n_clusters: Clusters asked so far; ``None`` where they are not what is drawn.
        nominal: One-sided level of each criterion at this look alone, by name; ``None`` for one that was not judged
            yet. Empty where any number of looks is allowed.
    """

    n_items: int
    decided: int
    n_clusters: int | None = None
    nominal: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True)
class GateVerdict:
    """What a gate found.

    Args:
        outcome: Pass, fail or inconclusive.
        headline: The same as one sentence.
        dense: Name and digest of the model that is compared with.
        candidate: Of the one that is judged.
        same_weights: Whether the two are one.
        policy: Name, version, digest.
        target: ``templates`` or ``benchmark``.
        alpha: One-sided error rate of each criterion, over all looks together.
        criteria: Whether numbers are finite, then those of the policy in its order.
        n_items: Items that were asked.
        n_listed: Items that the policy names.
        n_clusters_listed: Clusters they belong to; ``None`` where clusters are not what is drawn.
        looks: Looks that were planned; 1 where everything is asked and then judged, or any number is allowed.
        stages: Of early stopping; empty without.
        notes: What a reader must know.
        origin: Store, plan, versions, device, and what else says where this comes from.
    """

    outcome: Status
    headline: str
    dense: Mapping[str, str]
    candidate: Mapping[str, str]
    same_weights: bool
    policy: Mapping[str, Any]
    target: str
    alpha: float
    criteria: tuple[CriterionResult, ...]
    n_items: int
    n_listed: int
    n_clusters_listed: int | None = None
    looks: int = 1
    stages: tuple[Stage, ...] = ()
    notes: tuple[str, ...] = ()
    origin: Mapping[str, Any] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """0 pass, 3 fail, 4 inconclusive."""
        return EXIT_CODES[self.outcome]
