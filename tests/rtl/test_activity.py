"""Toggles of small designs whose toggles are known: each net once, whole frames, steady state."""

from pathlib import Path

import numpy as np
import pytest
from handmade import adder
from numpy.typing import NDArray

from lepton_hw.design import Design, Node, Stream
from lepton_hw.errors import InputError, StageError
from lepton_hw.sim import activity
from lepton_hw.sim.activity import Nets

TEXT = """
module stage #(int unsigned WIDTH = 8) (
    input logic ap_clk,
    input logic [WIDTH-1:0] in_tdata, input logic in_tvalid, output logic in_tready,
    output logic [WIDTH-1:0] out_tdata, output logic out_tvalid, input logic out_tready
);
    logic [7:0] written[64];
    assign in_tready = out_tready;
    always_ff @(posedge ap_clk) if (in_tready) begin
        out_tdata <= in_tdata;
        out_tvalid <= in_tvalid;
        written[in_tdata[5:0]] <= written[in_tdata[5:0]] + 1;
    end
endmodule
module accelerator (
    input logic ap_clk, ap_rst_n,
    input logic [{high}:0] s_axis_0_tdata, input logic s_axis_0_tvalid,
    output logic s_axis_0_tready,
    output logic [{high}:0] m_axis_0_tdata, output logic m_axis_0_tvalid,
    input logic m_axis_0_tready
);
    wire [{high}:0] between_tdata;
    wire between_tvalid, between_tready;
    stage #({high} + 1) first (.ap_clk(ap_clk),
        .in_tdata(s_axis_0_tdata), .in_tvalid(s_axis_0_tvalid), .in_tready(s_axis_0_tready),
        .out_tdata(between_tdata), .out_tvalid(between_tvalid), .out_tready(between_tready));
    stage #({high} + 1) second (.ap_clk(ap_clk),
        .in_tdata(between_tdata), .in_tvalid(between_tvalid), .in_tready(between_tready),
        .out_tdata(m_axis_0_tdata), .out_tvalid(m_axis_0_tvalid), .out_tready(m_axis_0_tready));
endmodule
"""
#: Beats of a frame, bytes of a beat: more bits than Verilator follows unless it is told.
BEATS, SIZE = 6, 40


def two_stages(folder: Path) -> Design:
    """Two registers in a row, a beat in every cycle."""
    (folder / "design.sv").write_text(TEXT.format(high=8 * SIZE - 1))
    names = ("s_axis_0", "between", "m_axis_0")
    streams = tuple(
        Stream(
            name=name, tensor=name, producer="", consumer="", dtype="UINT8", bits=8,
            width=8 * SIZE, shape=(1, BEATS, SIZE), folded_shape=(1, BEATS, SIZE),
        )
        for name in names
    )  # fmt: skip
    nodes = tuple(
        Node(name=name, op="stage", module="stage", inputs=(names[i],), outputs=(names[i + 1],))
        for i, name in enumerate(("first", "second"))
    )
    return Design(
        top="accelerator", sources=("design.sv",), data_files=(), inputs=names[:1],
        outputs=names[2:], streams=streams, nodes=nodes,
    )  # fmt: skip


def toggles_of_a_frame(frame: NDArray[np.int64]) -> int:
    """Bits that differ between each beat and the next, the last and the first included."""
    changed = np.bitwise_xor(frame, np.roll(frame, -1, axis=0))
    return int(np.unpackbits(changed.astype(np.uint8)).sum())


def test_toggles_are_those_of_the_data(tmp_path: Path) -> None:
    """Three data nets, none counted twice or left out; no control net toggles, no clock counts,
    and memories of 64 words are no nets."""
    frame = np.random.default_rng(1).integers(0, 256, (BEATS, SIZE))
    batch = np.stack([frame] * 12)
    found = activity.activity(two_stages(tmp_path), tmp_path, batch)
    once = found.frames * toggles_of_a_frame(frame)
    assert found.frames >= 8
    assert found.cycles == found.frames * BEATS
    assert found.nets.toggles == 3 * once
    assert found.nodes["first"].toggles == 2 * once  # its input and its output
    assert found.nodes["second"].toggles == once
    changing = np.bitwise_or.reduce(frame, axis=0) ^ np.bitwise_and.reduce(frame, axis=0)
    assert found.nets.moved == 3 * int(np.unpackbits(changing.astype(np.uint8)).sum())
    control = 2 + 3 + 1  # clock and reset, three valids, one ready
    assert found.nets.bits == 3 * 8 * SIZE + control
    assert found.rate == found.nets.toggles / (found.nets.bits * found.cycles)
    assert found.rate_moving == found.nets.toggles / (found.nets.moved * found.cycles)


def test_a_constant_input_toggles_nothing(tmp_path: Path) -> None:
    batch = np.full((12, BEATS, SIZE), 0x5A)
    found = activity.activity(two_stages(tmp_path), tmp_path, batch)
    assert (found.nets.moved, found.nets.toggles) == (0, 0)
    assert found.rate == found.rate_moving == 0


def test_data_decides_where_control_toggles_too(tmp_path: Path) -> None:
    design = adder(tmp_path)
    random = np.random.default_rng(1).integers(0, 16, (40, 6))
    still = activity.activity(design, tmp_path, np.zeros_like(random))
    busy = activity.activity(design, tmp_path, random)
    assert still.cycles == busy.cycles == 12 * busy.frames
    assert 0 < still.nets.toggles < busy.nets.toggles
    assert still.nodes["adder"].toggles < 0.6 * busy.nodes["adder"].toggles
    assert still.nets.moved < 0.5 * busy.nets.moved
    assert still.nets.bits == busy.nets.bits
    assert set(busy.nodes) == {"adder", "fifo_a", "fifo_b"}
    parts = busy.nodes.values()
    assert busy.nets == Nets(
        sum(part.bits for part in parts),
        sum(part.moved for part in parts),
        sum(part.toggles for part in parts),
    )


def test_bounded_to_whole_frames(tmp_path: Path) -> None:
    design = adder(tmp_path)
    batch = np.random.default_rng(2).integers(0, 16, (40, 6))
    found = activity.activity(design, tmp_path, batch, most=40)
    assert (found.frames, found.cycles) == (3, 36)
    found = activity.activity(design, tmp_path, batch, most=1)
    assert (found.frames, found.cycles) == (1, 12)


def test_too_few_images(tmp_path: Path) -> None:
    design = adder(tmp_path)
    with pytest.raises(InputError, match="1 images do not fill the design; expected about"):
        activity.activity(design, tmp_path, np.zeros((1, 6), int))


def test_counts_of_another_length_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "toggles"
    path.write_text("11\n5 8 7 3 bench lepton_bench dut node net\n")
    found = activity.read(path, {"node"}, 10, 1)
    assert found.nodes == {"node": Nets(8, 3, 7)}
    with pytest.raises(StageError, match="over 10 cycles; expected 12"):
        activity.read(path, {"node"}, 12, 1)
