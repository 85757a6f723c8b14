"""How often the statistics of differences, and shares of single variants, are wrong: simulated studies in which the
truth is known.

    OMP_NUM_THREADS=1 python benchmarks/coverage.py [--replicates N] [--jobs N] [--out coverage.json]

Needs no data; a few minutes on two cores; the same seed gives the same figures on any number of processes. Every
interval, p-value and verdict comes from the functions that ``secateur compare`` calls.

A study has items in clusters of the sizes below. A share (``rate``) of items changes, of these a share (``worse``) for
the worse, and the truth is what clusters without number would show on average, rate * (2 * worse - 1). Clusters differ
in one of three ways, by an intraclass correlation (``icc``):

- ``item``: each cluster has a rate of its own (beta); for the better or the worse is drawn for each change by itself.
- ``cluster``: each cluster has a rate and a share of changes for the worse of its own (both beta, together Dirichlet),
  so that differences of two items correlate by ``icc``, whatever the shares. It is the harder case.
- ``lopsided``: as many gained as lost, but spread evenly what is gained, and by cluster what is lost. The mean is zero
  and its distribution is not symmetric, which the sign-flip test does not allow for.

Part ``single`` is one variant: a share of items is a stereotype, say, and each cluster has a rate of its own.

``BANDS`` says beforehand what is acceptable and why; each row of the result says whether it is inside. Naive methods
have no band. They stand beside: Newcombe's interval of the paired difference, McNemar's mid-p value, and the published
chi-squared test (30 % stereotype answers before), for single shares Wilson's interval, all with answers as independent.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from measuring import load_average
from secateur.statistics import difference_of_shares, wilson
from secateur.statistics.clustered import Contributions, clustered_interval, cr2, sign_flip
from secateur.statistics.estimate import Estimate
from secateur.statistics.naive import mcnemar_mid_p
from secateur.statistics.published import chi_squared
from secateur.statistics.samples import Clusters
from secateur.statistics.verdict import Verdict, judge

SEED = 20261124
REPLICATES = 2000
NULL_REPLICATES = 4000
MARGIN = 0.02
INSIDE = 3.5
"""Standard errors that the truth of a decidable study lies inside its margin."""

BEFORE = 0.3
SMALL = 0.0003
"""A level that Holm's correction over 180 comparisons asks for."""

# Size of a cluster: how many. BBQ's are of the ambiguous items: of Age, of Religion, and of Age, Gender identity,
# Race, Religion and SES pooled, which the published study asks; the last are those of benchmark "planted".
# fmt: off
CLUSTERS: dict[str, dict[int, int]] = {
    "BBQ Age": {16: 3, 36: 3, 48: 4, 64: 3, 80: 3, 100: 3, 140: 2, 144: 1, 168: 2},
    "BBQ Religion": {20: 20, 40: 2, 60: 2},
    "BBQ, five categories": {
        4: 1, 16: 3, 20: 24, 24: 9, 32: 1, 36: 5, 40: 3, 48: 4, 60: 2, 64: 5, 80: 3, 100: 11, 104: 16, 108: 1, 120: 4,
        124: 1, 136: 2, 140: 16, 144: 1, 168: 2, 180: 1, 200: 1, 204: 1, 240: 12, 264: 1,
    },
    "planted": {16: 125},
}
# fmt: on
RATES = (0.003, 0.015, 0.06, 0.3)
ICCS = (0.0, 0.02, 0.1, 0.2)
SHARES = (0.01, 0.02, 0.3, 0.98, 0.99)
WORSE = (0.5, 0.9, 1.0)
KINDS = ("clustered", "cr2", "naive")
TESTS = ("sign_flip", "mcnemar", "chi_squared", "chi_squared_five")
AT_MARGIN = ((0.02, 1.0), (0.06, 2 / 3), (0.3, 8 / 15))


