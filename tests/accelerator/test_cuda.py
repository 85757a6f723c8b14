"""On a CUDA device: what a processor gives, and what happens when its memory is full."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.tiny import ALL_FAMILIES, planted_requests, tiny_checkpoint, tiny_folder, tiny_model

from secateur.compression.dense import restore_dense
from secateur.compression.masks import keep_top
from secateur.compression.methods import METHODS
from secateur.compression.noise import Noise, add_noise, noise_strength
from secateur.compression.realise import realise
from secateur.compression.recipe import recipe
from secateur.inference.backend import Decoding, Probe, Request
from secateur.inference.dtype import fast_dtype
from secateur.inference.sameness import compare
from secateur.inference.torch_backend import TorchBackend
from secateur.inference.tree_backend import TreeBackend
from secateur.items.corpora import Window
from secateur.items.prompts import LETTERS_V1
from secateur.models.bits import all_finite, largest, n_not_finite, n_zeros, packed
from secateur.models.chat import ChatPrompts
from secateur.models.families import all_linears
from secateur.models.loading import load_model
from secateur.records.store import Store
from secateur.study.config import parse_study
from secateur.study.prune import PruneRequest, prune_to_folder
from secateur.study.run import run_study

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")

SEEDS = (42, 123, 456)
SEQUENCES = [[1, *range(10 + 7 * i, 80 + 7 * i)] for i in range(5)]
BFLOAT16_TOLERANCE = 0.1
"""Of log-probabilities in nats: the tiny models' logits are about 1, with 8 bits each."""


def on_device(family, dtype=torch.float32):
    return load_model(tiny_checkpoint(family), device="cuda", dtype=dtype)


def asked(loaded):
    return planted_requests(ChatPrompts(loaded.tokenizer, LETTERS_V1), SEEDS)


def backend(kind, loaded, budget=16384, **options):
    letters = ChatPrompts(loaded.tokenizer, LETTERS_V1).letter_tokens
    return kind(loaded, letters=letters, decoding=Decoding(0.3, 4, (2,)), token_budget=budget, **options)


@pytest.mark.parametrize("family", ALL_FAMILIES)
@pytest.mark.parametrize("kind", [TorchBackend, TreeBackend])
def test_answers_are_those_of_the_processor(family, kind):
    plain, loaded = tiny_model(family), on_device(family)
    requests = asked(plain)
    found = compare(list(backend(TorchBackend, plain).answer(requests)), list(backend(kind, loaded).answer(requests)))
    assert found.same, found


@pytest.mark.parametrize("family", ALL_FAMILIES)
def test_in_bfloat16_both_backends_give_nearly_the_same_letters(family):
    loaded = on_device(family, torch.bfloat16)
    requests = [replace(request, seeds=()) for request in asked(loaded)]
    found = compare(*(list(backend(kind, loaded).answer(requests)) for kind in (TorchBackend, TreeBackend)))
    assert found.n == len(requests)
    assert found.largest_difference < BFLOAT16_TOLERANCE


@pytest.mark.parametrize("family", ALL_FAMILIES)
def test_text_is_read_as_by_the_processor(family):
    windows = [Window("c", i, tuple(range(5 + i, 5 + i + n)), n) for i, n in enumerate((100, 100, 40))]
    probe = Probe(every=3, top=5)
    for here, there in zip(
        *(backend(TorchBackend, m).read_text(windows, probe) for m in (tiny_model(family), on_device(family))),
        strict=True,
    ):
        assert there.nll == pytest.approx(here.nll, rel=1e-5)
        np.testing.assert_allclose(there.probed.logprobs, here.probed.logprobs, atol=1e-4)


@pytest.mark.parametrize("how", ["0.29", "0.5", "per", "2:4"])
@pytest.mark.parametrize("name", METHODS)
def test_masks_are_those_of_the_processor(name, how):
    """From the same input statistics; bit by bit."""
    method = METHODS[name]
    if how == "2:4":
        if not method.takes_patterns:
            pytest.skip("it has no patterns")
        planned = recipe(name, pattern=how, calibration="c")
    elif how == "per":
        planned = recipe(name, "0.4", per=method.groups[-1], calibration="c")
    else:
        planned = recipe(name, how, calibration="c")
    here, there = tiny_model("llama"), on_device("llama", torch.bfloat16)
    made = realise(here, planned, sequences=SEQUENCES)
    again = realise(there, planned, statistics=made.statistics)
    assert again.digest == made.digest
    assert again.layers == made.layers
    dense = {layer: linear.weight.cpu() for layer, linear in all_linears(tiny_model("llama").model, here.family)}
    for (layer, pruned), (_, linear) in zip(
        all_linears(here.model, here.family), all_linears(there.model, there.family), strict=True
    ):
        assert torch.equal(linear.weight.cpu(), torch.where(pruned.weight != 0, dense[layer], 0).bfloat16()), layer
    restore_dense(there)
    for layer, linear in all_linears(there.model, there.family):
        assert torch.equal(linear.weight.cpu(), dense[layer].bfloat16())


