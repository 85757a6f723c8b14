"""Against the vectors published with the generator (Random123, kat_vectors)."""

import numpy as np
import pytest

from secateur.errors import InputError
from secateur.randomness import Domain, bits, check_seed, philox4x32, stream


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ([0] * 4, [0] * 2, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            [0xA4093822, 0x299F31D0],
            [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
        ),
    ],
)
def test_philox4x32_gives_the_published_vectors(counter, key, expected):
    got = philox4x32(np.array(counter, np.uint32), np.array(key, np.uint32))
    assert got.tolist() == expected


def test_philox4x32_broadcasts_and_leaves_its_input_alone():
    counter = np.arange(12, dtype=np.uint32).reshape(3, 4)
    before = counter.copy()
    together = philox4x32(counter, np.array([7, 9], np.uint32))
    one_by_one = [philox4x32(row, np.array([7, 9], np.uint32)).tolist() for row in counter]
    assert together.tolist() == one_by_one
    assert (counter == before).all()


def test_numpys_philox_gives_the_published_vector():
    generator = np.random.Philox(key=0, counter=2**256 - 1)  # it counts up before it draws
    expected = [0x16554D9ECA36314C, 0xDB20FE9D672D0FDC, 0xD7E772CEE186176B, 0x7E68B68AEC7BA23B]
    assert generator.random_raw(4).tolist() == expected


def test_streams_are_functions_of_their_names():
    def words(*names: object) -> list[int]:
        return bits(*names).random_raw(4).tolist()

    first = words(Domain.MASK, 1, "layer")
    assert first == words(Domain.MASK, 1, "layer")
    others = [
        words(Domain.MASK, 2, "layer"),
        words(Domain.MASK, 1, "other"),
        words(Domain.CALIBRATION, 1, "layer"),
        words(Domain.MASK, 1, "la", "yer"),
    ]
    assert all(other != first for other in others)
    assert stream(Domain.MASK, 1, "layer").bit_generator.random_raw() == first[0]


def test_a_stream_never_changes():
    assert bits(Domain.MASK, 0, "model.layers.0.self_attn.q_proj").random_raw(2).tolist() == [
        2976972559098592825,
        8670416005377789023,
    ]


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_must_fit(seed):
    with pytest.raises(
        InputError, match=r"A mask seed is out of range\.\n  allowed: 0 \.\. 4294967295\n  got:     -?\d+"
    ):
        check_seed(seed, "mask seed")
