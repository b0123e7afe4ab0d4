"""What passes between stages: small frozen values, saved as ``artifact.json`` beside their files.

A stage writes into a temporary folder that is renamed when it is whole, so that a killed run
leaves either the old artifact or the new one, never half of one.
"""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import secrets
import shutil
import socket
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, PrivateAttr, ValidationError

from lepton_hw.errors import InputError
from lepton_hw.kept_files import keep_others

FILE = "artifact.json"


class Artifact(BaseModel):
    """Base of what a stage returns: its key, the digests of its files, its figures.

    `key` is the digest of everything that went in; `files` maps each path, relative to the
    artifact's folder, to the SHA-256 of its content; `seconds` is what the stage took.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    stage: ClassVar[str] = ""
    #: Fields that differ between two equal runs: what time it took. Not part of the digest.
    timings: ClassVar[frozenset[str]] = frozenset({"seconds"})

    key: str = ""
    seconds: float = 0.0
    files: dict[str, str] = {}
    _folder: Path = PrivateAttr(default=Path())

    @property
    def folder(self) -> Path:
        """Where the artifact's files are."""
        return self._folder

    def path(self, name: str) -> Path:
        """Absolute path of one of the artifact's files."""
        return self._folder / name

    @property
    def digest(self) -> str:
        """Digest of the content: of all fields but the times that it took."""
        return digest(self.model_dump(mode="json", exclude=set(self.timings)))


A = TypeVar("A", bound=Artifact)


def digest(value: Any) -> str:
    """SHA-256 of a JSON-serialisable value, in hex."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def folder_digests(folder: Path) -> dict[str, str]:
    """Relative path → SHA-256 of every file below `folder`, sorted."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != FILE)
    return {path.relative_to(folder).as_posix(): file_digest(path) for path in files}


def write_atomically(path: Path, content: str | bytes) -> None:
    """Writes a file so that no reader ever sees half of it, even after a loss of power."""
    mode = "xb" if isinstance(content, bytes) else "x"
    with _disk_errors(path.parent):
        _make(path.parent)
        new = path.parent / f".{path.name}.{_unique()}"
        try:
            with new.open(mode) as file:  # not `tempfile`, whose files the owner alone may read
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            new.replace(path)
        except BaseException:
            new.unlink(missing_ok=True)
            raise


def save(artifact: A, folder: Path, key: str, seconds: float) -> A:
    """Completes the artifact with key and file digests and writes it into `folder`."""
    whole = artifact.model_copy(
        update={"key": key, "seconds": round(seconds, 3), "files": folder_digests(folder)}
    )
    whole._folder = folder
    write_atomically(folder / FILE, whole.model_dump_json(indent=2) + "\n")
    return whole


def load(kind: type[A], folder: Path) -> A | None:
    """The artifact in `folder`, or None where there is none of this kind and version."""
    try:
        artifact = kind.model_validate_json((folder / FILE).read_text())
    except (OSError, ValidationError, UnicodeDecodeError):
        return None
    artifact._folder = folder
    return artifact


def unchanged(artifact: Artifact) -> bool:
    """Whether every file of the artifact still is what it was when the stage ended."""
    return all(
        artifact.path(name).is_file() and file_digest(artifact.path(name)) == known
        for name, known in artifact.files.items()
    )


def kept_or_made(
    kind: type[A], folder: Path, key: str, make: Callable[[Path], A]
) -> tuple[A, bool]:
    """The artifact in `folder` if it has this key and is as it was left, else what `make` gives.

    `make` is called with an empty folder, which takes the place of `folder` when it is whole. Says
    also whether the artifact was there.
    """
    kept = load(kind, folder)
    if kept is not None and kept.key == key and unchanged(kept):
        return kept, True
    start = time.monotonic()
    with new_folder(folder) as workdir:
        whole = save(make(workdir), workdir, key, time.monotonic() - start)
    return load(kind, folder) or whole, False


#: What the disk says where no folder can be.
_NO_FOLDER = (errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP)


@contextlib.contextmanager
def _disk_errors(folder: Path) -> Iterator[None]:
    """Turns what the disk refuses below `folder` into a sentence; other errors pass unchanged."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise InputError(
                f"the disk that holds {error.filename or folder} is full",
                "free space",
                "free some and run again",
            ) from None
        if not _concerns(error, folder):
            raise
        if isinstance(error, PermissionError):
            raise InputError(
                f"the build folder {folder} cannot be written ({error.strerror})",
                "a folder that you may write to",
                "change its permissions or pass --build-dir",
            ) from None
        if error.errno in _NO_FOLDER:
            raise _cannot_be_made(folder, error) from None
        raise


def _cannot_be_made(folder: Path, error: OSError) -> InputError:
    return InputError(
        f"the build folder {folder} cannot be made ({error.strerror})",
        "a folder that you may write to",
        "pass another one with --build-dir",
    )


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileNotFoundError as error:  # as /proc says where nothing can be made
        raise _cannot_be_made(folder, error) from None


def _unique() -> str:
    return secrets.token_hex(6)


def _concerns(error: OSError, folder: Path) -> bool:
    """Whether the error is about the build folder, and not about a file that a stage reads."""
    if error.filename is None:
        return True
    path, folder = Path(str(error.filename)).absolute(), folder.absolute()
    return path.is_relative_to(folder) or folder.is_relative_to(path)


@contextlib.contextmanager
def new_folder(final: Path) -> Iterator[Path]:
    """A temporary folder beside `final`; takes its place when the block ends without an error.

    Files of a user's in the folder of an artifact are found in the new one, too.
    """
    with _disk_errors(final.parent):
        _make(final.parent)
        for stale in final.parent.glob(f".{final.name}.tmp-*"):
            shutil.rmtree(stale, ignore_errors=True)
        folder = _beside(final)
        try:
            yield folder
            if (folder / FILE).is_file():
                keep_others(final, folder, FILE)
            _take_place(folder, final)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise


def _beside(final: Path) -> Path:
    """A new folder with the rights that any other new folder has; `tempfile` gives it fewer."""
    folder = final.parent / f".{final.name}.tmp-{_unique()}"
    folder.mkdir()
    return folder


def _take_place(folder: Path, final: Path) -> None:
    if final.exists():
        old = _beside(final)
        final.rename(old / "old")
        folder.rename(final)
        shutil.rmtree(old, ignore_errors=True)
    else:
        folder.rename(final)


@contextlib.contextmanager
def locked(folder: Path, waiting: Callable[[str], None]) -> Iterator[None]:
    """Holds the build folder for this process; a second one waits and is told who holds it.

    The lock is the kernel's: it ends with the process, however that ends.
    """
    with _disk_errors(folder):
        _make(folder)
        file = _open_lock(folder / ".lock")
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            waiting(file.read().strip() or "another process")
            fcntl.flock(file, fcntl.LOCK_EX)
        with contextlib.suppress(OSError):  # only a courtesy; a full disk is not this one's news
            file.truncate(0)
            os.pwrite(file.fileno(), f"process {os.getpid()} on {socket.gethostname()}".encode(), 0)
        yield


def _open_lock(path: Path) -> IO[str]:
    """The lock file, made where it is absent; never what a link or a pipe of its name leads to."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        file = os.open(path, flags, 0o666)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
            raise
        raise _no_lock(path) from None
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise _no_lock(path)
    return os.fdopen(file, "r+", errors="replace")


def _no_lock(path: Path) -> InputError:
    return InputError(
        f"{path} is a link, a folder or a device", "a plain file, which is the lock", "remove it"
    )
