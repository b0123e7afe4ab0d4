"""From Verilog to a .bit for the PYNQ-Z2's part with open tools, and back: PS7, logic, memories.

Nothing here ran on hardware. Skipped where Yosys or the open tools are not installed.
"""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from lepton_hw.errors import InputError
from lepton_hw.tools import nextpnr_netlist, nextpnr_xilinx, prjxray, yosys
from lepton_hw.xc7 import bitfile, decode, fasm, frames, implied
from lepton_hw.xc7.database import Database
from lepton_hw.xc7.fasm import Setting

PART = "xc7z020clg400-1"
HASH = 0x9E3779B1
VERILOG = """
module top (output wire led, input wire button);
  wire [3:0] fclk, resetn;
  wire [63:0] from_ps;
  reg  [63:0] to_ps;
  wire clk = fclk[0];
  PS7 ps7 (.FCLKCLK(fclk), .FCLKRESETN(resetn), .EMIOGPIOO(from_ps), .EMIOGPIOI(to_ps));
  reg [31:0] count, word;
  reg [9:0] address;
  reg [31:0] big [0:1023];
  (* ram_style = "distributed" *) reg [7:0] small [0:63];
  (* ram_style = "distributed" *) reg [3:0] tiny [0:31];
  integer i;
  initial for (i = 0; i < 1024; i = i + 1) big[i] = i * 32'h9E3779B1;
  initial for (i = 0; i < 64; i = i + 1) small[i] = i * 8'h35 + 8'h11;
  initial for (i = 0; i < 32; i = i + 1) tiny[i] = i * 4'h7 + 4'h5;
  always @(posedge clk) begin
    count <= resetn[0] ? count + from_ps[31:0] : 0;
    address <= from_ps[41:32] ^ count[9:0];
    word <= big[address];
    if (from_ps[42]) big[address] <= count;
    if (from_ps[44]) tiny[address[4:0]] <= count[3:0];
    if (from_ps[43]) small[address[5:0]] <= count[7:0];
    to_ps <= {word ^ {count[15:0], count[31:16]}, count[18:0], tiny[count[4:0]], button,
              small[count[5:0]]};
  end
  assign led = count[31];
endmodule
"""
PINS = """
set_property LOC R14 [get_ports led]
set_property LOC D19 [get_ports button]
set_property IOSTANDARD LVCMOS33 [get_ports led]
set_property IOSTANDARD LVCMOS33 [get_ports button]
"""


@dataclass(frozen=True)
class Built:
    """A routed design, all its features, and its bitstream."""

    routed: nextpnr_xilinx.Routed
    database: Database
    settings: list[Setting]
    bit: Path
    netlist: dict[str, object]


