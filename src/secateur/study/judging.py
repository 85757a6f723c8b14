"""From what two models answered to a judgement of every criterion of a policy. Nothing is asked here."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from secateur.metrics.counts import CONDITIONS, Counts, count_outcomes
from secateur.metrics.differences import tested
from secateur.metrics.metric import Metric
from secateur.metrics.paired import Beside, put_beside
from secateur.metrics.single import single
from secateur.metrics.transitions import Pairs, align_seeds, pair_outcomes
from secateur.records.answers import BY_ORDER, LETTER, SAMPLED, Answers
from secateur.records.outcomes import OUTCOME_TYPE
from secateur.report.verdict import CriterionResult, Evidence, Status
from secateur.statistics.clustered import Contributions, p_above
from secateur.statistics.estimate import Estimate
from secateur.statistics.intervals import t_above, t_value
from secateur.statistics.multiple import holm
from secateur.statistics.sequential import bounds, evidence_below
from secateur.study.looks import FEWEST_TEMPLATES, Look, Looks
from secateur.study.policy import (
    FINITE,
    ChangeCriterion,
    Criterion,
    ExcessCriterion,
    LabelCriterion,
    LimitCriterion,
    PerplexityCriterion,
    Policy,
)

IDENTICAL = "the same weights, so nothing can differ"
EXACT = "all items of the list, exact"
BETTING = "betting, without replacement, valid at every look"
BROKEN_FIRST = "the candidate is broken, so this says nothing"
NOT_ASKED = "the candidate is broken, so nothing was asked"


@dataclass(frozen=True)
class Stated:
    """What a candidate's folder states of its pruning, and what was counted.

    Args:
        label: The variant that it says it is.
        removed: Weights of its linears that it says were removed.
        zeros: Zeros counted in its linears.
        weights: Weights of its linears.
        zeros_before: Zeros counted in those of the dense model; ``None`` if that is of another shape.
    """

    label: str
    removed: int
    zeros: int
    weights: int
    zeros_before: int | None = None


@dataclass(frozen=True)
class Found:
    """Everything that a policy is judged on.

    Args:
        dense: Answers of the dense model.
        candidate: Answers of the candidate.
        items: The items that were asked, rows of the table ``items``.
        listed: All items that the policy names.
        same_weights: Whether the two models are one.
        perplexity: Candidate / dense; ``None`` if it was not measured. On the log scale its interval is Student's t's.
        perplexity_df: With so many degrees of freedom; one less than its windows if ``None``.
        perplexities: Of the two, for show.
        dtype: What was computed in, for show.
        stated: What the candidate's folder says; ``None`` if nothing.
        look: Which of a few looks this is, for the criterion that is judged; ``None`` where there is one.
        cache: Answers that were counted.
    """

    dense: Answers
    candidate: Answers
    items: pl.DataFrame
    listed: pl.DataFrame
    same_weights: bool
    perplexity: Estimate | None = None
    perplexity_df: float | None = None
    perplexities: tuple[float | None, float | None] = (None, None)
    dtype: str = ""
    stated: Stated | None = None
    look: Look | None = None
    cache: dict[int, Counts] = field(default_factory=dict, repr=False, compare=False)

    @property
    def complete(self) -> bool:
        """Whether all items were asked."""
        return self.items.height == self.listed.height

    def counts(self, answers: Answers, readout: str, metric: Metric) -> Counts | None:
        """Answers of one side, counted; ``None`` if there are none."""
        name = SAMPLED if readout == "sampled" else LETTER
        if metric.name.startswith("letter_share") and BY_ORDER in answers.outcomes:
            name = BY_ORDER  # a mean over orders stood at no letter
        frame = answers.outcomes.get(name)
        return None if frame is None else self._counted(frame)

    def _counted(self, frame: pl.DataFrame) -> Counts:
        key = id(frame)
        if key not in self.cache:
            self.cache[key] = count_outcomes(frame, self.items)
        return self.cache[key]

    @cached_property
    def everything(self) -> Counts:
        """All listed items, as if nothing had been read: for which items a metric is over."""
        n = self.listed.height
        return count_outcomes(
            pl.DataFrame(
                {
                    "item": self.listed["item"],
                    "outcome": pl.Series(["unparsed"] * n, dtype=OUTCOME_TYPE),
                    "option": pl.Series([None] * n, dtype=pl.Int64),
                    "letter": pl.Series([None] * n, dtype=pl.Int64),
                    "nonfinite": [False] * n,
                }
            ),
            self.listed,
        )


def judge_damaged(policy: Policy, damage: Mapping[str, int]) -> tuple[CriterionResult, ...]:
    """Every criterion of a candidate that is not asked, because its weights are not finite.

    Args:
        policy: What must hold.
        damage: Weight -> how many of its numbers are NaN or infinite, at least one.
    """
    n = sum(damage.values())
    first, *others = damage
    held = f"{n:,} values that are not finite" if n > 1 else "1 value that is not finite"
    place = f"in {len(damage):,} tensors, first in {first}" if others else f"in {first}"
    reason = f"the candidate's weights hold {held}, {place}"
    finite = _finite_result(Status.FAIL, reason, [_counted("weights_not_finite", None, n, policy, Status.FAIL)])
    skipped = (
        _result(name, criterion, _Judged(_rule(criterion), Status.NOT_JUDGED, NOT_ASKED))
        for name, criterion in policy.criteria.items()
    )
    return finite, *skipped


def not_finite(answers: Answers) -> tuple[int, int]:
    """Of how many answers the logits were not finite, and how many there are."""
    letters = answers.outcomes.get(BY_ORDER, answers.outcomes.get(LETTER))
    frames = [frame for frame in (letters, answers.outcomes.get(SAMPLED)) if frame is not None]
    return sum(int(frame["nonfinite"].sum()) for frame in frames), sum(frame.height for frame in frames)


def _finite(policy: Policy, found: Found) -> CriterionResult:
    """The criterion that every policy has. Its weights were seen to be finite before the candidate was asked."""
    (before, asked_dense), (n, asked) = not_finite(found.dense), not_finite(found.candidate)
    computed = f"; computed in {found.dtype}" if found.dtype else ""
    status, reason = Status.PASS, f"all weights and the logits of all {asked:,} answers are finite"
    if n and n == asked:
        status, reason = Status.FAIL, f"none of the candidate's {asked:,} answers comes from finite logits{computed}"
    elif n:
        reason = f"of {asked:,} answers {n:,} come from logits that are not finite and count as unparsed{computed}"
    if before:
        reason += f"; of the dense model's {asked_dense:,} answers {before:,} do"
    counted = _counted("answers_not_finite", before, n, policy, status, n_answers=asked)
    return _finite_result(status, reason, [counted])


def _finite_result(status: Status, reason: str, evidence: Sequence[Evidence]) -> CriterionResult:
    return CriterionResult(
        name=FINITE,
        kind="finite",
        sanity=True,
        where="",
        rule="all weights finite, and the logits of some answers",
        why="Part of every policy. A model whose numbers are not numbers has no answers to judge.",
        status=status,
        reason=reason,
        evidence=tuple(evidence),
    )


def _counted(what: str, before: int | None, n: int, policy: Policy, status: Status, *, n_answers: int = 0) -> Evidence:
    estimate = Estimate(n, None, None, policy.level, "counted", 0, n_answers, None, target=policy.target)
    return Evidence(what, before, n, estimate, status)


def judge_policy(
    policy: Policy, found: Found, *, looks: Mapping[str, Looks] | None = None, number: int = 1
) -> tuple[CriterionResult, ...]:
    """First whether numbers are finite, then every criterion in the policy's order.

    What is not sanity is judged only if all that is holds.

    Args:
        policy: What must hold.
        found: What was answered by now.
        looks: Of each criterion that is judged several times; ``None`` where everything is judged once.
        number: Which of the looks this is, from 1.
    """
    planned = looks or {}
    results = {FINITE: _finite(policy, found)} | {
        name: _settled(_judge(policy, found, name, criterion, planned.get(name), number))
        for name, criterion in policy.criteria.items()
    }
    if any(one.sanity and one.status == Status.FAIL for one in results.values()):
        return tuple(
            one if one.sanity else replace(one, status=Status.NOT_JUDGED, reason=BROKEN_FIRST)
            for one in results.values()
        )
    family = [name for name, one in results.items() if not one.sanity]
    defined = [name for name in family if results[name].p_worse is not None]
    adjusted = holm([results[name].p_worse or 0.0 for name in defined], family=len(family)) if defined else ()
    for name, p in zip(defined, adjusted, strict=True):
        one = replace(results[name], p_holm=float(p))
        if one.status == Status.FAIL and p > policy.alpha:
            one = replace(
                one,
                status=Status.INCONCLUSIVE,
                reason=f"{one.reason}; but not after correction over {len(family)} criteria (p = {p:.3f})",
            )
        results[name] = one
    return tuple(results.values())


def _settled(one: CriterionResult) -> CriterionResult:
    """The same, undecided where it rests on too few templates."""
    few = [each.estimate.n_clusters for each in one.evidence if each.estimate.target == "templates"]
    clusters = min((n for n in few if n is not None), default=FEWEST_TEMPLATES)
    same = any(each.estimate.method == IDENTICAL for each in one.evidence)
    if one.status not in (Status.PASS, Status.FAIL) or clusters >= FEWEST_TEMPLATES or same:
        return one
    reason = f"{one.reason}; but {clusters} templates are too few to speak of others"
    return replace(one, status=Status.INCONCLUSIVE, reason=reason)


def overall(results: Sequence[CriterionResult]) -> tuple[Status, str]:
    """The outcome of the whole and one sentence about it."""
    failed = [one for one in results if one.status == Status.FAIL]
    if broken := [one for one in failed if one.sanity]:
        return Status.FAIL, f"Do not ship: the candidate is broken ({_names(broken)})."
    if failed:
        return Status.FAIL, f"Do not ship: worse than the policy allows ({_names(failed)})."
    if open_ := [one for one in results if one.status != Status.PASS]:
        return Status.INCONCLUSIVE, f"Not enough evidence about {_names(open_)}."
    changed = [one for one in results if one.changed]
    told = f" Changed within the margins: {_names(changed)}." if changed else ""
    return Status.PASS, f"Ship: every criterion of the policy holds.{told}"


def _names(results: Sequence[CriterionResult]) -> str:
    return ", ".join(one.name for one in results)


def _judge(
    policy: Policy, found: Found, name: str, criterion: Criterion, looks: Looks | None, number: int
) -> CriterionResult:
    if looks is None:
        judged = JUDGES[criterion.judge](policy, found, criterion)
    elif (look := looks.at(number)) is None:
        judged = _too_early(JUDGES[criterion.judge](policy, found, criterion), looks, number)
    else:
        now = policy.at(look.nominal)
        judged = _labelled(JUDGES[criterion.judge](now, replace(found, look=look), criterion), look)
    return _result(name, criterion, judged)


def _result(name: str, criterion: Criterion, judged: _Judged) -> CriterionResult:
    return CriterionResult(
        name=name,
        kind=criterion.judge,
        sanity=criterion.sanity,
        where=_where(criterion),
        rule=judged.rule,
        why=criterion.why,
        status=judged.status,
        reason=judged.reason,
        evidence=judged.evidence,
        changed=judged.changed,
        p_worse=judged.p_worse,
    )


def _labelled(judged: _Judged, look: Look) -> _Judged:
    """The same, where every interval says that it is of one look of several."""
    of = f"repeated interval, look {look.number} of {look.of}, one-sided level {look.nominal:.2g}"

    def told(one: Evidence) -> Evidence:
        if one.estimate.low is None or one.estimate.method == IDENTICAL:
            return one
        return replace(one, estimate=replace(one.estimate, method=f"{one.estimate.method}; {of}"))

    return replace(judged, evidence=tuple(map(told, judged.evidence)))


def _too_early(judged: _Judged, looks: Looks, number: int) -> _Judged:
    """Undecided and without bounds, which would not be among those that hold together; but equal weights are equal."""
    if judged.evidence and all(one.estimate.method == IDENTICAL for one in judged.evidence):
        return judged
    asked = looks.clusters[number - 1]
    evidence = tuple(
        replace(
            one,
            estimate=replace(one.estimate, low=None, high=None, method="not judged at this look"),
            status=Status.INCONCLUSIVE,
            p_worse=None,
        )
        for one in judged.evidence
    )
    reason = f"{_reason(evidence[0])}; with {asked} templates it is too early to judge"
    return _Judged(judged.rule, Status.INCONCLUSIVE, reason, evidence)


def _where(criterion: Criterion) -> str:
    if isinstance(criterion, PerplexityCriterion | LabelCriterion):
        return ""
    parts = [criterion.readout, criterion.condition, criterion.category or ""]
    return ", ".join(part for part in parts if part)


@dataclass(frozen=True)
class _Judged:
    rule: str
    status: Status
    reason: str
    evidence: tuple[Evidence, ...] = ()
    changed: bool = False
    p_worse: float | None = None


def _change(policy: Policy, found: Found, criterion: ChangeCriterion) -> _Judged:
    evidence = [_change_of(policy, found, criterion, metric) for metric in criterion.specs]
    return _cases(_rule(criterion), evidence)


def _change_of(policy: Policy, found: Found, criterion: ChangeCriterion, metric: Metric) -> Evidence:
    sides = [found.counts(side, criterion.readout, metric) for side in (found.dense, found.candidate)]
    if sides[0] is None or sides[1] is None:
        return _nothing(metric, policy)
    return _beside(policy, found, criterion, metric, put_beside(sides[0], sides[1]), same=found.same_weights)


def _excess(policy: Policy, found: Found, criterion: ExcessCriterion) -> _Judged:
    evidence = []
    for metric in criterion.specs:
        again, first, second = found.dense.floor, *(s.outcomes.get(SAMPLED) for s in (found.dense, found.candidate))
        if again is None or first is None or second is None:
            evidence.append(_nothing(metric, policy))
            continue
        floor, figure = (pair_outcomes(again, align_seeds(side, like=again), found.items) for side in (first, second))
        evidence.append(_beside(policy, found, criterion, metric, put_beside(floor, figure), same=found.same_weights))
    return _cases(_rule(criterion), evidence)


def _beside(
    policy: Policy,
    found: Found,
    criterion: ChangeCriterion | ExcessCriterion,
    metric: Metric,
    beside: Beside,
    *,
    same: bool,
) -> Evidence:
    difference = beside.difference(metric, _chosen(beside.first, criterion))
    result = tested(beside, difference, level=policy.level)
    contributions = difference.contributions
    if same and contributions is not None:
        estimate = replace(result.estimate, value=0.0, low=0.0, high=0.0, method=IDENTICAL)
        return Evidence(metric.name, difference.before, difference.after, estimate, Status.PASS)
    if contributions is None:
        return Evidence(metric.name, difference.before, difference.after, result.estimate, Status.INCONCLUSIVE)
    width = metric.range[1] - metric.range[0]
    keys = beside.first.item[difference.used]
    judged = _bounded(policy, found, criterion, metric, contributions, result.estimate, keys=keys, span=width)
    return _against_margin(judged, criterion, difference.before, difference.after, metric)


@dataclass(frozen=True)
class _Bounded:
    estimate: Estimate
    p: Callable[[float, bool], float | None]
    """``p(threshold, above)``: one-sided p-value for being above, or below, a threshold."""


def _bounded(
    policy: Policy,
    found: Found,
    criterion: ChangeCriterion | LimitCriterion | ExcessCriterion,
    metric: Metric,
    contributions: Contributions,
    estimate: Estimate,
    *,
    keys: NDArray[np.uint64],
    span: float,
    low: float | None = None,
) -> _Bounded:
    """The estimate with the bounds that the policy's target asks for; ``keys`` are the items behind contributions."""
    if policy.target == "templates":

        def clustered(threshold: float, above: bool) -> float | None:
            p = p_above(contributions, threshold) if above else p_above(contributions.negated, -threshold)
            return p if found.look is None else found.look.repeated(p)

        return _Bounded(estimate, clustered)
    least = -span if low is None else low
    drawn = contributions.values[np.argsort(keys)]  # the order in which items were asked, and random
    return _without_replacement(policy, found, criterion, metric, drawn, estimate, least=least, span=span)


