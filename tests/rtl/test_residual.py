"""A fork and a join: depths that the sizing gives run at full speed, shorter ones deadlock."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kernel_cases import DOMAIN

from lepton_hw.compiler.collect import collect
from lepton_hw.compiler.fifo_sizing import random_frames, size_fifos
from lepton_hw.compiler.graph import Graph
from lepton_hw.compiler.node_design import node_model
from lepton_hw.compiler.stitch import stitch
from lepton_hw.compiler.world import finn_world
from lepton_hw.progress import SILENT
from lepton_hw.sim.deadlock import Deadlock
from lepton_hw.sim.simulator import Simulator

PART = "xc7z020clg400-1"
SIZE, CHANNELS, PE = 8, 8, 2
IMAGE = (1, SIZE, SIZE, CHANNELS)
#: Too short for the branch beside the convolution, which holds one row of the image.
SHORT = 16


def residual() -> Any:
    """x + conv3x3(x) + y, as FINN's layers; y is a second input."""
    from onnx import helper
    from qonnx.core.datatype import DataType

    padded = SIZE + 2
    window = (1, SIZE, SIZE, 9 * CHANNELS)
    kinds = {"x": "UINT4", "conv": "INT16", "sum": "INT17", "all": "INT18"}

    def node(op: str, inputs: list[str], outputs: list[str], **attributes: Any) -> Any:
        return helper.make_node(
            f"{op}_rtl", inputs, outputs, domain=DOMAIN, backend="fpgadataflow", **attributes
        )

    def add(lhs: str, rhs: str, types: tuple[str, str, str], out: str) -> Any:
        shapes = {key: list(IMAGE) for key in ("lhs_shape", "rhs_shape", "out_shape")}
        names = dict(zip(("lhs_dtype", "rhs_dtype", "out_dtype"), types, strict=True))
        return node(
            "ElementwiseAdd", [lhs, rhs], [out], PE=PE, mem_mode="internal_embedded",
            **names, **shapes,
        )  # fmt: skip

    nodes = [
        node(
            "DuplicateStreams", ["x"], ["a", "b"], NumChannels=CHANNELS, PE=PE,
            NumOutputStreams=2, inputDataType="UINT4", numInputVectors=list(IMAGE[:3]),
            outFIFODepths=[2, 2],
        ),
        node(
            "FMPadding", ["a"], ["padded"], ImgDim=[SIZE, SIZE], Padding=[1, 1, 1, 1],
            NumChannels=CHANNELS, SIMD=PE, inputDataType="UINT4",
        ),
        node(
            "ConvolutionInputGenerator", ["padded"], ["window"], ConvKernelDim=[3, 3],
            IFMChannels=CHANNELS, IFMDim=[padded, padded], OFMDim=[SIZE, SIZE], SIMD=PE,
            Stride=[1, 1], Dilation=[1, 1], inputDataType="UINT4", outputDataType="UINT4",
        ),
        node(
            "MVAU", ["window", "w"], ["conv"], MW=9 * CHANNELS, MH=CHANNELS, PE=PE, SIMD=PE,
            inputDataType="UINT4", weightDataType="INT4", outputDataType="INT16", noActivation=1,
            numInputVectors=list(IMAGE[:3]), resType="lut", mem_mode="internal_embedded",
        ),
        add("conv", "b", ("INT16", "UINT4", "INT17"), "sum"),
        add("y", "sum", ("UINT4", "INT17", "INT18"), "all"),
    ]  # fmt: skip
    weights = np.random.default_rng(1).integers(-8, 8, (9 * CHANNELS, CHANNELS))
    model = node_model(
        nodes,
        {"x": (IMAGE, "UINT4"), "y": (IMAGE, "UINT4")},
        {"all": (IMAGE, "INT18")},
        {"w": (weights.astype(np.float32), "INT4")},
    )
    shapes = {"a": IMAGE, "b": IMAGE, "padded": (1, padded, padded, CHANNELS), "window": window,
              "conv": IMAGE, "sum": IMAGE}  # fmt: skip
    for name, shape in shapes.items():
        model.set_tensor_shape(name, list(shape))
        model.set_tensor_datatype(name, DataType[kinds.get(name, "UINT4")])
    return model


