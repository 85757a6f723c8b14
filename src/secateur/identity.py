"""Identity by content: the one way a hash is made here.

A digest is SHA-256 over a kind, the hash version, and canonical JSON of plain values, so two different
kinds of thing never share one. Decisions and their reasons: ``docs/design/identity.md``.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import TypeAlias

HASH_VERSION = 1
"""Raised when the same content would get another digest; stored with every store."""

Plain: TypeAlias = bool | int | float | str | Sequence["Plain"] | Mapping[str, "Plain"] | None


def canonical_json(value: Plain) -> str:
    """JSON with sorted keys, no white space and only ASCII; equal values give equal text.

    Raises:
        ValueError: For NaN or infinity, which JSON cannot say.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def digest(kind: str, value: Plain) -> str:
    """SHA-256 of ``value`` as a thing of this kind, in hex.

    Args:
        kind: What the thing is, for example ``"item"``; part of the hash.
        value: Its content, as plain JSON values. Integral floats and integers differ (1.0 is not 1).
    """
    text = f"secateur/{kind}/{HASH_VERSION}\n{canonical_json(value)}"
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def short(hex_digest: str) -> str:
    """The first 16 hex characters: what names a folder or a file in a store."""
    return hex_digest[:16]


def distinct_names(models: Sequence[tuple[str, str]]) -> list[str]:
    """Models' names, those that occur twice with the start of the digest: what tells revisions of one model apart.

    Args:
        models: Digest and name of each; digests that are the same too are numbered.
    """
    names = [name for _, name in models]
    shown = [f"{name} ({digest[:8]})" if names.count(name) > 1 else name for digest, name in models]
    return [
        name if shown.count(name) == 1 else f"{name}, {shown[: place + 1].count(name)}"
        for place, name in enumerate(shown)
    ]


def key64(hex_digest: str) -> int:
    """The first 64 bits as an unsigned integer: what names a row in a table."""
    return int(hex_digest[:16], 16)


def bytes_digest(data: bytes) -> str:
    """Plain SHA-256 of bytes, in hex, as ``sha256sum`` prints it."""
    return hashlib.sha256(data).hexdigest()


def git_blob_id(data: bytes) -> str:
    r"""The id git gives a file with this content (SHA-1 of ``blob <size>\0<content>``)."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def finite_or_none(value: float) -> float | None:
    """``value``, or ``None`` where JSON has no word for it (NaN, infinity)."""
    return value if math.isfinite(value) else None
