"""Figures: what they show, that they never change by themselves, and that nothing in them is markup."""

import xml.etree.ElementTree as ET
from dataclasses import replace

import matplotlib as mpl
import polars as pl
import pytest
from tests.report.scripted_study import ScriptedStudy, build

from secateur.items.item import Condition
from secateur.records.store import Store
from secateur.report.data import FLOOR
from secateur.report.figure import METHOD_STYLES, drawing, inline_svg, styles, to_png, to_svg
from secateur.report.figures import FIGURES
from secateur.report.figures.parts import legend_columns
from secateur.report.read import read_report_data

TINY = {"methods": ("wanda",), "levels": (0.3, 0.5), "templates": 3, "per_template": 2, "categories": ("Age",)}


def data_of(tmp_path, **changes):
    return read_report_data(Store.open(build(tmp_path / "x.store", ScriptedStudy(**{**TINY, **changes}))))


@pytest.fixture(scope="module", params=list(FIGURES))
def figure(request, rich_data):
    with drawing():
        figure = FIGURES[request.param](rich_data)
    assert figure.name == request.param
    return figure


def test_every_figure_is_drawn_with_caption_and_description(figure):
    assert figure.canvas is not None
    assert figure.caption
    assert all(figure.caption)
    assert figure.alt


def test_texts_are_at_least_nine_points_and_nothing_lies_outside(figure):
    with drawing():
        canvas = figure.canvas
        to_svg(canvas)  # lays it out
        for text in canvas.findobj(mpl.text.Text):
            if text.get_text() and text.get_visible():
                assert text.get_fontsize() >= 9
        width, height = canvas.get_size_inches() * canvas.dpi
        box = canvas.get_tightbbox().padded(0)
        assert box.x0 * canvas.dpi >= -2
        assert box.y0 * canvas.dpi >= -2
        assert box.x1 * canvas.dpi <= width + 2
        assert box.y1 * canvas.dpi <= height + 2


def test_svg_is_the_same_every_time_and_has_no_date(figure, rich_data):
    with drawing():
        first, second = (to_svg(each.canvas) for each in (figure, FIGURES[figure.name](rich_data)))
    assert first == second
    assert b"dc:date" not in first
    ET.fromstring(first)


def test_the_users_settings_do_not_matter_and_are_not_touched(scripted_data):
    with drawing():
        plain = to_svg(FIGURES["srs"](scripted_data).canvas)
    with mpl.rc_context({"font.size": 30, "svg.fonttype": "path", "lines.linewidth": 9}):
        with drawing():
            assert to_svg(FIGURES["srs"](scripted_data).canvas) == plain
        assert mpl.rcParams["font.size"] == 30


def test_a_method_has_one_colour_and_marker_wherever_it_appears():
    assert styles(["dense", "wanda", "other"])["wanda"] == METHOD_STYLES["wanda"]
    few, many = styles(["zeta", "alpha"]), styles(["alpha", "zeta", "random"])
    assert few["zeta"] == many["zeta"]
    assert few["zeta"] != few["alpha"]
    known = list(METHOD_STYLES.values())
    assert len({look.colour for look in known}) == len({look.marker for look in known}) == len(known)


def test_points_stand_at_the_achieved_sparsity_with_their_intervals(scripted_data):
    with drawing():
        canvas = FIGURES["srs"](scripted_data).canvas
    variant = next(v for v in scripted_data.variants if v.label == "wanda 0.7")
    row = scripted_data.metric(variant, "srs", readout="letter", condition="ambig")
    drawn = [tuple(map(tuple, line.get_xydata())) for line in canvas.axes[0].lines]
    assert ((variant.achieved, row["value"]),) in drawn
    assert ((variant.achieved, row["low"]), (variant.achieved, row["high"])) in drawn


def test_what_cannot_be_read_is_hollow(scripted_data):
    with drawing():
        canvas = FIGURES["srs"](scripted_data).canvas
    broken = next(v for v in scripted_data.variants if v.label == "random 0.7")
    sound = next(v for v in scripted_data.variants if v.label == "wanda 0.7")
    faces = {
        (line.get_xdata()[0], line.get_color()): line.get_markerfacecolor()
        for line in canvas.axes[1].lines
        if line.get_marker() in ("s", "o") and len(line.get_xdata()) == 1
    }
    assert faces[broken.achieved, METHOD_STYLES["random"].colour] == "white"
    assert faces[sound.achieved, METHOD_STYLES["wanda"].colour] == METHOD_STYLES["wanda"].colour