class Residual:
    """The graph with FIFOs on every stream, generated again with any depths."""

    def __init__(self, folder: Path, depth: int) -> None:
        from finn.transformation.fpgadataflow.insert_dwc import InsertDWC
        from finn.transformation.fpgadataflow.insert_fifo import InsertFIFO
        from finn.transformation.fpgadataflow.specialize_layers import SpecializeLayers
        from qonnx.custom_op.registry import getCustomOp
        from qonnx.transformation.general import GiveReadableTensorNames, GiveUniqueNodeNames

        model = residual()
        for node in model.graph.node:
            op = getCustomOp(node)
            op.set_nodeattr("inFIFODepths", [depth] * len(node.input))
            op.set_nodeattr("outFIFODepths", [depth] * len(node.output))
        for transformation in (
            InsertDWC(), InsertFIFO(create_shallow_fifos=True), SpecializeLayers(PART),
            GiveUniqueNodeNames(), GiveReadableTensorNames(),
        ):  # fmt: skip
            model = model.transform(transformation)
        self.model, self.folder, self.count = model, folder, 0

    def generate(self, depths: dict[str, int], target: Path) -> Graph:
        """All of it, with these depths of FIFOs by name."""
        from qonnx.custom_op.registry import getCustomOp

        self.count += 1
        for node in self.model.graph.node:
            op = getCustomOp(node)
            place = self.folder / f"generated{self.count}" / node.name
            place.mkdir(parents=True)
            if node.name in depths:
                op.set_nodeattr("depth", depths[node.name])
            op.set_nodeattr("code_gen_dir_ipgen", str(place))
            op.code_generation_ipgen(self.model, PART, 10.0)
            op.set_nodeattr("exec_mode", "cppsim")
        return collect(self.model, PART, target)

    def golden(self, batch: dict[str, Any], names: list[str]) -> Any:
        """FINN's own execution of the graph."""
        from finn.core.onnx_exec import execute_onnx

        feeds = [value.name for value in self.model.graph.input]
        rows = []
        for x, y in zip(*(batch[name] for name in names), strict=True):
            feed = {feeds[0]: x[None].astype(np.float32), feeds[1]: y[None].astype(np.float32)}
            rows.append(next(iter(execute_onnx(self.model, feed).values()))[0])
        return np.rint(np.stack(rows)).astype(np.int64)


def fifo_beside_the_convolution(graph: Graph) -> str:
    """The FIFO on the branch from the fork straight to the join."""
    fork = next(k for k in graph.kernels if k.op == "DuplicateStreams_rtl")
    edge = next(e for e in graph.edges if e.tensor == fork.outputs[1].tensor)
    return edge.consumer


def test_depths_run_at_full_speed_and_shorter_ones_deadlock(tmp_path: Path) -> None:
    with finn_world(tmp_path / "finn", tmp_path / "finn.log"):
        built = Residual(tmp_path, SHORT)
        first = tmp_path / "compiled"
        graph = built.generate({}, first)
        beside = fifo_beside_the_convolution(graph)
        # As it is, the graph stops: the message names the short branch.
        with pytest.raises(Deadlock, match=f"{beside} holds {SHORT}"):
            size_fifos(graph, first, tmp_path / "short", SILENT)
        sizing = size_fifos(graph, first, tmp_path / "deep", SILENT, built.generate)
        assert sizing.limited == ()
        row = SIZE * CHANNELS // PE
        assert row < sizing.depths[beside] < 3 * row, sizing
        slowest = max(kernel.cycles for kernel in graph.kernels)
        assert sizing.interval == pytest.approx(slowest, rel=0.01)

        final = tmp_path / "final"
        design = stitch_into(built.generate(sizing.depths, final), final, tmp_path / "design")
        batch = random_frames(design, 6)
        expected = built.golden(batch, list(design.inputs))
        simulator = Simulator(design, tmp_path / "design")
        fast = simulator.run(batch)
        assert np.array_equal(fast.outputs, expected)
        assert fast.cycles_per_frame <= sizing.interval
        slow = simulator.run(batch, gap=0.3, stall=0.3, seed=5)
        assert np.array_equal(slow.outputs, expected)


def stitch_into(graph: Graph, compiled: Path, folder: Path) -> Any:
    """The design, in a new folder."""
    folder.mkdir()
    return stitch(graph, compiled, folder)


def test_a_limit_on_depth_keeps_the_deadlock(tmp_path: Path) -> None:
    with finn_world(tmp_path / "finn", tmp_path / "finn.log"):
        built = Residual(tmp_path, SHORT)
        graph = built.generate({}, tmp_path / "compiled")
        with pytest.raises(Deadlock):
            size_fifos(
                graph, tmp_path / "compiled", tmp_path / "deep", SILENT, built.generate, SHORT
            )
