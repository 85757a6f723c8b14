"""The variants of one model, and what is known of each without its answers: text and masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import polars as pl

from secateur.metrics.catalogue import METRICS
from secateur.metrics.divergence import count_divergence
from secateur.metrics.sparsity import count_layers, sparsity_per_layer
from secateur.metrics.table import ALL, METRIC_COLUMNS
from secateur.metrics.text import count_text, pair_text
from secateur.records.complete import plan_rows
from secateur.records.tables import QUESTIONS
from secateur.report.data import DENSE, LETTER_FLOOR, MASKS, TEXT, Variant, wording_table
from secateur.report.reading import Reading
from secateur.statistics.estimate import Estimate
from secateur.statistics.intervals import z_value

_LAYERS = {
    "variant": pl.String,
    "layer": pl.String,
    **dict.fromkeys(("weights", "removed", "zeros_before"), pl.Int64),
    "sparsity": pl.Float64,
}


@dataclass(frozen=True)
class VariantsRead:
    """One model's variants, without their answers.

    Args:
        digest: Of the model.
        variants: In the plan's order, dense first; rows of answers are counted as planned, none as there.
        protocol: How the dense model was asked.
        metrics: Of text and masks. Columns ``METRIC_COLUMNS``.
        layers: How sparse each linear of each variant is.
    """

    digest: str
    variants: list[Variant]
    protocol: Mapping[str, Any]
    metrics: pl.DataFrame
    layers: pl.DataFrame

    def with_rows(self, *parts: Mapping[str, Mapping[str, int]]) -> list[Variant]:
        """The variants, with rows of answers that are there.

        Args:
            parts: Variant -> what its rows are counted as -> how many there are; of several readouts they add up.
        """

        def there(key: str, name: str, have: int) -> int:
            found = [part[key][name] for part in parts if name in part.get(key, {})]
            return sum(found) if found else have

        return [
            replace(v, rows={name: (there(v.key, name, have), want) for name, (have, want) in v.rows.items()})
            for v in self.variants
        ]

    def by_variant(self, metric: str) -> dict[str, float | None]:
        """Variant -> the value of a metric of text."""
        return dict(self.metrics.filter(pl.col("metric") == metric).select("variant", "value").iter_rows())


def read_variants(reading: Reading, number: int) -> VariantsRead:
    """Read a model's text and masks.

    Args:
        reading: What is read, and how.
        number: Of the model in the plan.
    """
    store, plan, level = reading.store, reading.plan, reading.level
    model = plan["models"][number]
    variants, text_rows, protocol = [], [], {}
    read: dict[tuple[str, str], pl.DataFrame] = {}
    windows = store.window_set(model["windows"]) if model["windows"] else None
    layers = []
    for key, entries in _by_variant(model["cells"]).items():
        rows: dict[str, tuple[int, int]] = {}
        for entry in entries:
            info = reading.cells.get(entry["cell"])
            wanted = {table: count for table, count in entry["rows"].items() if count}
            if entry["task"] in QUESTIONS:
                if entry["task"] == "ask" and info is not None and entry["recipe"] is None:
                    protocol = dict(info.protocol)
                rows |= {table: (0, count) for table, count in counted_as(entry, wanted).items()}
                continue
            have: dict[str, int] = {}
            for table in wanted if info is not None and windows is not None and plan["text"] else ():
                # Of the dense model's distributions only the number is told here, and they are large.
                columns = ("window",) if table == "reference" else None
                frame = plan_rows(store, plan, model, entry, table, columns=columns)
                have[table] = frame.height
                if frame.height:
                    read[key, table] = frame
            rows |= {table: (have.get(table, 0), count) for table, count in wanted.items()}
        realisation = store.realisation(key) if key in reading.realised else None
        layer_frame = None
        if realisation is not None and "placebo" not in (entries[0]["recipe"] or {}):  # which removes nothing
            layer_frame = pl.DataFrame(pl.from_arrow(realisation.layers()))
            layers.append(
                sparsity_per_layer(layer_frame).select(pl.lit(key).alias("variant"), pl.all()).cast(_LAYERS)  # type: ignore[arg-type]
            )
            text_rows += _mask_rows(key, layer_frame, level=level)
        text_rows += _imported_rows(key, entries[0], level=level)
        variants.append(_variant(model, key, entries[0], rows, layer_frame))
    if windows is not None:
        dense = next(variant.key for variant in variants if variant.dense)
        text_rows += _text_rows(read, dense, windows, plan["text"], model.get("vocabulary"), level=level)
    return VariantsRead(
        digest=str(model["model"]),
        variants=variants,
        protocol=protocol,
        metrics=pl.DataFrame(text_rows, schema=METRIC_COLUMNS),
        layers=pl.concat([pl.DataFrame(schema=_LAYERS), *layers]),
    )


def counted_as(entry: Mapping[str, Any], rows: Mapping[str, int]) -> dict[str, int]:
    """Rows of a cell of questions, by what they are counted as in ``Variant.rows``.

    Args:
        entry: The plan's cell.
        rows: By table.
    """
    if entry["task"] == "ask":
        return dict(rows)
    name = LETTER_FLOOR if entry["task"] == "floor" else wording_table(entry["wording"])
    return {name: sum(rows.values())}


def _imported_rows(key: str, entry: Mapping[str, Any], *, level: float) -> list[dict[str, Any]]:
    """The perplexity of a variant that was measured elsewhere, as the import kept it."""
    stated = entry.get("perplexity")
    if not stated:
        return []
    value, error = stated["value"], stated["standard_error"]
    half = None if error is None or value is None else z_value(level) * error
    found = Estimate(
        value=value,
        low=None if half is None else max(value - half, 0.0),
        high=None if half is None else value + half,
        level=level,
        method="normal, standard error as imported",
        n_items=0,
        n_answers=0,
        n_clusters=None,
        note="measured elsewhere" if value is not None else "measured elsewhere, not finite",
    )
    # Of how many windows and tokens is not known.
    return [_plain_row(key, TEXT, "perplexity", found) | {"n_items": None, "n_answers": None}]


def _by_variant(cells: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    found: dict[str, list[Mapping[str, Any]]] = {}
    for cell in cells:
        found.setdefault(cell["variant"], []).append(cell)
    return found


def _variant(
    model: Mapping[str, Any],
    key: str,
    entry: Mapping[str, Any],
    rows: Mapping[str, tuple[int, int]],
    layers: pl.DataFrame | None,
) -> Variant:
    recipe: Mapping[str, Any] = entry["recipe"] or {}
    method = str(recipe.get("method", recipe.get("placebo", DENSE)))
    pattern = str(recipe["per"]) if ":" in str(recipe.get("per", "")) else ""
    departs = [
        f"{'pattern' if name == 'per' and pattern else name} {recipe[name]}"
        for name in sorted(recipe)
        if name not in _NO_SERIES
    ]
    seeds = {name: entry.get(name, recipe.get(name)) for name in _SEEDS}
    achieved = 0.0 if method == DENSE else None
    if layers is not None and method != DENSE:
        achieved = METRICS["achieved_sparsity"].function(count_layers(layers)).value
    elif layers is None and entry.get("achieved"):  # of imported answers: counted by another program
        achieved = entry["achieved"]["zeros"] / entry["achieved"]["weights"]
    return Variant(
        key=key,
        model=str(model["model"]),
        model_name=str(model["name"]),
        label=str(entry["label"]),
        method=f"{method} {pattern}" if pattern else method,
        series=", ".join([method, *departs]),
        nominal=float(Fraction(recipe["sparsity"])) if "sparsity" in recipe else None,
        achieved=achieved,
        rows=rows,
        source=str(entry.get("source", "")),
        seed=", ".join(f"{name} {seed}" for name, seed in seeds.items() if seed is not None),
        strength=float(Fraction(recipe["strength"])) if "strength" in recipe else None,
    )


_SEEDS = ("mask_seed", "calibration_seed", "noise_seed")
_NO_SERIES = frozenset({"method", "placebo", "sparsity", "strength", "calibration", "source", *_SEEDS})


def _text_rows(
    read: Mapping[tuple[str, str], pl.DataFrame],
    dense: str,
    windows: pl.DataFrame,
    about: Mapping[str, Any],
    vocabulary: int | None,
    *,
    level: float,
) -> list[dict[str, Any]]:
    """What was made of text: each variant alone, and beside the dense model."""
    corpus = str(about["corpus"])
    rows = []
    for (key, table), frame in read.items():
        if table == "text":
            rows += _plain_rows(key, TEXT, "text", count_text(frame, windows, corpus=corpus), level=level)
            if key != dense and (dense, table) in read:
                pairs = pair_text(read[dense, table], frame, windows, corpus=corpus)
                rows += _plain_rows(key, TEXT, "text_pairs", pairs, level=level)
        elif table == "divergence":
            top = int(about["divergence"]["top"])
            counts = count_divergence(frame, windows, corpus=corpus, top=top, vocabulary=vocabulary)
            rows += _plain_rows(key, TEXT, "divergence", counts, level=level)
    return rows


def _mask_rows(key: str, layers: pl.DataFrame, *, level: float) -> list[dict[str, Any]]:
    return _plain_rows(key, MASKS, "layers", count_layers(layers), level=level)


def _plain_rows(key: str, readout: str, over: str, counts: object, *, level: float) -> list[dict[str, Any]]:
    """Rows of the metrics that know no category and no condition."""
    rows = []
    for metric in METRICS.values():
        if metric.over != over:
            continue
        estimate = metric.function(counts, level=level)
        rows.append(_plain_row(key, readout, metric.name, estimate))
    return rows


def _plain_row(key: str, readout: str, metric: str, estimate: Estimate) -> dict[str, Any]:
    row = {name: getattr(estimate, name, None) for name in METRIC_COLUMNS}
    return row | {"variant": key, "readout": readout, "category": ALL, "condition": "", "metric": metric}
