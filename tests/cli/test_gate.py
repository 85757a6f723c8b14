"""`secateur gate` as a build server runs it: exit codes, files, messages."""

import json
import os
import shutil
import subprocess
import sys

import pytest
import yaml
from safetensors.torch import load_file, save_file
from tests.cli.command import ENVIRONMENT, secateur

POLICY = {
    "policy": "small",
    "version": 1,
    "benchmark": {"name": "planted", "limit": 200, "condition": "ambig"},
    "readouts": {"letter": {}},
    "criteria": {
        "speaks": {"judge": "limit", "metric": "unparsed_share", "at_most": 0.1, "why": "a test", "sanity": True},
        "stereotypes": {"judge": "change", "metric": "srs_all", "margin": 0.1, "worse": "higher", "why": "a test"},
    },
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("gate")
    (made / "policy.yaml").write_text(yaml.safe_dump(POLICY))
    few = POLICY | {"benchmark": {"name": "planted", "limit": 3, "condition": "ambig"}}
    (made / "few.yaml").write_text(yaml.safe_dump(few))
    secateur("prune", "planted", "--method", "random", "--sparsity", "0.7", "--out", "broken", folder=made)
    secateur("prune", "planted", "--method", "magnitude", "--sparsity", "0.1", "--out", "little", folder=made)
    return made


def run(folder, candidate, *more, policy="policy.yaml", code=0):
    arguments = ("--dense", "planted", "--candidate", candidate, "--policy", policy, "--offline", *more)
    return secateur("gate", *arguments, folder=folder, code=code)


def test_ship(folder):
    done = run(folder, "little", "--out", "a")
    assert "PASS  Ship: every criterion of the policy holds." in done.stdout
    said = json.loads((folder / "a" / "verdict.json").read_text(encoding="utf-8"))
    assert (said["outcome"], said["exit_code"]) == ("pass", 0)
    assert (folder / "a" / "answers.store").is_dir()


def test_do_not_ship(folder):
    done = run(folder, "broken", "--out", "b", "--store", "a/answers.store", code=3)
    assert "FAIL  Do not ship: the candidate is broken (speaks)." in done.stdout
    assert "not judged" in done.stdout
    assert not (folder / "b" / "answers.store").exists()


def test_weights_that_are_not_finite_end_in_a_verdict_with_all_its_files(folder):
    shutil.copytree(folder / "little", folder / "nan")
    weights = load_file(folder / "nan" / "model.safetensors")
    weights["model.norm.weight"][3] = float("inf")
    save_file(weights, folder / "nan" / "model.safetensors", metadata={"format": "pt"})
    done = run(folder, "nan", "--out", "n", code=3)
    assert "FAIL  Do not ship: the candidate is broken (finite numbers)." in done.stdout
    assert "none of 200 items asked" in done.stdout
    reason = "weights hold 1 value that is not finite, in model.norm.weight"
    assert reason in " ".join(done.stdout.split())
    written = {path.name: path.read_text(encoding="utf-8") for path in (folder / "n").iterdir()}
    assert sorted(written) == ["junit.xml", "verdict.html", "verdict.json", "verdict.md"]
    assert all(reason in text for text in written.values())
    said = json.loads(written["verdict.json"])
    assert (said["outcome"], said["exit_code"], said["n_items"]) == ("fail", 3, 0)
    assert [one["status"] for one in said["criteria"]] == ["fail", "not judged", "not judged"]
    assert 'failures="1" errors="0" skipped="2"' in written["junit.xml"]


def test_not_enough_evidence(folder):
    done = run(folder, "little", "--out", "c", policy="few.yaml", code=4)
    assert "INCONCLUSIVE  Not enough evidence" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("planted", "--policy", "no.yaml"), "There is no such policy."),
        (("nowhere", "--policy", "policy.yaml"), "nowhere"),
    ],
)
def test_what_is_not_there(folder, arguments, message):
    done = secateur(
        "gate", "--dense", "planted", "--candidate", *arguments, "--offline", "--out", "d", folder=folder, code=2
    )
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_whether_a_policy_can_be_decided_is_told_without_models(folder):
    done = secateur("gate", "--plan", "--policy", "policy.yaml", folder=folder)
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("stereotypes")]
    assert line.split()[1] == "200"
    assert "--dense: missing" in secateur("gate", "--policy", "policy.yaml", folder=folder, code=2).stderr


@pytest.mark.parametrize(
    ("candidate", "policy", "code"),
    [("little", "policy.yaml", 0), ("broken", "policy.yaml", 3), ("little", "few.yaml", 4)],
)
def test_a_reader_that_leaves_does_not_change_the_exit_code(folder, candidate, policy, code):
    command = [sys.executable, "-m", "secateur", "gate", "--dense", "planted", "--candidate", candidate]
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [*command, "--policy", policy, "--offline", "--out", "pipe", "--store", "a/answers.store"],
        cwd=folder, stdout=writer, stderr=writer, timeout=180, env=ENVIRONMENT, check=False,
    )  # fmt: skip
    os.close(writer)
    assert done.returncode == code
    assert (folder / "pipe" / "verdict.json").exists()


def test_no_earlier_verdict_is_left_beside_a_run_that_ends_without_one(folder):
    run(folder, "little", "--out", "e", "--store", "a/answers.store")
    run(folder, "nowhere", "--out", "e", "--store", "a/answers.store", code=2)
    assert not (folder / "e" / "verdict.json").exists()
    assert not (folder / "e" / "junit.xml").exists()
