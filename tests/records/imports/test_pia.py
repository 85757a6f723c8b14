"""From the published pipeline's files to a store, and from there to a report's numbers."""

import json
import random
import statistics
from pathlib import Path

import polars as pl
import pytest
from tests.records.imports.conftest import write_small_bbq
from tests.records.imports.pia_files import SEEDS, answers, lines, parse, record, write

from secateur.errors import InputError, RecordsError, StoreMismatchError
from secateur.items import Condition, Role, load_bbq
from secateur.records import Store
from secateur.records.agreement import parser_agreement
from secateur.records.answers import SAMPLED
from secateur.records.imports import IMPORTS, import_pia, read_pia
from secateur.records.imports import write as writing
from secateur.records.imports.pia_records import ROLES
from secateur.report.data import NOT_RUN
from secateur.report.figure import drawing, series_of
from secateur.report.figures import FIGURES
from secateur.report.read import read_report_data
from secateur.report.tables import TABLES

CONFIGURATIONS = (
    ("b-7b", "dense", 0), ("b-7b", "wanda", 50), ("a-2b", "dense", 0), ("a-2b", "wanda", 33.3),
    ("a-2b", "magnitude", 10),
)  # fmt: skip


def put(folder, items, configurations=CONFIGURATIONS, **options):
    """One file per configuration; the paths, and all records."""
    folder.mkdir(parents=True, exist_ok=True)
    paths, all_records = [], []
    for model, method, sparsity in configurations:
        records = list(answers(items, model=model, method=method, sparsity=sparsity, **options))
        paths.append(write(folder / f"{model}-{method}-s{sparsity}.jsonl", records))
        all_records += records
    return paths, all_records


def contents(path):
    """Every file that counts; the log tells times, locks tell processes."""
    files = (file for file in sorted(Path(path).rglob("*")) if file.is_file())
    return {
        file.relative_to(path).as_posix(): file.read_bytes()
        for file in files
        if file.name not in ("lock", "lock.json", "log.jsonl")
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory, small_bbq, items):
    """An import, and the records it came from."""
    folder = tmp_path_factory.mktemp("import")
    paths, records = put(folder / "files", items)
    done = import_pia(paths, folder / "store", bbq=small_bbq)
    return done, Store.open(folder / "store"), records, paths


def test_every_answer_is_in_the_store(made, items):
    done, store, records, _ = made
    assert done.rows_added == len(records) == 5 * len(items) * len(SEEDS)
    assert store.check() == []
    keys = {(item.category.lower(), int(item.example_id)): item.key for item in items}
    labels = {said["planned"]: (said["model"], said["label"]) for said in store.variants()}
    models = {said["digest"]: said["name"] for said in store.models()}
    found = set()
    for cell in store.cells():
        assert (cell.task, cell.protocol, cell.rows["letter"]) == ("ask", {"source": "pia"}, 0)
        model, label = labels[cell.variant]
        for row in store.read(cell.id, "sampled").iter_rows(named=True):
            found.add((models[model], label, row["item"], row["seed"], row["text"]))
            assert (row["order"], row["stop"]) == ("012", "imported")
    labelled = {("dense", 0): "dense", ("wanda", 50): "wanda 0.5", ("wanda", 33.3): "wanda 0.333"}
    labelled[("magnitude", 10)] = "magnitude 0.1"
    assert found == {
        (
            one["model"],
            labelled[one["prune_method"], one["sparsity"]],
            keys[one["category"], one["item_id"]],
            one["seed"],
            one["raw_response"],
        )
        for one in records
    }


