"""Stereotype or damage: changes beside those of placebos and of other methods at the same KL, as rows."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from secateur.metrics.catalogue import METRICS
from secateur.metrics.counts import CONDITIONS, Counts
from secateur.metrics.differences import correct, judged
from secateur.metrics.matched import BEYOND, Place, Point, averaged, beyond_match, place_at
from secateur.metrics.paired import Beside, Difference
from secateur.metrics.table import ALL
from secateur.report.data import Variant
from secateur.report.states import BROKEN_UNPARSED
from secateur.statistics.clustered import clustered_p

MATCHED = ("diff_bias_ambig", "group_preference", "usr_all")
"""Metrics that are compared at the same KL, of ambiguous items, as differences from dense."""

PLACEBO = "placebo"
METHOD = "method"

MATCHED_COLUMNS: dict[str, Any] = {
    **dict.fromkeys(("variant", "readout", "condition", "category", "metric", "kind", "reference"), pl.String),
    **dict.fromkeys(("kl", "matching_level", "change", "matched"), pl.Float64),
    **dict.fromkeys(("value", "low", "high", "level", "p"), pl.Float64),
    **dict.fromkeys(("n_curves", "n_items", "n_clusters"), pl.Int64),
    **dict.fromkeys(("least", "most"), pl.Float64),
    **dict.fromkeys(("between", "note"), pl.String),
}
"""Columns of ``matched_rows``. ``change`` and ``matched`` are changes from dense, of the variant and of the reference
at the same KL; ``value`` is the former less the latter. ``matching_level`` is the strength or sparsity of the reference
that would have this KL. ``least`` and ``most`` are of ``value`` with each curve alone, where there are
several; ``p`` is then the largest of theirs (``p_of_each``)."""

CORRECTED_MATCHED: dict[str, Any] = {**MATCHED_COLUMNS, "p_holm": pl.Float64, "p_bh": pl.Float64}


def matched_rows(
    counted: Mapping[str, Beside],
    variants: Sequence[Variant],
    kl: Mapping[str, float | None],
    *,
    readout: str,
    level: float,
) -> pl.DataFrame:
    """Every pruned variant of a model beside each other way to its KL.

    Args:
        counted: Answers of each variant beside the dense model's, those of placebos too.
        variants: Of one model, with its placebos.
        kl: Variant -> KL from dense; ``None`` where there is none.
        readout: What the readout is called.
        level: Of the two-sided intervals.

    Returns:
        Columns ``MATCHED_COLUMNS``; over all categories.
    """
    there = [v for v in variants if v.key in counted and not v.dense and _known(kl.get(v.key))]
    curves = _curves(there, kl, {v.key for v in there if _can_be_read(counted[v.key])})
    titles = _titles(there)
    changes: dict[str, dict[str, Difference]] = {metric: {} for metric in MATCHED}
    for variant in there:
        beside = counted[variant.key]
        ambiguous = beside.first.condition == CONDITIONS.index("ambig")
        for metric in MATCHED if ambiguous.any() else ():
            changes[metric][variant.key] = beside.difference(METRICS[metric], ambiguous)
    labels = {v.key: v.label for v in there}
    rows = [
        {"readout": readout, "condition": "ambig", "category": ALL, **row}
        for variant in there
        if not variant.placebo
        for row in _of_variant(variant, curves, changes, counted[variant.key], kl, labels, level)
    ]
    for row in rows:
        row["reference"] = titles[row["reference"]]
    return pl.DataFrame(rows, schema=MATCHED_COLUMNS)


def _can_be_read(beside: Beside) -> bool:
    """Whether a variant can be a point of a curve: a share of all answers falls where answers cannot be read."""
    counts = beside.second
    assert isinstance(counts, Counts)
    return bool(counts.n_items) and float((counts.unparsed / counts.answers).mean()) <= BROKEN_UNPARSED


def _known(kl: float | None) -> bool:
    return kl is not None and math.isfinite(kl) and kl >= 0


def _curves(
    variants: Sequence[Variant], kl: Mapping[str, float | None], readable: Collection[str]
) -> dict[str, tuple[bool, list[list[Point]]]]:
    """Series -> whether it is of placebos, and its curves of readable points: one for each seed."""
    found: dict[str, tuple[bool, dict[str, list[Point]]]] = {}
    for variant in variants:
        own = kl[variant.key]
        assert own is not None
        point = Point(variant.key, own, (variant.nominal if variant.strength is None else variant.strength) or 0.0)
        curve = found.setdefault(variant.series, (variant.placebo, {}))[1].setdefault(variant.seed, [])
        if variant.key in readable:
            curve.append(point)
    return {series: (placebo, list(seeds.values())) for series, (placebo, seeds) in found.items()}


def _titles(variants: Sequence[Variant]) -> dict[str, str]:
    """Series -> what it is called: its method, if no other series is of the same."""
    methods = {variant.series: variant.method for variant in variants}
    return {
        series: method if list(methods.values()).count(method) == 1 else series for series, method in methods.items()
    }


def _of_variant(
    variant: Variant,
    curves: Mapping[str, tuple[bool, list[list[Point]]]],
    changes: Mapping[str, Mapping[str, Difference]],
    beside: Beside,
    kl: Mapping[str, float | None],
    labels: Mapping[str, str],
    level: float,
) -> Iterator[dict[str, Any]]:
    own = kl[variant.key]
    assert own is not None
    for series, (placebo, seeds) in curves.items():
        if series == variant.series:
            continue
        places = [place for curve in seeds if (place := place_at(curve, own)) is not None]
        about = {
            "variant": variant.key,
            "kind": PLACEBO if placebo else METHOD,
            "reference": series,
            "kl": own,
            "n_curves": len(places),
            "level": level,
        }
        if not places:
            yield from (
                about | {"metric": metric, "note": BEYOND} for metric, own_changes in changes.items() if own_changes
            )
            continue
        place = averaged(places)
        about |= {"matching_level": place.level, "between": _between(place, labels)}
        for metric, of_metric in changes.items():
            if not of_metric:
                continue
            difference = beyond_match(of_metric, variant.key, place)
            found = judged(difference, n_answers=beside.n_answers(difference.used), level=level)
            alone = len(places) == 1
            singles = [difference] if alone else [beyond_match(of_metric, variant.key, one) for one in places]
            single_means = [] if alone else [one.contributions.mean for one in singles if one.contributions]
            yield about | {
                "metric": metric,
                "change": difference.after,
                "matched": difference.before,
                "value": found.estimate.value,
                "low": found.estimate.low,
                "high": found.estimate.high,
                "p": found.p if alone else p_of_each(singles),
                "n_items": found.estimate.n_items,
                "n_clusters": found.estimate.n_clusters,
                "least": min(single_means, default=None),
                "most": max(single_means, default=None),
                "note": found.estimate.note,
            }


def p_of_each(singles: Sequence[Difference]) -> float | None:
    """The largest p-value of several differences: small if each of them is one, to the same side.

    1 where they are to different sides; ``None`` where one has none. The several are draws of one reference, and what
    lies among them is like them, however precisely each is known.
    """
    known = [one.contributions for one in singles if one.contributions is not None]
    p_values = [clustered_p(one) for one in known]
    found = [p for p in p_values if p is not None]
    if len(found) < len(singles):
        return None
    return max(found) if len({one.mean > 0 for one in known}) == 1 else 1.0


def _between(place: Place, labels: Mapping[str, str]) -> str:
    """The variants that a place rests on, nearest first."""
    ordered = sorted(place.weights.items(), key=lambda pair: -pair[1])
    dense = 1 - sum(place.weights.values())
    named = [labels[name] for name, _ in ordered]
    return ", ".join([*named, "dense"] if dense > _ROUNDING else named)


_ROUNDING = 1e-9


def correct_matched(rows: pl.DataFrame) -> pl.DataFrame:
    """Correct the p-values over all variants of all models.

    A family is one metric and readout, and one kind of reference: placebos, or other methods.

    Args:
        rows: Of all models, from ``matched_rows``.

    Returns:
        Columns ``CORRECTED_MATCHED``.
    """
    return correct(rows, ("readout", "metric", "kind"), CORRECTED_MATCHED)
