"""How often intervals of scores and ratios miss: simulated studies in which the truth is known.

    OMP_NUM_THREADS=1 python benchmarks/scores.py [--replicates N] [--jobs N] [--out scores.json]

Needs no data; minutes on two cores. ``coverage.py`` has shares, where an item counts or does not. Here are the others:

- ``score``: of one variant, what speaks for the stereotype less what speaks against (as diff-bias).
- ``change of a score``: of two, where half of what changes goes from one group to the other and moves it by two.
- ``ratio``: of the answers that can be read, the share of the stereotype (as SRS), where few can be read.
- ``score of a ratio``: of the answers that name a group, what is for less what is against (as s_DIS), where few do.
- ``change of a ratio``: that score of two variants, of which one in five items was answered anew.

Every interval comes from the functions behind ``secateur score`` and ``secateur compare``. Items are in the clusters of
``coverage.py``. Each cluster has a share of its own of items that count (or change), and of these one of its own for
the stereotype, both beta with the intraclass correlation.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from coverage import CLUSTERS, SEED, Band, beta, clusters_of, conduct, told
from numpy.typing import NDArray

from secateur.metrics.counts import PerItem
from secateur.metrics.parts import Parts
from secateur.metrics.single import single
from secateur.metrics.terms import Terms, mean, ratio
from secateur.statistics.clustered import Contributions, clustered_interval

REPLICATES = 2000
RATES = (0.015, 0.06, 0.3)
LEANS = (0.5, 0.9)
ICCS = (0.02, 0.1)
AGAIN = 0.2
"""Share of the items that the second variant of a changed ratio was asked anew."""

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Scenario:
    """One way the world could be.

    Args:
        kind: One of ``KINDS``.
        clusters: One of ``coverage.CLUSTERS``.
        icc: How alike the items of a cluster are.
        rate: Share of the items that count, or change.
        lean: Share of these for the stereotype, or for the worse.
    """

    kind: str
    clusters: str
    icc: float
    rate: float
    lean: float


@dataclass(frozen=True)
class Made(PerItem):
    """Items that were asked once."""

    @property
    def rows(self) -> NDArray[np.int64]:
        return np.ones(self.n_items, np.int64)


Ends = tuple[float, float]
Found = Callable[[Scenario, np.random.Generator], Callable[[float], Ends] | None]


def _draw(at: Scenario, rng: np.random.Generator) -> tuple[Flags, NDArray[np.float64]]:
    """Which items count, and for what: 1 or -1. Shapes: [n_items] each."""
    clusters = clusters_of(at.clusters)
    shape = (1, clusters.n_clusters)
    counts = rng.random(clusters.n_items) < beta(rng, at.rate, at.icc, shape)[0][clusters.place]
    signs = np.where(rng.random(clusters.n_items) < beta(rng, at.lean, at.icc, shape)[0][clusters.place], 1.0, -1.0)
    return counts, signs


def _single(at: Scenario, terms: Terms) -> Callable[[float], Ends] | None:
    place = clusters_of(at.clusters).place
    n = len(place)
    items = Made(
        item=np.arange(n, dtype=np.uint64),
        category=np.zeros(n, np.int64),
        cluster=place,
        condition=np.zeros(n, np.int64),
        has_roles=np.ones(n, np.bool_),
        categories=("made up",),
    )
    if single(items, lambda _: terms).estimate.low is None:
        return None

    def ends(level: float) -> Ends:
        found = single(items, lambda _: terms, level=level).estimate
        assert found.low is not None
        assert found.high is not None
        return found.low, found.high

    return ends


def _score(at: Scenario, rng: np.random.Generator) -> Callable[[float], Ends] | None:
    counts, signs = _draw(at, rng)
    return _single(at, mean(np.where(counts, signs, 0.0), np.ones(len(signs), np.bool_), signed=True))


def _change_of_score(at: Scenario, rng: np.random.Generator) -> Callable[[float], Ends]:
    counts, signs = _draw(at, rng)
    by = np.where(rng.random(len(signs)) < 0.5, 2.0, 1.0)
    one = Contributions(np.where(counts, signs * by, 0.0), clusters_of(at.clusters), unit=2.0, span=2.0)
    return lambda level: _interval(one, level)


def _ratio(at: Scenario, rng: np.random.Generator, *, signed: bool = False) -> Callable[[float], Ends] | None:
    return _single(at, _terms(*_draw(at, rng), signed=signed))


def _terms(counts: Flags, signs: NDArray[np.float64], *, signed: bool) -> Terms:
    part = np.where(counts, signs if signed else signs > 0, 0.0)
    return ratio(part, counts.astype(np.float64), np.ones(len(signs), np.bool_), signed=signed)


def _change_of_ratio(at: Scenario, rng: np.random.Generator) -> Callable[[float], Ends] | None:
    first, second = _draw(at, rng), _draw(at, rng)
    anew = rng.random(len(first[0])) < AGAIN
    clusters = clusters_of(at.clusters)
    whole = Parts(np.zeros(len(anew), np.int64), 1, clusters.place)
    after = [np.where(anew, new, old) for old, new in zip(first, second, strict=True)]
    sides = [_terms(counts.astype(np.bool_), signs, signed=True).linearised(whole) for counts, signs in (first, after)]
    if not all(np.isfinite(side.value[0]) for side in sides):
        return None
    unit = float(max(side.unit[0] for side in sides))
    one = Contributions(sides[1].values.each - sides[0].values.each, clusters, unit=unit, span=2.0)
    return lambda level: _interval(one, level)


def _interval(one: Contributions, level: float) -> Ends:
    found = clustered_interval(one, level=level)
    assert found is not None
    return found


KINDS: Mapping[str, tuple[Found, Callable[[Scenario], float]]] = {
    "score": (_score, lambda at: at.rate * (2 * at.lean - 1)),
    "change of a score": (_change_of_score, lambda at: 1.5 * at.rate * (2 * at.lean - 1)),
    "ratio": (_ratio, lambda at: at.lean),
    "score of a ratio": (lambda at, rng: _ratio(at, rng, signed=True), lambda at: 2 * at.lean - 1),
    "change of a ratio": (_change_of_ratio, lambda _: 0.0),
}
"""How each is made, and its truth."""


def scenarios() -> list[Scenario]:
    """All of them."""
    return [
        Scenario(kind, clusters, icc, rate, lean)
        for kind in KINDS
        for clusters in CLUSTERS
        for icc in ICCS
        for rate in RATES
        for lean in LEANS
    ]


def simulate(at: Scenario, replicates: int | None) -> dict[str, Any]:
    """One row of the result."""
    rng = np.random.default_rng([SEED, zlib.crc32(repr(at).encode())])
    make, truth_of = KINDS[at.kind]
    truth, missed, n = truth_of(at), {"above": 0, "below": 0, "outside": 0}, 0
    for _ in range(replicates or REPLICATES):
        ends = make(at, rng)
        if ends is None:
            continue
        n += 1
        (low, high), (lower, higher) = ends(0.9), ends(0.95)
        missed["above"] += truth > high + 1e-9
        missed["below"] += truth < low - 1e-9
        missed["outside"] += truth > higher + 1e-9 or truth < lower - 1e-9
    return {
        **asdict(at),
        "truth": truth,
        "replicates": replicates or REPLICATES,
        "defined": n,
        **{name: float(count / n) for name, count in missed.items()},
    }


BANDS = {
    name: Band(end, what, lambda row, name=name: row[name], 0, 0.075, "as for differences of shares")
    for name, end, what in (
        ("above", "upper", "truth above the interval of level 0.90"),
        ("below", "lower", "truth below the interval of level 0.90"),
        ("outside", "two-sided", "truth outside the interval of level 0.95"),
    )
}


def judged(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every band with how many rows are inside."""
    found = []
    for band in BANDS.values():
        figures = [band.of(row) for row in rows]
        found.append(told(band, figures, [band.least <= figure <= band.most for figure in figures]))
    return found


if __name__ == "__main__":
    conduct(__doc__, scenarios(), simulate, judged, {"seed": SEED}, replicates=str(REPLICATES))
