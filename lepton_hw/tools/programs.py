"""Where a program is that a package of ours brings, or that the system has."""

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path


def located(packaged: Sequence[str], native: Sequence[str] = ()) -> Path | None:
    """The first program by these names, or none.

    `packaged` are sought beside this Python first, so that an environment that is not active is
    used all the same; then these and `native` on PATH.
    """
    beside = Path(sys.executable).parent
    for name in packaged:
        if (beside / name).is_file():
            return beside / name
    for name in (*packaged, *native):
        if found := shutil.which(name):
            return Path(found)
    return None
