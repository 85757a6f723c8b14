"""Closed-form intervals for shares and their differences, with items taken as independent.

They are the simple ones: right for a sample of independent items, too narrow where items of one template resemble
each other. All take fractional successes, because an item's outcome may be a mean over orders and seeds; for such
means they err on the wide side, as a mean varies less than a coin with the same expectation.
"""

from __future__ import annotations

import math
from statistics import NormalDist

from scipy import special


def z_value(level: float) -> float:
    """The two-sided normal quantile: 1.96 for 0.95.

    Raises:
        ValueError: If the level is not between 0 and 1.
    """
    if not 0 < level < 1:
        raise ValueError(f"a level lies between 0 and 1, not at {level}")
    return NormalDist().inv_cdf((1 + level) / 2)


def t_value(level: float, df: float) -> float:
    """The two-sided quantile of Student's t: 2.26 for 0.95 and 9 degrees of freedom.

    Args:
        level: Between 0 and 1.
        df: Degrees of freedom, above 0.

    Raises:
        ValueError: If an argument is out of range.
    """
    if not 0 < level < 1 or not df > 0:
        raise ValueError(f"level {level}, {df} degrees of freedom")
    return float(special.stdtrit(df, (1 + level) / 2))


def t_above(t: float, df: float) -> float:
    """The chance that Student's t is above ``t``: the one-sided p-value, 0..1.

    Raises:
        ValueError: If df is not above 0.
    """
    if not df > 0:
        raise ValueError(f"{df} degrees of freedom")
    return float(special.stdtr(df, -t))


def welch_df(first: float, n_first: int, second: float, n_second: int) -> float:
    """Degrees of freedom of the difference of two independent means. Welch 1947, Biometrika 34:28-35.

    Args:
        first: Standard error of one mean.
        n_first: What it was made of, at least 2.
        second: Standard error of the other; not both 0.
        n_second: Likewise.

    Returns:
        From the smaller of both n - 1 to the sum of both.

    Raises:
        ValueError: If the arguments are out of range.
    """
    if min(n_first, n_second) < 2 or min(first, second) < 0 or first + second == 0:
        raise ValueError(f"standard errors {first} of {n_first} and {second} of {n_second}")
    share = first**2 / (first**2 + second**2)
    return 1 / (share**2 / (n_first - 1) + (1 - share) ** 2 / (n_second - 1))


def wilson(successes: float, n: float, *, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval for a share. Wilson 1927, JASA 22:209-212.

    Args:
        successes: 0 .. n, may be fractional.
        n: Above 0, may be fractional.
        level: Between 0 and 1.

    Returns:
        Low and high, within 0..1, around ``successes / n``; never of zero width.

    Raises:
        ValueError: If the arguments are out of range.
    """
    slack = 1e-9 * max(n, 1.0)
    if not n > 0 or not -slack <= successes <= n + slack:
        raise ValueError(f"{successes} successes of {n}")
    share = min(max(successes / n, 0.0), 1.0)
    z2 = z_value(level) ** 2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = math.sqrt(z2) / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    low = 0.0 if share == 0 else max(0.0, min(centre - half, share))
    high = 1.0 if share == 1 else min(1.0, max(centre + half, share))
    return low, high


def clopper_pearson_zero(n: float, *, level: float = 0.95) -> float:
    """Upper end of the exact two-sided interval for a share of which none of n was seen; the lower end is 0.

    Clopper and Pearson 1934, Biometrika 26:404-413, which for zero successes is 1 - (alpha / 2) ** (1 / n). With all
    of n seen, the interval is 1 minus this .. 1.

    Raises:
        ValueError: If n is not above 0 or the level not between 0 and 1.
    """
    if not n > 0 or not 0 < level < 1:
        raise ValueError(f"n {n}, level {level}")
    return -math.expm1(math.log((1 - level) / 2) / n)


def difference_of_shares(first: float, second: float, n: float, *, level: float = 0.95) -> tuple[float, float]:
    """Interval for the difference of two shares of one multinomial: P(first) - P(second).

    Square-and-add of two Wilson intervals (Newcombe 1998, Statistics in Medicine 17:2635-2650, his method for paired
    shares; Zou and Donner 2008, Statistics in Medicine 27:1693-1702), with the correlation that two categories of a
    multinomial have, -sqrt(p1 p2 / ((1 - p1) (1 - p2))). Where nothing else was seen the correlation is -1 and the
    interval is Wilson's for p1, stretched to -1..1. Never of zero width.

    Args:
        first: Successes of the first kind, may be fractional.
        second: Successes of the second kind; first + second <= n.
        n: Above 0.
        level: Between 0 and 1.

    Returns:
        Low and high, within -1..1.

    Raises:
        ValueError: If the arguments are out of range.
    """
    if first + second > n * (1 + 1e-9):
        raise ValueError(f"{first} and {second} of {n}")
    p1, p2 = min(first / n, 1.0), min(second / n, 1.0)
    full = p1 + p2 >= 1 - 1e-12
    correlation = -1.0 if full else -math.sqrt(p1 * p2 / ((1 - p1) * (1 - p2)))
    return _square_and_add(
        p1, p2, wilson(first, n, level=level), wilson(second, n, level=level), correlation=correlation
    )


def independent_difference(
    first: float, n_first: float, second: float, n_second: float, *, level: float = 0.95
) -> tuple[float, float]:
    """Interval for the difference of two independent shares, first / n_first - second / n_second.

    Newcombe 1998, Statistics in Medicine 17:873-890, method 10: square-and-add of two Wilson intervals.

    Returns:
        Low and high, within -1..1; never of zero width.

    Raises:
        ValueError: If the arguments are out of range.
    """
    intervals = wilson(first, n_first, level=level), wilson(second, n_second, level=level)
    return _square_and_add(first / n_first, second / n_second, *intervals, correlation=0.0)


def _square_and_add(
    p1: float,
    p2: float,
    interval1: tuple[float, float],
    interval2: tuple[float, float],
    *,
    correlation: float,
) -> tuple[float, float]:
    down1, up1 = max(p1 - interval1[0], 0.0), max(interval1[1] - p1, 0.0)
    down2, up2 = max(p2 - interval2[0], 0.0), max(interval2[1] - p2, 0.0)
    low = p1 - p2 - math.sqrt(max(down1**2 - 2 * correlation * down1 * up2 + up2**2, 0.0))
    high = p1 - p2 + math.sqrt(max(up1**2 - 2 * correlation * up1 * down2 + down2**2, 0.0))
    return max(low, -1.0), min(high, 1.0)
