"""A deployment folder onto a board by SSH: all of it or nothing, every file checked there.

What goes is what design.json lists, as a tar stream into ``onboard/receive.py``, which runs on the
board from the command line and leaves the old folder alone until the new one is whole.
"""

import hashlib
import io
import json
import re
import stat
import tarfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lepton_hw.errors import InputError, StageError
from lepton_hw.tools import ssh_problems
from lepton_hw.tools.ssh import Channel, Ssh

MANIFEST = "design.json"
#: Runs on the board: text for ``python3 -c``.
RECEIVE = Path(__file__).resolve().parents[1] / "onboard" / "receive.py"
#: As in `RECEIVE`.
MARK = "lepton-receive: "
_TARGET = re.compile(r"(?!-)[\w./+@-]{1,1000}", re.ASCII)
_ANSWER_MOST = 1 << 20


@dataclass(frozen=True)
class Copied:
    """`files` files of `size` bytes are at `target`; `left` could not be removed of the old."""

    target: str
    files: int
    size: int
    left: tuple[str, ...] = ()


def copy_folder(
    ssh: Ssh,
    folder: Path,
    target: str,
    progress: Callable[[int, int], None] = lambda _sent, _all: None,
) -> Copied:
    """Puts the deployment in `folder` in place of `target` on the board.

    Args:
        folder: what `deployment.write_deployment` wrote; files that its design.json does not list
            stay here.
        target: path on the board, relative to the user's home or absolute; what is there is
            replaced if it is a deployment, or refused.
        progress: called with the bytes sent so far, and all bytes.

    Raises `InputError` where the folder is no whole deployment, `StageError` where the board or
    the connection fails; then `target` is as it was. Ctrl-C may come when the board has all of it
    already: then the new one is there, whole.
    """
    check_target(target)
    names, digest = _checked(folder)
    size = sum((folder / name).stat().st_size for name in names)
    command = ["python3", "-c", RECEIVE.read_text(encoding="utf-8"), target, digest, str(size)]
    with ssh.open(command) as channel:
        answer: list[bytes] = []
        listener = threading.Thread(
            target=lambda: answer.append(channel.reader.read(_ANSWER_MOST)), daemon=True
        )
        listener.start()
        _send(channel, folder, names, lambda sent: progress(min(sent, size), size))
        listener.join()
        code = channel.wait()
        failure = channel.failure()
    found = _answer(b"".join(answer).decode(errors="replace"))
    if "files" in found:
        return Copied(target, int(found["files"]), size, tuple(found.get("left", ())))
    if failure is not None:
        raise failure
    parts = [ssh_problems.plain(str(found.get(key, ""))) for key in ("found", "expected", "remedy")]
    if all(parts):
        raise StageError(*parts)
    said = ssh_problems.last_line(channel.said()) or f"exit code {code}"
    raise StageError(
        f"the copy to {ssh.host} failed ({said})",
        "an answer of python3 on the board",
        "look at the board; what was there is as it was",
    )


def check_target(target: str) -> None:
    """Raises `InputError` unless it is a plain path of a folder of its own."""
    parts = target.split("/")
    if not _TARGET.fullmatch(target) or ".." in parts or parts[-1] in ("", "."):
        raise InputError(
            f"the folder on the board is {target!r}",
            "a path of letters, digits and . _ + @ - /, without '..'",
            "name one such as lepton/digits, which is below the user's home",
        )


def _checked(folder: Path) -> tuple[list[str], str]:
    """(files to send, design.json last; its SHA-256); all others have the digests that it lists."""
    manifest = _content(folder, MANIFEST)
    try:
        known = json.loads(manifest)["files"]
        names = sorted(known)
        whole = all(isinstance(known[name], str) for name in names)
    except (ValueError, KeyError, TypeError):
        names, whole = [], False
    inside = all(name and not {"", ".", ".."} & set(name.split("/")) for name in names)
    if not (whole and names and inside):
        raise InputError(
            f"{folder / MANIFEST} is no whole design.json", "the list of a deployment's files",
            "write the deployment again",
        )  # fmt: skip
    for name in names:
        found = hashlib.sha256(_content(folder, name)).hexdigest()
        if found != known[name]:
            raise InputError(
                f"{folder / name} has the SHA-256 {found[:12]}…",
                f"{known[name][:12]}… ({MANIFEST})",
                "write the deployment again",
            )
    return [*names, MANIFEST], hashlib.sha256(manifest).hexdigest()


def _content(folder: Path, name: str) -> bytes:
    path = folder / name
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            raise InputError(
                f"{path} is no plain file", "files, no links", "write the deployment again"
            )
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror})", "all files of a deployment",
            "write the deployment again",
        ) from None  # fmt: skip


class _Counter:
    """What tarfile writes to: the board, and `progress` with the bytes so far."""

    def __init__(self, channel: Channel, progress: Callable[[int], None]) -> None:
        self._write, self._progress, self._sent = channel.writer.write, progress, 0

    def write(self, content: bytes) -> int:
        self._write(content)
        self._sent += len(content)
        self._progress(self._sent)
        return len(content)


def _send(
    channel: Channel, folder: Path, names: list[str], progress: Callable[[int], None]
) -> None:
    """A tar stream that depends on names and contents alone."""
    counter: Any = _Counter(channel, progress)
    try:
        with tarfile.open(fileobj=counter, mode="w|", format=tarfile.PAX_FORMAT) as archive:
            for name in names:
                content = _content(folder, name)
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
        channel.writer.close()
    except ConnectionError:
        pass  # the board ended first, and says why


def _answer(stdout: str) -> dict[str, Any]:
    """The last line of `RECEIVE`'s; what login scripts print is passed over."""
    for line in reversed(stdout.splitlines()):
        if line.startswith(MARK):
            try:
                values = json.loads(line[len(MARK) :])
            except ValueError:
                return {}
            return values if isinstance(values, dict) else {}
    return {}
