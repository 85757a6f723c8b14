"""The format ``pia``: what the published pipeline (arXiv 2605.08137) writes. See ``docs/importing.md``."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import polars as pl

from secateur.identity import Plain
from secateur.items.bbq import NAME, load_bbq
from secateur.items.item import Item, ItemSet, Role
from secateur.records.imports.checks import Faults, missing_note
from secateur.records.imports.pia_extras import Perplexity, Zeros, read_perplexity, read_pruning_meta
from secateur.records.imports.pia_records import (
    DENSE,
    Configuration,
    Records,
    options_of,
    read_records,
)
from secateur.records.imports.write import Imported, ImportedVariant, ImportOutcome, write_import

SOURCE = "pia"
ROLE_SOURCE = "pia records"
"""Where the roles of imported items come from."""

STUDY = "imported records (pia)"

_PUBLISHED_FORMS = ("random", "magnitude", "wanda")
_ROLES = (Role.STEREOTYPE, Role.COUNTER, Role.UNKNOWN)


def import_pia(
    files: Sequence[Path],
    into: Path,
    *,
    bbq: Path | None = None,
    perplexity: Path | None = None,
    pruning_meta: Sequence[Path] = (),
    drop_torn_line: bool = False,
    say: Callable[[str], None] = lambda text: None,
) -> ImportOutcome:
    """Import the published pipeline's records into a store.

    Nothing is written before everything was read and checked. The same call goes on after an interruption, and
    leaves the same bytes.

    Args:
        files: Files of records, one JSON object per line; those of all configurations together.
        into: The store; made if missing.
        bbq: BBQ's folder; ``None``: where it is usually found.
        perplexity: The pipeline's CSV of perplexities.
        pruning_meta: The pipeline's files ``pruning_meta.json``, for achieved sparsity.
        drop_torn_line: Leave out a file's last line if it was cut off by a kill.
        say: Told how it goes on.

    Raises:
        RecordsError: If records are not what they should be or do not fit BBQ; the first faults together.
        InputError: If a file or BBQ cannot be found or read.
        StoreError: If the store contradicts the records, is busy, or cannot be written.
    """
    imported = read_pia(
        files,
        bbq=bbq,
        perplexity=perplexity,
        pruning_meta=pruning_meta,
        drop_torn_line=drop_torn_line,
        say=say,
    )
    say(f"writing {imported.answers.height:,} answers into {into}")
    return write_import(imported, into)


def read_pia(
    files: Sequence[Path],
    *,
    bbq: Path | None = None,
    perplexity: Path | None = None,
    pruning_meta: Sequence[Path] = (),
    drop_torn_line: bool = False,
    say: Callable[[str], None] = lambda text: None,
) -> Imported:
    """Read and check what :func:`import_pia` writes; arguments and errors as there."""
    perplexities = read_perplexity(perplexity) if perplexity else {}
    zeros = read_pruning_meta(pruning_meta)
    # In an order of their own, so that the order in which files are named changes nothing.
    records = read_records(
        sorted(files, key=lambda path: (path.name, str(path))), drop_torn_line=drop_torn_line, say=say
    )
    official = load_bbq(bbq, sorted({item.category for item in records.items}))
    items = _items(records, official)
    variants = _variants(records.configurations)
    facts = _facts(records, perplexities, zeros)
    seeds = tuple(records.rows["seed"].unique().sort())
    keys = {(item.category, item.example_id): item.key for item in items}
    place = {config: number for number, config in enumerate(variants)}
    answers = records.rows.select(
        pl.col("config")
        .replace_strict(
            list(range(len(records.configurations))),
            [place[config] for config in records.configurations],
            return_dtype=pl.UInt32,
        )
        .alias("variant"),
        pl.Series([keys[item] for item in records.items], dtype=pl.UInt64).gather(records.rows["item"]).alias("item"),
        "seed",
        "text",
    )
    return Imported(
        source=SOURCE,
        study=STUDY,
        items=items,
        variants=tuple(
            ImportedVariant(
                config.model, config.label, None if config.dense else config.method, config.level, facts[config]
            )
            for config in variants
        ),
        answers=answers,
        seeds=seeds,
        files=tuple(asdict(file) for file in records.files),
        notes=(
            *_record_notes(records),
            *_missing_notes(records, variants, len(items) * len(seeds)),
            *items.notes,
            *_sparsity_notes(variants, zeros),
            *_left_out_notes(set(records.configurations), perplexities, zeros),
        ),
    )


def _variants(met: Sequence[Configuration]) -> list[Configuration]:
    """Models by name; of each the dense one first, also where there is no record of it, then methods and levels."""
    models = sorted({config.model for config in met})
    dense = [Configuration(model, DENSE, Fraction(0)) for model in models]
    return sorted({*met, *dense}, key=lambda config: (config.model, not config.dense, config.method, config.level))


# --- items ------------------------------------------------------------------------------------------------------------


def _items(records: Records, official: ItemSet) -> ItemSet:
    """The items that were asked, with the roles the records state, in BBQ's order.

    Raises:
        RecordsError: If BBQ has no such item, or another option is the unknown one there.
    """
    known = {(item.category, item.example_id): item for item in official}
    first = records.rows.group_by("item", maintain_order=True).first()
    faults = Faults(todo="check that the records and BBQ are of the same data set, with options in the same order")
    stated: dict[tuple[str, str], tuple[int, int, int]] = {}
    for row in first.iter_rows(named=True):
        name, options = records.items[row["item"]], options_of(row["roles"])
        item = known.get(name)
        if item is None:
            faults.add(f"{records.place(row)}: BBQ has no {name.category} item {name.example_id}")
        elif item.options[options[2]].role is not Role.UNKNOWN:
            faults.add(
                f"{records.place(row)}: unknown_index of {name.category} item {name.example_id} is {options[2]}, "
                f'where BBQ has "{item.options[options[2]].text}"'
            )
        stated[name] = options
    faults.settle()
    items = tuple(_with_roles(item, stated[name]) for name, item in known.items() if name in stated)
    about_files = official.notes[:1]  # whether they are the published ones; its other notes are about its own roles
    return ItemSet(NAME, items, official.sources, (*_role_notes(items, known), *about_files))


def _with_roles(item: Item, stated: tuple[int, int, int]) -> Item:
    role = dict(zip(stated, _ROLES, strict=True))
    a, b, c = (replace(option, role=role[place]) for place, option in enumerate(item.options))
    return replace(item, options=(a, b, c), role_source=ROLE_SOURCE)


def _role_notes(items: Sequence[Item], known: Mapping[tuple[str, str], Item]) -> Iterator[str]:
    """How the stated roles differ from BBQ's own."""
    counts: Counter[str] = Counter()
    for item in items:
        own = known[item.category, item.example_id]
        if not own.has_roles:
            counts["none"] += 1
        elif [option.role for option in own.options] != [option.role for option in item.options]:
            counts["other"] += 1
    yield (
        f"Roles are those the records state. Of {len(items):,} items, BBQ names another option as the stereotype for "
        f"{counts['other']:,} and none for {counts['none']:,}."
    )


