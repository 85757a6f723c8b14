"""The right to write, held by one process at a time and never outliving it."""

from __future__ import annotations

import errno
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from secateur.errors import StoreBusyError, StoreError
from secateur.files import make_folder, remove_quietly, unwritable

LOCK_FILE = "lock"
HOLDER_FILE = "lock.json"
"""Says who holds the lock, for messages only: a killed holder leaves it behind."""


_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP)
"""How file systems say that they have no locks."""


@contextmanager
def lease(folder: Path, *, what: str, wait: float = 0.0) -> Iterator[None]:
    """Hold the lock of ``folder``; released on leaving, and by the operating system if the process dies.

    A child made by ``fork`` does not hold it. Two leases on one folder exclude each other in one process too.

    Args:
        folder: Made if missing.
        what: What is being written, for the message.
        wait: Seconds to wait for another holder.

    Raises:
        StoreBusyError: If somebody else holds it; names the holder.
        StoreUnwritableError: If the folder cannot be written.
    """
    # A soft lock would outlive a killed writer, so a file system without locks is refused instead.
    lock = FileLock(
        folder / LOCK_FILE,
        thread_local=False,
        fallback_to_soft=False,
        preserve_lock_file=True,
        poll_interval=0.01,
    )
    try:
        make_folder(folder)
        lock.acquire(timeout=wait, blocking=wait > 0)
    except Timeout:
        raise _busy(folder, what) from None
    except OSError as error:
        if error.errno in _NO_LOCKS:
            raise _no_locks(folder, str(error)) from None
        raise unwritable(error, folder) from error
    try:
        _say_who(folder)
        yield
    finally:
        # While the lock is held, so that the next holder's note is not the one removed.
        remove_quietly(folder / HOLDER_FILE)
        lock.release()


def _say_who(folder: Path) -> None:
    holder = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    note = folder / HOLDER_FILE
    try:
        note.write_text(json.dumps(holder) + "\n", encoding="utf-8")
    except OSError:  # a full disk must not decide who holds the lock; no note is better than an old one
        remove_quietly(note)


def _busy(folder: Path, what: str) -> StoreBusyError:
    try:
        holder = json.loads((folder / HOLDER_FILE).read_text(encoding="utf-8"))
        host, pid, since = str(holder["host"]), int(holder["pid"]), str(holder["since"])
    except (OSError, ValueError, KeyError, TypeError):
        return StoreBusyError(f"Somebody else is writing {what}.", where=folder, got="holder unknown", todo=_WAIT)
    if (host, pid) == (socket.gethostname(), os.getpid()):
        return StoreBusyError(
            f"This process is already writing {what}.",
            where=folder,
            got=f"since {since}",
            todo="close it first",
        )
    return StoreBusyError(
        f"Another process is writing {what}.",
        where=folder,
        got=f"process {pid} on {host}, since {since}",
        todo=_WAIT,
    )


_WAIT = "wait until it ends or stop it; a killed process holds nothing"


def _no_locks(folder: Path, got: str) -> StoreError:
    return StoreError(
        "This file system has no file locks, so two writers could meet.",
        where=folder,
        got=got,
        todo="put the store on a local disk, or on a network file system with locks",
    )
