"""Reports: tables, figures and one page, from a store alone.

Names are imported when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from secateur.lazy import lazy_exports

if TYPE_CHECKING:
    from secateur.report.claim import Claim
    from secateur.report.claims import make_claims
    from secateur.report.data import ReportData
    from secateur.report.figures import FIGURES
    from secateur.report.read import read_report_data
    from secateur.report.tables import TABLES
    from secateur.report.write import write_report

__all__ = ["FIGURES", "TABLES", "Claim", "ReportData", "make_claims", "read_report_data", "write_report"]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "FIGURES": "figures",
        "TABLES": "tables",
        "Claim": "claim",
        "ReportData": "data",
        "make_claims": "claims",
        "read_report_data": "read",
        "write_report": "write",
    },
)
