"""MNIST (LeCun et al.): 60,000 + 10,000 handwritten digits of 28×28 in gzipped IDX files."""

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_hw.data.dataset import Dataset
from lepton_hw.data.download import Remote, cache_folder, fetch
from lepton_hw.errors import InputError
from lepton_hw.flow import Data
from lepton_hw.progress import Progress

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "http://yann.lecun.com/exdb/mnist/",
)


def _remote(name: str, md5: str, size: int) -> Remote:
    return Remote(name, tuple(mirror + name for mirror in MIRRORS), md5, size)


#: Training images, training labels, test images, test labels; MD5 as torchvision lists them.
FILES = (
    _remote("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873", 9912422),
    _remote("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432", 28881),
    _remote("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3", 1648877),
    _remote("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c", 4542),
)
IMAGES_MAGIC, LABELS_MAGIC = 0x803, 0x801
MAX_BYTES = 1 << 28  # unpacked; the real ones are 47 MB at most


def load(data: Data, progress: Progress) -> Dataset:
    """60,000 training and 10,000 test images of (28, 28, 1); `data.path` replaces the cache."""
    folder = Path(data.path) if data.path else cache_folder("mnist")
    files = fetch(FILES, folder, progress)
    parts: list[NDArray[Any]] = []
    for images, labels in (files[:2], files[2:]):
        parts.append(read_idx(images, IMAGES_MAGIC)[..., None])
        parts.append(read_idx(labels, LABELS_MAGIC).astype(np.int64))
    names = tuple(str(digit) for digit in range(10))
    return Dataset(parts[0], parts[1], parts[2], parts[3], names, ({"op": "decode", "mode": "L"},))


def read_idx(path: Path, magic: int) -> NDArray[np.uint8]:
    """An IDX file of bytes: magic (its last byte is the number of axes), sizes, data."""
    try:
        with gzip.open(path, "rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(
            f"{path} cannot be unpacked ({error})", "a gzipped IDX file", "delete it and try again"
        ) from None
    axes = magic & 0xFF
    head = 4 * (1 + axes)
    if len(raw) > MAX_BYTES or len(raw) < head:
        raise InputError(
            f"{path} unpacks to {len(raw)} bytes", "an IDX file", "delete it and try again"
        )
    found, *sizes = struct.unpack(f">{1 + axes}I", raw[:head])
    if found != magic:
        raise InputError(f"{path} starts with {found:#x}", f"{magic:#x}", "check the file's name")
    # Without data, two of the sizes may be more than any array has.
    if len(raw) - head != math.prod(sizes) or len(raw) == head:
        raise InputError(
            f"{path} holds {len(raw) - head} bytes of data",
            f"{math.prod(sizes) or 'at least one'} for sizes {sizes}",
            "delete it and try again",
        )
    return np.frombuffer(raw, np.uint8, offset=head).reshape(sizes)
