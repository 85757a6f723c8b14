"""In which order the three options are shown.

An order is written as three digits: "120" shows option 1 as A, option 2 as B, option 0 as C.
"""

from __future__ import annotations

ALL_ORDERS = ("012", "021", "102", "120", "201", "210")
"""The six orders; an order's place in this tuple is its number in random draws."""

ORDERS: dict[str, tuple[str, ...]] = {
    "fixed": ("012",),
    "rotations": ("012", "120", "201"),
    "all6": ALL_ORDERS,
}
"""Named sets of orders. ``rotations`` puts each option once at each letter, which cancels a preference for a
letter; ``all6`` also cancels which of two options stands first."""

LETTERS = "ABC"


def order_number(order: str) -> int:
    """0 .. 5, the order's place among all six."""
    return ALL_ORDERS.index(order)


def option_at(order: str, letter: int) -> int:
    """Index of the option shown at letter 0 (A), 1 (B) or 2 (C)."""
    return int(order[letter])


OPTION_AT = tuple(tuple(option_at(order, letter) for letter in range(3)) for order in ALL_ORDERS)
"""``option_at`` of every order, by its number, and letter."""
