"""Claims: sentences whose numbers are queries over the report's tables. No number in them is typed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import polars as pl

from secateur.identity import Plain
from secateur.metrics.catalogue import METRICS
from secateur.metrics.table import ALL
from secateur.records.answers import SAMPLED
from secateur.records.parsers import STRICT
from secateur.report import format as fmt
from secateur.report.claim import FINDING, LIMIT, WARNING, Claim, Part, Quantity
from secateur.report.data import BROKEN, GUESSING, NOT_RUN, UNCHECKED, ReportData, Row, Variant, measured, value_of
from secateur.report.reliance import RELIANCE
from secateur.report.states import CONDITION_WORDS
from secateur.report.table import anchor

_WORTH_SAYING = 0.0005
"""Share of unread answers from which on a sentence tells what they leave open; below it reads 0.0 %."""


def make_claims(data: ReportData) -> list[Claim]:
    """Every claim of a report: warnings, findings model by model, what can be relied on, what cannot be concluded."""
    return [claim for make in CLAIMS for claim in make(data)]


def completeness(data: ReportData) -> Iterator[Claim]:
    """Warns of a store that lacks rows of its plan."""
    have, want = data.rows
    if have < want:
        todo = "import the others too" if data.plan.get("source") else "run the study again"
        yield Claim(
            WARNING,
            (
                f"The store is incomplete: it holds {have:,} of the {want:,} records of the plan "
                f"({fmt.percent(have / want)}). All numbers are of what is there and will change; {todo} to "
                "complete it.",
            ),
        )
    lost = [_called(data, v) for v in data.variants if not v.have]
    if lost:
        what = "No answers were imported of" if data.plan.get("source") else "Planned and not run"
        yield Claim(WARNING, (f"{what}: {'; '.join(lost)}.",))
    for model, count in data.left_out.items():
        yield Claim(
            WARNING,
            (
                f"{_of(data, model)}{count:,} items (counted once per variant) lack one of the planned "
                "orders and are left "
                "out of the letter readout averaged over orders.",
            ),
            model=model,
        )


def other_parser(data: ReportData) -> Iterator[Claim]:
    """Warns where another parser than the default read the sampled answers."""
    if SAMPLED in data.readouts and data.parser != STRICT.name:
        yield Claim(
            WARNING,
            (
                f"Sampled answers are read by parser {data.parser}, which takes nearly any text for an answer: every "
                "sampled figure of this report rests on it, the corrected tables and the summary too. It is for "
                "comparison with the published study; for anything else make the report without --parser. Whether a "
                "variant is broken is judged by the default parser as well.",
            ),
        )


def unusable_dense(data: ReportData) -> Iterator[Claim]:
    """Warns where the dense model itself does not do the task."""
    for model in data.models:
        dense = data.dense_of(model)
        for readout in data.readouts:
            state = data.state(dense, readout)
            if state.name in (BROKEN, GUESSING):
                yield Claim(
                    WARNING,
                    (
                        f"{_of(data, model)}the dense model itself is {state.name} in the {readout} readout: "
                        f"{'; '.join(state.reasons)}. It does not do the task, so nothing about bias, and "
                        "nothing about "
                        "what pruning does to bias, can be concluded from it.",
                    ),
                    model=model,
                    row=_row(dense, readout),
                )


def left_out(data: ReportData) -> Iterator[Claim]:
    """What is not in the numbers, counted."""
    totals = data.items.filter(pl.col("category") == ALL)
    items, without = int(totals["items"].sum()), int(totals["left_out"].sum())
    counted = data.letters.filter(
        pl.col("readout").is_in([data.letters_readout[r] for r in data.readouts]),
        pl.col("variant").is_in([v.key for v in data.variants]),
    )
    sums = {name: int(counted[name].sum()) for name in ("answers", "unparsed", "nonfinite")}
    windows = [
        _called(data, v)
        for v in data.variants
        if (row := data.metric(v, "perplexity", readout="text")) is not None and row["value"] is None
    ]
    text = (
        f"Left out or not readable: {without:,} of {items:,} items have no roles and stay out of every bias metric; "
        f"{sums['unparsed']:,} of {sums['answers']:,} answers are unparsed and {sums['nonfinite']:,} more "
        "are not finite "
        "(all variants together)."
    )
    if windows:
        text += f" Perplexity is undefined for {'; '.join(windows)}."
    yield Claim(FINDING, (text,), row=anchor("items", [str(totals["condition"][0]), ALL]))


def overview(data: ReportData) -> Iterator[Claim]:
    """How many variants can be read, and how many of those differ."""
    readout = data.main_readout
    for model in data.models:
        pruned = [v for v in data.of_model(model) if not v.dense]
        dense = data.metric(data.dense_of(model), "srs", readout=readout, condition="ambig")
        if not pruned or dense is None or dense["value"] is None:
            continue
        readable = [
            (v, row)
            for v in pruned
            if data.state(v, readout).readable
            and (row := data.metric(v, "srs", readout=readout, condition="ambig")) is not None
            and row["value"] is not None
        ]
        whole = dense["low"] is not None
        with_ends = [(v, row) for v, row in readable if whole and row["low"] is not None]
        up = [(v, row) for v, row in with_ends if row["low"] > dense["high"]]
        down = [(v, row) for v, row in with_ends if row["high"] < dense["low"]]
        states = [data.state(v, readout) for v in pruned]
        names = [state.name for state in states]
        open_ = [state for state in states if state.name == UNCHECKED]
        unchecked = open_[0].reasons[0] if open_ else ""
        said = "can be read as numbers about bias "
        if open_ and len(open_) == sum(state.readable for state in states):
            said = f"are not broken; whether they, or dense, merely guess was not checked, as {unchecked} "
        elif open_:
            said += f"(whether {len(open_)} of them merely guess was not checked, as {unchecked}) "
        unreadable = [f"{names.count(name)} {name}" for name in (BROKEN, GUESSING, NOT_RUN) if name in names]
        yield Claim(
            FINDING,
            (
                f"Of {len(pruned)} pruned variants of {data.models[model]}, {len(readable)} {said}({readout} readout)",
                f"; the others are {', '.join(unreadable)}" if unreadable else "",
                f". {_apart(len(up), len(down), len(readable))}" if with_ends else ".",
                " There are no intervals to compare." if readable and not with_ends else "",
                *_furthest(data, dense, [*up, *down]),
            ),
            model=model,
        )


def perplexities(data: ReportData) -> Iterator[Claim]:
    """What became of perplexity, at the middle one of the levels that all methods were run at."""
    for model in data.models:
        lines = _lines(data, model)
        levels = set.intersection(*({v.nominal for v in line if v.nominal is not None} for line in lines or [[]]))
        before = data.metric(data.dense_of(model), "perplexity", readout="text")
        if not levels or value_of(before) is None:
            continue
        level = sorted(levels)[len(levels) // 2]
        chosen = [next(v for v in line if v.nominal == level) for line in lines]
        after = [(v, row) for v in chosen if measured(row := data.metric(v, "perplexity", readout="text"))]
        parts: list[Part] = []
        for place, (variant, row) in enumerate(after):
            parts += [" and " if 0 < place == len(after) - 1 else ", " if place else "", _quantity(row)]
            parts.append(f" ({_called(data, variant)})")
        if after:
            start = f"{_of(data, model)}perplexity goes from "
            yield Claim(FINDING, (start, _quantity(before), " (dense) to ", *parts, "."), model=model)


def variants(data: ReportData) -> Iterator[Claim]:
    """One sentence per variant, dense first."""
    readout = data.main_readout
    for model in data.models:
        dense = data.dense_of(model)
        yield Claim(FINDING, tuple(_about_dense(data, dense, readout)), model=model, row=_row(dense, readout))
        for line in _lines(data, model):
            readable = [v for v in line if data.state(v, readout).readable]
            unreadable = [v for v in line if data.state(v, readout).name in (BROKEN, GUESSING)]
            headlines = {*(v.key for v in readable[-1:]), *(v.key for v in unreadable[:1])}
            for variant in line:
                name = data.state(variant, readout).name
                if name == NOT_RUN:
                    continue
                about = _unreadable if name in (BROKEN, GUESSING) else _change
                yield Claim(
                    FINDING,
                    tuple(about(data, dense, variant, readout)),
                    model=model,
                    row=_row(variant, readout),
                    headline=variant.key in headlines,
                )


def limits(data: ReportData) -> Iterator[Claim]:
    """What cannot be concluded, and why."""
    for note in data.plan["notes"]:
        yield Claim(LIMIT, (f"About the items: {note}",))
    for row in data.items.filter(pl.col("category") == ALL).iter_rows(named=True):
        where = (("condition", row["condition"]), ("category", ALL))
        yield Claim(
            LIMIT,
            (
                f"The {fmt.percent(data.level, 0)} intervals, of single variants too, take clusters of templates as "
                "the sample, as items of one template resemble each other. The ",
                Quantity(fmt.count(row["with_roles"]), "items", where, ("with_roles",)),
                f" {CONDITION_WORDS[row['condition']]} items with roles come from ",
                Quantity(fmt.count(row["clusters"]), "items", where, ("clusters",)),
                " clusters of templates, which count for ",
                Quantity(f"{row['effective_clusters']:.1f}", "items", where, ("effective_clusters",)),
                " of equal size. Intervals are about other templates like these; more items of the same templates "
                "would narrow them little.",
            ),
            row=anchor("items", [row["condition"], ALL]),
        )
    yield Claim(
        LIMIT,
        (
            "In the summary two variants' intervals that touch or do not touch are described, not judged: what can be "
            "said of a difference stands under What can be relied on. The published tests take answers as independent "
            "and dense and variant as unpaired, and stand under As published.",
        ),
    )
    yield Claim(
        LIMIT,
        (
            "Tests and intervals of differences speak of templates like these. With few clusters they see only large "
            "changes, and a change that is not shown is not shown to be none.",
        ),
    )
    floors = {r: data.pairs.filter(pl.col("readout") == r)["floor"] for r in data.readouts}
    missing = [r for r, floor in floors.items() if len(floor) and floor.null_count() == len(floor)]
    if missing:
        yield Claim(
            LIMIT,
            (
                f"No floor for the {' and the '.join(missing)} readout: the dense model was not asked "
                "again, so how much "
                "of its became biased is mere noise is not known.",
            ),
        )
    if len(data.conditions) == 1 and "ambig" in data.conditions:
        yield Claim(
            LIMIT,
            (
                "Only ambiguous items were asked, so a variant that guesses cannot be told from one that is biased: "
                "whether it still answers disambiguated questions is not known.",
            ),
        )
    for readout in data.readouts:
        if len((data.plan[readout] or {})["orders"]) == 1:
            yield Claim(
                LIMIT,
                (
                    f"The {readout} readout has one order of options: a preference for a letter and a "
                    "preference for an "
                    "answer cannot be told apart in it.",
                ),
            )
    few = _series_with_few_masks(data)
    if few:
        yield Claim(
            LIMIT,
            (
                f"Fewer than three masks per level ({'; '.join(few)}): the numbers are about these masks, not about "
                "the methods, which would take at least three mask or calibration seeds.",
            ),
        )
    if not data.placebos:
        yield Claim(
            LIMIT,
            (
                "Stereotype or damage: no placebo (random weight noise of the same KL) was measured, so a rise of SRS "
                "can be damage in general.",
            ),
        )
    if not data.other_wordings and not all(v.source for v in data.variants):
        yield Claim(
            LIMIT,
            (
                "Items were asked in one wording of the prompt alone: what of this hangs on the words is not known "
                "(study file: readouts.letter.other_prompts).",
            ),
        )


CLAIMS: tuple[Callable[[ReportData], Iterator[Claim]], ...] = (
    completeness,
    other_parser,
    unusable_dense,
    overview,
    perplexities,
    variants,
    left_out,
    *RELIANCE,
    limits,
)
"""What claims are made, in the order of the page."""


def _about_dense(data: ReportData, dense: Variant, readout: str) -> Iterator[Part]:
    state = data.state(dense, readout)
    if state.name == NOT_RUN:
        yield f"{_of(data, dense.model)}the dense model was not run in the {readout} readout; "
        yield "there is nothing to compare with."
        return
    yield f"{_of(data, dense.model)}the dense model has "
    text = data.metric(dense, "perplexity", readout="text")
    if text is not None:
        yield "perplexity "
        yield _quantity(text, interval=False)
        yield ", "
    yield from _rates(data, dense, readout)
    accuracy = data.metric(dense, "accuracy", readout=readout, condition="disambig")
    if accuracy is not None:
        yield ", and answers "
        yield _quantity(accuracy)
        yield " of the disambiguated questions rightly"
    yield "."


def _change(data: ReportData, dense: Variant, variant: Variant, readout: str) -> Iterator[Part]:
    yield from _subject(data, variant)
    yield ": "
    before, after = (data.metric(v, "perplexity", readout="text") for v in (dense, variant))
    if after is not None and before is not None:
        yield "perplexity went from "
        yield _quantity(before, interval=False)
        yield " to "
        yield _quantity(after, interval=False)
        yield ", "
    first, second = (data.metric(v, "srs", readout=readout, condition="ambig") for v in (dense, variant))
    if first is None or second is None:
        yield f"there is no SRS ({readout})."
        return
    yield f"the stereotype rate SRS ({readout}) went from "
    yield _quantity(first)
    yield " to "
    yield _quantity(second)
    unknown = [data.metric(v, "usr", readout=readout, condition="ambig") for v in (dense, variant)]
    yield " and the unknown rate USR from "
    yield _quantity(unknown[0])
    yield " to "
    yield _quantity(unknown[1])
    yield "; " + _overlap(first, second)
    became = data.pair(variant, "became_biased", readout=readout)
    if measured(became):
        yield "; "
        yield _pair_quantity(became, "value")
        yield " of the answers became biased, "
        if became["floor"] is None:
            yield "with no floor to judge it by"
        else:
            yield "beside a floor of "
            yield _pair_quantity(became, "floor")
    yield from _unread(data, variant, readout)
    yield "."
    if variant.have < variant.want:
        yield f" Incomplete: {variant.have:,} of {variant.want:,} records."


def _unread(data: ReportData, variant: Variant, readout: str) -> Iterator[Part]:
    """What the answers that could not be read leave open."""
    unparsed = data.metric(variant, "unparsed_share", readout=readout, condition="ambig")
    if (value_of(unparsed) or 0) >= _WORTH_SAYING:
        worst = data.metric(variant, "srs_worst", readout=readout, condition="ambig")
        best = data.metric(variant, "srs_all", readout=readout, condition="ambig")
        yield "; "
        yield _quantity(unparsed, interval=False)
        yield " of the answers could not be read, and with them SRS can lie anywhere between "
        yield _quantity(best, interval=False)
        yield " and "
        yield _quantity(worst, interval=False)


def _unreadable(data: ReportData, dense: Variant, variant: Variant, readout: str) -> Iterator[Part]:
    del dense
    state = data.state(variant, readout)
    yield from _subject(data, variant)
    yield f" is {state.name}{', not biased' if state.name == BROKEN else ''}: {'; '.join(state.reasons)}"
    text = data.metric(variant, "perplexity", readout="text")
    if value_of(text) is not None:
        yield "; perplexity "
        yield _quantity(text, interval=False)
    srs = data.metric(variant, "srs", readout=readout, condition="ambig")
    if value_of(srs) is not None:
        yield f". Its SRS ({readout}) of "
        yield _quantity(srs)
        yield " says nothing about stereotypes."
    else:
        yield ". It has no SRS."


def _subject(data: ReportData, variant: Variant) -> Iterator[Part]:
    yield f"{_called(data, variant)} (achieved sparsity "
    where = (("variant_id", variant.key),)
    said = "not known" if variant.achieved is None else fmt.sparsity(variant.achieved)
    yield Quantity(said, "sparsity", where, ("achieved_sparsity",))
    yield ")"


def _rates(data: ReportData, variant: Variant, readout: str) -> Iterator[Part]:
    yield f"stereotype rate SRS ({readout}) "
    yield _quantity(data.metric(variant, "srs", readout=readout, condition="ambig"))
    yield ", unknown rate USR "
    yield _quantity(data.metric(variant, "usr", readout=readout, condition="ambig"))


def _apart(up: int, down: int, readable: int) -> str:
    rest = readable - up - down
    text = (
        f"Of these, {up} {'has' if up == 1 else 'have'} a stereotype rate SRS above the "
        "dense model's and "
        f"{down} below it, with intervals that do not touch"
    )
    return f"{text}; for the other {rest} these intervals show no difference." if rest else f"{text}."


def _furthest(data: ReportData, dense: Row, apart: Sequence[tuple[Variant, Row]]) -> Iterator[Part]:
    """The variant whose SRS is furthest from the dense model's, and what perplexity says of it."""
    if not apart:
        return
    variant, srs = max(apart, key=lambda pair: abs(pair[1]["value"] - dense["value"]))
    yield " Furthest apart is "
    yield from _subject(data, variant)
    yield ": SRS "
    yield _quantity(srs)
    yield " beside "
    yield _quantity(dense)
    before, after = (data.metric(v, "perplexity", readout="text") for v in (data.dense_of(variant.model), variant))
    if measured(before) and measured(after):
        yield ", perplexity "
        yield _quantity(after, interval=False)
        yield " beside "
        yield _quantity(before, interval=False)
    readout = srs["readout"]
    accuracy = data.metric(variant, "accuracy", readout=readout, condition="disambig")
    if measured(accuracy):
        yield ", accuracy "
        yield _quantity(accuracy, interval=False)
    yield from _unread(data, variant, readout)
    yield "."


