"""What weights that can be rewritten cost, by Yosys for xc7: FINN's streamer with its AXI-Lite
port, memory included, and the shell's splitter in front of several of them.
"""

import os
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.table import write
from lepton_hw.compiler.collect import STREAMER, library_root
from lepton_hw.compiler.world import finn_world
from lepton_hw.rtl.shell import wrapper
from lepton_hw.tools import yosys

#: Words and bits of a memory; those beyond 128 words are block RAM.
MEMORIES = ((16, 16), (64, 32), (128, 32), (64, 128), (128, 128), (144, 64), (512, 72))
LAYERS = (1, 4, 12)
LITE = (
    ("awvalid", 1, True), ("awready", 1, False), ("wvalid", 1, True), ("wready", 1, False),
    ("wdata", 32, True), ("bvalid", 1, False), ("bready", 1, True), ("arvalid", 1, True),
    ("arready", 1, False), ("rvalid", 1, False), ("rready", 1, True), ("rdata", 32, False),
)  # fmt: skip


def streamers() -> list[dict[str, Any]]:
    """A row for each of `MEMORIES`."""
    return [{"words": depth, "bits": bits, **_streamer(depth, bits)} for depth, bits in MEMORIES]


def splitters() -> list[dict[str, Any]]:
    """A row for each of `LAYERS`, windows of 4 KiB with 512 bytes in each."""
    return [{"layers": layers, **_splitter(layers)} for layers in LAYERS]


def _streamer(depth: int, bits: int) -> dict[str, int]:
    words = 1 << (-(-bits // 32) - 1).bit_length()
    high = (4 * depth * words - 1).bit_length() - 1
    ways = {True: "input", False: "output"}
    ports = ", ".join(f"{ways[way]} logic [{n - 1}:0] {name}" for name, n, way in LITE)
    joins = ", ".join(f".{name}" for name, _, _ in LITE)
    text = f"""
        module measured(input logic clk, rst, {ports}, input logic [{high}:0] awaddr, araddr,
            input logic ordy, output logic ovld, output logic [{bits - 1}:0] odat);
        memstream_axi #(.SETS(1), .DEPTH({depth}), .WIDTH({bits}),
            .RAM_STYLE("{"distributed" if depth <= 128 else "block"}")) streamer(
            .clk, .clk2x(1'b0), .rst, {joins}, .awaddr, .araddr, .awprot('0), .arprot('0),
            .wstrb('1), .bresp(), .rresp(), .s_axis_0_tready(), .s_axis_0_tvalid(1'b0),
            .s_axis_0_tdata('0), .m_axis_0_tready(ordy), .m_axis_0_tvalid(ovld),
            .m_axis_0_tdata(odat));
        endmodule"""
    return _cells("measured", [library_root() / name for name in STREAMER], text)


def _splitter(layers: int) -> dict[str, int]:
    source = next(path for path in wrapper.SOURCES if path.stem == "axil_windows")
    values = {
        "WINDOWS = 1": f"WINDOWS = {layers}",
        "BASE = '0": _words("BASE", [0x4_0000 + 0x1000 * i for i in range(layers)]),
        "BYTES = '0": _words("BYTES", [512] * layers),
    }
    text = source.read_text()
    for default, value in values.items():
        text = text.replace(default, value)
    return _cells("axil_windows", [], text)


def _words(name: str, values: list[int]) -> str:
    return f"{name} = {{{', '.join(f'32{chr(39)}h{value:x}' for value in reversed(values))}}}"


def _cells(top: str, sources: list[Path], text: str) -> dict[str, int]:
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "measured.sv"
        file.write_text(text)
        cells = yosys.synthesize(top, [*sources, file], {})
    return {"lut": cells.lut, "ff": cells.ff, "bram18": cells.bram18}


def main() -> None:
    """Prints and writes the tables."""
    with tempfile.TemporaryDirectory() as scratch, finn_world(Path(scratch), Path(os.devnull)):
        rows = streamers()
    write("kernels_weights", rows)
    write("kernels_splitter", splitters())


if __name__ == "__main__":
    main()
