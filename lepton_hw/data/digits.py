"""The 1,797 handwritten digits (8×8, 10 classes) that ship inside scikit-learn.

Real data, no download. Pixels 0..16 are scaled by 15 to 0..240, so that they are exact in UINT8.
"""

import numpy as np

from lepton_hw.data.dataset import Dataset, as_pixels, stratified_split
from lepton_hw.errors import MissingTool
from lepton_hw.flow import Data
from lepton_hw.progress import Progress

HELD_OUT = 360
SPLIT_SEED = 0  # fixed: results of different flows must be comparable


def load(data: Data, progress: Progress) -> Dataset:
    """1,437 training and 360 test images of shape (8, 8, 1)."""
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise MissingTool(
            "scikit-learn is not installed", "it holds the digits", "run 'make' or pip install it"
        ) from None
    found = load_digits()
    images = as_pixels(found.images[..., None] * 15, "scikit-learn's digits")
    labels = found.target.astype(np.int64)
    train, test = stratified_split(labels, HELD_OUT, SPLIT_SEED)
    return Dataset(
        images[train],
        labels[train],
        images[test],
        labels[test],
        tuple(str(digit) for digit in range(10)),
        ({"op": "decode", "mode": "L"},),
    )
