"""Studies: the study file, the plan made from it, running and resuming it, the demo.

Names are imported when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from secateur.lazy import lazy_exports

if TYPE_CHECKING:
    from secateur.study.config import StudyConfig, load_study, parse_study
    from secateur.study.demo import run_demo
    from secateur.study.gate import GateRequest, run_gate
    from secateur.study.missing import missing_rows
    from secateur.study.plan import Plan, make_plan
    from secateur.study.policy import Policy, load_policy, parse_policy
    from secateur.study.prune import PruneRequest, prune_to_folder
    from secateur.study.run import run_study

__all__ = [
    "GateRequest",
    "Plan",
    "Policy",
    "PruneRequest",
    "StudyConfig",
    "load_policy",
    "load_study",
    "make_plan",
    "missing_rows",
    "parse_policy",
    "parse_study",
    "prune_to_folder",
    "run_demo",
    "run_gate",
    "run_study",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "GateRequest": "gate",
        "Plan": "plan",
        "Policy": "policy",
        "PruneRequest": "prune",
        "StudyConfig": "config",
        "load_policy": "policy",
        "load_study": "config",
        "make_plan": "plan",
        "missing_rows": "missing",
        "parse_policy": "policy",
        "parse_study": "config",
        "prune_to_folder": "prune",
        "run_demo": "demo",
        "run_gate": "gate",
        "run_study": "run",
    },
)
