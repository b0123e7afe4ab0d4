"""Data sets by name: the one place where a data set is added.

Every loader returns a `Dataset` of whole uint8 images; nothing here trains or knows a network.
"""

from collections.abc import Callable
from importlib import import_module

from lepton_hw.data.dataset import Dataset
from lepton_hw.errors import InputError
from lepton_hw.flow import Data
from lepton_hw.progress import SILENT, Progress

#: name in the flow → module of this package with ``load(data, progress) -> Dataset``.
#: Modules are imported on use, since each needs packages of its own.
DATASETS = {
    "digits": "digits",
    "mnist": "mnist",
    "cifar10": "cifar10",
    "folder": "folder",
    "synthetic": "synthetic",
}

__all__ = ["DATASETS", "Dataset", "load"]


def load(data: Data, progress: Progress = SILENT) -> Dataset:
    """The data set of a flow, downloaded first where that is needed.

    Raises `InputError` for an unknown name, broken files or pixels that are not 0..255.
    """
    if data.set not in DATASETS:
        raise InputError(
            f"there is no data set '{data.set}'",
            f"one of {', '.join(DATASETS)}",
            "correct data.set",
        )
    module = import_module(f"lepton_hw.data.{DATASETS[data.set]}")
    loader: Callable[[Data, Progress], Dataset] = module.load
    return loader(data, progress)
