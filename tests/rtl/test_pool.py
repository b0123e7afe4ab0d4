"""Max, sum and average pooling: any window, precision and folding equals FINN's Pool exactly."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_cases import DOMAIN, PACK, Case, examples, verify
from onnx import helper
from qonnx.core.datatype import DataType
from qonnx.custom_op.registry import getCustomOp

from lepton_hw.board import load_board
from lepton_hw.compiler.execute import FinnGraph
from lepton_hw.compiler.node_design import node_design, node_model
from lepton_hw.compiler.world import finn_world
from lepton_hw.errors import StageError
from lepton_hw.sim.simulator import Simulator

TYPES = ["BIPOLAR", "BINARY", "TERNARY", *(f"{s}INT{n}" for s in ("U", "") for n in range(2, 9))]
KERNELS = [(1, 1), (2, 2), (3, 3), (2, 3), (4, 1), (1, 5), (7, 1), (8, 8)]


@st.composite
def cases(draw: Any) -> Case:
    """A random pooling layer."""
    function = draw(st.sampled_from(["MaxPool", "MaxPool", "AccPool", "AvgPool", "QuantAvgPool"]))
    kernel, channels = draw(st.sampled_from(KERNELS)), draw(st.integers(1, 12))
    window = kernel[0] * kernel[1]
    averages = function in ("AvgPool", "QuantAvgPool")
    kind = draw(st.sampled_from(TYPES[2 if averages else 0 :]))
    if function == "QuantAvgPool" and kind == "TERNARY":
        kind = "INT2"
    low, high = (int(window * edge) for edge in (DataType[kind].min(), DataType[kind].max()))
    shift, form = 0, kind
    if function == "AccPool":
        form = f"{'U' if low >= 0 else ''}INT{_bits(low, high)}"
    elif function == "QuantAvgPool":
        shift = draw(st.integers(0, 3))
        form = f"{'U' if low >= 0 else ''}INT{_bits(low >> shift, high >> shift)}"
    size = [draw(st.integers(1, 3)), 1 if kernel[1] == 1 else draw(st.integers(1, 3))]
    attributes = {
        "Channels": channels, "KernelSize": list(kernel), "Function": function, "Size": shift,
        "PE": draw(st.sampled_from([n for n in range(1, channels + 1) if channels % n == 0])),
        "OutImgDims": size, "InputDataType": kind, "OutputDataType": form,
    }  # fmt: skip
    return Case(
        "Pool_rtl",
        attributes,
        (((1, *size, window * channels), kind),),
        (((1, *size, channels), form),),
        minimize=function in ("AccPool", "AvgPool"),
    )


def _bits(low: int, high: int) -> int:
    return max(high.bit_length(), (-low - 1).bit_length() if low < 0 else 1) + (low < 0)


@examples
@given(st.lists(cases(), min_size=PACK, max_size=PACK), st.integers(1, 1 << 20))
def test_any_configuration_is_exact(
    tmp_path_factory: pytest.TempPathFactory, pack: list[Case], seed: int
) -> None:
    verify(pack, tmp_path_factory.mktemp("pool"), seed)


@pytest.mark.parametrize("pe", [2, 6])
def test_behind_a_sliding_window(tmp_path: Path, pe: int) -> None:
    """Overlapping windows of signed values, against maxima computed here, window included."""
    images = np.random.default_rng(0).integers(-16, 16, (5, 7, 6, 6))
    expected = np.stack(
        [images[:, 2 * y : 2 * y + 3, x : x + 2].max(axis=(1, 2)) for y, x in np.ndindex(3, 5)],
        axis=1,
    ).reshape(5, 3, 5, 6)
    with finn_world(tmp_path / "finn", tmp_path / "log"):
        design, place = node_design(_windowed(pe, pe), tmp_path, load_board("pynq_z2"))
    finn = FinnGraph(tmp_path / "finn.onnx")
    inner = next(stream for stream in design.streams if stream.producer and stream.consumer)
    run = Simulator(design, place).run(images, gap=0.3, stall=0.3, taps=(inner.name,))
    assert np.array_equal(run.outputs, expected)
    for frame, image in enumerate(images):
        golden = finn.taps(image)
        assert np.array_equal(golden[design.stream(design.outputs[0]).tensor], expected[frame])
        assert np.array_equal(golden[inner.tensor], run.taps[inner.name][frame])


def test_a_window_folded_otherwise_is_refused(tmp_path: Path) -> None:
    with finn_world(tmp_path / "finn", tmp_path / "log"):
        model = _windowed(3, 2)
        op = getCustomOp(model.graph.node[1])
        with pytest.raises(StageError, match="has PE 2 and its window swg has SIMD 3"):
            op.kernel(model)


def _windowed(simd: int, pe: int) -> Any:
    window = helper.make_node(
        "ConvolutionInputGenerator_rtl", ["x"], ["cols"], domain=DOMAIN, backend="fpgadataflow",
        ConvKernelDim=[3, 2], IFMChannels=6, IFMDim=[7, 6], OFMDim=[3, 5], SIMD=simd,
        Stride=[2, 1], Dilation=[1, 1], inputDataType="INT5", outputDataType="INT5", depthwise=1,
        name="swg",
    )  # fmt: skip
    pool = helper.make_node(
        "Pool_rtl", ["cols"], ["y"], domain=DOMAIN, backend="fpgadataflow", Channels=6, PE=pe,
        KernelSize=[3, 2], Function="MaxPool", OutImgDims=[3, 5], InputDataType="INT5",
        OutputDataType="INT5", name="pool",
    )  # fmt: skip
    doors = {"x": ((1, 7, 6, 6), "INT5")}, {"y": ((1, 3, 5, 6), "INT5")}
    model = node_model([window, pool], *doors, {})
    model.set_tensor_shape("cols", [1, 3, 5, 36])
    model.set_tensor_datatype("cols", DataType["INT5"])
    return model


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"PE": 5}, r"parameter PE of layer pool \(pool\) is 5; expected a divisor of 6"),
        ({"PE": 0}, "parameter PE of .* is 0; expected 1 to 6"),
        ({"KernelSize": [0, 1]}, "parameter COUNT of .* is 0; expected 1 to"),
        ({"InputDataType": "INT33", "OutputDataType": "INT33"}, "IN_BITS of .* is 33"),
        ({"InputDataType": "FLOAT32", "OutputDataType": "FLOAT32"}, "values of type FLOAT32"),
        (
            {"Function": "AccPool"},
            "layer pool gives -96 to 90, its output type is INT5; "
            "expected a type that holds them, such as INT8",
        ),
        ({"Function": "QuantAvgPool", "Size": 2}, "gives -24 to 22, its output type is INT5"),
    ],
)
def test_a_bad_parameter_is_refused_by_name(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with finn_world(tmp_path / "finn", tmp_path / "log"):
        model = _windowed(6, 6)
        model.graph.node.remove(model.graph.node[0])
        op = getCustomOp(model.graph.node[0])
        op.set_nodeattr("code_gen_dir_ipgen", str(tmp_path))
        for name, value in changes.items():
            op.set_nodeattr(name, value)
        with pytest.raises(StageError, match=message):
            op.code_generation_ipgen(model, "xc7z020clg400-1", 10.0)
