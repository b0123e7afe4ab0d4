"""One interface over everything that computes the network: integers in, integers out.

Torch, QONNX, FINN's graph, RTL and board are compared through it; it holds no comparison itself.
"""

from lepton_hw.executors.base import Executor

__all__ = ["Executor"]