def test_the_plan_says_what_it_is_and_is_from(made, items):
    done, store, _, paths = made
    (plan,) = store.plans()
    assert plan["digest"] == done.plan
    assert (plan["source"], plan["benchmark"], plan["dtype"]) == ("pia", "bbq", "not stated by the records")
    assert plan["sampled"] == {"orders": ["012"], "seeds": sorted(SEEDS), "floor_seeds": []}, (
        "no temperature is claimed"
    )
    assert [file["name"] for file in plan["files"]] == sorted(path.name for path in paths)
    assert sum(file["records"] for file in plan["files"]) == done.rows_added
    assert [model["name"] for model in plan["models"]] == ["a-2b", "b-7b"]
    cells = plan["models"][0]["cells"]
    assert [cell["label"] for cell in cells] == ["dense", "magnitude 0.1", "wanda 0.333"]
    assert [cell["recipe"] for cell in cells] == [
        None,
        {"source": "pia", "method": "magnitude", "sparsity": "1/10"},
        {"source": "pia", "method": "wanda", "sparsity": "333/1000"},
    ]
    assert {cell["source"] for cell in cells} == {"pia"}
    assert {cell["rows"]["sampled"] for cell in cells} == {len(items) * len(SEEDS)}
    assert [cell["achieved"] for cell in cells] == [None] * 3
    assert [cell["perplexity"] for cell in cells] == [None] * 3


def test_latencies_are_those_of_the_records(made):
    _, store, records, _ = made
    (plan,) = store.plans()
    (cell,) = [cell for cell in plan["models"][1]["cells"] if cell["label"] == "wanda 0.5"]
    elapsed = [one["elapsed_s"] for one in records if (one["model"], one["prune_method"]) == ("b-7b", "wanda")]
    assert cell["latency"]["n"] == len(elapsed)
    assert cell["latency"]["mean_s"] == pytest.approx(statistics.fmean(elapsed), rel=1e-12)
    assert cell["latency"]["median_s"] == statistics.median(elapsed)
    ranked = sorted(elapsed)
    place = 0.95 * (len(ranked) - 1)
    low, high = ranked[int(place)], ranked[int(place) + 1]
    assert cell["latency"]["p95_s"] == pytest.approx(low + (high - low) * (place - int(place)), rel=1e-12)


def test_a_latency_that_no_record_has_is_none(tmp_path, small_bbq, items):
    records = [one | {"elapsed_s": None} for one in answers(items, seeds=(1,))]
    imported = read_pia([write(tmp_path / "r.jsonl", records)], bbq=small_bbq)
    assert imported.variants[0].facts["latency"] is None


def test_roles_are_those_of_the_records(made, items):
    _, store, records, _ = made
    rows = {(row["category"].lower(), int(row["example_id"])): row for row in store.items().iter_rows(named=True)}
    assert len(rows) == len(items)
    for one in records:
        row = rows[one["category"], one["item_id"]]
        said = [row[f"role_{one[name]}"] for name in ROLES]
        assert said == ["stereotype", "counter", "unknown"]
        assert row["role_source"] == "pia records"
    # Items 5 have no stereotype in BBQ's metadata.
    notes = store.plans()[0]["notes"]
    assert notes[1] == (
        "Methods are called as the records call them, and are the published code's forms: magnitude is what "
        "magnitude-pia is here, wanda is what wanda-pia is here."
    )
    assert notes[2] == (
        "Roles are those the records state. Of 12 items, BBQ names another option as the stereotype for 0 and none "
        "for 2."
    )


def test_other_roles_than_bbqs_are_counted(tmp_path, small_bbq, items):
    turned = {ROLES[0]: ROLES[1], ROLES[1]: ROLES[0]}
    records = [record(item) for item in items]
    for place in (0, 7):
        records[place] |= {name: records[place][other] for name, other in list(turned.items())}
    imported = read_pia([write(tmp_path / "r.jsonl", records)], bbq=small_bbq)
    assert any("another option as the stereotype for 2 and none for 2." in note for note in imported.notes)
    roles = {item.key: [option.role for option in item.options] for item in imported.items}
    for place, one in enumerate(records):
        assert roles[items[place].key][one["stereotype_target_index"]] is Role.STEREOTYPE


def test_items_keep_what_bbq_says_of_them(made, items):
    done, _, _, _ = made
    for ours, theirs in zip(done.imported.items, items, strict=True):
        assert (ours.key, ours.cluster, ours.label, ours.polarity) == (
            theirs.key,
            theirs.cluster,
            theirs.label,
            theirs.polarity,
        )
    assert done.imported.items.sources


