"""The stitched RTL in Verilator as an executor."""

from collections.abc import Mapping
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
        outputs = self.simulator.run(self.at_door(codes), progress=self._progress).outputs
        assert isinstance(outputs, np.ndarray)
        return outputs

    def taps(
        self, codes: NDArray[np.int64], streams: tuple[str, ...]
    ) -> Mapping[str, NDArray[np.int64]]:
        """What went through the named streams: (N, *shape) each."""
        result = self.simulator.run(self.at_door(codes), taps=streams, progress=self._progress)
        return result.taps

    def at_door(self, codes: NDArray[np.int64]) -> NDArray[np.int64]:
        """What is sent to the hardware for these codes: the codes. Tests put faults here."""
        return codes
