"""The simulate stage: builds the design with Verilator and runs the test images through it."""

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import ClassVar

import numpy as np

from lepton_hw.artifacts import Artifact
from lepton_hw.design import read_design
from lepton_hw.flow import Flow
from lepton_hw.progress import Progress
from lepton_hw.stages.export import Exported
from lepton_hw.stages.stitch import Stitched


class Simulated(Artifact):
    """Outputs in ``outputs.npz`` (`codes`, `frame_in`, `frame_out`), counters in ``streams.json``
    (tables `streams`, `fifos` and `nodes` by name; see `lepton_hw.sim.result` for their fields).

    `cycles` is the whole run; `cycles_per_frame` the steady state, `latency_cycles` from the
    first input beat of the first frame to its last output beat. `cycles_per_second` is the
    speed of the simulation, Python included; `build_seconds` is 0 where a built model was reused.
    """

    stage: ClassVar[str] = "simulate"
    timings = Artifact.timings | {"cycles_per_second", "build_seconds"}
    images: int
    cycles: int
    cycles_per_frame: int
    latency_cycles: int
    cycles_per_second: float
    build_seconds: float


def run(
    flow: Flow, exported: Exported, stitched: Stitched, workdir: Path, progress: Progress
) -> Simulated:
    """Runs `check.rtl_images` images; raises `Deadlock` or `StageError`."""
    from lepton_hw.sim.deadlock import Deadlock
    from lepton_hw.sim.gauges import GaugedDesign
    from lepton_hw.sim.shortage import with_shortage
    from lepton_hw.sim.simulator import Simulator

    inputs = np.load(exported.path("vectors.npz"))["inputs"][: flow.check.rtl_images]
    design = read_design(stitched.folder)
    simulator = Simulator(design, stitched.folder)
    with progress.task("verilate", 1) as task:
        start = time.monotonic()
        simulator.build()
        built = time.monotonic() - start
        task.advance()
    try:
        result = simulator.run(inputs, progress=progress)
    except Deadlock as stopped:
        gauged = GaugedDesign(design, stitched.folder, workdir / "gauged")
        batch = {design.inputs[0]: inputs}
        raise with_shortage(stopped, gauged, batch, progress=progress) from None
    assert isinstance(result.outputs, np.ndarray)  # a flow's network has one output
    np.savez_compressed(
        workdir / "outputs.npz",
        codes=result.outputs,
        frame_in=result.frame_in,
        frame_out=result.frame_out,
    )
    counters = {
        "cycles": result.cycles,
        "frames": result.frames,
        "streams": {name: asdict(stats) for name, stats in result.streams.items()},
        "fifos": {name: asdict(stats) for name, stats in result.fifos.items()},
        "nodes": {name: asdict(stats) for name, stats in result.nodes.items()},
    }
    (workdir / "streams.json").write_text(json.dumps(counters, indent=1) + "\n")
    return Simulated(
        images=len(inputs),
        cycles=result.cycles,
        cycles_per_frame=round(result.cycles_per_frame),
        latency_cycles=int(result.latency[0]),
        cycles_per_second=round(result.cycles / result.seconds),
        build_seconds=round(built, 2),
    )
