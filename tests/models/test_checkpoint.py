import json

import huggingface_hub
import pytest
import torch
from huggingface_hub import errors as hub_errors
from huggingface_hub.utils import filter_repo_objects
from safetensors.torch import load_file, save_file
from tests.tiny import ALL_FAMILIES, TEXTS, tiny_folder

from secateur.errors import InputError, OfflineError, UnsupportedModelError
from secateur.models.checkpoint import Checkpoint, find_checkpoint
from secateur.models.families import all_linears
from secateur.models.loading import check_device, load_model, load_tokenizer, stop_tokens
from secateur.models.tiny import build_tiny_model
from secateur.models.weight_file import WeightFile


def change(folder, edit):
    weights = load_file(folder / "model.safetensors")
    edit(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def digest(folder):
    return Checkpoint(folder, "m").digest


def test_the_digest_covers_weights_and_config(folder):
    first = digest(folder)
    assert digest(folder) == first
    assert digest(tiny_folder("mistral")) != first

    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"transformers_version": "0", "_name_or_path": "x"}))
    assert digest(folder) == first, "how a model was saved is not part of what it is"
    (folder / "config.json").write_text(json.dumps(config | {"rms_norm_eps": 0.5}))
    assert digest(folder) != first
    (folder / "config.json").write_text(json.dumps(config))

    def one_bit(weights):
        weights["model.norm.weight"].view(torch.int32)[0] ^= 1

    change(folder, one_bit)
    assert digest(folder) != first


def test_the_digest_does_not_depend_on_sharding(folder, tmp_path):
    first = digest(folder)
    weights = load_file(folder / "model.safetensors")
    names = sorted(weights)
    files = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for file, part in files.items():
        save_file({name: weights[name] for name in part}, folder / file)
    index = {"weight_map": {name: file for file, part in files.items() for name in part}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "model.safetensors").unlink()
    assert digest(folder) == first


def test_two_sets_of_weights_are_refused(folder):
    weights = load_file(folder / "model.safetensors")
    save_file({name: tensor + 1 for name, tensor in weights.items()}, folder / "other.safetensors")
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": dict.fromkeys(weights, "other.safetensors")}))
    with pytest.raises(
        InputError, match=r"(?s)two sets of weights.*got: +model\.safetensors and .*index\.json.*remove"
    ):
        Checkpoint(folder, "m")


def test_weights_that_only_transformers_would_load_are_refused(folder):
    weights = load_file(folder / "model.safetensors")
    save_file({name: tensor + 1 for name, tensor in weights.items()}, folder / "other.safetensors")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"transformers_weights": "other.safetensors"}))
    with pytest.raises(InputError, match=r"(?s)weight file of its own.*transformers_weights.*got: +other\.safetensors"):
        Checkpoint(folder, "m")
    (folder / "config.json").write_text(json.dumps(config | {"transformers_weights": None}))
    assert Checkpoint(folder, "m").files == ["model.safetensors"]


def index_alone(folder, text):
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(text)


def test_an_index_cannot_point_outside_its_folder(folder):
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"x": "../x.safetensors"}}))
    with pytest.raises(InputError, match="A weight file named in the index is not in the folder"):
        Checkpoint(folder, "m")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: (f / "config.json").unlink(), "has no config.json"),
        (lambda f: (f / "config.json").write_text("{"), r"config\.json is not JSON"),
        (lambda f: (f / "config.json").write_text("[]"), "is not a JSON object"),
        (lambda f: (f / "model.safetensors").write_bytes(b"xx"), "A weight file cannot be read"),
        (lambda f: index_alone(f, "{}"), "index of the weight files cannot be read"),
        (lambda f: index_alone(f, '{"weight_map": {}}'), "index of the weight files is"),
        (lambda f: index_alone(f, '{"weight_map": {"a": 5}}'), "is not in the folder"),
    ],
)
def test_a_broken_folder_is_a_clear_error(folder, spoil, message):
    spoil(folder)
    with pytest.raises(InputError, match=message):
        Checkpoint(folder, "m")


