"""Scoring by the conventions of other programs: one file each, and one table of them.

Names are imported when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from secateur.lazy import lazy_exports

if TYPE_CHECKING:
    from secateur.metrics.conventions.convention import CONVENTION_COLUMNS, SCORE_COLUMNS, Convention
    from secateur.metrics.conventions.questions import ANSWER_COLUMNS, LABEL_COLUMNS, letter_answers, text_answers
    from secateur.metrics.conventions.table import CONVENTIONS, convention_table

__all__ = [
    "ANSWER_COLUMNS",
    "CONVENTIONS",
    "CONVENTION_COLUMNS",
    "LABEL_COLUMNS",
    "SCORE_COLUMNS",
    "Convention",
    "convention_table",
    "letter_answers",
    "text_answers",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "ANSWER_COLUMNS": "questions",
        "CONVENTIONS": "table",
        "CONVENTION_COLUMNS": "convention",
        "LABEL_COLUMNS": "questions",
        "SCORE_COLUMNS": "convention",
        "Convention": "convention",
        "convention_table": "table",
        "letter_answers": "questions",
        "text_answers": "questions",
    },
)
