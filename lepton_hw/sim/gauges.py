"""A design whose FIFOs take their depths when a simulation starts: one model measures any depths.

The FIFOs of FINN in a stitched design are replaced by ``fifo_gauge.sv``, which behaves like them,
cycle by cycle, up to a cycle or two of latency where FINN's are block RAM. For measuring only.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lepton_hw.design import Design, Node, Stream
from lepton_hw.sim.batches import Batch
from lepton_hw.sim.result import SimResult
from lepton_hw.sim.simulator import Simulator

GAUGE = Path(__file__).parent / "fifo_gauge.sv"
FIFO = "StreamingFIFO"
#: Depth of a FIFO that no simulation fills.
UNLIMITED = 1 << 30
#: FINN's fifo.sv holds no fewer beats, however shallow it is asked to be.
SHALLOWEST = 5
#: Beats added to a measured fill: FINN's FIFO is ready again one cycle after it was full, and
#: keeps one beat in its output register.
MARGIN = 2


class GaugedDesign:
    """A copy of a stitched design in a folder of its own, with FIFOs of any depth.

    `fifos` are the depths that the design itself has, in beats by FIFO.
    """

    def __init__(
        self, design: Design, folder: Path, target: Path, cache: Path | None = None
    ) -> None:
        """`folder` holds the design, `target` is the folder to be made, `cache` as in Simulator."""
        fifos = {node.name: node for node in design.nodes if node.op.startswith(FIFO)}
        replaced = {f"{node.module}.v" for node in fifos.values()}
        kept = [name for name in design.sources if Path(name).name not in replaced]
        for name in (*kept, *design.data_files):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / name, target / name)
        shutil.copyfile(GAUGE, target / GAUGE.name)
        wrappers, depths = [], []
        for node in fifos.values():
            place = target / "rtl" / node.name
            place.mkdir(parents=True, exist_ok=True)
            depths.append(_depth_file(node.name))
            wrappers.append(f"rtl/{node.name}/{node.module}.v")
            text = _wrapper(node, design.stream(node.inputs[0]))
            (target / wrappers[-1]).write_text(text)
        self.fifos = {name: node.depth for name, node in fifos.items()}
        self.folder, self.cache = target, cache
        self.design = design.model_copy(
            update={
                "sources": (*kept, GAUGE.name, *wrappers),
                "data_files": (*design.data_files, *depths),
            }
        )

    def build(self) -> None:
        """Makes the model; later runs find it."""
        self._simulator({}).build()

    def run(self, batch: Batch, depths: Mapping[str, int] | None = None, **how: Any) -> SimResult:
        """`Simulator.run` with these depths in beats by FIFO; FIFOs not named never fill."""
        return self._simulator(depths or {}).run(batch, **how)

    def _simulator(self, depths: Mapping[str, int]) -> Simulator:
        for name in self.fifos:
            depth = depths.get(name, UNLIMITED)
            (self.folder / _depth_file(name)).write_text(f"{depth:x}\n")
        nodes = tuple(
            node.model_copy(update={"depth": depths.get(node.name, UNLIMITED)})
            if node.name in self.fifos
            else node
            for node in self.design.nodes
        )
        design = self.design.model_copy(update={"nodes": nodes})
        return Simulator(design, self.folder, cache=self.cache)


def needed(fill: int) -> int:
    """Depth of a FIFO that holds at most `fill` beats and must never hinder its producer."""
    return max(SHALLOWEST, fill + MARGIN)


def _depth_file(name: str) -> str:
    return f"rtl/{name}/depth.dat"


def _wrapper(node: Node, stream: Stream) -> str:
    """A module with the ports of FINN's wrapper around its FIFO."""
    return f"""\
module {node.module} (
    input  wire ap_clk,
    input  wire ap_rst_n,
    output wire [31:0] count,
    output wire [31:0] maxcount,
    input  wire [{stream.width - 1}:0] in0_V_TDATA,
    input  wire in0_V_TVALID,
    output wire in0_V_TREADY,
    output wire [{stream.width - 1}:0] out0_V_TDATA,
    output wire out0_V_TVALID,
    input  wire out0_V_TREADY
);
  assign count = '0;
  assign maxcount = '0;
  lepton_fifo_gauge #(.WIDTH({stream.width}), .DEPTH_FILE("{_depth_file(node.name)}")) gauge (
      .clk(ap_clk), .rst(!ap_rst_n),
      .idat(in0_V_TDATA), .ivld(in0_V_TVALID), .irdy(in0_V_TREADY),
      .odat(out0_V_TDATA), .ovld(out0_V_TVALID), .ordy(out0_V_TREADY)
  );
endmodule
"""
