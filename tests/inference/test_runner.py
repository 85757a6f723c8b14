import numpy as np
import pytest
from tests.tiny import make_items

from secateur.errors import StoreBusyError, VerificationError
from secateur.identity import digest
from secateur.inference import runner
from secateur.inference.backend import Request, Response
from secateur.inference.scripted import ScriptedBackend
from secateur.items.corpora import Window
from secateur.records.cell import CellSpec
from secateur.records.store import Store

VARIANT = digest("variant", "dense")
ASK = CellSpec(VARIANT, "ask", {"backend": "scripted"}, token_budget=100)
TEXT = CellSpec(VARIANT, "text", {"backend": "scripted"}, token_budget=100)


class Counting(ScriptedBackend):
    """Remembers what it was asked."""

    def __init__(self):
        super().__init__()
        self.asked = []

    def answer(self, requests):
        self.asked += requests
        return super().answer(requests)


class Watching:
    def __init__(self):
        self.rows, self.ticked = [], 0

    def start(self, n_rows):
        self.rows.append(n_rows)

    def tick(self, n_rows):
        self.ticked += n_rows


@pytest.fixture
def store(tmp_path):
    store = Store.create(tmp_path / "store")
    store.add_items(make_items(40))
    store.add_variant(VARIANT, {})
    return store


def requests(n=40, orders=("012",), seeds=(1, 2), letter=True):
    return [
        Request(item.key, order, (1,) * (3 + number % 5), letter=letter, seeds=seeds)
        for number, item in enumerate(make_items(n))
        for order in orders
    ]


def run(store, wanted, backend=None, watcher=None):
    backend = backend or Counting()
    return run_ask_with(store, wanted, backend, watcher), backend


def run_ask_with(store, wanted, backend, watcher=None):
    return runner.run_ask(store, ASK, wanted, lambda budget: backend, watcher or runner.NoWatcher())


def test_everything_is_asked_once(store):
    watcher = Watching()
    added, backend = run(store, requests(), watcher=watcher)
    assert added == 40 * 3
    assert (watcher.rows, watcher.ticked) == ([120], 120)
    assert len(backend.asked) == 40
    again, unasked = run(store, requests(), watcher=watcher)
    assert (again, unasked.asked) == (0, [])
    assert watcher.rows == [120, 0]


def test_a_backend_is_not_even_made_when_nothing_is_missing(store):
    run(store, requests())

    def refuse(budget):
        raise AssertionError("made for nothing")

    assert runner.run_ask(store, ASK, requests(), refuse) == 0


@pytest.mark.parametrize(
    ("wider", "rows", "n_asked"),
    [
        ({"seeds": (1, 2, 3)}, 40, 40),
        ({"orders": ("012", "120")}, 40 * 3, 40),
        ({"n": 40, "seeds": ()}, 0, 0),
    ],
)
def test_extending_asks_only_what_is_new(store, wider, rows, n_asked):
    run(store, requests())
    added, backend = run(store, requests(**wider))
    assert added == rows
    assert len(backend.asked) == n_asked
    if wider.get("seeds") == (1, 2, 3):
        assert all(request.seeds == (3,) and not request.letter for request in backend.asked)


def test_an_extended_cell_has_the_rows_of_one_asked_at_once(store, tmp_path):
    run(store, requests(20, seeds=(1,)))
    run(store, requests(40, seeds=(2, 1), orders=("012", "201")))
    other = Store.create(tmp_path / "other")
    other.add_items(make_items(40))
    other.add_variant(VARIANT, {})
    run(other, requests(40, seeds=(1, 2), orders=("012", "201")))
    for table in ("letter", "sampled"):
        keys = ["item", "order", *(["seed"] if table == "sampled" else [])]
        assert store.read(ASK.id, table).sort(keys).equals(other.read(ASK.id, table).sort(keys))


def test_an_interrupted_run_keeps_whole_chunks_and_ends_with_the_same_bytes(store, tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "CHUNK", 8)

    class Stopped(Counting):
        def answer(self, asked):
            for response in super().answer(asked):
                if len(self.asked) > 20:
                    raise KeyboardInterrupt
                yield response

    with pytest.raises(KeyboardInterrupt):
        run(store, requests(), Stopped())
    assert store.cells()[0].rows == {"letter": 16, "sampled": 32}
    run(store, requests())
    other = Store.create(tmp_path / "other")
    other.add_items(make_items(40))
    other.add_variant(VARIANT, {})
    run(other, list(reversed(requests())))

    def files(one):
        return {path.name: path.read_bytes() for path in (one.path / "cells").glob("*/*") if "lock" not in path.name}

    assert files(store) == files(other)


def test_a_second_writer_is_refused(store):
    with store.write_cell(ASK), pytest.raises(StoreBusyError, match="This process is already writing this cell"):
        run(store, requests())


@pytest.mark.parametrize(
    "wrong",
    [
        lambda r: Response(r.item + 1, r.order, r.letters, r.samples),
        lambda r: Response(r.item, "210", r.letters, r.samples),
        lambda r: Response(r.item, r.order, None, r.samples),
        lambda r: Response(r.item, r.order, r.letters, r.samples[::-1]),
    ],
)
def test_an_answer_to_another_question_is_refused(store, wrong):
    class Wrong(ScriptedBackend):
        def answer(self, asked):
            return map(wrong, super().answer(asked))

    with pytest.raises(VerificationError, match="answered something else than it was asked"):
        run(store, requests(), Wrong())
    assert store.cells()[0].rows == {"letter": 0, "sampled": 0}


def test_numbers_that_are_not_finite_are_kept(store):
    class Broken(ScriptedBackend):
        def answer(self, asked):
            for response in super().answer(asked):
                yield Response(response.item, response.order, (float("nan"),) * 3, response.samples)

    run(store, requests(), Broken())
    letter = store.read(ASK.id, "letter")
    assert letter.null_count().sum_horizontal().item() == 0
    assert letter["logprob_a"].is_nan().all()


def test_text_is_read_once_even_if_two_windows_are_equal(store):
    windows = [Window("c", index, tuple(range(index % 7, index % 7 + 5)), 5) for index in range(10)]
    watcher = Watching()
    assert runner.run_text(store, TEXT, windows, lambda budget: ScriptedBackend(), watcher) == 7
    assert runner.run_text(store, TEXT, windows, lambda budget: ScriptedBackend(), watcher) == 0
    assert watcher.rows == [7, 0]
    found = store.read(TEXT.id, "text")
    assert set(found["window"]) == {window.key for window in windows}
    assert (found["nll"] == 2.0 * 4).all()


def test_the_cell_keeps_the_budget_it_was_begun_with(store):
    budgets = []

    def make(budget):
        budgets.append(budget)
        return ScriptedBackend()

    runner.run_ask(store, ASK, requests(10), make)
    runner.run_ask(store, CellSpec(VARIANT, "ask", {"backend": "scripted"}, token_budget=7), requests(40), make)
    assert budgets == [100, 100]


def test_the_order_of_a_cell_is_a_function_of_the_requests():
    wanted = requests(orders=("201", "012"))
    ordered = runner.in_cell_order(wanted)
    assert ordered == runner.in_cell_order(
        np.random.Generator(np.random.Philox(1)).permutation(np.array(wanted, object))
    )
    assert [r.tokens for r in ordered] == sorted(r.tokens for r in wanted)
