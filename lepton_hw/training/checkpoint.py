"""The state of an unfinished training, so that a killed one can go on.

Written beside the build, never inside an artifact. A file of another recipe is ignored.
"""

import os
import tempfile
from pathlib import Path
from typing import Any

FILE = "training.pt"


def write(folder: Path, key: str, state: dict[str, Any]) -> None:
    """Replaces the checkpoint at once; a kill leaves the old one or the new one."""
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=folder, prefix=f".{FILE}.")
    try:
        with os.fdopen(handle, "wb") as file:
            torch.save({"key": key, **state}, file)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(folder / FILE)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def read(folder: Path, key: str) -> dict[str, Any] | None:
    """The state that was written under this key, or None (no file, another recipe, damaged)."""
    import pickle

    import torch

    path = folder / FILE
    if not path.is_file():
        return None
    try:
        # weights_only: a checkpoint is data and must not be able to run code.
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, OSError, ValueError):
        return None
    return state if isinstance(state, dict) and state.get("key") == key else None


def remove(folder: Path) -> None:
    """Forgets the checkpoint, once the training is whole."""
    (folder / FILE).unlink(missing_ok=True)
