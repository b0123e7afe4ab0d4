"""CIFAR-10 (Krizhevsky, 2009): 50,000 + 10,000 colour images of 32×32, binary version.

Reads the archive in place: nothing is unpacked to disk and nothing is unpickled.
"""

import tarfile
import zlib
from pathlib import Path

import numpy as np

from lepton_hw.data.dataset import Dataset, Images, Labels
from lepton_hw.data.download import Remote, cache_folder, fetch
from lepton_hw.errors import InputError
from lepton_hw.flow import Data
from lepton_hw.progress import Progress

ARCHIVE = Remote(
    "cifar-10-binary.tar.gz",
    (
        "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
        "https://cave.cs.toronto.edu/kriz/cifar-10-binary.tar.gz",
    ),
    "c32a1d4ab5d03f1284b67883e8d87530",  # as published on the page of the data set
    170052171,
)
TRAIN = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
TEST = ("test_batch.bin",)
RECORD = 1 + 3 * 32 * 32  # label, then red, green and blue planes, row by row
MAX_BYTES = 64 << 20  # of one member; the real ones are 31 MB
CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip


def load(data: Data, progress: Progress) -> Dataset:
    """50,000 training and 10,000 test images of (32, 32, 3); `data.path` replaces the cache."""
    folder = Path(data.path) if data.path else cache_folder("cifar10")
    (archive,) = fetch((ARCHIVE,), folder, progress)
    members = read_members(archive, (*TRAIN, *TEST))
    train = read_records(b"".join(members[name] for name in TRAIN), archive)
    test = read_records(members[TEST[0]], archive)
    return Dataset(*train, *test, CLASSES, ({"op": "decode", "mode": "RGB"},))


def read_members(archive: Path, names: tuple[str, ...]) -> dict[str, bytes]:
    """Content of the named files of the archive; refuses paths that lead out of a folder."""
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                place = Path(member.name)
                if place.is_absolute() or ".." in place.parts or member.issym() or member.islnk():
                    raise InputError(
                        f"{archive} holds '{member.name}', which leads out of its folder",
                        "plain files below one folder",
                        "delete the archive, it is not the data set",
                    )
                file = tar.extractfile(member) if member.isfile() else None
                if file is not None and place.name in names and member.size <= MAX_BYTES:
                    found[place.name] = file.read()
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise InputError(
            f"{archive} cannot be read ({error})", "a tar.gz archive", "delete it and try again"
        ) from None
    missing = [name for name in names if name not in found]
    if missing:
        raise InputError(
            f"{archive} lacks {', '.join(missing)}", "the binary version", "delete it and try again"
        )
    return found


def read_records(raw: bytes, source: Path) -> tuple[Images, Labels]:
    """Images (N, 32, 32, 3) and labels (N,) of records of 3,073 bytes."""
    if len(raw) == 0 or len(raw) % RECORD:
        raise InputError(
            f"{source} holds batches of {len(raw)} bytes",
            f"a multiple of {RECORD}",
            "delete it and try again",
        )
    records = np.frombuffer(raw, np.uint8).reshape(-1, RECORD)
    images = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), records[:, 0].astype(np.int64)
