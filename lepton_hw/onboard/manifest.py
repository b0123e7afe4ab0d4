"""``design.json`` as plain values, checked against the files beside it and the bitstream's header.

Written by the flow's deployment; here it is only read. It touches no hardware.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import struct
from pathlib import Path
from typing import Any, NamedTuple

from .errors import DesignError
from .packing import Packing
from .weights import WeightLayer

#: The only format that this driver reads.
FORMAT = 1
AGAIN = "deploy the design again, all files together"
#: First bytes of a bitstream with a header (Xilinx .bit): a length of 9, then a fixed pattern.
_BIT_MAGIC = b"\x00\x09\x0f\xf0\x0f\xf0\x0f\xf0\x0f\xf0\x00\x00\x01"


class Door(NamedTuple):
    """One port of the contract: a code c stands for ``scale * c + bias``, per channel."""

    packing: Packing
    layout: str
    scale: tuple[float, ...]
    bias: tuple[float, ...]


class Manifest(NamedTuple):
    """What ``design.json`` says; `folder` is where it lies, `files` their SHA-256 by name.

    `weights` are the layers that can be rewritten, `fixed_weights` names those beside them that
    cannot; both are empty where the design was not compiled for it.
    `baud` is the rate of a board behind a serial device, 0 of any other.
    """

    folder: Path
    digest: str
    shell_major: int
    board: str
    board_names: tuple[str, ...]
    part: str
    clock_mhz: float
    input: Door
    output: Door
    host_before: tuple[dict[str, Any], ...]
    host_after: tuple[str, ...]
    labels: tuple[str, ...]
    sensors: tuple[str, ...]
    files: dict[str, str]
    weights: tuple[WeightLayer, ...]
    fixed_weights: tuple[str, ...]
    baud: int = 0


def checksum(values: dict[str, Any]) -> str:
    """SHA-256, in hex, over all values but the checksum itself, keys sorted, no spaces."""
    rest = {key: value for key, value in values.items() if key != "checksum"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def read_manifest(path: Path) -> Manifest:
    """Reads ``design.json``; raises `DesignError` where it is missing, cut off or changed."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DesignError(
            f"{path} cannot be read ({error.strerror})",
            "the design.json that was deployed with the bitstream",
            AGAIN,
        ) from None
    except RecursionError:
        raise DesignError(f"{path} is nested too deeply", "a design.json", AGAIN) from None
    except ValueError as error:
        raise DesignError(f"{path} is no whole JSON file ({error})", "all of it", AGAIN) from None
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        found = values.get("format") if isinstance(values, dict) else type(values).__name__
        raise DesignError(
            f"{path} has the format {found}",
            f"format {FORMAT}",
            "copy the driver and the design of one deployment",
        )
    if not hmac.compare_digest(checksum(values), str(values.get("checksum"))):
        raise DesignError(
            f"{path} was changed after it was written",
            "the checksum that it holds",
            AGAIN,
        )
    try:
        return _manifest(path.parent, values)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise DesignError(
            f"{path} lacks or garbles {error}", "a whole design.json", AGAIN
        ) from None


def _manifest(folder: Path, values: dict[str, Any]) -> Manifest:
    contract = values["contract"]
    return Manifest(
        folder=folder,
        digest=values["digest"],
        shell_major=int(values["shell_major"]),
        board=values["board"],
        board_names=tuple(values["board_names"]),
        part=values["part"],
        clock_mhz=float(values["clock_mhz"]),
        input=_door(contract["input"], values["input"]),
        output=_door(contract["output"], values["output"]),
        host_before=tuple(contract["host_before"]),
        host_after=tuple(contract["host_after"]),
        labels=tuple(contract["labels"]),
        sensors=tuple(values["sensors"]),
        files=dict(values["files"]),
        weights=tuple(read_weight_layer(entry) for entry in values.get("weights", ())),
        fixed_weights=tuple(values.get("fixed_weights", ())),
        baud=int(values.get("baud", 0)),
    )


def read_weight_layer(entry: dict[str, Any]) -> WeightLayer:
    """One entry of ``weights``; raises `DesignError` where its numbers contradict each other."""
    layer = WeightLayer(
        name=str(entry["layer"]),
        dtype=str(entry["dtype"]),
        low=int(entry["low"]),
        high=int(entry["high"]),
        shape=tuple(map(int, entry["shape"])),
        split=tuple(map(int, entry["split"])),
        order=tuple(map(int, entry["order"])),
        depth=int(entry["depth"]),
        lanes=int(entry["lanes"]),
        word_bytes=int(entry["word_bytes"]),
        offset=int(entry["offset"]),
        size=int(entry["size"]),
    )
    layer.require_consistent()
    return layer


def _door(port: dict[str, Any], stream: dict[str, Any]) -> Door:
    packing = Packing(
        stream["dtype"],
        tuple(port["shape"]),
        int(stream["beats"]),
        int(stream["elements"]),
        int(stream["beat_bytes"]),
    )
    return Door(packing, port["layout"], tuple(port["scale"]), tuple(port["bias"]))


def check_files(manifest: Manifest, bitfile: Path) -> None:
    """Every file of the deployment has its digest; the bitstream is whole and for this part."""
    if bitfile.name not in manifest.files:
        raise DesignError(
            f"design.json does not know {bitfile.name}",
            "one of {}".format(", ".join(sorted(manifest.files))),
            "pass the bitstream that was deployed with it",
        )
    check_bitstream(bitfile, manifest)
    for name, known in sorted(manifest.files.items()):
        try:
            content = (manifest.folder / name).read_bytes()
        except OSError as error:
            raise DesignError(
                f"{manifest.folder / name} cannot be read ({error.strerror})",
                "all files of the deployment",
                AGAIN,
            ) from None
        found = hashlib.sha256(content).hexdigest()
        if found != known:
            raise DesignError(
                f"{manifest.folder / name} has the SHA-256 {found[:12]}…",
                f"{known[:12]}… (design.json)",
                AGAIN,
            )


def check_bitstream(path: Path, manifest: Manifest) -> None:
    """Where the file has a Xilinx header: its part is the manifest's, and no byte is missing."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DesignError(
            f"{path} cannot be read ({error.strerror})", "the bitstream", AGAIN
        ) from None
    if not content.startswith(_BIT_MAGIC):
        return
    try:
        part, missing = _bit_header(content)
    except (struct.error, IndexError):
        part, missing = "", 1
    if missing:
        raise DesignError(f"{path} is cut off", "the whole bitstream", AGAIN)
    ours = manifest.part[2:] if manifest.part.startswith("xc") else manifest.part
    theirs = part[2:] if part.startswith("xc") else part
    if theirs and not ours.startswith(theirs):
        raise DesignError(
            f"{path} is a bitstream for the part {part}",
            f"{manifest.part} ({manifest.board})",
            "deploy the bitstream that was built for this board",
        )


def _bit_header(content: bytes) -> tuple[str, int]:
    """(part, missing bytes). Fields: a key, two bytes of length, text; 'e' has four of length."""
    at, part = len(_BIT_MAGIC), ""
    while content[at : at + 1] != b"e":
        (length,) = struct.unpack_from(">H", content, at + 1)
        if content[at : at + 1] == b"b":
            part = content[at + 3 : at + 3 + length].rstrip(b"\0").decode("ascii", "replace")
        at += 3 + length
        content[at]  # an IndexError ends the search where there is no 'e'
    (length,) = struct.unpack_from(">I", content, at + 1)
    return part, max(0, at + 5 + length - len(content))
