"""Graphs that FINN's streamlining alone would break, or refuse: the same integers before and after.

Networks of a layer or two with random weights, through Brevitas, QONNX and FINN's front steps.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.networks import calibrated
from lepton_hw.board import load_board
from lepton_hw.models.layers import Bits, Concat, Window, activation, conv, conv_block
from lepton_hw.models.network import Network, door
from lepton_hw.stages.qonnx_file import export_qonnx

SHAPE = (6, 6, 2)
ONE, FOUR = Bits(1, 1), Bits(4, 4)


class Two(nn.Module):
    """Two readers of one tensor, through one quantiser, side by side."""

    def __init__(self, left: nn.Module, right: nn.Module, bits: Bits) -> None:
        super().__init__()
        self.left, self.right = left, right
        self.act, self.concat = activation(bits), Concat()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.concat(self.act(self.left(x)), self.act(self.right(x)))


def matrix(inputs: int, bits: Bits) -> nn.Module:
    return nn.Sequential(conv(inputs, 3, Window(1), bits), nn.BatchNorm2d(3))


def first(bits: Bits) -> list[nn.Module]:
    return conv_block(2, 3, Window(1), bits)


def pooled_twice() -> nn.Module:
    return nn.Sequential(*first(FOUR), nn.MaxPool2d(2), Two(matrix(3, FOUR), matrix(3, FOUR), FOUR))


def pooled_with_a_border_twice() -> nn.Module:
    pool = nn.MaxPool2d(3, stride=2, padding=1)
    return nn.Sequential(*first(FOUR), pool, Two(matrix(3, FOUR), matrix(3, FOUR), FOUR))


def enlarged_twice() -> nn.Module:
    larger = nn.UpsamplingNearest2d(scale_factor=2)
    before = Two(matrix(3, FOUR), matrix(3, FOUR), FOUR)
    return nn.Sequential(*first(FOUR), before, larger, Two(matrix(6, FOUR), matrix(6, FOUR), FOUR))


def sign_and_threshold() -> nn.Module:
    return nn.Sequential(*first(ONE), activation(FOUR), matrix(3, FOUR))


def sign_pooled_and_threshold() -> nn.Module:
    return nn.Sequential(*first(ONE), nn.MaxPool2d(2), activation(FOUR), matrix(3, FOUR))


def signs_joined_and_threshold() -> nn.Module:
    joined = Two(matrix(3, FOUR), matrix(3, FOUR), ONE)
    return nn.Sequential(*first(FOUR), joined, activation(FOUR), matrix(6, ONE))


def sign_enlarged_and_threshold() -> nn.Module:
    larger = nn.UpsamplingNearest2d(scale_factor=2)
    return nn.Sequential(*first(ONE), larger, activation(FOUR), matrix(3, FOUR))


def sign_and_wide_weights() -> nn.Module:
    return nn.Sequential(*first(ONE), matrix(3, FOUR))


def sign_read_twice() -> nn.Module:
    """By bipolar weights and by others."""
    return nn.Sequential(*first(ONE), Two(matrix(3, ONE), matrix(3, FOUR), FOUR))


def sign_of_zero() -> nn.Module:
    """Many of what the sign is of are 0, of which it is 1."""
    return nn.Sequential(*first(FOUR), activation(ONE), matrix(3, ONE))


def sign_of_zero_and_wide_weights() -> nn.Module:
    return nn.Sequential(*first(FOUR), activation(ONE), matrix(3, FOUR))


def sign_read_twice_by_signs() -> nn.Module:
    return nn.Sequential(*first(ONE), Two(matrix(3, ONE), matrix(3, ONE), FOUR))


def signs_joined() -> nn.Module:
    joined = Two(matrix(3, FOUR), matrix(3, FOUR), ONE)
    return nn.Sequential(*first(FOUR), joined, matrix(6, ONE))


def stride_beyond_the_image() -> nn.Module:
    window = Window((6, 4), stride=7)
    return nn.Sequential(*conv_block(2, 3, window, FOUR), matrix(3, FOUR))


CASES = (
    sign_pooled_and_threshold, signs_joined_and_threshold, sign_enlarged_and_threshold,
    sign_of_zero, sign_of_zero_and_wide_weights, pooled_twice, pooled_with_a_border_twice,
    enlarged_twice, sign_and_threshold, sign_and_wide_weights, sign_read_twice,
    sign_read_twice_by_signs, signs_joined, stride_beyond_the_image,
)  # fmt: skip


def network_of(features: nn.Module) -> Network:
    """Calibrated; a class for each pixel, so that every one shows."""
    with torch.no_grad():
        channels = int(features.eval()(torch.zeros(1, SHAPE[2], *SHAPE[:2])).shape[1])
    network = Network(features, channels, 2, FOUR, per_pixel=True)
    return calibrated(network, SHAPE, np.random.default_rng(3)).eval()


@pytest.mark.parametrize("case", CASES)
def test_the_front_keeps_every_integer(case: Callable[[], nn.Module], tmp_path: Path) -> None:
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.core.onnx_exec import execute_onnx
    from qonnx.custom_op.registry import getCustomOp

    from lepton_hw.compiler.compile import specialize
    from lepton_hw.compiler.folding import choices
    from lepton_hw.compiler.steps import FinnSteps
    from lepton_hw.compiler.world import finn_world

    torch.manual_seed(4)
    network, file = network_of(case()), tmp_path / "model.onnx"
    export_qonnx(network, network.ports(SHAPE, "UINT8")[0], file)
    with finn_world(tmp_path / "scratch", tmp_path / "log"):
        steps = FinnSteps(load_board("pynq_z2"), tmp_path, tmp_path / "log")
        model, _ = steps.front(ModelWrapper(str(file)))
        rng = np.random.default_rng(5)
        for _ in range(4):
            codes = rng.integers(0, 256, (1, *SHAPE))
            found = run(execute_onnx, model, codes)
            with torch.no_grad():
                real = network(door(codes, flat=False)).numpy() / network.output_scale()
            assert np.abs(real - np.rint(real)).max() < 1e-2
            assert np.array_equal(found, np.rint(real).transpose(0, 2, 3, 1))
        hardware = specialize(steps, model)  # nothing is left that has no hardware
        choices(hardware, load_board("pynq_z2"))
    for node in hardware.get_nodes_by_op_type("Thresholding_rtl"):
        # RTL compares the bit that stands for -1 as a 0.
        assert getCustomOp(node).get_nodeattr("inputDataType") != "BIPOLAR"


def run(execute: Any, model: Any, codes: Any) -> Any:
    """The output (N, H, W, C) of FINN's graph, which may take images in either order."""
    name = model.graph.input[0].name
    shape = model.get_tensor_shape(name)
    frame = codes if tuple(shape) == codes.shape else codes.transpose(0, 3, 1, 2)
    out = execute(model, {name: frame.astype(np.float32)})[model.graph.output[0].name]
    return out if out.shape[3] == 2 and out.shape[1] != 2 else out.transpose(0, 2, 3, 1)
