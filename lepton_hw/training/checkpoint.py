"""The state of an unfinished training, so that a killed one can go on.

Written beside the build, never inside an artifact. A file of another recipe is ignored.
"""

import io
import zipfile
from pathlib import Path
from typing import Any

from lepton_hw.artifacts import write_atomically

FILE = "training.pt"
#: Bytes of the largest file that is read; weights and optimiser of our largest network have 1 GB.
LARGEST = 4 << 30


def packed(state: dict[str, Any]) -> bytes:
    """The bytes of a file for `load_dict`; torch itself does not report a full disk as one."""
    import torch

    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def write(folder: Path, key: str, state: dict[str, Any]) -> None:
    """Replaces the checkpoint at once; a kill leaves the old one or the new one."""
    write_atomically(folder / FILE, packed({"key": key, **state}))


def read(folder: Path, key: str) -> dict[str, Any] | None:
    """The state that was written under this key, or None (no file, another recipe, damaged)."""
    state = load_dict(folder / FILE)
    return state if state is not None and state.get("key") == key else None


def load_dict(path: Path) -> dict[str, Any] | None:
    """A dictionary of tensors and plain values, on the CPU, or None where the file holds none.

    `weights_only`: such a file is data and must not be able to run code.
    """
    import torch

    try:
        # A device or a pipe has no end, or waits for ever.
        if not path.is_file() or path.stat().st_size > LARGEST:
            return None
        if not zipfile.is_zipfile(path):  # what torch.save writes, and cannot be half of one
            return None
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # damaged bytes make the unpickler raise anything at all
        return None
    return state if isinstance(state, dict) else None


def remove(folder: Path) -> None:
    """Forgets the checkpoint, once the training is whole."""
    (folder / FILE).unlink(missing_ok=True)
