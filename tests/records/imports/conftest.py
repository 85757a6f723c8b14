"""A small benchmark in BBQ's format, and its items."""

import csv
import json

import pytest
from tests.items.conftest import make_line

from secateur.items import load_bbq

TARGETS = ("0", "1", "NA")


def write_small_bbq(root, *, per_category=6):
    """Two categories whose example ids are the same numbers; the unknown option stands at each place."""
    (root / "data").mkdir(parents=True)
    (root / "supplemental").mkdir()
    with (root / "supplemental" / "additional_metadata.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["category", "question_index", "example_id", "target_loc"])
        for category, groups in (("Age", ("old", "nonOld")), ("SES", ("lowSES", "highSES"))):
            lines = []
            for number in range(per_category):
                options = [("one", groups[0]), ("two", groups[1])]
                unknown = (number + (category == "SES")) % 3
                options.insert(unknown, ("Not known", "unknown"))
                lines.append(
                    make_line(
                        number, category=category, index=str(number // 3), options=options, stereotyped=groups[:1]
                    )
                )
                first = 0 if unknown else 1
                target = "NA" if number == 5 else str(first)
                rows.writerow([category, number // 3, number, target])
            text = "".join(json.dumps(line) + "\n" for line in lines)
            (root / "data" / f"{category}.jsonl").write_text(text)
    return root


@pytest.fixture(scope="session")
def small_bbq(tmp_path_factory):
    return write_small_bbq(tmp_path_factory.mktemp("bbq") / "small")


@pytest.fixture(scope="session")
def items(small_bbq):
    return tuple(load_bbq(small_bbq))