@dataclass(frozen=True)
class Scenario:
    """One way the world could be; see the top of this file."""

    part: str
    clusters: str
    directions: str
    icc: float
    rate: float
    worse: float

    @property
    def truth(self) -> float:
        return self.rate * (2 * self.worse - 1)

    @property
    def null(self) -> bool:
        return self.worse == 0.5


@dataclass(frozen=True)
class Band:
    """What is acceptable, fixed before the simulation was run.

    Args:
        name: Key in the result.
        what: Which figure, in words.
        of: The figure of a row.
        least: Smallest acceptable.
        most: Largest acceptable.
        reason: Why there.
        where: Rows that it is about.
        pooled: Whether it is about the mean over those rows.
    """

    name: str
    what: str
    of: Callable[[Mapping[str, Any]], float]
    least: float
    most: float
    reason: str
    where: Callable[[Scenario], bool] = lambda scenario: True
    pooled: bool = False


def _missed(level: str, side: str) -> Callable[[Mapping[str, Any]], float]:
    return lambda row: float(row["intervals"][level]["clustered"][side])


def _missed_either(row: Mapping[str, Any]) -> float:
    return _missed("0.95", "above")(row) + _missed("0.95", "below")(row)


def _misses(icc: float) -> list[Band]:
    believed = icc <= 0.1
    most = 0.075 if believed else 0.1
    reason = (
        "up to half as much again as promised changes no reading; of more a reader must be told"
        if believed
        else "the interval believes 0.1, so 0.2 is more than it is built for; twice what it promises must still hold"
    )
    where = "ICC up to 0.1" if believed else "ICC 0.2"

    def of(part: str) -> Callable[[Scenario], bool]:
        return lambda at: at.part == part and (at.icc <= 0.1) == believed

    sides = {"above": "upper", "below": "lower"}
    bands = [
        Band(
            f"{end}, {where}",
            f"truth {side} the interval of level 0.90",
            _missed("0.90", side),
            0,
            most,
            reason,
            of(GRID),
        )
        for side, end in sides.items()
    ]
    bands.append(
        Band(
            f"two-sided, {where}", "truth outside the interval of level 0.95", _missed_either, 0, most, reason, of(GRID)
        )
    )
    bands += [
        Band(
            f"{verdict}, {where}",
            f"verdict {verdict} where the truth is the margin",
            lambda row, verdict=verdict: float(row["verdicts"][verdict]),
            0,
            most,
            "a verdict at level 0.90 promises 5 %; as for the interval",
            of(EDGE),
        )
        for verdict in (Verdict.EQUIVALENT.value, Verdict.WORSE.value)
    ]
    return bands


def _misses_single(icc: float) -> list[Band]:
    believed = icc <= 0.1
    most = 0.075 if believed else 0.1
    where = "ICC up to 0.1" if believed else "ICC 0.2"

    def of(at: Scenario) -> bool:
        return at.part == SINGLE and (at.icc <= 0.1) == believed

    bands = [
        Band(
            f"share, {end}, {where}",
            f"truth {side} the interval of level 0.90",
            _missed("0.90", side),
            0,
            most,
            "as for differences",
            of,
        )
        for side, end in (("above", "upper"), ("below", "lower"))
    ]
    return [
        *bands,
        Band(
            f"share, two-sided, {where}",
            "truth outside the interval of level 0.95",
            _missed_either,
            0,
            most,
            "as for differences",
            of,
        ),
    ]


