"""A flow that trains in a second, for the tests of the first stages."""

from pathlib import Path

from lepton_hw.board import load_board
from lepton_hw.flow import Compile, Data, Flow, Model, RandomCrop, Train

BOARD = load_board("pynq_z2")
STRETCH = RandomCrop(op="random_crop", width=8, height=8, padding=1)


def small_flow(classes: int = 3, **recipe: object) -> Flow:
    values = {"epochs": 4, "batch_size": 16, "learning_rate": 5e-3, "seed": 5, **recipe}
    return Flow(
        name="small",
        data=Data(set="synthetic", shape=(8, 8, 1), classes=classes, augment=(STRETCH,)),
        model=Model(name="cnn_small", weight_bits=4, act_bits=4, width=0.5),
        train=Train.model_validate(values),
        compile=Compile(target_fps=1000),
    )


def folder(tmp_path: Path, name: str) -> Path:
    path = tmp_path / name
    path.mkdir()
    return path
