"""Where BBQ's files are: found in a folder, or downloaded at one commit and checked against git's ids."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from secateur.errors import InputError, OfflineError
from secateur.files import expanded, write_bytes
from secateur.identity import git_blob_id

METADATA = "supplemental/additional_metadata.csv"
"""The file that says which option each item's stereotype is about."""

GET_COMMAND = "secateur data get bbq"

_TIMEOUT_SECONDS = 60


class FileState(StrEnum):
    """What a file in a folder is, beside the published one."""

    VERIFIED = "verified"
    MISSING = "missing"
    DIFFERENT = "different"


@dataclass(frozen=True)
class Release:
    """A published set of files.

    Args:
        url: Address that a commit and a file's path are appended to.
        commit: The commit.
        blobs: Path -> git's id of the file's content.
    """

    url: str
    commit: str
    blobs: Mapping[str, str]

    def address(self, path: str) -> str:
        """Where a file is downloaded from."""
        return f"{self.url}/{self.commit}/{path}"

    def folder(self, cache: Path) -> Path:
        """Where the files are in a cache folder."""
        return cache / "bbq" / self.commit


PUBLISHED = Release(
    url="https://raw.githubusercontent.com/nyu-mll/BBQ",
    commit="bea11bd97d79217245b5871acd247b9d6eb24598",
    blobs={
        "data/Age.jsonl": "5c5e7586163b869fe029e77e63716f2026e4ae08",
        "data/Disability_status.jsonl": "9aedeccaf599299cdfa523531d625ae85ecb9131",
        "data/Gender_identity.jsonl": "dc79ceaaa9e7126edc99a200d632899c50274b16",
        "data/Nationality.jsonl": "cba9b63d34536cb51a6cbae76b189df3d2a945c0",
        "data/Physical_appearance.jsonl": "8cbdf83265459083224e3a2d37809294ff12ad77",
        "data/Race_ethnicity.jsonl": "68daf3d692b27a10596772b3b15742b26f0b110e",
        "data/Race_x_SES.jsonl": "905cd8a5b8734e2063fe524e69a38f0a71c75907",
        "data/Race_x_gender.jsonl": "dd09a905b284690445d36259d675243950fa0bd7",
        "data/Religion.jsonl": "44c1940ee22f00891ab4a5526a293691957aeacb",
        "data/SES.jsonl": "78d11ffbdb70f501617345e5c697d00045d57c29",
        "data/Sexual_orientation.jsonl": "a06351f4dd67ba30632396eeb0c3677c67b7d387",
        METADATA: "564eb184be7427cefe9f1ffd8fd03cb700e6aa98",
    },
)
"""BBQ as it is used here."""


def cache_folder() -> Path:
    """The user's cache: ``$SECATEUR_CACHE``, else ``secateur`` in the system's place for caches."""
    if own := os.environ.get("SECATEUR_CACHE"):
        return Path(own)
    if xdg := os.environ.get("XDG_CACHE_HOME"):
        return Path(xdg) / "secateur"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "secateur"
    if sys.platform == "win32" and (local := os.environ.get("LOCALAPPDATA")):
        return Path(local) / "secateur"
    return Path.home() / ".cache" / "secateur"


def bbq_is_somewhere(*, release: Release = PUBLISHED) -> bool:
    """Whether there is a folder to look into when none is given: in ``$SECATEUR_BBQ`` or in the cache."""
    return bool(os.environ.get("SECATEUR_BBQ")) or release.folder(cache_folder()).is_dir()


def find_bbq(explicit: Path | None, *, release: Release = PUBLISHED) -> Path:
    """The folder to read BBQ from: the one given, else ``$SECATEUR_BBQ``, else the cache.

    Files in the cache are verified; those in a folder of the user's own may be any.

    Raises:
        InputError: If there is none, or the cache does not hold the published files.
    """
    if explicit is not None:
        return _existing(expanded(explicit), "the folder given")
    if variable := os.environ.get("SECATEUR_BBQ"):
        return _existing(expanded(Path(variable)), "the environment variable SECATEUR_BBQ")
    folder = release.folder(cache_folder())
    if not folder.is_dir():
        raise InputError(
            "BBQ was not found.",
            where=f"no folder given, SECATEUR_BBQ not set, nothing in the cache ({folder})",
            allowed="a folder laid out like the repository nyu-mll/BBQ (data/*.jsonl)",
            todo=f"run `{GET_COMMAND}`, or give the folder, or set SECATEUR_BBQ to it",
        )
    if faults := _faults(verify_bbq(folder, release=release)):
        raise InputError(
            "The cached BBQ is not the published one.",
            where=folder,
            got=faults,
            todo=f"run `{GET_COMMAND}`; it fetches only these files",
        )
    return folder


