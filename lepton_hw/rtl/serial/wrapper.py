"""Joins the serial link and a stitched design: for simulation by bytes or bits, and for an ECP5.

Writes text only; it runs no tool. docs/serial.md describes what the link says.
"""

from pathlib import Path
from typing import NamedTuple

from lepton_hw.board import Board
from lepton_hw.design import Design, Stream
from lepton_hw.errors import InputError, StageError
from lepton_hw.rtl.shell import wrapper as shell

#: The link and its accelerator with a line of bytes; the same behind a UART; with PLL and reset.
BYTES_TOP, UART_TOP, TOP = "lepton_serial", "lepton_serial_uart", "lepton_serial_top"
HERE = Path(__file__).parent
#: In compilation order.
SOURCES = (
    *(
        path
        for path in shell.SOURCES
        if path.stem in ("shell_pkg", "shell_fifo", "shell_counters", "shell_regs")
    ),
    *(
        HERE / f"{name}.sv"
        for name in (
            "serial_pkg", "uart_rx", "uart_tx", "serial_receive", "serial_send", "serial_ring",
            "serial_widths", "serial_engine", "serial_link",
        )
    ),
)  # fmt: skip

#: ECP5's PLL, in MHz (Lattice FPGA-DS-02012, sysCLOCK PLL timing).
_DETECTOR, _VCO = (10.0, 400.0), (400.0, 800.0)


class Pll(NamedTuple):
    """Dividers of an EHXPLLL whose first output is fed back: reference, feedback, output."""

    reference: int
    feedback: int
    output: int


def wrapper_text(design: Design, digest: bytes, divisor: int) -> str:
    """The modules ``lepton_serial`` (bytes) and ``lepton_serial_uart`` (pins), one clock.

    `digest` are the 32 bytes that software reads back; `divisor` cycles make a bit of the UART.
    Raises `StageError` for a design with more than one input or output.
    """
    if len(design.inputs) != 1 or len(design.outputs) != 1:
        raise StageError(
            f"the design has {len(design.inputs)} inputs and {len(design.outputs)} outputs",
            "one of each, as the link has one way in and one out",
            "join them within the network",
        )
    source, sink = design.stream(design.inputs[0]), design.stream(design.outputs[0])
    line = ("rx_data", "rx_valid", "tx_data", "tx_valid", "tx_ready")
    streams = [f"{way}_t{part}" for way in ("in", "out") for part in ("data", "valid", "ready")]
    return f"""\
// The serial link and the accelerator. Generated; change the flow, not this file.
module {BYTES_TOP} (
    input wire clk,
    input wire rst,
    input wire [7:0] rx_data,
    input wire rx_valid,
    output wire [7:0] tx_data,
    output wire tx_valid,
    input wire tx_ready,
    output wire waits
);
  wire acc_resetn;
{_wires("in", source)}
{_wires("out", sink)}
  serial_link #(
    .IN_BYTES({source.width // 8}),
    .OUT_BYTES({sink.width // 8}),
    .IN_BEATS({source.beats}),
    .OUT_BEATS({sink.beats}),
    .DIGEST(256'h{digest.hex()})
  ) link (
{_joins(("clk", "rst", *line, "acc_resetn", *streams, "waits"))}
  );
  {design.top} accelerator (
    .ap_clk(clk),
    .ap_rst_n(acc_resetn),
{_stream(source, "in")},
{_stream(sink, "out")}
  );
endmodule

module {UART_TOP} (
    input wire clk,
    input wire rst,
    input wire rx,
    output wire tx,
    output wire waits
);
  wire [7:0] rx_data, tx_data;
  wire rx_valid, tx_valid, tx_ready;
  uart_rx #(
    .DIVISOR({divisor})
  ) receiver (.clk(clk), .rst(rst), .rx(rx), .data(rx_data), .valid(rx_valid));
  uart_tx #(
    .DIVISOR({divisor})
  ) transmitter (
      .clk(clk), .rst(rst), .data(tx_data), .valid(tx_valid), .ready(tx_ready), .tx(tx)
  );
  {BYTES_TOP} core (
{_joins(("clk", "rst", *line, "waits"))}
  );
endmodule
"""


