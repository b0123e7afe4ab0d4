"""What QONNX calls the nodes that several parts look for; imports neither it nor ONNX."""

from typing import Any

#: Quantisers to several bits, and all of them.
QUANT = ("Quant", "IntQuant")
QUANTISERS = (*QUANT, "BipolarQuant")
#: Layers that make an image larger.
ENLARGING = ("Resize", "Upsample")


def enlarging_mode(node: Any) -> str:
    """How one of `ENLARGING` fills in pixels."""
    return next((a.s.decode() for a in node.attribute if a.name == "mode"), "nearest")
