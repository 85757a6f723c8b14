"""The published study's pruning against slow definitions written from its description, and its counts."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from tests.reference.pruning import published_inputs, whole_forward_inputs
from tests.tiny import tiny_checkpoint, tiny_folder, tiny_model

from secateur.compression.levels import n_removed_truncated
from secateur.compression.masks import CHANCE, THRESHOLD
from secateur.compression.method import LayerStats
from secateur.compression.random import random_scores
from secateur.compression.realise import realise
from secateur.compression.recipe import recipe
from secateur.compression.verify import expected_total, verify_layer
from secateur.errors import SparsityMismatchError, UnsupportedModelError
from secateur.models.families import FAMILIES, all_linears
from secateur.models.published import PUBLISHED
from secateur.models.shapes import linear_shapes
from secateur.study.prune import PruneRequest, prune_to_folder

SEQUENCES = [[1, *range(10 + 7 * i, 70 + 7 * i)] for i in range(4)]
WALKED = [family.name for family in FAMILIES.values() if family.published_pass]
LEFT_DENSE = ("o_proj", "down_proj")


def block_arguments(model, sequence):
    """What every block is given besides hidden states in an ordinary pass over one sequence, by block number."""
    found, handles = {}, []
    for number, block in enumerate(model.model.layers):

        def keep(_module, _args, kwargs, number=number):
            found[str(number)] = {name: value for name, value in kwargs.items() if name != "hidden_states"}

        handles.append(block.register_forward_pre_hook(keep, with_kwargs=True))
    with torch.no_grad():
        model(torch.tensor([sequence]), use_cache=False)
    for handle in handles:
        handle.remove()
    return found


def in_block(layer):
    number, part = layer.split(".")[2:4]
    return f"{number}.{part}"


@pytest.mark.parametrize("family", WALKED)
def test_wanda_pia_against_its_description(family):
    loaded, reference = tiny_model(family), tiny_model(family)
    made = realise(loaded, recipe("wanda-pia", "0.5", calibration="c"), sequences=SEQUENCES)
    seen = published_inputs(reference.model, SEQUENCES, block_arguments(reference.model, SEQUENCES[0]))
    pruned = 0
    cut = dict(all_linears(loaded.model, loaded.family))
    for name, linear in all_linears(reference.model, reference.family):
        kept = cut[name].weight != 0
        if name.endswith(LEFT_DENSE):
            assert kept.all()
            assert name not in made.statistics
            continue
        sums = seen[in_block(name)].double().square().sum(0)
        np.testing.assert_allclose(made.statistics[name], sums.numpy(), rtol=1e-5)
        scores = linear.weight.abs() * torch.from_numpy(made.statistics[name]).sqrt()
        for row in range(scores.shape[0]):
            gone = set(torch.nonzero(~kept[row]).flatten().tolist())
            assert gone == set(torch.argsort(scores[row])[: scores.shape[1] // 2].tolist())
        pruned += 1
    assert pruned == len(made.statistics) > 0


@pytest.mark.parametrize("family", ["llama", "mistral", "phi3", "qwen2", "qwen3"])
def test_the_published_pass_is_the_forward_pass_of_most_families(family):
    made = realise(tiny_model(family), recipe("wanda-pia", "0.5", calibration="c"), sequences=SEQUENCES)
    inputs = whole_forward_inputs(tiny_model(family).model, list(made.statistics), SEQUENCES)
    for name, sums in made.statistics.items():
        np.testing.assert_allclose(sums, inputs[name].double().square().sum(0).numpy(), rtol=1e-4)


@pytest.mark.parametrize("family", ["gemma", "gemma2"])
def test_the_published_pass_is_another_network_for_gemma(family):
    made = realise(tiny_model(family), recipe("wanda-pia", "0.5", calibration="c"), sequences=SEQUENCES)
    later = [name for name in made.statistics if ".layers.1." in name]
    inputs = whole_forward_inputs(tiny_model(family).model, later, SEQUENCES)
    assert all(
        not np.allclose(made.statistics[name], inputs[name].double().square().sum(0).numpy(), rtol=0.01)
        for name in later
    )


def test_what_stays_dense_is_counted():
    made = realise(tiny_model("mistral"), recipe("wanda-pia", "0.5", calibration="c"), sequences=SEQUENCES)
    assert {layer.layer.rpartition(".")[2] for layer in made.layers if layer.removed == 0} == set(LEFT_DENSE)
    full = realise(tiny_model("mistral"), recipe("wanda", "0.5", calibration="c"), sequences=SEQUENCES)
    assert made.weights == full.weights
    assert made.achieved_sparsity < full.achieved_sparsity == 0.5
    again = realise(tiny_model("mistral"), recipe("wanda-pia", "0.5", calibration="c"), statistics=made.statistics)
    assert again.digest == made.digest


def test_the_model_card_names_what_stayed_dense(tmp_path):
    asked = PruneRequest(str(tiny_folder("mistral")), "wanda-pia", "0.5", sequences=4, length=48)
    prune_to_folder(asked, tmp_path / "out")
    assert "| Linears left dense | down_proj, o_proj |" in (tmp_path / "out" / "README.md").read_text()


@pytest.mark.parametrize("family", [name for name, family in FAMILIES.items() if not family.published_pass])
def test_a_family_without_the_pass_is_refused(family):
    with pytest.raises(UnsupportedModelError, match=rf"(?s)not defined for this family.*where:   {family}.*use wanda"):
        realise(tiny_model(family), recipe("wanda-pia", "0.5", calibration="c"), sequences=SEQUENCES)


@pytest.mark.parametrize("level", ["0.1", "0.3", "0.5", "0.7"])
def test_magnitude_pia_takes_all_that_is_not_above_the_threshold(level):
    scores = (torch.randn(40, 50, generator=torch.Generator().manual_seed(2)) * 8).round().abs() / 8  # many ties
    ranked = sorted(scores.flatten().tolist())
    threshold = ranked[int(2000 * float(level)) - 1]
    kept = THRESHOLD.keep(scores, Fraction(level), "tensor")
    assert kept.tolist() == [[value > threshold for value in row] for row in scores.tolist()]
    assert int((~kept).sum()) > 2000 * float(level), "the ties must make a difference here"


def test_magnitude_pia_overshoots_on_a_bfloat16_checkpoint_and_its_count_is_kept(tmp_path):
    from tests.tiny import TEXTS

    from secateur.models.checkpoint import Checkpoint
    from secateur.models.loading import load_model
    from secateur.models.tiny import build_tiny_model

    folder = build_tiny_model(tmp_path / "half", texts=TEXTS, dtype=torch.bfloat16, hidden_size=64)
    loaded = load_model(Checkpoint(folder, str(folder)))
    made = realise(loaded, recipe("magnitude-pia", "0.5"))
    exact = realise(load_model(Checkpoint(folder, str(folder))), recipe("magnitude", "0.5"))
    assert made.removed > exact.removed == exact.weights // 2


def test_random_pia_removes_each_weight_by_chance():
    removed = []
    for seed in range(60):
        scores = random_scores(torch.zeros(40, 50), LayerStats("layer", seed))
        kept = CHANCE.keep(scores, Fraction(3, 10), "tensor")
        assert kept.tolist() == [[value >= 0.3 * 2**31 for value in row] for row in scores.tolist()]
        removed.append(int((~kept).sum()))
    # Binomial: mean 600, standard deviation 20.5; of 60 draws the mean has 2.6.
    assert abs(np.mean(removed) - 600) < 5 * 2.6
    assert 20.5 * 0.6 < np.std(removed) < 20.5 * 1.5


@pytest.mark.parametrize("n", [1, 10, 1000, 10**8])
@pytest.mark.parametrize("level", ["0.001", "0.3", "0.999"])
def test_chance_has_bounds_that_a_binomial_keeps(n, level):
    scipy_stats = pytest.importorskip("scipy.stats")
    least, most = CHANCE.bounds(n, Fraction(level))
    binomial = scipy_stats.binom(n, float(level))
    assert binomial.cdf(least - 1) < 1e-10
    assert binomial.sf(most) < 1e-10
    if n == 10**8:
        assert most - least < 0.002 * n, "wide enough to be safe, narrow enough to notice a wrong level"


def test_a_count_outside_the_bounds_is_an_error():
    kept = torch.ones(200, 200, dtype=torch.bool)
    weight = torch.ones(200, 200)
    with pytest.raises(SparsityMismatchError, match=r"(?s)layer, random-pia 0\.5.* to .* of 40,000.*0 removed"):
        verify_layer(recipe("random-pia", "0.5"), "layer", weight, kept, 0)
    kept[0, 0], weight[0, 0] = False, 0
    with pytest.raises(SparsityMismatchError, match=r"(?s)0 of 40,000 weights removed.*1 removed"):
        verify_layer(recipe("wanda-pia", "0.5", calibration="c"), "model.layers.0.mlp.down_proj", weight, kept, 0)


def test_published_counts_truncate_a_float_product():
    assert n_removed_truncated(100, Fraction("0.29")) == 28  # 0.29 * 100 is 28.999999999999996
    assert [n_removed_truncated(3584, Fraction(level)) for level in ("0.1", "0.3", "0.5", "0.7")] == [
        358,
        1075,
        1792,
        2508,
    ]


def test_two_families_agree_on_what_a_dense_layer_is():
    for family in WALKED:
        linears = tiny_checkpoint(family).family.linears
        assert sum(name.endswith(LEFT_DENSE) for name in linears) == 2


def by_hand(rule, per_row, blocks, layers):
    """Removed weights over all blocks; ``layers``: (rows, columns, pruned) of one block."""
    total = 0
    for rows, columns, pruned in layers:
        if pruned:
            total += rows * rule(columns) if per_row else rule(rows * columns)
    return blocks * total


@pytest.mark.parametrize("tenths", [1, 3, 5, 7])
def test_counts_on_gemma_2_9b(tenths):
    """From the config's numbers by hand: 42 blocks, hidden 3584, inner 14336, 16 x 256 queries, 8 x 256 keys."""
    attention = [(4096, 3584, True), (2048, 3584, True), (2048, 3584, True), (3584, 4096, False)]
    layers = [*attention, (14336, 3584, True), (14336, 3584, True), (3584, 14336, False)]
    everything = [(rows, columns, True) for rows, columns, _ in layers]
    shapes = linear_shapes(PUBLISHED["google/gemma-2-9b-it"])
    level = f"0.{tenths}"

    def counts(method):
        return expected_total(recipe(method, level, calibration="any"), shapes)

    def exact(n):
        return n * tenths // 10

    total = 8_323_596_288
    assert counts("random") == (by_hand(exact, False, 42, everything),) * 2 + (total,)
    assert counts("magnitude") == counts("random")
    assert counts("wanda") == (by_hand(exact, True, 42, everything),) * 2 + (total,)
    assert counts("wanda-pia") == (by_hand(exact, True, 42, layers),) * 2 + (total,)
    least, most, _ = counts("random-pia")
    assert least < total * tenths / 10 < most < least * 1.01
    assert counts("magnitude-pia") == (counts("magnitude")[0], total, total)
    if tenths == 5:
        assert counts("wanda-pia")[0] == 2_774_532_096
