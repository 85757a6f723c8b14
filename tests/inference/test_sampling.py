import math

import numpy as np
import pytest
import torch

from secateur.inference import device_sampling, sampling
from secateur.inference.sampling import NOISE_RANGE, NOT_FINITE, draw, gumbel
from secateur.items.orders import ALL_ORDERS, order_number
from secateur.randomness import philox4x32


@pytest.fixture(autouse=True, params=[False, True], ids=["processor", "as on a device"])
def where(request, monkeypatch):
    """Both ways of drawing; the one for devices here in many portions."""
    monkeypatch.setattr(sampling, "made_there", lambda _: request.param)
    monkeypatch.setattr(device_sampling, "_PAIRS_AT_ONCE", 500)
    return request.param


def one(seed=42, item=2**63 + 5, order=3, step=0, token=17):
    return float(
        gumbel(
            np.array([seed], np.uint32),
            np.array([item], np.uint64),
            np.array([order], np.uint32),
            step,
            np.array([token]),
        )[0]
    )


def test_the_word_layout_is_the_documented_one():
    item = 2**63 + 5
    counter = np.array([item & 0xFFFFFFFF, item >> 32, 3 * 2**24 + 2, 17 // 4], np.uint32)
    word = philox4x32(counter, np.array([42, 1], np.uint32))[17 % 4]
    assert one(step=2) == -math.log(-math.log((int(word) + 0.5) / 2**32))


def test_noise_depends_on_each_of_its_five_numbers():
    values = {one(), one(seed=43), one(item=7), one(order=4), one(step=1), one(token=18)}
    assert len(values) == 6
    assert one() in values


def test_noise_is_standard_gumbel():
    from scipy import stats

    n = 20_000
    noise = gumbel(np.zeros(n, np.uint32), np.arange(n, dtype=np.uint64), np.zeros(n, np.uint32), 0, np.arange(n))
    assert stats.kstest(noise, "gumbel_r").pvalue > 0.01


def test_a_step_must_fit_its_bits():
    with pytest.raises(ValueError, match="step 16777216 does not fit in 24 bits"):
        one(step=2**24)


def draw_many(logits, n, temperature=1.0):
    return draw(
        logits,
        np.arange(n) % len(logits),
        temperature=temperature,
        seeds=np.full(n, 7, np.uint32),
        items=np.arange(n, dtype=np.uint64),
        orders=[ALL_ORDERS[i % 6] for i in range(n)],
        step=1,
    )


def slowly(logits, n, temperature=1.0):
    """Every token's noise, one at a time, no token left out."""
    drawn = []
    for place in range(n):
        row = (logits[place % len(logits)].float() / temperature).double()
        scores = [
            float(value) + one(seed=7, item=place, order=order_number(ALL_ORDERS[place % 6]), step=1, token=token)
            for token, value in enumerate(row)
        ]
        drawn.append(int(np.argmax(scores)))
    return drawn


@pytest.mark.parametrize("spread", [0.0, 0.01, 1.0, 30.0, 1e10, 1e20])
@pytest.mark.parametrize("temperature", [1e-10, 0.3, 1.0])
def test_leaving_out_tokens_that_cannot_win_changes_nothing(spread, temperature):
    logits = torch.randn(5, 40, generator=torch.Generator().manual_seed(1)) * spread
    assert draw_many(logits, 60, temperature).tolist() == slowly(logits, 60, temperature)


@pytest.mark.parametrize("temperature", [1e-10, 1e-9, 0.7])
@pytest.mark.parametrize("rows", [[[30.0, 1.0]], [[30.0, 30.0, 1.0]], [[0.0, -math.inf], [-math.inf, 0.0]]])
def test_next_to_no_temperature_draws_the_best_of_its_own_row(rows, temperature):
    logits = torch.tensor(rows)
    drawn = draw_many(logits, 500, temperature)
    assert drawn.tolist() == slowly(logits, 500, temperature)
    best = logits.amax(dim=1)
    assert all(logits[place % len(rows), token] == best[place % len(rows)] for place, token in enumerate(drawn))


def test_a_step_that_does_not_fit_draws_nothing():
    with pytest.raises(ValueError, match="step 16777216 does not fit in 24 bits"):
        draw(
            torch.zeros(1, 4),
            np.zeros(1, np.int64),
            temperature=1.0,
            seeds=np.zeros(1, np.uint32),
            items=np.zeros(1, np.uint64),
            orders=["012"],
            step=2**24,
        )


def test_bounded_memory_changes_nothing(monkeypatch):
    logits = torch.randn(5, 40, generator=torch.Generator().manual_seed(1))
    whole = draw_many(logits, 60).tolist()
    monkeypatch.setattr("secateur.inference.sampling._PAIRS_AT_ONCE", 64)
    assert draw_many(logits, 60).tolist() == whole


def test_frequencies_are_the_softmax():
    from scipy import stats

    logits = torch.tensor([[1.0, 0.0, -1.0, 0.5]])
    n = 20_000
    counts = np.bincount(draw_many(logits, n, temperature=0.5), minlength=4)
    expected = torch.softmax(logits[0].double() / 0.5, 0).numpy() * n
    assert stats.chisquare(counts, expected).pvalue > 0.01


def test_logits_that_are_not_finite_draw_nothing():
    logits = torch.zeros(5, 4)
    logits[0, 2] = float("nan")
    logits[1, 2] = float("inf")
    logits[2] = -float("inf")
    logits[3, 2] = -float("inf")  # a forbidden token is not a fault
    drawn = draw_many(logits, 40)
    assert set(drawn[[i for i in range(40) if i % 5 in (0, 1, 2)]].tolist()) == {NOT_FINITE}
    allowed = drawn[[i for i in range(40) if i % 5 == 3]]
    assert set(allowed.tolist()) <= {0, 1, 3}


def test_the_range_of_noise():
    assert 26.0 < NOISE_RANGE < 26.1
