"""Writing files so that a reader never sees half of one: temp, fsync, rename, fsync of the folder."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from secateur.errors import InputError, StoreUnwritableError
from secateur.identity import Plain

TEMP_SUFFIX = ".tmp"
"""Ending of a file that is being written; such a file does not exist for a reader."""


def expanded(path: Path) -> Path:
    """The path with a leading ``~`` replaced.

    Raises:
        InputError: If there is no such user.
    """
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise InputError("A folder's name cannot be read.", got=path, todo=str(error)) from None


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``; on success it becomes ``path`` in one step.

    Whoever is killed inside leaves at most a file ending in ``.tmp``. Two processes must not write the same
    path at once.

    Raises:
        StoreUnwritableError: If the disk is full or the folder cannot be written; ``path`` is untouched.
    """
    temp = path.with_name(path.name + TEMP_SUFFIX)
    try:
        make_folder(path.parent)
        yield temp
        with temp.open("rb+") as handle:
            os.fsync(handle.fileno())
        temp.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        remove_quietly(temp)
        raise unwritable(error, path) from error
    except BaseException:
        remove_quietly(temp)
        raise


def write_bytes(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path``, whole or not at all."""
    with whole_file(path) as temp:
        temp.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8 to ``path``, whole or not at all."""
    with whole_file(path) as temp:
        temp.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: Plain) -> None:
    """Write ``value`` to ``path``, whole or not at all; equal values give equal bytes.

    Raises:
        ValueError: For NaN or infinity, which JSON cannot say.
    """
    write_text(path, json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_text(path: Path) -> str:
    """Read a UTF-8 text file.

    Raises:
        InputError: If it is missing, unreadable or not UTF-8; the message names the file.
    """
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError("A file is not UTF-8 text.", where=path, got=f"byte {error.start}: {error.reason}") from None
    except OSError as error:
        raise InputError("A file cannot be read.", where=path, got=error.strerror or str(error)) from None


def make_folder(folder: Path) -> None:
    """Make ``folder`` and its parents, so that they outlast a power cut.

    Raises:
        OSError: If it cannot be made; see `unwritable`.
    """
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for new in reversed(missing):
        new.mkdir(exist_ok=True)
        sync_folder(new.parent)


def share_as_usual(path: Path) -> None:
    """Give a file the permissions that a new one gets here; some libraries make theirs readable by the owner alone."""
    umask = os.umask(0)
    os.umask(umask)
    path.chmod(0o666 & ~umask)


def remove_quietly(path: Path) -> None:
    """Remove a file if that is possible; a failure to clean up must not hide the error that led here."""
    with suppress(OSError):
        path.unlink(missing_ok=True)


def unwritable(error: OSError, path: Path) -> StoreUnwritableError:
    """The error to raise when writing ``path`` ended in ``error``."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        what, todo = (
            "The disk is full.",
            "free space and run the same command again; what was written before is kept",
        )
    elif error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        what = "The folder cannot be written."
        todo = "give write permission or choose another folder"
    elif error.errno in (errno.ENOTDIR, errno.EEXIST):
        what, todo = (
            "There is a file where a folder is needed.",
            "move the file away or choose another folder",
        )
    else:
        what = "A file cannot be written."
        todo = "put the cause right and run the same command again"
    return StoreUnwritableError(what, where=path, got=error.strerror or str(error), todo=todo)


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` outlast a power cut.

    Raises:
        OSError: If it cannot be synced; see `unwritable`.
    """
    if os.name == "nt":  # Windows cannot open a folder for syncing
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        # Some network file systems cannot sync a folder and say so with EINVAL; no more can be done.
        if error.errno != errno.EINVAL:
            raise
    finally:
        os.close(handle)
