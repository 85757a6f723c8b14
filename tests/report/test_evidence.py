"""What can be relied on: paired, clustered differences in the report."""

import math
from dataclasses import replace
from fractions import Fraction
from functools import partial

import numpy as np
import polars as pl
import pytest
from tests.known.models import KnownBackend, always, ask, asked, make_items, recipe
from tests.report.scripted_study import ScriptedStudy, build

from secateur.identity import digest
from secateur.inference.backend import TextScore
from secateur.items.corpora import Window
from secateur.records.store import Store
from secateur.report import as_published
from secateur.report.blindness import GATES
from secateur.report.changes import CHANGE_COLUMNS, EXCESSES, PRIMARY
from secateur.report.claim import EVIDENCE
from secateur.report.claims import make_claims
from secateur.report.compare import compare_store
from secateur.report.figure import drawing
from secateur.report.figures import FIGURES
from secateur.report.read import read_report_data
from secateur.report.tables import TABLES


@pytest.fixture(scope="module")
def planted():
    return make_items("planted")


@pytest.fixture(scope="module")
def few_templates(planted, tmp_path_factory):
    """A dense model that always says unknown; variants that say the stereotype in few templates, in many, in none."""
    clusters: dict[str, dict[str, int]] = {}
    for item in planted.truth:
        of = clusters.setdefault(item.category, {})
        of.setdefault(item.cluster, len(of))

    def leaning(templates):
        def says(item, place):
            return ["stereotype" if clusters[item.category][item.cluster] < templates else "unknown"] * 5

        return says

    says = {"few": leaning(4), "many": leaning(20), "same": always("unknown")}
    variants = {
        name: (recipe("magnitude", Fraction(number, 10)), KnownBackend(planted, one))
        for number, (name, one) in enumerate(says.items(), 1)
    }
    dense = KnownBackend(planted, always("unknown"))
    return ask(tmp_path_factory.mktemp("few") / "x.store", planted, dense, variants, asked("fixed", "fixed"))


@pytest.fixture(scope="module")
def compared(scripted_store):
    return compare_store(Store.open(scripted_store))


def evidence_of(data):
    return [claim for claim in make_claims(data) if claim.kind == EVIDENCE]


def test_changes_are_those_of_a_comparison(scripted_data, compared):
    """The report reads answers once and takes the shown metrics alone; its numbers are those of ``compare``."""
    labels = {variant.key: f"{variant.model_name}, {variant.label}" for variant in scripted_data.variants}
    theirs = {
        (row["variant"], row["readout"], row["condition"], row["part"], row["metric"]): row
        for frame in (compared.differences, compared.excesses)
        for row in frame.filter(pl.col("by").is_in(["all", "category"]), weighting="items").iter_rows(named=True)
    }
    assert scripted_data.changes.columns == list(CHANGE_COLUMNS)
    assert set(scripted_data.changes["metric"]) == {*PRIMARY, *EXCESSES}
    for row in scripted_data.changes.iter_rows(named=True):
        place = tuple(row[name] for name in ("readout", "condition", "category", "metric"))
        other = theirs[labels[row["variant"]], *place]
        for name in ("before", "after", "value", "low", "high", "p", "p_naive", "n_items", "n_answers", "n_clusters"):
            assert row[name] == pytest.approx(other[name], abs=1e-12), (place, name)
        if "p_holm" in other:
            assert row["p_holm"] == pytest.approx(other["p_holm"])


def test_changes_are_of_what_the_summary_tells(scripted_data):
    dense = scripted_data.variants[0]
    for variant in scripted_data.variants[1:]:
        change = scripted_data.change(variant, "usr_all", readout="sampled")
        rows = [scripted_data.metric(v, "usr_all", readout="sampled", condition="ambig") for v in (dense, variant)]
        assert change["value"] == pytest.approx(rows[1]["value"] - rows[0]["value"])
        assert change["low"] <= change["value"] <= change["high"]


def test_an_excess_is_the_figure_less_its_floor(scripted_data):
    for variant in scripted_data.variants[1:]:
        pair = scripted_data.pair(variant, "became_biased", readout="sampled")
        excess = scripted_data.change(variant, "became_biased", readout="sampled")
        assert excess["before"] == pytest.approx(pair["floor"])
        assert excess["after"] == pytest.approx(pair["value"])
        assert scripted_data.change(variant, "became_biased", readout="letter") is None


