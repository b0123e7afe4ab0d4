"""The simulate stage: builds the design with Verilator and runs the test images through it."""

import json
import time
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
    """Outputs in ``outputs.npz`` (`codes`, `frame_in`, `frame_out`), counters in ``streams.json``.

    `cycles` is the whole run; `cycles_per_frame` the steady state, `latency_cycles` from the
    first input beat of the first frame to its last output beat. `cycles_per_second` is the
    speed of the simulation, Python included; `build_seconds` is 0 where a built model was reused.
    """

    stage: ClassVar[str] = "simulate"
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
    from lepton_hw.sim.simulator import Simulator

    inputs = np.load(exported.path("vectors.npz"))["inputs"][: flow.check.rtl_images]
    start = time.monotonic()
    simulator = Simulator(read_design(stitched.folder), stitched.folder)
    built = time.monotonic()
    result = simulator.run(inputs, progress=progress)
    ended = time.monotonic()
    np.savez_compressed(
        workdir / "outputs.npz",
        codes=result.outputs,
        frame_in=result.frame_in,
        frame_out=result.frame_out,
    )
    (workdir / "streams.json").write_text(json.dumps(result.counters(), indent=1) + "\n")
    return Simulated(
        images=len(inputs),
        cycles=result.cycles,
        cycles_per_frame=result.cycles_per_frame,
        latency_cycles=int(result.frame_out[0] - result.frame_in[0]),
        cycles_per_second=round(result.cycles / (ended - built)),
        build_seconds=round(built - start, 2),
    )
