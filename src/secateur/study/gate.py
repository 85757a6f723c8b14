"""The gate: asks a dense model and a candidate what a policy wants to know, and judges it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from secateur import __version__
from secateur.errors import ConfigError, InputError
from secateur.files import expanded
from secateur.items.item import ItemSet
from secateur.metrics.text import bits_per_byte, count_text, pair_text, perplexity, perplexity_ratio
from secateur.models.checkpoint import Checkpoint, find_checkpoint
from secateur.models.finite import check_finite, damage
from secateur.models.shapes import linear_shapes
from secateur.records.answers import Answers, read_answers
from secateur.records.complete import plan_rows
from secateur.records.outcomes import MIN_LETTER_MASS
from secateur.records.parsers import STRICT
from secateur.records.store import Store
from secateur.report.verdict import GateVerdict, Stage, Status
from secateur.statistics.estimate import Estimate
from secateur.statistics.intervals import t_value, welch_df
from secateur.study.config import ModelConfig, StudyConfig
from secateur.study.decidable import Decidable, decidable_policy
from secateur.study.judging import Found, Stated, judge_damaged, judge_policy, not_finite, overall
from secateur.study.looks import Looks, cluster_sizes, items_at, plan_looks
from secateur.study.plan import ModelPlan, Plan, check_names, make_plan, study_items
from secateur.study.policy import LabelCriterion, Policy
from secateur.study.run import Progress, run_plan, stored_dtype

FIRST_LOOK = 256
"""Items asked before an early-stopping gate first looks; every further look has twice as many."""


@dataclass(frozen=True)
class GateRequest:
    """What ``secateur gate`` was asked.

    Args:
        dense: The model that is compared with: a folder, a Hub id, or one that ships.
        candidate: The one that is judged.
        policy: What must hold.
        dense_revision: Hub branch, tag or commit.
        candidate_revision: Likewise.
        bbq: BBQ's folder, in place of the policy's.
    """

    dense: str
    candidate: str
    policy: Policy
    dense_revision: str | None = None
    candidate_revision: str | None = None
    bbq: Path | None = None


def run_gate(
    asked: GateRequest, store_path: Path, *, base: Path, offline: bool = False, progress: Progress | None = None
) -> GateVerdict:
    """Ask both models what is not yet in the store, and judge the candidate.

    A candidate whose weights are not finite is judged without asking anything; the store is not made then.

    Args:
        asked: What is wanted.
        store_path: The store; made if missing.
        base: Folder that relative paths start from.
        offline: Make no network call.
        progress: Told how it goes on.

    Raises:
        UserError: If a model, the items, a text or the store is not what it should be, or the dense model has weights
            that are not finite, or no finite logits.
    """
    policy = asked.policy
    references = [(asked.dense, asked.dense_revision), (asked.candidate, asked.candidate_revision)]
    checkpoints = [
        find_checkpoint(name, revision=revision, offline=offline, base=base) for name, revision in references
    ]
    statement = _statement(checkpoints[1])
    check_finite(checkpoints[0])
    if damaged := damage(checkpoints[1]):
        return _damaged(asked, checkpoints, damaged, base=base)
    there = Store.open_or_create(store_path) if store_path.exists() else None

    def planned(wanted: slice) -> Plan:
        config = _study(asked, references[wanted])
        dtype = stored_dtype(there, config) if there else None
        return make_plan(config, base=base, offline=offline, dtype=dtype, checkpoints=checkpoints[wanted])

    first, second, both = slice(1), slice(1, 2), slice(2)
    # Equal weights behind another tokenizer or chat template are another model.
    same = checkpoints[0].digest == checkpoints[1].digest and _cells(planned(first)) == _cells(planned(second))
    plan = planned(first if same else both).floor_of_first_model_only()
    _check_categories(policy, plan.items)
    store = there or Store.open_or_create(store_path)
    stated = None
    if any(isinstance(criterion, LabelCriterion) for criterion in policy.criteria.values()):
        stated = _stated(checkpoints[0], checkpoints[1], statement)
    listed = len(plan.items)
    looks = plan_looks(policy, plan.items) if policy.looks > 1 else None
    stages: list[Stage] = []
    asked_now = 0
    for number, part in enumerate(_parts(policy, plan), 1):
        done = run_plan(part, store, progress=progress)
        asked_now += done.rows_added
        found = _found(store, done.plan_digest, part, plan, same=same, stated=stated, level=policy.level)
        _check_dense(found, checkpoints[0])
        results = judge_policy(policy, found, looks=looks, number=number)
        outcome, headline = overall(results)
        decided = sum(one.status in (Status.PASS, Status.FAIL) for one in results)
        if looks is not None:
            stages.append(_stage(part, decided, looks, number))
        elif policy.target == "benchmark":
            stages.append(Stage(len(part.items), decided))
        if outcome is not Status.INCONCLUSIVE:
            break
    return GateVerdict(
        outcome=outcome,
        headline=headline,
        same_weights=same,
        criteria=results,
        n_items=len(part.items),
        n_listed=listed,
        n_clusters_listed=None if looks is None else len(cluster_sizes(plan.items)),
        looks=policy.looks,
        stages=tuple(stages),
        notes=tuple(_notes(checkpoints, part, statement, same=same)),
        **_of_what(policy, checkpoints),
        origin={
            "secateur": __version__,
            "plan": done.plan_digest,
            "benchmark": plan.items.benchmark,
            "device": plan.device,
            "dtype": plan.dtype,
            "records": sum(part.n_rows.values()),
            "asked_now": asked_now,
        },
    )


def _damaged(
    asked: GateRequest, checkpoints: list[Checkpoint], damaged: Mapping[str, int], *, base: Path
) -> GateVerdict:
    """The verdict on a candidate whose weights are not finite.

    Raises:
        UserError: If what would have been asked is not what it should be.
    """
    config = _study(asked, [(asked.dense, asked.dense_revision), (asked.candidate, asked.candidate_revision)])
    check_names(config)
    items = study_items(config, base)
    _check_categories(asked.policy, items)
    results = judge_damaged(asked.policy, damaged)
    outcome, headline = overall(results)
    return GateVerdict(
        outcome=outcome,
        headline=headline,
        same_weights=False,
        criteria=results,
        n_items=0,
        n_listed=len(items),
        n_clusters_listed=len(cluster_sizes(items)) if asked.policy.looks > 1 else None,
        looks=asked.policy.looks,
        notes=tuple(map(str, items.notes)),
        origin={"secateur": __version__, "benchmark": items.benchmark, "records": 0, "asked_now": 0},
        **_of_what(asked.policy, checkpoints),
    )


def _of_what(policy: Policy, checkpoints: list[Checkpoint]) -> dict[str, Any]:
    """Which models were judged by which policy."""
    return {
        "dense": _identity(checkpoints[0]),
        "candidate": _identity(checkpoints[1]),
        "policy": {"name": policy.policy, "version": policy.version, "digest": policy.digest, "about": policy.about},
        "target": policy.target,
        "alpha": policy.alpha,
    }


def _check_dense(found: Found, dense: Checkpoint) -> None:
    """Refuse a dense model that answered nothing: every candidate would seem to have changed.

    Raises:
        InputError: If none of its answers comes from finite logits.
    """
    n, asked = not_finite(found.dense)
    if asked and n == asked:
        raise InputError(
            "The dense model's logits are NaN or infinite, so nothing can be compared with it.",
            where=dense.reference,
            got=f"none of {asked:,} answers comes from finite logits",
            todo="get an intact copy, or compute in another dtype (compute.dtype of the policy)",
        )


def plan_gate(policy: Policy, *, bbq: Path | None = None, base: Path) -> list[Decidable]:
    """Whether a policy can be decided with the items it names; asks nothing and needs no model.

    Raises:
        UserError: If the items cannot be found.
    """
    config = _study(GateRequest("", "", policy, bbq=bbq), [("not needed", None)])
    check_names(config)
    items = study_items(config, base)
    _check_categories(policy, items)
    return decidable_policy(policy, items)


def _check_categories(policy: Policy, items: ItemSet) -> None:
    """Refuse criteria about categories that no item has; a policy that names none asks all there are.

    Raises:
        ConfigError: With every such criterion.
    """
    known = sorted({item.category for item in items})
    faults = [
        f"criteria.{name}.category: {wanted!r} is not asked; asked are {', '.join(known)}"
        for name, criterion in policy.criteria.items()
        if (wanted := getattr(criterion, "category", None)) is not None and wanted not in known
    ]
    if faults:
        raise ConfigError(faults, where=policy.policy)


def _parts(policy: Policy, plan: Plan) -> Iterator[Plan]:
    """What is asked before each look; the last is everything."""
    if policy.target == "templates":
        for number in range(1, policy.looks):
            yield plan.asking(items_at(plan.items, number, policy.looks))
    else:
        n = FIRST_LOOK
        while n < len(plan.items):
            yield plan.first(n)
            n *= 2
    yield plan


def _stage(part: Plan, decided: int, looks: Mapping[str, Looks], number: int) -> Stage:
    at = {name: one.at(number) for name, one in looks.items()}
    nominal = {name: None if look is None else look.nominal for name, look in at.items()}
    return Stage(len(part.items), decided, len(cluster_sizes(part.items)), nominal)


def _study(asked: GateRequest, references: list[tuple[str, str | None]]) -> StudyConfig:
    policy = asked.policy
    benchmark = policy.benchmark
    if asked.bbq is not None:
        benchmark = benchmark.model_copy(update={"folder": expanded(asked.bbq).absolute()})
    return StudyConfig(
        study=f"gate: {policy.policy} {policy.version}",
        models=tuple(ModelConfig(id=name, revision=revision) for name, revision in references),
        variants=("dense",),
        benchmark=benchmark,
        readouts=policy.readouts,
        perplexity=policy.perplexity,
        compute=policy.compute,
    )


def _found(
    store: Store, digest: str, part: Plan, whole: Plan, *, same: bool, stated: Stated | None, level: float
) -> Found:
    record = next(said for said in store.plans() if said["digest"] == digest)
    items = store.item_set(record["items"])
    models = list(record["models"])  # in the plan's order
    sides = [_answers(store, record, model, items) for model in models]
    texts = [_text(store, record, model) for model in models]
    listed = items if len(part.items) == len(whole.items) else _listed(store, whole)
    ratio, perplexities, df = _perplexity(texts, record, same_tokenizer=_same_windows(models), level=level)
    return Found(
        dense=sides[0],
        candidate=sides[-1],
        items=items,
        listed=listed,
        same_weights=same,
        perplexity=ratio,
        perplexity_df=df,
        perplexities=perplexities,
        dtype=record["dtype"],
        stated=stated,
    )


def _listed(store: Store, whole: Plan) -> pl.DataFrame:
    return store.item_set(store.add_items(whole.items))


def _answers(store: Store, record: Mapping[str, Any], model: Mapping[str, Any], items: pl.DataFrame) -> Answers:
    cell = next(cell for cell in model["cells"] if cell["task"] == "ask")
    return read_answers(store, record, model, cell, items, parser=STRICT, min_mass=MIN_LETTER_MASS)


def _text(
    store: Store, record: Mapping[str, Any], model: Mapping[str, Any]
) -> tuple[pl.DataFrame, pl.DataFrame] | None:
    """What a model made of the text, and the windows; ``None`` if none is read."""
    cell = next((cell for cell in model["cells"] if cell["task"] == "text"), None)
    if cell is None or not model["windows"]:
        return None
    return plan_rows(store, record, model, cell, "text"), store.window_set(model["windows"])


def _same_windows(models: list[Mapping[str, Any]]) -> bool:
    return bool(models[0]["windows"] == models[-1]["windows"])


def _perplexity(
    texts: list[tuple[pl.DataFrame, pl.DataFrame] | None],
    record: Mapping[str, Any],
    *,
    same_tokenizer: bool,
    level: float,
) -> tuple[Estimate | None, tuple[float | None, float | None], float | None]:
    """Perplexity of the candidate / of the dense model, both, and degrees of freedom if not one less than windows.

    Where the two cut the text into other tokens, bits per byte are compared instead and put on the scale of the dense
    model's tokens: 2 ** (difference x bytes per token). The interval then takes the two as independent, which is wide,
    and is Welch's.
    """
    if texts[0] is None or texts[-1] is None:
        return None, (None, None), None
    corpus = str(record["text"]["corpus"])
    counts = [count_text(*text, corpus=corpus) for text in (texts[0], texts[-1])]
    shown = perplexity(counts[0]).value, perplexity(counts[1]).value
    if same_tokenizer:
        (first, windows), (second, _) = texts[0], texts[-1]
        return perplexity_ratio(pair_text(first, second, windows, corpus=corpus), level=level), shown, None
    bits = [bits_per_byte(one, level=level) for one in counts]
    for one in bits:
        if one.value is None or one.low is None or one.high is None:
            note = one.note or "too few windows for an interval"
            return replace(one, value=None, low=None, high=None, note=note), shown, None
    change = (bits[1].value or 0.0) - (bits[0].value or 0.0)
    errors = [((one.high or 0.0) - (one.low or 0.0)) / (2 * t_value(level, one.n_items - 1)) for one in bits]
    df = welch_df(errors[0], bits[0].n_items, errors[1], bits[1].n_items) if any(errors) else None
    half = t_value(level, df) * math.hypot(*errors) if df else 0.0
    scale = float(counts[0].n_bytes.sum() / counts[0].n_tokens.sum())
    ratio = replace(
        bits[1],
        value=_power(change, scale),
        low=_power(change - half, scale),
        high=_power(change + half, scale),
        method="bits per byte of two tokenizers, Welch's t, as independent, per token of the dense model",
    )
    return ratio, shown, df


@dataclass(frozen=True)
class _Statement:
    """What a candidate's folder says of its pruning."""

    label: str
    removed: int
    base: str


