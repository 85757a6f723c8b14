"""The examples for build servers: the action's own script is run, the files are what they say."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from secateur.study.policy import parse_policy

CI = Path(__file__).parents[2] / "examples" / "ci"
SMALL = {
    "policy": "small",
    "version": 1,
    "benchmark": {"name": "planted", "limit": 100, "condition": "ambig"},
    "readouts": {"letter": {}},
    "criteria": {
        "speaks": {"judge": "limit", "metric": "unparsed_share", "at_most": 0.1, "why": "a test", "sanity": True},
    },
}


def read(name):
    return yaml.safe_load((CI / name).read_text(encoding="utf-8"))


def run_action(folder, *, limit, out="out", **inputs):
    """The script of the action's step with the environment that GitHub gives it."""
    action = read("action.yml")
    (step,) = action["runs"]["steps"]
    given = {name: said.get("default", "") for name, said in action["inputs"].items()} | inputs
    environment = {
        name: given[value.removeprefix("${{ inputs.").removesuffix(" }}")] for name, value in step["env"].items()
    }
    policy = folder / f"{limit}.yaml"
    policy.write_text(yaml.safe_dump(SMALL | {"benchmark": SMALL["benchmark"] | {"limit": limit}}))
    tools = folder / "bin"
    tools.mkdir(exist_ok=True)
    (tools / "secateur").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m secateur "$@"\n')
    (tools / "secateur").chmod(0o755)
    files = {name: folder / name for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    for path in files.values():
        path.write_text("")
    done = subprocess.run(
        ["bash", "-e", "-c", step["run"]],
        cwd=folder,
        env=os.environ
        | environment
        | {"POLICY": str(policy), "OUT": out, "STORE": f"{out}.store", "PATH": f"{tools}:{os.environ['PATH']}"}
        | {name: str(path) for name, path in files.items()},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    return done.returncode, files["GITHUB_OUTPUT"].read_text(), files["GITHUB_STEP_SUMMARY"].read_text()


def test_the_action_passes_and_tells_its_outcome(tmp_path):
    code, output, summary = run_action(tmp_path, limit=100, dense="planted", candidate="planted")
    assert (code, output) == (0, "outcome=pass\n")
    assert "Ship: every criterion of the policy holds." in summary


@pytest.mark.parametrize(("rule", "code"), [("fail", 4), ("pass", 0)])
def test_what_is_inconclusive_is_up_to_its_user(tmp_path, rule, code):
    found = run_action(tmp_path, limit=2, dense="planted", candidate="unplanted", **{"on-inconclusive": rule})
    assert found[:2] == (code, "outcome=inconclusive\n")


def test_a_fault_is_no_verdict(tmp_path):
    code, output, _ = run_action(tmp_path, limit=2, dense="planted", candidate="no such model; touch hit")
    assert (code, output) == (2, "")
    assert not (tmp_path / "hit").exists()


def test_the_workflow_uses_the_action_as_it_is():
    (step,) = [
        step for step in read("workflow.yml")["jobs"]["gate"]["steps"] if "secateur-gate" in step.get("uses", "")
    ]
    inputs = read("action.yml")["inputs"]
    assert set(step["with"]) <= set(inputs)
    assert {name for name, said in inputs.items() if said.get("required")} <= set(step["with"])


def test_the_workflow_gets_the_questions_before_it_asks_them():
    """The gate downloads nothing by itself."""
    steps = read("workflow.yml")["jobs"]["gate"]["steps"]
    (got,) = [place for place, step in enumerate(steps) if step.get("run") == "secateur data get bbq"]
    (asked,) = [place for place, step in enumerate(steps) if "secateur-gate" in step.get("uses", "")]
    kept = [place for place, step in enumerate(steps) if step.get("with", {}).get("key") == "bbq"]
    assert kept[0] < got < asked


def test_the_hook_names_options_that_exist():
    (hook,) = read("pre-commit-config.yaml")["repos"][0]["hooks"]
    options = [word for word in hook["entry"].split() if word.startswith("--")]
    said = subprocess.run(
        [sys.executable, "-m", "secateur", "gate", "--help"], capture_output=True, text=True, check=True
    ).stdout
    assert all(option in said for option in options)


def test_the_quick_policy_is_one():
    assert parse_policy(read("quick.yaml")).target == "benchmark"
