"""Image steps of a flow as pure functions on batches (N, H, W, C).

The steps that are not random use whole-number arithmetic only, so that a laptop and a board
give the same pixels. Randomness comes from the generator that is passed in, never from outside.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lepton_hw import flow
from lepton_hw.data.dataset import Images
from lepton_hw.errors import InputError

Codes = NDArray[np.uint8] | NDArray[np.int8]
PART = 1024
BLOCK = 1024  # columns that are resized at once, since floats take 8 times the memory of pixels
_ONE = 1 << 14  # fixed-point weight of a whole pixel


def door_dtype(steps: Sequence[flow.Step]) -> str:
    """Datatype at the hardware's door: INT8 after a normalise step, else UINT8."""
    return "INT8" if any(isinstance(step, flow.Normalise) for step in steps) else "UINT8"


def prepare(images: Images, steps: Sequence[flow.Step]) -> Codes:
    """Every step that the host does before the door: uint8 (N, H, W, C) → codes (N, H', W', C)."""
    codes: Codes = pixels(images, steps)
    for step in steps:
        if isinstance(step, flow.Normalise):
            codes = normalise(codes, step)
    return codes


def pixels(images: Images, steps: Sequence[flow.Step]) -> Images:
    """The steps but normalise, uint8 throughout; augmentation runs between this and normalise."""
    kept = tuple(step for step in steps if not isinstance(step, flow.Normalise))
    if not kept:
        return images
    none = np.random.default_rng(0)  # never drawn from: a flow has no random step here
    # In parts, since some steps need many times the memory of their images.
    parts = [apply(images[i : i + PART], kept, none) for i in range(0, len(images), PART)]
    return np.concatenate(parts)


def apply(images: Images, steps: Sequence[flow.Step], random: np.random.Generator) -> Images:
    """Runs pixel steps in order on uint8 (N, H, W, C); returns uint8 of the same layout."""
    for step in steps:
        images = _apply_one(images, step, random)
    return images


def _apply_one(  # noqa: PLR0911 – one return a step
    images: Images, step: flow.Step, random: np.random.Generator
) -> Images:
    match step:
        case flow.Resize():
            return resize(images, step.width, step.height)
        case flow.CenterCrop():
            top = (images.shape[1] - step.height) // 2
            left = (images.shape[2] - step.width) // 2
            n = len(images)
            return crop(images, np.full(n, top), np.full(n, left), step.height, step.width)
        case flow.RandomCrop():
            edge = ((0, 0), (step.padding,) * 2, (step.padding,) * 2, (0, 0))
            images = np.pad(images, edge)
            rows, columns = images.shape[1] - step.height, images.shape[2] - step.width
            tops = random.integers(0, max(rows, 0) + 1, len(images))
            lefts = random.integers(0, max(columns, 0) + 1, len(images))
            return crop(images, tops, lefts, step.height, step.width)
        case flow.Flip():
            mirror = random.random(len(images)) < step.probability
            return np.where(mirror[:, None, None, None], images[:, :, ::-1], images)
        case flow.Rotate():
            return rotate(images, random.uniform(-step.degrees, step.degrees, len(images)))
        case flow.Brightness():
            factor = random.uniform(1 - step.amount, 1 + step.amount, (len(images), 1, 1, 1))
            return _to_pixels(np.rint(images * factor))
        case flow.Denoise(method="median"):
            return median(images, step.size)
        case flow.Denoise():
            return gaussian(images, step.size)
    raise InputError(f"step '{step.op}'", "a step that keeps pixels", "move it to the end")


def crop(
    images: Images, tops: NDArray[np.int64], lefts: NDArray[np.int64], height: int, width: int
) -> Images:
    """Cuts height × width from each image at its own (top, left)."""
    if height > images.shape[1] or width > images.shape[2]:
        raise InputError(
            f"a crop of {width}x{height} from images of {images.shape[2]}x{images.shape[1]}",
            "a crop no larger than the image",
            "resize first, or pad",
        )
    rows = tops[:, None] + np.arange(height)
    columns = lefts[:, None] + np.arange(width)
    picture = np.arange(len(images))[:, None, None]
    cut: Images = images[picture, rows[:, :, None], columns[:, None, :]]
    return cut


def resize(images: Images, width: int, height: int) -> Images:
    """Bilinear resize, pixel centres at half, the triangle widened when shrinking."""
    if images.shape[1:3] == (height, width):
        return images
    rows = _triangle(images.shape[1], height)
    columns = _triangle(images.shape[2], width)
    return _separable(images, rows, columns)


def _triangle(size: int, new: int) -> NDArray[np.float64]:
    """Fixed-point weights (new, size), each row of sum `_ONE`."""
    stretch = size / new
    support = max(stretch, 1.0)
    centres = (np.arange(new) + 0.5) * stretch - 0.5
    distance = np.abs(np.arange(size) - centres[:, None]) / support
    return _fixed_point(np.maximum(0.0, 1.0 - distance))


