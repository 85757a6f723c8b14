"""Estimates with their intervals: pure functions of arrays and numbers."""

from secateur.statistics.estimate import Estimate, Target
from secateur.statistics.intervals import (
    clopper_pearson_zero,
    difference_of_shares,
    independent_difference,
    t_above,
    t_value,
    welch_df,
    wilson,
    z_value,
)
from secateur.statistics.multiple import benjamini_hochberg, holm
from secateur.statistics.published import (
    ChiSquared,
    EffectSize,
    Regression,
    Term,
    chi_squared,
    cohens_h,
    logistic_regression,
    truncated_count,
)

__all__ = [
    "ChiSquared",
    "EffectSize",
    "Estimate",
    "Regression",
    "Target",
    "Term",
    "benjamini_hochberg",
    "chi_squared",
    "clopper_pearson_zero",
    "cohens_h",
    "difference_of_shares",
    "holm",
    "independent_difference",
    "logistic_regression",
    "t_above",
    "t_value",
    "truncated_count",
    "welch_df",
    "wilson",
    "z_value",
]
