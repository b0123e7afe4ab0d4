"""A fork and a join: depths that the sizing gives run at full speed, shorter ones deadlock."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kernel_cases import DOMAIN

from lepton_hw.compiler import fifo_sizing
from lepton_hw.compiler.collect import collect
from lepton_hw.compiler.fifo_search import Trials, random_frames
from lepton_hw.compiler.fifo_sizing import Limits, size_fifos
from lepton_hw.compiler.graph import Graph
from lepton_hw.compiler.node_design import node_model
from lepton_hw.compiler.stitch import stitch
from lepton_hw.compiler.world import finn_world
from lepton_hw.design import Design
from lepton_hw.progress import Progress
from lepton_hw.sim.deadlock import Deadlock
from lepton_hw.sim.gauges import GaugedDesign
from lepton_hw.sim.shortage import with_shortage
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


def stitched(built: Residual, depths: dict[str, int], folder: Path) -> Design:
    """The design with these depths, in a new folder."""
    graph = built.generate(depths, folder / "compiled")
    (folder / "design").mkdir()
    return stitch(graph, folder / "compiled", folder / "design")


class Lines(Progress):
    """Keeps what was said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, line: str) -> None:
        self.said.append(line)


def test_depths_run_at_full_speed_and_are_verified(tmp_path: Path) -> None:
    with finn_world(tmp_path / "finn", tmp_path / "finn.log"):
        built = Residual(tmp_path, SHORT)
        graph = built.generate({}, tmp_path / "first")
        beside = fifo_beside_the_convolution(graph)
        sizing = size_fifos(graph, tmp_path / "first", tmp_path / "sizing", built.generate)
        assert (sizing.limited, sizing.timed_out) == ((), False)
        row = SIZE * CHANNELS // PE
        assert row < sizing.depths[beside] < 3 * row, sizing
        slowest = max(kernel.cycles for kernel in graph.kernels)
        assert sizing.interval == pytest.approx(slowest, rel=0.01)
        assert sizing.reached == sizing.interval
        assert sizing.finn is not None
        assert sum(sizing.depths.values()) < sum(sizing.finn.values()) / 2

        design = stitched(built, sizing.depths, tmp_path / "final")
        batch = random_frames(design, 6)
        expected = built.golden(batch, list(design.inputs))
        simulator = Simulator(design, tmp_path / "final" / "design")
        fast = simulator.run(batch)
        assert np.array_equal(fast.outputs, expected)
        assert fast.cycles_per_frame == sizing.interval
        slow = simulator.run(batch, gap=0.3, stall=0.3, seed=5)
        assert np.array_equal(slow.outputs, expected)


def test_depths_that_fail_in_the_design_itself_are_repaired(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with finn_world(tmp_path / "finn", tmp_path / "finn.log"):
        built = Residual(tmp_path, SHORT)
        graph = built.generate({}, tmp_path / "first")
        beside = fifo_beside_the_convolution(graph)

        def too_far(trials: Trials, _: object) -> None:
            trials.best = {**trials.best, beside: SHORT}

        monkeypatch.setattr(fifo_sizing, "shrink", too_far)
        sizing = size_fifos(graph, tmp_path / "first", tmp_path / "sizing", built.generate)
        assert sizing.reached == sizing.interval
        assert sizing.depths[beside] > SHORT


def test_a_short_branch_is_named_with_what_it_needs(tmp_path: Path) -> None:
    """The depth that the message asks for runs; one beat less does not."""
    with finn_world(tmp_path / "finn", tmp_path / "finn.log"):
        built = Residual(tmp_path, SHORT)
        graph = built.generate({}, tmp_path / "first")
        beside = fifo_beside_the_convolution(graph)
        design = stitched(built, {}, tmp_path / "short")
        folder = tmp_path / "short" / "design"
        batch = random_frames(design, 2)
        with pytest.raises(Deadlock, match=f"{beside} holds {SHORT}") as caught:
            Simulator(design, folder).run(batch)
        (branch,) = caught.value.short
        assert (branch.fork, branch.fifo, branch.depth, branch.needs) == (
            "DuplicateStreams_rtl_0", beside, SHORT, 0,
        )  # fmt: skip
        gauged = GaugedDesign(design, folder, tmp_path / "gauged")
        said = str(with_shortage(caught.value, gauged, batch))
        found = re.search(
            rf"fork DuplicateStreams_rtl_0: the branch through {beside} to \w+ is short by (\d+)"
            rf" beats \(depth {SHORT}, needs (\d+)\)",
            said,
        )
        assert found is not None, said
        by, needs = map(int, found.groups())
        assert by == needs - SHORT
        with pytest.raises(Deadlock):
            gauged.run(batch, {**gauged.fifos, beside: needs - 1})
        design = stitched(built, {beside: needs}, tmp_path / "enough")
        assert Simulator(design, tmp_path / "enough" / "design").run(batch).frames == 2


def test_limits_keep_the_best_depths_and_say_so(tmp_path: Path) -> None:
    with finn_world(tmp_path / "finn", tmp_path / "finn.log"):
        built = Residual(tmp_path, SHORT)
        first, heard = tmp_path / "first", Lines()
        graph = built.generate({}, first)
        beside = fifo_beside_the_convolution(graph)
        with pytest.raises(Deadlock, match=rf"branch through {beside} to .* needs \d+\)") as caught:
            size_fifos(graph, first, tmp_path / "a", built.generate, Limits(depth=SHORT))
        assert "raise compile.fifo_max_depth" in caught.value.remedy
        needs = caught.value.short[0].needs
        slow = size_fifos(graph, first, tmp_path / "b", built.generate, Limits(depth=needs), heard)
        assert max(slow.depths.values()) <= needs
        assert slow.reached is not None
        if slow.limited:
            assert slow.reached > slow.interval
            assert f"FIFOs are limited to {needs} beats" in heard.said[-1]
        hasty = size_fifos(
            graph, first, tmp_path / "c", built.generate, Limits(seconds=1e-3), heard
        )
        assert (hasty.timed_out, hasty.reached) == (True, None)
        assert set(hasty.depths) == set(slow.depths)
        assert heard.said[-1].startswith("the limit of 0.001 s on FIFO sizing is reached")
