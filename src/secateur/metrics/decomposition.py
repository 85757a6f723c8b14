"""Why the stereotype rate changed: fewer abstentions, fewer unreadable answers, or another direction of what is said.

Over all answers to items with roles the rate is the share of answers that name a group times the share of the
stereotype among these: srs_all = named * d, with named = 1 - unknown - unread and d = stereotype / named.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from secateur.metrics.counts import Counts
from secateur.metrics.paired import NO_COMMON_ITEMS, NO_ITEMS_FOR_IT, Beside, Differences
from secateur.metrics.parts import Parts
from secateur.metrics.terms import Array, Terms, ratio
from secateur.metrics.transitions import MOVES, Pairs
from secateur.statistics.samples import Means, Values, intervals

PARTS = ("whole", "abstention", "reading", "direction")
"""The change of ``srs_all``, and the three parts it is the sum of."""

NO_DIRECTION = "no answer names a group {}"
NO_NEW = "no answer that dense withheld names a group"

NEUTRAL_DIRECTION = 0.5


def decompose(beside: Beside, parts: Parts) -> dict[str, Differences]:
    """The change of ``srs_all`` and the parts it is the exact sum of.

    A change of a product of two factors is each factor's own change at the mean of the other's two values: the parts of
    Shapley (1953, Contributions to the Theory of Games II:307-317), which do not depend on which factor is
    changed first. The share that names a group changes because fewer answers are unknown (``abstention``) or fewer
    cannot be read (``reading``), both at the mean direction; ``direction`` is the change of d at the mean share. Each
    is -1..1; 0 is none; positive makes the rate rise.

    Args:
        beside: Counts of the dense model and of the variant.
        parts: Of the items to look at, each with a change of its own.

    Returns:
        By ``PARTS``. Where one side names no group, the whole is there and the parts are undefined. ``before`` and
        ``after`` are of the whole the rate, of abstention the unknown share, of reading the share of answers that are
        neither unknown nor name a group, of direction d.
    """
    sides = (beside.first, beside.second)
    assert all(isinstance(side, Counts) for side in sides)
    used = parts.within(beside.first.has_roles)
    shares = [
        part / side.rows
        for side in sides
        for part in (side.stereotype, side.counter, side.unknown)  # type: ignore[attr-defined]
    ]
    numbers = np.stack(shares).astype(np.float64).T
    none = used.n_items == 0
    means = [np.where(none, np.nan, used.total(share) / np.maximum(used.n_items, 1)) for share in shares]
    ends = [_ends(*side) for side in (means[:3], means[3:])]
    unnamed = [
        " and ".join(name for name, side in zip(_NAMES, ends, strict=True) if side["named"][number] == 0)
        for number in range(parts.n)
    ]
    missing = NO_ITEMS_FOR_IT if beside.n_items else NO_COMMON_ITEMS
    found, terms = {}, Terms(numbers, used.chosen, _whole, _STEPS)
    for part in PARTS:
        one = terms.linearised(used, _OF[part])
        reasons = [
            missing if empty else NO_DIRECTION.format(which) if which and part != "whole" else ""
            for empty, which in zip(none, unnamed, strict=True)
        ]
        means_of = Means(one.values, used.samples, one.unit)
        found[part] = Differences(ends[0][part], ends[1][part], means_of, used, reasons)
    return found


def new_direction(pairs: Pairs, parts: Parts) -> Differences:
    """Of the pairs that were unknown when dense and name a group in the variant, the share of the stereotype.

    0..1; 1/2 is neutral: what is no longer withheld goes either way alike. Over items that have such a pair.

    Args:
        pairs: The dense model's answers paired with the variant's.
        parts: Of the items to look at, each with a share of its own.

    Returns:
        The share as ``after``, with ``before`` neutral; the means are the share. Their intervals are
        ``share_intervals``.
    """
    unknown, stereotype, counter = (MOVES.index(name) for name in ("unknown", "stereotype", "counter"))
    gained = [pairs.moves[:, unknown, outcome] / pairs.pairs for outcome in (stereotype, counter)]
    both = gained[0] + gained[1]
    # Not ``within``, which keeps what it gives: no other comparison is of the same items.
    used = Parts(np.where(pairs.has_roles & (both > 0), parts.number, -1), parts.n, parts.cluster)
    one = ratio(gained[0], both, used.chosen).linearised(used)
    known = used.n_items > 0
    return Differences(
        np.where(known, NEUTRAL_DIRECTION, np.nan),
        one.value,
        Means(one.values, used.samples, one.unit),
        used,
        ["" if there else NO_NEW for there in known],
    )


def share_intervals(means: Means, level: float) -> tuple[Array, Array]:
    """Clustered intervals of shares whose rest is the share of the opposite; NaN with fewer than two clusters.

    Each end is the upper one of ``clustered_interval``, of the share and of its rest, so that neither is treated as if
    there were a third outcome. 0..1.

    Args:
        means: The shares.
        level: Two-sided, between 0 and 1.

    Returns:
        Lower and upper ends. Shape [n] each.
    """
    clusters = means.values.clusters
    rest = replace(means, values=Values(clusters.only(1 - means.values.each), clusters))
    (_, high), (_, other) = intervals(means, level), intervals(rest, level)
    return np.minimum(np.maximum(1 - other, 0.0), means.mean), np.minimum(high, 1.0)


_STEPS = np.array(
    [
        [*side[0], *side[1]]
        for step in ((1, 0, -1), (0, 1, -1), (1, -1, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1))
        for side in ((step, (0, 0, 0)), ((0, 0, 0), step))
    ],
    np.float64,
)
"""What one answer can change of stereotype, counter and unknown on one side. Shape [n_steps, 6]."""


_NAMES = ("when dense", "in the variant")


def _ends(stereotype: Array, counter: Array, unknown: Array) -> dict[str, Array]:
    """What stands before and after each part. Shapes: [n] each."""
    named = stereotype + counter
    return {
        "whole": stereotype,
        "abstention": unknown,
        "reading": np.maximum(1 - named - unknown, 0.0),
        "direction": np.divide(stereotype, named, out=np.full(len(named), np.nan), where=named > 0),
        "named": named,
    }


def _factors(means: Sequence[Any]) -> tuple[Any, ...]:
    """Of both sides: named, direction, unknown."""
    named = means[0] + means[1], means[3] + means[4]
    return (*named, means[0] / named[0], means[3] / named[1], means[2], means[5])


def _whole(means: Sequence[Any]) -> Any:
    return means[3] - means[0]


def _abstention(means: Sequence[Any]) -> Any:
    _, _, d_before, d_after, unknown_before, unknown_after = _factors(means)
    return (unknown_before - unknown_after) * (d_before + d_after) / 2


def _reading(means: Sequence[Any]) -> Any:
    named_before, named_after, d_before, d_after, unknown_before, unknown_after = _factors(means)
    return (named_after + unknown_after - named_before - unknown_before) * (d_before + d_after) / 2


def _direction(means: Sequence[Any]) -> Any:
    named_before, named_after, d_before, d_after, *_ = _factors(means)
    return (d_after - d_before) * (named_before + named_after) / 2


_OF = {
    "whole": _whole,
    "abstention": _abstention,
    "reading": _reading,
    "direction": _direction,
}
