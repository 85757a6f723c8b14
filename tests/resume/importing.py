"""As ``produce.py``, but an import of the published pipeline's records: two configurations, killed and gone on with.

``python importing.py FOLDER`` prints the counts as JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import produce
from tests.records.imports.conftest import write_small_bbq
from tests.records.imports.pia_files import answers, write

from secateur.items import load_bbq
from secateur.records.imports import import_pia
from secateur.records.imports import write as writing

writing.CHUNK = 4  # some chunks from few items

FOLDER = Path(sys.argv[1])
BBQ = FOLDER / "bbq"
FILES = [FOLDER / f"{method}-{sparsity}.jsonl" for method, sparsity in (("dense", 0), ("wanda", 50))]


def run(path: Path) -> None:
    import_pia(FILES, path, bbq=BBQ)


def contents(path: Path) -> dict[str, bytes]:
    """As of any store, without the log, which tells times."""
    return {name: data for name, data in _contents(path).items() if name != "log.jsonl"}


_contents = produce.contents
produce.run, produce.contents = run, contents

if __name__ == "__main__":
    items = load_bbq(write_small_bbq(BBQ, per_category=4))
    for file in FILES:
        method, sparsity = file.stem.split("-")
        write(file, answers(items, method=method, sparsity=int(sparsity), seeds=(1, 2)))
    print(json.dumps(produce.every_write_point(FOLDER, "killed")))
