"""What is said of a model's sampled answers by other parsers: as published, and parsers set side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import cache
from typing import Any

import polars as pl

from secateur.metrics import published
from secateur.metrics.catalogue import METRICS
from secateur.metrics.counts import Counts
from secateur.records.parsers import PARSERS, Parser
from secateur.report.data import FLOOR, OTHER, SAME, Published, Variant

PUBLISHED_PARSER = "pia"
"""The parser of the published tables, where there is one of this name."""

SIDE_BY_SIDE = ("strict", PUBLISHED_PARSER)
"""Parsers whose readings of the same answers are set beside each other."""

PARSED_METRICS = ("srs", "srs_all", "srs_worst", "usr", "unparsed_share")

PARSED_COLUMNS: dict[str, Any] = {
    **dict.fromkeys(("variant", "parser", "metric"), pl.String),
    **dict.fromkeys(("value", "low", "high"), pl.Float64),
    **dict.fromkeys(("n_items", "n_answers"), pl.Int64),
    "note": pl.String,
}
"""Columns of the frame that sets parsers side by side."""

_TERMS: dict[str, Any] = {
    "model": pl.String,
    "term": pl.String,
    **dict.fromkeys(("coefficient", "error", "z", "p", "low", "high"), pl.Float64),
    "n": pl.Int64,
    **dict.fromkeys(("log_likelihood", "pseudo_r2"), pl.Float64),
    "note": pl.String,
}


class Readers:
    """The parsers of a report, each of which sees a text once in a process.

    Args:
        parser: Name of the one that reads sampled answers everywhere else.
    """

    def __init__(self, parser: str) -> None:
        self.main = _remembering(PARSERS[parser])
        self.published = PUBLISHED_PARSER if PUBLISHED_PARSER in PARSERS else parser
        beside = [name for name in SIDE_BY_SIDE if name in PARSERS and name != parser]
        self.again = {
            name: self.main if name == parser else _remembering(PARSERS[name])
            for name in dict.fromkeys((*beside, self.published))
        }


class AsPublished:
    """One model's answers as the published parser reads them, variant by variant reduced at once to counts.

    Args:
        parser: Its name.
        items: Rows of the table ``items``.
        level: Of the intervals.
    """

    def __init__(self, parser: str, items: pl.DataFrame, *, level: float) -> None:
        self._parser = parser
        self._items = items
        self._level = level
        self._counts: dict[str, pl.DataFrame] = {}
        self._floors: dict[str, pl.DataFrame] = {}

    def add(self, variant: str, counts: Counts, *, floor: bool = False) -> None:
        """Add a variant's answers.

        Args:
            variant: Its key.
            counts: What the parser made of them.
            floor: Whether they are the dense model's with the floor seeds.
        """
        kept = self._floors if floor else self._counts
        kept[variant] = published.count_items(counts)

    def published(self, variants: Sequence[Variant], perplexity: Mapping[str, float | None]) -> Published | None:
        """Every published quantity of the model; ``None`` if no ambiguous item with roles was sampled."""
        counts = published.with_variant((v.key, self._counts[v.key]) for v in variants if v.key in self._counts)
        if not counts.height:
            return None
        model = next(variant.model for variant in variants)
        dense = next(variant.key for variant in variants if variant.dense)
        before = self._counts.get(dense, counts.clear().drop("variant"))
        facts = pl.DataFrame(
            [{"variant": v.key, "method": v.method, "level": v.nominal} for v in variants],
            schema={"variant": pl.String, "method": pl.String, "level": pl.Float64},
        )
        rates = published.rates(counts, dense=dense, level=self._level)
        moved = self._moved(counts.filter(pl.col("variant") != dense), before, dense)
        latent = published.latent_items(before)
        subset = counts.join(latent.filter("retained").select("item"), on="item", how="semi", maintain_order="left")
        read = pl.DataFrame(
            list(perplexity.items()), schema={"variant": pl.String, "perplexity": pl.Float64}, orient="row"
        )
        gap = published.evaluation_gap(rates, read, facts, dense=dense)
        fit = published.regression(rates, facts, dense=dense)
        tests = published.comparisons(rates, dense=dense)
        rest = {"n": fit.n, "log_likelihood": fit.log_likelihood, "pseudo_r2": fit.pseudo_r2, "note": fit.note}
        terms = [{"term": term.pop("name"), **term} for term in map(asdict, fit.terms)] or [{"term": "none"}]

        def of_model(frame: pl.DataFrame) -> pl.DataFrame:
            return frame.select(pl.lit(model).alias("model"), pl.all())

        return Published(
            parser=self._parser,
            left_out=published.left_out(self._items),
            rates=rates,
            transitions=moved,
            dose=of_model(published.dose_response(moved.filter(draws=SAME), facts)),
            gap=gap,
            averaged_gap=of_model(published.averaged_gap(gap, dense=dense)),
            comparison=published.method_comparison(rates, facts),
            tests=tests,
            paired=published.paired_tests(tests, counts, self._items, dense=dense, level=self._level),
            retained=of_model(published.retained(latent)),
            latent=published.rates(subset, dense=dense, level=self._level),
            edge=published.edge(counts),
            regression=pl.DataFrame([{"model": model, **term, **rest} for term in terms], schema=_TERMS),
        )

    def _moved(self, counts: pl.DataFrame, before: pl.DataFrame, dense: str) -> pl.DataFrame:
        """Transitions of the variants, drawn with the dense model's seeds and with others, and the latter's floor."""
        compared = [(SAME, counts, before)]
        if (again := self._floors.get(dense)) is not None:
            compared += [(FLOOR, published.with_variant([(dense, before)]), again), (OTHER, counts, again)]
        return pl.concat(
            published.transitions(part, dense=base, level=self._level).with_columns(draws=pl.lit(draws))
            for draws, part, base in compared
        )


def set_beside(variant: str, parser: str, counts: Counts, *, level: float) -> pl.DataFrame:
    """What a parser makes of a variant's answers, to be set beside others; empty for one of no interest there.

    Args:
        variant: Its key.
        parser: The parser's name.
        counts: The answers as it read them.
        level: Of the intervals.

    Returns:
        Columns ``PARSED_COLUMNS``.
    """
    rows = []
    if parser in SIDE_BY_SIDE:
        ambiguous = counts.of(condition="ambig")
        for name in PARSED_METRICS:
            estimate = METRICS[name].function(ambiguous, level=level)
            numbers = {column: getattr(estimate, column, None) for column in PARSED_COLUMNS}
            rows.append({**numbers, "variant": variant, "parser": parser, "metric": name})
    return pl.DataFrame(rows, schema=PARSED_COLUMNS)


def together(parts: Sequence[Published | None]) -> Published | None:
    """Those of several models as one, with the p-values corrected over all comparisons; ``None`` if there is none."""
    found = [part for part in parts if part is not None]
    if not found:
        return None
    frames = {
        name: pl.concat([getattr(part, name) for part in found])
        for name, value in vars(found[0]).items()
        if isinstance(value, pl.DataFrame)
    }
    frames["tests"] = published.correct_tests(frames["tests"])
    frames["paired"] = published.correct_paired(frames["paired"])
    return replace(found[0], **frames)


def _remembering(parser: Parser) -> Parser:
    """The parser, which decides each text, and each text among the same options, once for all cells."""
    by_text: Callable[..., Any] = cache(parser.by_text)
    by_options: Callable[..., Any] = cache(parser.by_options)
    looks_for: Callable[..., Any] = cache(parser.looks_for)
    return replace(parser, by_text=by_text, by_options=by_options, looks_for=looks_for)
