"""Tables: what they hold and how they are written."""

import csv
import io
import shutil
import subprocess

import polars as pl
import pytest
from tests.report.scripted_study import ScriptedStudy, build

from secateur.items.item import Condition
from secateur.records.store import Store
from secateur.report.read import read_report_data
from secateur.report.table import Column, Table, to_csv, to_latex, to_markdown, to_plain
from secateur.report.tables import TABLES


@pytest.fixture(params=list(TABLES))
def table(request, scripted_data):
    return TABLES[request.param](scripted_data)


def test_every_table_is_named_as_in_the_table_of_tables_and_has_rows(table):
    assert TABLES[table.name]
    # The study has no method in both forms, and its dense model no bias; test_published.py has studies that have.
    assert (table.n_rows > 0) == (table.name not in ("methods_as_published", "published_latent_bias"))


def test_the_key_names_a_row(table):
    assert table.frame.select(table.key).is_duplicated().sum() == 0
    anchors = [table.anchor(row) for row in table.frame.iter_rows(named=True)]
    assert len(set(anchors)) == len(anchors)


def test_csv_reads_back_with_full_precision(table):
    if not table.n_rows:
        assert to_csv(table).count("\n") == 1
        return
    frame = pl.read_csv(io.StringIO(to_csv(table)), infer_schema_length=None)
    assert frame.columns == table.frame.columns
    assert frame.height == table.n_rows
    for name, kind in table.frame.schema.items():
        if kind == pl.Float64:
            assert frame[name].cast(pl.Float64).equals(table.frame[name])


def test_markdown_has_a_row_per_row_and_a_cell_per_column(table):
    lines = [line for line in to_markdown(table).splitlines() if line.startswith("|")]
    if not table.n_rows:
        assert lines == []
        return
    assert len(lines) == table.n_rows + 2
    assert {line.replace("\\|", "").count("|") for line in lines} == {len(table.columns) + 1}


def test_metrics_have_what_a_number_needs(scripted_data):
    frame = TABLES["metrics"](scripted_data).frame
    wanted = {"model", "variant", "readout", "category", "metric", "value", "low", "high", "n_items", "n_clusters"}
    assert wanted | {"method", "achieved_sparsity", "condition", "note"} <= set(frame.columns)
    assert set(frame["category"]) == {"all", "Age", "Religion"}
    undefined = frame.filter(pl.col("value").is_null())
    assert (undefined["note"] != "").all()


@pytest.mark.parametrize("condition", list(Condition))
def test_the_summary_counts_the_items_asked_whatever_could_be_read(tmp_path, condition):
    study = ScriptedStudy(
        methods=("random", "wanda"),
        levels=(0.5,),
        templates=3,
        per_template=3,
        mute=("wanda 0.5",),
        conditions=(condition,),
    )
    data = read_report_data(Store.open(build(tmp_path / "x.store", study)))
    table = TABLES["summary"](data)
    asked = data.items.filter(category="all")["with_roles"].to_list()
    assert table.frame["n_items"].unique().to_list() == asked
    place = [column.title for column in table.columns].index("Items asked")
    assert {cells[place] for _, cells in table.shown()} == {str(asked[0])}
    if condition is Condition.AMBIG:
        assert table.frame["n_clusters"].n_unique() == 1
        cells = next(cells for _, cells in table.shown() if "wanda 0.5" in cells)
        titles = [column.title for column in table.columns]
        assert cells[titles.index("Diff-bias, ambiguous")] == "no parsed answer"
        assert table.frame.filter(variant="wanda 0.5")["diff_bias_ambig"].to_list() == [0.0, 0.0]
        assert table.frame.filter(variant="wanda 0.5")["diff_bias_ambig_note"].to_list() == ["no parsed answer"] * 2


def test_transitions_add_up_to_one(scripted_data):
    frame = TABLES["transitions"](scripted_data).frame
    sums = frame.group_by("variant_id", "floor", "readout", "condition").agg(pl.col("share").sum())
    assert sums["share"].to_list() == pytest.approx([1.0] * sums.height)


def test_letters_add_up_to_all_answers(scripted_data):
    frame = TABLES["letters"](scripted_data).frame
    parts = frame.select(pl.sum_horizontal("at_a", "at_b", "at_c", "at_none", "unparsed", "nonfinite"))
    assert parts.to_series().to_list() == frame["answers"].to_list()


