"""Corrections for many comparisons against statsmodels and their definitions."""

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests
from tests.reference import published as slow

from secateur.statistics.multiple import benjamini_hochberg, holm

CASES = {
    "one": [0.03],
    "none": [],
    "ties": [0.01, 0.01, 0.04, 0.01, 1.0],
    "all one": [1.0, 1.0],
    "zeros": [0.0, 0.2, 0.0],
    "many": list(np.random.default_rng(3).beta(0.3, 1.0, 180)),
}


@pytest.mark.parametrize("p", CASES.values(), ids=CASES)
@pytest.mark.parametrize(
    ("ours", "theirs", "definition"),
    [(holm, "holm", slow.holm), (benjamini_hochberg, "fdr_bh", slow.benjamini_hochberg)],
)
def test_adjusted_p_values(p, ours, theirs, definition):
    found = ours(p)
    assert list(found) == pytest.approx(definition(p, len(p)), abs=1e-12)
    if p:
        assert list(found) == pytest.approx(list(multipletests(p, method=theirs)[1]), abs=1e-12)
    assert (found >= np.array(p)).all()


@pytest.mark.parametrize(("ours", "definition"), [(holm, slow.holm), (benjamini_hochberg, slow.benjamini_hochberg)])
def test_declared_comparisons_without_a_p_value_count_as_not_rejected(ours, definition):
    p = [0.001, 0.2, 0.03]
    assert list(ours(p, family=10)) == pytest.approx(list(ours([*p, *[1.0] * 7]))[:3])
    assert list(ours(p, family=10)) == pytest.approx(definition(p, 10))


@pytest.mark.parametrize("correct", [holm, benjamini_hochberg])
def test_what_is_no_family_is_refused(correct):
    with pytest.raises(ValueError, match="leave undefined ones out"):
        correct([0.1, float("nan")])
    with pytest.raises(ValueError, match="a family of 1 cannot hold 2"):
        correct([0.1, 0.2], family=1)
