"""The shipped study files, counted without models, texts or network."""

from pathlib import Path

import pytest
import yaml

from secateur.errors import ConfigError, InputError
from secateur.study.config import load_study, parse_study
from secateur.study.outline import outline_study

STUDIES = Path(__file__).parents[2] / "studies"
GEMMA, MISTRAL, PHI = (
    "google/gemma-2-9b-it",
    "mistralai/Mistral-7B-Instruct-v0.3",
    "microsoft/Phi-3.5-mini-instruct",
)


@pytest.fixture
def outline(bbq_folder, monkeypatch, tmp_path):
    monkeypatch.setenv("SECATEUR_BBQ", str(bbq_folder))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    return lambda name: outline_study(load_study(STUDIES / f"{name}.yaml"), base=STUDIES)


def test_the_published_grid(outline):
    paper = outline("paper")
    assert paper.n_configurations == 39
    assert paper.n_rows == {"letter": 39 * 12_148, "sampled": 2_368_860}
    assert paper.floor_rows == 3 * 60_740
    assert set(paper.missing) == {GEMMA, MISTRAL, PHI, "text tulu-3", "text c4"}
    by_category = {}
    for item in paper.items:
        by_category[item.category] = by_category.get(item.category, 0) + 1
    assert sum(by_category.values()) == 12_148


def test_the_grid_as_published(outline):
    published = outline("paper-as-published")
    assert published.n_configurations == 39
    assert published.n_rows == {"letter": 0, "sampled": 2_368_860}
    assert published.floor_rows == 0
    assert [variant.label for variant in published.variants[-4:]] == [f"wanda-pia {s}" for s in (0.1, 0.3, 0.5, 0.7)]
    # Nominal 10, 30, 50, 70 % as the cards and the code of the study have it.
    found = {
        model: [round(100 * published.expected_sparsity(model, variant)[0], 1) for variant in published.variants[-4:]]
        for model in (GEMMA, MISTRAL, PHI)
    }
    assert found == {GEMMA: [6.7, 20.0, 33.3, 46.7], MISTRAL: [6.5, 19.6, 32.7, 45.8], PHI: [6.9, 20.8, 34.7, 48.6]}


def test_the_controlled_grid(outline):
    controlled = outline("paper-controlled")
    labels = [variant.label for variant in controlled.variants]
    assert len(labels) == len(set(labels)) == 29 + 8
    assert {"noise 0.1", "noise 0.8 noise-seed-1"} <= set(labels)
    assert {"random 0.5", "random 0.5 mask-seed-1", "random 0.5 mask-seed-2"} <= set(labels)
    assert {"wanda 0.5", "wanda 0.5 calibration-seed-1", "wanda 0.5 calibration-seed-2"} <= set(labels)
    assert "magnitude 0.5 mask-seed-1" not in labels
    n = len(controlled.items)
    assert n == 2 * 12_148
    # All but placebos in two wordings, and dense by letter once more for the floor.
    assert controlled.n_rows == {"letter": 3 * (37 + 29 + 1) * 3 * n, "sampled": 3 * 37 * 5 * n}
    assert controlled.floor_rows == 3 * 5 * n


def test_the_paper_and_its_published_form_ask_the_same(outline):
    one, other = outline("paper"), outline("paper-as-published")
    assert [item.key for item in one.items] == [item.key for item in other.items]
    assert one.config.readouts.sampled.seeds == other.config.readouts.sampled.seeds


def test_an_outline_finds_all_faults_without_a_model(tmp_path):
    study = {"study": "s", "models": ["a/b"], "variants": ["dense", {"method": ["wander", "wanda"], "sparsity": 0.5}]}
    with pytest.raises(ConfigError) as caught:
        outline_study(parse_study(study | {"benchmark": {"name": "planted"}}), base=tmp_path)
    assert len(caught.value.faults) == 2
    study["variants"] = ["dense"]
    with pytest.raises(InputError, match="no such model folder"):
        outline_study(parse_study(study | {"benchmark": {"name": "planted"}, "models": ["./nothing"]}), base=tmp_path)


def test_a_pattern_is_held_against_shapes_that_are_known(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    study = {
        "study": "s",
        "models": [PHI, "org/name"],
        "variants": ["dense", {"method": ["magnitude", "random"], "pattern": ["3:7", "1:4"]}],
        "benchmark": {"name": "planted", "limit": 10},
    }
    with pytest.raises(ConfigError) as caught:
        outline_study(parse_study(study), base=tmp_path)
    (fault,) = caught.value.faults
    assert fault.startswith(f"variants: the pattern 3:7 does not fit {PHI}: model.layers.0.")
    study["variants"][1]["pattern"] = "1:4"
    found = outline_study(parse_study(study), base=tmp_path)
    assert [variant.label for variant in found.variants] == ["dense", "magnitude 1:4", "random 1:4"]
    assert [found.expected_sparsity(PHI, variant) for variant in found.variants[1:]] == [(0.75, 0.75)] * 2


def test_unknown_shapes_are_not_guessed(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    study = {
        "study": "s",
        "models": ["org/name"],
        "variants": ["dense", {"method": "random", "sparsity": 0.5}],
        "benchmark": {"name": "planted", "limit": 10},
    }
    found = outline_study(parse_study(yaml.safe_load(yaml.safe_dump(study))), base=tmp_path)
    assert found.expected_sparsity("org/name", found.variants[1]) is None
    assert found.missing == ("org/name",)
