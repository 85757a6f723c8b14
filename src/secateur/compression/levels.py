"""How much goes: levels as exact fractions, and the count that follows from one."""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction

from secateur.errors import InputError

# Bounds digits and exponents, so that a slip such as 1e99999999 is an error and not an endless computation.
_NUMBER = re.compile(r"(\d{1,18}(\.\d{0,18})?|\.\d{1,18})(e-?\d{1,2})?|\d{1,9}/\d{1,9}", re.IGNORECASE)


def exact_number(value: float | int | str | Fraction) -> Fraction | None:
    """The number as written: 0.29 is 29/100, not the nearest binary number below it; ``None`` if it is none."""
    if isinstance(value, Fraction):
        return value
    text = str(value).strip()
    try:
        return Fraction(text) if _NUMBER.fullmatch(text) else None
    except ZeroDivisionError:
        return None


def exact_fraction(level: float | int | str | Fraction) -> Fraction:
    """The level as written, see :func:`exact_number`.

    Raises:
        InputError: If it is not a number from 0 to 1.
    """
    fraction = exact_number(level)
    if fraction is None or not 0 <= fraction <= 1:
        raise InputError("A sparsity is not a share.", allowed="0 to 1, for example 0.5", got=level)
    return fraction


def written(level: Fraction) -> str:
    """The level for people: 0.29 where a decimal is exact, else 1/3."""
    rest = level.denominator
    for factor in (2, 5):
        while rest % factor == 0:
            rest //= factor
    if rest != 1:
        return str(level)
    return f"{(Decimal(level.numerator) / Decimal(level.denominator)).normalize():f}"


def n_removed(n: int, sparsity: Fraction) -> int:
    """How many of ``n`` weights go: floor(sparsity * n), in rational arithmetic."""
    return sparsity.numerator * n // sparsity.denominator


def n_removed_truncated(n: int, sparsity: Fraction) -> int:
    """trunc(n * sparsity) with the product in float64: the published code's count, one short of ours here and there."""
    return int(n * float(sparsity))
