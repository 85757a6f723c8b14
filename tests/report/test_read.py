"""Reading: the plan's rows and no others."""

from dataclasses import replace

import polars as pl
import pytest
from tests.report.scripted_study import FLOOR_SEEDS, SEEDS, ScriptedStudy, build, make_items

from secateur.errors import InputError, StoreError
from secateur.items.item import Condition
from secateur.metrics.counts import NO_PARSED
from secateur.records.complete import rows_present
from secateur.records.outcomes import MIN_LETTER_MASS, letter_outcomes, sampled_outcomes
from secateur.records.store import Store
from secateur.report.data import BROKEN, GUESSING, INCOMPLETE, NOT_RUN, OK, UNCHECKED, measured
from secateur.report.read import choose_plan, read_report_data
from secateur.report.read_readout import WITHHELD
from secateur.report.states import find_states
from secateur.report.tables import TABLES
from secateur.report.write import report_files

SMALL = ScriptedStudy(methods=("wanda",), levels=(0.5,), templates=3, per_template=2, categories=("Age",))


def small(**changes):
    return ScriptedStudy(**{**SMALL.__dict__, **changes})


def test_main_seeds_make_the_metrics_and_floor_seeds_the_floor(scripted_store, scripted_data):
    store = Store.open(scripted_store)
    dense = scripted_data.variants[0]
    items = store.item_set(scripted_data.plan["items"])
    cell = next(c for c in scripted_data.plan["models"][0]["cells"] if c["variant"] == dense.key and c["task"] == "ask")
    rows = store.read(cell["cell"], "sampled")
    assert set(rows["seed"].unique()) == {*SEEDS, *FLOOR_SEEDS}
    outcomes = sampled_outcomes(rows.filter(pl.col("seed").is_in(SEEDS)), items)
    with_roles = items.filter(pl.any_horizontal(pl.col("^role_.$") == "stereotype"), condition="ambig")
    chosen = outcomes.join(with_roles.select("item"), on="item", how="semi")
    expected = (chosen["outcome"] == "stereotype").sum() / (chosen["outcome"] != "unparsed").sum()
    assert scripted_data.metric(dense, "srs", readout="sampled", condition="ambig")["value"] == pytest.approx(expected)


def test_the_floor_is_dense_against_dense_and_the_same_for_all(scripted_data):
    rows = scripted_data.pairs.filter(readout="sampled", metric="flips", category="all", condition="ambig")
    assert rows["floor"].n_unique() == 1
    assert rows["floor"][0] > 0
    assert rows["floor_note"].unique().to_list() == [""]
    letter = scripted_data.pairs.filter(readout="letter")
    assert letter["floor"].null_count() == letter.height
    assert "floor seeds" in scripted_data.coupling["sampled"]


def test_the_averaged_readout_is_one_answer_per_item(scripted_data):
    dense = scripted_data.variants[0]
    n_items = scripted_data.items.filter(condition="ambig", category="all")["items"][0]
    row = scripted_data.metric(dense, "accuracy", readout="letter", condition="ambig")
    assert (row["n_items"], row["n_answers"]) == (n_items, n_items)
    row = scripted_data.metric(dense, "accuracy", readout="letter by order", condition="ambig")
    assert (row["n_items"], row["n_answers"]) == (n_items, 3 * n_items)


def test_states(scripted_data):
    state = {v.label: scripted_data.state(v, "sampled").name for v in scripted_data.variants}
    assert state["dense"] == state["wanda 0.1"] == OK
    assert state["random 0.5"] == GUESSING
    assert state["random 0.7"] == BROKEN
    assert (
        "100.0 % of its lettered answers are B" in scripted_data.state(scripted_data.variants[3], "sampled").reasons[0]
    )


def test_achieved_sparsity_is_counted_from_the_masks(scripted_data):
    achieved = {v.label: v.achieved for v in scripted_data.variants}
    assert achieved["dense"] == 0
    assert achieved["wanda 0.5"] == pytest.approx((16 + 24) / (33 + 48), abs=0.01)
    assert achieved["wanda 0.5"] != 0.5


def test_items_are_counted_with_clusters_and_what_is_left_out(scripted_data):
    row = scripted_data.items.filter(condition="ambig", category="all").row(0, named=True)
    assert row["items"] == row["with_roles"] + row["left_out"]
    assert row["left_out"] == 2
    assert row["clusters"] == 8
    assert row["clusters"] > row["effective_clusters"] > 1