ACHIEVED = {
    "at one place": {"random 0.5": 0.5, "magnitude 0.5": 0.5, "wanda 0.5": 0.5},
    "nearly": {"random 0.5": 0.5001, "magnitude 0.5": 0.5, "wanda 0.5": 0.4999},
    "close": {"random 0.5": 0.2928, "magnitude 0.5": 0.2999, "wanda 0.5": 0.2965},
    "pairs side by side": {"random 0.5": 0.2928, "magnitude 0.5": 0.2928, "wanda 0.5": 0.2950},
    "at zero": {"random 0.5": 0.0, "magnitude 0.5": 0.0, "wanda 0.5": 0.3},
}


@pytest.mark.parametrize("achieved", ACHIEVED.values(), ids=ACHIEVED)
def test_markers_stand_in_the_order_of_achieved_sparsity(tmp_path, achieved):
    data = data_of(tmp_path, methods=("random", "magnitude", "wanda"), levels=(0.5,))
    data = replace(data, variants=tuple(replace(v, achieved=achieved.get(v.label, v.achieved)) for v in data.variants))
    with drawing():
        canvas = FIGURES["usr"](data).canvas
        to_svg(canvas)  # lays it out
    panel = canvas.axes[1]
    drawn = {}
    for variant in data.variants[1:]:
        look = METHOD_STYLES[variant.method]
        (line,) = (x for x in panel.lines if x.get_marker() == look.marker and x.get_color() == look.colour)
        drawn[variant.label] = line.get_transform().transform(line.get_xydata())[0][0]
    true = {name: panel.transData.transform((x, 0))[0] for name, x in achieved.items()}
    for one in achieved:
        # Never further than a few points from the truth, and not at all where nothing else is at that place.
        alone = all(abs(achieved[one] - x) > 0.002 for name, x in achieved.items() if name != one)
        assert abs(drawn[one] - true[one]) <= (1e-6 if alone else 0.03 * panel.bbox.width)
        for other in achieved:
            if achieved[one] < achieved[other]:
                assert drawn[one] < drawn[other]
    if len(set(achieved.values())) == 1:
        assert len({round(x, 1) for x in drawn.values()}) == 3


def test_every_panel_has_the_axis_of_the_widest_model(tmp_path):
    data = data_of(tmp_path, models=("acme/one", "acme/two"))
    last = data.of_model(list(data.models)[-1])
    low = tuple(replace(v, achieved=None) if v in last and v.nominal == 0.5 else v for v in data.variants)
    with drawing():
        canvas = FIGURES["srs"](replace(data, variants=low)).canvas
    assert {axes.get_xlim()[1] > 0.49 for axes in canvas.axes} == {True}


def test_where_nothing_could_be_read_a_cross_stands_and_no_zero(tmp_path):
    data = data_of(tmp_path, mute=("wanda 0.5",))
    mute = next(v for v in data.variants if v.label == "wanda 0.5")
    with drawing():
        for name in ("srs", "usr", "diff_bias_ambig"):
            figure = FIGURES[name](data)
            for panel in figure.canvas.axes:
                at = [line for line in panel.lines if list(line.get_xdata()) == [mute.achieved]]
                assert [line.get_marker() for line in at] == ["x"]
            assert "No answer could be read (cross): wanda 0.5." in " ".join(figure.caption)
            labels = [text.get_text() for legend in figure.canvas.legends for text in legend.get_texts()]
            assert "no answer could be read" in labels
        figure = FIGURES["became_biased"](data)
    texts = [text.get_text() for panel in figure.canvas.axes for text in panel.texts]
    assert texts == ["no parsed answer"] * 3


def test_the_papers_panel_says_why_it_has_no_value(tmp_path):
    with drawing():
        figure = FIGURES["became_biased"](data_of(tmp_path, floor_seeds=(1, 2)))
    assert {text.get_text() for text in figure.canvas.axes[2].texts} == {"no value"}
    assert "different numbers of seeds" in figure.caption[-1]


