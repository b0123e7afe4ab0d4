"""A user's own files in a folder that a stage replaces; what the stage wrote is on a list there."""

import filecmp
import json
import os
import shutil
from pathlib import Path


def keep_others(old: Path, new: Path, manifest: str) -> None:
    """Copies the files that `old` does not list to `new`; below ``kept`` where that has something
    of their name already. Copies, so that a killed run has lost none.

    Args:
        old: a folder, or none; without a readable list all of its files are copied.
        new: the folder that is to take its place.
        manifest: name of the JSON file whose ``files`` are the list.
    """
    ours = {manifest, *_listed(old / manifest)}
    for path in sorted(old.rglob("*")):
        name = path.relative_to(old)
        if name.as_posix() in ours or not (path.is_symlink() or path.is_file()):
            continue
        target = new / name
        if target.is_file() and filecmp.cmp(path, target, shallow=False):
            continue
        while not _is_free(target):
            target = new / "kept" / target.relative_to(new)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target, follow_symlinks=False)


def _listed(manifest: Path) -> list[str]:
    """Of whichever version; none where it cannot be read."""
    try:
        return list(json.loads(manifest.read_text())["files"])
    except (OSError, ValueError, TypeError, KeyError):
        return []


def _is_free(path: Path) -> bool:
    in_the_way = [p for p in path.parents if os.path.lexists(p) and not p.is_dir()]
    return not os.path.lexists(path) and not in_the_way
