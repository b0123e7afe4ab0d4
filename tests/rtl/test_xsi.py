"""FINN's own node-level rtlsim over our ``finn.xsi``: every RTL kernel against FINN in Python."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lepton_hw.compiler import xsi
from lepton_hw.errors import StageError

pytest.importorskip("finn")
PART = "xc7z020clg400-1"
RNG = np.random.default_rng(5)


@pytest.fixture(scope="module", autouse=True)
def finn_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    from lepton_hw.compiler.world import finn_world

    folder = tmp_path_factory.mktemp("finn")
    with finn_world(folder / "build", folder / "finn.log"):
        yield


class Layer:
    """A FINN graph of one node: its shapes, datatypes, constants and attributes."""

    def __init__(
        self,
        op: str,
        shapes: tuple[tuple[int, ...], tuple[int, ...]],
        types: tuple[str, str],
        constants: dict[str, tuple[str, Any]] | None = None,
        **attributes: Any,
    ) -> None:
        from onnx import TensorProto, helper
        from qonnx.core.datatype import DataType
        from qonnx.core.modelwrapper import ModelWrapper
        from qonnx.util.basic import qonnx_make_model

        constants = constants or {}
        values = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, shape in zip(("inp", "outp"), shapes, strict=True)
        ]
        node = helper.make_node(
            op, ["inp", *constants], ["outp"], domain="finn.custom_op.fpgadataflow",
            backend="fpgadataflow", **attributes,
        )  # fmt: skip
        graph = helper.make_graph([node], op, values[:1], values[1:])
        self.model = ModelWrapper(qonnx_make_model(graph))
        for name, kind in zip(("inp", "outp"), types, strict=True):
            self.model.set_tensor_datatype(name, DataType[kind])
        for name, (kind, value) in constants.items():
            self.model.set_initializer(name, np.asarray(value, np.float32))
            self.model.set_tensor_datatype(name, DataType[kind])
        self.input_type, self.shape = DataType[types[0]], shapes[0]

    def check(self, expected_op: str, *, trace: str = "") -> int:
        """Runs Python and RTL on random inputs; returns the cycles that the RTL took."""
        from finn.core.onnx_exec import execute_onnx
        from finn.transformation.fpgadataflow.prepare_ip import PrepareIP
        from finn.transformation.fpgadataflow.prepare_rtlsim import PrepareRTLSim
        from finn.transformation.fpgadataflow.set_exec_mode import SetExecMode
        from finn.transformation.fpgadataflow.specialize_layers import SpecializeLayers
        from qonnx.custom_op.registry import getCustomOp
        from qonnx.transformation.general import GiveUniqueNodeNames

        low, high = int(self.input_type.min()), int(self.input_type.max())
        frame = RNG.integers(low, high, self.shape, endpoint=True).astype(np.float32)
        expected = execute_onnx(self.model, {"inp": frame})["outp"]
        model = self.model.transform(SpecializeLayers(PART)).transform(GiveUniqueNodeNames())
        (node,) = model.graph.node
        assert node.op_type == expected_op
        getCustomOp(node).set_nodeattr("rtlsim_trace", trace)
        for step in (PrepareIP(PART, 10.0), SetExecMode("rtlsim"), PrepareRTLSim()):
            model = model.transform(step)
        found = execute_onnx(model, {"inp": frame})["outp"]
        assert found.shape == expected.shape
        assert np.array_equal(found, expected)
        self.node = getCustomOp(model.graph.node[0])
        return int(self.node.get_nodeattr("cycles_rtlsim"))


def test_install_is_ours_without_vivado(monkeypatch: pytest.MonkeyPatch) -> None:
    import finn

    module = xsi.install()
    assert module is sys.modules["finn.xsi"] is finn.xsi
    assert module.is_available()
    with pytest.raises(AttributeError, match="no_such_thing"):
        _ = module.no_such_thing
    with pytest.raises(StageError, match="links Vivado's simulator"):
        module.compile_sim_obj("top", [], Path(), fifosim=True)


def test_vivado_keeps_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("XILINX_VIVADO", str(tmp_path))
    assert xsi.install() is None


@pytest.mark.parametrize(("pe", "output"), [(1, "UINT4"), (4, "INT3")])
def test_thresholding(pe: int, output: str) -> None:
    bits = int(output[-1])
    thresholds = np.sort(RNG.integers(-120, 120, (8, 2**bits - 1)), axis=1)
    layer = Layer(
        "Thresholding", ((1, 3, 3, 8), (1, 3, 3, 8)), ("INT8", output),
        {"thresholds": ("INT8", thresholds)},
        NumChannels=8, PE=pe, numSteps=2**bits - 1, inputDataType="INT8",
        weightDataType="INT8", outputDataType=output, numInputVectors=[1, 3, 3],
        ActVal=0 if output[0] == "U" else -(2 ** (bits - 1)), preferred_impl_style="rtl",
    )  # fmt: skip
    assert layer.check("Thresholding_rtl") >= 9 * 8 // pe


@pytest.mark.parametrize(("pe", "simd"), [(2, 4), (5, 3), (1, 12), (10, 1)])
def test_mvau(pe: int, simd: int) -> None:
    weights = RNG.integers(-7, 8, (12, 10))
    layer = Layer(
        "MVAU", ((1, 12), (1, 10)), ("UINT4", "INT16"), {"weights": ("INT4", weights)},
        MW=12, MH=10, SIMD=simd, PE=pe, inputDataType="UINT4", weightDataType="INT4",
        outputDataType="INT16", ActVal=0, binaryXnorMode=0, noActivation=1,
        preferred_impl_style="rtl", mem_mode="internal_decoupled", resType="dsp",
    )  # fmt: skip
    assert layer.check("MVAU_rtl") >= 120 // pe // simd


@pytest.mark.parametrize(
    ("simd", "parallel", "width"),
    [(1, 0, 6), (2, 0, 6), (4, 1, 6), (4, 1, 5), (4, 1, 4), (4, 1, 3), (2, 0, 4), (2, 0, 3)],
)
def test_sliding_window(simd: int, parallel: int, width: int) -> None:
    """A width of 4 leaves one pixel of a row for the line buffers of parallel windows."""
    windows = width - 2
    layer = Layer(
        "ConvolutionInputGenerator", ((1, 7, width, 4), (1, 5, windows, 36)), ("INT4", "INT4"),
        ConvKernelDim=[3, 3], IFMChannels=4, IFMDim=[7, width], OFMDim=[5, windows], SIMD=simd,
        Stride=[1, 1], Dilation=[1, 1], inputDataType="INT4", outputDataType="INT4",
        depthwise=0, parallel_window=parallel, preferred_impl_style="rtl",
    )  # fmt: skip
    assert layer.check("ConvolutionInputGenerator_rtl") >= 7 * width


def test_padding() -> None:
    layer = Layer(
        "FMPadding", ((1, 5, 4, 4), (1, 8, 8, 4)), ("UINT3", "UINT3"),
        ImgDim=[5, 4], Padding=[1, 1, 2, 3], NumChannels=4, SIMD=2, inputDataType="UINT3",
        numInputVectors=1, preferred_impl_style="rtl",
    )  # fmt: skip
    assert layer.check("FMPadding_rtl") >= 8 * 8 * 2


@pytest.mark.parametrize("depth", [2, 40, 300])
def test_fifo(depth: int) -> None:
    """FINN never simulates a FIFO by itself (its rtlsim copies the input), so beats go by hand."""
    layer = fifo(depth)
    module, engine = sys.modules["finn.xsi"], layer.node.get_rtlsim()
    module.reset_rtlsim(engine)
    beats = RNG.integers(0, 1 << 10, 64).tolist()
    io = {"inputs": {"in0": beats}, "outputs": {"out0": []}}
    trace = engine.trace_stream("in0_V")
    cycles = module.rtlsim_multi_io(engine, io, 64, "_V")
    module.close_rtlsim(engine)
    assert io["outputs"]["out0"] == beats
    assert 64 <= cycles < 90
    assert str(trace).count("1") == 64


def fifo(depth: int) -> "Layer":
    layer = Layer(
        "StreamingFIFO", ((1, 64, 2), (1, 64, 2)), ("INT5", "INT5"), depth=depth,
        folded_shape=[1, 64, 1, 2], normal_shape=[1, 64, 2], dataType="INT5",
    )  # fmt: skip
    layer.check("StreamingFIFO_rtl")
    return layer


@pytest.mark.parametrize(("into", "out"), [(4, 12), (12, 4), (8, 12)])
def test_width_converter(into: int, out: int) -> None:
    layer = Layer(
        "StreamingDataWidthConverter", ((1, 4, 24), (1, 4, 24)), ("INT2", "INT2"),
        inShape=[1, 4, 24], outShape=[1, 4, 24], inWidth=into, outWidth=out, dataType="INT2",
        preferred_impl_style="rtl",
    )  # fmt: skip
    assert layer.check("StreamingDataWidthConverter_rtl") >= 4 * 48 // max(into, out)


def test_waveform(tmp_path: Path) -> None:
    layer = Layer(
        "FMPadding", ((1, 2, 2, 2), (1, 4, 4, 2)), ("UINT3", "UINT3"),
        ImgDim=[2, 2], Padding=[1, 1, 1, 1], NumChannels=2, SIMD=2, inputDataType="UINT3",
        numInputVectors=1, preferred_impl_style="rtl",
    )  # fmt: skip
    layer.check("FMPadding_rtl", trace=str(tmp_path / "padding.fst"))
    assert b"s_axilite_AWADDR" in (tmp_path / "padding.fst").read_bytes()


def test_thresholds_are_read_and_written_over_axi_lite() -> None:
    thresholds = np.arange(0, 24).reshape(8, 3)
    layer = Layer(
        "Thresholding", ((1, 8), (1, 8)), ("UINT5", "UINT2"),
        {"thresholds": ("UINT5", thresholds)},
        NumChannels=8, PE=2, numSteps=3, inputDataType="UINT5", weightDataType="UINT5",
        outputDataType="UINT2", numInputVectors=[1], ActVal=0, runtime_writeable_weights=1,
        preferred_impl_style="rtl",
    )  # fmt: skip
    layer.check("Thresholding_rtl")
    engine = layer.node.get_rtlsim()
    module = sys.modules["finn.xsi"]
    module.reset_rtlsim(engine)
    before = engine.read_axilite("s_axilite", iter(range(0, 16, 4)))
    engine.run()
    engine.write_axilite("s_axilite", iter([(0, "1f"), (8, "1e")]))
    engine.run()
    after = engine.read_axilite("s_axilite", iter(range(0, 16, 4)))
    assert engine.run(5000) == []
    module.close_rtlsim(engine)
    assert not engine.is_open()
    old, new = ([int(value, 16) for value in replies.values()] for replies in (before, after))
    assert len(old) == 4
    assert (new[0], new[2]) == (0x1F, 0x1E)
    assert (new[1], new[3]) == (old[1], old[3])
    assert set(old) <= set(range(24))


def test_a_silent_output_is_an_error() -> None:
    engine = fifo(8).node.get_rtlsim()
    module = sys.modules["finn.xsi"]
    module.reset_rtlsim(engine)
    beats = {"inputs": {"in0": [1, 2, 3]}, "outputs": {"out0": []}}
    with pytest.raises(StageError, match=r"no output for 200 cycles on out0 \(3 of 4 beats\)"):
        module.rtlsim_multi_io(engine, beats, 4, "_V", liveness_threshold=200)
    assert engine.watchdogs == []
    module.close_rtlsim(engine)


MASTER = """
module master (  // writes 5, 6, 7 to 0x40, 0x44, 0x48, then reads 8 words from FIRST on
  input logic ap_clk, input logic ap_rst_n,
  output logic [31:0] m_axi_awaddr, output logic [7:0] m_axi_awlen,
  output logic [2:0] m_axi_awsize, output logic [1:0] m_axi_awburst,
  output logic m_axi_awvalid, input logic m_axi_awready,
  output logic [31:0] m_axi_wdata, output logic m_axi_wlast,
  output logic m_axi_wvalid, input logic m_axi_wready,
  input logic [1:0] m_axi_bresp, input logic m_axi_bvalid, output logic m_axi_bready,
  output logic [31:0] m_axi_araddr, output logic [7:0] m_axi_arlen,
  output logic [2:0] m_axi_arsize, output logic [1:0] m_axi_arburst,
  output logic m_axi_arvalid, input logic m_axi_arready,
  input logic [31:0] m_axi_rdata, input logic [1:0] m_axi_rresp, input logic m_axi_rlast,
  input logic m_axi_rvalid, output logic m_axi_rready,
  output logic [39:0] m_axis_0_tdata, output logic m_axis_0_tvalid, input logic m_axis_0_tready
);
  enum {ADDRESS, DATA, ANSWER, ASK, READ} state;
  logic [1:0] sent;
  assign {m_axi_awaddr, m_axi_awlen, m_axi_awsize, m_axi_awburst} = {32'h40, 8'd2, 3'd2, 2'd1};
  assign {m_axi_araddr, m_axi_arlen, m_axi_arsize, m_axi_arburst} = {32'FIRST, 8'd7, 3'd2, 2'd1};
  assign m_axi_awvalid = state == ADDRESS && ap_rst_n;
  assign m_axi_wvalid = state == DATA;
  assign m_axi_wdata = 32'd5 + sent;
  assign m_axi_wlast = sent == 2;
  assign m_axi_bready = state == ANSWER;
  assign m_axi_arvalid = state == ASK;
  assign m_axi_rready = m_axis_0_tready;
  assign m_axis_0_tvalid = m_axi_rvalid;
  assign m_axis_0_tdata = {7'd0, m_axi_rlast, m_axi_rdata};
  always_ff @(posedge ap_clk)
    if (!ap_rst_n) begin state <= WRITES ? ADDRESS : ASK; sent <= 0; end
    else case (state)
      ADDRESS: if (m_axi_awready) state <= DATA;
      DATA: if (m_axi_wready) begin sent <= sent + 1; if (m_axi_wlast) state <= ANSWER; end
      ANSWER: if (m_axi_bvalid) state <= ASK;
      ASK: if (m_axi_arready) state <= READ;
      default: ;
    endcase
endmodule
"""


def memory_master(folder: Path, first: str, *, writes: bool) -> Any:
    module = sys.modules["finn.xsi"]
    folder.mkdir()
    source = folder / "master.sv"
    source.write_text(MASTER.replace("FIRST", first).replace("WRITES", str(int(writes))))
    built = module.compile_sim_obj("master", [str(source)], folder)
    return module.load_sim_obj(*built, simkernel_so=module.get_simkernel_so())


def test_memories_behind_axi_masters(tmp_path: Path) -> None:
    module = sys.modules["finn.xsi"]
    engine = memory_master(tmp_path / "image", "h20", writes=False)
    module.reset_rtlsim(engine)
    engine.aximm_ro_image("m_axi", 0x20, np.arange(30, dtype=np.uint8).reshape(2, 15))
    traffic = {"inputs": {}, "outputs": {"m_axis_0": []}}
    module.rtlsim_multi_io(engine, traffic, 8, "")
    words = [int.from_bytes(range(i, i + 4), "little") for i in range(0, 28, 4)]
    assert traffic["outputs"]["m_axis_0"] == [*words, 1 << 32 | 29 << 8 | 28]  # then zeros, last
    module.close_rtlsim(engine)
    engine = memory_master(tmp_path / "below", "h10", writes=False)
    module.reset_rtlsim(engine)
    engine.aximm_ro_image("m_axi", 0x20, np.zeros(4, np.uint8))
    engine.collect_output("m_axis_0", 1)
    with pytest.raises(StageError, match="m_axi reads address 0x10; expected 0x20 or above"):
        engine.run(50)
    module.close_rtlsim(engine)


def test_a_memory_keeps_what_an_axi_master_writes(tmp_path: Path) -> None:
    module = sys.modules["finn.xsi"]
    engine = memory_master(tmp_path / "queue", "h40", writes=True)
    module.reset_rtlsim(engine)
    engine.aximm_queue("m_axi")
    beats = engine.collect_output("m_axis_0", 4)
    with pytest.raises(StageError, match="4 bytes at 0x4c that it has not written"):
        engine.run(50)
    assert [int(beat, 16) for beat in beats][:2] == [5, 6]
    module.close_rtlsim(engine)


def test_cells_of_the_vendor_are_named(tmp_path: Path) -> None:
    module = sys.modules["finn.xsi"]
    source = tmp_path / "top.v"
    source.write_text("module top(input ap_clk); DSPFP32 dsp(.CLK(ap_clk)); endmodule\n")
    with pytest.raises(StageError, match="instantiates DSPFP32, which none of its sources"):
        module.compile_sim_obj("top", [str(source)], tmp_path)


def test_sources_that_are_no_verilog(tmp_path: Path) -> None:
    module = sys.modules["finn.xsi"]
    with pytest.raises(StageError, match=r"top\.vhd is no Verilog"):
        module.compile_sim_obj("top", [str(tmp_path / "top.vhd")], tmp_path)
    with pytest.raises(StageError, match=r"gone\.v cannot be read"):
        module.compile_sim_obj("top", [str(tmp_path / "gone.v")], tmp_path)
    with pytest.raises(FileNotFoundError):
        module.load_sim_obj(tmp_path, Path("xsim.dir/top/xsimk.so"))
