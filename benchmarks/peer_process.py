"""A peer in an environment and a process of its own, so that it has the versions it wants."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

HERE = Path(__file__).parent
CONSTRAINTS = HERE.parent / "constraints.txt"


def peer_python(folder: Path, requirements: Sequence[str], *, constrained: bool) -> Path:
    """The Python of a peer's environment; made if it is not there, with pip as this machine has it set up.

    Args:
        folder: Of the environment.
        requirements: What is installed after this project's torch.
        constrained: Whether everything else stands at this project's versions too.
    """
    python, ready = folder / "bin" / "python", folder / ".ready"
    if ready.exists():
        return python
    print(f"making {folder.name}", file=sys.stderr)
    venv.create(folder, with_pip=True, clear=True)
    (torch,) = (line for line in CONSTRAINTS.read_text().splitlines() if line.startswith("torch=="))
    pip = [str(python.absolute()), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    # torch first: a later range could bring gigabytes of CUDA packages.
    subprocess.run([*pip, torch], check=True)
    rest = [*requirements, *(["-c", str(CONSTRAINTS)] if constrained else [torch])]
    subprocess.run([*pip, *rest], check=True)
    ready.touch()
    return python


class Peer:
    """A worker that is given one order at a time.

    Args:
        python: Of the peer's environment.
        script: The worker, beside this file.
        threads: For all its libraries.
        log: Where what the peer prints goes.
        first: The first order; the worker has loaded what it needs when this returns.
    """

    def __init__(self, python: Path, script: str, *, threads: int, log: Path, first: Mapping[str, Any]) -> None:
        offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": str((log.parent / "datasets").absolute())}
        self._log = log.open("w", encoding="utf-8")
        self._script = script
        answers, theirs = os.pipe()
        self._process = subprocess.Popen(
            # Not resolved: a link to the interpreter is what makes it the environment's.
            [str(python.absolute()), str(HERE / script), str(theirs)],
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=self._log,
            pass_fds=[theirs],
            text=True,
            env={**os.environ, **offline, **thread_limits(threads), "PYTHONPATH": ""},
        )
        os.close(theirs)
        self._answers = os.fdopen(answers, encoding="utf-8")
        self.ask({**first, "threads": threads})

    def ask(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """Give an order and wait for the answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        line = self._answers.readline()
        if not line:
            raise SystemExit(f"{self._script} ended with {self._process.wait()}; see {self._log.name}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        self._answers.close()
        self._log.close()


def thread_limits(threads: int) -> dict[str, str]:
    """Environment variables that hold torch and the tokenizers to so many threads."""
    return {"OMP_NUM_THREADS": str(threads), "RAYON_NUM_THREADS": str(threads)}
