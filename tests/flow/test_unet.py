"""A U-Net of one level through every stage: skip connection, upsampling, a class for each pixel."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from lepton_hw.board import load_board
from lepton_hw.compiler import compile as compiler
from lepton_hw.compiler.fifo_sizing import Sizing
from lepton_hw.compiler.graph import Graph, read_graph
from lepton_hw.contract import InputContract
from lepton_hw.errors import StageError
from lepton_hw.executors.qonnx_executor import QonnxExecutor
from lepton_hw.executors.torch_executor import TorchExecutor
from lepton_hw.flow import Check, Compile, Flow
from lepton_hw.models.layers import Bits, Concat, Window, activation, conv, conv_block
from lepton_hw.models.network import Network, door
from lepton_hw.pipeline import Options, build
from lepton_hw.progress import SILENT
from lepton_hw.stages import adopt
from lepton_hw.stages.certify import Certified
from lepton_hw.stages.compile import Compiled
from lepton_hw.stages.export import Exported
from lepton_hw.stages.qonnx_file import export_qonnx
from lepton_hw.training.settle import settle

#: Height, width, channels, classes: four sizes, so that none can be taken for another.
HEIGHT, WIDTH, DEPTH, SIZE, CLASSES = 4, 6, 2, 4, 3
BITS = Bits(3, 3, padded=True)


class OneLevel(nn.Module):  # type: ignore[misc]
    """One convolution, and beside it one at half the size."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Sequential(
            conv(DEPTH, SIZE, Window(3, padding=1), BITS), nn.BatchNorm2d(SIZE)
        )
        self.below = nn.Sequential(
            nn.MaxPool2d(2), conv(SIZE, SIZE, Window(1), BITS), nn.BatchNorm2d(SIZE)
        )
        self.act, self.concat = activation(BITS), Concat()
        self.upsample = nn.UpsamplingNearest2d(scale_factor=2)
        self.up = nn.Sequential(*conv_block(2 * SIZE, SIZE, Window(1), BITS)[:-1])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, DEPTH, H, W) → (N, SIZE, H, W)."""
        skip = self.act(self.down(x))
        return self.up(self.concat(skip, self.upsample(self.act(self.below(skip)))))


def tiny() -> Network:
    """The network, its quantisers and normalisations after a few random batches."""
    torch.manual_seed(3)
    network = Network(OneLevel(), SIZE, CLASSES, BITS, per_pixel=True)
    random = np.random.default_rng(2)
    with torch.no_grad():
        for _ in range(22):
            codes = random.integers(0, 256, (8, HEIGHT, WIDTH, DEPTH))
            network.train()(door(codes, network.flat))
    assert settle(network, codes) > 0
    return network


def test_a_class_for_each_pixel_is_exact_in_rtl(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deep(graph: Graph, *_: object) -> Sizing:  # FIFO sizing is not the subject here
        return Sizing({kernel.name: 32 for kernel in graph.kernels if kernel.depth}, 1.0)

    monkeypatch.setattr(compiler, "size_fifos", deep)
    network, file = tiny(), tmp_path / "unet.onnx"
    ports = network.ports((HEIGHT, WIDTH, DEPTH), "UINT8")
    export_qonnx(network, ports[0], file)
    flow = Flow(
        name="tiny",
        model_file=str(file),
        compile=Compile(target_fps=400_000),
        check=Check(random_vectors=8, rtl_images=8),
    )
    done = build(flow, load_board("zcu104"), Options(build_dir=tmp_path / "build"))
    exported, compiled, certified = done["export"], done["compile"], done["certify"]
    assert isinstance(exported, Exported)
    assert isinstance(compiled, Compiled)
    assert isinstance(certified, Certified)
    assert certified.certificate.exact
    assert compiled.contract.output.shape == (HEIGHT, WIDTH, CLASSES)
    assert compiled.contract.output.scale == pytest.approx(ports[1].scale)

    inputs = np.load(exported.path("vectors.npz"))["inputs"]
    expected = TorchExecutor(network, InputContract(input=ports[0], output=ports[1])).infer(inputs)
    found = np.load(done["simulate"].path("outputs.npz"))["codes"]
    assert found.shape == (8, HEIGHT, WIDTH, CLASSES)
    assert (found == expected).all()
    assert len(np.unique(expected[2:].reshape(-1, CLASSES), axis=0)) > 8  # pixels differ
    operators = {kernel.op for kernel in read_graph(compiled.folder).kernels}
    assert {
        "DuplicateStreams_rtl", "Pool_rtl", "StreamingConcat_rtl", "UpsampleNearestNeighbour_rtl"
    } <= operators  # fmt: skip


def test_a_file_that_ends_channels_last(tmp_path: Path) -> None:
    """The hardware's order is the file's own then, and the contract says so."""
    network, file = tiny(), tmp_path / "unet.onnx"
    ports = network.ports((HEIGHT, WIDTH, DEPTH), "UINT8")
    export_qonnx(network, ports[0], file)
    proto = onnx.load(file)
    shape = (1, HEIGHT, WIDTH, CLASSES)
    last = onnx.helper.make_tensor_value_info("channels_last", onnx.TensorProto.FLOAT, shape)
    proto.graph.node.append(
        onnx.helper.make_node("Transpose", ["global_out"], [last.name], perm=[0, 2, 3, 1])
    )
    proto.graph.output[0].CopyFrom(last)
    onnx.save(proto, file)
    flow = Flow(name="tiny", model_file=str(file), compile=Compile(target_fps=1))
    exported = adopt.run(flow, file, tmp_path, SILENT)
    assert exported.contract.output.shape == (HEIGHT, WIDTH, CLASSES)
    inputs = np.load(tmp_path / "vectors.npz")["inputs"][:4]
    contract = InputContract(input=ports[0], output=ports[1])
    found = QonnxExecutor(tmp_path / "model.onnx", contract).infer(inputs)
    assert (found == TorchExecutor(network, contract).infer(inputs)).all()


def test_smooth_upsampling_is_refused_by_name(tmp_path: Path) -> None:
    network, file = tiny(), tmp_path / "unet.onnx"
    export_qonnx(network, network.ports((HEIGHT, WIDTH, DEPTH), "UINT8")[0], file)
    proto = onnx.load(file)
    (resize,) = (node for node in proto.graph.node if node.op_type == "Resize")
    mode = next(attribute for attribute in resize.attribute if attribute.name == "mode")
    mode.s = b"linear"
    onnx.save(proto, file)
    (tmp_path / "out").mkdir()
    with pytest.raises(StageError, match=r"Resize_0 \(Resize, mode 'linear', of FLOAT32\); exp"):
        compiler.compile_model(file, load_board("zcu104"), tmp_path / "out", target_fps=1)
