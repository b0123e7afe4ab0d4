"""Keeps the folder of built simulators small: what was used longest ago goes first.

Only whole folders that hold a library are touched; what was used in the last day stays.
"""

import contextlib
import os
import shutil
import time
from pathlib import Path

LIBRARY = "sim.so"
#: Bytes that all libraries may take together, and seconds for which a used one is safe: a process
#: that was told its path may be about to open it.
MOST, SAFE = 1 << 30, 24 * 3600


def used(library: Path) -> bool:
    """Notes that a library is used now; False where there is none."""
    with contextlib.suppress(OSError):
        os.utime(library.parent)
        return library.is_file()
    return False


def prune(cache: Path, most: int = MOST, now: float | None = None) -> list[Path]:
    """Deletes folders until at most `most` bytes are left; those that it deleted."""
    limit = (time.time() if now is None else now) - SAFE
    found = []
    for library in cache.glob(f"*/{LIBRARY}"):
        with contextlib.suppress(OSError):  # another process may be deleting it, too
            found.append((library.parent.stat().st_mtime, _size(library.parent), library.parent))
    left, gone = sum(size for _, size, _ in found), []
    for when, size, folder in sorted(found):
        if left <= most or when > limit:
            break
        shutil.rmtree(folder, ignore_errors=True)
        left -= size
        gone.append(folder)
    return gone


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
