"""The host's steps of the input contract in NumPy: image → codes, codes → label and scores.

The pixel steps use whole-number arithmetic, as in training (`lepton_hw.data.preprocess`), so that
the board gives the same pixels. Pillow is used to open image files, where it is installed.
"""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Sequence

import numpy as np

from .errors import DesignError, InputError
from .packing import value_range

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Pixels of the largest image that is opened; a small file may claim billions.
MAX_PIXELS = 50_000_000
#: What Pillow may take a file for, whatever its name; for PostScript it would start a program.
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "PPM", "TIFF", "WEBP")
BLOCK = 1024  # columns that are resized at once, since floats take 8 times the memory of pixels
_ONE = 1 << 14  # fixed-point weight of a whole pixel
_CHANNELS = {"L": 1, "RGB": 3}


class Classified(NamedTuple):
    """What the network says of one image.

    `scores` are ``scale * code + bias`` per class, probabilities where the contract asks for
    softmax; `codes` are the hardware's integers; `ranking` holds (label, score), best first.
    """

    label: str
    class_index: int
    score: float
    scores: NDArray[np.float64]
    codes: NDArray[Any]
    ranking: tuple[tuple[str, float], ...]


def prepare(image: Any, steps: Sequence[dict[str, Any]], shape: tuple[int, ...]) -> NDArray[Any]:
    """An image → codes of `shape`, by the contract's steps.

    It is a file's path, its content as ``BytesIO`` (whose `name` errors tell), or an array (H, W)
    or (H, W, C).
    """
    steps = list(steps)
    mode = None
    if steps and steps[0]["op"] == "decode":
        mode = steps.pop(0)["mode"]
    elif len(shape) == 3 and shape[2] in (1, 3):
        mode = "L" if shape[2] == 1 else "RGB"
    pixels: NDArray[Any] = _open(image, mode)
    for step in steps:
        pixels = _step(pixels, step)
    if pixels.shape != tuple(shape) and pixels.size == math.prod(shape):
        pixels = pixels.reshape(shape)  # an axis of one channel, which the contract leaves out
    if pixels.shape != tuple(shape):
        raise InputError(
            f"the image has the shape {pixels.shape} after the contract's steps",
            f"{tuple(shape)}",
            "scale it to the size that the network takes",
        )
    return pixels


def read_out(
    codes: NDArray[Any],
    scale: Sequence[float],
    bias: Sequence[float],
    steps: Sequence[str],
    labels: Sequence[str],
) -> Classified:
    """The output codes of one frame → label and scores."""
    scores = np.asarray(codes, np.float64) * np.asarray(scale or (1.0,)) + np.asarray(
        bias or (0.0,)
    )
    flat = scores.reshape(-1)
    if "softmax" in steps:
        shifted = np.exp(flat - flat.max())
        flat = shifted / shifted.sum()
    if flat.size == 1 and len(labels) > 1:  # the hardware chose already
        index = int(codes.reshape(-1)[0])
        name = _label(labels, index)
        return Classified(name, index, 1.0, flat, codes, ((name, 1.0),))
    # A stable sort: of equal scores the first wins, as with argmax.
    order = np.argsort(-flat, kind="stable")
    ranking = tuple((_label(labels, int(i)), float(flat[i])) for i in order)
    best = int(order[0])
    return Classified(ranking[0][0], best, ranking[0][1], flat, codes, ranking)


def _label(labels: Sequence[str], index: int) -> str:
    return labels[index] if 0 <= index < len(labels) else str(index)