@pytest.mark.parametrize("per", ["tensor", "row"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.int32])
def test_among_equals_the_lower_index_stays(dtype, per):
    scores = torch.randint(0, 50, (300, 77), generator=torch.Generator().manual_seed(3)).to(dtype)
    for level in (0.1, 0.5, 0.93):
        assert torch.equal(
            keep_top(scores.cuda(), sparsity=level, per=per).cpu(), keep_top(scores, sparsity=level, per=per)
        )


@pytest.mark.parametrize("propagation", ["propagated", "one-shot"])
def test_what_comes_into_linears_is_what_comes_into_them_on_the_processor(propagation):
    planned = recipe("wanda", "0.5", calibration="c", propagation=propagation)
    here, there = (realise(m, planned, sequences=SEQUENCES) for m in (tiny_model("gemma2"), on_device("gemma2")))
    for layer, sums in here.statistics.items():
        np.testing.assert_allclose(there.statistics[layer], sums, rtol=1e-3)


def test_noise_is_that_of_the_processor():
    here, there = (add_noise(m, Noise(noise_strength("0.2"), 3)) for m in (tiny_model("llama"), on_device("llama")))
    assert there.digest == here.digest


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_facts_about_numbers(dtype):
    numbers = torch.randn(300, 77, generator=torch.Generator().manual_seed(3)).to(dtype)
    numbers[::7, ::3] = 0
    numbers[5, 5] = -0.0
    for odd in (None, torch.inf, torch.nan):
        if odd is not None:
            numbers[9, 9] = odd
        for fact in (n_zeros, n_not_finite, all_finite, largest):
            assert fact(numbers.cuda()) == fact(numbers), fact
    for n in (1, 7, 8, 9, 23_100):
        flags = numbers.reshape(-1)[:n] > 0
        assert packed(flags.cuda()).tolist() == np.packbits(flags.numpy()).tolist()


@pytest.mark.parametrize("kind", [TorchBackend, TreeBackend])
def test_when_memory_is_full_the_rest_goes_on_in_smaller_batches(kind):
    """The device's own error, under a limit between what small batches take and what large ones take."""
    loaded = on_device("llama")
    dice = np.random.default_rng(1)
    requests = [Request(i, "012", tuple(dice.integers(3, 200, 500).tolist()), seeds=(1, 2)) for i in range(120)]
    told = []
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_reserved()
    reference = list(backend(kind, loaded, budget=16384).answer(requests))
    peak = torch.cuda.max_memory_reserved()
    torch.cuda.empty_cache()
    whole = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction((before + (peak - before) * 0.6) / whole)
    try:
        found = compare(reference, list(backend(kind, loaded, budget=16384, short=told.append).answer(requests)))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert told
    assert told[0] == 8192
    assert found.same, found


def test_bfloat16_is_chosen_where_it_is_faster():
    if torch.cuda.get_device_capability()[0] < 8:
        pytest.skip("needs a device with products in bfloat16")
    assert fast_dtype("cuda") == "bfloat16"


STUDY = {
    "study": "tiny",
    "models": [],
    "variants": ["dense", {"method": ["random", "magnitude", "wanda"], "sparsity": [0.5]}],
    "benchmark": {"name": "planted", "limit": 30},
    "readouts": {"letter": {"orders": "rotations"}, "sampled": {"orders": "fixed", "seeds": [42, 123]}},
    "perplexity": {"corpus": "packaged", "window": 64, "windows": 6},
    "calibration": {"corpus": "packaged", "sequences": 4, "length": 48},
}


def test_a_whole_study_runs_and_runs_again_for_nothing(tmp_path):
    for place, dtype in ((tmp_path / "auto", "auto"), (tmp_path / "float32", "float32")):
        compute = {"device": "cuda", "dtype": dtype}
        config = parse_study(STUDY | {"models": [str(tiny_folder("llama"))], "compute": compute})
        outcome = run_study(config, place, base=tmp_path, offline=True)
        assert outcome.rows_added == outcome.rows_wanted > 0
        assert run_study(config, place, base=tmp_path, offline=True).rows_added == 0
        assert Store.open(place).check() == []


@pytest.mark.parametrize("method", ["magnitude", "random", "wanda"])
def test_a_pruned_folder_holds_what_a_processor_writes(method, tmp_path):
    asked = PruneRequest(model=str(tiny_folder("llama")), method=method, sparsity="0.5")
    if METHODS[method].needs_inputs:
        asked = replace(asked, sequences=4, length=48, one_shot=True)
    here, there = (
        prune_to_folder(replace(asked, device=device), tmp_path / device, offline=True) for device in ("cpu", "cuda")
    )
    assert here.removed == there.removed > 0
    if not METHODS[method].needs_inputs:  # sums of inputs differ in their last bits, and so may masks
        files = [tmp_path / device / "model.safetensors" for device in ("cpu", "cuda")]
        assert there.digest == here.digest
        assert files[0].read_bytes() == files[1].read_bytes()
