"""Errors stay what they are on their way between processes."""

import pickle

import pytest

from secateur.errors import ConfigError, InputError, SecateurError, StoreError


def every(kind):
    return [kind, *(one for child in kind.__subclasses__() for one in every(child))]


@pytest.mark.parametrize(
    "error",
    [
        InputError("It is wrong.", where="there", allowed="a, b", got=3, todo="mend it"),
        StoreError("It is gone."),
        ConfigError(["one: is wrong", "two: is too"], where="study.yaml", todo="mend them"),
    ],
)
def test_an_error_is_pickled_whole(error):
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)


def test_all_kinds_have_an_exit_code():
    assert {kind.exit_code for kind in every(SecateurError)} == {1, 2}