def _open(image: Any, mode: str | None) -> NDArray[Any]:
    source: Any
    if isinstance(image, io.BytesIO):
        path, source = Path(getattr(image, "name", "standard input")), image
    elif isinstance(image, (str, Path)):
        path, source = Path(image), str(image)
    else:
        return _array(np.asarray(image), mode)
    if path.suffix == ".npy":
        return _array(_load(path), mode)
    try:
        from PIL import Image, ImageOps, UnidentifiedImageError
    except ImportError:
        raise InputError(
            f"{path} needs the package Pillow",
            "Pillow, or a .npy file of pixels",
            "pip install pillow, or pass an array",
        ) from None
    try:
        with Image.open(source, formats=FORMATS) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise InputError(
                    f"{path} has {picture.width}x{picture.height} pixels",
                    f"at most {MAX_PIXELS:,}",
                    "scale it down",
                )
            # A camera writes how it was held beside the pixels.
            upright = ImageOps.exif_transpose(picture)
            pixels = np.asarray(upright.convert(mode or "RGB"), dtype=np.uint8)
    except InputError:
        raise
    except Exception as error:  # damaged bytes make Pillow's decoders raise anything at all
        known = not isinstance(error, UnidentifiedImageError)  # whose text names an object
        said = str(error).split("\n")[0] or type(error).__name__
        why = said if known else "in no format that is known"
        raise InputError(
            f"{path} cannot be read as an image ({why})",
            "an image file",
            "check the path and the file",
        ) from None
    return pixels.reshape(pixels.shape[0], pixels.shape[1], -1)


def _load(path: Path) -> NDArray[Any]:
    try:
        return np.asarray(np.load(str(path), allow_pickle=False))
    except (OSError, ValueError) as error:
        raise InputError(
            "{} cannot be read ({})".format(path, str(error).split("\n")[0]),
            "an array saved by numpy.save",
            "check the path and the file",
        ) from None


def _array(pixels: NDArray[Any], mode: str | None) -> NDArray[Any]:
    if mode is None:
        return pixels
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    channels = _CHANNELS.get(mode, 0)
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 3, channels):
        raise InputError(
            f"an image of shape {pixels.shape}",
            "(height, width) or (height, width, 1 or 3)",
            "pass one image, channels last",
        )
    if pixels.dtype != np.uint8:
        raise InputError(
            f"an image of {pixels.dtype}",
            "uint8 pixels from 0 to 255",
            "convert it, or pass codes to infer()",
        )
    if pixels.shape[2] == 3 and channels == 1:
        # Pillow's grey: ITU-R 601-2 luma in 16-bit fixed point, rounded.
        wide = pixels.astype(np.uint32)
        grey = wide @ np.array([19595, 38470, 7471], np.uint32) + 0x8000
        return (grey >> 16).astype(np.uint8)[:, :, None]
    return np.repeat(pixels, 3, axis=2) if pixels.shape[2] < channels else pixels


def _step(pixels: NDArray[Any], step: dict[str, Any]) -> NDArray[Any]:  # noqa: PLR0911
    op = step["op"]
    if op == "resize":
        return resize(pixels, step["width"], step["height"])
    if op == "center_crop":
        return crop(pixels, step["width"], step["height"])
    if op == "denoise":
        blur = median if step["method"] == "median" else gaussian
        return np.asarray(blur(pixels, step["size"]))
    if op == "normalise":
        return normalise(pixels, step)
    if op == "flatten":
        return pixels.reshape(-1)
    if op == "reshape":
        return pixels.reshape(tuple(step["shape"][1:]))
    if op == "quantise":
        low, high = value_range(step["dtype"])
        real = np.asarray(pixels, np.float64) / step["scale"]
        if step["dtype"] == "BIPOLAR":
            return np.where(real >= 0, 1, -1)
        return np.asarray(np.clip(np.rint(real), low, high), np.int64)
    arithmetic = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide}
    if op in arithmetic:
        value = np.asarray(step["value"], np.float64)
        return np.asarray(arithmetic[op](pixels, value if value.size > 1 else value.reshape(())))
    raise DesignError(
        f"the input contract has the step '{op}'",
        "a step that this driver knows",
        "copy the driver of the same deployment, or prepare the codes yourself for infer()",
    )


