from fractions import Fraction

import pytest
import yaml

from secateur.errors import ConfigError, InputError
from secateur.study.config import load_study, parse_study

SMALLEST = {"study": "s", "models": ["m"], "variants": ["dense"]}


def faults(data):
    with pytest.raises(ConfigError) as caught:
        parse_study(data)
    return caught.value.faults


def test_the_smallest_study_has_the_documented_defaults():
    config = parse_study(SMALLEST)
    assert config.benchmark.name == "bbq"
    assert config.readouts.letter.orders == "fixed"
    assert config.readouts.sampled is None
    assert config.perplexity is None


def test_levels_stay_as_written():
    config = parse_study(SMALLEST | {"variants": ["dense", {"method": "random", "sparsity": [0.29, 0.1]}]})
    assert config.variants[1].sparsity == (Fraction(29, 100), Fraction(1, 10))


def test_all_faults_come_at_once_each_with_its_place():
    found = faults(
        {
            "study": "",
            "models": [],
            "variants": ["sparse", {"method": "x", "sparsity": 1.5, "foo": 1}],
            "readouts": {"letter": {"orders": "x"}, "sampled": {"seeds": [1, 1], "temperature": 0}},
            "bar": 2,
            "compute": {"dtype": "int8"},
        }
    )
    assert [fault.split(":")[0] for fault in found] == [
        "bar",
        "compute.dtype",
        "models",
        "readouts.letter.orders",
        "readouts.sampled.temperature",
        "study",
        "variants.0",
        "variants.1.foo",
        "variants.1.sparsity.0",
    ]
    assert "variants.1.foo: unknown key" in found
    assert "variants.1.sparsity.0: 1.5 is not a share from 0 to 1" in found
    assert "readouts.letter.orders: 'x' is not one of fixed, rotations, all6" in found


def test_faults_around_a_pattern_do_not_hide_each_other():
    entry = {"method": "random", "pattern": ["2/4", "2:4"], "sparsity": 2, "per": "row", "foo": 1}
    found = faults(SMALLEST | {"variants": ["dense", entry, {"method": []}]})
    assert [fault.split(":")[0] for fault in found] == [
        "variants.1.foo",
        "variants.1.pattern.0",
        "variants.1.per",
        "variants.1.sparsity",
        "variants.2.method",
        "variants.2.sparsity",
    ]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"variants": [{"method": "random", "sparsity": 0.5}]}, "variants: 'dense' is missing"),
        ({"variants": ["dense", "dense"]}, "variants: 'dense' is repeated"),
        ({"readouts": {}}, "readouts: name at least one readout"),
        (
            {"readouts": {"sampled": {"seeds": [1], "floor_seeds": [1]}}},
            "readouts.sampled: seeds and floor_seeds must all",
        ),
        ({"readouts": {"sampled": {"temperature": float("nan")}}}, "readouts.sampled.temperature"),
        ({"readouts": {"sampled": {"seeds": []}}}, "readouts.sampled.seeds: must not be empty"),
        ({"benchmark": {"condition": "clear"}}, "benchmark.condition.0"),
        (
            {"variants": ["dense", {"method": "random", "sparsity": True}]},
            "variants.1.sparsity.0: True is not a number",
        ),
        ({"calibration": {"seed": -1}}, "calibration.seed.0"),
        ({"calibration": {"seed": True}}, "calibration.seed.0: must be a whole number"),
        ({"calibration": {"seed": [1, 1]}}, "calibration: seed: one stands there twice"),
        ({"calibration": {"seed": []}}, "calibration.seed: must not be empty"),
        ({"calibration": {"cut": "pages"}}, "calibration.cut"),
        ({"calibration": {"cut": "documents", "seed": 3}}, "calibration: seed: documents are taken in file order"),
        ({"benchmark": {"limit": True}}, "benchmark.limit: must be a whole number"),
        ({"benchmark": {"categories": []}}, "benchmark.categories: must not be empty"),
        ({"models": []}, "models: must not be empty"),
        ({"variants": ["dense", {"method": [], "sparsity": 0.5}]}, "variants.1.method: must not be empty"),
        ({"variants": ["dense", {"method": "random", "sparsity": []}]}, "variants.1.sparsity: must not be empty"),
        ({"variants": ["dense", {"method": "random"}]}, "variants.1.sparsity: missing; name this or a pattern"),
        (
            {"variants": ["dense", {"method": "random", "sparsity": 0.5, "pattern": "2:4"}]},
            "variants.1.sparsity: cannot stand beside pattern, which fixes it; name one of the two",
        ),
        (
            {"variants": ["dense", {"method": "random", "pattern": "2:4", "per": "row"}]},
            "variants.1.per: cannot stand beside pattern, which fixes it; name one of the two",
        ),
        (
            {"variants": ["dense", {"method": "random", "pattern": ["2:4", "4:2"]}]},
            "variants.1.pattern.1: '4:2' is no N:M pattern such as 2:4",
        ),
        (
            {"variants": ["dense", yaml.safe_load("{method: random, pattern: 2:4}")]},
            "variants.1.pattern.0: 124 is no N:M pattern such as 2:4; in quotes: YAML reads 2:4 without them as a",
        ),
        ({"variants": ["dense", {"method": "random", "pattern": []}]}, "variants.1.pattern: must not be empty"),
        (
            {"variants": ["dense", {"method": "random", "sparsity": "1e99999999"}]},
            "variants.1.sparsity.0: 1e99999999 is",
        ),
        ({"variants": ["dense", {"method": "random", "sparsity": "1e-400"}]}, "variants.1.sparsity.0: 1e-400 is not"),
        ({"variants": ["dense", {"method": "random", "sparsity": float("nan")}]}, "variants.1.sparsity.0: nan is not"),
        ({"readouts": "letter"}, "readouts: must be a mapping"),
        (
            {"readouts": {"sampled": {"seeds": [1, 2], "floor_seeds": [3]}}},
            "readouts.sampled: floor_seeds must be as many",
        ),
    ],
)
def test_single_faults(change, fault):
    assert any(found.startswith(fault) for found in faults(SMALLEST | change)), faults(SMALLEST | change)