def top_text(board: Board) -> str:
    """The module ``lepton_serial_top`` for an ECP5: ports ``oscillator``, ``rx`` and ``tx``.

    The PLL makes the board's clock; reset lasts 255 cycles after it has locked.
    """
    found = pll(board)
    mhz = {"CLKI": board.serial.oscillator if board.serial else 0.0, "CLKOP": board.clock}
    named = " ".join(f'(* FREQUENCY_PIN_{pin}="{value:g}" *)' for pin, value in mhz.items())
    return f"""\
// Clock, reset and pins of the board. Generated; change the flow, not this file.
(* blackbox *)
module EHXPLLL #(
    parameter CLKI_DIV = 1,
    parameter CLKFB_DIV = 1,
    parameter CLKOP_DIV = 8,
    parameter CLKOP_CPHASE = 0,
    parameter CLKOP_FPHASE = 0,
    parameter CLKOP_ENABLE = "ENABLED",
    parameter FEEDBK_PATH = "CLKOP",
    parameter OUTDIVIDER_MUXA = "DIVA",
    parameter PLLRST_ENA = "DISABLED",
    parameter INTFB_WAKE = "DISABLED",
    parameter STDBY_ENABLE = "DISABLED",
    parameter DPHASE_SOURCE = "DISABLED"
) (
    input CLKI,
    input CLKFB,
    input RST,
    input STDBY,
    input PHASESEL0,
    input PHASESEL1,
    input PHASEDIR,
    input PHASESTEP,
    input PHASELOADREG,
    input PLLWAKESYNC,
    input ENCLKOP,
    output CLKOP,
    output LOCK
);
endmodule

module {TOP} (
    input wire oscillator,
    input wire rx,
    output wire tx
);
  wire clk, locked;
  {named}
  (* ICP_CURRENT="12" *) (* LPF_RESISTOR="8" *)
  EHXPLLL #(
    .CLKI_DIV({found.reference}),
    .CLKFB_DIV({found.feedback}),
    .CLKOP_DIV({found.output}),
    .CLKOP_CPHASE({found.output // 2 - 1})
  ) pll (
    .CLKI(oscillator), .CLKFB(clk), .CLKOP(clk), .LOCK(locked), .RST(1'b0), .STDBY(1'b0),
    .PHASESEL0(1'b0), .PHASESEL1(1'b0), .PHASEDIR(1'b1), .PHASESTEP(1'b1), .PHASELOADREG(1'b1),
    .PLLWAKESYNC(1'b0), .ENCLKOP(1'b0)
  );
  // Two flip-flops bring `locked` into the clock; the counter starts at 0 in the bitstream.
  reg [1:0] seen = 2'd0;
  reg [7:0] waited = 8'd0;
  reg rst = 1'b1;
  always @(posedge clk) begin
    seen <= {{seen[0], locked}};
    waited <= !seen[1] ? 8'd0 : waited == 8'd255 ? waited : waited + 8'd1;
    rst <= waited != 8'd255;
  end
  {UART_TOP} serial (.clk(clk), .rst(rst), .rx(rx), .tx(tx), .waits());
endmodule
"""


def pll(board: Board) -> Pll:
    """Dividers that make the board's clock exactly; raises `InputError` where there are none."""
    if board.serial is None:
        raise InputError(f"{board.title} has no UART", "a board with [serial]", "choose another")
    fits = [
        Pll(reference, feedback, output)
        for reference in range(1, 41)
        for feedback in range(1, 81)
        for output in range(1, 129)
        if _DETECTOR[0] <= board.serial.oscillator / reference <= _DETECTOR[1]
        and abs(board.serial.oscillator * feedback / reference - board.clock) < 1e-6
        and _VCO[0] <= board.clock * output <= _VCO[1]
    ]
    if not fits:
        raise InputError(
            f"no PLL makes {board.clock:g} MHz from {board.serial.oscillator:g} MHz",
            "a clock that is a ratio of small numbers to the oscillator",
            "change the clock in the board's file",
        )
    middle = sum(_VCO) / 2
    return min(fits, key=lambda each: (each.reference, abs(board.clock * each.output - middle)))


def _wires(way: str, stream: Stream) -> str:
    return f"  wire [{stream.width - 1}:0] {way}_tdata;\n  wire {way}_tvalid, {way}_tready;"


def _joins(names: tuple[str, ...]) -> str:
    return ",\n".join(f"    .{name}({name})" for name in names)


def _stream(stream: Stream, way: str) -> str:
    parts = ("data", "valid", "ready")
    return ",\n".join(f"    .{stream.name}_t{part}({way}_t{part})" for part in parts)
