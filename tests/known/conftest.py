"""Stores of known answers, each made once per benchmark."""

from fractions import Fraction

import pytest
from tests.known.models import BENCHMARK_NAMES, MODELS, KnownBackend, ask, asked, make_items, recipe

from secateur.items.orders import ORDERS

STORES = {"fixed": "fixed", "rotations": "rotations", "all6": None}
"""Orders of the letter readout -> those of the sampled one."""


@pytest.fixture(scope="session", params=BENCHMARK_NAMES)
def known(request):
    """A benchmark's items."""
    return make_items(request.param)


@pytest.fixture(scope="session")
def told(known, tmp_path_factory):
    """Orders -> what a report reads of a store in which each model is a variant of the one that is always right."""
    dense, *rest = MODELS
    found = {}
    for letter, sampled in STORES.items():
        variants = {
            name: (recipe("magnitude", Fraction(number, 20)), KnownBackend(known, MODELS[name]))
            for number, name in enumerate(rest, 1)
        }
        folder = tmp_path_factory.mktemp("known") / letter
        found[letter] = ask(folder, known, KnownBackend(known, MODELS[dense]), variants, asked(letter, sampled))
    return found


@pytest.fixture(scope="session", params=STORES)
def told_in(request, told):
    """The same by orders: the orders, and the data."""
    return ORDERS[request.param], told[request.param]