def crop(pixels: NDArray[Any], width: int, height: int) -> NDArray[Any]:
    """Cuts the middle; `InputError` where the image is smaller."""
    if height > pixels.shape[0] or width > pixels.shape[1]:
        raise InputError(
            f"a crop of {width}x{height} from an image of {pixels.shape[1]}x{pixels.shape[0]}",
            "a crop no larger than the image",
            "scale the image up first",
        )
    top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
    return pixels[top : top + height, left : left + width]


def resize(pixels: NDArray[Any], width: int, height: int) -> NDArray[Any]:
    """Bilinear resize, pixel centres at half, the triangle widened when shrinking."""
    if pixels.shape[:2] == (height, width):
        return pixels
    return _separable(pixels, _triangle(pixels.shape[0], height), _triangle(pixels.shape[1], width))


def _triangle(size: int, new: int) -> NDArray[np.float64]:
    stretch = size / new
    support = max(stretch, 1.0)
    centres = (np.arange(new) + 0.5) * stretch - 0.5
    distance = np.abs(np.arange(size) - centres[:, None]) / support
    return _fixed_point(np.maximum(0.0, 1.0 - distance))


def _fixed_point(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows rounded to whole numbers whose sum is `_ONE`; the largest takes the rest."""
    whole = np.rint(weights / weights.sum(axis=1, keepdims=True) * _ONE)
    largest = whole.argmax(axis=1)
    whole[np.arange(len(whole)), largest] += _ONE - whole.sum(axis=1)
    return np.asarray(whole)


def _separable(
    pixels: NDArray[Any], rows: NDArray[np.float64], columns: NDArray[np.float64]
) -> NDArray[Any]:
    # Whole numbers below 2^53 in float64: sums are exact in any order, on any machine.
    parts = [
        np.tensordot(rows, pixels[:, i : i + BLOCK].astype(np.float64), axes=(1, 0))
        for i in range(0, pixels.shape[1], BLOCK)
    ]
    wide = np.concatenate(parts, axis=1)
    total = np.tensordot(columns, wide, axes=(1, 1)).transpose(1, 0, 2)
    return np.clip(np.floor(total / _ONE**2 + 0.5), 0, 255).astype(np.uint8)


def gaussian(pixels: NDArray[Any], size: int) -> NDArray[Any]:
    """Gaussian blur, edges repeated; sigma for a size is OpenCV's (`getGaussianKernel`)."""
    sigma = 0.3 * ((size - 1) / 2 - 1) + 0.8
    reach = size // 2
    taps = [math.exp(-(k**2) / (2 * sigma**2)) for k in range(-reach, reach + 1)]

    def matrix(length: int) -> NDArray[np.float64]:
        weights, at = np.zeros((length, length)), np.arange(length)
        for k, tap in zip(range(-reach, reach + 1), taps):
            np.add.at(weights, (at, np.clip(at + k, 0, length - 1)), tap)
        return _fixed_point(weights)

    return _separable(pixels, matrix(pixels.shape[0]), matrix(pixels.shape[1]))


def median(pixels: NDArray[Any], size: int) -> NDArray[Any]:
    """Median over size × size pixels, edges repeated."""
    reach, (height, width) = size // 2, pixels.shape[:2]
    padded = np.pad(pixels, ((reach, reach), (reach, reach), (0, 0)), mode="edge")
    shifted = [
        padded[row : row + height, column : column + width]
        for row in range(size)
        for column in range(size)
    ]
    return np.asarray(np.partition(np.stack(shifted), size * size // 2, axis=0)[size * size // 2])


def normalise(pixels: NDArray[Any], step: dict[str, Any]) -> NDArray[np.int8]:
    """INT8 codes: clip(round((pixel / 255 - mean) / std / scale), -128, 127), per channel."""
    channels = pixels.shape[-1]
    value = np.arange(256)[:, None] / 255
    mean, std = np.array(step["mean"]), np.array(step["std"])
    table = np.clip(np.rint((value - mean) / std / step["scale"]), -128, 127).astype(np.int8)
    whole = np.broadcast_to(table, (256, channels))
    return np.asarray(whole[pixels, np.arange(channels)])