def _statement(candidate: Checkpoint) -> _Statement | None:
    """What the candidate's folder states; ``None`` if nothing.

    Raises:
        InputError: If it cannot be read.
    """
    path = candidate.folder / "secateur.json"
    if not path.is_file():
        return None
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        return _Statement(str(said["label"]), int(said["removed_weights"]), str(said["base_digest"]))
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError, OSError) as error:
        raise InputError(
            "What the candidate's folder states cannot be read.",
            where=path,
            got=repr(error),
            todo="correct the file, or remove it: then the folder states nothing",
        ) from None


def _cells(plan: Plan) -> list[str]:
    return [cell.spec.id for _, cell in plan.cells()]


def _stated(dense: Checkpoint, candidate: Checkpoint, statement: _Statement | None) -> Stated | None:
    """What the folder states beside what its weights are."""
    if statement is None:
        return None
    shapes = linear_shapes(candidate.config)
    before = _zeros(dense, shapes) if linear_shapes(dense.config) == shapes else None
    weights = sum(rows * columns for rows, columns in shapes.values())
    return Stated(statement.label, statement.removed, _zeros(candidate, shapes), weights, before)


def _power(bits: float, scale: float) -> float:
    """2 ** (bits x scale), as large as numbers go."""
    return math.exp2(max(min(bits * scale, 1000.0), -1000.0))


def _zeros(checkpoint: Checkpoint, linears: Iterable[str]) -> int:
    return sum(int((checkpoint.weight(name) == 0).sum()) for name in linears)


def _identity(checkpoint: Checkpoint) -> dict[str, str]:
    return {"name": checkpoint.reference, "digest": checkpoint.digest}


def _notes(checkpoints: list[Checkpoint], part: Plan, statement: _Statement | None, *, same: bool) -> list[str]:
    notes = [str(note) for note in part.items.notes]
    if same:
        notes.append("dense and candidate have the same weights and are asked alike; they were asked once")
    elif len(part.models) > 1 and _tokens_differ(*part.models):
        notes.append("the two models have different tokenizers or chat templates, so they read different tokens")
    if statement is not None and statement.base != checkpoints[0].digest:
        notes.append("the candidate states that it was made from another model than the dense one given here")
    return notes


def _tokens_differ(first: ModelPlan, second: ModelPlan) -> bool:
    return first.prompts.protocol != second.prompts.protocol
