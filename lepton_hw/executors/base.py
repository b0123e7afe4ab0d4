"""The one verb that all executors share, and the check of what goes in.

An executor never converts, rounds or rescales what it is given.
"""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_hw.contract import InputContract, Port
from lepton_hw.datatypes import value_range
from lepton_hw.errors import InputError

Codes = NDArray[np.int64]


class Executor(ABC):
    """Something that computes the network on integer codes; `name` appears in reports."""

    name: str = ""

    def __init__(self, contract: InputContract) -> None:
        self.contract = contract

    def infer(self, codes: NDArray[Any]) -> Codes:
        """Integer codes (N, *contract.input.shape) → output codes int64 (N, *output shape).

        Raises `InputError` where `codes` is not what the contract says.
        """
        checked = check_codes(codes, self.contract)
        outputs = self._infer(checked)
        return outputs.reshape(len(checked), *self.contract.output.shape)

    @abstractmethod
    def _infer(self, codes: Codes) -> Codes:
        """The same for codes that have been checked."""


def check_codes(codes: NDArray[Any], contract: InputContract) -> Codes:
    """The codes as int64, if they are whole numbers in range and of the contract's shape."""
    door = contract.input
    codes = np.asarray(codes)
    if codes.ndim != len(door.shape) + 1 or codes.shape[1:] != door.shape:
        raise InputError(
            f"input of shape {codes.shape}",
            f"(N, {', '.join(str(size) for size in door.shape)}) in {door.layout} order",
            "give one array of frames",
        )
    if np.issubdtype(codes.dtype, np.floating):
        if np.isnan(codes).any():
            raise InputError("the input holds NaN", f"{door.dtype} codes", "repair the input")
        raise InputError(
            f"input of type {codes.dtype}",
            f"integer codes of {door.dtype}",
            "quantise first, as the input contract says",
        )
    if not np.issubdtype(codes.dtype, np.integer):
        raise InputError(f"input of type {codes.dtype}", "integer codes", "convert the input")
    low, high = value_range(door.dtype)
    zeros = door.dtype == "BIPOLAR" and not codes.all()
    if codes.size and (codes.min() < low or codes.max() > high or zeros):
        wrong = np.argwhere((codes < low) | (codes > high) | (zeros & (codes == 0)))[0]
        index = tuple(int(i) for i in wrong)
        raise InputError(
            f"input code {index} is {codes[index]}",
            f"{low} to {high} ({door.dtype}{', without 0' if zeros else ''})",
            "apply the steps of the input contract",
        )
    return codes.astype(np.int64)


def to_codes(outputs: NDArray[Any], port: Port) -> tuple[Codes, float]:
    """Real outputs (scale × code + bias) as codes, with the largest distance from a whole one.

    Outputs of four dimensions are (N, C, H, W), as networks and QONNX graphs give them; their
    codes are channels last, as at the hardware's door.
    The port's scale and bias hold one value, or one for each element of the last axis; none at
    all means that the outputs are codes already.
    """
    if outputs.ndim == 4:
        outputs = outputs.transpose(0, 2, 3, 1)
    exact = (outputs.astype(np.float64) - np.asarray(port.bias or (0.0,))) / np.asarray(
        port.scale or (1.0,)
    )
    codes = np.rint(exact)
    residual = float(np.abs(exact - codes).max()) if codes.size else 0.0
    return codes.astype(np.int64), residual
