from fractions import Fraction

import pytest
import torch
from tests.reference.pruning import highest_stay, lowest_go

from secateur.compression.levels import exact_fraction, n_removed, written
from secateur.compression.masks import keep_top
from secateur.compression.patterns import read_pattern, refuse_uneven_rows
from secateur.compression.recipe import planned_digest, recipe
from secateur.compression.verify import expected_sparsity, verify_layer
from secateur.errors import InputError, SparsityMismatchError
from secateur.models import bits


@pytest.mark.parametrize(
    ("level", "n", "expected"), [(0.29, 100, 29), (0.1, 10, 1), (0.7, 10, 7), ("0.57", 100, 57), (0.5, 7, 3), (1, 3, 3)]
)
def test_counts_are_rational(level, n, expected):
    assert n_removed(n, exact_fraction(level)) == expected


@pytest.mark.parametrize(
    ("level", "text"),
    [
        ("0.29", "0.29"),
        ("1/3", "1/3"),
        (0.12345, "0.12345"),
        ("1/8", "0.125"),
        (1, "1"),
        (0, "0"),
        ("1e-05", "0.00001"),
    ],
)
def test_a_level_is_written_so_that_no_two_look_alike(level, text):
    assert written(exact_fraction(level)) == text


@pytest.mark.parametrize("level", [-0.1, 1.01, "half", "nan", "1/0", "1e99999999", "1e-400", "0." + "1" * 40])
def test_a_level_must_be_a_share(level):
    with pytest.raises(
        InputError, match=r"A sparsity is not a share\.\n  allowed: 0 to 1, for example 0\.5\n  got:     "
    ):
        exact_fraction(level)


@pytest.mark.parametrize("per", ["row", "tensor"])
@pytest.mark.parametrize("sparsity", ["0", "0.1", "0.29", "0.5", "0.99", "1"])
@pytest.mark.parametrize("kind", ["distinct", "tied", "all equal", "integers"])
def test_keep_top_against_sorting(per, sparsity, kind):
    generator = torch.Generator().manual_seed(3)
    scores = {
        "distinct": torch.rand(7, 13, generator=generator),
        "tied": torch.randint(0, 4, (7, 13), generator=generator).float(),
        "all equal": torch.ones(7, 13),
        "integers": torch.randint(0, 50, (7, 13), generator=generator, dtype=torch.int32),
    }[kind]
    before = scores.clone()
    assert keep_top(scores, sparsity=sparsity, per=per).tolist() == lowest_go(scores, sparsity, per)
    assert torch.equal(scores, before)


def test_among_equals_the_lower_index_is_kept():
    assert keep_top(torch.zeros(1, 4), sparsity=0.5, per="row").tolist() == [[True, True, False, False]]
    kept = keep_top(torch.zeros(2, 2), sparsity=Fraction(1, 4), per="tensor")
    assert kept.tolist() == [[True, True], [True, False]]


def test_a_transposed_matrix_is_cut_like_its_copy():
    scores = torch.rand(6, 5, generator=torch.Generator().manual_seed(1)).T
    for per in ("row", "tensor"):
        assert torch.equal(
            keep_top(scores, sparsity=0.5, per=per), keep_top(scores.contiguous(), sparsity=0.5, per=per)
        )


@pytest.mark.parametrize("pattern", ["1:2", "2:4", "3:4", "4:8", "1:6"])
@pytest.mark.parametrize("kind", ["distinct", "tied", "all equal", "bfloat16", "integers"])
def test_patterns_against_sorting_each_group(pattern, kind):
    generator = torch.Generator().manual_seed(4)
    scores = {
        "distinct": torch.rand(7, 24, generator=generator),
        "tied": torch.randint(0, 3, (7, 24), generator=generator).float(),
        "all equal": torch.ones(7, 24),
        "bfloat16": torch.rand(7, 24, generator=generator).to(torch.bfloat16),
        "integers": torch.randint(-(2**31), 2**31 - 1, (7, 24), generator=generator, dtype=torch.int32),
    }[kind]
    found = keep_top(scores, sparsity=read_pattern(pattern).sparsity, per=pattern)
    kept, of = map(int, pattern.split(":"))
    assert found.tolist() == highest_stay(scores, kept, of)
    assert (found.reshape(-1, of).sum(dim=1) == kept).all()


