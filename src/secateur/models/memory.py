"""Memory that was freed, kept by the process for what is computed next.

A model's intermediate results are tens of megabytes each. By default glibc gives such memory back to the system at
once, and taking it again costs a page fault for every four kilobytes: a sixth of the time of calibrating a small model
(LOG.md).
"""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # mallopt's names for them, see mallopt(3)
_MOST = 2**31 - 1
_MOST_BEFORE_2_35 = 2**25  # older versions of glibc give larger pieces back in any case


def keep_freed_memory() -> bool:
    """Have this whole process keep it: for a program's own start, not for a library.

    Returns:
        Whether that was possible; it is with glibc.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    kept = mallopt(_MMAP_THRESHOLD, _MOST) or mallopt(_MMAP_THRESHOLD, _MOST_BEFORE_2_35)
    return bool(kept) and bool(mallopt(_TRIM_THRESHOLD, _MOST))
