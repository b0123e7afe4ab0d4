"""A small accelerator for the shell's tests, of any beat widths, and what it must compute.

Out byte j of a beat is in byte (j mod width in) plus j plus the number of the beat, mod 256; one
beat out for each beat in, with pauses that a shift register decides.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lepton_hw.design import Design, Stream

TEXT = """
module accelerator (
    input logic ap_clk, ap_rst_n,
    input logic [{in_high}:0] s_axis_0_tdata, input logic s_axis_0_tvalid,
    output logic s_axis_0_tready,
    output logic [{out_high}:0] m_axis_0_tdata, output logic m_axis_0_tvalid,
    input logic m_axis_0_tready
);
    logic [15:0] noise;
    logic [7:0] beat;
    logic awake;
    wire pause = {pauses} != 0 && noise[1:0] == 0;
    assign s_axis_0_tready = awake && !pause && (!m_axis_0_tvalid || m_axis_0_tready);
    always_ff @(posedge ap_clk) begin
        if (!ap_rst_n) begin
            noise <= 16'hace1;
            beat <= 0;
            awake <= 0;
            m_axis_0_tvalid <= 0;
        end else begin
            awake <= 1;
            noise <= {{noise[14:0], noise[15] ^ noise[13] ^ noise[12] ^ noise[10]}};
            if (m_axis_0_tready) m_axis_0_tvalid <= 0;
            if (s_axis_0_tvalid && s_axis_0_tready) begin
                m_axis_0_tvalid <= 1;
                beat <= beat == {beats} - 1 ? 0 : beat + 1;
                for (int j = 0; j < {out_bytes}; j++)
                    m_axis_0_tdata[8*j+:8] <= s_axis_0_tdata[8*(j%{in_bytes})+:8] + 8'(j) + beat;
            end
        end
    end
endmodule
"""


def make(folder: Path, in_bytes: int, out_bytes: int, beats: int, *, pauses: bool = True) -> Design:
    """Writes the accelerator; `beats` (at most 255) a frame."""
    folder.mkdir(parents=True, exist_ok=True)
    text = TEXT.format(
        in_high=8 * in_bytes - 1, out_high=8 * out_bytes - 1, in_bytes=in_bytes,
        out_bytes=out_bytes, beats=beats, pauses=int(pauses),
    )  # fmt: skip
    (folder / "design.sv").write_text(text)
    streams = (
        _stream("s_axis_0", in_bytes, beats),
        _stream("m_axis_0", out_bytes, beats),
    )
    return Design(
        top="accelerator", sources=("design.sv",), data_files=(), inputs=("s_axis_0",),
        outputs=("m_axis_0",), streams=streams, nodes=(),
    )  # fmt: skip


def _stream(name: str, width: int, beats: int) -> Stream:
    return Stream(
        name=name, tensor=name, producer="", consumer="", dtype="UINT8", bits=8, width=8 * width,
        shape=(1, beats, width), folded_shape=(1, beats, width),
    )  # fmt: skip


def expected(
    data: NDArray[np.uint8], in_bytes: int, out_bytes: int, beats: int
) -> NDArray[np.uint8]:
    """The output bytes for input bytes, both flat."""
    words = data.reshape(-1, in_bytes)
    lane = np.arange(out_bytes)
    number = np.arange(len(words)) % beats
    return (words[:, lane % in_bytes] + lane + number[:, None]).astype(np.uint8).reshape(-1)