def _without_replacement(
    policy: Policy,
    found: Found,
    criterion: ChangeCriterion | LimitCriterion | ExcessCriterion,
    metric: Metric,
    drawn: NDArray[np.float64],
    estimate: Estimate,
    *,
    least: float,
    span: float,
) -> _Bounded:
    assert metric.terms is not None
    everything = metric.terms(found.everything)
    n = int((everything.where & _chosen(found.everything, criterion)).sum())
    width = span - least
    if found.complete:
        value = round(float(drawn.mean()), 12)  # what is exactly the margin must not be a rounding away from it
        exact = replace(estimate, value=value, low=value, high=value, method=EXACT, target="benchmark")
        return _Bounded(exact, lambda threshold, above: float(value < threshold if above else value > threshold))
    if everything.numbers.shape[1] > 1:
        # A ratio is not a mean of a list, and is known once all was asked.
        unknown = replace(estimate, low=None, high=None, method="known when all items were asked", target="benchmark")
        return _Bounded(unknown, lambda threshold, above: None)
    values = np.clip((drawn - least) / width, 0.0, 1.0)
    low, high = bounds(values, n, alpha=policy.alpha)
    value = float(drawn.mean())
    found_bounds = replace(
        estimate,
        low=min(least + width * low, value),
        high=max(least + width * high, value),
        method=BETTING,
        target="benchmark",
    )

    def betting(threshold: float, above: bool) -> float:
        side = 1 - values if above else values
        scaled = (threshold - least) / width
        return 1 / evidence_below(side, n, 1 - scaled if above else scaled)

    return _Bounded(found_bounds, betting)


