"""KL from dense: the formula against its definition on real tiny models, and the cells that keep it."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from tests.reference import divergence as slow
from tests.tiny import tiny_model

from secateur.errors import StoreBusyError, VerificationError
from secateur.identity import digest
from secateur.inference import divergence as divergence_module
from secateur.inference import runner
from secateur.inference.backend import Decoding, Probe, Probed
from secateur.inference.divergence import divergence, run_divergence
from secateur.inference.probing import look
from secateur.inference.scripted import ScriptedBackend
from secateur.inference.torch_backend import TorchBackend
from secateur.items.corpora import Window
from secateur.models.families import all_linears
from secateur.records.cell import CellSpec
from secateur.records.store import Store

EVERY = 5
VOCABULARY = 512
DENSE, PRUNED = (digest("variant", name) for name in ("dense", "pruned"))
WINDOWS = [Window("c", i, tuple(range(10 + i, 74 + i)), 80) for i in range(6)]


def backend_of(loaded):
    return TorchBackend(loaded, letters=(1, 2, 3), decoding=Decoding(0.3, 5, ()), token_budget=10_000)


def noisy(family, scale):
    """The tiny model with random noise on its linears."""
    loaded = tiny_model(family)
    generator = torch.Generator().manual_seed(5)
    for _, linear in all_linears(loaded.model, loaded.family):
        linear.weight += scale * linear.weight.std() * torch.randn(linear.weight.shape, generator=generator)
    return loaded


def compared(dense, variant, probe, windows=WINDOWS):
    seen = {score.window: score.probed for score in backend_of(dense).read_text(windows, probe)}
    tokens = {key: one.tokens for key, one in seen.items()}
    found = {score.window: score.probed for score in backend_of(variant).read_text(windows, probe, tokens)}
    return [divergence(seen[window.key], found[window.key]) for window in windows]


@pytest.fixture(scope="module", params=["llama", "gemma2"])
def models(request):
    return tiny_model(request.param), noisy(request.param, 0.3)


@pytest.mark.parametrize("top", [1, 3, 20, 300, VOCABULARY, 10**6])
def test_against_the_definition(models, top):
    dense, variant = models
    found = compared(dense, variant, Probe(EVERY, top))
    for window, (kl, agree) in zip(WINDOWS, found, strict=True):
        p, q = (slow.distributions(model, window, EVERY) for model in (dense, variant))
        assert len(kl) == len(p) == 63 // EVERY
        assert kl.sum() == pytest.approx(slow.summed_kl_of_the_top(p, q, top), rel=1e-4, abs=1e-5)
        assert agree.sum() == slow.agreeing(p, q)
        if top >= VOCABULARY:
            assert kl.sum() == pytest.approx(slow.summed_kl(p, q), rel=1e-4, abs=1e-5)


def test_keeping_more_tokens_never_lowers_it_and_all_of_them_make_it_exact(models):
    dense, variant = models
    totals = [
        sum(kl.sum() for kl, _ in compared(dense, variant, Probe(EVERY, top)))
        for top in (1, 2, 5, 10, 50, 200, 400, VOCABULARY, 2 * VOCABULARY)
    ]
    assert all(after >= before - 1e-6 for before, after in pairwise(totals)), totals
    assert totals[0] < totals[-2] == totals[-1]


@pytest.mark.parametrize("top", [1, 20, VOCABULARY])
def test_equal_weights_have_none_at_all(models, top):
    dense, _ = models
    for kl, agree in compared(dense, replace(dense), Probe(EVERY, top)):
        assert (kl == 0).all()
        assert agree.all()


@pytest.mark.parametrize("scale", [1e-4, 1e-2, 3.0])
def test_it_is_never_negative(scale):
    for kl, _ in compared(tiny_model("llama"), noisy("llama", scale), Probe(1, 7)):
        assert (kl >= 0).all()
        assert kl.sum() > 0


def test_a_peaked_distribution_keeps_a_small_rest_apart():
    """The rest is summed in the logarithm: 1 - (mass of the kept) would be lost in rounding here."""
    logits = torch.zeros(1, 1000)
    logits[0, 0] = 40.0
    other = logits.clone()
    other[0, 1:] += 7.0
    dense = look(logits, Probe(1, 1), None)
    assert dense.rest[0] == pytest.approx(np.log(999) - 40, rel=1e-6)
    kl, _ = divergence(dense, look(other, Probe(1, 1), dense.tokens))
    exact = slow.summed_kl([slow.softmax(logits[0].double().numpy())], [slow.softmax(other[0].double().numpy())])
    assert kl[0] == pytest.approx(exact, rel=1e-3)
    assert 0 < kl[0] < 1e-10


def test_equal_logits_go_to_the_lower_id():
    seen = look(torch.zeros(2, 300), Probe(1, 5), None)
    assert seen.tokens.tolist() == [[0, 1, 2, 3, 4]] * 2
    assert look(torch.zeros(2, 300), Probe(1, 5), np.full((2, 1), 7, np.int32)).best.tolist() == [0, 0]


def test_more_positions_than_are_looked_at_at_once():
    logits = torch.randn(600, 40, generator=torch.Generator().manual_seed(1))
    whole, parts = look(logits, Probe(1, 4), None), [look(row[None], Probe(1, 4), None) for row in logits]
    assert (whole.tokens == np.concatenate([part.tokens for part in parts])).all()
    asked = np.flip(whole.tokens, axis=1).copy()
    assert (look(logits, Probe(1, 4), asked).logprobs == np.flip(whole.logprobs, axis=1)).all()


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_models_that_are_not_finite(value):
    broken = tiny_model("llama")
    broken.model.model.norm.weight[0] = value
    whole = tiny_model("llama")
    for sides in ((whole, broken), (broken, whole), (broken, broken)):
        for kl, agree in compared(*sides, Probe(EVERY, 20), WINDOWS[:2]):
            assert np.isnan(kl).all()
            assert not agree.any()


def test_one_position_that_is_not_finite_is_one():
    logits = torch.randn(3, 50, generator=torch.Generator().manual_seed(2))
    dense = look(logits, Probe(1, 5), None)
    logits[1, 7] = torch.nan
    kl, agree = divergence(dense, look(logits, Probe(1, 5), dense.tokens))
    assert np.isnan(kl).tolist() == [False, True, False]
    assert agree.tolist() == [True, False, True]


def test_what_the_variant_holds_impossible_is_not_finite():
    logits = torch.zeros(1, 4)
    dense = look(logits, Probe(1, 2), None)
    logits[0, 1] = -torch.inf
    kl, agree = divergence(dense, look(logits, Probe(1, 2), dense.tokens))
    assert np.isnan(kl[0])
    assert agree[0]
    other = look(logits, Probe(1, 4), None)
    back, _ = divergence(other, look(torch.zeros(1, 4), Probe(1, 4), other.tokens))
    assert back[0] == pytest.approx(np.log(4 / 3)), "what the dense model never says costs nothing"


# --- cells ----------------------------------------------------------------------------------------

PROBE = Probe(EVERY, 16)


def spec(variant, **protocol):
    return CellSpec(variant, "divergence", {"every": EVERY, "top": 16, **protocol}, token_budget=500)


@pytest.fixture
def store(tmp_path):
    store = Store.create(tmp_path / "store")
    for variant in (DENSE, PRUNED):
        store.add_variant(variant, {})
    store.add_windows("made", "c" * 64, runner.window_rows("made", WINDOWS))
    return store


class Watching(runner.NoWatcher):
    def __init__(self):
        self.rows, self.ticked = [], 0

    def start(self, n_rows):
        self.rows.append(n_rows)

    def tick(self, n_rows):
        self.ticked += n_rows


def dense_cell(store, windows=WINDOWS, **options):
    return run_divergence(store, spec(DENSE), windows, lambda budget: ScriptedBackend(), probe=PROBE, **options)


def pruned_cell(store, windows=WINDOWS, make=None, **options):
    make = make or (lambda budget: ScriptedBackend(text="pruned"))
    return run_divergence(store, spec(PRUNED), windows, make, probe=PROBE, reference=spec(DENSE), **options)


def test_what_is_kept_is_what_was_seen(store):
    watcher = Watching()
    assert dense_cell(store, watcher=watcher) == 6
    assert pruned_cell(store, watcher=watcher) == 6
    assert (watcher.rows, watcher.ticked) == ([6, 6], 12)
    kept = {row["window"]: row for row in store.read(spec(DENSE).id, "reference").iter_rows(named=True)}
    found = {row["window"]: row for row in store.read(spec(PRUNED).id, "divergence").iter_rows(named=True)}
    seen = {score.window: score.probed for score in ScriptedBackend().read_text(WINDOWS, PROBE)}
    tokens = {key: one.tokens for key, one in seen.items()}
    other = {s.window: s.probed for s in ScriptedBackend(text="pruned").read_text(WINDOWS, PROBE, tokens)}
    for window in WINDOWS:
        row, one = kept[window.key], seen[window.key]
        assert (np.frombuffer(row["tokens"], "<i4").reshape(12, 16) == one.tokens).all()
        assert (np.frombuffer(row["logprobs"], "<f4").reshape(12, 16) == one.logprobs).all()
        assert (np.frombuffer(row["rest"], "<f4") == one.rest).all()
        kl, agree = divergence(one, other[window.key])
        assert found[window.key] == {"window": window.key, "positions": 12, "kl": kl.sum(), "agree": agree.sum()}
    assert store.check() == []


def test_running_again_makes_no_backend(store):
    dense_cell(store)
    pruned_cell(store)
    assert pruned_cell(store, make=lambda budget: pytest.fail("made for nothing")) == 0


@pytest.mark.parametrize(("there", "got"), [([], "0, 6 missing"), (WINDOWS[:4], "4, 2 missing")])
def test_without_the_dense_models_rows_it_waits(store, there, got):
    if there:
        dense_cell(store, there)
    with pytest.raises(StoreBusyError, match=rf"(?s)dense model's divergence cell.*allowed: 6 windows.*got: +{got}"):
        pruned_cell(store)
    dense_cell(store)
    assert pruned_cell(store) == 6


def test_a_variant_is_read_in_the_batches_of_the_dense_model(store):
    dense_cell(store)
    budgets = []

    def make(budget):
        budgets.append(budget)
        return ScriptedBackend()

    other = replace(spec(PRUNED), token_budget=7)
    run_divergence(store, other, WINDOWS, make, probe=PROBE, reference=spec(DENSE))
    assert budgets == [500]
    rows = store.read(other.id, "divergence")
    assert (rows["kl"] == 0).all()
    assert (rows["agree"] == rows["positions"]).all()


def test_equal_weights_have_none_in_windows_that_were_added_either(store):
    """Cut anew from all windows, batches would be other ones, and padded otherwise."""
    loaded = tiny_model("llama")
    lengths = (24, 64, 30, 50, 41, 60)
    windows = [Window("c", i, tuple(range(10 + i, 10 + i + n)), n) for i, n in enumerate(lengths)]
    store.add_windows("other", "d" * 64, runner.window_rows("other", windows))
    given = []

    class Recording(TorchBackend):
        def read_text(self, windows, *args):
            given.append([window.index for window in windows])
            return super().read_text(windows, *args)

    def make(budget):
        return Recording(loaded, (1, 2, 3), Decoding(0.3, 5, ()), budget)

    run_divergence(store, spec(DENSE), windows[:1], make, probe=PROBE)
    run_divergence(store, spec(DENSE), windows, make, probe=PROBE)
    pruned_cell(store, windows, make=make)
    assert given == [[0], [1, 2, 3, 4, 5]] * 2
    rows = store.read(spec(PRUNED).id, "divergence")
    assert rows["kl"].to_list() == [0.0] * 6
    assert (rows["agree"] == rows["positions"]).all()


def test_more_windows_extend_both_cells_and_few_bytes_make_small_shards(store, tmp_path, monkeypatch):
    monkeypatch.setattr(divergence_module, "_CHUNK_BYTES", 2 * 8 * 16 * 12)
    dense_cell(store, WINDOWS[1:4])
    pruned_cell(store, WINDOWS[1:4])
    assert [shard.rows for shard in store.cell(spec(DENSE).id).shards] == [2, 1]
    assert (dense_cell(store), pruned_cell(store)) == (3, 3)
    whole = Store.create(tmp_path / "whole")
    for variant in (DENSE, PRUNED):
        whole.add_variant(variant, {})
    dense_cell(whole)
    pruned_cell(whole)
    for cell, table in ((DENSE, "reference"), (PRUNED, "divergence")):
        mine, theirs = (one.read(spec(cell).id, table).sort("window") for one in (store, whole))
        assert mine.equals(theirs)


def test_equal_windows_are_looked_at_once(store):
    again = [*WINDOWS, replace(WINDOWS[0], index=6)]
    assert dense_cell(store, again) == 6
    assert pruned_cell(store, again) == 6


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        (lambda score: replace(score, window=score.window + 1), "something else than it was asked"),
        (lambda score: replace(score, probed=None), "something else than it was asked"),
        (
            lambda score: replace(score, probed=replace(score.probed, rest=score.probed.rest[:-1])),
            "something else than it was asked",
        ),
        (
            lambda score: replace(score, probed=replace(score.probed, tokens=score.probed.tokens + 1)),
            "other tokens than it was asked about",
        ),
    ],
)
def test_a_backend_that_looked_elsewhere_is_refused(store, wrong, what):
    class Wrong(ScriptedBackend):
        def read_text(self, *args):
            return map(wrong, super().read_text(*args))

    dense_cell(store)
    with pytest.raises(VerificationError, match=f"A backend looked at {what}"):
        pruned_cell(store, make=lambda budget: Wrong())
    assert store.cell(spec(PRUNED).id).rows == {"reference": 0, "divergence": 0}


def test_what_was_seen_is_equal_only_bit_by_bit():
    one = look(torch.randn(2, 9, generator=torch.Generator().manual_seed(3)), Probe(1, 3), None)
    same = Probed(*(array.copy() for array in (one.best, one.tokens, one.logprobs, one.rest)))
    assert one == same
    assert hash(one) == hash(same)
    same.rest[0] = np.nextafter(same.rest[0], np.float32(0))
    assert one != same
    assert one != "something else"
