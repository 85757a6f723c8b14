"""What a table is, and the formats it is written in."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import polars as pl

from secateur.identity import Plain, digest, finite_or_none
from secateur.report.data import Row
from secateur.report.format import MINUS, NONE, clean


@dataclass(frozen=True)
class Column:
    """A column as people see it; it may say several columns of the frame at once.

    Args:
        title: Its heading.
        text: From a row of the frame to what stands in the cell.
        align: ``left`` for names, ``right`` for numbers.
    """

    title: str
    text: Callable[[Row], str]
    align: Literal["left", "right"] = "right"


@dataclass(frozen=True)
class Table:
    """A table.

    Args:
        name: Of its files and of its section.
        title: Its heading.
        about: What a row is and how to read it, in a sentence or two.
        frame: All its numbers, tidy: what CSV and JSON hold.
        columns: What Markdown and the page show of it.
        key: Columns of the frame that together name a row.
        on_page: Rows that the page shows; ``None`` for all.
        folded: Whether the page shows it only on demand.
        empty: Why there is no row, where there is none.
    """

    name: str
    title: str
    about: str
    frame: pl.DataFrame
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    on_page: pl.Expr | None = None
    folded: bool = False
    empty: str = "nothing was measured"
    n_rows: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "n_rows", self.frame.height)

    @cached_property
    def rows(self) -> list[list[str]]:
        """Every row as people see it, made once for all formats."""
        texts = [column.text for column in self.columns]
        return [[clean(text(row)) for text in texts] for row in self.frame.iter_rows(named=True)]

    @cached_property
    def on_page_rows(self) -> list[int]:
        """Which rows the page shows."""
        if self.on_page is None:
            return list(range(self.n_rows))
        return self.frame.select(shown=self.on_page).to_series().fill_null(value=False).arg_true().to_list()

    def shown(self) -> Iterator[tuple[str, list[str]]]:
        """The page's rows: anchor and cells."""
        if not self.on_page_rows:
            return
        keys = self.frame.select(self.key).rows()
        for place in self.on_page_rows:
            yield anchor(self.name, keys[place]), self.rows[place]

    def anchor(self, row: Row) -> str:
        """The HTML id of a row."""
        return anchor(self.name, [row[name] for name in self.key])


def anchor(table: str, key: Sequence[Plain]) -> str:
    """The HTML id of the row of a table with this key."""
    return f"{table}-{digest('report row', [table, list(key)])[:12]}"


def to_csv(table: Table) -> str:
    """All rows with full precision. A text that a spreadsheet would run as a formula begins with an apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(table.frame.columns)
    text = [kind == pl.String for kind in table.frame.dtypes]
    for row in table.frame.iter_rows():
        writer.writerow([_disarmed(cell) if is_text else cell for cell, is_text in zip(row, text, strict=True)])
    return out.getvalue()


def to_markdown(table: Table) -> str:
    """All rows as people see them, with a heading."""
    lines = [f"# {_escaped(clean(table.title))}", "", _escaped(clean(table.about)), ""]
    if not table.n_rows:
        return "\n".join([*lines, f"*No rows: {_escaped(clean(table.empty))}.*", ""])
    lines.append(_line([column.title for column in table.columns]))
    lines.append(_line(["---:" if column.align == "right" else "---" for column in table.columns]))
    lines += [_line([_escaped(cell) for cell in row]) for row in table.rows]
    return "\n".join([*lines, ""])


def to_latex(table: Table) -> str:
    r"""All rows as people see them, as a ``longtable`` with the lines of ``booktabs``.

    To be put into a document by ``\input``, with ``booktabs`` and ``longtable`` loaded. Every character that TeX would
    act upon is written as a character.
    """
    columns = table.columns
    lines = [
        "% needs the packages booktabs and longtable",
        rf"\begin{{longtable}}{{{''.join('r' if column.align == 'right' else 'l' for column in columns)}}}",
        rf"\caption{{{_texed(clean(table.title))}. {_texed(clean(table.about))}}}\\",
        r"\toprule",
        _tex_line([column.title for column in columns]),
        r"\midrule",
        r"\endhead",
        r"\bottomrule",
        r"\endfoot",
    ]
    if table.n_rows:
        lines += map(_tex_line, table.rows)
    else:
        lines.append(rf"\multicolumn{{{len(columns)}}}{{l}}{{No rows: {_texed(clean(table.empty))}.}}\\")
    return "\n".join([*lines, r"\end{longtable}", ""])


def to_plain(table: Table) -> list[dict[str, Plain]]:
    """All rows as JSON values."""
    return [
        {name: finite_or_none(cell) if isinstance(cell, float) else cell for name, cell in row.items()}
        for row in table.frame.iter_rows(named=True)
    ]


FORMATS: dict[str, Callable[[Table], str]] = {"csv": to_csv, "md": to_markdown, "tex": to_latex}
"""File ending -> how a table is written."""

_MARKDOWN = str.maketrans(
    {character: f"\\{character}" for character in "\\`*_[]|~"} | {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
)

_TEX = str.maketrans(
    {character: f"\\{character}" for character in "&%$#_{}"}
    | {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        '"': r"\textquotedbl{}",
        "`": r"\textasciigrave{}",
        "'": r"\textquotesingle{}",
        "-": "{-}",  # two would become one longer dash
        # At the start of a row these two would be read as arguments of the line end before it.
        "[": "{[}",
        "*": "{*}",
        MINUS: r"\ensuremath{-}",
        NONE: r"\textendash{}",
        "\u2026": r"\ldots{}",
    }
)


def _escaped(text: str) -> str:
    return text.translate(_MARKDOWN)


def _texed(text: str) -> str:
    return text.translate(_TEX)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _tex_line(cells: Sequence[str]) -> str:
    return " & ".join(map(_texed, cells)) + r" \\"


def _disarmed(cell: str | None) -> str | None:
    return f"'{cell}" if cell and cell[0] in "=+-@\t\r\n" else cell
