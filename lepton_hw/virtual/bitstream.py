"""The bitstream of the virtual board: a ``.bit`` that names a simulation, and the simulation.

``design.bit`` has the header of a real bitstream and holds only the SHA-256 of ``model.json`` in
``design.sim/`` beside it; that lists the SHA-256 of everything else there. So nothing that was
changed or mixed up is loaded. A real board refuses the file: it has no synchronisation word.
"""

import hashlib
import json
import platform
import re
import struct
from pathlib import Path
from typing import NamedTuple

from lepton_hw.rtl.shell.address_map import Segment
from lepton_hw.virtual.errors import BoardError

SUFFIX, MODEL, LIBRARY = ".sim", "model.json", "sim.so"
FORMAT = 1
_TEXT = b"lepton_hw virtual bitstream, model.json has the SHA-256 "
#: Bytes of the first header field and the length of the second, in every Xilinx bitstream.
_MAGIC = b"\x00\x09\x0f\xf0\x0f\xf0\x0f\xf0\x0f\xf0\x00\x00\x01"
_MOST_JSON = 1 << 20
AGAIN = "build it again with 'lepton bitstream --toolchain virtual'"


class Model(NamedTuple):
    """A simulation on disk, checked; `folder` holds `LIBRARY` and the memory contents."""

    folder: Path
    digest: str
    part: str
    board: str
    max_burst: int
    segments: tuple[Segment, ...]


def bit_bytes(part: str, model_digest: str) -> bytes:
    """A whole ``.bit`` for the model.json with that SHA-256 (hex); equal calls, equal bytes."""
    fields = (
        (b"a", b"lepton_top;Version=virtual"),
        (b"b", part.removeprefix("xc").rpartition("-")[0].encode()),
        (b"c", b"1980/01/01"),
        (b"d", b"00:00:00"),
    )
    header = _MAGIC
    for key, value in fields:
        header += key + struct.pack(">H", len(value) + 1) + value + b"\0"
    payload = _TEXT + model_digest.encode() + b"\n"
    payload += b"\n" * (-len(payload) % 4)  # fabric configuration comes in words
    return header + b"e" + struct.pack(">I", len(payload)) + payload


def model_digest_of(configuration: bytes) -> str:
    """The SHA-256 of model.json that a bitstream's configuration data name.

    Words may be in either byte order: Linux wants them swapped. Raises `BoardError` for the data
    of any other bitstream.
    """
    swapped = b""
    if len(configuration) % 4 == 0:
        words = struct.unpack(f">{len(configuration) // 4}I", configuration)
        swapped = struct.pack(f"<{len(words)}I", *words)
    for data in (configuration, swapped):
        match = re.fullmatch(re.escape(_TEXT) + b"([0-9a-f]{64})\n+", data)
        if match:
            return match[1].decode()
    raise BoardError(
        f"a bitstream of {len(configuration):,} bytes that is not for the virtual board",
        "one that names a simulation",
        AGAIN,
    )


def configuration_of(content: bytes) -> bytes:
    """The configuration data of a ``.bit`` of the virtual board; all of any other file."""
    at = content.find(_TEXT)
    return content[at:] if at >= 0 else content


def write_model(folder: Path, values: dict[str, object]) -> str:
    """Writes ``model.json`` over all files that are in `folder`; returns its SHA-256."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    listed = {path.relative_to(folder).as_posix(): _sha256(path) for path in files}
    whole = {"format": FORMAT, "machine": platform.machine(), **values, "files": listed}
    text = json.dumps(whole, indent=1) + "\n"
    (folder / MODEL).write_text(text)
    return hashlib.sha256(text.encode()).hexdigest()


def read_model(folder: Path, digest: str) -> Model:
    """The simulation in `folder`, every byte checked against `digest`, that of its model.json.

    Raises `BoardError` where something is missing, was changed, or was built for another machine.
    """
    try:
        with (folder / MODEL).open("rb") as file:
            raw = file.read(_MOST_JSON)
        if hashlib.sha256(raw).hexdigest() != digest:
            raise BoardError(
                f"{folder / MODEL} is not the one that the bitstream names",
                f"SHA-256 {digest[:12]}…",
                AGAIN,
            )
        values = json.loads(raw)
        model = Model(
            folder=folder,
            digest=str(values["digest"]),
            part=str(values["part"]),
            board=str(values["board"]),
            max_burst=int(values["max_burst"]),
            segments=tuple(
                Segment(str(name), int(offset), int(size))
                for name, offset, size in values["segments"]
            ),
        )
        _check_files(folder, dict(values["files"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BoardError(
            f"the simulation {folder} is not whole ({error})", f"{MODEL} and its files", AGAIN
        ) from None
    if values["machine"] != platform.machine():
        raise BoardError(
            f"the simulation was built for {values['machine']}", platform.machine(), AGAIN
        )
    return model


def board_of(folder: Path) -> str:
    """The name of the board that a simulation is for, before anything is checked."""
    try:
        return str(json.loads((folder / MODEL).read_text())["board"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BoardError(
            f"there is no simulation {folder} ({error})", f"a folder with {MODEL}", AGAIN
        ) from None


def _check_files(folder: Path, files: dict[str, str]) -> None:
    for name, known in files.items():
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()):
            raise ValueError(f"{name} is outside the folder")
        if _sha256(path) != known:
            raise ValueError(f"{name} was changed")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
