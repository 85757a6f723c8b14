"""What else the published pipeline leaves: perplexities in a CSV, and a JSON file beside each pruned model."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

from secateur.errors import InputError
from secateur.files import read_text
from secateur.records.imports.pia_records import Configuration


class Perplexity(NamedTuple):
    """A perplexity that was measured elsewhere.

    Args:
        value: exp of the mean negative log-likelihood of a token, >= 1; ``None`` if it was not finite.
        standard_error: As given; ``None`` likewise.
    """

    value: float | None
    standard_error: float | None


class Zeros(NamedTuple):
    """Zeros among the weights of the linears that could be pruned, as counted elsewhere."""

    zeros: int
    weights: int


_COLUMNS = ("model", "prune_method", "sparsity", "perplexity", "perplexity_se")
_SLACK = 1e-3
"""Per cent by which the stated share of zeros may miss its counts; it is written with four decimals."""


def read_perplexity(path: Path) -> dict[Configuration, Perplexity]:
    """The perplexities of a CSV with the columns model, prune_method, sparsity (per cent), perplexity, perplexity_se.

    Raises:
        InputError: If it is not such a file, or names a configuration twice.
    """
    rows = csv.DictReader(io.StringIO(read_text(path), newline=""), strict=True)
    found: dict[Configuration, Perplexity] = {}
    try:
        if missing := [name for name in _COLUMNS if name not in (rows.fieldnames or ())]:
            raise InputError(
                "A file of perplexities lacks a column.",
                where=path,
                allowed=", ".join(_COLUMNS),
                got=f"no {missing[0]}",
            )
        for row in rows:
            where = f"{path}, line {rows.line_num}"
            config = Configuration(
                row["model"], row["prune_method"], _level(_number(row["sparsity"], where, "sparsity"), where)
            )
            value = _number(row["perplexity"], where, "perplexity")
            if value < 1:
                raise InputError("A perplexity is below 1.", where=where, allowed="1 or more", got=row["perplexity"])
            if config in found:
                raise InputError("A configuration has two perplexities.", where=where, got=_called(config))
            error = _number(row["perplexity_se"], where, "perplexity_se")
            found[config] = Perplexity(_finite(value), _finite(error))
    except csv.Error as error:
        raise InputError(
            "A file of perplexities is not CSV.", where=f"{path}, line {rows.line_num}", got=error
        ) from None
    return found


def read_pruning_meta(paths: Sequence[Path]) -> dict[Configuration, Zeros]:
    """The zeros that the files ``pruning_meta.json`` count, each beside one pruned model.

    Raises:
        InputError: If one is not such a file, contradicts itself, or two are of the same configuration.
    """
    found: dict[Configuration, Zeros] = {}
    for path in paths:
        config, zeros = _read_meta(path)
        if config in found:
            raise InputError("Two files describe the same pruned model.", where=path, got=_called(config))
        found[config] = zeros
    return found


def _read_meta(path: Path) -> tuple[Configuration, Zeros]:
    try:
        said = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise InputError("A file is not JSON.", where=path, got=error) from None
    if not isinstance(said, dict):
        raise InputError("A file is not a JSON object.", where=path, got=type(said).__name__)

    def field(name: str, kind: type | tuple[type, ...], allowed: str) -> Any:
        value = said.get(name)
        if isinstance(value, bool) or not isinstance(value, kind):
            raise InputError(
                "A field is missing or of another kind.",
                where=f"{path}, {name}",
                allowed=allowed,
                got=json.dumps(value),
            )
        return value

    number = (int, float)
    level = _level(float(field("target_sparsity", number, "a number from 0 to 100")), f"{path}, target_sparsity")
    config = Configuration(field("model", str, "a text"), field("method", str, "a text"), level)
    actual = float(field("actual_sparsity", number, "a number from 0 to 100"))
    weights = field("total_prunable_params", int, "a whole number above 0")
    zeros = field("zero_params", int, "a whole number from 0")
    if not 0 <= zeros <= weights or weights == 0:
        raise InputError(
            "The counts of a pruned model are not possible.",
            where=path,
            allowed="0 <= zero_params <= total_prunable_params, not both 0",
            got=f"zero_params {zeros}, total_prunable_params {weights}",
        )
    if not abs(actual - 100 * zeros / weights) <= _SLACK:
        raise InputError(
            "The stated sparsity of a pruned model is not that of its counts.",
            where=path,
            allowed=f"actual_sparsity {100 * zeros / weights:.4f}",
            got=actual,
        )
    return config, Zeros(zeros, weights)


def _number(text: str | None, where: str, name: str) -> float:
    """A number; an empty field, which is how such a file says "not a number", is NaN."""
    try:
        return float(text) if text else math.nan
    except ValueError:
        raise InputError("A field is not a number.", where=f"{where}, {name}", got=repr(text)) from None


def _level(percent: float, where: str) -> Fraction:
    if not 0 <= percent <= 100:
        raise InputError("A sparsity is out of range.", where=where, allowed="0 to 100, in per cent", got=percent)
    return Fraction(repr(percent + 0.0)) / 100


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _called(config: Configuration) -> str:
    return f"{config.model}, {config.label}"