def _against_margin(
    judged: _Bounded,
    criterion: ChangeCriterion | ExcessCriterion,
    before: float | None,
    after: float | None,
    metric: Metric,
) -> Evidence:
    estimate, margin = judged.estimate, criterion.margin
    if estimate.low is None or estimate.high is None:
        return Evidence(metric.name, before, after, estimate, Status.INCONCLUSIVE)
    too_high = criterion.worse in ("higher", "either")
    too_low = criterion.worse in ("lower", "either")
    holds = (not too_high or estimate.high < margin) and (not too_low or estimate.low > -margin)
    fails = (too_high and estimate.low >= margin) or (too_low and estimate.high <= -margin)
    sides = [judged.p(margin, True)] * too_high + [judged.p(-margin, False)] * too_low
    # Of two sides each may be the one that is beyond, so the smaller counts twice.
    p = None if None in sides else min(1.0, len(sides) * min(side for side in sides if side is not None))
    return Evidence(
        metric.name,
        before,
        after,
        estimate,
        Status.PASS if holds else Status.FAIL if fails else Status.INCONCLUSIVE,
        p,
    )


def _limit(policy: Policy, found: Found, criterion: LimitCriterion) -> _Judged:
    evidence = []
    for metric in criterion.specs:
        counts = found.counts(found.candidate, criterion.readout, metric)
        evidence.append(
            _nothing(metric, policy) if counts is None else _level(policy, found, criterion, metric, counts)
        )
    statuses = [one.status for one in evidence]
    if Status.FAIL in statuses:
        worst = evidence[statuses.index(Status.FAIL)]
    elif Status.INCONCLUSIVE in statuses:
        worst = evidence[statuses.index(Status.INCONCLUSIVE)]
    else:
        worst = max(evidence, key=lambda one: (one.after or 0.0) * (1 if criterion.at_most is not None else -1))
    p = [one.p_worse for one in evidence if one.p_worse is not None]
    smallest = min(1.0, len(evidence) * min(p)) if p else None
    return _Judged(_rule(criterion), worst.status, _reason(worst, sign=""), tuple(evidence), p_worse=smallest)