def test_pickled_weights_are_refused_unread(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(
        UnsupportedModelError, match=r"(?s)no safetensors weights.*got:     pytorch_model\.bin.*never loaded"
    ):
        Checkpoint(folder, "m")


def test_where_models_are_looked_for(folder, tmp_path):
    assert find_checkpoint("model", revision=None, offline=True, base=tmp_path).folder == folder
    with pytest.raises(InputError, match="A local folder has no revision"):
        find_checkpoint("model", revision="main", offline=True, base=tmp_path)
    with pytest.raises(
        InputError, match=r"(?s)no such model folder.*allowed: .*, or one that ships: planted, unplanted"
    ):
        find_checkpoint("./nothing", revision=None, offline=True, base=tmp_path)


def test_a_model_that_ships_is_found_by_name_unless_a_folder_has_it(folder, tmp_path):
    assert find_checkpoint("planted", revision=None, offline=True, base=tmp_path).reference == "planted"
    (tmp_path / "planted").symlink_to(folder)
    assert find_checkpoint("planted", revision=None, offline=True, base=tmp_path).folder == tmp_path / "planted"
    with pytest.raises(InputError, match="A model that ships has no revision"):
        find_checkpoint("unplanted", revision="main", offline=True, base=tmp_path)
    (tmp_path / "unplanted").mkdir()
    with pytest.raises(InputError, match="a folder comes before the model that ships"):
        find_checkpoint("unplanted", revision=None, offline=True, base=tmp_path)


def test_offline_makes_no_network_call(tmp_path, monkeypatch):
    import socket

    def refuse(*args, **kwargs):
        raise AssertionError("a network call was made")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(OfflineError, match=r"(?s)not on this machine.*where:   nobody/nothing.*got:     --offline"):
        find_checkpoint("nobody/nothing", revision=None, offline=True, base=tmp_path)


NEEDED = [
    "config.json",
    "generation_config.json",
    "model-00001-of-00002.safetensors",
    "model.safetensors.index.json",
    "tokenizer.json",
    "tokenizer.model",
    "chat_template.jinja",
    "additional_chat_templates/tool_use.jinja",
    "merges.txt",
]
TERMS = ["LICENSE", "LICENSE.md", "NOTICE"]
NOT_READ = [
    "consolidated.safetensors",
    "consolidated.safetensors.index.json",
    "consolidated-00001-of-00003.safetensors",
    "original/model.safetensors",
    "original/params.json",
    "onnx/vocab.txt",
    "LICENSES/mit",
    "pytorch_model.bin",
    "README.md",
]


class FakeHub:
    """Stands in for ``snapshot_download``: by the client's own filter, from a made-up cache and a made-up Hub."""

    def __init__(self, folder, cached, hub):
        self.folder, self.cached, self.hub = folder, cached, hub
        self.fetched = []

    def __call__(self, repo_id, *, revision, local_files_only, **patterns):
        missing = set(filter_repo_objects(NEEDED + TERMS + NOT_READ, **patterns)) - set(self.cached)
        if local_files_only and missing:
            raise hub_errors.LocalEntryNotFoundError("the snapshot is incomplete")
        if isinstance(self.hub, Exception) and missing:
            raise self.hub
        self.fetched = sorted(missing)
        return str(self.folder)


def test_of_a_hub_model_its_files_and_terms_are_fetched_and_nothing_else(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub, "snapshot_download", hub := FakeHub(folder, [], None))
    assert find_checkpoint("an/llm", revision=None, offline=False, base=tmp_path).folder == folder
    assert hub.fetched == sorted(NEEDED + TERMS)


@pytest.mark.parametrize("offline", [False, True])
def test_a_hub_model_fetched_without_its_terms_is_found_without_network(offline, folder, tmp_path, monkeypatch):
    unreachable = hub_errors.LocalEntryNotFoundError("no connection")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", FakeHub(folder, NEEDED, unreachable))
    assert find_checkpoint("an/llm", revision=None, offline=offline, base=tmp_path).folder == folder
    monkeypatch.setattr(huggingface_hub, "snapshot_download", FakeHub(folder, NEEDED[1:], unreachable))
    with pytest.raises(OfflineError, match="got:     --offline" if offline else "got:     no connection"):
        find_checkpoint("an/llm", revision=None, offline=offline, base=tmp_path)


@pytest.mark.parametrize("kind", [OSError, hub_errors.HTTPError, RuntimeError])
def test_a_download_that_breaks_off_is_a_clear_error(kind, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub, "snapshot_download", FakeHub(folder, [], kind("peer closed\nand so on")))
    with pytest.raises(
        OfflineError, match=r"(?s)did not deliver the model.*where: +an/llm\n +got: +peer closed\n +next: .*again"
    ):
        find_checkpoint("an/llm", revision=None, offline=False, base=tmp_path)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_not_finite_are_refused(folder, value):
    change(folder, lambda weights: weights["model.layers.1.mlp.up_proj.weight"].__setitem__((0, 0), value))
    with pytest.raises(InputError, match=r"(?s)NaN or infinite.*got:     model\.layers\.1\.mlp\.up_proj\.weight"):
        load_model(Checkpoint(folder, "m"))


@pytest.mark.parametrize(
    ("edit", "kind"),
    [
        (lambda w: w.pop("model.layers.0.mlp.up_proj.weight"), "missing tensors"),
        (lambda w: w.update(stranger=torch.ones(2)), "unexpected tensors"),
        (lambda w: w.update({"model.norm.weight": torch.ones(5)}), "mismatched tensors"),
    ],
)
def test_weights_that_do_not_fit_are_refused(folder, edit, kind):
    change(folder, edit)
    with pytest.raises(UnsupportedModelError, match=f"The weights do not fit the model: {kind}"):
        load_model(Checkpoint(folder, "m"))


def test_a_weight_in_a_format_that_cannot_be_pruned(folder):
    name = "model.layers.0.mlp.up_proj.weight"
    change(folder, lambda weights: weights.update({name: weights[name].to(torch.float8_e4m3fn)}))
    with pytest.raises(
        UnsupportedModelError, match=r"(?s)cannot be pruned.*allowed: float32, bfloat16, float16.*float8"
    ):
        load_model(Checkpoint(folder, "m"))


@pytest.mark.parametrize(
    ("file", "edit", "message"),
    [
        ("config.json", {"hidden_size": "big"}, "transformers cannot load the model"),
        ("config.json", {"quantization_config": {"quant_method": "gptq"}}, "The checkpoint is quantized"),
        ("tokenizer.json", {"model": {}}, "tokenizer cannot be loaded"),
    ],
)
def test_files_that_make_no_sense(folder, file, edit, message):
    content = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps(content | edit))
    with pytest.raises(UnsupportedModelError, match=message):
        load_model(Checkpoint(folder, "m"))