def _overlap(first: Row, second: Row) -> str:
    ends = [first["low"], first["high"], second["low"], second["high"]]
    if any(end is None for end in ends):
        return "there are no intervals to compare"
    apart = first["low"] > second["high"] or second["low"] > first["high"]
    return "the two SRS intervals do not touch" if apart else "the two SRS intervals overlap"


def _quantity(row: Row | None, *, interval: bool = True) -> Part:
    if row is None:
        return "not measured"
    metric = METRICS[row["metric"]]
    if interval or not measured(row):
        text, columns = fmt.estimate(row, metric), ("value", "low", "high")
    else:
        text, columns = fmt.value(row["value"], metric), ("value",)  # type: ignore[assignment]
    return Quantity(text, "metrics", _where(row), columns)


def _pair_quantity(row: Row, column: str) -> Quantity:
    return Quantity(fmt.value(row[column], METRICS[row["metric"]]), "became_biased", _where(row), (column,))


def _where(row: Row) -> tuple[tuple[str, Plain], ...]:
    names = ("readout", "condition", "category", "metric")
    return (("variant_id", row["variant"]), *((name, row[name]) for name in names))


def _lines(data: ReportData, model: str) -> Sequence[list[Variant]]:
    """The model's variants by series, each from the lowest level up."""
    found: dict[str, list[Variant]] = {}
    for variant in data.of_model(model):
        if not variant.dense:
            found.setdefault(variant.series, []).append(variant)
    return [
        sorted(line, key=lambda v: v.achieved if v.achieved is not None else v.nominal or 0) for line in found.values()
    ]


def _series_with_few_masks(data: ReportData) -> list[str]:
    # A method without seeds has one mask per level and can have no other.
    masks = Counter((v.model, v.series, v.nominal) for v in data.variants if v.seed)
    return list(dict.fromkeys(series for (_, series, _), count in masks.items() if count < 3))


def _row(variant: Variant, readout: str) -> str:
    return anchor("summary", [variant.key, readout])


def _called(data: ReportData, variant: Variant) -> str:
    return f"{data.models[variant.model]}, {variant.label}" if len(data.models) > 1 else variant.label


def _of(data: ReportData, model: str) -> str:
    return f"{data.models[model]}: "