def test_a_pattern_in_slices_is_one_in_one_piece(monkeypatch):
    scores = torch.rand(64, 48, generator=torch.Generator().manual_seed(5))
    whole = keep_top(scores, sparsity="1/2", per="2:4")
    monkeypatch.setattr(bits, "SLICE", 40)
    assert torch.equal(keep_top(scores, sparsity="1/2", per="2:4"), whole)


@pytest.mark.parametrize("text", ["4:2", "0:4", "4:4", "2:4:8", "2/4", "2:65", "-2:4", "", "half", "2: 4", None])
def test_what_is_no_pattern(text):
    with pytest.raises(InputError, match=r"This is no N:M pattern\.\n  allowed: N:M with 1 <= N < M <= 64"):
        read_pattern(text)


def test_rows_that_a_pattern_does_not_fill():
    shapes = {"a": (4, 8), "b": (4, 10)}
    refuse_uneven_rows(read_pattern("1:2"), shapes, where="m")
    with pytest.raises(
        InputError,
        match=r"The pattern 2:4 does not fit this model\.\n  where:   m: b, 4 x 10\n  allowed: input features that 4",
    ):
        refuse_uneven_rows(read_pattern("2:4"), shapes, where="m")


@pytest.mark.parametrize("shape", [(4, 6), (2, 6), (5, 7)])
def test_a_group_never_runs_on_into_the_next_row(shape):
    match = rf"pattern 2:4 does not fit this matrix\.\n  where:   {shape[0]} x {shape[1]}\n  allowed: input features"
    with pytest.raises(InputError, match=match):
        keep_top(torch.rand(shape), sparsity="1/2", per="2:4")
    with pytest.raises(InputError, match=match):
        expected_sparsity(recipe("magnitude", pattern="2:4"), {"a": shape})


def test_a_level_is_that_of_its_pattern():
    with pytest.raises(
        InputError, match=r"A level is not that of its pattern\.\n  where:   1:4\n  allowed: 0\.75\n  got:     0\.5"
    ):
        keep_top(torch.rand(1, 8), sparsity="1/2", per="1:4")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r"A recipe needs a level or a pattern\.\n  allowed: one of the two\n  got:     neither"),
        ({"sparsity": 0.5, "pattern": "2:4"}, r"A pattern fixes the level\.\n  where:   pattern 2:4\n  got:     0\.5"),
        ({"pattern": "2:4", "per": "row"}, r"fixes the comparison group\.\n  where:   pattern 2:4\n  got:     row"),
        ({"sparsity": 0.5, "per": "2:4"}, r"magnitude has no such comparison group\.\n  allowed: tensor, row"),
    ],
)
def test_level_pattern_and_group_do_not_contradict_each_other(options, message):
    with pytest.raises(InputError, match=message):
        recipe("magnitude", **options)


def test_every_group_of_a_pattern_is_counted():
    planned = recipe("magnitude", pattern="2:4")
    kept = torch.tensor([[True, True, False, False, False, True, False, True]]).repeat(6, 1)
    assert verify_layer(planned, "layer", kept.float(), kept, 0).removed == 24
    kept[4] = torch.tensor([True, True, True, False, False, False, False, True])
    with pytest.raises(
        SparsityMismatchError, match=r"(?s)magnitude 2:4.*24 of 48 weights removed, equally in each 2:4"
    ):
        verify_layer(planned, "layer", kept.float(), kept, 0)


def test_recipes_of_patterns_say_so_and_others_are_what_they_were():
    planned = recipe("magnitude", pattern="2:4")
    assert (planned.label, planned.per, planned.sparsity) == ("magnitude 2:4", "2:4", Fraction(1, 2))
    assert planned_digest("m", planned) != planned_digest("m", recipe("magnitude", "0.5"))
    known = {
        ("random", "0.5"): ({}, "79236aab98da0503"),
        ("magnitude", "0.29"): ({"per": "row"}, "43185764dfa81b2a"),
        ("wanda", "0.5"): ({"calibration": "c" * 64}, "74a05931e9e12862"),
        ("wanda-pia", "0.3"): ({"calibration": "c" * 64}, "a97fdc083891b4a5"),
    }
    for (method, level), (options, digest) in known.items():
        assert planned_digest("m" * 64, recipe(method, level, **options)).startswith(digest)


def test_published_methods_have_no_patterns():
    with pytest.raises(InputError, match=r"(?s)wanda-pia has no N:M patterns.*allowed: random, magnitude, wanda\n"):
        recipe("wanda-pia", pattern="2:4", calibration="c")
