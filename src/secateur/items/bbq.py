"""BBQ, the Bias Benchmark for QA (Parrish et al. 2022): from a folder of its files to items with roles.

What the files hold, where roles and clusters come from, and how rules and metadata agree: ``docs/bbq.md``.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TypeVar

from secateur.errors import InputError
from secateur.identity import bytes_digest, git_blob_id
from secateur.items.bbq_roles import RULES, UNKNOWN_GROUP, Entry, Finding, roles, stereotype_options
from secateur.items.bbq_source import METADATA, PUBLISHED, find_bbq
from secateur.items.clusters import question_clusters
from secateur.items.item import Condition, Item, ItemSet, Option, Polarity

_T = TypeVar("_T")

NAME = "bbq"

FROM_METADATA = "metadata"
"""An item's role source where the metadata names its stereotype option, or says that there is none."""

UNKNOWN_PHRASES = (
    "Unknown",
    "Cannot answer",
    "Can't be determined",
    "Cannot be determined",
    "Can't answer",
    "Not known",
    "Not enough info",
    "Not enough information",
    "Not answerable",
    "Undetermined",
)
"""The ways in which the unknown option is put."""

_OPTIONS = ("ans0", "ans1", "ans2")
_POLARITIES = {polarity.value: polarity for polarity in Polarity}
_CONDITIONS = {condition.value: condition for condition in Condition}
_NOT_ASSIGNED = "NA"


class RoleAgreement(NamedTuple):
    """How a category's rule and the metadata agree on the option that agrees with the stereotype, in items.

    Args:
        category: The category.
        n_items: All items; the sum of the counts that follow.
        equal: Both name the same option.
        different: Both name an option, not the same.
        metadata_unassigned: Only the metadata names none.
        rule_unassigned: Only the rule names none.
        both_unassigned: Neither names one.
        no_row: The metadata has no row for the item.
        reasons: Why the rule names none -> items.
    """

    category: str
    n_items: int
    equal: int
    different: int
    metadata_unassigned: int
    rule_unassigned: int
    both_unassigned: int
    no_row: int
    reasons: dict[str, int]


class Labels(NamedTuple):
    """What BBQ's files say of an item beyond what is asked and its roles.

    Args:
        category: The category.
        example_id: Unique within the category.
        answers: The three options' texts, to tell whether an item is this one.
        named: The three options' names (first field of ``answer_info``), for example "grandfather".
        stereotyped: The groups that the template's stereotype is about.
    """

    category: str
    example_id: str
    answers: tuple[str, ...]
    named: tuple[str, ...]
    stereotyped: tuple[str, ...]


def load_bbq(folder: Path | None = None, categories: Sequence[str] | None = None) -> ItemSet:
    """Load BBQ.

    Args:
        folder: Laid out like the official repository; ``None`` for where :func:`find_bbq` looks.
        categories: Which; ``None`` for all that have a file.

    Returns:
        The items, in the order of the table of categories and of the lines in their files.

    Raises:
        InputError: If the folder is not BBQ's, a category is missing, or a line is not what it should be.
    """
    root = find_bbq(folder)
    wanted, absent = _wanted(root, categories)
    source = _Source(root)
    metadata = _read_metadata(source, wanted)
    items: list[Item] = []
    role_notes: list[str] = []
    for category in wanted:
        lines = _read_lines(source, category)
        targets = None if metadata is None else metadata[category]
        added = list(_items(category, lines, targets, metadata_path=root / METADATA))
        items += added
        role_notes += _role_notes(category, added, targets)
    notes = [source.published_note()]
    if absent:
        notes.append(f"Categories without a file in the folder are left out: {', '.join(absent)}.")
    if metadata is None:
        notes.append(f"The folder has no {METADATA}: roles come from the rules in docs/bbq.md.")
    return ItemSet(NAME, tuple(items), source.sha256, (*notes, *role_notes))


