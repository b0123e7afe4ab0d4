"""The model of a batch's time against the counters of the shell's RTL, within 5 %."""

from pathlib import Path

import numpy as np
import pytest

from lepton_hw.measure.fabric import Fabric
from lepton_hw.sim import shell_batch
from lepton_hw.sim.shell import Stalls, open_shell
from lepton_hw.sim.simulator import Simulator
from tests.rtl.shell_cases import make

#: Bytes of a beat in and out, beats a frame. The second is slower at the DMA port than inside.
SHAPES = ((3, 5, 100), (16, 1, 200))


@pytest.mark.parametrize("shape", SHAPES)
def test_the_model_is_within_five_percent_of_the_counters(
    tmp_path: Path, shape: tuple[int, int, int]
) -> None:
    design = make(tmp_path, *shape, pauses=False)
    stream = design.stream(design.inputs[0])
    images = np.random.default_rng(1).integers(0, 256, (256, *stream.shape[1:]))
    bare = Simulator(design, tmp_path).run(images)
    with open_shell(tmp_path, 1 << 20, design) as shell:
        for memory in (0, 40):
            fabric = Fabric(
                int(bare.latency[0]), round(bare.cycles_per_frame), stream.beats,
                *(width * stream.beats for width in shape[:2]), 100.0, "board", memory,
            )  # fmt: skip
            shell.stall(Stalls(latency=memory))
            for batch in (1, 16, 256):
                _, busy = shell_batch.infer(shell, design, images[:batch])
                assert fabric.cycles(batch) == pytest.approx(busy, rel=0.05), (memory, batch)