def test_stricter_tests_leave_fewer(scripted_data):
    frame = TABLES["changes_counted"](scripted_data).frame
    assert (frame["holm"] <= frame["bh"]).all()
    assert (frame["bh"] <= frame["clustered"]).all()
    assert (frame["more"] + frame["less"] == frame["holm"]).all()
    assert (frame["tested"] <= frame["variants"]).all()


def test_only_variants_that_can_be_read_are_counted(scripted_data):
    readable = [v for v in scripted_data.variants[1:] if scripted_data.state(v, "sampled").readable]
    assert 0 < len(readable) < len(scripted_data.variants) - 1
    frame = TABLES["changes_counted"](scripted_data).frame
    assert set(frame["variants"]) == {len(readable)}
    told = [claim.text for claim in evidence_of(scripted_data) if claim.row.startswith("changes_counted-")]
    # Ambiguous accuracy is the unknown rate and has no sentence of its own.
    assert len(told) == len(frame) - 1
    assert all(f"of {len(readable)} variants that can be read" in text for text in told)


def test_nothing_read_is_no_change(tmp_path):
    study = ScriptedStudy(methods=("wanda",), levels=(0.3, 0.5), templates=3, per_template=2, mute=("wanda 0.5",))
    data = read_report_data(Store.open(build(tmp_path / "x.store", study)))
    table = TABLES["changes"](data)
    muted = table.frame.filter(variant="wanda 0.5", metric="diff_bias_ambig", readout="sampled")
    assert set(muted["note"]) == {"no parsed answer"}
    undefined = table.frame.filter(pl.col("value").is_null())
    assert undefined.height
    assert undefined["effective_clusters"].null_count() == undefined.height
    titles = [column.title for column in table.columns]
    rows = [cells for cells in table.rows if {"wanda 0.5", "sampled", "diff-bias, ambiguous"} <= set(cells)]
    assert {cells[titles.index("Change")] for cells in rows} == {"undefined (no parsed answer)"}
    assert {cells[titles.index("p")] for cells in rows} == {"\u2013"}


def test_without_a_dense_model_there_is_no_evidence(tmp_path):
    study = ScriptedStudy(methods=("wanda",), levels=(0.5,), templates=3, per_template=2, skip=("dense",))
    data = read_report_data(Store.open(build(tmp_path / "x.store", study)))
    assert evidence_of(data) == []
    assert TABLES["changes"](data).n_rows == 0
    assert TABLES["changes_counted"](data).n_rows == 0


def test_a_published_comparison_that_rests_on_few_templates_does_not_survive(few_templates):
    frame = TABLES["survival"](few_templates).frame
    few, many, same = (frame.filter(variant=name) for name in ("few", "many", "same"))
    assert few["significant"].all()
    assert (few["p"] < 1e-6).all()
    # The first template's items have no roles.
    assert few["n_changed"].to_list() == [3] * few.height
    assert few["p_paired"].to_list() == few["p_smallest"].to_list() == [0.25] * few.height
    assert many["significant"].all()
    assert (many["p_paired_holm"] < 0.01).all()
    assert (many["change"] > 0.5).all()
    assert same["p_paired"].to_list() == [1.0] * same.height
    assert set(same["paired_note"]) == {""}
    assert (same["change_low"] < 0).all()
    assert (same["change_high"] > 0).all()


def test_an_answer_that_neither_side_reads_changes_no_template(planted, tmp_path):
    """The published parser reads no refusal in words, so each item's part of a ratio is not zero where none changed."""
    clusters: dict[str, dict[str, int]] = {}
    for item in planted.truth:
        of = clusters.setdefault(item.category, {})
        of.setdefault(item.cluster, len(of))

    def says(item, place, templates):
        if clusters[item.category][item.cluster] == 8:
            return ["refuses"] * 5
        return ["stereotype" if clusters[item.category][item.cluster] < templates else "unknown"] * 5

    dense, few = (KnownBackend(planted, partial(says, templates=templates)) for templates in (1, 4))
    data = ask(
        tmp_path / "x.store",
        planted,
        dense,
        {"few": (recipe("magnitude", Fraction(1, 10)), few)},
        asked("fixed", "fixed"),
    )
    frame = TABLES["survival"](data).frame
    assert (frame["change"] > 0).all()
    assert frame["n_changed"].to_list() == [3] * frame.height
    assert (frame["p_smallest"] <= frame["p_paired"]).all()
    assert (frame["p_paired"] > 0.1).all()