def bbq_labels(folder: Path | None = None, categories: Iterable[str] | None = None) -> list[Labels]:
    """The labels of every item of the categories that have a file.

    Args:
        folder: As for :func:`load_bbq`.
        categories: Which; ``None`` for all. One without a file has no labels.

    Raises:
        InputError: As :func:`load_bbq`.
    """
    root = find_bbq(folder)
    present, _ = _wanted(root, None)
    wanted = set(present if categories is None else categories)
    source = _Source(root)
    return [
        Labels(category, line.example_id, line.answers, line.entry.named, line.entry.stereotyped)
        for category in present
        if category in wanted
        for line in _read_lines(source, category)
    ]


def role_agreement(folder: Path | None = None) -> list[RoleAgreement]:
    """Compare rules and metadata, one row per category that has a file.

    Raises:
        InputError: As :func:`load_bbq`, and if there is no metadata.
    """
    root = find_bbq(folder)
    wanted, _ = _wanted(root, None)
    source = _Source(root)
    metadata = _read_metadata(source, wanted)
    if metadata is None:
        raise InputError(
            "There is no metadata to compare the rules with.",
            where=root,
            allowed=METADATA,
            todo="add the file from the official repository",
        )
    return [_agreement(category, _read_lines(source, category), metadata[category]) for category in wanted]


# --- roles ----------------------------------------------------------------------------------------


def _items(
    category: str, lines: Sequence[_Line], targets: Mapping[str, _Target] | None, *, metadata_path: Path
) -> Iterator[Item]:
    clusters = question_clusters((line.entry.question_index, line.question) for line in lines)
    findings = stereotype_options(RULES[category], [line.entry for line in lines])
    for line, finding in zip(lines, findings, strict=True):
        stereotype, role_source = finding.option, RULES[category].name
        if targets and (target := targets.get(line.example_id)):
            _check_target(target, line, category, metadata_path)
            stereotype, role_source = target.option, FROM_METADATA
        assigned = roles(line.entry.pair, stereotype)
        options = [Option(*facts) for facts in zip(line.answers, line.entry.groups, assigned, strict=True)]
        yield Item(
            benchmark=NAME,
            category=category,
            example_id=line.example_id,
            question_index=line.entry.question_index,
            polarity=line.entry.polarity,
            condition=line.condition,
            context=line.context,
            question=line.question,
            options=(options[0], options[1], options[2]),
            label=line.label,
            cluster=f"{category}/{clusters[line.entry.question_index]}",
            role_source=role_source,
        )


def _check_target(target: _Target, line: _Line, category: str, path: Path) -> None:
    if target.option is not None and target.option not in line.entry.pair:
        raise InputError(
            "The metadata names the unknown option as the one that agrees with the stereotype.",
            where=f"{path}, line {target.row} ({category}, example_id {line.example_id})",
            allowed=f"{' or '.join(map(str, line.entry.pair))}, or {_NOT_ASSIGNED}",
            got=target.option,
            todo="check that the metadata belongs to these data files: copies order the options differently",
        )


def _role_notes(category: str, items: Sequence[Item], targets: Mapping[str, _Target] | None) -> Iterator[str]:
    total = f"{len(items):,} items"
    without = Counter(item.condition for item in items if not item.has_roles)
    if without:
        conditions = ", ".join(f"{without[condition]:,} {condition}" for condition in Condition)
        yield (
            f"{category}: {without.total():,} of {total} ({conditions}) have no single option that agrees "
            "with the stereotype; they are asked but left out of role metrics."
        )
    if targets is None:
        return
    if by_rule := sum(item.role_source != FROM_METADATA for item in items):
        yield (
            f"{category}: {by_rule:,} of {total} have no row in {METADATA}; their roles come from the rule "
            f"{RULES[category].name}."
        )
    if unused := len(targets.keys() - {item.example_id for item in items}):
        yield f"{category}: rows of {METADATA} that belong to no item: {unused:,}."