def get_bbq(
    cache: Path,
    *,
    offline: bool,
    release: Release = PUBLISHED,
    fetch: Callable[[str], bytes] | None = None,
    say: Callable[[str], None] | None = None,
) -> Path:
    """Put the published files into the cache and return their folder; files that are there are kept.

    A file is written in one step and only after its content was verified, so no half of one is ever read.

    Args:
        cache: The cache, usually :func:`cache_folder`.
        offline: Make no network call; enough if every file is there.
        release: Which files.
        fetch: Address -> content; :func:`download` if not given.
        say: Told what is done, line by line; standard error if not given.

    Raises:
        OfflineError: If a file is needed and the network is forbidden or out of reach.
        InputError: If what came is not the published file.
    """
    fetch = fetch or download
    say = say or _say
    folder = release.folder(cache)
    states = verify_bbq(folder, release=release)
    faults = _faults(states)
    if faults and offline:
        raise OfflineError(
            "BBQ is not complete in the cache, and the network is forbidden.",
            where=folder,
            got=faults,
            todo=f"run `{GET_COMMAND}` once without --offline, or give a folder that holds BBQ",
        )
    for path, state in states.items():
        if state is FileState.VERIFIED:
            continue
        if state is FileState.DIFFERENT:
            say(f"{folder / path} is not the published file and is replaced")
        address = release.address(path)
        say(f"downloading {address}")
        content = fetch(address)
        if (got := git_blob_id(content)) != release.blobs[path]:
            raise InputError(
                "A downloaded file is not the published one; it was not kept.",
                where=address,
                allowed=f"git blob {release.blobs[path]}",
                got=f"git blob {got} ({len(content):,} bytes)",
                todo="try again; if it stays, something between here and there changes the file",
            )
        write_bytes(folder / path, content)
    return folder


def verify_bbq(folder: Path, *, release: Release = PUBLISHED) -> dict[str, FileState]:
    """Compare each file of the release with the one in the folder, by git's id."""
    return {path: _state(folder / path, blob) for path, blob in release.blobs.items()}


def download(address: str) -> bytes:
    """Content at an address.

    Raises:
        OfflineError: If it cannot be had; with the address and the cause.
    """
    from http.client import HTTPException  # slow to import, rarely needed
    from urllib.error import HTTPError
    from urllib.request import urlopen

    try:
        with urlopen(address, timeout=_TIMEOUT_SECONDS) as response:
            content: bytes = response.read()
            return content
    except (OSError, HTTPException) as error:
        if isinstance(error, HTTPError):
            error.close()
        raise OfflineError(
            "A file could not be downloaded.",
            where=address,
            got=str(error) or type(error).__name__,
            todo="check the connection and run the same command again; files that came are kept",
        ) from None


def _state(path: Path, blob: str) -> FileState:
    if not path.is_file():
        return FileState.MISSING
    try:
        return FileState.VERIFIED if git_blob_id(path.read_bytes()) == blob else FileState.DIFFERENT
    except OSError as error:
        raise InputError("A file cannot be read.", where=path, got=error.strerror or str(error)) from None


def _faults(states: Mapping[str, FileState]) -> str:
    return ", ".join(f"{path} {state}" for path, state in states.items() if state is not FileState.VERIFIED)


def _existing(folder: Path, said_by: str) -> Path:
    if not folder.is_dir():
        raise InputError(
            "There is no folder to read BBQ from.",
            where=said_by,
            allowed="a folder laid out like the repository nyu-mll/BBQ (data/*.jsonl)",
            got=folder,
            todo=f"correct it, or leave it out and run `{GET_COMMAND}`",
        )
    return folder


def _say(line: str) -> None:
    print(line, file=sys.stderr)
