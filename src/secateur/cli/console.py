"""Tables on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from secateur.items.item import ItemSet


def console() -> Console:
    """Standard output, without guessed colours."""
    terminal = Console(highlight=False)
    # Output that is not a terminal has no width of its own; tables must not be cut to 80 columns there.
    return terminal if terminal.is_terminal else Console(width=160, highlight=False)


def plain_table(*columns: str) -> Table:
    """A table without lines; the first two columns are text, the others numbers."""
    table = Table(box=None, pad_edge=False)
    for place, name in enumerate(columns):
        table.add_column(name, justify="left" if place < 2 else "right")
    return table


def print_items(out: Console, study: str, items: ItemSet) -> None:
    """A study's name, how many items it asks, and what a reader must know of them."""
    out.print(f"study {study}: {len(items):,} items of {items.benchmark}", markup=False)
    for note in items.notes:
        out.print(f"  {note}", markup=False)


def expected_range(bounds: tuple[float, float] | None) -> str:
    """The sparsity a variant will reach: 33.33 %, at least 50.00 %, or about 50.00 %."""
    if bounds is None:
        return ""
    least, most = bounds
    if most - least < 5e-5:
        return f"{least:.2%}".replace("%", " %")
    if most >= 0.999:
        return f"at least {least:.2%}".replace("%", " %")
    return f"about {(least + most) / 2:.2%}".replace("%", " %")
