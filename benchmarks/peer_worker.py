"""The line a peer's process and ``peers.py`` talk over: a JSON object a line each way. Standard library only.

A worker runs in the peer's own environment, loads its model once, and answers orders until its input ends. Answers
have a pipe of their own, named in the first argument, because peers print, some while they are imported.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any


def serve(prepare: Callable[[dict[str, Any]], Callable[[dict[str, Any]], dict[str, Any]]]) -> None:
    """Answer the orders that arrive on standard input.

    Args:
        prepare: From the first order to the function that answers the later ones.
    """
    answers = os.fdopen(int(sys.argv[1]), "w", encoding="utf-8")
    answer = None
    for line in sys.stdin:
        order = json.loads(line)
        if answer is None:
            answer, said = prepare(order), {}
        else:
            said = answer(order)
        answers.write(json.dumps(said) + "\n")
        answers.flush()
