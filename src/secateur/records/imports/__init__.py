"""Answers that other programs got, made into a store like any other.

Names are imported when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from secateur.lazy import lazy_exports

if TYPE_CHECKING:
    from secateur.records.imports.answers import import_answers, read_answers
    from secateur.records.imports.formats import IMPORTS, Import
    from secateur.records.imports.lm_eval import import_lm_eval, read_lm_eval
    from secateur.records.imports.pia import import_pia, read_pia
    from secateur.records.imports.write import Imported, ImportedVariant, ImportOutcome, write_import

__all__ = [
    "IMPORTS",
    "Import",
    "ImportOutcome",
    "Imported",
    "ImportedVariant",
    "import_answers",
    "import_lm_eval",
    "import_pia",
    "read_answers",
    "read_lm_eval",
    "read_pia",
    "write_import",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "IMPORTS": "formats",
        "Import": "formats",
        "ImportOutcome": "write",
        "Imported": "write",
        "ImportedVariant": "write",
        "import_answers": "answers",
        "import_lm_eval": "lm_eval",
        "import_pia": "pia",
        "read_answers": "answers",
        "read_lm_eval": "lm_eval",
        "read_pia": "pia",
        "write_import": "write",
    },
)
