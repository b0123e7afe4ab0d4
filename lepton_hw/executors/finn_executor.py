"""FINN's own execution of the compiled graph as an executor. Slow and independent of the RTL."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lepton_hw.contract import InputContract
from lepton_hw.executors.base import Executor


class FinnExecutor(Executor):
    """Runs ``finn.onnx`` of a compiled design, about ten milliseconds a frame and up."""

    name = "finn"

    def __init__(self, model_file: Path, contract: InputContract) -> None:
        from lepton_hw.compiler.execute import FinnGraph

        super().__init__(contract)
        self.graph = FinnGraph(model_file)

    def _infer(self, codes: NDArray[np.int64]) -> NDArray[np.int64]:
        return self.graph.infer(codes)
