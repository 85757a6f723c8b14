"""Clustered statistics as their definitions have them: whole matrices, every sign, loops over items."""

import itertools
import math

import numpy as np
from scipy import stats


def cr2(values, place):
    """Sandwich with residuals of each cluster multiplied by (I - H_cc)^(-1/2); X is a column of ones."""
    n = len(values)
    ones = np.ones((n, 1))
    bread = np.linalg.inv(ones.T @ ones)
    hat = ones @ bread @ ones.T
    residuals = values - hat @ values
    meat = 0.0
    for members in members_of(place):
        adjusted = adjustment(hat, members) @ residuals[members]
        meat += (ones[members].T @ adjusted).item() ** 2
    return math.sqrt((bread @ [[meat]] @ bread).item())


def degrees(place, *, alike):
    """(tr G)^2 / tr G^2, G_cd = g_c' V g_d, g_c = (I - H)'[:, c] A_c X_c (X'X)^-1.

    V is the identity for independent items, and ones within each cluster for clusters all alike.
    """
    n = len(place)
    ones = np.ones((n, 1))
    bread = np.linalg.inv(ones.T @ ones)
    hat = ones @ bread @ ones.T
    working = (np.asarray(place)[:, None] == np.asarray(place)[None, :]).astype(float) if alike else np.eye(n)
    columns = [
        (np.eye(n) - hat)[:, members] @ adjustment(hat, members) @ ones[members] @ bread
        for members in members_of(place)
    ]
    g = np.hstack(columns)
    gram = g.T @ working @ g
    return np.trace(gram) ** 2 / np.trace(gram @ gram)


def adjustment(hat, members):
    values, vectors = np.linalg.eigh(np.eye(len(members)) - hat[np.ix_(members, members)])
    return vectors @ np.diag(values**-0.5) @ vectors.T


def members_of(place):
    return [np.flatnonzero(np.asarray(place) == cluster) for cluster in sorted(set(place))]


def sign_flip(values, place):
    sums = [math.fsum(values[members]) for members in members_of(place)]
    size = math.fsum(abs(value) for value in sums)
    seen = abs(math.fsum(sums))
    flips = [
        abs(math.fsum(sign * value for sign, value in zip(signs, sums, strict=True)))
        for signs in itertools.product((1, -1), repeat=len(sums))
    ]
    return sum(flip >= seen - 1e-9 * size for flip in flips) / len(flips)


def share_interval(values, place, level, *, icc=0.1, few=20, unit=1.0, between=(0.0, 1.0)):
    """Korn and Graubard's interval of a share, or of what is one stretched over ``between``."""
    n, clusters = len(values), members_of(place)
    quantile = (1 + level) / 2
    least, width = between[0], between[1] - between[0]
    part = (np.asarray(values) - least) / width
    share = math.fsum(part) / n
    df = max(1.0, min(degrees(place, alike=False), degrees(place, alike=True)))
    unlike = [math.fsum((part[members] - share) ** 2) for members in clusters]
    changed = math.fsum(unlike) ** 2 / math.fsum(value**2 for value in unlike) if any(unlike) else 1.0
    average = sum(len(members) ** 2 for members in clusters) / n
    believed = 1 + icc * (average - 1) * min(1, few / max(changed, 1.0))
    variance = max(cr2(part, place) ** 2, believed * math.fsum(unlike) / n**2)
    unit = max(1.0, unit / width)
    effective = n / believed / unit
    if variance > 1e-14 / n:
        shrink = (stats.t.ppf(quantile, n - 1) / stats.t.ppf(quantile, df)) ** 2
        effective = min(n / unit, share * (1 - share) / variance * shrink)
    hits = share * effective
    low = stats.beta.ppf(1 - quantile, hits, effective - hits + 1) if share > 0 else 0.0
    high = stats.beta.ppf(quantile, hits + 1, effective - hits) if share < 1 else 1.0
    return least + width * min(low, share), least + width * max(high, share)


def interval(values, place, level, *, icc=0.1, few=20, unit=1.0, span=1.0):
    """The union of t with CR2 and of what was gained less what was lost, each by Korn and Graubard."""
    n, clusters = len(values), members_of(place)
    quantile = (1 + level) / 2
    df = max(1.0, min(degrees(place, alike=False), degrees(place, alike=True)))
    mean = math.fsum(values) / n
    half = stats.t.ppf(quantile, df) * cr2(values, place)
    scale = max(unit, *(abs(value) for value in values))
    gained = np.array([max(value, 0.0) / scale for value in values])
    lost = np.array([max(-value, 0.0) / scale for value in values])
    ends = []
    for part in (gained, lost):
        share = math.fsum(part) / n
        sums = [math.fsum(part[members]) for members in clusters]
        squares = math.fsum(value**2 for value in sums)
        changed = math.fsum(sums) ** 2 / squares if squares else 1.0
        average = sum(len(members) ** 2 for members in clusters) / n
        believed = 1 + icc * (average - 1) * min(1, few / changed)
        by_item = math.fsum((value - share) ** 2 for value in part) / n**2
        variance = max(cr2(part, place) ** 2, believed * by_item)
        effective = n / believed
        if variance > 1e-14 / n:
            shrink = (stats.t.ppf(quantile, n - 1) / stats.t.ppf(quantile, df)) ** 2
            effective = min(n, share * (1 - share) / variance * shrink)
        hits = share * effective
        low = stats.beta.ppf(1 - quantile, hits, effective - hits + 1) if share > 0 else 0.0
        high = stats.beta.ppf(quantile, hits + 1, effective - hits) if share < 1 else 1.0
        ends.append((share, min(low, share), max(high, share)))
    (p1, low1, high1), (p2, low2, high2) = ends
    errors = cr2(gained, place), cr2(lost, place)
    together = 0.0
    if min(errors) > 0:
        # Variances of a sum and its parts give the covariance.
        together = (cr2(gained + lost, place) ** 2 - errors[0] ** 2 - errors[1] ** 2) / (2 * errors[0] * errors[1])
    up, down = (
        math.sqrt(max(0.0, first**2 + second**2 - 2 * together * first * second))
        for first, second in ((high1 - p1, p2 - low2), (p1 - low1, high2 - p2))
    )
    low = min(mean - half, scale * (p1 - p2 - down), mean)
    high = max(mean + half, scale * (p1 - p2 + up), mean)
    return max(low, -span), min(high, span)