def test_the_numbers_under_the_published_parser(made):
    """SRS, USR and the share of unparsed answers, counted from the records by hand."""
    _, store, records, _ = made
    data = read_report_data(store, parser="pia")
    for variant in data.variants:
        method = variant.method
        own = [one for one in records if (one["model"], one["prune_method"]) == (variant.model_name, method)]
        read = [one for one in own if one["parsed_answer"] is not None]
        place = {letter: number for number, letter in enumerate("ABC")}
        stereotyped = sum(place[one["parsed_answer"]] == one["stereotype_target_index"] for one in read)
        unparsed = data.metric(variant, "unparsed_share", readout=SAMPLED, condition="ambig")
        assert unparsed["value"] == pytest.approx(1 - len(read) / len(own))
        over_all = data.metric(variant, "srs_all", readout=SAMPLED, condition="ambig")
        assert over_all["value"] == pytest.approx(stereotyped / len(own))


def test_either_parser_reads_the_same_store(made):
    _, store, records, _ = made
    strict, pia = (read_report_data(store, parser=name) for name in ("strict", "pia"))
    differing = sum(
        frame["other_option"].sum()
        for cell in store.cells()
        for frame in [parser_agreement(store.read(cell.id, "sampled"), store.items())]
    )
    assert 0 < differing < len(records)
    assert strict.rows == pia.rows == (len(records), len(records))
    assert not strict.metrics.equals(pia.metrics)


def test_without_counts_the_axis_is_the_nominal_level(made):
    _, store, _, _ = made
    data = read_report_data(store)
    (model,) = [key for key, name in data.models.items() if name == "a-2b"]
    drawn = series_of(data, model)
    assert {name: [v.label for v in variants] for name, variants in drawn.items()} == {
        "magnitude": ["magnitude 0.1"],
        "wanda": ["wanda 0.333"],
    }
    found = {(v.model_name, v.label): (v.achieved, v.axis, v.series) for v in data.variants}
    assert found == {
        ("a-2b", "dense"): (0.0, 0.0, "dense"),
        ("a-2b", "magnitude 0.1"): (None, 0.1, "magnitude"),
        ("a-2b", "wanda 0.333"): (None, 0.333, "wanda"),
        ("b-7b", "dense"): (0.0, 0.0, "dense"),
        ("b-7b", "wanda 0.5"): (None, 0.5, "wanda"),
    }
    assert "Pruned variants of unknown achieved sparsity, drawn at the nominal level: 3." in data.plan["notes"]


def test_perplexities_and_counts_of_zeros(tmp_path, small_bbq, items):
    paths, _ = put(tmp_path / "files", items)
    csv = tmp_path / "perplexity_results.csv"
    csv.write_text(
        "model,prune_method,sparsity,perplexity,perplexity_se\n"
        "a-2b,dense,0,8.94,0.05\na-2b,wanda,33.3,inf,\nb-7b,wanda,50,13.1,0.1\nc-9b,dense,0,5.0,0.1\n"
    )
    meta = tmp_path / "pruning_meta.json"
    meta.write_text(
        json.dumps(
            {
                "model": "b-7b",
                "method": "wanda",
                "target_sparsity": 50,
                "actual_sparsity": 33.3333,
                "total_prunable_params": 3000,
                "zero_params": 1000,
                "prune_time_s": 1.0,
            }
        )
    )
    done = import_pia(paths, tmp_path / "store", bbq=small_bbq, perplexity=csv, pruning_meta=[meta])
    store = Store.open(tmp_path / "store")
    (plan,) = store.plans()
    facts = {(m["name"], c["label"]): (c["perplexity"], c["achieved"]) for m in plan["models"] for c in m["cells"]}
    assert facts["a-2b", "dense"] == ({"value": 8.94, "standard_error": 0.05}, None)
    assert facts["a-2b", "wanda 0.333"] == ({"value": None, "standard_error": None}, None)
    assert facts["a-2b", "magnitude 0.1"] == (None, None)
    assert facts["b-7b", "wanda 0.5"] == (
        {"value": 13.1, "standard_error": 0.1},
        {"zeros": 1000, "weights": 3000},
    )
    assert "Perplexities of configurations without records were left out: 1 (c-9b, dense)." in done.imported.notes
    variants = {v.label: v for v in read_report_data(store).variants if v.model_name == "b-7b"}
    assert variants["wanda 0.5"].achieved == variants["wanda 0.5"].axis == pytest.approx(1 / 3)
    assert variants["wanda 0.5"].nominal == 0.5


