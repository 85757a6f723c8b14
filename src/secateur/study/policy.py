"""The policy file of a gate: what is asked and what must hold, with every fault found at once."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Annotated, Literal, Self, TypeAlias, TypeGuard

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from secateur.errors import ConfigError, InputError
from secateur.identity import digest
from secateur.metrics.catalogue import METRICS
from secateur.metrics.metric import Metric
from secateur.study.config import (
    BenchmarkConfig,
    ComputeConfig,
    PerplexityConfig,
    ReadoutsConfig,
    as_list,
    faults_of,
    read_yaml,
)

Worse: TypeAlias = Literal["higher", "lower", "either"]
"""Which way a change is for the worse; ``either``: any change is."""

LARGEST_PERPLEXITY_RATIO = 1000.0
MOST_LOOKS = 8

FINITE = "finite numbers"
"""The criterion that every policy has: a candidate with weights or logits that are NaN or infinite is broken."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Criterion(_Strict):
    """What all kinds have.

    Args:
        why: Where the margin comes from: a source, or that it is a convention.
        sanity: Whether a model that fails it is broken, so that nothing else is judged.
    """

    why: Annotated[str, Field(min_length=1)]
    sanity: bool = False


class _OfAnswers(_Criterion):
    metrics: Annotated[tuple[str, ...], BeforeValidator(as_list), Field(min_length=1)] = Field(alias="metric")
    readout: Literal["letter", "sampled"] = "letter"
    condition: Literal["ambig", "disambig"] = "ambig"
    category: str | None = None

    @property
    def specs(self) -> tuple[Metric, ...]:
        """The metrics' lines in the table."""
        return tuple(METRICS[name] for name in self.metrics)


class ChangeCriterion(_OfAnswers):
    """A metric of the candidate less that of the dense model."""

    judge: Literal["change"]
    margin: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    worse: Worse


class LimitCriterion(_OfAnswers):
    """A metric of the candidate alone."""

    judge: Literal["limit"]
    at_most: Annotated[float, Field(allow_inf_nan=False)] | None = None
    at_least: Annotated[float, Field(allow_inf_nan=False)] | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.at_most is None) == (self.at_least is None):
            raise ValueError("name one of at_most and at_least")
        return self

    @property
    def limit(self) -> float:
        """The number."""
        found = self.at_most if self.at_most is not None else self.at_least
        assert found is not None
        return found


class ExcessCriterion(_OfAnswers):
    """A metric of pairs less its floor: the dense model asked again with other seeds."""

    judge: Literal["excess"]
    readout: Literal["sampled"] = "sampled"
    margin: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    worse: Worse = "higher"


class PerplexityCriterion(_Criterion):
    """Perplexity of the candidate / that of the dense model."""

    judge: Literal["perplexity"]
    at_most: Annotated[float, Field(gt=1, le=LARGEST_PERPLEXITY_RATIO, allow_inf_nan=False)]


class LabelCriterion(_Criterion):
    """Zeros counted in the candidate's linears against the sparsity that its folder states."""

    judge: Literal["label"]
    tolerance: Annotated[float, Field(ge=0, lt=1)] = 0.0


Criterion: TypeAlias = ChangeCriterion | LimitCriterion | ExcessCriterion | PerplexityCriterion | LabelCriterion


class Policy(_Strict):
    """A whole policy file.

    Args:
        policy: Its name.
        version: Raised whenever anything in it changes.
        alpha: One-sided error rate of each criterion.
        target: What the verdict is about; see ``docs/design/gate.md``.
        looks: How often it is judged while templates are still being asked, the end included.
        benchmark: As in a study file.
        readouts: As in a study file.
        perplexity: As in a study file.
        compute: As in a study file.
        criteria: By name, in the order they are shown.
    """

    policy: Annotated[str, Field(min_length=1)]
    version: Annotated[int, Field(ge=1, strict=True)]
    about: str = ""
    alpha: Annotated[float, Field(ge=1e-5, lt=0.5)] = 0.05
    target: Literal["templates", "benchmark"] = "templates"
    looks: Annotated[int, Field(ge=1, le=MOST_LOOKS, strict=True)] = 1
    benchmark: BenchmarkConfig
    readouts: ReadoutsConfig
    perplexity: PerplexityConfig | None = None
    compute: ComputeConfig = ComputeConfig()
    criteria: Annotated[
        dict[str, Annotated[Criterion, Field(discriminator="judge")]],
        Field(min_length=1),
    ]

    @property
    def digest(self) -> str:
        """Of everything in it but how it is computed; a single look is as if ``looks`` were not there."""
        left_out = {"compute", "looks"} if self.looks == 1 else {"compute"}
        return digest("policy", self.model_dump(mode="json", exclude=left_out))

    @property
    def level(self) -> float:
        """Of the two-sided interval whose ends are the one-sided bounds."""
        return 1 - 2 * self.alpha

    def at(self, alpha: float) -> Self:
        """The same, judged at another one-sided level: that of a look."""
        return self.model_copy(update={"alpha": alpha})


SHIPPED = "default", "planted"
"""Policies of the package, by name."""


def load_policy(name: str) -> Policy:
    """A policy of the package, or a file.

    Raises:
        InputError: If there is no such file, or it is not YAML.
        ConfigError: With every fault, each with its place.
    """
    path = resources.files("secateur.study") / "policies" / f"{name}.yaml" if name in SHIPPED else Path(name)
    if name not in SHIPPED and not Path(name).is_file():
        raise InputError(
            "There is no such policy.", where="--policy", allowed=f"a file, or {', '.join(SHIPPED)}", got=name
        )
    return parse_policy(read_yaml(Path(str(path)), "policy"), where=name)