def test_the_survivors_are_counted_and_told(few_templates):
    table = TABLES["survival_counts"](few_templates)
    (row,) = table.frame.iter_rows(named=True)
    categories = TABLES["survival"](few_templates).frame["category"].n_unique()
    assert {name: row[name] for name in ("comparisons", "published", "published_holm", "paired", "paired_holm")} == {
        "comparisons": 3 * categories,
        "published": 2 * categories,
        "published_holm": 2 * categories,
        "paired": categories,
        "paired_holm": categories,
    }
    text = evidence_of(few_templates)[0].text
    assert f"Of {3 * categories} comparisons" in text
    assert f"the published test calls {2 * categories} significant at 0.05" in text
    assert f"sample: {categories} of these; after Holm over all comparisons {categories}" in text


def test_the_paired_change_is_the_change_of_the_published_rate(rich_data):
    frame = TABLES["survival"](rich_data).frame
    assert frame["change"].to_list() == pytest.approx((frame["srs_variant"] - frame["srs_dense"]).to_list())
    assert frame["p_paired_holm"].to_list() == pytest.approx(
        frame.select(pl.max_horizontal("p_paired_holm", "p_paired")).to_series().to_list()
    )
    assert frame.height == rich_data.published.tests.height


def test_a_comparison_with_no_valid_answer_is_undefined_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(as_published, "PUBLISHED_PARSER", "none of this name")  # strict reads nothing of a mumble
    study = ScriptedStudy(methods=("wanda",), levels=(0.3, 0.5), templates=3, per_template=2, mute=("wanda 0.5",))
    data = read_report_data(Store.open(build(tmp_path / "x.store", study)))
    frame = TABLES["survival"](data).frame.filter(variant="wanda 0.5")
    assert frame["p_paired"].null_count() == frame.height
    assert set(frame["paired_note"]) == {"no valid answer"}
    assert "Undefined (no valid answer): 2." in evidence_of(data)[0].text


def test_without_sampled_answers_no_comparison_is_there_to_survive(tmp_path):
    study = ScriptedStudy(methods=("wanda",), levels=(0.5,), templates=3, per_template=2, sampled=None, floor=False)
    data = read_report_data(Store.open(build(tmp_path / "x.store", study)))
    assert TABLES["survival"](data).n_rows == TABLES["survival_counts"](data).n_rows == 0
    assert not any("comparisons" in claim.text for claim in evidence_of(data))


@pytest.fixture(scope="module")
def withheld(planted, tmp_path_factory):
    """A dense model that says unknown to half of the items, and variants that withhold less or lean otherwise."""

    def says(*words):
        return lambda item, place: [words[place % 4]] * 5

    variants = {
        "withholds nothing": ("stereotype", "counter", "stereotype", "counter"),
        "leans": ("stereotype", "stereotype", "unknown", "unknown"),
        "reads less": ("silent", "silent", "unknown", "counter"),
        "same": ("stereotype", "counter", "unknown", "unknown"),
    }
    backends = {
        name: (recipe("magnitude", Fraction(number, 10)), KnownBackend(planted, says(*words)))
        for number, (name, words) in enumerate(variants.items(), 1)
    }
    dense = KnownBackend(planted, says("stereotype", "counter", "unknown", "unknown"))
    return ask(tmp_path_factory.mktemp("withheld") / "x.store", planted, dense, backends, asked("fixed", "fixed"))


PARTS_OF = {
    # The whole, abstention, reading, direction; the last of the new answers.
    "withholds nothing": (1 / 4, 1 / 4, 0, 0, 1 / 2),
    # Half of the answers name a group; the direction goes from 1/2 to 1.
    "leans": (1 / 4, 0, 0, 1 / 4, None),
    # A quarter names a group, always the counter: mean direction 1/4, mean share 3/8. Half is unread, a quarter less
    # is unknown.
    "reads less": (-1 / 4, 1 / 16, -1 / 8, -3 / 16, 0),
    "same": (0, 0, 0, 0, None),
}


@pytest.mark.parametrize("readout", ["letter", "sampled"])
@pytest.mark.parametrize("variant", PARTS_OF)
def test_a_change_is_taken_apart_into_what_was_planted(withheld, variant, readout):
    frame = TABLES["directions"](withheld).frame.filter(variant=variant, readout=readout)
    assert frame.height == withheld.items.filter(condition="ambig").height
    for row in frame.iter_rows(named=True):
        for name, expected in zip(("whole", "abstention", "reading", "direction"), PARTS_OF[variant], strict=False):
            assert row[name] == pytest.approx(expected, abs=1e-12), name
            assert row[f"{name}_low"] < row[name] + 1e-12
            assert row[f"{name}_high"] > row[name] - 1e-12
        assert row["new_direction"] == (None if PARTS_OF[variant][4] is None else pytest.approx(PARTS_OF[variant][4]))


