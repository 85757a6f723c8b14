"""The command line as a user meets it: in a process of its own."""

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time

import pytest
import yaml
from safetensors.torch import load_file, save_file
from tests.cli.command import ENVIRONMENT, secateur
from tests.tiny import tiny_folder

from secateur.records.store import LOG_FILE, Store


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a study file."""
    folder = tmp_path_factory.mktemp("cli")
    (folder / "s.yaml").write_text(yaml.safe_dump(study()))
    return folder


def study(**changes):
    return {
        "study": "cli [bold]",
        "models": [str(tiny_folder("llama"))],
        "variants": ["dense", {"method": ["random", "wanda"], "sparsity": 0.5}],
        "benchmark": {"name": "planted", "limit": 12},
        "readouts": {"letter": {"orders": "fixed"}, "sampled": {"seeds": [1, 2], "floor_seeds": [3, 4]}},
        "perplexity": {"corpus": "packaged", "window": 64, "windows": 4},
        "calibration": {"corpus": "packaged", "sequences": 4, "length": 48},
    } | changes


def test_plan_run_status_report(folder):
    planned = secateur("study", "plan", "s.yaml", folder=folder).stdout
    assert "study cli [bold]: 12 items of planted" in planned
    assert "144 records: 36 letter, 96 sampled, 12 text (of the sampled, 24 are dense floor answers)" in planned
    assert "time: unknown until a cell has run into the store" in planned
    assert re.search(r"random 0\.5 .* 50\.00 %", planned)
    assert not (folder / "s.store").exists()

    ran = secateur("study", "run", "s.yaml", "--offline", folder=folder)
    assert "144 records complete, 144 of them asked now" in ran.stdout
    assert re.search(r"\[1/6\] .+, dense, ask: 60 records to ask\n", ran.stderr)
    assert "Traceback" not in ran.stderr
    assert "Loading weights" not in ran.stderr, "no bars of other libraries"

    again = secateur("study", "run", "s.yaml", "--offline", folder=folder)
    assert "144 records complete, 0 of them asked now" in again.stdout
    assert again.stderr.count("complete already") == 6

    planned = secateur("study", "plan", "s.yaml", folder=folder).stdout
    assert "144 of them are in the store, 0 are to be asked" in planned
    (folder / "wider.yaml").write_text(yaml.safe_dump(study(benchmark={"name": "planted", "limit": 20})))
    planned = secateur("study", "plan", "wider.yaml", "--store", "s.store", folder=folder).stdout
    assert "144 of them are in the store, 88 are to be asked" in planned
    assert re.search(r"time: about \d+ s at the store's mean", planned)
    status = secateur("study", "status", "s.store", folder=folder).stdout
    assert "144 of 144 records" in status
    assert "every file is as written" in status

    reported = secateur("report", "s.store", "--out", "r", folder=folder).stdout
    assert reported.strip().endswith("index.html")
    assert re.search(r"^sampled answers +achieved +perplexity", reported, re.MULTILINE)
    assert re.search(r"^wanda 0.5 +broken +50.00 %", reported, re.MULTILINE)
    assert "- Left out or not readable: 0 of" in reported
    assert (folder / "r" / "index.html").stat().st_size > 10_000
    assert (folder / "r" / "tables" / "metrics.csv").exists()


def test_a_plan_takes_the_dtype_of_its_store_and_reads_a_log_that_a_kill_cut_within_a_letter(folder, tmp_path):
    store = Store.create(tmp_path / "x", settings={"dtype/cpu": "bfloat16"})
    (store.path / LOG_FILE).write_bytes('{"event": "cell", "name": "ä'.encode()[:-1])
    planned = secateur("study", "plan", "s.yaml", "--store", tmp_path / "x", folder=folder).stdout
    assert "computed in bfloat16 on cpu" in planned
    assert "time: unknown until a cell has run into the store" in planned


def test_text_and_divergence_are_told_by_plan_status_and_report(folder, tmp_path):
    read = {"protocol": "packaged-256", "divergence": {"every": 50, "top": 8}}
    few = study(variants=["dense", {"method": "random", "sparsity": 0.5}], perplexity=read)
    (tmp_path / "d.yaml").write_text(yaml.safe_dump(few))
    planned = secateur("study", "plan", tmp_path / "d.yaml", folder=folder).stdout
    (n,) = map(int, re.findall(r"text: packaged-256; (\d+) windows of 256 tokens; BOS token: first token of", planned))
    assert "divergence from dense: packaged-256/every-50/top-8" in planned
    assert f"{2 * n} text, {n} reference, {n} divergence" in planned
    assert f"about {(24 * 18 + 72 * 2.8 + 2 * n * 15.8 + n * (8 + 5 * 8 * 5.7 + 18.4)) / 1e6:.1f} MB" in planned
    secateur("study", "run", tmp_path / "d.yaml", "--store", tmp_path / "x", "--offline", folder=folder)
    status = secateur("study", "status", tmp_path / "x", folder=folder).stdout
    assert re.search(rf"random 0\.5 +divergence +{n} / {n} +100%", status)
    assert "every file is as written" in status
    secateur("report", tmp_path / "x", "--out", tmp_path / "r", folder=folder)
    page = (tmp_path / "r" / "index.html").read_text(encoding="utf-8")
    assert "KL from dense" in page
    assert "lower bound: top 8 of" in page


def test_status_counts_the_rows_of_each_study_and_no_others(folder, tmp_path):
    """The second study wants other seeds; the first one's answers must not make it look complete."""
    other = study(study="other seeds", readouts={"sampled": {"seeds": [3, 4], "floor_seeds": [1, 2]}}, perplexity=None)
    (tmp_path / "b.yaml").write_text(yaml.safe_dump(other))
    secateur("study", "run", folder / "s.yaml", "--store", tmp_path / "x", "--offline", folder=folder)
    secateur("study", "run", tmp_path / "b.yaml", "--store", tmp_path / "x", "--offline", folder=folder)
    status = secateur("study", "status", tmp_path / "x", folder=folder).stdout
    assert "144 of 144 records" in status
    assert "96 of 96 records" in status
    for shard in (tmp_path / "x" / "cells").glob("*/sampled-00001.parquet"):
        shard.unlink()
    secateur("study", "status", tmp_path / "x", "--repair", folder=folder)
    status = secateur("study", "status", tmp_path / "x", folder=folder).stdout
    assert "144 of 144 records" in status
    assert "48 of 96 records" in status
    assert re.search(r"random 0\.5 +ask +0 / 24 +0%", status)


