"""What a claim is: a sentence whose numbers are queries over the report's tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from secateur.identity import Plain
from secateur.report import format as fmt

WARNING = "warning"
FINDING = "finding"
EVIDENCE = "evidence"
LIMIT = "limit"


@dataclass(frozen=True)
class Quantity:
    """A number in a sentence, and where it comes from.

    Args:
        text: As it stands in the sentence.
        table: Name of the table.
        where: Column -> value, which together name one row.
        columns: The columns it was made from.
    """

    text: str
    table: str
    where: tuple[tuple[str, Plain], ...]
    columns: tuple[str, ...]


Part: TypeAlias = str | Quantity


@dataclass(frozen=True)
class Claim:
    """A sentence.

    Args:
        kind: ``warning``, ``finding``, ``evidence`` or ``limit``.
        parts: Words and numbers, in order.
        model: Which model it is about; empty if about all.
        row: HTML id of the table row that has its numbers; empty if there is none.
        headline: Whether it stands in the summary; the others stand below it.
    """

    kind: str
    parts: tuple[Part, ...]
    model: str = ""
    row: str = ""
    headline: bool = True

    def under(self, heading: str) -> tuple[Part, ...]:
        """The parts as they stand under a heading that names the model already."""
        first, *rest = self.parts
        for start in (f"{heading}: ", f"{heading}, "):
            if heading and isinstance(first, str) and first.startswith(start):
                first = first.removeprefix(start)
                return (f"The {first[4:]}" if first.startswith("the ") else first, *rest)
        return self.parts

    @property
    def text(self) -> str:
        """The sentence."""
        return fmt.clean("".join(part if isinstance(part, str) else part.text for part in self.parts))

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """The numbers in it."""
        return tuple(part for part in self.parts if isinstance(part, Quantity))

    @property
    def plain(self) -> dict[str, Plain]:
        """As JSON values."""
        return {
            "kind": self.kind,
            "text": self.text,
            "model": self.model,
            "row": self.row,
            "headline": self.headline,
            "numbers": [
                {"text": q.text, "table": q.table, "where": dict(q.where), "columns": list(q.columns)}
                for q in self.quantities
            ],
        }