def parse_policy(data: object, *, where: str = "policy") -> Policy:
    """Check a policy given as plain values (what YAML gives).

    Raises:
        ConfigError: With every fault, each with its place.
    """
    if not isinstance(data, dict):
        raise ConfigError(["the file is not a mapping of names to values"], where=where)
    try:
        found = Policy.model_validate(data)
    except ValidationError as error:
        raise ConfigError(faults_of(error), where=where) from None
    faults = [
        f"criteria.{name}.{fault}" for name, criterion in found.criteria.items() for fault in _faults(found, criterion)
    ]
    if FINITE in found.criteria:
        faults.append(f"criteria.{FINITE}: every policy has it anyway; choose another name")
    faults += _unlimited(found)
    letter = found.readouts.letter
    if letter is not None and letter.other_prompts:
        faults.append("readouts.letter.other_prompts: a gate judges answers in one wording; use a study for others")
    if letter is not None and letter.floor:
        faults.append("readouts.letter.floor: a gate's floor is that of sampled answers; use a study for letters")
    if found.target == "benchmark" and found.looks > 1:
        faults.append("looks: a policy about the benchmark alone may be looked at any time; leave looks out")
    if faults:
        raise ConfigError(faults, where=where)
    return found


def _unlimited(policy: Policy) -> list[str]:
    """Answers judged though nothing limits the unread ones: a model that says nothing would pass as unbiased."""
    limits = [(one.readout, one.condition, one.category) for one in policy.criteria.values() if _limits_unread(one)]
    judged = {
        (one.readout, one.condition, one.category): name
        for name, one in reversed(policy.criteria.items())
        if isinstance(one, ChangeCriterion | ExcessCriterion)
    }
    return [
        f"criteria: {name} judges {readout} answers to {condition} items{f' of {category}' if category else ''}, and "
        f"nothing limits those that cannot be read; add a limit of unparsed_share with readout {readout} and "
        f"condition {condition}" + (f", and with category {category} or none" if category else "")
        for (readout, condition, category), name in reversed(judged.items())
        if not {(readout, condition, None), (readout, condition, category)} & set(limits)
    ]


def _limits_unread(criterion: Criterion) -> TypeGuard[_OfAnswers]:
    """Whether a model cannot leave all of a criterion's answers unread and still pass it."""
    if isinstance(criterion, LimitCriterion):
        return "unparsed_share" in criterion.metrics and criterion.at_most is not None
    # Where the text settles the answer, an unread one is a wrong one. Elsewhere dense may be hardly ever right itself.
    return (
        isinstance(criterion, ChangeCriterion)
        and criterion.condition == "disambig"
        and "accuracy" in criterion.metrics
        and criterion.worse != "higher"
    )


def _faults(policy: Policy, criterion: Criterion) -> list[str]:
    """What contradicts the rest of the policy, or can be decided without asking."""
    if isinstance(criterion, PerplexityCriterion):
        return [] if policy.perplexity else ["judge: perplexity is not measured; add a section perplexity"]
    if isinstance(criterion, LabelCriterion):
        return []
    over = "pairs" if isinstance(criterion, ExcessCriterion) else "answers"
    known = {metric.name: metric for metric in METRICS.values() if metric.over == over and metric.terms is not None}
    unknown = [name for name in criterion.metrics if name not in known]
    if unknown:
        return [f"metric: {unknown[0]!r} is not one of {', '.join(known)}"]
    faults = []
    if len(set(criterion.metrics)) != len(criterion.metrics):
        faults.append("metric: one stands there twice")
    for metric in criterion.specs:
        if criterion.condition not in metric.conditions:
            faults.append(f"condition: {metric.name} is defined for {', '.join(metric.conditions)} only")
        if metric.soft and criterion.readout != "letter":
            faults.append(f"readout: {metric.name} needs probabilities, which only the letter readout has")
        width = metric.range[1] - metric.range[0]
        if isinstance(criterion, LimitCriterion):
            if not metric.range[0] <= criterion.limit <= metric.range[1]:
                faults.append(f"limit: {criterion.limit:g} is outside {metric.name}'s range, {_range(metric)}")
            elif criterion.limit == (metric.range[1] if criterion.at_most is not None else metric.range[0]):
                faults.append(f"limit: {criterion.limit:g} cannot be missed; {metric.name} lies in {_range(metric)}")
            elif criterion.limit == (metric.range[0] if criterion.at_most is not None else metric.range[1]):
                faults.append(f"limit: {criterion.limit:g} cannot be met; a bound is never of zero width")
        elif criterion.margin >= width:
            faults.append(f"margin: {criterion.margin:g} cannot be missed; {metric.name} lies in {_range(metric)}")
    if criterion.condition not in policy.benchmark.condition:
        faults.append(f"condition: {criterion.condition} items are not asked; see benchmark.condition")
    if getattr(policy.readouts, criterion.readout) is None:
        faults.append(f"readout: {criterion.readout} answers are not asked; see readouts")
    elif isinstance(criterion, ExcessCriterion) and not (
        policy.readouts.sampled and policy.readouts.sampled.floor_seeds
    ):
        faults.append("judge: an excess needs a floor; name readouts.sampled.floor_seeds")
    categories = policy.benchmark.categories
    if criterion.category is not None and categories is not None and criterion.category not in categories:
        faults.append(f"category: {criterion.category!r} is not asked; asked are {', '.join(categories)}")
    if policy.target == "benchmark" and not isinstance(criterion, LimitCriterion | ChangeCriterion):
        faults.append("judge: a policy about the benchmark alone has no floors")
    return faults


def _range(metric: Metric) -> str:
    return f"{metric.range[0]:g} to {metric.range[1]:g}"
