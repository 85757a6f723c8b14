"""Which processor this machine has: it decides who multiplies, and so last bits."""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path

_DESCRIBED = Path("/proc/cpuinfo")


@cache
def described() -> dict[str, str]:
    """Field -> what Linux says of the first processor; empty elsewhere."""
    try:
        text = _DESCRIBED.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    lines = [line.partition(":") for line in text.partition("\n\n")[0].splitlines()]
    return {name.strip(): value.strip() for name, colon, value in lines if colon}


def processor_vendor() -> str:
    """Who made it, as it says itself; a longer description where Linux does not tell."""
    return described().get("vendor_id") or platform.processor()


def processor_name() -> str:
    """Its model name; the architecture's where there is none."""
    return described().get("model name") or platform.processor() or platform.machine()