GRID, EDGE, SINGLE = "grid", "margin", "single"
BANDS = [
    *_misses_single(0.1),
    *_misses_single(0.2),
    *_misses(0.1),
    *_misses(0.2),
    Band(
        "sign-flip",
        "p at most 0.05 where nothing differs",
        lambda row: float(row["tests"]["sign_flip"]),
        0,
        0.06,
        "exact where clusters are as likely with either sign, so 5 % and three Monte Carlo errors (0.34 points)",
        lambda at: at.part == GRID and at.null and at.directions != "lopsided",
    ),
    Band(
        "sign-flip, lopsided",
        "p at most 0.05 where nothing differs",
        lambda row: float(row["tests"]["sign_flip"]),
        0,
        0.075,
        "not exact there; half as much again as promised",
        lambda at: at.directions == "lopsided",
    ),
    Band(
        "sign-flip, small",
        f"p at most {SMALL} where nothing differs, all rows together",
        lambda row: float(row["tests"]["sign_flip_small"]),
        0,
        1.5 * SMALL,
        "half as much again; a row alone has too few replicates to tell",
        lambda at: at.part == GRID and at.null and at.directions != "lopsided",
        pooled=True,
    ),
    Band(
        "decidable",
        f"verdict equivalent where the truth is {INSIDE} standard errors inside the margin",
        lambda row: float(row["tests"]["passed_inside"]),
        0.8,
        1,
        "planning says that 3 standard errors are decided in four of five studies; half of one more for few clusters, "
        "where changes are not rare and clusters as alike as the interval believes",
        lambda at: at.part == GRID and at.null and at.directions == "cluster" and at.icc >= 0.1 and at.rate >= 0.06,
    ),
]


def scenarios() -> list[Scenario]:
    """All of them, by part."""
    found = []
    for name in CLUSTERS:
        for rate in RATES:
            for worse in WORSE:
                found += [Scenario(GRID, name, "item", icc, rate, worse) for icc in ICCS]
                # With all changes for the worse, or clusters alike, the two ways are one.
                found += [Scenario(GRID, name, "cluster", icc, rate, worse) for icc in ICCS if icc and worse < 1]
            found += [Scenario(GRID, name, "lopsided", icc, rate, 0.5) for icc in (0.1, 0.2)]
        for rate, worse in AT_MARGIN:
            found += [Scenario(EDGE, name, "item", icc, rate, worse) for icc in ICCS]
            found += [Scenario(EDGE, name, "cluster", icc, rate, worse) for icc in ICCS if icc and worse < 1]
        found += [Scenario(SINGLE, name, "item", icc, share, 1.0) for share in SHARES for icc in ICCS if icc]
    return found


@lru_cache(maxsize=4)
def clusters_of(name: str) -> Clusters:
    sizes = [size for size, how_many in CLUSTERS[name].items() for _ in range(how_many)]
    return Clusters(np.repeat(np.arange(len(sizes)), sizes))


def beta(rng: np.random.Generator, mean: float, icc: float, shape: tuple[int, int]) -> NDArray[np.float64]:
    if icc == 0 or mean in (0, 1):
        return np.full(shape, mean)
    precision = (1 - icc) / icc
    return rng.beta(mean * precision, (1 - mean) * precision, shape)