def test_damage_is_shown_and_repaired(folder, tmp_path):
    secateur("study", "run", folder / "s.yaml", "--store", tmp_path / "x", "--offline", folder=folder)
    shard = next((tmp_path / "x" / "cells").glob("*/letter-*.parquet"))
    shard.write_bytes(shard.read_bytes()[:-9])
    status = secateur("study", "status", tmp_path / "x", folder=folder, code=2).stdout
    assert "problems: 1" in status
    assert re.search(r"ask +damaged +-", status)
    assert "--repair" in status
    assert shard.name in status
    repaired = secateur("study", "status", tmp_path / "x", "--repair", folder=folder).stdout
    assert "given up" in repaired
    assert "every file is as written" in repaired
    ran = secateur("study", "run", folder / "s.yaml", "--store", tmp_path / "x", "--offline", folder=folder)
    assert "144 records complete, 12 of them asked now" in ran.stdout


def test_prune(folder, tmp_path):
    out = tmp_path / "pruned"
    model = tiny_folder("phi3")
    done = secateur("prune", model, "--method", "magnitude", "--sparsity", "0.5", "--out", out, folder=folder)
    assert re.search(r"[\d,]+ of [\d,]+ weights removed \(50\.0000%\)", done.stdout)
    assert re.search(r"magnitude 0\.5: \d+ linears to prune\n.+ magnitude 0\.5: done, [\d,.]+ linears/s\n", done.stderr)
    assert (out / "README.md").exists()
    again = secateur("prune", model, "--method", "magnitude", "--sparsity", "0.5", "--out", out, folder=folder, code=2)
    assert "The output folder is not empty" in again.stderr


def test_an_interrupted_prune_says_what_is_kept(tmp_path):
    options = ["--method", "wanda", "--sparsity", "0.5", "--out", str(tmp_path / "o")]
    with subprocess.Popen(
        [sys.executable, "-m", "secateur", "prune", "planted", *options],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT,
    ) as process:  # fmt: skip
        assert "linears to prune" in process.stderr.readline()
        process.send_signal(2)
        said = process.stderr.read()
    assert "secateur: interrupted; blocks that were calibrated are kept, run the same command to go on\n" in said
    assert "Traceback" not in said
    assert process.returncode == 130
    assert not (tmp_path / "o").exists()


def test_prune_in_a_pattern(folder, tmp_path):
    model = tiny_folder("llama")
    done = secateur("prune", model, "--method", "magnitude", "--pattern", "2:4", "--out", tmp_path / "p", folder=folder)
    assert re.search(r"[\d,]+ of [\d,]+ weights removed \(50\.0000%\)", done.stdout)
    assert "magnitude 2:4" in (tmp_path / "p" / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["study", "run", "nothing.yaml"], "A file cannot be read"),
        (["study", "run", "."], "A file cannot be read"),
        (["study", "status", "nothing"], "next: "),
        (["report", "nothing", "--out", "r2"], "next: "),
        (["prune", "./nothing", "--method", "magnitude", "--sparsity", "0.5", "--out", "o"], "no such model folder"),
        (["prune", "x", "--method", "magnitude", "--out", "o"], "--sparsity: missing; give it or --pattern"),
        (["prune", "planted", "--method", "magnitude", "--pattern", "4:2", "--out", "o"], "'4:2' is no N:M pattern"),
        (
            [
                "prune",
                "planted",
                "--method",
                "wanda-pia",
                "--pattern",
                "4:4",
                "--per",
                "row",
                "--sparsity",
                "1",
                "--out",
                "o",
            ],
            "4 faults in",
        ),
        (["prune", "planted", "--method", "wanda-pia", "--pattern", "2:4", "--out", "o"], "wanda-pia has no patterns"),
        (["prune", "planted", "--method", "magnitude", "--pattern", "3:7", "--out", "o"], "does not fit this model"),
        (["prune", "x", "--method", "wander", "--sparsity", "0.5", "--out", "o"], "'wander' is not one of random"),
        (
            ["prune", "x", "--method", "random", "--per", "column", "--sparsity", "0.5", "--out", "o"],
            "not one of tensor, row, which random has",
        ),
        (
            ["prune", "x", "--method", "magnitude", "--sparsity", "0.5", "--length", "32", "--out", "o"],
            "--length: magnitude does not use it",
        ),
        (
            ["prune", "x", "--method", "wanda", "--sparsity", "0.5", "--cut", "documents", "--seed", "3", "--out", "o"],
            "--seed: documents are taken in file order, so there is no seed",
        ),
        (["data", "get", "mmlu"], "'mmlu' cannot be downloaded; bbq can"),
        (["study"], "Usage"),
        (["prune"], "Missing argument"),
        (["frobnicate"], "No such command"),
    ],
)
def test_wrong_use_is_told_without_a_traceback(arguments, message, folder):
    done = secateur(*arguments, folder=folder, code=2)
    assert message in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