def test_no_change_has_an_exact_bound_and_not_a_width_of_zero(withheld):
    for row in TABLES["directions"](withheld).frame.filter(variant="same").iter_rows(named=True):
        for name in ("whole", "abstention", "direction"):
            assert row[f"{name}_low"] < -0.001
            assert row[f"{name}_high"] > 0.001


def test_the_largest_change_is_told_with_its_parts(withheld):
    (text,) = [claim.text for claim in evidence_of(withheld) if "lost abstention" in claim.text]
    assert text.startswith("withholds nothing has the largest change")
    assert "+25.0 points [" in text
    assert "50.0 % [" in text


def test_a_change_that_has_no_parts_is_still_the_largest(gated):
    """Dense names no group, so what its variants' stereotypes are made of is undefined: they must not drop out."""
    (text,) = [claim.text for claim in evidence_of(gated) if "has the largest change" in claim.text]
    assert text.startswith("quietly biased has the largest change")
    assert "+100.0 points [" in text
    assert ". What it is made of is undefined: no answer names a group when dense. Of its answers" in text


class Reading(KnownBackend):
    """A model of known answers that reads every window with one loss per token."""

    def __init__(self, known, says, loss):
        super().__init__(known, says)
        self._loss = loss

    def read_text(self, windows):
        for window in windows:
            yield TextScore(window.key, self._loss * window.n_scored * (1 + 0.001 * window.index))


def on_ambiguous(word):
    return lambda item, place: [word if item.condition == "ambig" else "right"] * 5


@pytest.fixture(scope="module")
def gated(planted, tmp_path_factory):
    """Variants whose perplexity and whose bias tell different stories."""
    corpus = digest("corpus", ["read"])
    windows = tuple(Window(corpus, k, tuple(range(k, k + 33)), 120) for k in range(8))
    told = {
        "quietly biased": ("stereotype", math.log(1.02)),
        "loudly the same": ("unknown", math.log(1.5)),
        "at the gates": ("unknown", math.log(1.07)),
        "loudly biased": ("stereotype", math.log(3)),
        "quietly silent": ("silent", math.log(1.01)),
        "never finite": ("unknown", math.nan),
    }
    backends = {
        name: (recipe("magnitude", Fraction(number, 10)), Reading(planted, on_ambiguous(word), 2 + more))
        for number, (name, (word, more)) in enumerate(told.items(), 1)
    }
    what = replace(asked("fixed", "fixed"), windows=windows)
    dense = Reading(planted, on_ambiguous("unknown"), 2)
    return ask(tmp_path_factory.mktemp("gated") / "x.store", planted, dense, backends, what)


def test_what_a_perplexity_gate_misses_and_stops_for_nothing(gated):
    table = TABLES["perplexity_gate"](gated)
    low, high = (row for row in table.frame.iter_rows(named=True))
    assert (low["gate"], high["gate"]) == GATES
    # A variant whose text is not finite, or whose answers cannot be read, is broken.
    expected = {"variants": 4, "passed": 1, "passed_worse": 1, "stopped": 3, "stopped_worse": 1, "passed_unreadable": 1}
    assert {name: low[name] for name in expected} == expected
    assert low["worse_names"] == high["worse_names"] == "quietly biased"
    assert low["equivalent_names"] == "loudly the same, at the gates"
    assert (high["passed"], high["passed_equivalent"], high["equivalent_names"]) == (2, 1, "loudly the same")
    texts = [claim.text for claim in evidence_of(gated) if "A gate that passes" in claim.text]
    assert len(texts) == len(GATES)
    assert "passes 1 of 4 variants that can be read; in 1 of these" in texts[0]
    assert (
        "(quietly biased); of the 3 that it stops 2 are equivalent in both (loudly the same, at the gates)" in texts[0]
    )
    assert "and it passes 1 that cannot be read" in texts[0]


def test_perplexity_stands_beside_both_changes_and_their_verdicts(gated):
    rows = {row["variant"]: row for row in TABLES["perplexity_blindness"](gated).frame.iter_rows(named=True)}
    biased = rows["quietly biased"]
    assert biased["ratio"] == pytest.approx(1.02, rel=1e-2)
    assert (biased["diff_bias_ambig"], biased["usr_all"]) == pytest.approx((1, -1))
    assert (biased["diff_bias_ambig_verdict"], biased["usr_all_verdict"]) == ("worse", "worse")
    same = rows["loudly the same"]
    assert (same["diff_bias_ambig_verdict"], same["usr_all_verdict"]) == ("equivalent", "equivalent")
    assert same["diff_bias_ambig_low"] < 0 < same["diff_bias_ambig_high"]
    assert rows["never finite"]["ratio"] is None
    assert not rows["never finite"]["passes_1.05"]
    assert rows["quietly silent"]["diff_bias_ambig_verdict"] == "undefined"
    assert {row["kl_note"] for row in rows.values()} == {"not measured"}