def test_rows_of_another_plan_stay_out(tmp_path):
    folder = build(tmp_path / "x.store", small())
    first = read_report_data(Store.open(folder))
    # The second study extends the same cells with more items and one more variant.
    build(folder, small(name="larger", levels=(0.5, 0.7), templates=4))
    plans = {said["study"]: said["digest"] for said in Store.open(folder).plans()}
    again = read_report_data(Store.open(folder), plan=plans["scripted"][:8])
    assert again.metrics.equals(first.metrics)
    assert again.pairs.equals(first.pairs)
    assert again.rows == first.rows
    larger = read_report_data(Store.open(folder))
    assert larger.study == "larger"
    assert larger.rows[0] > first.rows[0]
    assert larger.other_plans == (("scripted", plans["scripted"]),)


@pytest.mark.parametrize("letter", ["rotations", None])
def test_a_study_killed_before_its_first_answer_has_none_of_another_studys(tmp_path, letter):
    first = small(seeds=(1, 2, 3), floor=False, letter=None, text=False)
    folder = build(tmp_path / "x.store", first)
    everyone = ("dense", "wanda 0.5")
    build(
        folder, small(name="second", seeds=(4, 5, 6), floor_seeds=(1, 2, 3), letter=letter, text=False, skip=everyone)
    )
    store = Store.open(folder)
    data = read_report_data(store)
    assert data.study == "second"
    dense, pruned = data.variants
    n_items = len(make_items(small()))
    # The dense model's floor is what the first study asked; a pruned variant has no floor.
    assert dense.rows["sampled"] == (3 * n_items, 6 * n_items)
    assert pruned.rows["sampled"] == (0, 3 * n_items)
    assert data.state(pruned, "sampled").name == NOT_RUN
    assert data.state(dense, "sampled").name == INCOMPLETE
    assert data.pairs.height == data.moves.height == 0
    assert report_files(data)


def test_the_report_counts_as_the_status_does(tmp_path):
    folder = build(tmp_path / "x.store", small(seeds=(1, 2, 3), floor=False))
    build(folder, small(name="second", seeds=(2, 3, 4), floor_seeds=(1, 5, 6), templates=2, limit=7))
    store = Store.open(folder)
    for said in store.plans():
        data = read_report_data(store, plan=said["digest"])
        for model in said["models"]:
            for cell in model["cells"]:
                variant = next(v for v in data.variants if v.key == cell["variant"])
                counted = rows_present(store, said, model, cell)
                assert counted == {table: variant.rows.get(table, (0, 0))[0] for table in counted}


def test_nothing_parsed_is_not_a_neutral_number(tmp_path):
    data = read_report_data(Store.open(build(tmp_path / "x.store", small(mute=("wanda 0.5",)))))
    dense, mute = data.variants
    for readout in ("letter", "sampled"):
        for metric, condition in (("diff_bias_ambig", "ambig"), ("diff_bias_disambig", "disambig")):
            row = data.metric(mute, metric, readout=readout, condition=condition)
            assert (row["value"], row["note"]) == (0, NO_PARSED)
            assert not measured(row)
            assert measured(data.metric(dense, metric, readout=readout, condition=condition))
            assert data.metric(mute, metric, readout=readout, condition=condition, category="Age")["note"] == NO_PARSED
        assert measured(data.metric(mute, "accuracy", readout=readout, condition="disambig"))
        assert not measured(data.pair(mute, "became_biased", readout=readout))
        assert measured(data.pair(mute, "flips", readout=readout))
        assert data.state(mute, readout).name == BROKEN


def test_a_mute_dense_model_leaves_nothing_to_become(tmp_path):
    data = read_report_data(Store.open(build(tmp_path / "x.store", small(mute=("dense",)))))
    assert not measured(data.pair(data.variants[1], "became_biased", readout="sampled"))
    assert measured(data.metric(data.variants[1], "diff_bias_ambig", readout="sampled", condition="ambig"))