def test_weights_that_do_not_fit_give_one_message(folder, tmp_path):
    base = shutil.copytree(tiny_folder("llama"), tmp_path / "base")
    weights = load_file(base / "model.safetensors")
    del weights["model.norm.weight"]
    save_file(weights, base / "model.safetensors", metadata={"format": "pt"})
    done = secateur(
        "prune", base, "--method", "random", "--sparsity", "0.5", "--out", tmp_path / "o", folder=folder, code=2
    )
    assert "missing tensors" in done.stderr
    assert "REPORT" not in done.stderr + done.stdout


def test_a_level_that_is_none(folder):
    done = secateur(
        "prune", tiny_folder("llama"), "--method", "random", "--sparsity", "half", "--out", "o", folder=folder, code=2
    )
    assert "A sparsity is not a share." in done.stderr


def test_data_get_offline(folder, tmp_path, monkeypatch):
    monkeypatch.setitem(ENVIRONMENT, "SECATEUR_CACHE", str(tmp_path))
    done = secateur("data", "get", "bbq", "--offline", folder=folder, code=2)
    assert "network is forbidden" in done.stderr


def test_bbq_that_is_nowhere_says_where_it_could_be(folder, tmp_path, monkeypatch):
    monkeypatch.setitem(ENVIRONMENT, "SECATEUR_CACHE", str(tmp_path))
    (tmp_path / "b.yaml").write_text(yaml.safe_dump(study(benchmark={"name": "bbq"})))
    done = secateur("study", "plan", tmp_path / "b.yaml", folder=folder, code=2)
    for way in ("SECATEUR_BBQ", "secateur data get bbq"):
        assert way in done.stderr


def test_help_imports_nothing_heavy(folder):
    code = (
        "import sys; sys.argv = ['secateur', '--help']\n"
        "from secateur.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'transformers', 'polars', 'pyarrow', 'matplotlib', 'numpy', 'pydantic'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Commands" in done.stdout


@pytest.mark.parametrize("arguments", [["methods"], ["--help"], ["study", "run", "nothing.yaml"]])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_leaves_is_no_error(folder, arguments, unbuffered):
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "secateur", *arguments],
        cwd=folder, stdout=writer, stderr=subprocess.PIPE, env=ENVIRONMENT | {"PYTHONUNBUFFERED": unbuffered},
        check=False, text=True,
    )  # fmt: skip
    os.close(writer)
    assert done.returncode == (2 if "run" in arguments else 0), done.stderr
    assert "BrokenPipe" not in done.stderr


def test_the_version(folder):
    assert re.fullmatch(r"secateur \d+\.\d+\.\d+\n", secateur("--version", folder=folder).stdout)


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a pseudo-terminal")
def test_a_terminal_gets_a_live_bar_and_ctrl_c_keeps_what_was_answered(folder, tmp_path):
    file = tmp_path / "s.yaml"
    file.write_text(yaml.safe_dump(study(benchmark={"name": "planted"}, readouts={"letter": {"orders": "all6"}})))
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "secateur", "study", "run", str(file), "--store", str(tmp_path / "x"), "--offline"],
        stderr=slave, stdout=subprocess.DEVNULL, env=ENVIRONMENT | {"TERM": "xterm", "COLUMNS": "150"},
    )  # fmt: skip
    os.close(slave)
    seen = read_until(master, "records/s")
    process.send_signal(2)
    seen += read_until(master, "run the same command to go on")
    assert process.wait(30) == 130
    os.close(master)
    assert "dense, ask" in seen
    assert "Traceback" not in seen


def read_until(terminal, text, limit=90):
    seen, end = "", time.monotonic() + limit
    while text not in seen:
        assert time.monotonic() < end, seen
        if select.select([terminal], [], [], 1)[0]:
            try:
                seen += os.read(terminal, 65536).decode(errors="replace")
            except OSError:  # the other side has closed
                break
    assert text in seen, seen
    return seen
