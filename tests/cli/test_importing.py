"""``secateur import`` as a user meets it, in processes of its own."""

import csv
import json
import re

import pytest
from tests.cli.command import secateur
from tests.records.imports.conftest import write_small_bbq
from tests.records.imports.pia_files import answers, lines, record, write

from secateur.items import load_bbq


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with BBQ-like items and two files of records."""
    folder = tmp_path_factory.mktemp("import")
    items = load_bbq(write_small_bbq(folder / "bbq"))
    write(folder / "dense.jsonl", answers(items, model="<b>acme"))
    write(folder / "wanda.jsonl", answers(items, model="<b>acme", method="wanda", sparsity=50))
    meta = {"model": "<b>acme", "method": "wanda", "target_sparsity": 50, "actual_sparsity": 25.0,
            "total_prunable_params": 400, "zero_params": 100}  # fmt: skip
    (folder / "meta.json").write_text(json.dumps(meta))
    (folder / "p.csv").write_text("model,prune_method,sparsity,perplexity,perplexity_se\n<b>acme,dense,0,8.9,0.1\n")
    return folder


def test_import_status_report(folder):
    files = ("dense.jsonl", "wanda.jsonl", "--bbq", "bbq", "--perplexity", "p.csv", "--pruning-meta", "meta.json")
    done = secateur("import", "pia", *files, "--into", "s", folder=folder)
    assert "dense.jsonl: 60 records" in done.stderr
    assert "Imported from the published pipeline's records: 120 in 2 files." in done.stdout
    assert "120 answers, variants: 2, items: 12; 120 of them added now" in done.stdout
    assert done.stdout.endswith("next: secateur report s --out report --parser strict (or pia, as published)\n")
    assert "0 of them added now" in secateur("import", "pia", *files, "--into", "s", folder=folder).stdout

    status = secateur("study", "status", "s", folder=folder).stdout
    assert "120 of 120 records" in status
    assert "0.2500" in status
    assert "every file is as written" in status

    for parser in ("strict", "pia"):
        said = secateur("report", "s", "--out", parser, "--parser", parser, folder=folder).stdout
        assert re.search(r"^wanda 0\.5 .* 25\.00 % ", said, re.MULTILINE)
    page = (folder / "pia" / "index.html").read_text(encoding="utf-8")
    assert "<b>acme" not in page, "names from records are escaped"
    assert "Nothing here was pruned or asked by Secateur." in page
    assert (folder / "strict" / "tables" / "metrics.csv").read_text() != (
        folder / "pia" / "tables" / "metrics.csv"
    ).read_text()


def test_without_counts_of_zeros_the_report_says_so(folder):
    secateur("import", "pia", "dense.jsonl", "wanda.jsonl", "--bbq", "bbq", "--into", "bare", folder=folder)
    assert "not known" in secateur("study", "status", "bare", folder=folder).stdout
    secateur("report", "bare", "--out", "bare-report", folder=folder)
    page = (folder / "bare-report" / "index.html").read_text(encoding="utf-8")
    assert "Pruned variants of unknown achieved sparsity, drawn at the nominal level: 1." in page


def test_faults_are_shown_without_a_traceback(folder):
    (folder / "bad.jsonl").write_text('{"model": 1}\n')
    failed = secateur("import", "pia", "bad.jsonl", "--bbq", "bbq", "--into", "never", folder=folder, code=2)
    assert failed.stderr.startswith(
        "secateur: 11 faults in the records:\n  - bad.jsonl, line 1: model: allowed is a text"
    )
    assert "Traceback" not in failed.stderr
    assert not (folder / "never").exists()


def test_a_cut_off_line_is_refused_until_it_is_to_be_dropped(folder):
    items = load_bbq(folder / "bbq")
    (folder / "torn.jsonl").write_text(lines(record(item) for item in items)[:-5])
    arguments = ("import", "pia", "torn.jsonl", "--bbq", "bbq", "--into", "torn")
    failed = secateur(*arguments, folder=folder, code=2)
    assert "torn.jsonl, line 12: the last line is cut off after" in failed.stderr
    done = secateur(*arguments, "--drop-torn-line", folder=folder)
    assert "Last lines that were cut off and left out: 1 (torn.jsonl)." in done.stdout


def table(path, variants, answer):
    """A table of answers to all items; ``answer`` is called with the variant and the item."""
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["category", "example_id", "variant", "answer"])
        items = load_bbq(path.parent / "bbq")
        rows.writerows([i.category, i.example_id, name, answer(name, i)] for name in variants for i in items)


def test_a_table_of_answers(folder):
    table(folder / "t.csv", ["<b>base", "cut"], lambda name, i: i.options[i.label if name == "cut" else 0].text)
    arguments = ("import", "answers", "t.csv", "--bbq", "bbq", "--into", "table", "--baseline", "<b>base")
    done = secateur(*arguments, "--model", "acme", folder=folder)
    assert "t.csv: 24 answers" in done.stderr
    assert "The answers are texts, because all their values could be such: t.csv." in done.stdout
    assert done.stdout.endswith("24 of them added now\nnext: secateur report table --out report\n")
    assert "0 of them added now" in secateur(*arguments, "--model", "acme", folder=folder).stdout
    assert re.search(r"acme +cut .* not known", secateur("study", "status", "table", folder=folder).stdout)
    said = secateur("report", "table", "--out", "table-report", folder=folder).stdout
    assert re.search(r"^cut .* 100\.0 % ", said, re.MULTILINE)
    page = (folder / "table-report" / "index.html").read_text(encoding="utf-8")
    assert "<b>base" not in page
    assert "Not drawn: no variant&#39;s sparsity is known" in page


def test_a_table_with_only_a_pruned_variant(folder):
    table(folder / "c.csv", ["cut"], lambda name, i: "ABC"[i.label])
    secateur("import", "answers", "c.csv", "--bbq", "bbq", "--into", "cut", folder=folder)
    said = secateur("report", "cut", "--out", "cut-report", folder=folder).stdout
    assert "No answers were imported of: dense." in said
    assert "incomplete" not in said


def test_faults_of_a_table_are_shown_without_a_traceback(folder):
    (folder / "bad.csv").write_text("category,example_id,answer\nAge,0,1\nAge,0,The one\n")
    failed = secateur("import", "answers", "bad.csv", "--bbq", "bbq", "--into", "never", folder=folder, code=2)
    assert failed.stderr.startswith('secateur: 1 fault in the records:\n  - bad.csv: answer: "1" in line 2, which may')
    assert "Traceback" not in failed.stderr
    assert not (folder / "never").exists()
