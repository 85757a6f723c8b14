"""Which letters a variant answers with: a model that always says B, or hardly any letter at all, shows here."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from secateur.items.orders import LETTERS
from secateur.metrics.counts import (
    NO_FINITE,
    NO_INTERVAL,
    NO_LETTER,
    Counts,
)
from secateur.metrics.metric import BOTH, Metric
from secateur.metrics.parts import Parts
from secateur.metrics.single import estimated, estimates
from secateur.metrics.terms import Terms, mean, ratio
from secateur.statistics.estimate import Estimate

COLLAPSE_SHARE = 0.8
"""A letter with more than this share of the answers is a collapse. Options are placed evenly over letters, so even a
model that gives every item the same role stays near one third (36 % in BBQ's Age in its own order)."""


def letter_share_a(counts: Counts, *, level: float = 0.95) -> Estimate:
    """Answers at A / answers at a letter. 0..1; guessing gives 1/3."""
    return _letter_share(counts, 0, level=level)


def letter_share_b(counts: Counts, *, level: float = 0.95) -> Estimate:
    """Answers at B / answers at a letter. 0..1; guessing gives 1/3."""
    return _letter_share(counts, 1, level=level)


def letter_share_c(counts: Counts, *, level: float = 0.95) -> Estimate:
    """Answers at C / answers at a letter. 0..1; guessing gives 1/3."""
    return _letter_share(counts, 2, level=level)


def letter_share_max(counts: Counts, *, level: float = 0.95) -> Estimate:
    """The largest of the three letter shares, 1/3..1, with a note if it is above ``COLLAPSE_SHARE``.

    The interval is that letter's own and ignores that it was picked for being the largest.
    """
    return _largest(counts, counts.whole, level=level)[0]


def _largest(counts: Counts, parts: Parts, *, level: float) -> list[Estimate]:
    each = [_letter_shares(letter, counts, parts, level=level) for letter in range(3)]
    # Of equal ones the first, whatever their last digits are.
    tops = np.argmax(np.round(_shares(counts, parts), 12), axis=0).tolist()
    return [_as_largest(each[top][part], LETTERS[top]) for part, top in enumerate(tops)]


def _as_largest(found: Estimate, letter: str) -> Estimate:
    if found.value is None:
        return found
    note = f"letter {letter}"
    if found.value > COLLAPSE_SHARE:
        note = f"collapsed: more than {COLLAPSE_SHARE:.0%} of answers are {letter}"
    low = found.low if found.low is None else min(max(found.low, 1 / 3), found.value)
    return replace(found, low=low, note="; ".join(part for part in (note, found.note) if part))


def letters_collapsed(counts: Counts, *, threshold: float = COLLAPSE_SHARE) -> bool | None:
    """Whether one letter has more than this share of the answers; ``None`` where no answer stood at a letter."""
    value = letter_share_max(counts).value
    return None if value is None else value > threshold


def letter_entropy(counts: Counts, *, level: float = 0.95) -> Estimate:
    """Entropy of the three letter shares in bits, 0..log2(3) = 1.585; guessing gives the largest. No interval."""
    return _entropies(counts, counts.whole, level=level)[0]


def _entropies(counts: Counts, parts: Parts, *, level: float) -> list[Estimate]:
    # Where no answer stood at a letter these are undefined, with the reason.
    shares = _letter_shares(0, counts, parts, level=level)
    return [
        replace(found, value=_entropy(at), low=None, high=None, method=NO_INTERVAL, note="") if found.defined else found
        for found, at in zip(shares, _shares(counts, parts).T.tolist(), strict=True)
    ]


def _entropy(shares: Sequence[float]) -> float:
    return max(-math.fsum(p * math.log2(p) for p in shares if p > 0), 0.0)


def letter_mass(counts: Counts, *, level: float = 0.95) -> Estimate:
    """Mean probability that the next token is one of the three letters, over rows with finite scores. 0..1."""
    return estimated(counts, _mass_terms, level=level)


def tie_share(counts: Counts, *, level: float = 0.95) -> Estimate:
    """Answers decided between exactly equal scores / all answers. 0..1."""
    return estimated(counts, _tie_terms, level=level)


def _shares(counts: Counts, parts: Parts) -> NDArray[np.float64]:
    """Of A, B and C in each part; zeros where no answer stood at a letter. Shape [3, n]."""
    sums = np.stack([parts.total(at / counts.answers) for at in counts.letters.T])
    return np.asarray(sums / np.maximum(sums.sum(axis=0), 1e-300), np.float64)


def _letter_share(counts: Counts, letter: int, *, level: float) -> Estimate:
    return _letter_shares(letter, counts, counts.whole, level=level)[0]


def _letter_shares(letter: int, counts: Counts, parts: Parts, *, level: float) -> list[Estimate]:
    # Each is asked for by itself, and to know which is the largest.
    return counts.once(
        ("letter share", letter, parts, level),
        lambda: estimates(counts, _LETTER_TERMS[letter](counts), parts, level=level),
    )


def _letter_terms(letter: int) -> Callable[[Counts], Terms]:
    return lambda c: ratio(
        c.letters[:, letter] / c.answers,
        c.lettered / c.answers,
        np.ones_like(c.has_roles),
        rows=c.lettered,
        empty=NO_LETTER,
    )


_LETTER_TERMS = tuple(map(_letter_terms, range(3)))


def _mass_terms(counts: Counts) -> Terms:
    scored = counts.scored > 0
    mass = np.where(scored, counts.mass / np.maximum(counts.scored, 1), 0.0)
    return ratio(mass, scored, np.ones_like(counts.has_roles), rows=counts.scored, empty=NO_FINITE)


def _tie_terms(counts: Counts) -> Terms:
    return mean(counts.ties / counts.answers, np.ones_like(counts.has_roles))


_HERE = "docs/metrics.md"
_UNIT = (0.0, 1.0)
_AT_LETTER = "share of answers at a letter"

LETTER_METRICS: tuple[Metric, ...] = (
    *(
        Metric(
            f"letter_share_{letter.lower()}",
            f"answers at {letter}",
            "answers",
            BOTH,
            _AT_LETTER,
            _UNIT,
            _HERE,
            function,
            guess=1 / 3,
            terms=_LETTER_TERMS[place],
            in_parts=partial(_letter_shares, place),
        )
        for place, (letter, function) in enumerate(
            zip(LETTERS, (letter_share_a, letter_share_b, letter_share_c), strict=True)
        )
    ),
    Metric(
        "letter_share_max",
        "largest letter share",
        "answers",
        BOTH,
        _AT_LETTER,
        (1 / 3, 1.0),
        _HERE,
        letter_share_max,
        in_parts=_largest,
    ),
    Metric(
        "letter_entropy",
        "entropy of letters",
        "answers",
        BOTH,
        "bits",
        (0.0, math.log2(3)),
        _HERE,
        letter_entropy,
        guess=math.log2(3),
        in_parts=_entropies,
    ),
    Metric(
        "letter_mass",
        "letter mass",
        "answers",
        BOTH,
        "mean probability",
        _UNIT,
        _HERE,
        letter_mass,
        better="higher",
        soft=True,
        terms=_mass_terms,
    ),
    Metric(
        "tie_share",
        "exact ties",
        "answers",
        BOTH,
        "share of answers",
        _UNIT,
        _HERE,
        tie_share,
        soft=True,
        terms=_tie_terms,
    ),
)
"""Metrics of one variant's answers, by where they stood."""
