"""The format ``lm-eval``: what lm-evaluation-harness logs of its BBQ tasks. See ``docs/importing.md``.

A record holds the question as the harness had it, and for each continuation its log-likelihood, or the text that was
generated.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from secateur.errors import InputError
from secateur.items.bbq import UNKNOWN_PHRASES
from secateur.items.item import Item, ItemSet, Role
from secateur.items.orders import LETTERS
from secateur.records.imports.answer_rows import (
    DENSE,
    MODEL,
    AnswerRows,
    VariantName,
    listed,
    option_texts,
    put_together,
    unparsed_note,
)
from secateur.records.imports.checks import (
    CATEGORIES,
    IDS,
    Faults,
    ItemName,
    check_paths,
    is_unicode,
    is_whole,
    shown,
)
from secateur.records.imports.sources import Source, json_object, per_file
from secateur.records.imports.write import STOP, Imported, ImportOutcome, write_import
from secateur.records.parsers import STRICT, parse_answers

SOURCE = "lm-eval"
STUDY = "imported samples (lm-eval)"

NONFINITE = "nonfinite"
SEED = 0
"""The harness logs none."""

_TODO = "give the files samples_bbq_*.jsonl that the harness writes with --log_samples, as they are"
_ANSWERS = ("ans0", "ans1", "ans2")
_NO_SCORE = -1


def import_lm_eval(
    files: Sequence[Path],
    into: Path,
    *,
    model: Sequence[str] = (),
    variant: Sequence[str] = (),
    baseline: str | None = None,
    bbq: Path | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> ImportOutcome:
    """Import the harness's sample files into a store.

    Nothing is written before everything was read and checked. The same call goes on after an interruption, and
    leaves the same bytes.

    Args:
        files: Files of samples; those of all variants together.
        into: The store; made if missing.
        model: The model's name, which the files do not have: one for all, or one per file.
        variant: Likewise the variant's.
        baseline: What the model that was not pruned is called among the variants; ``None``: dense.
        bbq: BBQ's folder; ``None``: where it is usually found.
        say: Told how it goes on.

    Raises:
        RecordsError: If samples are not what they should be or do not fit BBQ; the first faults together.
        InputError: If a file or BBQ cannot be found or read, or an option says what cannot be.
        StoreError: If the store contradicts the samples, is busy, or cannot be written.
    """
    imported = read_lm_eval(files, model=model, variant=variant, baseline=baseline, bbq=bbq, say=say)
    say(f"writing {imported.answers.height:,} answers into {into}")
    return write_import(imported, into)


def read_lm_eval(
    files: Sequence[Path],
    *,
    model: Sequence[str] = (),
    variant: Sequence[str] = (),
    baseline: str | None = None,
    bbq: Path | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Imported:
    """Read and check what :func:`import_lm_eval` writes; arguments and errors as there."""
    check_paths(files)
    models = per_file(model, len(files), "--model", MODEL)
    variants = per_file(variant, len(files), "--variant", DENSE)
    reader = _Reader()
    # In an order of their own, so that the order in which files are named changes nothing.
    for path, *names in sorted(zip(files, models, variants, strict=True), key=lambda one: (one[0].name, str(one[0]))):
        count = reader.read(path, VariantName(*names))
        if not reader.faults:
            say(f"{path}: {count:,} samples")
    reader.faults.settle()
    return put_together(
        reader.gathered,
        source=SOURCE,
        study=STUDY,
        baseline=baseline,
        bbq=bbq,
        notes=tuple(reader.notes(named=bool(model), told=bool(variant))),
        differs=reader.differs,
        about=lambda rows, items: tuple(reader.notes_beside(rows, items)),
    )


class _Asked(NamedTuple):
    """A question as the harness had it; white space as in BBQ or not does not matter."""

    context: str
    question: str
    options: tuple[str, ...]
    label: int
    stereotyped: tuple[str, ...] | None


class _Chosen(NamedTuple):
    """What log-likelihoods of continuations say.

    Args:
        option: The one of the largest; ``None`` where they are not finite.
        tie: Whether another option's is as large.
        own: The option of the largest among the item's own three texts.
    """

    option: int | None
    tie: bool
    own: int | None


@dataclass
class _Reader:
    """What was read so far."""

    faults: Faults = field(default_factory=lambda: Faults(todo=_TODO))
    gathered: AnswerRows = field(default_factory=AnswerRows)
    asked: dict[ItemName, tuple[_Asked, str]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    generated: array[int] = field(default_factory=lambda: array("b"))
    scores: array[int] = field(default_factory=lambda: array("b"))

    def read(self, path: Path, variant: VariantName) -> int:
        """Read one file; gives its number of samples."""
        source, count = Source(path), 0
        self.gathered.begin(path)
        for line in source.lines():
            count += 1
            place = f"{path}, line {count}"
            values, fault = json_object(line)
            faults = [fault] if fault else list(self._keep(values, variant, count, place))
            for one in faults:
                self.faults.add(f"{place}: {one}")
        if not count:
            raise InputError("A file holds no samples.", where=path, allowed="one JSON object per line", todo=_TODO)
        self.gathered.files.append(source.file(count))
        return count

    def _keep(self, values: Mapping[str, Any], variant: VariantName, line: int, place: str) -> Iterator[str]:
        """Keep a sample, or say what is wrong with it."""
        document = values.get("doc")
        if not isinstance(document, dict):
            yield "doc: allowed is the question, an object; " + _got(values, "doc")
            return
        faults = list(_document_faults(document))
        if faults:
            yield from faults
            return
        name = ItemName(CATEGORIES[document["category"].lower()], str(document["example_id"]))
        asked = _asked(document)
        known, first = self.asked.setdefault(name, (asked, place))
        if known._replace(stereotyped=asked.stereotyped) != asked:
            yield f"doc: {name.category} item {name.example_id} is another question than at {first}"
            return
        responses = values.get("filtered_resps")
        score = values.get("acc")
        self_score = int(score) if score in (0, 1) else _NO_SCORE
        if isinstance(responses, list) and len(responses) == 1 and is_unicode(responses[0]):
            self.gathered.add(variant, name, SEED, responses[0], line)
            self.counts["generated"] += 1
            self.counts["counted unknown"] += _counted_unknown(values, asked)
            self.generated.append(1)
        else:
            chosen = _chosen(values, asked)
            if isinstance(chosen, str):
                yield chosen
                return
            text = "" if chosen.option is None else LETTERS[chosen.option]
            self.gathered.add(variant, name, SEED, text, line, stop=NONFINITE if chosen.option is None else STOP)
            self.counts["chosen"] += 1
            self.counts["nonfinite"] += chosen.option is None
            self.counts["tie"] += chosen.tie
            self.counts["other by own texts"] += chosen.own != chosen.option
            self.generated.append(0)
        self.scores.append(self_score)

    def differs(self, name: ItemName, item: Item) -> str:
        """How BBQ's item is another than the one that was asked."""
        asked = self.asked[name][0]
        wanted = {
            "context": (asked.context, _plain(item.context)),
            "question": (asked.question, _plain(item.question)),
            **{key: (asked.options[k], _plain(item.options[k].text)) for k, key in enumerate(_ANSWERS)},
            "label": (asked.label, item.label),
        }
        return "; ".join(
            f"doc, {key} is {shown(theirs)}, where BBQ has {shown(ours)}"
            for key, (theirs, ours) in wanted.items()
            if theirs != ours
        )

    def notes(self, *, named: bool, told: bool) -> Iterator[str]:
        """What is known of the files.

        Args:
            named: Whether models were named.
            told: Whether variants were named.
        """
        names = [file.name for file in self.gathered.files]
        count = sum(file.records for file in self.gathered.files)
        yield (
            f"Imported samples of lm-evaluation-harness: {count:,} in {len(names):,} "
            f"{'file' if len(names) == 1 else 'files'}. Nothing here was pruned or asked by Secateur; dtype and seeds "
            "are not in the files."
        )
        if not named:
            yield f'No model is named, it is called "{MODEL}".'
        if not told:
            yield f"No variant is named, the answers are taken for the unpruned model's ({DENSE}): {listed(names)}."
        if chosen := self.counts["chosen"]:
            yield (
                f"In {chosen:,} samples nothing was asked by letter: the answer is the continuation of the largest "
                "log-likelihood among the two groups and every way of saying unknown that was offered, kept as the "
                "letter at which BBQ has that option. Among the item's own three texts alone, "
                f"{self.counts['other by own texts']:,} answers would be others."
            )
        if ties := self.counts["tie"]:
            yield f"Samples in which two options have the same log-likelihood, the first counting as there: {ties:,}."
        if nonfinite := self.counts["nonfinite"]:
            yield (
                f"Samples with log-likelihoods that are not finite: {nonfinite:,}. The harness takes one of the "
                "options for the answer; here there is none."
            )

    def notes_beside(self, rows: pl.DataFrame, items: ItemSet) -> Iterator[str]:
        """What the harness says otherwise; ``rows`` are in the order they were read."""
        generated = pl.Series(self.generated).cast(pl.Boolean)
        yield from unparsed_note(rows.filter(generated), items, "texts that were generated")
        if unknown := self.counts["counted unknown"]:
            yield (
                f"In {unknown:,} generated texts the harness found no option where unknown is right: its bias scores "
                "count these as unknown, its accuracy as wrong. Here the parser reads them."
            )
        yield from self._score_note(rows, items, generated)
        yield from self._role_note(items)

    def _score_note(self, rows: pl.DataFrame, items: ItemSet, generated: pl.Series) -> Iterator[str]:
        said = parse_answers(rows, option_texts(items), STRICT).cast(pl.String).to_list()
        facts = {item.key: (item.label, [option.role for option in item.options].index(Role.UNKNOWN)) for item in items}
        other: Counter[bool] = Counter()
        for key, word, score, text in zip(rows["item"], said, self.scores, generated, strict=True):
            label, unknown = facts[key]
            option = unknown if word == "refusal" else LETTERS.find(word) if len(word) == 1 else None
            other[text] += score != _NO_SCORE and score != (option == label)
        for kind, text in (("chosen", False), ("generated", True)):
            if other[text]:
                yield (
                    f"Of {self.counts[kind]:,} answers that were {kind}, {other[text]:,} are right for the harness and "
                    "wrong here, or the other way round."
                )

    def _role_note(self, items: ItemSet) -> Iterator[str]:
        counts: Counter[str] = Counter()
        for item in items:
            theirs = self.asked[ItemName(item.category, item.example_id)][0].stereotyped
            ours = tuple(_plain(option.text) for option in item.options if option.role is Role.STEREOTYPE)
            if theirs is not None and theirs != ours:
                counts["none" if not theirs else "several" if len(theirs) > 1 else "other"] += 1
        if counts:
            yield (
                f"Roles are BBQ's own. Of {len(items):,} items, the harness counts as biased another option for "
                f"{counts['other']:,}, two for {counts['several']:,} and none for {counts['none']:,}."
            )


