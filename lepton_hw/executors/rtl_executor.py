"""The stitched RTL in Verilator as an executor."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lepton_hw.contract import InputContract
from lepton_hw.design import read_design
from lepton_hw.executors.base import Executor
from lepton_hw.progress import SILENT, Progress
from lepton_hw.sim.simulator import Simulator


class RtlExecutor(Executor):
    """Runs a design's folder, cycle by cycle, all frames in one batch."""

    name = "rtl"

    def __init__(self, folder: Path, contract: InputContract, progress: Progress = SILENT) -> None:
        super().__init__(contract)
        self.design = read_design(folder)
        self.simulator = Simulator(self.design, folder)
        self._progress = progress

    def _infer(self, codes: NDArray[np.int64]) -> NDArray[np.int64]:
        return self.simulator.run(codes, progress=self._progress).outputs

    def taps(
        self, codes: NDArray[np.int64], streams: tuple[str, ...]
    ) -> dict[str, NDArray[np.int64]]:
        """What went through the named streams: (N, *shape) each, frames that came whole."""
        return self.simulator.run(codes, taps=streams, progress=self._progress).taps
