"""Running the command line in a process of its own, as a user does."""

import os
import subprocess
import sys

ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("SECATEUR")}


def secateur(*arguments, folder, code=0):
    done = subprocess.run(
        [sys.executable, "-m", "secateur", *map(str, arguments)],
        cwd=folder, capture_output=True, text=True, timeout=180, env=ENVIRONMENT, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stderr + done.stdout
    return done
