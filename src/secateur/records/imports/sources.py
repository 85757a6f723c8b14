"""A file of records read a line at a time, and hashed on the way."""

from __future__ import annotations

import codecs
import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from secateur.errors import InputError
from secateur.records.imports.checks import SourceFile, shown


class Source:
    """A text file in UTF-8; a byte order mark at its beginning is left out.

    Args:
        path: The file.

    Attributes:
        number: Of the line read last, from 1.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.number = 0
        self._hashed = hashlib.sha256()
        self._size = 0

    def lines(self) -> Iterator[str]:
        """Each line, with its end. Only a line feed ends one.

        Raises:
            InputError: If the file cannot be read or is not UTF-8.
        """
        try:
            with self.path.open("rb") as handle:
                for raw in handle:
                    self.number += 1
                    self._hashed.update(raw)
                    self._size += len(raw)
                    yield (raw.removeprefix(codecs.BOM_UTF8) if self.number == 1 else raw).decode()
        except UnicodeDecodeError as error:
            raise InputError(
                "A file is not UTF-8 text.",
                where=f"{self.path}, line {self.number}",
                got=error.reason,
                todo="save it as UTF-8",
            ) from None
        except OSError as error:
            raise InputError("A file cannot be read.", where=self.path, got=error.strerror or str(error)) from None

    def file(self, records: int) -> SourceFile:
        """What is kept of it once all lines were read."""
        return SourceFile(self.path.name, self._size, self._hashed.hexdigest(), records)


def json_object(line: str) -> tuple[dict[str, Any], str]:
    """The object on a line, and what is wrong with it; one of the two is empty."""
    if not line.strip():
        return {}, "the line is blank"
    try:
        values = json.loads(line.removesuffix("\n"))
    except (ValueError, RecursionError) as error:
        got = f"{error.msg} at column {error.colno}" if isinstance(error, json.JSONDecodeError) else str(error)
        return {}, f"the line is not JSON: {got}"
    if not isinstance(values, dict) or not values:
        return {}, f"the line is not a JSON object with fields, got {shown(values)}"
    return values, ""


def per_file(names: Sequence[str], n_files: int, option: str, default: str) -> list[str]:
    """What an option says of each file: it is given once for all of them, or once for each in their order.

    Raises:
        InputError: If it was given another number of times, or as a name that cannot be one.
    """
    for name in names:
        if not is_name(name):
            raise InputError("A name cannot be used.", where=option, allowed=NAME, got=shown(name))
    if len(names) not in (0, 1, n_files):
        raise InputError(
            "An option was given for some of the files.",
            where=option,
            allowed=f"once for all files, or {n_files} times, once for each file in their order",
            got=f"{len(names)} times",
        )
    return list(names) if len(names) > 1 else [*(names or [default])] * n_files


NAME = "a text without line ends or control characters, not empty, without space around it"
"""What a model or a variant may be called."""


def is_name(value: object) -> bool:
    """Whether a model or a variant may be called so."""
    return isinstance(value, str) and value != "" and value == value.strip() and value.isprintable()