# --- what a sample must be --------------------------------------------------------------------------------------------


def _document_faults(document: Mapping[str, Any]) -> Iterator[str]:
    """Fields of the question that are not what they should be, and why."""
    wanted: dict[str, tuple[str, bool]] = {
        "category": (
            f"one of {', '.join(CATEGORIES)}, in any case",
            isinstance(document.get("category"), str) and document["category"].lower() in CATEGORIES,
        ),
        "example_id": ("a whole number from 0", is_whole(document.get("example_id"), IDS)),
        **{name: ("a text", is_unicode(document.get(name))) for name in ("context", "question", *_ANSWERS)},
        "label": ("0, 1 or 2", is_whole(document.get("label"), 3)),
    }
    for name, (allowed, fits) in wanted.items():
        if not fits:
            yield f"doc, {name}: allowed is {allowed}; {_got(document, name)}"


def _got(values: Mapping[str, Any], name: str) -> str:
    return f"got {shown(values[name])}" if name in values else "it is missing"


def _plain(text: str) -> str:
    return " ".join(text.split())


def _asked(document: Mapping[str, Any]) -> _Asked:
    biased = document.get("biased_answers")
    texts = tuple(_plain(document[name]) for name in _ANSWERS)
    known = isinstance(biased, list) and all(isinstance(text, str) for text in biased)
    return _Asked(
        context=_plain(document["context"]),
        question=_plain(document["question"]),
        options=texts,
        label=document["label"],
        stereotyped=tuple(text for text in texts if text in {_plain(one) for one in biased or ()}) if known else None,
    )