@pytest.fixture(scope="module")
def built(tools: prjxray.Prjxray, tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("open zynq")  # a path with a space
    (folder / "top.v").write_text(VERILOG)
    (folder / "top.xdc").write_text(PINS)
    script = (
        "read_verilog top.v; synth_xilinx -family xc7 -flatten -nodsp -top top; write_json top.json"
    )
    subprocess.run([str(yosys.find()), "-q", "-p", script], cwd=folder, check=True,
                   capture_output=True)  # fmt: skip
    netlist = nextpnr_netlist.slowed(
        nextpnr_netlist.prepared(json.loads((folder / "top.json").read_text()))
    )
    (folder / "prepared.json").write_text(json.dumps(netlist))
    routed = nextpnr_xilinx.find().run(
        folder / "prepared.json", folder / "top.xdc", PART, 100.0, 1, folder
    )
    database = Database(tools.database(), PART)
    settings = implied.completed(fasm.parse((folder / routed.fasm).read_text()), database)
    (folder / "top.frm").write_text(
        frames.frm(frames.assemble(settings, database), database.device)
    )
    tools.write_bit(folder / "top.frm", PART, folder / "top.bit")
    return Built(routed, database, settings, folder / "top.bit", netlist)


def test_place_and_route_reports_what_it_reached(built: Built) -> None:
    assert built.routed.mhz > 100
    assert built.routed.hold == 0
    assert built.routed.resources["bram36"] == 1
    assert 60 < built.routed.resources["lut"] < 600
    assert built.routed.used["PS7_PS7"] == (1, 1)
    assert nextpnr_netlist.untimed(built.netlist) == {"PS7": 1, "RAMB36E1": 1}


def test_every_feature_comes_back(built: Built, tools: prjxray.Prjxray) -> None:
    """By Project X-Ray's own reader and by ours, which agree on every bit."""
    theirs = built.database.device.memory_of(*tools.read_bit(built.bit, PART))
    ours = bitfile.frames(bitfile.inspect(built.bit, PART).payload, built.database.device)
    assert np.array_equal(ours, theirs)
    assert len(built.settings) > 2000
    assert not decode.undecoded(built.settings, theirs, built.database)


def test_the_comparison_can_fail(built: Built, tools: prjxray.Prjxray) -> None:
    """A flipped bit in the frames, and a feature more or less, have names."""
    memory = frames.assemble(built.settings, built.database)
    place = int(np.flatnonzero(memory)[1000])
    memory[place] ^= True
    table, bit = built.bit.with_name("flipped.frm"), built.bit.with_name("flipped.bit")
    table.write_text(frames.frm(memory, built.database.device))
    tools.write_bit(table, PART, bit)
    back = built.database.device.memory_of(*tools.read_bit(bit, PART))
    assert len(decode.undecoded(built.settings, back, built.database).missing) == 1

    memory[place] ^= True
    named = next(each for each in built.settings if each.name.endswith(".AFF.ZINI"))
    less = [each for each in built.settings if each != named]
    assert decode.undecoded(less, memory, built.database).extra == (str(named),)
    without = frames.assemble(less, built.database)
    assert decode.undecoded(built.settings, without, built.database).missing == (str(named),)


def test_memories_hold_what_verilog_says(built: Built) -> None:
    """Read back from the bitstream: a block RAM, and distributed RAM."""
    memory = bitfile.frames(bitfile.inspect(built.bit).payload, built.database.device)
    found = set(decode.features(memory, built.database))
    tile = next(each.split(".")[0] for each in found if ".RAMB18_Y0.INIT_" in each)

    def bit(kind: str, n: int) -> bool:
        """A 36 kb memory is two of 18 kb that take turns, bit by bit."""
        return f"{tile}.RAMB18_Y{n % 2}.{kind}_{n // 512:02X}[{n // 2 % 256}]" in found

    # Yosys lays words into lanes of 9 bits, of which the last is what is otherwise a parity.
    places = [("INIT", 8 * lane + n) if n < 8 else ("INITP", lane)
              for lane in range(4) for n in range(9)][:32]  # fmt: skip
    stride = {"INIT": 32, "INITP": 4}
    contents = [
        sum(bit(kind, stride[kind] * row + n) << at for at, (kind, n) in enumerate(places))
        for row in range(1024)
    ]
    assert contents == [row * HASH % 2**32 for row in range(1024)]

    luts = {each.removesuffix(".RAM") for each in found if each.endswith("LUT.RAM")}
    columns = {
        sum((f"{lut}.INIT[{row}]" in found) << row for row in range(64)) for lut in sorted(luts)
    }
    small = [(row * 0x35 + 0x11) % 256 for row in range(64)]
    tiny = [(row % 32 * 7 + 5) % 16 for row in range(64)]  # twice over: 32 rows in a LUT of 64
    for words, width in ((small, 8), (tiny, 4)):
        for bit in range(width):
            assert sum((words[row] >> bit & 1) << row for row in range(64)) in columns


def test_inspection_knows_the_file(built: Built, tmp_path: Path) -> None:
    found = bitfile.inspect(built.bit, PART)
    assert (found.device, found.idcode) == ("7z020", built.database.device.idcode)
    assert len(found.payload) == 4_045_564  # what the vendor's tools write for this device
    again = tmp_path / "again.bit"
    again.write_bytes(bitfile.build(found.payload, "counter", PART))
    assert bitfile.inspect(again, PART).digest == found.digest
    with pytest.raises(InputError, match="behind its header"):
        again.write_bytes(built.bit.read_bytes()[:-1000])
        bitfile.inspect(again)
