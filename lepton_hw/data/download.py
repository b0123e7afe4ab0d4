"""Downloads one file of a data set into the user's cache, with a checksum and a progress bar.

A file counts only under its final name, which it gets when its digest is right.
"""

import contextlib
import fcntl
import hashlib
import http.client
import os
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from lepton_hw.errors import InputError
from lepton_hw.progress import Progress

CHUNK = 1 << 16
TIMEOUT_S = 30


@dataclass(frozen=True)
class Remote:
    """A file on the network: its name, its mirrors in the order to try, its size and MD5.

    MD5 is what the data sets' own pages publish; it guards against damage, not against malice,
    and nothing that is read from these files is executed.
    """

    name: str
    mirrors: tuple[str, ...]
    md5: str
    size: int


def cache_folder(name: str) -> Path:
    """Where a data set's downloads are kept: ``$XDG_CACHE_HOME/lepton_hw/<name>``."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "lepton_hw" / name


def fetch(remotes: Sequence[Remote], folder: Path, progress: Progress) -> list[Path]:
    """The files in `folder`, downloading what is missing; raises `InputError`.

    A file that is there but has another digest is refused rather than replaced: it is the user's.
    """
    found = []
    for remote in remotes:
        path = folder / remote.name
        if path.is_file():
            _check(path, remote)
        else:
            _download(remote, path, progress)
        found.append(path)
    return found


def _check(path: Path, remote: Remote) -> None:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "md5").hexdigest()
    if digest != remote.md5:
        raise InputError(
            f"{path} has MD5 {digest}", remote.md5, "delete the file and let it be downloaded again"
        )


def _download(remote: Remote, path: Path, progress: Progress) -> None:
    with _alone(path.parent):
        if path.is_file():  # another process has brought it meanwhile
            _check(path, remote)
        else:
            _download_alone(remote, path, progress)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Waits until no other process downloads into the folder, which is made where there is none."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise InputError(
            f"the folder {folder} cannot be used for downloads ({error.strerror})",
            "a folder that this user may write to",
            "make it, or set data.path or XDG_CACHE_HOME to another",
        ) from None
    try:
        with contextlib.suppress(OSError):  # some network file systems lock no folders
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)  # and the lock goes, as it does if we are killed


def _download_alone(remote: Remote, path: Path, progress: Progress) -> None:
    part = path.with_name(path.name + ".part")
    failures = []
    for address in remote.mirrors:
        try:
            _receive(address, remote, part, progress)
            if part.stat().st_size < remote.size:  # cut short: the next try goes on from it
                failures.append(f"{address}: it ended after {part.stat().st_size:,} bytes")
                continue
            _check(part, remote)
        # A server may answer anything; ValueError is what an address is refused with.
        except (OSError, InputError, http.client.HTTPException, ValueError) as error:
            failures.append(f"{address}: {(str(error).splitlines() or [repr(error)])[0]}")
            if isinstance(error, InputError):
                part.unlink(missing_ok=True)  # damaged: going on from it cannot help
            continue
        part.replace(path)
        return
    raise InputError(
        f"{remote.name} cannot be downloaded ({'; '.join(failures)})",
        "one mirror that answers",
        f"fetch it elsewhere and put it at {path}",
    )


def _receive(address: str, remote: Remote, part: Path, progress: Progress) -> None:
    """Appends to what an earlier, interrupted run has left, if the server can."""
    have = part.stat().st_size if part.is_file() else 0
    if have >= remote.size:
        part.unlink()
        have = 0
    request = urllib.request.Request(address)
    if have:
        request.add_header("Range", f"bytes={have}-")
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
        resumed = have > 0 and getattr(response, "status", 200) == 206
        with part.open("ab" if resumed else "wb") as file:
            have = have if resumed else 0
            with progress.task(f"downloading {remote.name}", remote.size) as task:
                task.advance(have)
                _copy(response, file, remote, have, task.advance)


def _copy(source: IO[bytes], target: IO[bytes], remote: Remote, have: int, advance: object) -> None:
    while chunk := source.read(CHUNK):
        have += len(chunk)
        if have > remote.size:
            raise InputError(
                f"{remote.name} is longer than {remote.size:,} bytes",
                f"{remote.size:,} bytes",
                "try again later",
            )
        target.write(chunk)
        advance(len(chunk))  # type: ignore[operator]
