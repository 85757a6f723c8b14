"""Everything that can go wrong, as one tree.

::

    SecateurError
    |-- UserError                 exit 2, printed without a traceback
    |   |-- InputError            a file, folder or value from outside is not what it should be
    |   |-- ConfigError           a study file or an option; all faults at once
    |   |-- UnsupportedModelError an architecture, checkpoint or tokenizer we do not handle
    |   |-- OfflineError          the network is needed and was forbidden or is out of reach
    |   `-- StoreError            a store cannot be read or written
    |       |-- StoreBusyError        another process is writing
    |       |-- StoreMismatchError    what came contradicts what is stored
    |       |-- StoreDamagedError     a file of the store is not what its manifest says
    |       `-- StoreUnwritableError  disk full, read-only folder
    `-- VerificationError         exit 1: our own result is not what its label says
        `-- SparsityMismatchError     a mask's count is not the one asked for

Every message has one form: what happened, then up to four labelled lines (where, allowed, got, next).
"""

from __future__ import annotations

from typing import Any


class SecateurError(Exception):
    """An error with a fixed form.

    Args:
        what: One sentence, what happened.
        where: File and line, layer, cell or option.
        allowed: What would have been accepted.
        got: What came instead.
        todo: What the reader can do next.
    """

    exit_code = 1

    def __init__(
        self, what: str, *, where: object = "", allowed: object = "", got: object = "", todo: str = ""
    ) -> None:
        self.what = what
        parts = [what]
        for label, value in (("where", where), ("allowed", allowed), ("got", got), ("next", todo)):
            if str(value):
                parts.append(f"  {label + ':':<9}{value}")
        super().__init__("\n".join(parts))

    def __reduce__(self) -> tuple[Any, ...]:
        # Between processes an error is its message and fields, whatever its class is made from.
        return _rebuilt, (type(self), self.args, vars(self))


def _rebuilt(kind: type[SecateurError], args: tuple[Any, ...], fields: dict[str, Any]) -> SecateurError:
    error = kind.__new__(kind, *args)
    vars(error).update(fields)
    return error


class UserError(SecateurError):
    """Something the user can put right; printed without a traceback."""

    exit_code = 2


class InputError(UserError):
    """A file, folder or value from outside is not what it should be."""


class ConfigError(UserError):
    """A study file or an option is wrong; carries all faults found.

    Args:
        faults: One line per fault, each naming the place.
        where: The file or command.
        todo: What the reader can do next.
    """

    def __init__(self, faults: list[str], *, where: object = "", todo: str = "") -> None:
        self.faults = list(faults)
        super().__init__(_listed(faults, where), todo=todo)


class RecordsError(InputError):
    """Records of another program are not what they should be; carries all faults found, or the first of many.

    Args:
        faults: One line per fault, each naming file and line.
        where: What was read.
        more: Whether there may be further faults.
        todo: What the reader can do next.
    """

    def __init__(self, faults: list[str], *, where: object = "", more: bool = False, todo: str = "") -> None:
        self.faults = list(faults)
        listed = _listed(faults, where)
        super().__init__(f"{listed}\n  and perhaps more: reading ended here" if more else listed, todo=todo)


def _listed(faults: list[str], where: object) -> str:
    """How many faults, and each on a line of its own."""
    count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
    what = f"{count} in {where}:" if where else f"{count}:"
    return "\n".join([what, *(f"  - {fault}" for fault in faults)])


class UnsupportedModelError(UserError):
    """An architecture, checkpoint or tokenizer we do not handle."""


class OfflineError(UserError):
    """The network is needed and was forbidden or is out of reach."""


class StoreError(UserError):
    """A store cannot be read or written."""


class StoreBusyError(StoreError):
    """Another process is writing."""


class StoreMismatchError(StoreError):
    """What came contradicts what is stored."""


class StoreDamagedError(StoreError):
    """A file of the store is not what its manifest says."""


class StoreUnwritableError(StoreError):
    """The disk is full or the folder read-only."""


class VerificationError(SecateurError):
    """Our own result is not what its label says."""


class SparsityMismatchError(VerificationError):
    """A mask's count is not the one asked for."""
