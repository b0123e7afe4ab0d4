"""``make bench-sim``: how fast the RTL simulates, and how near it comes to its slowest layer.

For each design: seconds to build the Verilator model from nothing, then the median speed of
several whole runs in one process, all Python overhead included.
"""

import statistics
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.networks import flow_of, untrained
from benchmarks.table import write
from lepton_hw.board import load_board
from lepton_hw.design import read_design
from lepton_hw.flow import Flow, Model, load_flow
from lepton_hw.pipeline import Options, build
from lepton_hw.sim.simulator import Simulator
from lepton_hw.stages.certify import Certified
from lepton_hw.stages.compile import Compiled

RUNS = 5


@dataclass(frozen=True)
class Row:
    """One design. `slowest` is FINN's estimate of its slowest layer, in cycles per frame."""

    design: str
    images: int
    cycles_per_frame: int
    slowest: int
    over_slowest_percent: float
    latency_cycles: int
    build_seconds: float
    cycles_per_second: float
    exact: bool


def measure(name: str, flow: Flow, board: str, images: int) -> Row:
    """Builds and certifies the flow, then times it."""
    done = build(flow, load_board(board), Options(to="certify"))
    compiled, stitched, certified = done["compile"], done["stitch"], done["certify"]
    assert isinstance(compiled, Compiled) and isinstance(certified, Certified)
    inputs = np.load(done["export"].path("vectors.npz"))["inputs"]
    inputs = np.resize(inputs, (images, *inputs.shape[1:]))
    with tempfile.TemporaryDirectory() as cache:
        simulator = Simulator(read_design(stitched.folder), stitched.folder, cache=Path(cache))
        start = time.perf_counter()
        simulator.build()
        built = time.perf_counter() - start
        results, speeds = [], []
        for _ in range(RUNS):
            start = time.perf_counter()
            results.append(simulator.run(inputs))
            speeds.append(results[-1].cycles / (time.perf_counter() - start))
    per_frame = round(results[0].cycles_per_frame)
    return Row(
        design=name,
        images=images,
        cycles_per_frame=per_frame,
        slowest=compiled.cycles,
        over_slowest_percent=round(100 * (per_frame / compiled.cycles - 1), 2),
        latency_cycles=int(results[0].latency[0]),
        build_seconds=round(built, 1),
        cycles_per_second=round(statistics.median(speeds)),
        exact=certified.certificate.exact,
    )


def main() -> None:
    """Measures the demo's CNN and a CNV-sized 3-bit one."""
    cnv = Model(name="cnv_strided", weight_bits=3, act_bits=3)
    file = untrained(cnv, (32, 32, 3), 10, Path("build/bench/cnv_3bit.onnx"))
    rows = [
        measure("digits CNN, 4 bits", load_flow("digits_cnn"), "pynq_z2", 360),
        measure("CNV, 3 bits, random weights", flow_of(file, "CNV", 750, 4), "zcu104", 8),
    ]
    write("sim", [asdict(row) for row in rows])


if __name__ == "__main__":
    main()