def test_how_much_is_calibrated_on_depends_on_the_corpus():
    def size(**calibration):
        made = parse_study(SMALLEST | {"calibration": calibration}).calibration
        return made.sequences, made.length

    assert size() == (32, 256)
    assert size(corpus="c4") == (128, 2048)
    assert size(corpus="c4", sequences=7) == (7, 2048)
    assert size(length=64) == (32, 64)


def test_a_perplexity_protocol_by_name():
    read = parse_study(SMALLEST | {"perplexity": {"protocol": "wikitext2-raw-2048-bos-once"}}).perplexity.reading
    assert (read.corpus, read.window, read.windows, read.bos) == ("wikitext-2", 2048, None, "once")
    own = parse_study(SMALLEST | {"perplexity": {"window": 64, "bos": "none"}}).perplexity.reading
    assert (own.name, own.corpus, own.window, own.windows, own.bos) == ("", "packaged", 64, None, "none")
    assert parse_study(SMALLEST | {"perplexity": {}}).perplexity.reading.bos == "every"


@pytest.mark.parametrize("protocol", ["packaged-256", "wikitext3"])
def test_a_protocol_and_its_parts_cannot_both_be_named(protocol):
    parts = {"corpus": "c4", "window": 64, "windows": 3, "bos": "none"}
    found = faults(SMALLEST | {"perplexity": {"protocol": protocol, **parts}})
    beside = [f"perplexity.{name}: cannot stand beside protocol, which fixes it" for name in sorted(parts)]
    unknown = ["perplexity.protocol: 'wikitext3' is not one of packaged-256, wikitext2-raw-2048, "]
    expected = beside[:2] + (unknown if protocol == "wikitext3" else []) + beside[2:]
    assert len(found) == len(expected)
    assert all(one.startswith(said) for one, said in zip(found, expected, strict=True)), found


def test_a_bos_rule_that_does_not_exist():
    (fault,) = faults(SMALLEST | {"perplexity": {"bos": "twice"}})
    assert fault.startswith("perplexity.bos: Input should be 'every', 'once' or 'none'")


