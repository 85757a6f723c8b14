"""Numbers and names as a reader sees them, the same everywhere."""

from __future__ import annotations

import math
import re
from dataclasses import replace

from secateur.metrics.metric import Metric
from secateur.report.data import Row, measured

MINUS = "\u2212"
NONE = "\u2013"
"""What stands where there is nothing to say; a missing value says why instead."""

_CONTROL = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)


def clean(text: object) -> str:
    """A name as one line, without characters that cannot be shown or that turn the text around."""
    return " ".join(_CONTROL.sub("\ufffd", str(text)).split())


def shorten(text: str, length: int) -> str:
    """At most ``length`` characters, the middle left out."""
    text = clean(text)
    if len(text) <= length:
        return text
    head = (length - 1) * 2 // 3
    return f"{text[:head]}\u2026{text[len(text) - (length - 1 - head) :]}"


def percent(share: float | None, digits: int = 1) -> str:
    """A share as a percentage: 0.065 is "6.5 %"."""
    return NONE if share is None else f"{_number(100 * share, digits)} %"


def sparsity(share: float | None) -> str:
    """An achieved sparsity. It is counted, so two decimals mean something."""
    return percent(share, 2)


def share(low_high: tuple[float | None, float | None], value: float | None) -> str:
    """A share with the ends of its interval: "6.5 % [5.9, 7.1]"."""
    low, high = low_high
    if value is None or low is None or high is None:
        return percent(value)
    return f"{percent(value)} [{_number(100 * low, 1)}, {_number(100 * high, 1)}]"


def change(points: float | None, *, unit: str = "points") -> str:
    """A signed difference of shares in points, or with the unit "%" one in per cent."""
    if points is None:
        return NONE
    return f"{signed(points, 1)} {unit}"


def signed(number: float, digits: int) -> str:
    """A number with its sign: "+0.305"."""
    text = _number(number, digits)
    return f"+{text}" if number > 0 and float(text.replace(",", "")) else text


def p_value(p: float | None) -> str:
    """A p-value to four places, or "< 0.0001"."""
    if p is None:
        return NONE
    return "< 0.0001" if p < 0.0001 else f"{p:.4f}"


def points(difference: float) -> str:
    """A difference of shares at a tick of an axis, in points, with as many digits as it has: +0.5."""
    return f"{round(100 * difference, 6):+g}".replace("-", MINUS) if difference else "0"


def count(number: float | None) -> str:
    """A whole number with thousands set apart."""
    return NONE if number is None else f"{number:,.0f}"


def significant(value: float | None) -> str:
    """A number of unknown size, to four significant digits: 8.943, 54.05, 5.512e+06."""
    if value is None:
        return NONE
    if value == 0 or 0.001 <= abs(value) < 1e5:
        digits = 3 if value == 0 else max(0, 3 - math.floor(math.log10(abs(value))))
        return _number(value, min(digits, 4))
    return f"{value:.3e}".replace("-", MINUS)


def value(number: float | None, metric: Metric) -> str:
    """One value of a metric, with its unit."""
    return NONE if number is None else _value(number, metric) + _unit(metric)


def estimate(row: Row | None, metric: Metric) -> str:
    """A value with its interval: "6.5 % [5.9, 7.1]"; why there is none where it is undefined."""
    if row is None:
        return NONE
    if not measured(row):
        return f"undefined ({row['note']})"
    return value(row["value"], metric) + interval(row["low"], row["high"], metric)


def difference(row: Row | None, metric: Metric) -> str:
    """A difference of two values of a metric with its interval, signed: "+5.1 points [+3.9, +6.3]"."""
    return estimate(row, of_difference(metric))


def of_difference(metric: Metric) -> Metric:
    """The metric with the range of a difference of two of its values, so that it is written with its sign."""
    span = metric.range[1] - metric.range[0]
    return replace(metric, range=(-span, span))


def interval(low: float | None, high: float | None, metric: Metric) -> str:
    """The interval that follows a value, with a space before it; nothing where there is none."""
    if low is None or high is None:
        return ""
    return f" [{_value(low, metric)}, {_value(high, metric)}]"


def _value(number: float, metric: Metric) -> str:
    if _is_share(metric):
        return _signed(100 * number, 1, metric)
    if metric.unit == "items":
        return count(number)
    if metric.unit in ("score", "bits", "bits per byte"):
        return _signed(number, 3, metric)
    return significant(number)


def _unit(metric: Metric) -> str:
    if not _is_share(metric):
        return ""
    return " points" if metric.range[0] < 0 else " %"


def _is_share(metric: Metric) -> bool:
    return metric.unit.startswith("share") or metric.unit == "mean probability"


def _signed(number: float, digits: int, metric: Metric) -> str:
    text = _number(number, digits)
    return f"+{text}" if metric.range[0] < 0 and number > 0 and float(text.replace(",", "")) else text


def _number(number: float, digits: int) -> str:
    text = f"{number:,.{digits}f}"
    if not float(text.replace(",", "")):
        text = text.lstrip("-")  # minus zero
    return text.replace("-", MINUS)
