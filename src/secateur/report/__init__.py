"""Reports: tables, figures and one page, from a store alone.

Names are imported when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from secateur.lazy import lazy_exports

if TYPE_CHECKING:
    from secateur.report.claim import Claim
    from secateur.report.claims import make_claims
    from secateur.report.compare import Comparison, compare_store
    from secateur.report.data import ReportData
    from secateur.report.figures import FIGURES
    from secateur.report.read import read_report_data
    from secateur.report.scores import StoreScores, score_store
    from secateur.report.tables import TABLES
    from secateur.report.write import write_report

__all__ = [
    "FIGURES",
    "TABLES",
    "Claim",
    "Comparison",
    "ReportData",
    "StoreScores",
    "compare_store",
    "make_claims",
    "read_report_data",
    "score_store",
    "write_report",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "FIGURES": "figures",
        "TABLES": "tables",
        "Claim": "claim",
        "Comparison": "compare",
        "ReportData": "data",
        "StoreScores": "scores",
        "compare_store": "compare",
        "make_claims": "claims",
        "read_report_data": "read",
        "score_store": "scores",
        "write_report": "write",
    },
)