def test_divergence_is_measured_only_if_it_is_named():
    assert parse_study(SMALLEST | {"perplexity": {}}).perplexity.divergence is None
    read = parse_study(SMALLEST | {"perplexity": {"protocol": "packaged-256", "divergence": {}}}).perplexity
    assert (read.divergence.every, read.divergence.top) == (64, 256)


@pytest.mark.parametrize(
    ("read", "fault"),
    [
        (
            {"protocol": "packaged-256", "divergence": {"every": 256}},
            "perplexity: divergence.every is 256, and a window has 255 scored tokens",
        ),
        ({"window": 64, "divergence": {}}, "perplexity: divergence.every is 64, and a window has 63 scored tokens"),
        ({"divergence": {"every": 0}}, "perplexity.divergence.every: Input should be greater than or equal to 1"),
        ({"divergence": {"top": True}}, "perplexity.divergence.top: must be a whole number"),
        ({"divergence": {"last": 1}}, "perplexity.divergence.last: unknown key"),
    ],
)
def test_faults_of_divergence(read, fault):
    (found,) = faults(SMALLEST | {"perplexity": read})
    assert found.startswith(fault)


def test_a_key_that_stands_twice_is_an_error(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text("study: a\nmodels: [m]\nvariants: [dense]\nstudy: b\n")
    with pytest.raises(InputError, match=r"(?s)line 4.*'study' stands here twice"):
        load_study(path)
    path.write_text("a: " + "[" * 5000 + "]" * 5000)
    with pytest.raises(InputError, match="nested too deeply"):
        load_study(path)


def test_merged_mappings_may_be_overridden_and_named_keys_still_stand_once(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(
        "study: s\nmodels: [m]\nvariants:\n- dense\n- &w {method: wanda, sparsity: 0.5, per: row}\n"
        "- &other {<<: *w, sparsity: 0.6}\n- {<<: *other, per: tensor}\n"
    )
    _, *pruned = load_study(path).variants
    assert [(one.method, float(one.sparsity[0]), one.per) for one in pruned] == [
        (("wanda",), 0.5, "row"),
        (("wanda",), 0.6, "row"),
        (("wanda",), 0.6, "tensor"),
    ]
    path.write_text("a: &a {k: 1}\nb: {x: &b {<<: *a, k: 2}}\nc: {<<: *b}\nd: {<<: *a, k: 1, k: 2}\n")
    with pytest.raises(InputError, match=r"(?s)line 4.*'k' stands here twice"):
        load_study(path)


def test_a_value_that_cannot_be_is_told_with_its_line(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text("models: [m]\nstudy: 2026-02-30\n")
    with pytest.raises(InputError, match=r"(?s)not YAML.*line 2.*day is out of range"):
        load_study(path)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"Models": ["m"]}, "Models: unknown key"),
        ({"[x]": 1}, "[x]: unknown key"),
        ({"perplexity": {"BOS": "every"}}, "perplexity.BOS: unknown key"),
        (
            {"variants": ["dense", {"method": "random", "sparsity": 0.5, "Per": "row"}]},
            "variants.1.Per: unknown key",
        ),
    ],
)
def test_a_place_is_named_as_it_was_written(change, fault):
    assert faults(SMALLEST | change) == [fault]


def test_the_message_counts_faults_and_names_the_file(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text("study: s\nmodels: [m]\nvariants: [dense]\ncolour: red\n")
    with pytest.raises(ConfigError, match=r"1 fault in .+study\.yaml:\n  - colour: unknown key"):
        load_study(path)


def test_a_file_that_is_not_yaml_or_not_there(tmp_path):
    path = tmp_path / "study.yaml"
    with pytest.raises(InputError, match=r"(?s)A file cannot be read.*No such file"):
        load_study(path)
    path.write_text("study: s\nmodels: [m\n")
    with pytest.raises(InputError, match=r"(?s)not YAML.*where:   .+study\.yaml, line 3"):
        load_study(path)
    path.write_text("- a\n")
    with pytest.raises(ConfigError, match="not a mapping"):
        load_study(path)
