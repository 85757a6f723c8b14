"""Levels of a few looks: published values, their definition by simulation and by another integral."""

import numpy as np
import pytest
from scipy import special, stats

from secateur.statistics.group_sequential import nominal_levels, repeated_p, spent


def equal(looks):
    return tuple((number + 1) / looks for number in range(looks))


@pytest.mark.parametrize(
    ("looks", "alpha", "published", "digits"),
    [
        # Two-sided 0.05, so one-sided 0.025: what RTSA and gsDesign (sfLDOF) give.
        (3, 0.025, [3.710, 2.511, 1.993], 3),
        (5, 0.025, [4.877, 3.357, 2.680, 2.290, 2.031], 3),
        # One-sided 0.05: what SeqBounds.jl prints, which integrates on a coarser grid.
        (4, 0.05, [3.74955, 2.53993, 2.01604, 1.72014], 4),
    ],
)
def test_quantiles_are_the_published_ones(looks, alpha, published, digits):
    found = -special.ndtri(np.array(nominal_levels(equal(looks), alpha)))
    assert found == pytest.approx(published, abs=0.51 * 10.0**-digits)


def test_what_may_be_spent_is_little_early_and_everything_at_the_end():
    # SeqBounds.jl, as above.
    assert [spent(part, 0.05) for part in (0.25, 0.5, 0.75)] == pytest.approx(
        [8.85754e-5, 0.0055746, 0.0236251], rel=1e-5
    )
    assert spent(1, 0.05) == spent(1.5, 0.05) == 0.05


@pytest.mark.parametrize("information", [(0.2, 0.5, 1.0), (0.05, 0.06, 0.9, 1.0), (0.5, 0.999, 1.0)])
@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.3])
def test_the_chance_to_cross_by_each_look_is_what_may_be_spent(information, alpha):
    """By the distribution function of the statistics, which scipy integrates in another way."""
    z = -special.ndtri(np.array(nominal_levels(information, alpha)))
    times = np.array(information)
    correlation = np.sqrt(np.minimum.outer(times, times) / np.maximum.outer(times, times))
    for looks in range(2, len(information) + 1):
        none = stats.multivariate_normal(cov=correlation[:looks, :looks], seed=1).cdf(z[:looks])
        assert 1 - none == pytest.approx(spent(information[looks - 1], alpha), abs=2e-5)


def test_a_single_look_has_all_and_many_looks_cost_little_at_the_last():
    assert nominal_levels((1.0,), 0.05) == (0.05,)
    last = [nominal_levels(equal(looks), 0.05)[-1] for looks in range(1, 9)]
    assert last == sorted(last, reverse=True)
    assert last[-1] > 0.7 * 0.05


def test_a_larger_alpha_gives_every_look_more():
    levels = np.array([nominal_levels((0.1, 0.3, 0.35, 1.0), alpha) for alpha in (1e-6, 1e-3, 0.05, 0.2, 0.5)])
    assert (np.diff(levels, axis=0) > 0).all()


@pytest.mark.parametrize("looks", [1, 2, 4, 8])
@pytest.mark.parametrize("alpha", [0.001, 0.0125, 0.05, 0.2])
def test_a_repeated_p_is_the_alpha_whose_level_is_p(looks, alpha):
    for until in range(1, looks + 1):
        information = equal(looks)[:until]
        level = nominal_levels(information, alpha)[-1]
        if level > 1e-7:
            assert repeated_p(information, level) == pytest.approx(alpha, rel=1e-4)
            assert repeated_p(information, 1.01 * level) > alpha > repeated_p(information, 0.99 * level)


def test_a_repeated_p_is_never_below_p_and_1_where_nothing_speaks():
    for p in (1e-9, 1e-6, 1e-3, 0.2, 0.5, 1.0):
        assert p <= repeated_p((0.25, 0.5), p) * (1 + 1e-6) <= 1 + 1e-6
    assert repeated_p((0.25,), 0.5) == repeated_p((0.25, 1.0), 0.6) == 1.0
    assert repeated_p((1.0,), 0.03) == 0.03


def test_repeated_p_values_are_at_most_alpha_as_seldom_as_they_say():
    """Over all looks, where nothing differs: with 4 standard errors of 40,000 runs."""
    generator, runs = np.random.default_rng(1), 40_000
    information = (0.3, 0.6, 1.0)
    steps = np.diff([0.0, *information])
    z = np.cumsum(generator.standard_normal((runs, 3)) * np.sqrt(steps), axis=1) / np.sqrt(information)
    for alpha in (0.05, 0.0125):
        levels = np.array([nominal_levels(information[:until], alpha)[-1] for until in (1, 2, 3)])
        ever = (special.ndtr(-z) <= levels).any(axis=1).mean()
        assert ever == pytest.approx(alpha, abs=4 * np.sqrt(alpha / runs))


@pytest.mark.parametrize("information", [(), (0.5, 0.5), (0.5, 0.4), (0.0, 1.0), (0.5, 1.1)])
def test_information_rises(information):
    with pytest.raises(ValueError, match="information rises within 0 and 1"):
        nominal_levels(information, 0.05)


@pytest.mark.parametrize("alpha", [0.0, 0.6])
def test_an_error_rate_that_is_none(alpha):
    with pytest.raises(ValueError, match=r"at most at 0\.5, not at"):
        nominal_levels((1.0,), alpha)