def _level(policy: Policy, found: Found, criterion: LimitCriterion, metric: Metric, counts: Counts) -> Evidence:
    assert metric.terms is not None
    chosen = counts.select(_chosen(counts, criterion))
    one = single(chosen, metric.terms, level=policy.level)
    estimate, contributions = one.estimate, one.contributions
    if contributions is None:
        return Evidence(metric.name, None, None, estimate, Status.INCONCLUSIVE)
    keys = chosen.item[metric.terms(chosen).where]
    least, most = metric.range
    judged = _bounded(policy, found, criterion, metric, contributions, estimate, keys=keys, span=most, low=least)
    above = criterion.at_most is not None
    low, high = judged.estimate.low, judged.estimate.high
    status = Status.INCONCLUSIVE
    if low is not None and high is not None:
        if high <= criterion.limit if above else low >= criterion.limit:
            status = Status.PASS
        elif low > criterion.limit if above else high < criterion.limit:
            status = Status.FAIL
    return Evidence(metric.name, None, estimate.value, judged.estimate, status, judged.p(criterion.limit, above))


def _perplexity(policy: Policy, found: Found, criterion: PerplexityCriterion) -> _Judged:
    del policy
    rule = _rule(criterion)
    ratio = found.perplexity
    if ratio is None or ratio.value is None:
        broken = found.perplexities[1] is None and found.perplexities[0] is not None
        why = ratio.note if ratio is not None else "not measured"
        if broken:
            return _Judged(rule, Status.FAIL, f"the candidate's perplexity is not finite: {why}")
        return _Judged(rule, Status.INCONCLUSIVE, why)
    if found.same_weights:
        ratio = replace(ratio, low=1.0, high=1.0, method=IDENTICAL)
    elif ratio.value == 1.0 and ratio.low is None:
        ratio = replace(ratio, low=1.0, high=1.0, method="no window is read differently", note="")
    status = Status.INCONCLUSIVE
    if ratio.high is not None and ratio.low is not None:
        if ratio.high <= criterion.at_most:
            status = Status.PASS
        elif ratio.low > criterion.at_most:
            status = Status.FAIL
    p = None
    if ratio.value and ratio.low and ratio.high and ratio.high > ratio.low:
        df = found.perplexity_df or ratio.n_items - 1
        error = math.log(ratio.high / ratio.low) / (2 * t_value(ratio.level, df))
        p = t_above((math.log(ratio.value) - math.log(criterion.at_most)) / error, df)
    one = Evidence("perplexity_ratio", *found.perplexities, ratio, status, p)
    return _Judged(
        rule, status, _reason(one, sign=""), (one,), p_worse=p if p is not None else 0.0 if status == "fail" else 1.0
    )