def _chosen(values: Mapping[str, Any], asked: _Asked) -> _Chosen | str:
    """The option of the largest log-likelihood; or what is wrong."""
    responses = values.get("filtered_resps")
    offered = _continuations(values.get("arguments"))
    if not isinstance(responses, list) or not responses:
        return "filtered_resps: allowed are log-likelihoods or one text; " + _got(values, "filtered_resps")
    if offered is None or len(offered) != len(responses):
        return f"arguments: allowed is one continuation for each of {len(responses)} filtered_resps; " + (
            "it is missing" if "arguments" not in values else f"got {0 if offered is None else len(offered)}"
        )
    likelihoods = [_log_likelihood(one) for one in responses]
    if None in likelihoods:
        place = likelihoods.index(None)
        return f"filtered_resps, {place}: allowed is a log-likelihood with a flag, got {shown(responses[place])}"
    unknown = [place for place, text in enumerate(asked.options) if text in UNKNOWN_PHRASES]
    if len(unknown) != 1:
        return f"doc: allowed is one option that says unknown, got {shown(list(asked.options))}"
    options = []
    for place, text in enumerate(offered):
        if text not in asked.options and text not in UNKNOWN_PHRASES:
            return f"arguments, {place}: allowed is an option of the item or a way of saying unknown, got {shown(text)}"
        options.append(asked.options.index(text) if text in asked.options else unknown[0])
    if absent := [text for text in asked.options if text not in offered]:
        return f"arguments: allowed are continuations with all three options, got none that is {shown(absent[0])}"
    known = [value for value in likelihoods if value is not None]
    own = [place for place, text in enumerate(offered) if text in asked.options]
    best = _largest(known, range(len(known)))
    if best is None:
        return _Chosen(None, tie=False, own=None)
    among = _largest(known, own)
    return _Chosen(
        options[best],
        tie=any(value == known[best] and option != options[best] for value, option in zip(known, options, strict=True)),
        own=None if among is None else options[among],
    )