def test_an_end_token_must_be_a_token(folder):
    (folder / "generation_config.json").write_text('{"eos_token_id": "x"}')
    checkpoint = Checkpoint(folder, "m")
    with pytest.raises(UnsupportedModelError, match="eos_token_id is not a token id"):
        stop_tokens(checkpoint, load_tokenizer(checkpoint))


@pytest.mark.parametrize("name", ["a b/c d", "--/..", "a\0b/c", "~nosuchuser/x", "x" * 5000])
def test_names_that_cannot_be_a_model(name, tmp_path):
    with pytest.raises(InputError, match=r"name|no such model folder"):
        find_checkpoint(name, revision=None, offline=True, base=tmp_path)


def test_tied_embeddings_load_and_stay_tied():
    loaded = load_model(Checkpoint(tiny_folder("gemma2"), "m"))
    assert loaded.model.lm_head.weight is loaded.model.model.embed_tokens.weight


@pytest.mark.parametrize("family", ALL_FAMILIES)
def test_the_headers_give_the_shapes_of_the_loaded_model(family, monkeypatch):
    checkpoint = Checkpoint(tiny_folder(family), "m")
    loaded = load_model(checkpoint)
    expected = [(name, tuple(linear.weight.shape)) for name, linear in all_linears(loaded.model, loaded.family)]

    def read(*_):
        raise AssertionError("weights were read")

    monkeypatch.setattr(WeightFile, "read", read)
    monkeypatch.setattr(WeightFile, "pieces", read)
    assert list(Checkpoint(tiny_folder(family), "m").linear_shapes().items()) == expected


def test_shapes_of_a_checkpoint_in_shards_are_in_model_order(folder):
    whole = list(Checkpoint(folder, "m").linear_shapes().items())
    weights = load_file(folder / "model.safetensors")
    files = {"a.safetensors": sorted(weights)[::2], "b.safetensors": sorted(weights)[1::2]}
    for file, part in files.items():
        save_file({name: weights[name] for name in part}, folder / file)
    index = {"weight_map": {name: file for file, part in files.items() for name in part}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "model.safetensors").unlink()
    assert list(Checkpoint(folder, "m").linear_shapes().items()) == whole


def test_twelve_blocks_are_in_the_order_of_their_numbers(tmp_path):
    made = build_tiny_model(tmp_path, texts=TEXTS, num_hidden_layers=12)
    found = list(Checkpoint(made, "m").linear_shapes())
    assert len(found) == 12 * 7
    assert [int(name.split(".")[2]) for name in found[::7]] == list(range(12))


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (
            lambda w: [w.pop(name) for name in list(w) if ".layers.1." in name],
            r"(?s)not the blocks of its config.*allowed: 2 blocks, named model\.layers\.0.*got:     1\n.*together",
        ),
        (
            lambda w: [w.pop(name) for name in list(w) if ".layers." in name],
            "got:     none of that name",
        ),
        (
            lambda w: w.update({"model.layers.1.mlp.up.weight": w.pop("model.layers.1.mlp.up_proj.weight")}),
            r"(?s)under another name.*allowed: model\.layers\.1\.mlp\.up_proj\.weight.*next:    load the model once",
        ),
        (
            lambda w: w.update({"model.layers.0.mlp.up_proj.weight": torch.zeros(6)}),
            r"(?s)not stored as a matrix.*where:   model\.layers\.0\.mlp\.up_proj\.weight.*got:     \[6\]",
        ),
    ],
)
def test_headers_that_do_not_fit_are_an_error(folder, edit, message):
    change(folder, edit)
    with pytest.raises(UnsupportedModelError, match=message):
        Checkpoint(folder, "m").linear_shapes()


@pytest.mark.parametrize("family", ALL_FAMILIES)
def test_a_loaded_model_is_ready(family):
    loaded = load_model(Checkpoint(tiny_folder(family), "m"))
    assert not loaded.model.training
    assert not any(parameter.requires_grad for parameter in loaded.model.parameters())
    assert stop_tokens(loaded.checkpoint, loaded.tokenizer) == (loaded.tokenizer.eos_token_id,)


def test_a_model_without_tokenizer_is_an_error(folder):
    for path in folder.glob("token*"):
        path.unlink()
    with pytest.raises(UnsupportedModelError, match="tokenizer cannot be loaded"):
        load_tokenizer(Checkpoint(folder, "m"))


@pytest.mark.parametrize("device", ["cuda:99", "tpu", "toaster"])
def test_a_device_must_be_there(device):
    with pytest.raises(InputError, match="no such device"):
        check_device(device)