def test_the_figure_frames_what_can_be_read_and_names_the_rest(gated):
    with drawing():
        figure = FIGURES["perplexity_blindness"](gated)
    left, right = figure.canvas.axes
    assert left.get_xlim()[0] < 1 < 3 < left.get_xlim()[1] < 4
    assert left.get_ylim()[1] > 1 > -1 > right.get_ylim()[0]
    assert "passes 1 of 4 variants that can be read, 1 of them worse (quietly biased)" in figure.caption[0]


def test_without_text_no_gate_can_be_judged(few_templates):
    for name in ("perplexity_gate", "perplexity_blindness"):
        assert TABLES[name](few_templates).n_rows == 0
    with drawing():
        assert FIGURES["perplexity_blindness"](few_templates).canvas is None


def test_what_cannot_be_read_is_left_out_of_the_slopes_and_named(scripted_data):
    frame = TABLES["dose_regression"](scripted_data).frame.filter(readout="sampled")
    lost = [v.label for v in scripted_data.variants[1:] if not scripted_data.state(v, "sampled").readable]
    assert "random 0.7" in lost
    ours = frame.filter(pl.col("unit").str.starts_with("points"))
    assert set(ours["left_out"]) == {", ".join(lost)}
    assert set(ours["n_variants"]) == {len(scripted_data.variants) - 1 - len(lost)}


def test_without_an_achieved_sparsity_there_is_no_slope(gated):
    (row,) = TABLES["dose_regression"](gated).frame.filter(readout="letter").iter_rows(named=True)
    assert row["note"] == "no method was seen at a sparsity above 0"
    assert row["left_out"].count(",") == len(gated.variants) - 2


def test_the_slope_of_every_method_and_their_differences(rich_data):
    frame = TABLES["dose_regression"](rich_data).frame
    ours = frame.filter(readout="sampled").filter(pl.col("unit").str.starts_with("points"))
    assert ours["term"].to_list() == [
        "magnitude",
        "wanda",
        "wanda-pia",
        "wanda \u2212 magnitude",
        "wanda-pia \u2212 magnitude",
    ]
    slopes = dict(ours.select("term", "value").iter_rows())
    assert slopes["wanda \u2212 magnitude"] == pytest.approx(slopes["wanda"] - slopes["magnitude"])
    (published,) = frame.filter(pl.col("term").str.ends_with("as published")).iter_rows(named=True)
    found = rich_data.published.regression.filter(term="sparsity").row(0, named=True)
    assert published["value"] == found["coefficient"]


def test_one_method_has_the_slope_of_a_line_through_its_shares(rich_data):
    """By hand: weighted least squares on the table of categories, which has the same normal equations."""
    one = replace(rich_data, variants=tuple(v for v in rich_data.variants if v.dense or v.method == "magnitude"))
    (row,) = TABLES["dose_regression"](one).frame.filter(readout="letter").iter_rows(named=True)
    levels, x, y, weights = [], [], [], []
    for variant in one.variants:
        for category in ("Age", "Religion"):
            found = one.metric(variant, "srs_all", readout="letter", condition="ambig", category=category)
            levels.append([category == "Age", category == "Religion"])
            x.append(variant.achieved)
            y.append(found["value"])
            weights.append(found["n_items"])
    root = np.sqrt(weights)
    design = np.column_stack([x, levels]) * root[:, None]
    solved = np.linalg.lstsq(design, np.array(y) * root, rcond=None)[0]
    assert row["unit"] == "points per 10 points of achieved sparsity"
    assert row["value"] == pytest.approx(100 * 0.1 * solved[0])
    assert row["low"] < row["value"] < row["high"]
    assert row["error"] < row["high"] - row["low"]


def test_a_dense_model_that_guesses_has_no_slope(few_templates):
    frame = TABLES["dose_regression"](few_templates).frame.filter(term="none")
    assert set(frame["note"]) == {"the dense model itself is broken, guesses or was not run"}
    assert not any("along a line" in claim.text for claim in evidence_of(few_templates))