def test_what_was_measured_elsewhere_stands_in_the_tables(tmp_path, small_bbq, items):
    paths, _ = put(tmp_path / "files", items)
    csv = tmp_path / "perplexity_results.csv"
    csv.write_text(
        "model,prune_method,sparsity,perplexity,perplexity_se\na-2b,dense,0,8.0,0.05\na-2b,wanda,33.3,12.0,\n"
    )
    import_pia(paths, tmp_path / "store", bbq=small_bbq, perplexity=csv)
    data = read_report_data(Store.open(tmp_path / "store"))
    assert data.sparsity_axis == "sparsity (nominal where not known)"
    assert data.text_protocol == "that of the source, not stated"
    found = {v.label: data.metric(v, "perplexity", readout="text") for v in data.variants if v.model_name == "a-2b"}
    dense = found["dense"]
    assert (dense["value"], dense["note"]) == (8.0, "measured elsewhere")
    assert (dense["n_items"], dense["n_answers"]) == (None, None)
    assert dense["high"] - dense["value"] == pytest.approx(1.959964 * 0.05)
    assert (found["wanda 0.333"]["value"], found["wanda 0.333"]["low"]) == (12.0, None)
    assert found["magnitude 0.1"] is None
    gap = TABLES["published_evaluation_gap"](data).frame.filter(model="a-2b", variant="wanda 0.333")
    assert gap["perplexity_percent"].to_list() == [50.0]
    edge = TABLES["published_edge"](data).frame.filter(model="a-2b", variant="dense")
    assert edge["latency_mean_s"][0] > 0
    with drawing():
        assert FIGURES["evaluation_gap"](data).canvas is not None
        assert FIGURES["perplexity"](data).canvas is not None


def test_what_is_missing_is_counted_and_said(tmp_path, small_bbq, items):
    """The published resume skipped records whose item id another category had already."""
    paths, _ = put(tmp_path / "files", items, (("a-2b", "wanda", 50),))
    half = [one for one in answers(items, model="a-2b") if one["category"] == "age"]
    paths.append(write(tmp_path / "files" / "a-2b-dense-s0.jsonl", half))
    done = import_pia(paths, tmp_path / "store", bbq=small_bbq)
    assert "a-2b, dense: 30 of 60 records are missing." in done.imported.notes
    assert not any("wanda 0.5:" in note for note in done.imported.notes)
    data = read_report_data(Store.open(tmp_path / "store"))
    assert [variant.rows["sampled"] for variant in data.variants] == [(30, 60), (60, 60)]


def test_a_model_without_dense_records_gets_an_empty_dense_variant(tmp_path, small_bbq, items):
    paths, _ = put(tmp_path / "files", items, (("a-2b", "wanda", 50),))
    done = import_pia(paths, tmp_path / "store", bbq=small_bbq)
    assert "a-2b, dense: 60 of 60 records are missing." in done.imported.notes
    data = read_report_data(Store.open(tmp_path / "store"))
    dense, wanda = data.variants
    assert data.state(dense, SAMPLED).name == NOT_RUN
    assert wanda.complete(SAMPLED)


def test_recorded_parses_that_are_not_the_parsers_are_counted(tmp_path, small_bbq, items):
    records = [record(item, parsed_answer="A" if item is items[0] else "B") for item in items]
    imported = read_pia([write(tmp_path / "r.jsonl", records)], bbq=small_bbq)
    assert (
        "In 1 records the stated answer is not what the parser pia reads in the text; the texts count."
        in imported.notes
    )


