"""The exact reference path: FINN's or QONNX's graph as one torch module of integers.

It holds no comparison, and imports neither FINN nor Brevitas; torch only where a graph is run.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from lepton_hw.reference.graph import Graph

if TYPE_CHECKING:
    from lepton_hw.reference.reference import Reference

__all__ = ["load", "read"]


def load(
    file: Path,
    device: str = "cpu",
    batch: int | None = None,
    compiled: bool = False,
    captured: bool = False,
) -> "Reference":
    """A file ready to run; see `reference.Reference` for the options and `read` for the file."""
    from lepton_hw.reference.reference import Reference

    return Reference(read(file), device, batch, compiled, captured)


def read(file: Path) -> Graph:
    """The integer graph of a file: FINN's graph of hardware layers, or a QONNX graph.

    Raises `StageError` where a float is left in it (naming the tensor), where a layer is not known
    or where its numbers may exceed 63 bits (naming the layer).
    """
    from lepton_hw.reference.from_finn import read_finn
    from lepton_hw.reference.from_qonnx import read_qonnx
    from lepton_hw.reference.onnx_file import OnnxFile

    opened = OnnxFile(file)
    return read_finn(opened) if opened.is_finns else read_qonnx(opened)