def test_what_lies_above_its_floor_is_told_by_the_paired_excess(scripted_data):
    """Single intervals that overlap the floor's say little: figure and floor have their items in common."""
    which = (pl.col("metric") == "became_biased") & (pl.col("category") == "all") & (pl.col("readout") == "sampled")
    chosen = next(v for v in scripted_data.variants if v.label == "wanda 0.5")
    ours = which & (pl.col("variant") == chosen.key)
    rows = scripted_data.pairs.with_columns(
        low=pl.when(which).then(0.0).otherwise("low"),
        high=pl.when(which).then(1.0).otherwise("high"),
        excess_low=pl.when(ours).then(0.001).when(which).then(-0.1).otherwise("excess_low"),
        excess_high=pl.when(which).then(0.2).otherwise("excess_high"),
    )
    with drawing():
        caption = " ".join(FIGURES["became_biased"](replace(scripted_data, pairs=rows)).caption)
    assert "In the sampled readout 1 of " in caption
    assert "by the interval of the excess, paired by item: wanda 0.5, and 0 below it." in caption
    assert "Of the others no excess is shown." in caption


def test_the_least_changed_perplexity_is_the_one_nearest_to_dense(scripted_data):
    dense, *pruned = scripted_data.variants
    text = scripted_data.metric(dense, "perplexity", readout="text")["value"]
    factors = dict(zip((v.key for v in pruned), (0.8, 1.01, 1.05), strict=False))
    rows = scripted_data.metrics.with_columns(
        value=pl.when(pl.col("metric") == "perplexity")
        .then(
            pl.col("variant").replace_strict(
                {k: text * f for k, f in factors.items()} | {dense.key: text}, default=None
            )
        )
        .otherwise("value")
    )
    with drawing():
        (caption, *_) = FIGURES["perplexity"](replace(scripted_data, metrics=rows)).caption
    labels = [v.label for v in pruned[:3]]
    assert f"least changed is {labels[1]} (1.010 times dense), most {labels[0]} (0.8000 times)" in caption


def test_several_models_have_panels_of_their_own(tmp_path):
    data = data_of(tmp_path, models=("acme/one", "acme/two"))
    with drawing():
        for name in ("srs", "letters"):
            canvas = FIGURES[name](data).canvas
            assert len(canvas.axes) == 4
            titles = " ".join(axes.get_title() for axes in canvas.axes)
            assert "acme/one" in titles
            assert "acme/two" in titles


@pytest.mark.parametrize(
    ("changes", "empty"),
    [
        ({"text": False}, {"perplexity"}),
        ({"conditions": (Condition.DISAMBIG,)}, {"srs", "usr", "diff_bias_ambig", "became_biased", "transitions"}),
        ({"skip": ("dense",)}, {"became_biased", "transitions"}),
        ({"methods": ()}, {"became_biased"}),
        ({"floor": False, "letter": None}, set()),
        ({"sampled": None}, set()),
        ({"dense_collapsed": True}, set()),
        ({"limit": 3}, set()),
    ],
)
def test_what_cannot_be_drawn_says_why(tmp_path, changes, empty):
    data = data_of(tmp_path, **changes)
    with drawing():
        for name, make in FIGURES.items():
            figure = make(data)
            assert (figure.canvas is None) == bool(figure.empty)
            if name in empty:
                assert figure.empty, name


def test_names_are_escaped_and_not_read_as_formulas(tmp_path):
    hostile = "<script>alert(1)</script>-->$\\frac{$ & \u6a21\u578b \x00"
    data = data_of(tmp_path, models=(hostile, "b"))
    with drawing():
        to_png(FIGURES["letters"](data).canvas)
        for name, make in FIGURES.items():
            figure = make(data)
            if figure.canvas is None:
                assert name in ("parsers", "latent_bias", "matched"), figure.empty
                continue
            svg = to_svg(figure.canvas)
            ET.fromstring(svg)
            page = inline_svg(svg, name=name, alt=figure.alt + hostile)
            assert "<script" not in page
            assert "<!--" not in page
            ET.fromstring(page.replace("xlink:href", "href"))


