"""Every network: a training step, and the same integers in PyTorch and QONNX after export."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import Sequential, ZeroPad2d

from benchmarks.networks import calibrated
from lepton_hw import models
from lepton_hw.contract import InputContract
from lepton_hw.errors import InputError
from lepton_hw.executors.qonnx_executor import QonnxExecutor
from lepton_hw.executors.torch_executor import TorchExecutor
from lepton_hw.flow import Model
from lepton_hw.models.layers import Bits, Window, conv_block
from lepton_hw.models.network import Network, door
from lepton_hw.stages.qonnx_file import export_qonnx
from lepton_hw.training.settle import ENOUGH, settle

SHAPES = {
    "cnn_small": (8, 8, 1),
    "tfc": (8, 6, 1),
    "lfc": (8, 6, 1),
    "kws_mlp": (9, 5, 1),
    "cnv": (32, 32, 3),
    "cnv_strided": (32, 32, 3),
    "resnet8": (16, 16, 3),
    "mobilenet_v1": (32, 32, 3),
    "dscnn": (25, 10, 1),
    "vgg10": (128, 1, 2),
    "unet": (8, 16, 3),
}
WIDTH = {"lfc": 0.0625, "mobilenet_v1": 0.125}
CASES = [(name, 4) for name in SHAPES] + [
    ("cnn_small", 1), ("cnn_small", 2), ("cnn_small", 3), ("cnn_small", 8),
    ("tfc", 1), ("tfc", 2), ("cnv", 1), ("resnet8", 1), ("resnet8", 2), ("unet", 2),
]  # fmt: skip
CLASSES = 5


def network(name: str, bits: int) -> Network:
    """A small network whose quantisers have seen a few random batches."""
    torch.manual_seed(1)
    width = WIDTH.get(name, 0.25)
    model = Model(name=name, weight_bits=bits, act_bits=bits, width=width)
    built = models.build(model, SHAPES[name], CLASSES)
    random = np.random.default_rng(2)
    with torch.no_grad():
        for _ in range(22):
            built.train()(door(random.integers(0, 256, (4, *SHAPES[name])), built.flat))
    return built


def contract(name: str, built: Network) -> InputContract:
    entry, output = built.ports(SHAPES[name], "UINT8")
    return InputContract(input=entry, output=output)


def test_every_network_has_a_case() -> None:
    assert set(SHAPES) == set(models.NETWORKS)
    with pytest.raises(InputError, match="no network 'vgg'; expected one of cnn_small"):
        models.build(Model(name="vgg", weight_bits=4, act_bits=4), (8, 8, 1), 2)
    with pytest.raises(InputError, match="cnv on images of 28x28; expected 32x32"):
        models.build(Model(name="cnv", weight_bits=4, act_bits=4), (28, 28, 1), 2)


@pytest.mark.parametrize(("name", "bits"), CASES, ids=str)
def test_trains_and_exports_to_the_same_integers(name: str, bits: int, tmp_path: Path) -> None:
    built = network(name, bits)
    optimiser = torch.optim.AdamW(built.parameters(), lr=1e-3)
    codes = np.random.default_rng(3).integers(0, 256, (6, *SHAPES[name]))
    outputs = built.train()(door(codes, built.flat))
    labels = torch.arange(outputs[:, 0].numel()).reshape(outputs[:, 0].shape) % CLASSES
    torch.nn.functional.cross_entropy(outputs, labels).backward()
    missing = [n for n, p in built.named_parameters() if p.requires_grad and p.grad is None]
    assert missing == []
    optimiser.step()

    settle(built, codes)
    door_of = contract(name, built)
    export_qonnx(built, door_of.input, tmp_path / "model.onnx")
    frames = codes.reshape(6, *door_of.input.shape)
    expected = TorchExecutor(built, door_of).infer(frames)
    assert expected.any()
    got = QonnxExecutor(tmp_path / "model.onnx", door_of).infer(frames)
    assert (got == expected).all()


@pytest.mark.parametrize("name", ["cnn_small", "tfc", "cnv", "resnet8", "unet"])
def test_settled_thresholds_keep_away_from_integers(name: str) -> None:
    """Measured on the network itself: the sums at which codes change, in float64."""
    built = network(name, 3)
    frame = np.zeros((1, *SHAPES[name]), np.int64)
    before = {k: v.clone() for k, v in built.state_dict().items()}
    margin = settle(built, frame)
    assert margin > ENOUGH * 0.9
    # Settled once, nothing more is to be done, up to what float32 can hold of the shift.
    settled = {k: v.clone() for k, v in built.state_dict().items()}
    changed = {k for k in before if not torch.equal(before[k], settled[k])}
    assert changed
    assert all(k.endswith("running_mean") for k in changed)
    assert settle(built, frame) == pytest.approx(margin, abs=1e-3)


def test_thresholds_behind_padding_and_wide_windows_are_settled(tmp_path: Path) -> None:
    """Strides and dilations that differ by axis, zeros on one side: PyTorch's integers in QONNX."""
    torch.manual_seed(1)
    bits, shape = Bits(3, 3, padded=True), (9, 7, 2)
    window = Window((3, 2), stride=(2, 1), dilation=(2, 3))
    layers = [*conv_block(2, 4, Window(1), bits), ZeroPad2d((1, 0, 2, 0))]
    features = Sequential(*layers, *conv_block(4, 3, window, bits))
    built = calibrated(Network(features, 3 * 4 * 5, CLASSES, bits), shape, np.random.default_rng(2))
    norm = features[-2]
    norm.running_mean += 0.5
    moved = norm.running_mean.clone()
    codes = np.random.default_rng(3).integers(0, 256, (6, *shape))
    settle(built, codes)
    assert not torch.equal(norm.running_mean, moved)

    entry, output = built.ports(shape, "UINT8")
    door_of = InputContract(input=entry, output=output)
    export_qonnx(built, door_of.input, tmp_path / "model.onnx")
    expected = TorchExecutor(built, door_of).infer(codes)
    assert expected.any()
    assert (QonnxExecutor(tmp_path / "model.onnx", door_of).infer(codes) == expected).all()


def test_two_bit_weights_are_int2_without_their_lowest_value(tmp_path: Path) -> None:
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.custom_op.registry import getCustomOp

    built = network("cnn_small", 2)
    export_qonnx(built, contract("cnn_small", built).input, tmp_path / "model.onnx")
    model = ModelWrapper(str(tmp_path / "model.onnx"))
    seen = 0
    for node in model.get_nodes_by_op_type("Quant"):
        weights = model.get_initializer(node.input[0])
        if weights is None:
            continue
        scale = model.get_initializer(node.input[1])
        values = np.rint(weights / scale)
        assert getCustomOp(node).get_nodeattr("narrow") == 0
        assert set(np.unique(values)) == {-1.0, 0.0, 1.0}
        seen += 1
    assert seen == 4