def draw(at: Scenario, replicates: int, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Items gained and lost. Shapes: [replicates, n_clusters] each."""
    sizes = clusters_of(at.clusters).sizes.astype(np.int64)
    shape = (replicates, len(sizes))
    if at.directions == "lopsided":
        gained = rng.binomial(sizes, at.rate / 2, shape)
        of_the_rest = at.rate / 2 / (1 - at.rate / 2)
        return gained, rng.binomial(sizes - gained, beta(rng, of_the_rest, at.icc, shape))
    changed = rng.binomial(sizes, beta(rng, at.rate, at.icc, shape))
    worse: Any = at.worse
    if at.directions == "cluster" and at.icc:
        precision = at.rate * (1 - at.icc) / at.icc  # a Dirichlet's parts are a beta and a beta of its rest
        worse = beta(rng, at.worse, 1 / (1 + precision), shape)
    gained = rng.binomial(changed, worse)
    return gained, changed - gained


def simulate(at: Scenario, replicates: int | None) -> dict[str, Any]:
    """One row of the result."""
    replicates = replicates or (NULL_REPLICATES if at.null else REPLICATES)
    rng = np.random.default_rng([SEED, zlib.crc32(repr(at).encode())])
    clusters = clusters_of(at.clusters)
    sizes = clusters.sizes.astype(np.int64)
    place_within = np.concatenate([np.arange(size) for size in sizes])
    from_end = np.repeat(sizes, sizes) - 1 - place_within
    gained, lost = draw(at, replicates, rng)
    row: dict[str, Any] = {**asdict(at), "truth": at.truth, "replicates": replicates}
    levels = (0.9,) if at.part == EDGE else (0.9, 0.95)
    ends: dict[float, dict[str, list[Any]]] = {level: {kind: [] for kind in KINDS} for level in levels}
    means, p = [], {test: [] for test in TESTS}
    for up, down in zip(gained, lost, strict=True):
        values = (place_within < up[clusters.place]).astype(np.float64) - (from_end < down[clusters.place])
        between = (0.0, 1.0) if at.part == SINGLE else None
        one, total = Contributions(values, clusters, between=between), (int(up.sum()), int(down.sum()))
        means.append(one.mean)
        for level, found in ends.items():
            found["clustered"].append(clustered_interval(one, level=level))
            found["cr2"].append(_t_interval(one, level))
            found["naive"].append(_naive(at, *total, clusters.n_items, level))
        if at.null:
            p["sign_flip"].append(sign_flip(one))
            p["mcnemar"].append(_mcnemar(*total))
            p["chi_squared"].append(_chi_squared(total[0] - total[1], clusters.n_items, 1))
            p["chi_squared_five"].append(_chi_squared(total[0] - total[1], clusters.n_items, 5))
    if at.part == EDGE:
        row["verdicts"] = _verdicts(means, ends[0.9]["clustered"], clusters, MARGIN)
        row["naive_verdicts"] = _verdicts(means, ends[0.9]["naive"], clusters, MARGIN)
        return row
    row["intervals"] = {
        f"{level:.2f}": {kind: _summary(kept, at.truth) for kind, kept in found.items()}
        for level, found in ends.items()
    }
    if at.null:
        row["tests"] = {test: float((np.array(found) <= 0.05).mean()) for test, found in p.items()}
        row["tests"]["sign_flip_small"] = float((np.array(p["sign_flip"]) <= SMALL).mean())
        decided = _verdicts(means, ends[0.9]["clustered"], clusters, INSIDE * float(np.std(means)))
        row["tests"]["passed_inside"] = decided[Verdict.EQUIVALENT.value]
    return row


def _summary(intervals: list[tuple[float, float]], truth: float) -> dict[str, float]:
    ends = np.array(intervals, np.float64)
    return {
        "above": float((truth > ends[:, 1] + 1e-12).mean()),
        "below": float((truth < ends[:, 0] - 1e-12).mean()),
        "width": float((ends[:, 1] - ends[:, 0]).mean()),
    }


def _verdicts(
    means: list[float], intervals: list[tuple[float, float]], clusters: Clusters, margin: float
) -> dict[str, float]:
    found = []
    for mean, (low, high) in zip(means, intervals, strict=True):
        estimate = Estimate(mean, low, high, 0.9, "simulated", clusters.n_items, clusters.n_items, clusters.n_clusters)
        found.append(judge(estimate, margin).verdict)
    return {verdict.value: found.count(verdict) / len(found) for verdict in Verdict}


def _t_interval(one: Contributions, level: float) -> tuple[float, float]:
    error = cr2(one)
    assert error is not None
    half = _quantile(error.df, level) * error.value
    return one.mean - half, one.mean + half


@lru_cache(maxsize=64)
def _quantile(df: float, level: float) -> float:
    return float(stats.t.ppf((1 + level) / 2, df))


def _naive(at: Scenario, gained: int, lost: int, n: int, level: float) -> tuple[float, float]:
    return wilson(gained, n, level=level) if at.part == SINGLE else _naive_interval(gained, lost, n, level)


@lru_cache(maxsize=100_000)
def _naive_interval(gained: int, lost: int, n: int, level: float) -> tuple[float, float]:
    return difference_of_shares(gained, lost, n, level=level)


@lru_cache(maxsize=100_000)
def _mcnemar(gained: int, lost: int) -> float:
    return mcnemar_mid_p(gained, lost)


@lru_cache(maxsize=100_000)
def _chi_squared(more: int, n: int, answers: int) -> float:
    before = round(BEFORE * n)
    p = chi_squared(answers * before, answers * n, answers * min(max(before + more, 0), n), answers * n).p
    assert p is not None
    return p


def judged(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every band with how many rows are inside; each row is told, too."""
    found = []
    for row in rows:
        row["bands"] = {}
    for band in BANDS:
        about = [row for row in rows if band.where(Scenario(**{name: row[name] for name in Scenario.__annotations__}))]
        figures = [band.of(row) for row in about]
        if band.pooled:
            counts = [row["replicates"] for row in about]
            figures = [float(np.average(figures, weights=counts))]
            inside = [band.least <= figures[0] <= band.most]
        else:
            inside = [band.least <= figure <= band.most for figure in figures]
            for row, figure, well in zip(about, figures, inside, strict=True):
                row["bands"][band.name] = {"found": figure, "inside": well}
        found.append(told(band, figures, inside))
    return found


def told(band: Any, figures: Sequence[float], inside: Sequence[bool]) -> dict[str, Any]:
    """A band with how many of these figures are inside."""
    return {
        "name": band.name,
        "what": band.what,
        "least": band.least,
        "most": band.most,
        "reason": band.reason,
        "rows": len(figures),
        "inside": sum(inside),
        "smallest": min(figures),
        "mean": float(np.mean(figures)),
        "largest": max(figures),
    }


def conduct(
    description: str | None,
    every: Sequence[Any],
    simulate: Callable[[Any, int | None], dict[str, Any]],
    judge: Callable[[list[dict[str, Any]]], list[dict[str, Any]]],
    head: Mapping[str, Any],
    *,
    replicates: str,
) -> None:
    """Simulate every row on all processors, print the bands and write the file that was asked for."""
    arguments = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--replicates", type=int, help=f"else {replicates}")
    arguments.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    arguments.add_argument("--out", type=Path)
    options = arguments.parse_args()
    begun, before = time.perf_counter(), load_average()
    with ProcessPoolExecutor(options.jobs) as pool:
        rows = list(pool.map(simulate, every, [options.replicates] * len(every), chunksize=1))
    bands = judge(rows)
    for band in bands:
        print(
            f"{band['inside']:4} of {band['rows']:4} inside: {band['name']}, {band['what']} "
            f"({band['smallest']:.4f} .. {band['largest']:.4f}; band {band['least']} .. {band['most']})"
        )
    print(f"{time.perf_counter() - begun:.0f} s for {sum(row['replicates'] for row in rows):,} simulated studies")
    if options.out:
        timing = {"seconds": round(time.perf_counter() - begun), "load_average_before": before}
        options.out.write_text(as_json({**head, **timing}, bands, rows), encoding="utf-8")


def _described(name: str) -> dict[str, Any]:
    clusters = clusters_of(name)
    return {
        "items": clusters.n_items,
        "clusters": clusters.n_clusters,
        "effective": round(clusters.effective, 1),
        "sizes": CLUSTERS[name],
    }


def as_json(head: Mapping[str, Any], bands: list[dict[str, Any]], rows: list[dict[str, Any]]) -> str:
    """A line for each band and each row."""
    parts = [f'"{name}": {json.dumps(value)}' for name, value in head.items()]
    for name, lines in (("bands", bands), ("rows", rows)):
        parts.append(f'"{name}": [\n' + ",\n".join(json.dumps(_rounded(line)) for line in lines) + "\n]")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(inner) for name, inner in value.items()}
    return round(value, 7) if isinstance(value, float) else value


def main() -> None:
    head = {
        "seed": SEED,
        "margin": MARGIN,
        "standard_errors_inside": INSIDE,
        "clusters": {name: _described(name) for name in CLUSTERS},
    }
    replicates = f"{REPLICATES}, {NULL_REPLICATES} where nothing differs"
    conduct(__doc__, scenarios(), simulate, judged, head, replicates=replicates)


if __name__ == "__main__":
    main()
