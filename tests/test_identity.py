"""Names of models as people read them."""

import pytest

from secateur.identity import distinct_names


@pytest.mark.parametrize(
    ("models", "names"),
    [
        ([("aaaaaaaa1", "m"), ("bbbbbbbb2", "n")], ["m", "n"]),
        ([("aaaaaaaa1", "m"), ("bbbbbbbb2", "n"), ("cccccccc3", "m")], ["m (aaaaaaaa)", "n", "m (cccccccc)"]),
        ([("aaaaaaaa1", "m"), ("aaaaaaaa1", "m")], ["m (aaaaaaaa), 1", "m (aaaaaaaa), 2"]),
        ([("aaaaaaaa1", "m"), ("aaaaaaaa1", "n")], ["m", "n"]),
    ],
)
def test_names_that_occur_twice_carry_the_start_of_the_digest(models, names):
    assert distinct_names(models) == names