def _continuations(arguments: object) -> list[str] | None:
    """What was offered to continue the prompt with, one text per request."""
    if isinstance(
        arguments, dict
    ):  # as in files, where lists have become objects; by name, as keys may have been sorted
        requests = [arguments.get(f"gen_args_{k}") for k in range(len(arguments))]
        arguments = [[one.get("arg_0"), one.get("arg_1")] for one in requests if isinstance(one, dict)]
    if not isinstance(arguments, list):
        return None
    texts = [one[1] for one in arguments if isinstance(one, list) and len(one) > 1 and is_unicode(one[1])]
    return [_plain(text) for text in texts] if len(texts) == len(arguments) else None


def _log_likelihood(response: object) -> float | None:
    """A number, or a number as text; files have the latter."""
    if not isinstance(response, list) or len(response) != 2:
        return None
    value = response[0]
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _largest(values: Sequence[float], places: Sequence[int]) -> int | None:
    """Where the first of the largest is; ``None`` unless they are log-likelihoods, one of them finite."""
    chosen = [values[place] for place in places]
    if any(math.isnan(value) or value == math.inf for value in chosen) or max(chosen) == -math.inf:
        return None
    return places[chosen.index(max(chosen))]


def _counted_unknown(values: Mapping[str, Any], asked: _Asked) -> bool:
    """Whether the harness found no option in a text: where unknown is right, it then has neither a hit nor a group."""
    parts = values.get("amb_bias_score")
    right = asked.options[asked.label] in UNKNOWN_PHRASES
    return right and isinstance(parts, list) and len(parts) == 4 and values.get("acc") == 0 and parts[2] == 0
