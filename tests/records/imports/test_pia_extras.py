"""The pipeline's perplexities and counts of zeros."""

import json
from fractions import Fraction

import pytest

from secateur.errors import InputError
from secateur.records.imports.pia_extras import Perplexity, Zeros, read_perplexity, read_pruning_meta
from secateur.records.imports.pia_records import Configuration

HEAD = "model,prune_method,sparsity,perplexity,perplexity_se\n"


def csv(tmp_path, text):
    path = tmp_path / "p.csv"
    path.write_text(text)
    return path


def test_perplexities(tmp_path):
    path = csv(
        tmp_path, f"{HEAD}a,dense,0,8.9412,0.05\na,random,70,5512345.1,1e3\na,wanda,12.5,,\na,wanda,50.0,inf,nan\n"
    )
    assert read_perplexity(path) == {
        Configuration("a", "dense", Fraction(0)): Perplexity(8.9412, 0.05),
        Configuration("a", "random", Fraction(7, 10)): Perplexity(5512345.1, 1000.0),
        Configuration("a", "wanda", Fraction(1, 8)): Perplexity(None, None),
        Configuration("a", "wanda", Fraction(1, 2)): Perplexity(None, None),
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model,sparsity\n", r"lacks a column[^$]*p\.csv[^$]*got: +no prune_method"),
        ("", r"lacks a column[^$]*got: +no model"),
        (f"{HEAD}a,dense,0,x,1\n", r"A field is not a number[^$]*line 2, perplexity\n[^$]*got: +'x'"),
        (f"{HEAD}a,dense,0,0.5,1\n", r"A perplexity is below 1[^$]*line 2[^$]*got: +0\.5"),
        (f"{HEAD}a,dense,101,5,1\n", r"A sparsity is out of range[^$]*allowed: +0 to 100, in per cent[^$]*got: +101"),
        (f"{HEAD}a,dense,,5,1\n", r"A sparsity is out of range[^$]*got: +nan"),
        (f"{HEAD}a,wanda,50,5,1\na,wanda,50.0,5,1\n", r"two perplexities[^$]*line 3[^$]*got: +a, wanda 0\.5"),
        (f'{HEAD}a,"wan', r"not CSV[^$]*unexpected end"),
    ],
)
def test_files_that_are_not_perplexities(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read_perplexity(csv(tmp_path, text))


META = {
    "model": "gemma-2-9b-it",
    "method": "wanda",
    "target_sparsity": 50,
    "actual_sparsity": 33.3333,
    "total_prunable_params": 8323596288,
    "zero_params": 2774532096,
}


def meta(tmp_path, value, name="pruning_meta.json"):
    path = tmp_path / name
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def test_counts_of_zeros(tmp_path):
    found = read_pruning_meta([meta(tmp_path, META)])
    assert found == {Configuration("gemma-2-9b-it", "wanda", Fraction(1, 2)): Zeros(2774532096, 8323596288)}
    assert read_pruning_meta([]) == {}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"zero_params": None}, r"missing or of another kind[^$]*, zero_params\n[^$]*got: +null"),
        ({"model": 3}, r"missing or of another kind[^$]*, model\n[^$]*allowed: +a text"),
        ({"target_sparsity": True}, r"missing or of another kind[^$]*, target_sparsity\n"),
        ({"target_sparsity": 150}, r"out of range[^$]*got: +150"),
        ({"zero_params": 8323596289}, r"counts of a pruned model are not possible[^$]*got: +zero_params 8323596289"),
        ({"zero_params": 0, "total_prunable_params": 0}, "counts of a pruned model are not possible"),
        ({"actual_sparsity": 50.0}, r"not that of its counts[^$]*allowed: +actual_sparsity 33\.3333\n[^$]*got: +50"),
        ({"actual_sparsity": float("nan")}, "not that of its counts"),
    ],
)
def test_counts_that_cannot_be(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        read_pruning_meta([meta(tmp_path, META | changes)])


def test_files_that_are_no_counts(tmp_path):
    with pytest.raises(InputError, match="A file is not JSON"):
        read_pruning_meta([meta(tmp_path, "{")])
    with pytest.raises(InputError, match=r"A file is not a JSON object[^$]*got: +list"):
        read_pruning_meta([meta(tmp_path, "[]")])
    with pytest.raises(
        InputError, match=r"Two files describe the same pruned model[^$]*got: +gemma-2-9b-it, wanda 0\.5"
    ):
        read_pruning_meta([meta(tmp_path, META), meta(tmp_path, META, "other.json")])
