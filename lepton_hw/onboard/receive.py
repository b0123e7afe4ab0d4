"""Takes a deployment from standard input, on the board: all of it, or nothing changes.

A PC sends this file's text as the argument of ``python3 -c``, since a board has nothing of ours
before its first deployment; so it uses the standard library alone. It never runs what it takes,
and never replaces a folder that is no deployment.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import hashlib
import json
import os
import shutil
import signal
import sys
import tarfile
from pathlib import Path
from typing import IO, Any, Iterator

#: What begins the line of the answer: login scripts may print others.
MARK = "lepton-receive: "
MANIFEST = "design.json"
_AT_CWD, _RENAME_EXCHANGE = -100, 2


class Refused(Exception):
    """What was found, what was expected, what to do."""


def receive(stream: IO[bytes], target: Path, digest: str) -> dict[str, Any]:
    """Unpacks a tar stream beside `target`, checks every file, then lets it take its place.

    `digest` is the SHA-256 of its design.json, which holds those of the others. Raises `Refused`
    or `OSError`; then `target` is what it was. Returns the number of files, and what could not be
    removed of the old ones.
    """
    _require_ours(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    # Names that nobody gives to a folder of his own: leftovers of this name are removed.
    new, old = (target.with_name(f".{target.name}.lepton-{end}") for end in ("new", "old"))
    with _locked(target.parent):
        for rest in (new, old):  # of a copy that the board's power ended
            if rest.exists():
                shutil.rmtree(str(rest))
        new.mkdir()
        try:
            _unpack(stream, new)
            files = _check(new, digest)
            os.sync()  # a board is switched off at any time: first the files, then their name
            _take_place(new, target, old)
        finally:
            # With an exchange the old folder is here now.
            shutil.rmtree(str(new), ignore_errors=True)
    left = [str(rest) for rest in (new, old) if rest.exists()]
    return {"files": files, "left": left}


def _require_ours(target: Path) -> None:
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise Refused(f"{target} is no folder", "a folder, or nothing", "choose another place")
    if target.is_dir() and any(target.iterdir()) and not (target / MANIFEST).is_file():
        raise Refused(
            f"the folder {target} holds other files, and no {MANIFEST}",
            "a deployment to replace, or nothing",
            "choose another place, so that nothing of yours is lost",
        )


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keeps a second copy into the same place away; the kernel lets go when this ends."""
    handle = os.open(str(folder), os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Refused(
            f"another copy into {folder} is under way", "one at a time", "wait for it to end"
        ) from None
    else:
        yield
    finally:
        os.close(handle)


def _unpack(stream: IO[bytes], folder: Path) -> None:
    try:
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            for member in archive:
                parts = member.name.split("/")
                if not member.isreg() or not all(parts) or {".", ".."} & set(parts):
                    raise Refused(f"the stream holds {member.name!r}", "plain files", "copy again")
                path = folder.joinpath(*parts)
                path.parent.mkdir(parents=True, exist_ok=True)
                content = archive.extractfile(member)
                assert content is not None
                with content, path.open("wb") as file:
                    shutil.copyfileobj(content, file, 1 << 16)
    except (tarfile.TarError, EOFError):
        raise Refused("the stream ended too early", "all files", "copy again") from None


def _check(folder: Path, digest: str) -> int:
    """The number of files: exactly those of the manifest, each with its SHA-256."""
    paths = (path for path in folder.rglob("*") if not path.is_dir())
    found = {path.relative_to(folder).as_posix(): _sha256(path) for path in paths}
    if found.get(MANIFEST) != digest:
        raise Refused(f"{MANIFEST} did not come, or not as it was sent", "all of it", "copy again")
    known = {**json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]}
    known[MANIFEST] = digest
    wrong = sorted(name for name in {**known, **found} if known.get(name) != found.get(name))
    if wrong:
        raise Refused(
            f"{wrong[0]} did not come as it was sent", f"its SHA-256 in {MANIFEST}", "copy again"
        )
    return len(found)


def _sha256(path: Path) -> str:
    whole = hashlib.sha256()
    with path.open("rb") as file:
        for part in iter(lambda: file.read(1 << 20), b""):
            whole.update(part)
    return whole.hexdigest()


def _take_place(new: Path, target: Path, old: Path) -> None:
    """At no moment is there no whole `target`, where the file system can exchange two folders."""
    if not target.exists():
        new.rename(target)
    elif not _exchange(new, target):
        target.rename(old)
        try:
            new.rename(target)
        except BaseException:
            old.rename(target)
            raise
        shutil.rmtree(str(old), ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    rename = getattr(ctypes.CDLL(None), "renameat2", None)
    if rename is None:
        return False
    names = (os.fsencode(str(one)), os.fsencode(str(other)))
    return not rename(_AT_CWD, names[0], _AT_CWD, names[1], _RENAME_EXCHANGE)


def _sentence(error: OSError, target: Path, size: int) -> tuple[str, str, str]:
    where = error.filename or target
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        folder = next(path for path in (target.parent, *target.parent.parents) if path.is_dir())
        free = shutil.disk_usage(str(folder)).free
        return (
            f"the board has no space left for {target} ({free:,} bytes are free there)",
            f"{size:,} bytes", "remove what is not needed, or choose another place",
        )  # fmt: skip
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return (
            f"the board does not let this user write {where} ({error.strerror})",
            "a place that the user may write to",
            "choose another place, or change its owner as root",
        )
    return (f"the board cannot write {where} ({error.strerror})", "a working disk", "look there")


def main(arguments: list[str]) -> int:
    """Target, SHA-256 of design.json, bytes of all files → one line of JSON; an exit code."""
    target, digest, size = Path(arguments[0]), arguments[1], int(arguments[2])
    os.umask(0o022)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))  # an ending that still removes what is half
    refusal = None
    try:
        answer = receive(sys.stdin.buffer, target, digest)
    except Refused as error:
        refusal = error.args
    except OSError as error:
        refusal = _sentence(error, target, size)
    if refusal is not None:
        answer = dict(zip(("found", "expected", "remedy"), refusal))
    print(MARK + json.dumps(answer), flush=True)
    return int(refusal is not None)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