def _agreement(category: str, lines: Sequence[_Line], targets: Mapping[str, _Target]) -> RoleAgreement:
    findings = stereotype_options(RULES[category], [line.entry for line in lines])
    counts = Counter(
        _comparison(finding, targets.get(line.example_id)) for line, finding in zip(lines, findings, strict=True)
    )
    return RoleAgreement(
        category=category,
        n_items=len(lines),
        equal=counts["equal"],
        different=counts["different"],
        metadata_unassigned=counts["metadata_unassigned"],
        rule_unassigned=counts["rule_unassigned"],
        both_unassigned=counts["both_unassigned"],
        no_row=counts["no_row"],
        reasons=dict(Counter(finding.reason for finding in findings if finding.option is None)),
    )


def _comparison(finding: Finding, target: _Target | None) -> str:
    if target is None:
        return "no_row"
    if target.option is None:
        return "both_unassigned" if finding.option is None else "metadata_unassigned"
    if finding.option is None:
        return "rule_unassigned"
    return "equal" if finding.option == target.option else "different"


# --- files ----------------------------------------------------------------------------------------


@dataclass
class _Source:
    """A folder, and the hashes of what was read from it."""

    root: Path
    sha256: dict[str, str] = field(default_factory=dict)
    differing: list[str] = field(default_factory=list)

    def read(self, name: str) -> str:
        """Text of a file, without a byte order mark; raises if it is not UTF-8."""
        path = self.root / name
        try:
            data = path.read_bytes()
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise InputError(
                "A file is not UTF-8 text.",
                where=f"{path}, line {data[: error.start].count(10) + 1}",
                got=error.reason,
            ) from None
        except OSError as error:
            raise InputError("A file cannot be read.", where=path, got=error.strerror or str(error)) from None
        self.sha256[name] = bytes_digest(data)
        if git_blob_id(data) != PUBLISHED.blobs.get(name):
            self.differing.append(name)
        return text

    def published_note(self) -> str:
        """Whether the files that were read are the published ones."""
        release = f"those of nyu-mll/BBQ at commit {PUBLISHED.commit[:7]}"
        if not self.differing:
            return f"The files are {release}."
        return f"These files are not {release}: {', '.join(self.differing)}."


def _wanted(root: Path, categories: Sequence[str] | None) -> tuple[list[str], list[str]]:
    """The categories to load, and those that are left out because the folder lacks them."""
    present = [category for category in RULES if (root / _data_file(category)).is_file()]
    if not present:
        raise InputError(
            "The folder holds no BBQ files.",
            where=root,
            allowed=f"a folder laid out like the repository nyu-mll/BBQ: {_data_file('Age')} and so on",
            todo="give the folder that contains data/, not data/ itself" if root.name == "data" else "",
        )
    if categories is None:
        return present, [category for category in RULES if category not in present]
    if unknown := [category for category in categories if category not in RULES]:
        raise InputError("BBQ has no such category.", allowed=", ".join(RULES), got=", ".join(unknown))
    if not categories:
        raise InputError("No category was asked for.", allowed=", ".join(present))
    if missing := [category for category in categories if category not in present]:
        raise InputError(
            "A category's file is missing.",
            where=root,
            allowed=f"here: {', '.join(present)}",
            got=", ".join(_data_file(category) for category in missing),
            todo="add the file or leave the category out",
        )
    return [category for category in RULES if category in categories], []


def _data_file(category: str) -> str:
    return f"data/{category}.jsonl"


# --- data/<Category>.jsonl ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Line:
    """One line of a data file, checked."""

    example_id: str
    condition: Condition
    context: str
    question: str
    answers: tuple[str, ...]
    label: int
    entry: Entry