def test_inline_svg_has_a_title_and_ids_of_its_own(scripted_data):
    with drawing():
        svg = to_svg(FIGURES["srs"](scripted_data).canvas)
    page = inline_svg(svg, name="one", alt="What is drawn")
    assert page.startswith('<svg role="img" aria-labelledby="one-title"')
    assert '<title id="one-title">What is drawn</title>' in page
    root = ET.fromstring(page)
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert all(name.startswith("one-") for name in ids)
    assert len(set(ids)) == len(ids)


@pytest.fixture(scope="module")
def seeded(tmp_path_factory):
    study = ScriptedStudy(**{**TINY, "mask_seeds": (0, 1, 2)})
    return read_report_data(Store.open(build(tmp_path_factory.mktemp("seeds") / "x.store", study)))


def test_seeds_of_a_method_make_one_line_through_their_mean(seeded):
    assert {v.series for v in seeded.variants[1:]} == {"wanda, per row"}
    assert {v.seed for v in seeded.variants[1:]} == {"mask_seed 0", "mask_seed 1", "mask_seed 2"}
    with drawing():
        figure = FIGURES["srs"](seeded)
    ours = [line for line in figure.canvas.axes[1].lines if line.get_color() == METHOD_STYLES["wanda"].colour]
    (path,) = (line for line in ours if len(line.get_xdata()) == 2 and len(set(line.get_xdata())) == 2)
    values = {}
    for variant in seeded.variants[1:]:
        row = seeded.metric(variant, "srs", readout="sampled", condition="ambig")
        values.setdefault(variant.nominal, []).append(row["value"])
    assert list(path.get_ydata()) == pytest.approx([sum(some) / 3 for some in values.values()])
    marks = [line.get_markersize() for line in ours if line.get_marker() == "o"]
    assert sorted(set(marks)) == [pytest.approx(3.2), 6]
    assert marks.count(6) == 2
    labels = [text.get_text() for legend in figure.canvas.legends for text in legend.get_texts()]
    assert labels.count("wanda") == labels.count("single seeds") == 1


def test_a_method_that_missed_its_level_is_named(rich_data):
    with drawing():
        figure = FIGURES["achieved"](rich_data)
        compared = FIGURES["method_comparison"](rich_data)
    assert "2 of 6 variants missed the nominal level" in figure.caption[0]
    assert "furthest is wanda-pia 0.5, which reached" in figure.caption[0]
    assert "They differ, so what differs between these methods is not the method alone." in compared.caption[0]
    written = {text.get_text() for text in compared.canvas.axes[0].texts}
    reached = {v.label: f"{100 * v.achieved:.1f} %" for v in rich_data.variants if v.nominal == 0.5}
    assert written == set(reached.values())
    assert len(written) == 2


def test_the_gap_is_drawn_as_change_against_perplexity_over_dense(rich_data):
    with drawing():
        panel = FIGURES["evaluation_gap"](rich_data).canvas.axes[0]
    dense, variant = (next(v for v in rich_data.variants if v.label == name) for name in ("dense", "magnitude 0.5"))
    srs, text = (
        [rich_data.metric(v, name, readout=readout, condition=condition)["value"] for v in (dense, variant)]
        for name, readout, condition in (("srs", "sampled", "ambig"), ("perplexity", "text", ""))
    )
    points = [(line.get_xdata()[0], line.get_ydata()[0]) for line in panel.lines if len(line.get_xdata()) == 1]
    assert (pytest.approx(text[1] / text[0]), pytest.approx(srs[1] - srs[0])) in points
    assert (1, 0) in points


def test_the_floor_takes_the_place_of_dense_in_the_published_transitions(rich_data):
    with drawing():
        figure = FIGURES["transitions_published"](rich_data)
    floor = rich_data.published.transitions.filter(draws=FLOOR)["share"][0]
    assert [floor, floor] in [list(line.get_ydata()) for line in figure.canvas.axes[0].lines]
    assert f"{100 * floor:.1f} %" in figure.caption[0]


@pytest.mark.parametrize(
    ("labels", "columns"), [([], 1), (["x"], 1), (["x" * 20] * 3, 3), (["x" * 20] * 6, 3), (["x" * 200], 1)]
)
def test_a_legend_has_as_many_columns_as_fit(labels, columns):
    assert legend_columns(labels) == columns
