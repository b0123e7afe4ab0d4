"""Recordings of register traffic on the fake shell: made, played back, changed."""

import gzip
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fake_shell import FakeShell

from lepton_hw.onboard import Accelerator
from lepton_hw.onboard.command import selftest
from lepton_hw.onboard.recording import RecordingTransport
from lepton_hw.onboard.replay import ReplayTransport


def record(folder: Path, shell: FakeShell, work: Callable[[Accelerator], Any]) -> Path:
    path = folder.parent / "traffic.gz"
    transport = RecordingTransport(shell, path)
    with Accelerator(folder / "design.bit", timeout=0.05, transport=transport) as accelerator:
        work(accelerator)
    return path


def replay(folder: Path, path: Path, work: Callable[[Accelerator], Any] = selftest) -> Any:
    bit = folder / "design.bit"
    with Accelerator(bit, timeout=0.05, transport=ReplayTransport(path)) as accelerator:
        return work(accelerator)


def rewrite(path: Path, change: Callable[[list[Any]], Any]) -> None:
    """Changes the entries, and makes the recording whole again as one who knows the format."""
    lines = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()][:-1]
    change(lines)
    text = b"".join(json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in lines)
    end = {"entries": len(lines) - 1, "sha256": hashlib.sha256(text).hexdigest()}
    path.write_bytes(gzip.compress(text + json.dumps(end).encode() + b"\n"))


def places(lines: list[Any], *start: Any) -> list[int]:
    """Where entries stand that begin so; the first line is no entry."""
    return [i for i, line in enumerate(lines) if i and line[: len(start)] == list(start)]