# --- what is known besides the answers --------------------------------------------------------------------------------


def _facts(
    records: Records, perplexities: Mapping[Configuration, Perplexity], zeros: Mapping[Configuration, Zeros]
) -> dict[Configuration, dict[str, Plain]]:
    """Latency (seconds), perplexity and achieved sparsity of each configuration, ``None`` where not known."""
    latencies = {
        records.configurations[part["config"][0]]: _latency(part["elapsed"])
        for part in records.rows.select("config", "elapsed").drop_nulls().partition_by("config")
    }
    facts: dict[Configuration, dict[str, Plain]] = {}
    for config in _variants(records.configurations):
        ppl, counted = perplexities.get(config), zeros.get(config)
        facts[config] = {
            "latency": latencies.get(config),
            "perplexity": None if ppl is None else ppl._asdict(),
            "achieved": None if counted is None else counted._asdict(),
        }
    return facts


def _latency(elapsed: pl.Series) -> dict[str, Plain]:
    """Seconds per answer; sorted first, so that the order of the records does not show in the last bits."""
    seconds = np.sort(elapsed.to_numpy())
    return {
        "mean_s": math.fsum(seconds) / len(seconds),
        "median_s": float(np.median(seconds)),
        "p95_s": float(np.quantile(seconds, 0.95)),
        "n": len(seconds),
    }


def _record_notes(records: Records) -> Iterator[str]:
    n_files = len(records.files)
    yield (
        f"Imported from the published pipeline's records: {records.rows.height:,} in {n_files:,} "
        f"{'file' if n_files == 1 else 'files'}. Nothing here was pruned or asked by Secateur."
    )
    pruned = sorted({config.method for config in records.configurations if not config.dense})
    if forms := [method for method in pruned if method in _PUBLISHED_FORMS]:
        named = ", ".join(f"{method} is what {method}-pia is here" for method in forms)
        yield f"Methods are called as the records call them, and are the published code's forms: {named}."
    if records.misparsed:
        yield (
            f"In {records.misparsed:,} records the stated answer is not what the parser {SOURCE} reads in the text; "
            "the texts count."
        )
    if records.dropped:
        yield f"Last lines that were cut off and left out: {len(records.dropped):,} ({', '.join(records.dropped)})."


def _missing_notes(records: Records, variants: Sequence[Configuration], wanted: int) -> Iterator[str]:
    """What each configuration lacks of all items with all seeds that any record has."""
    counts = dict(records.rows["config"].value_counts().iter_rows())
    have = {records.configurations[number]: count for number, count in counts.items()}
    for config in variants:
        if lacks := wanted - have.get(config, 0):
            yield missing_note(config.model, config.label, lacks, wanted)


def _sparsity_notes(variants: Sequence[Configuration], zeros: Mapping[Configuration, Zeros]) -> Iterator[str]:
    unknown = sum(not config.dense and config not in zeros for config in variants)
    if unknown:
        yield f"Pruned variants of unknown achieved sparsity, drawn at the nominal level: {unknown:,}."


def _left_out_notes(
    met: set[Configuration], perplexities: Mapping[Configuration, Perplexity], zeros: Mapping[Configuration, Zeros]
) -> Iterator[str]:
    for what, given in (("Perplexities", perplexities), ("Counts of zeros", zeros)):
        others = sorted(f"{config.model}, {config.label}" for config in given.keys() - met)
        if others:
            yield f"{what} of configurations without records were left out: {len(others):,} ({'; '.join(others[:5])})."
