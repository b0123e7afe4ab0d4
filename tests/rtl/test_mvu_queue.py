"""FINN's MVU under back-pressure: our copy of its output queue holds what the pipeline holds.

FINN 1.6.1's own loses beats when a layer delivers one every cycle (MW = SIMD) into a stall; the
last test shows that, so that a FINN that is repaired is noticed.
"""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from lepton_hw.design import Design, Stream
from lepton_hw.errors import StageError
from lepton_hw.rtl.finn_sources import adjust
from lepton_hw.sim.simulator import Simulator

SOURCES = (
    "mvu_pkg.sv", "add_multi.sv", "replay_buffer.sv", "mvu.sv", "mvu_vvu_8sx9_dsp58.sv",
    "mvu_vvu_axi.sv",
)  # fmt: skip
#: (SIMD, DSP generation, weight bits): DSP48E1, and DSP58 without and with its own 8-bit core.
CORES = [
    (simd, version, bits)
    for simd in (1, 2, 3, 5, 8, 9, 16)
    for version, bits in ((1, 4), (3, 4), (3, 8))
]

CORE = """
  mvu_vvu_axi #(.IS_MVU(1), .VERSION({version}), .MW({simd}), .MH(2), .PE(2), .SIMD({simd}),
      .ACTIVATION_WIDTH(4), .WEIGHT_WIDTH({bits}), .ACCU_WIDTH(16)) core_{index} (
    .ap_clk(ap_clk), .ap_clk2x(1'b0), .ap_rst_n(ap_rst_n),
    .s_axis_weights_tdata({{ {{{simd}{{{bits}'(-2)}}}}, {{{simd}{{{bits}'(3)}}}} }}),
    .s_axis_weights_tvalid(1'b1), .s_axis_weights_tready(),
    .s_axis_input_tdata(s_{index}_tdata), .s_axis_input_tvalid(s_{index}_tvalid),
    .s_axis_input_tready(s_{index}_tready), .m_axis_output_tdata(m_{index}_tdata),
    .m_axis_output_tvalid(m_{index}_tvalid), .m_axis_output_tready(m_{index}_tready));
"""


def design(
    folder: Path, cores: list[tuple[int, int, int]], unchanged: tuple[str, ...] = ()
) -> Design:
    """Layers of 2 × SIMD weights (3 and -2), each with a door of its own."""
    finn = find_spec("finn")
    if finn is None or finn.origin is None:
        pytest.skip("FINN is not installed")
    library = Path(finn.origin).parent / "finn-rtllib" / "mvu"
    for name in SOURCES:
        text = (library / name).read_text()
        (folder / name).write_text(text if name in unchanged else adjust(name, text))
    ports, streams = ["input wire ap_clk", "input wire ap_rst_n"], []
    for index, (simd, _, _) in enumerate(cores):
        width = -(-simd * 4 // 8) * 8
        ports += [
            f"input wire [{width - 1}:0] s_{index}_tdata", f"input wire s_{index}_tvalid",
            f"output wire s_{index}_tready", f"output wire [31:0] m_{index}_tdata",
            f"output wire m_{index}_tvalid", f"input wire m_{index}_tready",
        ]  # fmt: skip
        streams += [
            Stream(name=f"s_{index}", tensor="x", producer="", consumer="", dtype="UINT4", bits=4,
                   width=width, shape=(1, simd), folded_shape=(1, 1, simd)),
            Stream(name=f"m_{index}", tensor="y", producer="", consumer="", dtype="INT16", bits=16,
                   width=32, shape=(1, 2), folded_shape=(1, 1, 2)),
        ]  # fmt: skip
    body = "".join(
        CORE.format(index=index, simd=simd, version=version, bits=bits)
        for index, (simd, version, bits) in enumerate(cores)
    )
    (folder / "design.sv").write_text(f"module top ({', '.join(ports)});{body}endmodule\n")
    return Design(
        top="top", sources=(*SOURCES, "design.sv"), data_files=(), nodes=(),
        inputs=tuple(f"s_{index}" for index in range(len(cores))),
        outputs=tuple(f"m_{index}" for index in range(len(cores))), streams=tuple(streams),
    )  # fmt: skip


@pytest.mark.parametrize("stall", [0.0, 0.5, 0.97])
def test_no_beat_is_lost(tmp_path: Path, stall: float) -> None:
    rng = np.random.default_rng(2)
    batch = {
        f"s_{index}": rng.integers(0, 16, (400, simd)) for index, (simd, _, _) in enumerate(CORES)
    }
    found = Simulator(design(tmp_path, CORES), tmp_path).run(batch, stall=stall).outputs
    assert isinstance(found, dict)
    for index, frames in enumerate(batch.values()):
        expected = frames.sum(axis=1, keepdims=True) * [3, -2]
        assert np.array_equal(found[f"m_{index}"], expected), CORES[index]


def test_finns_own_queue_loses_beats(tmp_path: Path) -> None:
    simulator = Simulator(design(tmp_path, [(9, 1, 4)], ("mvu_vvu_axi.sv",)), tmp_path)
    frames = np.random.default_rng(2).integers(0, 16, (400, 9))
    assert np.array_equal(
        simulator.run(frames).outputs, frames.sum(axis=1, keepdims=True) * [3, -2]
    )
    with pytest.raises(StageError, match="of 400 output beats delivered"):
        simulator.run(frames, stall=0.97, idle_limit=2000)