def test_layers_add_up_to_the_overall_sparsity(scripted_data):
    layers = TABLES["layers"](scripted_data).frame
    overall = layers.group_by("variant").agg(pl.col("removed").sum() / pl.col("weights").sum())
    said = {v.label: v.achieved for v in scripted_data.variants}
    assert {name: said[name] for name in overall["variant"]} == pytest.approx(dict(overall.iter_rows()))


HOSTILE = ["=cmd()|' /C calc'!A0", "+1", "-1", "@x", "\t=1", "<script>alert(1)</script>", "a|b", "*x* `y` [z](u)"]


def hostile_table():
    frame = pl.DataFrame({"name": HOSTILE, "value": [-1.5] * len(HOSTILE)})
    columns = (Column("Na|me", lambda row: row["name"], "left"), Column("Value", lambda row: str(row["value"])))
    return Table("hostile", "A <b>title</b> | x", "About `it`.", frame, columns, ("name",))


def test_csv_disarms_formulas_and_leaves_numbers_alone():
    rows = list(csv.reader(io.StringIO(to_csv(hostile_table()))))[1:]
    assert [row[0] for row in rows[:5]] == [f"'{name}" for name in HOSTILE[:5]]
    assert rows[5][0] == HOSTILE[5]
    assert {row[1] for row in rows} == {"-1.5"}


def test_markdown_escapes_what_would_be_markup():
    text = to_markdown(hostile_table())
    assert "<script>" not in text
    assert "<b>" not in text
    assert "&lt;script&gt;" in text
    assert "| a\\|b |" in text
    assert "\\*x\\* \\`y\\` \\[z\\](u)" in text


def test_json_has_no_nan():
    frame = pl.DataFrame({"name": ["x"], "value": [float("nan")]})
    table = Table("x", "X", "x", frame, (Column("Name", lambda row: row["name"]),), ("name",))
    assert to_plain(table) == [{"name": "x", "value": None}]


def test_latex_has_a_row_per_row_and_a_cell_per_column(table):
    text = to_latex(table)
    assert text.count(r"\begin{longtable}") == text.count(r"\end{longtable}") == 1
    body = text.split("\\endfoot\n")[1].split("\n\\end")[0].splitlines()
    assert len(body) == max(table.n_rows, 1)
    for line in body if table.n_rows else ():
        assert line.endswith(r" \\")
        assert line.replace(r"\&", "").count("&") == len(table.columns) - 1


TEX = {
    "a & b": r"a \& b",
    r"\input{/etc/passwd}": r"\textbackslash{}input\{/etc/passwd\}",
    "50 % $x$ #1 a_b": r"50 \% \$x\$ \#1 a\_b",
    "^^41 ~": r"\textasciicircum{}\textasciicircum{}41 \textasciitilde{}",
    "[5pt] *": "{[}5pt] {*}",  # else an argument of the line end before it
    "<a> -- \u22121": r"\textless{}a\textgreater{} {-}{-} \ensuremath{-}1",
}


@pytest.mark.parametrize(("text", "written"), TEX.items(), ids=list(map(repr, TEX)))
def test_latex_takes_nothing_as_a_command(text, written):
    frame = pl.DataFrame({"name": [text]})
    table = Table("x", text, text, frame, (Column(text, lambda row: row["name"], "left"),), ("name",), empty=text)
    assert to_latex(table).count(written) == 4
    assert to_latex(Table("x", "x", "x", frame.clear(), table.columns, ("name",), empty=text)).count(written) == 2


def test_latex_runs_where_there_is_latex(tmp_path):
    if shutil.which("pdflatex") is None:
        pytest.skip("needs pdflatex on the PATH (Debian: apt-get install texlive-latex-recommended)")
    (tmp_path / "t.tex").write_text(to_latex(hostile_table()), encoding="utf-8")
    packages = r"\usepackage[T1]{fontenc}\usepackage{booktabs,longtable,textcomp}"
    document = rf"\documentclass{{article}}{packages}\begin{{document}}\input{{t}}\end{{document}}"
    (tmp_path / "d.tex").write_text(document, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "d.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