@pytest.mark.parametrize("floor_seeds", [(1, 2), (1, 2, 3, 4, 5)])
def test_unequal_numbers_of_seeds_are_told_and_withhold_the_papers_number(tmp_path, floor_seeds):
    data = read_report_data(Store.open(build(tmp_path / "x.store", small(floor_seeds=floor_seeds))))
    variant = data.variants[1]
    used = min(len(floor_seeds), 3)
    row = data.pair(variant, "became_biased", readout="sampled")
    assert row["value"] is not None
    told = f"{row['n_answers']} pairs used: of {len(floor_seeds)} seeds of the dense model and 3 of the variant, {used}"
    assert row["note"].endswith(f"{told} could be paired")
    assert row["n_answers"] == used * row["n_items"]
    paper = data.pair(variant, "became_biased_paper", readout="sampled")
    assert (paper["value"], paper["low"], paper["floor"], paper["note"]) == (None, None, None, WITHHELD)
    assert data.pair(variant, "became_biased_paper", readout="letter")["value"] is not None
    row = next(TABLES["became_biased"](data).frame.filter(metric="became_biased_paper", readout="sampled").iter_rows())
    assert WITHHELD in row


def test_equal_numbers_of_seeds_need_no_note(scripted_data):
    rows = scripted_data.pairs.filter(readout="sampled", metric="became_biased_paper", category="all")
    assert rows["value"].null_count() == 0
    assert set(scripted_data.pairs.filter(readout="sampled")["note"]) <= {"", "no items with roles"}


def test_the_letter_of_a_collapse_comes_from_the_shares(scripted_data):
    without_notes = scripted_data.metrics.with_columns(note=pl.lit(""))
    states = find_states(scripted_data.variants, ["sampled"], without_notes)
    broken = next(v for v in scripted_data.variants if v.label == "random 0.7")
    reasons = states[broken.key, "sampled"].reasons
    assert "100.0 % of its lettered answers are B" in reasons[0]
    assert reasons[-1].startswith("its perplexity is undefined")


def test_text_that_was_read_in_part_is_not_called_broken(scripted_data):
    variant = next(v for v in scripted_data.variants if v.label == "random 0.7")
    text = scripted_data.metrics.filter(variant=variant.key, metric="perplexity")
    assert find_states([variant], ["sampled"], text)[variant.key, "sampled"].name == BROKEN
    partly = replace(variant, rows={**variant.rows, "text": (3, 12)})
    state = find_states([partly], ["sampled"], text)[variant.key, "sampled"]
    assert (state.name, state.readable) == (UNCHECKED, True)
    assert state.reasons == ("no disambiguated item was asked",)


def test_another_parser_does_not_hide_a_broken_model(scripted_data):
    """A parser that reads anything leaves nothing unparsed; whether a model answers is judged strictly as well."""
    read = scripted_data.metrics.with_columns(
        value=pl.when(metric="unparsed_share").then(0.0).otherwise("value"),
    ).filter(pl.col("metric") != "perplexity", pl.col("metric") != "letter_share_max")
    variant = next(v for v in scripted_data.variants if v.label == "wanda 0.1")
    strict = pl.DataFrame(
        {"variant": [variant.key], "parser": ["strict"], "metric": ["unparsed_share"], "value": [0.97], "note": [""]}
    )
    assert find_states([variant], ["sampled"], read.filter(variant=variant.key))[variant.key, "sampled"].name == OK
    state = find_states([variant], ["sampled"], read.filter(variant=variant.key), strict)[variant.key, "sampled"]
    assert state.name == BROKEN
    assert state.reasons == ("97.0 % of its answers cannot be read (ambiguous items, sampled, read strictly)",)


def test_the_plan_run_last_is_chosen_even_if_it_was_added_first(tmp_path):
    folder = build(tmp_path / "x.store", small())
    build(folder, small(name="second", templates=4))
    store = Store.open(folder)
    store.log({"event": "run", "study": "scripted"})
    assert choose_plan(store, None)["study"] == "scripted"
    second = next(said["digest"] for said in store.plans() if said["study"] == "second")
    store.log({"event": "run", "study": "scripted", "plan": second})
    assert choose_plan(store, None)["study"] == "second"
    (folder / "log.jsonl").write_text('{"event": "ru', encoding="utf-8")
    assert choose_plan(store, None)["digest"] in {said["digest"] for said in store.plans()}


@pytest.mark.parametrize(("prefix", "match"), [("zzz", "no such study"), ("", "no such study")])
def test_an_unknown_plan_lists_those_there_are(scripted_store, prefix, match):
    store = Store.open(scripted_store)
    with pytest.raises(InputError, match=match) as caught:
        choose_plan(store, prefix)
    assert store.plans()[0]["digest"][:16] in str(caught.value)
    assert "scripted" in str(caught.value)


