"""``make bench-shell``: how much of the DMA port's time carries data, what the shell costs.

Three tables: words on the port in long transfers at several latencies of memory; batches of the
digits CNN through the shell against the bare accelerator; cells of the shell by Yosys for xc7.
"""

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.table import write
from lepton_hw.board import load_board
from lepton_hw.design import Design, Stream, read_design
from lepton_hw.flow import load_flow
from lepton_hw.pipeline import Options, build
from lepton_hw.rtl.shell import wrapper
from lepton_hw.sim import shell_batch
from lepton_hw.sim.shell import Stalls, open_shell
from lepton_hw.sim.simulator import Simulator
from lepton_hw.tools import yosys

WORDS = 32_768  # of a long transfer
WIDTHS = ((1, 2), (8, 8), (3, 5), (4, 16), (32, 4))
#: Hands every beat of 8 bytes on, one a cycle: the port alone decides.
WIRE = """
module wire_8 (
    input wire ap_clk, ap_rst_n,
    input wire [63:0] s_axis_0_tdata, input wire s_axis_0_tvalid, output wire s_axis_0_tready,
    output wire [63:0] m_axis_0_tdata, output wire m_axis_0_tvalid, input wire m_axis_0_tready
);
    assign m_axis_0_tdata = s_axis_0_tdata, m_axis_0_tvalid = s_axis_0_tvalid;
    assign s_axis_0_tready = m_axis_0_tready;
endmodule
"""


def port() -> list[dict[str, Any]]:
    """Share of the cycles from the first to the last word in which a word moves, in percent."""
    folder = Path("build/bench/shell_wire")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "design.sv").write_text(WIRE)
    names = ("s_axis_0", "m_axis_0")
    design = Design(
        top="wire_8", sources=("design.sv",), data_files=(), inputs=names[:1], outputs=names[1:],
        nodes=(),
        streams=tuple(
            Stream(
                name=name, tensor=name, producer="", consumer="", dtype="UINT8", bits=8, width=64,
                shape=(1, 64, 8), folded_shape=(1, 64, 8),
            )
            for name in names
        ),
    )  # fmt: skip
    rows = []
    for axi3, longest in ((True, 16), (False, 64)):
        with open_shell(folder, 16 * WORDS, design, axi3=axi3, max_burst=longest) as shell:
            for latency in (0, 20, 40, 80):
                shell.stall(Stalls(latency=latency))
                shell.traffic()
                shell_batch.start(shell, (0, 8 * WORDS), WORDS // 64)
                shell_batch.finish(shell)
                moved = shell.traffic()
                read = moved.read_last - moved.read_first + 1
                written = moved.write_last - moved.write_first + 1
                rows.append(
                    {
                        "port": "AXI3" if axi3 else "AXI4", "burst": longest, "latency": latency,
                        "read_percent": round(100 * moved.read_beats / read, 2),
                        "write_percent": round(100 * moved.write_beats / written, 2),
                    }
                )  # fmt: skip
    return rows


def digits(frames: int = 360) -> list[dict[str, Any]]:
    """Cycles of the digits CNN for one batch: bare, and from start to done through the shell."""
    done = build(load_flow("digits_cnn"), load_board("pynq_z2"), Options(to="stitch"))
    folder = done["stitch"].folder
    design = read_design(folder)
    images = np.load(done["export"].path("vectors.npz"))["inputs"]
    images = np.resize(images, (frames, *images.shape[1:]))
    bare = Simulator(design, folder).run(images)
    assert isinstance(bare.outputs, np.ndarray)
    rows = []
    with open_shell(folder, 1 << 20, design) as shell:
        for latency in (0, 40):
            shell.stall(Stalls(latency=latency))
            outputs, busy = shell_batch.infer(shell, design, images)
            rows.append(
                {
                    "latency": latency, "frames": frames, "bare_cycles": bare.cycles,
                    "shell_cycles": busy,
                    "over_bare_percent": round(100 * (busy / bare.cycles - 1), 3),
                    "exact": bool(np.array_equal(outputs, bare.outputs)),
                }
            )  # fmt: skip
    return rows


def cells() -> list[dict[str, Any]]:
    """LUTs and registers of the shell alone, by the widths of the accelerator's beats."""
    rows = []
    for in_bytes, out_bytes in WIDTHS:
        values = {"IN_BYTES": in_bytes, "OUT_BYTES": out_bytes, "AXI3": 1}
        found = yosys.synthesize("shell", list(wrapper.SOURCES), values)
        rows.append(
            {
                "in_bytes": in_bytes, "out_bytes": out_bytes, "lut": found.lut, "ff": found.ff,
                "bram18": found.bram18, "dsp": found.dsp,
            }
        )  # fmt: skip
    return rows


def main() -> None:
    """Prints and writes the three tables."""
    write("shell_port", port())
    write("shell_digits", digits())
    write("shell_cells", cells())


if __name__ == "__main__":
    main()
