"""What a convention is, and the rows it gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from secateur.items.orders import ALL_ORDERS
from secateur.metrics.conventions.questions import Questions, questions_of
from secateur.records.places import item_places

ALL = "all"
"""The category of a row over all items, and the condition of one over both."""

SCORE_COLUMNS: dict[str, Any] = {
    **dict.fromkeys(("category", "condition", "metric"), pl.String),
    "value": pl.Float64,
    "n_items": pl.Int64,
    "n_answers": pl.Int64,
    "note": pl.String,
}
"""Columns of a convention's scores. An undefined value is null and its reason stands in ``note``."""

CONVENTION_COLUMNS: dict[str, Any] = {"variant": pl.String, "readout": pl.String, **SCORE_COLUMNS}
"""Columns of ``convention_table``."""


@dataclass(frozen=True)
class Convention:
    """How another program scores answers.

    Args:
        name: What it is asked for by; the key of the table.
        summary: One line.
        source: Program and file.
        docs: Page and section, from the root of the repository.
        function: ``function(answers, items)``: answers with ``ANSWER_COLUMNS``, items as in the table ``items`` and
            perhaps with ``LABEL_COLUMNS`` besides; gives ``SCORE_COLUMNS``.
    """

    name: str
    summary: str
    source: str
    docs: str
    function: Callable[[pl.DataFrame, pl.DataFrame], pl.DataFrame]


@dataclass(frozen=True)
class Given:
    """Answers of one variant in one readout, row by row.

    Args:
        questions: The items.
        place: Which item. Shape [n_answers].
        order: The order it was asked in, as its place in ``ALL_ORDERS``; -1 for a mean of orders. Shape [n_answers].
        texts: What was said; ``None`` where letters were scored.
        option: The option by letter scores, or by a parser of ours; -1 if none. Shape [n_answers].
        tie: Whether the best letter was one of several. Shape [n_answers].
    """

    questions: Questions
    place: NDArray[np.int64]
    order: NDArray[np.int64]
    texts: list[str | None]
    option: NDArray[np.int64]
    tie: NDArray[np.bool_]

    @property
    def spoken(self) -> NDArray[np.bool_]:
        """Where there is a text. Shape [n_answers]."""
        return np.array([text is not None for text in self.texts], np.bool_)

    def read(self, reader: Callable[[int, str], int]) -> NDArray[np.int64]:
        """What a reader makes of each text; each distinct text is read once per item. -1 where there is none.

        Args:
            reader: From an item's place and a text to a number.
        """
        known: dict[tuple[int, str], int] = {}
        codes = np.full(len(self.place), -1, np.int64)
        for row, (place, text) in enumerate(zip(self.place.tolist(), self.texts, strict=True)):
            if text is None:
                continue
            key = place, text
            if key not in known:
                known[key] = reader(place, text)
            codes[row] = known[key]
        return codes


def given(answers: pl.DataFrame, items: pl.DataFrame) -> Given:
    """Answers beside their items.

    Raises:
        InputError: For an item not in the items table.
    """
    orders = {order: place for place, order in enumerate(ALL_ORDERS)}
    return Given(
        questions=questions_of(items),
        place=item_places(answers, items),
        order=answers["order"].cast(pl.String).replace_strict(orders, default=-1, return_dtype=pl.Int64).to_numpy(),
        texts=answers["text"].to_list(),
        option=answers["option"].cast(pl.Int64).fill_null(-1).to_numpy(),
        tie=answers["tie"].to_numpy(),
    )


class Scores:
    """Rows of scores as they are made.

    Args:
        place: Which item each answer is to. Shape [n_answers].
    """

    def __init__(self, place: NDArray[np.int64]) -> None:
        self._place = place
        self._rows: list[dict[str, Any]] = []

    def add(
        self, category: str, condition: str, metric: str, value: float | None, used: NDArray[np.bool_], *notes: str
    ) -> None:
        """Add a row; ``used`` says which answers the value is made of. Shape [n_answers]. Empty notes are left out."""
        self._rows.append(
            {
                "category": category,
                "condition": condition,
                "metric": metric,
                "value": None if value is None else float(value),
                "n_items": len(np.unique(self._place[used])),
                "n_answers": int(used.sum()),
                "note": "; ".join(filter(None, notes)),
            }
        )

    def count(
        self, category: str, condition: str, metric: str, counted: NDArray[np.bool_], of: NDArray[np.bool_]
    ) -> None:
        """Add a row that counts answers among those of a part."""
        self.add(category, condition, metric, float((counted & of).sum()), of)

    def frame(self) -> pl.DataFrame:
        """All rows; columns ``SCORE_COLUMNS``."""
        return pl.DataFrame(self._rows, schema=SCORE_COLUMNS)


def parts(
    category: Sequence[str], place: NDArray[np.int64], kept: NDArray[np.bool_]
) -> list[tuple[str, NDArray[np.bool_]]]:
    """All answers, then those of each category in alphabetical order, without those that are not kept.

    Args:
        category: Per item.
        place: Which item each answer is to. Shape [n_answers].
        kept: Which answers. Shape [n_answers].
    """
    names = np.array(category, dtype=object)[place] if len(place) else np.empty(0, dtype=object)
    return [(ALL, kept), *((name, kept & (names == name)) for name in sorted(set(names[kept].tolist())))]
