"""How often a gate with a few looks is wrong, and what it spares: simulated studies in which the truth is known.

    OMP_NUM_THREADS=1 python benchmarks/looks.py [--replicates N] [--jobs N] [--out looks.json]

The studies are those of ``coverage.py``. Clusters are asked whole, in random orders, and judged at each look as
``secateur gate`` judges a criterion of a policy with ``looks``: the same levels, the same intervals, the worse side up.
Each study is judged against several margins: the truth itself, and so many standard errors above and below it; where
nothing differs also against 2 points. Beside stands a single look at everything. Needs no data; minutes on two cores;
the same seed gives the same figures on any number of processes.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from coverage import INSIDE, MARGIN, Band, Scenario, clusters_of, conduct, draw, told
from numpy.typing import NDArray

from secateur.statistics.clustered import Contributions, clustered_interval
from secateur.statistics.samples import Clusters
from secateur.study.looks import clusters_by, looks_at

SEED = 20261127
REPLICATES = 2000
ALPHA = 0.05
LOOKS = (4, 8)
ORDERS = 20
"""Random orders of the clusters, in turn."""

SAMPLES = ("BBQ Age", "BBQ, five categories", "planted")
RATES = (0.015, 0.06, 0.3)
ICCS = (0.02, 0.1)
WORSE = (0.5, 0.9, 1.0)
AT, INSIDE_IT, BEYOND, POINTS = "at the margin", "inside", "beyond", "2 points"


def _rate(margin: str, figure: str) -> Callable[[Mapping[str, Any]], float]:
    return lambda row: float(row["margins"][margin][figure])


def _more(margin: str, figure: str) -> Callable[[Mapping[str, Any]], float]:
    return lambda row: float(row["margins"][margin][figure] - row["margins"][margin][f"{figure}_once"])


PROMISED = "5 % is promised over all looks; up to half as much again changes no reading, as for a single look"
ADDED = "looks must add no error of their own; three Monte Carlo errors of 5 % in 2,000 studies"
BANDS = [
    Band("wrong pass", "passed where the truth is the margin", _rate(AT, "passed"), 0, 0.075, PROMISED),
    Band("wrong fail", "failed where the truth is the margin", _rate(AT, "failed"), 0, 0.075, PROMISED),
    Band("wrong pass, added", "the same less that of a single look", _more(AT, "passed"), -1, 0.015, ADDED),
    Band("wrong fail, added", "the same less that of a single look", _more(AT, "failed"), -1, 0.015, ADDED),
    Band(
        "right pass, lost",
        f"passed where the truth is {INSIDE} standard errors inside, less that of a single look",
        _more(INSIDE_IT, "passed"),
        -0.03,
        1,
        "what is left for the last look costs a few points where a study is just decidable",
    ),
    Band(
        "right fail, lost",
        f"failed where the truth is {INSIDE} standard errors beyond, less that of a single look",
        _more(BEYOND, "failed"),
        -0.03,
        1,
        "as for a pass",
    ),
]


def scenarios() -> list[tuple[Scenario, int]]:
    """All of them, with the number of looks."""
    found = []
    for looks in LOOKS:
        for name in SAMPLES:
            for rate in RATES:
                for icc in ICCS:
                    for worse in WORSE:
                        ways = ("item", "cluster") if worse < 1 else ("item",)
                        found += [(Scenario("looks", name, way, icc, rate, worse), looks) for way in ways]
    return found


@dataclass(frozen=True)
class Part:
    """What one look has in one order.

    Args:
        chosen: The clusters. Shape [n_asked].
        clusters: The items' clusters.
        level: One-sided, at which is judged; ``None`` where it is not.
    """

    chosen: NDArray[np.int64]
    clusters: Clusters
    level: float | None


@lru_cache(maxsize=64)
def parts(name: str, looks: int, order: int) -> tuple[Part, ...]:
    """What each look has."""
    sizes = clusters_of(name).sizes.astype(np.int64)
    places = np.random.default_rng([SEED, order]).permutation(len(sizes))
    chosen = [places[: clusters_by(number, looks, len(sizes))] for number in range(1, looks + 1)]
    planned = looks_at([sizes[one] for one in chosen], ALPHA)
    at = [planned.at(number) for number in range(1, looks + 1)]
    return tuple(
        Part(one, Clusters(np.repeat(np.arange(len(one)), sizes[one])), look.nominal if look else None)
        for one, look in zip(chosen, at, strict=True)
    )


def contributions(part: Part, gained: NDArray[np.int64], lost: NDArray[np.int64]) -> Contributions:
    """Items of the clusters that were asked: the first of each gained, the last lost. Shapes: [n_clusters] each."""
    sizes = part.clusters.sizes.astype(np.int64)
    within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    from_end = np.repeat(sizes, sizes) - 1 - within
    up, down = gained[part.chosen][part.clusters.place], lost[part.chosen][part.clusters.place]
    return Contributions((within < up).astype(np.float64) - (from_end < down), part.clusters)


def simulate(asked: tuple[Scenario, int], replicates: int | None) -> dict[str, Any]:
    """One row of the result."""
    at, looks = asked
    replicates = replicates or REPLICATES
    rng = np.random.default_rng([SEED, zlib.crc32(repr(at).encode())])
    gained, lost = draw(at, replicates, rng)
    whole = clusters_of(at.clusters)
    error = float(((gained - lost).sum(axis=1) / whole.n_items).std())
    margins = {AT: at.truth, INSIDE_IT: at.truth + INSIDE * error, BEYOND: at.truth - INSIDE * error}
    if at.null:
        margins[POINTS] = MARGIN
    found: dict[str, list[tuple[str, int, int]]] = {margin: [] for margin in margins}
    once: dict[str, list[str]] = {margin: [] for margin in margins}
    for number, (up, down) in enumerate(zip(gained, lost, strict=True)):
        seen = parts(at.clusters, looks, number % ORDERS)
        ends = [
            (part, clustered_interval(contributions(part, up, down), level=1 - 2 * part.level))
            for part in seen
            if part.level is not None
        ]
        last = clustered_interval(contributions(seen[-1], up, down), level=1 - 2 * ALPHA)
        for margin, value in margins.items():
            once[margin].append(decided(last, value))
            for part, interval in ends:
                if (outcome := decided(interval, value)) != OPEN or part is seen[-1]:
                    found[margin].append((outcome, len(part.chosen), part.clusters.n_items))
                    break
    return {
        **asdict(at),
        "looks": looks,
        "truth": at.truth,
        "replicates": replicates,
        "clusters_listed": whole.n_clusters,
        "items_listed": whole.n_items,
        "standard_error": error,
        "margins": {margin: summary(found[margin], once[margin]) | {"margin": margins[margin]} for margin in margins},
    }


PASSED, FAILED, OPEN = "passed", "failed", "open"


def decided(interval: tuple[float, float] | None, margin: float) -> str:
    """As a criterion whose worse side is up."""
    assert interval is not None
    return PASSED if interval[1] < margin else FAILED if interval[0] >= margin else OPEN


def summary(found: list[tuple[str, int, int]], once: list[str]) -> dict[str, float]:
    """Shares of outcomes, with looks and with one, and what was asked on average."""
    outcomes = [one[0] for one in found]
    return {
        "passed": outcomes.count(PASSED) / len(found),
        "failed": outcomes.count(FAILED) / len(found),
        "passed_once": once.count(PASSED) / len(once),
        "failed_once": once.count(FAILED) / len(once),
        "clusters": float(np.mean([one[1] for one in found])),
        "items": float(np.mean([one[2] for one in found])),
    }


def judged(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every band with how many rows are inside; each row is told, too."""
    found = []
    for row in rows:
        row["bands"] = {
            band.name: {"found": band.of(row), "inside": band.least <= band.of(row) <= band.most} for band in BANDS
        }
    for band in BANDS:
        figures = [row["bands"][band.name] for row in rows]
        inside = [one["inside"] for one in figures]
        found.append(told(band, [one["found"] for one in figures], inside))
    return found


def main() -> None:
    head = {"seed": SEED, "alpha": ALPHA, "standard_errors_inside": INSIDE}
    conduct(__doc__, scenarios(), simulate, judged, head, replicates=str(REPLICATES))


if __name__ == "__main__":
    main()
