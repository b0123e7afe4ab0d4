"""The exact reference path: FINN's or QONNX's graph as one torch module of integers.

It holds no comparison, and imports neither FINN nor Brevitas.
"""

from lepton_hw.reference.reference import Reference, load, read

__all__ = ["Reference", "load", "read"]