def _fixed_point(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows rounded to whole numbers whose sum is `_ONE`; the largest takes the rest."""
    whole: NDArray[np.float64] = np.rint(weights / weights.sum(axis=1, keepdims=True) * _ONE)
    largest = whole.argmax(axis=1)
    whole[np.arange(len(whole)), largest] += _ONE - whole.sum(axis=1)
    return whole


def _separable(images: Images, rows: NDArray[np.float64], columns: NDArray[np.float64]) -> Images:
    # Whole numbers below 2^53 in float64: sums are exact in any order, and so the same on every
    # machine, while the product still runs at BLAS speed.
    parts = [
        np.einsum("hi,nijc->nhjc", rows, images[:, :, i : i + BLOCK].astype(float), optimize=True)
        for i in range(0, images.shape[2], BLOCK)
    ]
    wide = np.concatenate(parts, axis=2)
    total = np.einsum("wj,nhjc->nhwc", columns, wide, optimize=True)
    return _to_pixels(np.floor(total / _ONE**2 + 0.5))


def _to_pixels(values: NDArray[np.float64]) -> Images:
    return np.asarray(np.clip(values, 0, 255), np.uint8)


def gaussian(images: Images, size: int) -> Images:
    """Gaussian blur over `size` pixels, sigma = 0.3 ((size - 1) / 2 - 1) + 0.8, edges repeated.

    The sigma for a size is OpenCV's (`getGaussianKernel`).
    """
    sigma = 0.3 * ((size - 1) / 2 - 1) + 0.8
    reach = size // 2
    taps = np.array([math.exp(-(k**2) / (2 * sigma**2)) for k in range(-reach, reach + 1)])

    def matrix(length: int) -> NDArray[np.float64]:
        weights = np.zeros((length, length))
        for k, tap in zip(range(-reach, reach + 1), taps, strict=True):
            np.add.at(
                weights, (np.arange(length), np.clip(np.arange(length) + k, 0, length - 1)), tap
            )
        return _fixed_point(weights)

    return _separable(images, matrix(images.shape[1]), matrix(images.shape[2]))


def median(images: Images, size: int) -> Images:
    """Median over size × size pixels, edges repeated."""
    reach = size // 2
    padded = np.pad(images, ((0, 0), (reach, reach), (reach, reach), (0, 0)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(1, 2))
    flat = windows.reshape(*windows.shape[:4], size * size)
    return np.partition(flat, size * size // 2, axis=-1)[..., size * size // 2]


def rotate(images: Images, degrees: NDArray[np.float64]) -> Images:
    """Rotates each image about its middle by its own angle; bilinear, black outside."""
    _, height, width, _ = images.shape
    angle = np.deg2rad(degrees)[:, None, None]
    y, x = np.mgrid[:height, :width].astype(np.float64)
    y, x = y - (height - 1) / 2, x - (width - 1) / 2
    source_y = np.cos(angle) * y - np.sin(angle) * x + (height - 1) / 2
    source_x = np.sin(angle) * y + np.cos(angle) * x + (width - 1) / 2
    # A border of one black pixel, so that the four neighbours always exist.
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0))).astype(np.float64)
    source_y = np.clip(source_y + 1, 0, height + 1 - 1e-9)
    source_x = np.clip(source_x + 1, 0, width + 1 - 1e-9)
    top, left = source_y.astype(int), source_x.astype(int)
    down, right = (source_y - top)[..., None], (source_x - left)[..., None]
    n = np.arange(len(images))[:, None, None]
    upper = padded[n, top, left] * (1 - right) + padded[n, top, left + 1] * right
    lower = padded[n, top + 1, left] * (1 - right) + padded[n, top + 1, left + 1] * right
    return _to_pixels(np.rint(upper * (1 - down) + lower * down))


def normalise(images: Images | Codes, step: flow.Normalise) -> NDArray[np.int8]:
    """INT8 codes: clip(round((pixel / 255 - mean) / std / scale), -128, 127), per channel.

    A pixel has only 256 values, so the codes come from a table of 256 rows.
    """
    channels = images.shape[-1]
    if len(step.mean) not in (1, channels) or len(step.std) not in (1, channels):
        raise InputError(
            f"normalise with {len(step.mean)} means and {len(step.std)} stds",
            f"one value, or one for each of {channels} channels",
            "correct the step",
        )
    pixel = np.arange(256)[:, None] / 255
    mean, std = np.array(step.mean), np.array(step.std)
    table = np.clip(np.rint((pixel - mean) / std / step.scale), -128, 127).astype(np.int8)
    table = np.broadcast_to(table, (256, channels))
    return table[images, np.arange(channels)]
