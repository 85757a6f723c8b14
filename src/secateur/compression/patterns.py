"""N:M patterns: of every M consecutive weights of a row, N stay. Some hardware can skip such zeros, 2:4 above all."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from secateur.errors import InputError

LARGEST = 64
"""Most weights in a group. Beyond that a pattern is hardly other than a share of the row."""

_WRITTEN = re.compile(r"(\d{1,2}):(\d{1,2})", re.ASCII)


@dataclass(frozen=True)
class Pattern:
    """How many weights of every group of consecutive ones stay.

    Args:
        kept: N, at least 1.
        of: M, above N, at most ``LARGEST``.
    """

    kept: int
    of: int

    def __str__(self) -> str:
        return f"{self.kept}:{self.of}"

    @property
    def sparsity(self) -> Fraction:
        """Share that goes."""
        return Fraction(self.of - self.kept, self.of)


def read_pattern(text: object) -> Pattern:
    """A pattern as written: "2:4".

    Raises:
        InputError: If it is none.
    """
    found = _WRITTEN.fullmatch(str(text).strip())
    kept, of = map(int, found.groups()) if found else (0, 0)
    if not 1 <= kept < of <= LARGEST:
        raise InputError(
            "This is no N:M pattern.",
            allowed=f"N:M with 1 <= N < M <= {LARGEST}: of every M weights of a row N stay, for example 2:4",
            got=repr(text),
        )
    return Pattern(kept, of)


def is_pattern(group: str) -> bool:
    """Whether a comparison group is a pattern."""
    return ":" in group


def misfit(pattern: Pattern, shapes: Mapping[str, tuple[int, int]]) -> str:
    """The first linear whose rows the pattern's groups do not fill, in words; empty if they fill all.

    Args:
        pattern: The pattern.
        shapes: Layer name -> (rows, columns).
    """
    uneven = [name for name, (_, columns) in shapes.items() if columns % pattern.of]
    if not uneven:
        return ""
    rows, columns = shapes[uneven[0]]
    more = f" (and {len(uneven) - 1:,} more)" if len(uneven) > 1 else ""
    return ", ".join(filter(None, [uneven[0], f"{rows} x {columns}"])) + more


def uneven_rows(pattern: Pattern, shapes: Mapping[str, tuple[int, int]], *, where: object = "") -> InputError:
    """The error of a pattern that does not fit; arguments as :func:`refuse_uneven_rows`."""
    found = misfit(pattern, shapes)
    return InputError(
        f"The pattern {pattern} does not fit this {'model' if str(where) else 'matrix'}.",
        where=f"{where}: {found}" if str(where) else found,
        allowed=f"input features that {pattern.of} divides",
        got=next(columns for _, columns in shapes.values() if columns % pattern.of),
    )


def refuse_uneven_rows(pattern: Pattern, shapes: Mapping[str, tuple[int, int]], *, where: object) -> None:
    """Refuse a pattern whose groups do not fill the rows of every linear.

    Args:
        pattern: The pattern.
        shapes: Layer name -> (rows, columns).
        where: Which model, for the message.

    Raises:
        InputError: Naming the first such linear.
    """
    if misfit(pattern, shapes):
        raise uneven_rows(pattern, shapes, where=where)
