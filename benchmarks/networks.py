"""Networks with random weights as QONNX files: as large as trained ones, and at once there."""

from pathlib import Path
from typing import Any

import numpy as np

from lepton_hw.flow import Compile, Flow, Model

#: Batches of random images that the quantisers and normalisations see before export.
CALIBRATION = 22


def random_network(model: Model, shape: tuple[int, int, int], classes: int) -> Any:
    """A `models.Network` for UINT8 images of `shape` (H, W, C), calibrated on random ones."""
    import torch

    from lepton_hw import models

    torch.manual_seed(1)
    network = models.build(model, shape, classes)
    return calibrated(network, shape, np.random.default_rng(2))


def calibrated(
    network: Any,
    shape: tuple[int, int, int],
    random: np.random.Generator,
    codes: tuple[int, int] = (0, 255),
) -> Any:
    """The network after it has seen such images, its thresholds off integers.

    `codes`: the smallest and the largest of a pixel.
    """
    import torch

    from lepton_hw.models.network import door
    from lepton_hw.training.settle import settle

    low, high = codes
    with torch.no_grad():
        for _ in range(CALIBRATION):
            images = random.integers(low, high + 1, (8, *shape))
            network.train()(door(images, network.flat))
    settle(network, random.integers(low, high + 1, (8, *shape)))
    return network


def untrained(model: Model, shape: tuple[int, int, int], classes: int, file: Path) -> Path:
    """Writes such a network to `file`."""
    from lepton_hw.stages.qonnx_file import export_qonnx

    network = random_network(model, shape, classes)
    file.parent.mkdir(parents=True, exist_ok=True)
    export_qonnx(network, network.ports(shape, "UINT8")[0], file)
    return file


def tfc_w1a1(folder: Path, vectors: int) -> Flow:
    """BNN-PYNQ's TFC of one bit, 20,000 frames a second asked; its file goes into `folder`."""
    model = Model(name="tfc", weight_bits=1, act_bits=1)
    file = untrained(model, (28, 28, 1), 10, folder / "tfc_w1a1.onnx")
    return flow_of(file, "TFC-w1a1", 20_000, vectors)


def flow_of(file: Path, title: str, target_fps: int, vectors: int) -> Flow:
    """A bring-your-own flow around such a file."""
    from lepton_hw.flow import Check

    return Flow(
        name=file.stem.lower(),
        title=title,
        model_file=str(file),
        compile=Compile(target_fps=target_fps),
        check=Check(random_vectors=vectors, rtl_images=vectors),
    )
