"""A dose-response regression with a slope for each method and errors that know of clusters.

A linear probability model and no logistic one: its slopes are differences of shares, like every other number that a
report relies on, they exist where a share is 0 in all items of a category (a logistic fit has no finite maximum
there), and with one baseline and the same items in every variant they are averages of paired differences. It says
nothing of thresholds: a response that is flat up to a level and steep from there has a slope in between.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from secateur.statistics.intervals import t_above, t_value

NO_DOSE = "no method was seen at a sparsity above 0"
SINGULAR = "the slopes cannot be told apart"
FEW_CLUSTERS = "fewer than two clusters, so nothing is known of others"
NO_RESIDUAL = "no cluster departs from the line, so there is no error"


@dataclass(frozen=True, slots=True)
class Slope:
    """Change of a share per unit of sparsity.

    Args:
        method: Whose; of a difference, whose slope less that of ``against``.
        against: Empty for a slope itself.
        value: In shares per unit of sparsity: 1 would be from no item to all between sparsity 0 and 1. 0 is none.
        error: Standard error, clustered; 0 where no cluster departs from the line.
        p: Two-sided, Student's t with clusters - 1 degrees of freedom; ``None`` without an error.
        low: Lower end of its interval; ``None`` likewise.
        high: Upper end.
    """

    method: str
    against: str
    value: float
    error: float
    p: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class DoseResponse:
    """The fit.

    Args:
        slopes: Of each method, then each method's less the first one's; empty without a fit.
        n_rows: Clusters of items in variants, those of the baseline included.
        n_clusters: Clusters of items.
        note: Why there is no fit or no error; else empty.
    """

    slopes: tuple[Slope, ...]
    n_rows: int
    n_clusters: int
    note: str = ""


def dose_response(
    share: NDArray[np.float64],
    items: NDArray[np.float64],
    sparsity: NDArray[np.float64],
    method: Sequence[str],
    category: Sequence[str],
    cluster: NDArray[np.int64],
    *,
    level: float = 0.95,
) -> DoseResponse:
    """Share ~ category + sparsity of each method, all methods starting from one baseline at sparsity 0.

    Least squares with the items of a row as its weight, which gives the coefficients of single items. The errors sum
    scores within a cluster over all variants, so neither alike items nor the same items in other variants count as
    independent (Liang and Zeger 1986, Biometrika 73:13-22, with the usual correction for few clusters).

    Args:
        share: Mean over the items of a cluster in a variant. Shape [n_rows].
        items: How many items these are. Shape [n_rows].
        sparsity: Achieved by the variant, 0..1; 0 for the baseline. Shape [n_rows].
        method: Of the variant; of the baseline it does not matter. [n_rows]
        category: Of the items. [n_rows]
        cluster: Of the items. Shape [n_rows].
        level: Of the intervals.
    """
    names = list(dict.fromkeys(name for name, dose in zip(method, sparsity, strict=True) if dose > 0))
    n_rows, n_clusters = len(share), len(np.unique(cluster))
    if not names:
        return DoseResponse((), n_rows, n_clusters, NO_DOSE)
    if n_clusters < 2:
        return DoseResponse((), n_rows, n_clusters, FEW_CLUSTERS)
    of, where = np.asarray(method, object), np.asarray(category, object)
    categories = sorted(set(category))
    design = np.stack(
        [np.where(of == name, sparsity, 0.0) for name in names] + [(where == name) * 1.0 for name in categories], axis=1
    )
    if np.linalg.matrix_rank(design[items > 0]) < design.shape[1]:
        return DoseResponse((), n_rows, n_clusters, SINGULAR)
    return _fit(share, items, design, names, cluster, level)


def _fit(
    share: NDArray[np.float64],
    items: NDArray[np.float64],
    design: NDArray[np.float64],
    names: Sequence[str],
    cluster: NDArray[np.int64],
    level: float,
) -> DoseResponse:
    groups = np.unique(cluster, return_inverse=True)[1]
    n_clusters = int(groups.max()) + 1
    bread = np.linalg.inv(design.T @ (items[:, None] * design))
    fit = bread @ (design.T @ (items * share))
    scores = design * (items * (share - design @ fit))[:, None]
    summed = np.stack([np.bincount(groups, weights=column) for column in scores.T], axis=1)  # [n_clusters, n_terms]
    spare = max(len(share) - design.shape[1], 1)  # without any, nothing departs from the line
    few = n_clusters / (n_clusters - 1) * (len(share) - 1) / spare
    covariance = few * bread @ summed.T @ summed @ bread
    terms = np.eye(design.shape[1])[: len(names)]
    wanted = [(name, "", term) for name, term in zip(names, terms, strict=True)]
    wanted += [(name, names[0], term - terms[0]) for name, term in zip(names[1:], terms[1:], strict=True)]
    slopes = []
    for name, against, term in wanted:
        value = float(term @ fit)
        error = float(np.sqrt(max(term @ covariance @ term, 0.0)))
        if error < _NOTHING:
            slopes.append(Slope(name, against, value, 0.0, None, None, None))
            continue
        half, p = t_value(level, n_clusters - 1) * error, 2 * t_above(abs(value) / error, n_clusters - 1)
        slopes.append(Slope(name, against, value, error, p, value - half, value + half))
    note = NO_RESIDUAL if any(slope.p is None for slope in slopes) else ""
    return DoseResponse(tuple(slopes), len(share), n_clusters, note)


_NOTHING = 1e-12