@dataclass(frozen=True, slots=True)
class _Fields:
    """A JSON object from a file, with its place for messages."""

    path: Path
    number: int
    values: Mapping[str, object]
    inside: str = ""

    def fault(self, what: str, key: str = "", *, allowed: object = "", got: object = "") -> InputError:
        """The error for a field that is not what it should be."""
        place = f"{self.path}, line {self.number}"
        return InputError(what, where=f"{place}, {self.inside}{key}" if key else place, allowed=allowed, got=got)

    def value(self, key: str) -> object:
        """A field that must be there."""
        if key not in self.values:
            raise self.fault("A field is missing.", key, got=", ".join(self.values) or "no fields")
        return self.values[key]

    def text(self, key: str) -> str:
        """A text that is not empty."""
        text = self.value(key)
        if not isinstance(text, str) or not text.strip():
            raise self.fault("A field is not a text.", key, allowed="a text, not empty", got=json.dumps(text))
        return text

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts, which may be empty."""
        texts = self.value(key)
        if not isinstance(texts, list) or any(not isinstance(text, str) for text in texts):
            raise self.fault("A field is not a list of texts.", key, allowed='["...", ...]', got=json.dumps(texts))
        return tuple(texts)

    def integer(self, key: str, *, allowed: range | None = None) -> int:
        """A whole number, in a range if there is one."""
        number = self.value(key)
        if type(number) is not int or (allowed is not None and number not in allowed):
            numbers = "a whole number" if allowed is None else ", ".join(map(str, allowed))
            raise self.fault("A field is not one of the allowed numbers.", key, allowed=numbers, got=json.dumps(number))
        return number

    def choice(self, key: str, allowed: Mapping[str, _T]) -> _T:
        """What one of the allowed texts stands for."""
        text = self.value(key)
        if not isinstance(text, str) or text not in allowed:
            raise self.fault("A field has an unknown value.", key, allowed=", ".join(allowed), got=json.dumps(text))
        return allowed[text]

    def child(self, key: str) -> _Fields:
        """An object inside the object."""
        values = self.value(key)
        if not isinstance(values, dict):
            raise self.fault("A field is not an object.", key, allowed="{...}", got=json.dumps(values))
        return _Fields(self.path, self.number, values, f"{self.inside}{key}.")


def _read_lines(source: _Source, category: str) -> list[_Line]:
    name = _data_file(category)
    path = source.root / name
    # Only "\n" ends a line: str.splitlines would also cut at characters that may stand inside a JSON text.
    raws = source.read(name).split("\n")
    if not raws[-1]:
        raws.pop()
    lines: list[_Line] = []
    first_with: dict[str, int] = {}
    for number, raw in enumerate(raws, start=1):
        fields = _object(path, number, raw)
        line = _parse(fields, category)
        if (first := first_with.setdefault(line.example_id, number)) != number:
            raise fields.fault(
                "Two lines have the same example_id.",
                "example_id",
                got=f"{line.example_id}, also on line {first}",
            )
        lines.append(line)
    if not lines:
        raise InputError("A file holds no items.", where=path, allowed="one JSON object per line")
    return lines


def _object(path: Path, number: int, raw: str) -> _Fields:
    fields = _Fields(path, number, {})
    if not raw.strip():
        raise fields.fault("A line is blank.", allowed="one JSON object per line, without gaps")
    try:
        values = json.loads(raw)
    except (ValueError, RecursionError) as error:
        got = f"{error.msg} at column {error.colno}" if isinstance(error, json.JSONDecodeError) else error
        raise fields.fault("A line is not JSON.", allowed="one JSON object per line", got=got) from None
    if not isinstance(values, dict):
        raise fields.fault("A line is not a JSON object.", allowed="{...}", got=type(values).__name__)
    if "\\u" in raw:  # an escape, and JSON can escape half of a character
        try:
            json.dumps(values, ensure_ascii=False).encode("utf-8")
        except UnicodeEncodeError as error:
            raise fields.fault("A line is not valid Unicode.", got=error.reason) from None
    return _Fields(path, number, values)


def _parse(fields: _Fields, category: str) -> _Line:
    fields.choice("category", {category: category})
    condition = fields.choice("context_condition", _CONDITIONS)
    entry = _entry(fields)
    label = fields.integer("label", allowed=range(len(_OPTIONS)))
    right = entry.pair if condition is Condition.DISAMBIG else (entry.groups.index(UNKNOWN_GROUP),)
    if label not in right:
        raise fields.fault(
            "The right answer does not fit the context's condition.",
            "label",
            allowed=f"{' or '.join(map(str, right))} ({condition})",
            got=label,
        )
    return _Line(
        example_id=str(fields.integer("example_id")),
        condition=condition,
        context=fields.text("context"),
        question=fields.text("question"),
        answers=tuple(fields.text(key) for key in _OPTIONS),
        label=label,
        entry=entry,
    )


def _entry(fields: _Fields) -> Entry:
    index = fields.value("question_index")
    info = fields.child("answer_info")
    options = [info.texts(key) for key in _OPTIONS]
    for key, option in zip(_OPTIONS, options, strict=True):
        if len(option) != 2:
            raise info.fault("An option is not described by two texts.", key, allowed="[name, group]", got=list(option))
    groups = tuple(group for _, group in options)
    if (n_unknown := groups.count(UNKNOWN_GROUP)) != 1:
        raise fields.fault(
            "Not exactly one option is the unknown one.",
            "answer_info",
            allowed=f'one option of the group "{UNKNOWN_GROUP}"',
            got=f"{n_unknown} of the groups {', '.join(json.dumps(group) for group in groups)}",
        )
    return Entry(
        question_index=str(index) if type(index) is int else fields.text("question_index"),
        polarity=fields.choice("question_polarity", _POLARITIES),
        named=tuple(named for named, _ in options),
        groups=groups,
        stereotyped=fields.child("additional_metadata").texts("stereotyped_groups"),
    )


# --- supplemental/additional_metadata.csv ---------------------------------------------------------


class _Target(NamedTuple):
    """The option that agrees with the stereotype (``None``: no single one), and the row that says so."""

    option: int | None
    row: int


_TARGETS: dict[str, int | None] = {"0": 0, "1": 1, "2": 2, _NOT_ASSIGNED: None}
_COLUMNS = ("category", "example_id", "target_loc")


def _read_metadata(source: _Source, categories: Iterable[str]) -> dict[str, dict[str, _Target]] | None:
    """The targets by category and example_id; ``None`` if there is no metadata.

    ``target_loc`` is taken as it is: it is already turned round for non-negative questions.
    """
    path = source.root / METADATA
    if not path.is_file():
        return None
    targets: dict[str, dict[str, _Target]] = {category: {} for category in categories}
    for row, (category, example_id, target_loc) in _metadata_rows(path, source.read(METADATA)):
        of_category = targets.get(category)
        if of_category is None:
            continue
        if target_loc not in _TARGETS:
            raise InputError(
                "The metadata has an unknown target_loc.",
                where=f"{path}, line {row} ({category}, example_id {example_id})",
                allowed=", ".join(_TARGETS),
                got=json.dumps(target_loc),
            )
        target = of_category.setdefault(example_id, _Target(_TARGETS[target_loc], row))
        if target.option != _TARGETS[target_loc]:
            raise InputError(
                "Two rows of the metadata contradict each other.",
                where=f"{path}, lines {target.row} and {row} ({category}, example_id {example_id})",
                allowed="one target_loc for an item",
                todo="remove the wrong row",
            )
    return targets


def _metadata_rows(path: Path, text: str) -> Iterator[tuple[int, tuple[str, str, str]]]:
    """Line and the three columns of each row; the line is its last, as a quoted text may have several."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(reader, [])
        if missing := [column for column in _COLUMNS if column not in header]:
            raise InputError(
                "The metadata lacks a column.",
                where=path,
                allowed=", ".join(_COLUMNS),
                got=f"{', '.join(header) or 'no header'} (without {', '.join(missing)})",
            )
        category, example_id, target_loc = (header.index(column) for column in _COLUMNS)
        for row in reader:
            if len(row) != len(header):
                raise InputError(
                    "A row of the metadata has another number of fields than the header.",
                    where=f"{path}, line {reader.line_num}",
                    allowed=len(header),
                    got=len(row),
                )
            yield reader.line_num, (row[category], row[example_id], row[target_loc])
    except csv.Error as error:
        raise InputError("The metadata is not CSV.", where=f"{path}, line {reader.line_num}", got=error) from None