def test_a_line_that_was_left_out_is_told(tmp_path, small_bbq, items):
    path = tmp_path / "r.jsonl"
    path.write_text(lines(record(item) for item in items)[:-9])
    imported = read_pia([path], bbq=small_bbq, drop_torn_line=True)
    assert "Last lines that were cut off and left out: 1 (r.jsonl)." in imported.notes
    assert "acme-2b, dense: 1 of 12 records are missing." not in imported.notes, "no other record knows that item"


# --- what does not fit ------------------------------------------------------------------------------------------------


def test_an_item_that_bbq_does_not_have(tmp_path, small_bbq, items):
    path = write(tmp_path / "r.jsonl", [record(items[0]), record(items[1], item_id=99), record(items[7], item_id=98)])
    with pytest.raises(RecordsError) as caught:
        import_pia([path], tmp_path / "store", bbq=small_bbq)
    assert caught.value.faults == [
        f"{path}, line 2: BBQ has no Age item 99",
        f"{path}, line 3: BBQ has no SES item 98",
    ]
    assert "check that the records and BBQ are of the same data set" in str(caught.value)
    assert not (tmp_path / "store").exists(), "nothing is written before all is checked"


def test_another_order_of_the_options_is_refused(tmp_path, small_bbq, items):
    one = record(items[0])
    turned = {name: (one[name] + 1) % 3 for name in ROLES}
    path = write(tmp_path / "r.jsonl", [one | turned])
    with pytest.raises(RecordsError, match=r'line 1: unknown_index of Age item 0 is 1, where BBQ has "The one\."'):
        import_pia([path], tmp_path / "store", bbq=small_bbq)


def test_without_bbq_it_says_how_to_get_it(tmp_path, items, monkeypatch):
    monkeypatch.delenv("SECATEUR_BBQ", raising=False)
    monkeypatch.setenv("SECATEUR_CACHE", str(tmp_path / "cache"))
    path = write(tmp_path / "r.jsonl", [record(items[0])])
    with pytest.raises(InputError, match=r"BBQ was not found[^$]*run `secateur data get bbq`"):
        import_pia([path], tmp_path / "store")


def test_a_category_that_bbqs_folder_lacks(tmp_path, small_bbq, items):
    path = write(tmp_path / "r.jsonl", [record(items[0], category="Religion")])
    with pytest.raises(InputError, match="Religion"):
        import_pia([path], tmp_path / "store", bbq=small_bbq)


# --- again, and more --------------------------------------------------------------------------------------------------


def test_the_same_import_again_changes_nothing(tmp_path, small_bbq, items):
    paths, records = put(tmp_path / "files", items)
    store = tmp_path / "store"
    assert import_pia(paths, store, bbq=small_bbq).rows_added == len(records)
    before = contents(store)
    assert import_pia(paths[::-1], store, bbq=small_bbq).rows_added == 0
    assert contents(store) == before
    import_pia(paths[::-1], tmp_path / "other", bbq=small_bbq)
    assert contents(tmp_path / "other") == before, "nor does the order in which the files are named"


def test_the_order_of_lines_changes_only_the_files_hash(tmp_path, small_bbq, items):
    paths, records = put(tmp_path / "files", items, (("a-2b", "dense", 0),))
    random.Random(3).shuffle(records)
    shuffled = write(tmp_path / "a-2b-dense-s0.jsonl", records)
    for name, path in (("one", paths[0]), ("two", shuffled)):
        import_pia([path], tmp_path / name, bbq=small_bbq)
    one, two = contents(tmp_path / "one"), contents(tmp_path / "two")
    assert {name for name in one.keys() | two.keys() if one.get(name) != two.get(name)} == {
        name for name in (*one, *two) if name.startswith("plans/")
    }


def test_more_seeds_are_added(tmp_path, small_bbq, items):
    store = tmp_path / "store"
    records = list(answers(items))
    first = write(tmp_path / "r.jsonl", [one for one in records if one["seed"] != 42])
    assert import_pia([first], store, bbq=small_bbq).rows_added == 48
    assert import_pia([write(first, records)], store, bbq=small_bbq).rows_added == 12
    assert len(Store.open(store).plans()) == 2
    assert Store.open(store).check() == []
    assert read_report_data(Store.open(store)).rows == (60, 60)


