"""Random but learnable patterns of any shape, for smoke tests where no data set is at hand.

Not real data: an accuracy on it says only that training works.
"""

import numpy as np

from lepton_hw.data.dataset import Dataset, Images, Labels
from lepton_hw.errors import InputError
from lepton_hw.flow import Data
from lepton_hw.progress import Progress

TRAIN_PER_CLASS, TEST_PER_CLASS = 32, 8
SEED = 0


def load(data: Data, progress: Progress) -> Dataset:
    """One blocky template a class (`data.classes`, `data.shape` as H, W, C) plus noise."""
    if data.shape is None or data.classes is None:
        raise InputError(
            "data.set = 'synthetic' without data.shape and data.classes",
            "both, such as shape = [32, 32, 3] and classes = 10",
            "add them to [data]",
        )
    progress.say("synthetic data: random patterns, not a real data set")
    random = np.random.RandomState(SEED)
    height, width, channels = data.shape
    small = random.randint(0, 256, (data.classes, -(-height // 4), -(-width // 4), channels))
    templates = small.repeat(4, axis=1).repeat(4, axis=2)[:, :height, :width]

    def draw(per_class: int) -> tuple[Images, Labels]:
        labels = np.tile(np.arange(len(templates)), per_class).astype(np.int64)
        noise = random.randint(-48, 49, (len(labels), height, width, channels))
        return np.clip(templates[labels] + noise, 0, 255).astype(np.uint8), labels

    train, test = draw(TRAIN_PER_CLASS), draw(TEST_PER_CLASS)
    names = tuple(f"pattern {index}" for index in range(data.classes))
    return Dataset(*train, *test, names)
