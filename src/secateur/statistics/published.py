"""The published study's tests, as its code makes them: kept for comparison, never for a verdict.

All take an answer as independent of every other. Answers to one item with several seeds are not, nor are items of one
template, nor is the dense model's answer to a question independent of the variant's to the same; so these p-values are
far too small and the errors too narrow. arXiv:2605.08137.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from secateur.statistics.intervals import z_value

ONE_OUTCOME = "one outcome was never or always seen on both sides, so there is no expectation to test against"
NO_ANSWERS = "a side has no parsed answer"
SINGULAR = (
    "singular design: the terms cannot be told apart (each method needs at least two levels, or one level several "
    "methods)"
)
SEPARATION = (
    "separation: some combination of the terms predicts the outcome without error, so there is no finite maximum of "
    "the likelihood"
)
NO_CONVERGENCE = "the fit did not converge"

_SPARSITY = "sparsity"
_TOLERANCE = 1e-7
_STEPS, _SETTLED = 100, 1e-8  # of an error


@dataclass(frozen=True, slots=True)
class ChiSquared:
    """Pearson's chi-squared test of a 2 x 2 table, one degree of freedom.

    Args:
        statistic: 0 and up; 0 where both shares are equal; ``None`` where it is undefined.
        p: Two-sided, 0..1; ``None`` likewise.
        n: Answers on both sides together.
        note: Why it is undefined; empty where it is not.
    """

    statistic: float | None
    p: float | None
    n: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class EffectSize:
    """Cohen's h.

    Args:
        value: -pi..pi; 0 is no difference, above 0 the comparison's share is larger.
        n: Answers on both sides together.
    """

    value: float
    n: int


@dataclass(frozen=True, slots=True)
class Term:
    """One coefficient of a logistic regression.

    Args:
        name: ``intercept``, ``sparsity``, ``category NAME`` or ``method NAME``.
        coefficient: In log-odds; 0 is no effect. Of ``sparsity``: per percentage point, as published.
        error: Its standard error, answers taken as independent.
        z: coefficient / error.
        p: Two-sided, normal.
        low: Lower end of the 95 % interval, normal.
        high: Upper end.
    """

    name: str
    coefficient: float
    error: float
    z: float
    p: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Regression:
    """A logistic regression by maximum likelihood.

    Args:
        terms: The coefficients; empty where there are none, with the reason in ``note``.
        n: Answers.
        log_likelihood: Of single answers, in nats; ``None`` without a fit.
        pseudo_r2: McFadden's: 1 - log-likelihood / that of the share alone; 0 where the terms explain nothing.
        note: Why there is no fit.
    """

    terms: tuple[Term, ...]
    n: int
    log_likelihood: float | None = None
    pseudo_r2: float | None = None
    note: str = ""


def truncated_count(rate: float, n: int) -> int:
    """The published code's count of successes: ``int(rate * n)``, which is one too low where the product rounds down.

    Args:
        rate: 0..1.
        n: At least 0.

    Raises:
        ValueError: If the arguments are out of range.
    """
    if n < 0 or not 0 <= rate <= 1:
        raise ValueError(f"a rate of {rate} of {n}")
    return int(rate * n)


def chi_squared(base: int, n_base: int, comparison: int, n_comparison: int) -> ChiSquared:
    """Pearson's chi-squared test of two shares with Yates' correction, as scipy's ``chi2_contingency`` makes it.

    The published test; the two samples are taken as independent, which a dense model and its variant are not. Yates
    1934, Supplement to the JRSS 1:217-235.

    Args:
        base: Successes of the first side, 0 .. n_base.
        n_base: Answers of the first side.
        comparison: Successes of the second side, 0 .. n_comparison.
        n_comparison: Answers of the second side.

    Returns:
        Statistic 0 and p 1 where the shares differ by less than the correction. Undefined, with a reason, where a side
        is empty or a row of the table is; the published code stops there with an error.

    Raises:
        ValueError: If a count is out of range.
    """
    if not 0 <= base <= n_base or not 0 <= comparison <= n_comparison:
        raise ValueError(f"{base} of {n_base}, {comparison} of {n_comparison}")
    n = n_base + n_comparison
    if not n_base or not n_comparison:
        return ChiSquared(None, None, n, NO_ANSWERS)
    if base + comparison in (0, n):
        return ChiSquared(None, None, n, ONE_OUTCOME)
    counts = np.array([[base, n_base - base], [comparison, n_comparison - comparison]], np.float64)
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / n
    away = np.abs(counts - expected)
    statistic = float(((away - np.minimum(0.5, away)) ** 2 / expected).sum())
    return ChiSquared(statistic, float(special.chdtrc(1, statistic)), n)


def cohens_h(base: float, comparison: float, *, n: int) -> EffectSize:
    """Cohen's h, signed: 2 asin(sqrt(comparison)) - 2 asin(sqrt(base)). Cohen 1988, Statistical Power Analysis, ch. 6.

    Args:
        base: Share of the first side, 0..1.
        comparison: Share of the second side, 0..1.
        n: Answers on both sides together.

    Raises:
        ValueError: If a share is out of range.
    """
    if not 0 <= base <= 1 or not 0 <= comparison <= 1:
        raise ValueError(f"shares lie between 0 and 1, not at {base} and {comparison}")
    return EffectSize(2 * (math.asin(math.sqrt(comparison)) - math.asin(math.sqrt(base))), n)


def logistic_regression(
    sparsity: Sequence[float],
    category: Sequence[str],
    method: Sequence[str],
    successes: Sequence[int],
    answers: Sequence[int],
) -> Regression:
    """Stereotype ~ sparsity + category + method, as published, from counts instead of single answers.

    Names are coded as indicators, the first in sorted order left out (for methods that is ``dense``, if nothing sorts
    before it). The binomial counts have the same likelihood as single answers up to a constant, so estimates and errors
    are the same. McCullagh and Nelder 1989, Generalized Linear Models, ch. 4.

    Args:
        sparsity: Nominal level of each group in per cent, 0..100; dense is 0. [n_groups]
        category: Its category. [n_groups]
        method: Its method; ``dense`` is one. [n_groups]
        successes: Stereotype answers. [n_groups]
        answers: Parsed answers. [n_groups]

    Returns:
        The fit; without terms, with the reason, where the design is singular, the outcome separated or one outcome was
        never seen.

    Raises:
        ValueError: If the lengths differ or a count is out of range.
    """
    columns = (sparsity, category, method, successes, answers)
    if len({len(column) for column in columns}) != 1:
        raise ValueError(f"groups: {', '.join(str(len(column)) for column in columns)}")
    hits, total = np.asarray(successes, np.int64), np.asarray(answers, np.int64)
    if (hits < 0).any() or (hits > total).any():
        raise ValueError("more successes than answers, or fewer than none")
    kept = total > 0
    n, seen = int(total.sum()), int(hits.sum())
    if seen in (0, n):
        return Regression((), n, note=NO_ANSWERS if n == 0 else ONE_OUTCOME)
    names, design = _design(sparsity, category, method, kept)
    hits, misses = hits[kept], (total - hits)[kept]
    if np.linalg.matrix_rank(design) < design.shape[1]:
        return Regression((), n, note=SINGULAR)
    if _separated(design, hits, misses):
        return Regression((), n, note=SEPARATION)
    return _fit(names, design, hits, misses)


def _design(
    sparsity: Sequence[float], category: Sequence[str], method: Sequence[str], kept: NDArray[np.bool_]
) -> tuple[list[str], NDArray[np.float64]]:
    """Names and columns of the terms, [n_kept, n_terms]."""
    names, columns = ["intercept", _SPARSITY], [np.ones(int(kept.sum())), np.asarray(sparsity, np.float64)[kept]]
    for what, values in (("category", category), ("method", method)):
        found = np.asarray(values, object)[kept]
        for name in sorted(set(found))[1:]:
            names.append(f"{what} {name}")
            columns.append((found == name).astype(np.float64))
    return names, np.stack(columns, axis=1)


def _separated(design: NDArray[np.float64], hits: NDArray[np.int64], misses: NDArray[np.int64]) -> bool:
    """Whether the maximum lies at infinity: a linear programme. Konis 2007, thesis, Oxford, section 4.

    There is separation if some direction moves no group with both outcomes, no all-success group down, no all-failure
    group up, and moves at least one of these.
    """
    mixed = (hits > 0) & (misses > 0)
    if mixed.all():
        return False  # the design has full rank, so every direction moves a mixed group
    from scipy.optimize import linprog

    scaled = design / np.abs(design).max(axis=0)
    signed = scaled[~mixed] * np.where(hits[~mixed] > 0, 1.0, -1.0)[:, None]
    found = linprog(
        -signed.sum(axis=0),
        A_ub=-signed,
        b_ub=np.zeros(len(signed)),
        A_eq=scaled[mixed] if mixed.any() else None,
        b_eq=np.zeros(int(mixed.sum())) if mixed.any() else None,
        bounds=(-1, 1),
    )
    return bool(-found.fun > _TOLERANCE)


def _fit(
    names: Sequence[str], design: NDArray[np.float64], hits: NDArray[np.int64], misses: NDArray[np.int64]
) -> Regression:
    """By Newton's method, which here is reweighted least squares (McCullagh and Nelder 1989, section 2.5)."""
    n = int((hits + misses).sum())
    found = _most_likely(design, hits, misses)
    if found is None:
        return Regression((), n, note=NO_CONVERGENCE)
    coefficients, errors = found
    log_likelihood = _log_likelihood(special.expit(design @ coefficients), hits, misses)
    alone = _log_likelihood(np.full(len(hits), hits.sum() / n), hits, misses)
    z, half = coefficients / errors, z_value(0.95) * errors
    columns = (coefficients, errors, z, 2 * special.ndtr(-np.abs(z)), coefficients - half, coefficients + half)
    return Regression(
        tuple(Term(name, *map(float, numbers)) for name, *numbers in zip(names, *columns, strict=True)),
        n,
        log_likelihood,
        1 - log_likelihood / alone,
    )


def _most_likely(
    design: NDArray[np.float64], hits: NDArray[np.int64], misses: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Coefficients and their errors, [n_terms] each; ``None`` if they do not settle."""
    total = hits + misses
    linear = special.logit((hits + total / 2) / (2 * total))  # from the middle: far out weights are nearly nothing
    before = np.full(design.shape[1], np.inf)
    for _ in range(_STEPS):
        share = special.expit(linear)
        weight = total * share * (1 - share)
        try:
            inverse = np.linalg.inv(design.T @ (weight[:, None] * design))
        except np.linalg.LinAlgError:
            return None
        found = inverse @ (design.T @ (weight * linear + hits - total * share))
        linear = design @ found
        variances = np.diag(inverse)
        if not (variances > 0).all():
            return None
        errors = np.sqrt(variances)
        if (np.abs(found - before) <= _SETTLED * errors).all():
            return found, errors
        before = found
    return None


def _log_likelihood(share: NDArray[np.float64], hits: NDArray[np.int64], misses: NDArray[np.int64]) -> float:
    return float((hits * np.log(share) + misses * np.log1p(-share)).sum())
