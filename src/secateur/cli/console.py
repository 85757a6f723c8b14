"""Tables on the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table


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
