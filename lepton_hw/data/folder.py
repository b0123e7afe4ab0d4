"""The user's own images: one folder a class, in the usual formats of images.

Every image is brought to `data.shape` by resizing; that step is part of what the host does.
"""

import warnings
from pathlib import Path

import numpy as np

from lepton_hw.data.dataset import Dataset, Images, Labels, stratified_split
from lepton_hw.data.preprocess import resize
from lepton_hw.errors import InputError
from lepton_hw.flow import Data
from lepton_hw.progress import Progress

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".ppm", ".pgm", ".tif", ".webp"})
#: Pixels of the largest image that is opened; a small file may claim billions.
MAX_PIXELS = 50_000_000
#: What Pillow may take a file for, whatever its name; for PostScript it would start a program.
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "PPM", "TIFF", "WEBP")
MODES = {1: "L", 3: "RGB"}
SPLIT_SEED = 0


def load(data: Data, progress: Progress) -> Dataset:
    """Images below ``data.path/<class>/``, split by `data.test_fraction` within each class."""
    if data.shape is None or data.shape[2] not in MODES or not data.path:
        raise InputError(
            f"data.set = 'folder' with path '{data.path}' and shape {data.shape}",
            "a path, and a shape such as [96, 96, 3] or [28, 28, 1]",
            "add both to [data]",
        )
    root = Path(data.path)
    names = sorted(p.name for p in root.iterdir() if p.is_dir()) if root.is_dir() else []
    files = {name: _image_files(root / name) for name in names}
    names = [name for name in names if files[name]]
    if len(names) < 2 or any(len(files[name]) < 2 for name in names):
        raise InputError(
            f"{root} has {len(names)} classes with {[len(files[n]) for n in names]} images",
            "at least two folders with at least two images each",
            "put the images of each class into a folder of its own",
        )
    images, labels = _read_all(names, files, data.shape, progress)
    held_out = max(1, round(len(labels) * data.test_fraction))
    train, test = stratified_split(labels, held_out, SPLIT_SEED)
    height, width, channels = data.shape
    decode = (
        {"op": "decode", "mode": MODES[channels]},
        {"op": "resize", "width": width, "height": height},
    )
    return Dataset(images[train], labels[train], images[test], labels[test], tuple(names), decode)


def _image_files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.is_file() and p.suffix.lower() in SUFFIXES)


def _read_all(
    names: list[str], files: dict[str, list[Path]], shape: tuple[int, int, int], progress: Progress
) -> tuple[Images, Labels]:
    total = sum(len(files[name]) for name in names)
    images = np.empty((total, *shape), np.uint8)
    labels = np.empty(total, np.int64)
    index = 0
    with progress.task("reading images", total) as task:
        for label, name in enumerate(names):
            for file in files[name]:
                images[index] = resize(read_image(file, shape[2])[None], shape[1], shape[0])[0]
                labels[index] = label
                index += 1
                task.advance()
    return images, labels


def read_image(path: Path, channels: int) -> Images:
    """One image file as uint8 (H, W, channels), upright; raises `InputError` if it is not one."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of damaged metadata; the pixels are read all the same
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            pixels = _decoded(path, MODES[channels])
    except InputError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InputError(
            f"{path} is too large ({error})", f"at most {MAX_PIXELS:,} pixels", "scale it down"
        ) from None
    except Exception as error:  # damaged bytes make Pillow's decoders raise anything at all
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"{path} cannot be read as an image ({why})", "an image file", "remove or replace it"
        ) from None
    return pixels.reshape(*pixels.shape[:2], channels)


def _decoded(path: Path, mode: str) -> Images:
    from PIL import Image, ImageOps

    with Image.open(path, formats=FORMATS) as image:
        if image.width * image.height > MAX_PIXELS:
            raise InputError(
                f"{path} has {image.width}x{image.height} pixels",
                f"at most {MAX_PIXELS:,}",
                "scale it down",
            )
        # A camera writes how it was held beside the pixels.
        upright = ImageOps.exif_transpose(image)
        return np.asarray(upright.convert(mode), dtype=np.uint8)
