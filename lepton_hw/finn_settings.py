"""``settings.json`` of a deployment: what FINN's own drivers read, in finn-plus's format.

The shell has the registers that those drivers use, so that they run as they are beside ours.
"""

from typing import Any

from lepton_hw.contract import InputContract
from lepton_hw.design import Design, Stream

FILE = "settings.json"


def finn_settings(design: Design, contract: InputContract, clock_mhz: float) -> dict[str, Any]:
    """All of it; shapes are those of one frame, with a leading 1."""
    source, sink = design.stream(design.inputs[0]), design.stream(design.outputs[0])
    shapes: dict[str, Any] = {
        **_door("i", source, contract.input.shape),
        **_door("o", sink, contract.output.shape),
        "num_inputs": 1,
        "num_outputs": 1,
        "number_of_external_weights": 0,
        "external_weights_input_shapes": {},
    }
    information = {
        "driver_type": "FINNDMAOverlay",
        "io_shape_dict": shapes,
        "external_weights": False,
        "runtime_weights": False,
        "platform": "zynq-iodma",
        "fclk_mhz": clock_mhz,
    }
    return {"driver_information": information, "experiment_information": {}}


def _door(way: str, stream: Stream, shape: tuple[int, ...]) -> dict[str, Any]:
    folded = list(stream.folded_shape)
    return {
        f"{way}dma_names": [f"{way}dma0"],
        f"{way}dt": [f"DataType['{stream.dtype}']"],
        f"{way}shape_normal": [[1, *shape]],
        f"{way}shape_folded": [folded],
        f"{way}shape_packed": [[*folded[:-1], stream.width // 8]],
    }
