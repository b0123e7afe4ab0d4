"""What a loader returns: images and labels, checked, in two parts that never change.

Knows no file format and no preprocessing.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_hw.errors import InputError

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Dataset:
    """Images uint8 (N, H, W, C) and labels int64 (N,), for training and held out.

    `decode` says what the loader did to each image, as the host must do on the board too.
    """

    train_images: Images
    train_labels: Labels
    test_images: Images
    test_labels: Labels
    classes: tuple[str, ...]
    decode: tuple[dict[str, Any], ...] = ()

    def __post_init__(self) -> None:
        parts = {
            "training": (self.train_images, self.train_labels),
            "test": (self.test_images, self.test_labels),
        }
        for name, (images, labels) in parts.items():
            if images.dtype != np.uint8 or images.ndim != 4 or len(images) == 0:
                raise InputError(
                    f"the {name} images are {images.dtype} of shape {images.shape}",
                    "at least one uint8 image, as (N, H, W, C)",
                    "check the data set's files",
                )
            if labels.shape != (len(images),):
                raise InputError(
                    f"{len(labels)} labels for {len(images)} {name} images",
                    "one label an image",
                    "check the data set's files",
                )
            if labels.min() < 0 or labels.max() >= len(self.classes):
                raise InputError(
                    f"a {name} label is {labels.min()} or {labels.max()}",
                    f"0 to {len(self.classes) - 1}",
                    "check the data set's labels",
                )
        if self.train_images.shape[1:] != self.test_images.shape[1:]:
            raise InputError(
                f"training images of {self.train_images.shape[1:]} and test images of "
                f"{self.test_images.shape[1:]}",
                "one shape",
                "check the data set's files",
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of every image."""
        height, width, channels = self.train_images.shape[1:]
        return height, width, channels


def as_pixels(images: NDArray[Any], where: str) -> Images:
    """Any numeric array as uint8 pixels; raises `InputError` unless all are whole, 0 to 255."""
    if images.dtype == np.uint8:
        return images
    if not (np.issubdtype(images.dtype, np.number) or images.dtype == np.bool_):
        raise InputError(f"{where} holds {images.dtype}", "pixels, 0 to 255", "pass an image")
    if np.iscomplexobj(images):
        raise InputError(f"{where} holds complex numbers", "pixels, 0 to 255", "pass an image")
    real = images.astype(np.float64)
    for wrong, what in (
        (~np.isfinite(real), "not a number"),
        ((real < 0) | (real > 255), "out of range"),
        (real != np.round(real), "not whole"),
    ):
        if wrong.any():
            index = tuple(int(i) for i in np.argwhere(wrong)[0])
            raise InputError(
                f"{where}: pixel {index} is {real[index]!r}, {what}",
                "whole numbers from 0 to 255",
                "convert the image to 8 bits a channel",
            )
    return real.astype(np.uint8)


def stratified_split(labels: Labels, held_out: int, seed: int) -> tuple[Labels, Labels]:
    """Indices (training, test) with `held_out` test samples, shared out over the classes.

    Shares are proportional, rounded by largest remainder. The order comes from NumPy's
    `RandomState`, whose stream is frozen for good: a split must not move with a version.
    """
    if not 0 < held_out < len(labels):
        raise InputError(
            f"{held_out} of {len(labels)} images would be held out",
            "at least one image in each part",
            "add images or change data.test_fraction",
        )
    random = np.random.RandomState(seed)
    values, counts = np.unique(labels, return_counts=True)
    exact = counts * held_out / len(labels)
    share = np.floor(exact).astype(int)
    largest = np.argsort(share - exact, kind="stable")
    share[largest[: held_out - share.sum()]] += 1
    test = []
    for value, count in zip(values, share, strict=True):
        test.append(random.permutation(np.flatnonzero(labels == value))[:count])
    chosen = np.sort(np.concatenate(test)).astype(np.int64)
    rest = np.setdiff1d(np.arange(len(labels)), chosen).astype(np.int64)
    return rest, chosen
