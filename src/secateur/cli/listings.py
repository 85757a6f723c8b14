"""What can be named in a study or a command: one line each, with its place in the documentation.

Each table is imported by the function that prints it, so that one listing does not wait for the libraries of another.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol


class Listed(Protocol):
    """An entry of a table that says what it is and where it is described."""

    @property
    def name(self) -> str:
        """As the user writes it."""

    @property
    def summary(self) -> str:
        """One line."""

    @property
    def docs(self) -> str:
        """Page and section, from the root of the repository."""


def print_families() -> None:
    """Every model family."""
    from secateur.models.families import FAMILIES

    print_entries(FAMILIES.values())


def print_methods() -> None:
    """Every pruning method."""
    from secateur.compression.methods import METHODS

    print_entries(METHODS.values())


def print_benchmarks() -> None:
    """Every benchmark."""
    from secateur.items.benchmarks import BENCHMARKS

    print_entries(BENCHMARKS.values())


def print_entries(entries: Iterable[Listed]) -> None:
    """A line for each entry: name, summary, page. Plain text, so that it can be searched and cut."""
    rows = [(entry.name, entry.summary, entry.docs) for entry in entries]
    name, summary = (max(len(row[place]) for row in rows) for place in (0, 1))
    for row in rows:
        print(f"{row[0]:<{name}}  {row[1]:<{summary}}  {row[2]}")
