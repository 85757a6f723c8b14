import math

import pytest

from secateur.inference.backend import Request
from secateur.inference.scripted import ScriptedBackend


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
def test_scores_that_are_not_finite_make_answers_that_are_not(score):
    backend = ScriptedBackend(lambda request: (0.0, score, 0.0))
    (response,) = backend.answer([Request(7, "012", (1,), seeds=(1, 2))])
    assert all(math.isnan(value) for value in response.letters)
    assert [(sample.text, sample.stop) for sample in response.samples] == [("", "nonfinite")] * 2


def test_answers_do_not_depend_on_what_is_asked_beside_them():
    requests = [Request(7 * k, order, (1,), seeds=tuple(range(k % 3))) for k in range(9) for order in ("012", "201")]
    alone = [response for request in requests for response in ScriptedBackend().answer([request])]
    assert list(ScriptedBackend().answer(requests)) == alone
    assert list(ScriptedBackend().answer([])) == []