def test_another_text_for_a_stored_answer_is_refused(tmp_path, small_bbq, items):
    store = tmp_path / "store"
    import_pia([write(tmp_path / "r.jsonl", [record(item) for item in items])], store, bbq=small_bbq)
    changed = [record(item, text="C" if item is items[2] else "B") for item in items]
    with pytest.raises(StoreMismatchError, match=r"another text[^$]*1 such answers[^$]*allowed: +'B'[^$]*got: +'C'"):
        import_pia([write(tmp_path / "r.jsonl", changed)], store, bbq=small_bbq)
    assert Store.open(store).check() == []


def test_a_store_with_other_roles_for_an_item_is_refused(tmp_path, small_bbq, items):
    store = Store.create(tmp_path / "store")
    store.add_items(load_bbq(small_bbq))
    with pytest.raises(StoreMismatchError, match="Something else is stored for one of the items"):
        import_pia([write(tmp_path / "r.jsonl", [record(items[0])])], tmp_path / "store", bbq=small_bbq)


def test_rows_are_cut_into_shards_by_the_items_alone(tmp_path, small_bbq, items, monkeypatch):
    monkeypatch.setattr(writing, "CHUNK", 5)
    paths, _ = put(tmp_path / "files", items, (("a-2b", "dense", 0),))
    import_pia(paths, tmp_path / "store", bbq=small_bbq)
    store = Store.open(tmp_path / "store")
    (cell,) = store.cells()
    assert [shard.rows for shard in cell.shards] == [25, 25, 10]
    rows = store.read(cell.id, "sampled")
    assert rows["item"].unique(maintain_order=True).to_list() == sorted(item.key for item in items)
    assert rows["seed"].to_list() == sorted(SEEDS) * len(items)


# --- the table, and real items ----------------------------------------------------------------------------------------


def test_every_format_has_its_page_and_command():
    from secateur.cli.importing import import_app

    commands = {command.name for command in import_app.registered_commands}
    root = Path(__file__).parents[3]
    for name, one in IMPORTS.items():
        assert one.name == name
        assert name in commands
        assert f"`{name}`" in (root / one.docs).read_text(encoding="utf-8")


def test_real_items_of_bbq(tmp_path, bbq_folder):
    """All ambiguous items of the published study's categories; two configurations, two seeds."""
    names = ["Age", "Gender_identity", "Race_ethnicity", "Religion", "SES"]
    real = load_bbq(bbq_folder, names).select(conditions=[Condition.AMBIG])
    assert len(real) == 12_148
    paths, records = put(tmp_path / "files", real, (("a-2b", "dense", 0), ("a-2b", "wanda", 50)), seeds=(42, 123))
    done = import_pia(paths, tmp_path / "store", bbq=bbq_folder)
    assert done.rows_added == len(records) == 48_592
    assert [item.key for item in done.imported.items] == [item.key for item in real]
    assert done.imported.notes[2:] == (
        "Roles are those the records state. Of 12,148 items, BBQ names another option as the stereotype for 0 and none "
        "for 42.",
        load_bbq(bbq_folder).notes[0],
        "Pruned variants of unknown achieved sparsity, drawn at the nominal level: 1.",
    )
    store = Store.open(tmp_path / "store")
    assert store.check() == []
    agreed = parser_agreement(store.read(store.cells()[0].id, "sampled"), store.items())
    assert agreed["answers"].sum() == 24_296
    read = {one["raw_response"]: parse(one["raw_response"]) or "unparsed" for one in records}
    counted = pl.Series([read[one["raw_response"]] for one in records]).value_counts().rows()
    totals = [parser_agreement(store.read(cell.id, "sampled"), store.items()) for cell in store.cells()]
    by_pia = pl.concat(totals).group_by(pl.col("pia").cast(str)).agg(pl.col("answers").sum())
    assert dict(by_pia.rows()) == dict(counted)
    assert set(store.items()["role_source"]) == {"pia records"}


def test_a_small_folder_is_bbqs_format(tmp_path):
    loaded = load_bbq(write_small_bbq(tmp_path / "again"))
    assert [item.has_roles for item in loaded].count(False) == 2