def _label(policy: Policy, found: Found, criterion: LabelCriterion) -> _Judged:
    rule = _rule(criterion)
    stated = found.stated
    if stated is None:
        return _Judged(rule, Status.PASS, "the candidate's folder states no sparsity")
    value, said = stated.zeros / stated.weights, stated.removed / stated.weights
    estimate = Estimate(value, value, value, policy.level, "counted", 0, 0, None)
    # Zeros that the dense model had are zeros too, so there may be as many more than were removed.
    before = 0 if stated.zeros_before is None else stated.zeros_before / stated.weights
    holds = said - criterion.tolerance <= value <= said + before + criterion.tolerance
    status = Status.PASS if holds else Status.FAIL
    reason = f"states {stated.label}: {said:.4%} of its linears; counted {value:.4%}"
    return _Judged(rule, status, reason, (Evidence("zeros_in_linears", said, value, estimate, status),))


JUDGES: Mapping[str, Callable[[Policy, Found, Any], _Judged]] = {
    "change": _change,
    "limit": _limit,
    "excess": _excess,
    "perplexity": _perplexity,
    "label": _label,
}
"""How each kind of criterion is judged."""


def _cases(rule: str, evidence: Sequence[Evidence]) -> _Judged:
    """Holds if it does in all cases, fails only if it does in all."""
    statuses = {one.status for one in evidence}
    status = statuses.pop() if len(statuses) == 1 else Status.INCONCLUSIVE
    first = next((one for one in evidence if one.status != Status.PASS), evidence[0])
    p = [one.p_worse for one in evidence]
    largest = None if None in p else max(one for one in p if one is not None)
    if status == Status.PASS and largest is None:
        largest = 1.0
    changed = status == Status.PASS and any(
        one.estimate.low is not None
        and one.estimate.high is not None
        and not one.estimate.low <= 0 <= one.estimate.high
        for one in evidence
    )
    return _Judged(rule, status, _reason(first), tuple(evidence), changed, largest)