def test_an_unknown_parser_lists_those_there_are(scripted_store):
    with pytest.raises(InputError, match=r"no such parser[\s\S]*strict[\s\S]*got: +guess"):
        read_report_data(Store.open(scripted_store), parser="guess")


def test_a_store_without_a_plan(tmp_path):
    with pytest.raises(StoreError, match="holds no study"):
        read_report_data(Store.create(tmp_path / "empty.store"))


def test_a_plan_without_answers(tmp_path):
    folder = build(tmp_path / "x.store", small(skip=("dense", "wanda 0.5")))
    with pytest.raises(StoreError, match=r"no answers of this study[\s\S]*0 of \d"):
        read_report_data(Store.open(folder))


def test_a_variant_that_was_not_run_is_there_and_says_so(tmp_path):
    data = read_report_data(Store.open(build(tmp_path / "x.store", small(skip=("wanda 0.5",)))))
    variant = data.variants[1]
    assert (variant.label, variant.have, variant.achieved) == ("wanda 0.5", 0, None)
    assert data.state(variant, "sampled").name == NOT_RUN
    assert data.metrics.filter(variant=variant.key).height == 0


def test_without_dense_there_is_nothing_to_compare_with(tmp_path):
    data = read_report_data(Store.open(build(tmp_path / "x.store", small(skip=("dense",)))))
    assert data.pairs.height == data.moves.height == 0
    assert data.metrics.height


def test_items_that_lack_an_order_stay_out_of_the_average(tmp_path):
    data = read_report_data(Store.open(build(tmp_path / "x.store", small(limit=10, text=False))))
    # Ten requests in the order of the keys: three items in all three orders, one in one.
    assert data.left_out == {data.variants[0].model: 2}
    answers = {
        readout: sum(
            data.metric(data.variants[0], "accuracy", readout=readout, condition=condition)["n_answers"]
            for condition in ("ambig", "disambig")
        )
        for readout in ("letter", "letter by order")
    }
    assert answers == {"letter": 3, "letter by order": 10}


@pytest.mark.parametrize(
    "changes",
    [
        {"letter": None},
        {"sampled": None},
        {"letter": "fixed"},
        {"text": False},
        {"floor": False},
        {"conditions": (Condition.AMBIG,)},
        {"conditions": (Condition.DISAMBIG,)},
    ],
)
def test_parts_that_were_not_planned_are_not_there(tmp_path, changes):
    data = read_report_data(Store.open(build(tmp_path / "x.store", small(**changes))))
    assert set(data.readouts) == {name for name in ("letter", "sampled") if small(**changes).__dict__[name]}
    if changes.get("letter") == "fixed":
        assert "letter by order" not in set(data.metrics["readout"])
        assert data.letters_readout["letter"] == "letter"
    if changes.get("floor") is False:
        assert data.pairs["floor"].null_count() == data.pairs.height
        assert data.coupling["sampled"] == "both sides drawn with the same seeds"


def test_letter_answers_below_the_mass_threshold_are_unparsed(scripted_store):
    store = Store.open(scripted_store)
    strict = read_report_data(store, min_mass=0.9)
    variant = next(v for v in strict.variants if v.label == "random 0.5")
    row = strict.metric(variant, "unparsed_share", readout="letter", condition="ambig")
    assert row["value"] == 1
    assert read_report_data(store).min_mass == MIN_LETTER_MASS


def test_numbers_are_those_of_the_definitions(tmp_path):
    """SRS of the letter readout, counted by hand from the rows."""
    folder = build(tmp_path / "x.store", small(letter="fixed"))
    store = Store.open(folder)
    data = read_report_data(store)
    roles = {item.key: [str(o.role) for o in item.options] for item in make_items(small()) if item.condition == "ambig"}
    for variant, cell in zip(
        data.variants, [c for c in data.plan["models"][0]["cells"] if c["task"] == "ask"], strict=True
    ):
        rows = store.read(cell["cell"], "letter")
        outcomes = letter_outcomes(rows, store.item_set(data.plan["items"]), min_mass=MIN_LETTER_MASS)
        said = [
            roles[row["item"]][row["option"]]
            for row in outcomes.iter_rows(named=True)
            if row["item"] in roles and "stereotype" in roles[row["item"]]
        ]
        found = data.metric(variant, "srs", readout="letter", condition="ambig")["value"]
        assert found == pytest.approx(said.count("stereotype") / len(said))