def _rule(criterion: Criterion) -> str:
    if isinstance(criterion, LabelCriterion):
        return "zeros in the weights are those that the folder states"
    if isinstance(criterion, PerplexityCriterion):
        return f"ratio to dense at most {criterion.at_most:g}"
    if isinstance(criterion, LimitCriterion):
        return f"{'at most' if criterion.at_most is not None else 'at least'} {criterion.limit:g}"
    what = "excess over its floor" if isinstance(criterion, ExcessCriterion) else "change"
    bound = {"higher": f"below +{criterion.margin:g}", "lower": f"above -{criterion.margin:g}"}
    return f"{what} {bound.get(criterion.worse, f'within +-{criterion.margin:g}')}"


def _reason(one: Evidence, *, sign: str = "+") -> str:
    """A number with its bounds; ``sign`` is "+" for changes, "" for levels and ratios."""
    found = one.estimate
    if found.value is None:
        return f"{one.metric}: {found.note}"
    # Rounding leaves 1e-19 where there is nothing.
    value, low, high = (None if end is None else round(end, 12) + 0.0 for end in (found.value, found.low, found.high))
    ends = "" if low is None or high is None else f" [{low:{sign}.4g}, {high:{sign}.4g}]"
    return f"{one.metric} {value:{sign}.4g}{ends}"


def _nothing(metric: Metric, policy: Policy, *, reason: str = "no answers", n: tuple[int, int] = (0, 0)) -> Evidence:
    estimate = Estimate(None, None, None, policy.level, "none", *n, None, note=reason)
    return Evidence(metric.name, None, None, estimate, Status.INCONCLUSIVE)


def _chosen(counted: Counts | Pairs | Any, criterion: Any) -> NDArray[np.bool_]:
    chosen: NDArray[np.bool_] = counted.condition == CONDITIONS.index(criterion.condition)
    if criterion.category is not None:
        if criterion.category not in counted.categories:
            return np.zeros_like(chosen)
        chosen &= counted.category == counted.categories.index(criterion.category)
    return chosen
