"""What a network can be run on without an FPGA, by name: the one place where an engine is added.

It makes executors; what they are compared by is `lepton_hw.measure`'s.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lepton_hw.contract import InputContract
from lepton_hw.errors import InputError
from lepton_hw.executors.phases import Phased

#: What a user calls the device → what torch and ONNX Runtime call it.
DEVICES = {"cpu": "cpu", "gpu": "cuda"}


@dataclass(frozen=True)
class Source:
    """The network in its forms: PyTorch's (None where it was trained elsewhere), a QONNX file, and
    the graph that the integer path runs.
    """

    network: Any
    qonnx: Path
    integers: Path
    contract: InputContract


def _pytorch(dtype: str) -> Callable[[Source, str], Phased]:
    def make(source: Source, device: str) -> Phased:
        from lepton_hw.executors.float_torch_executor import FloatTorchExecutor

        if source.network is None:
            raise InputError(
                "the flow has a finished model and no PyTorch network",
                "a network that was trained here",
                "compare with ONNX Runtime",
            )
        return FloatTorchExecutor(source.network, source.contract, device, dtype)

    return make


def _onnxruntime(source: Source, device: str) -> Phased:
    from lepton_hw.executors.onnxruntime_executor import OnnxRuntimeExecutor

    return OnnxRuntimeExecutor(source.qonnx, source.contract, device, quantised=False)


def _tensorrt(source: Source, device: str) -> Phased:
    return _onnxruntime(source, "tensorrt")


def _integers(source: Source, device: str) -> Phased:
    from lepton_hw.executors.reference_executor import ReferenceExecutor

    return ReferenceExecutor(source.integers, source.contract, device)


Make = Callable[[Source, str], Phased]
ENGINES: dict[str, dict[str, Make]] = {
    "cpu": {
        "pytorch-fp32": _pytorch("float32"),
        "pytorch-bf16": _pytorch("bfloat16"),
        "onnxruntime": _onnxruntime,
        "integers": _integers,
    },
    "gpu": {
        "pytorch-fp32": _pytorch("float32"),
        "pytorch-bf16": _pytorch("bfloat16"),
        "pytorch-fp16": _pytorch("float16"),
        "onnxruntime": _onnxruntime,
        "tensorrt": _tensorrt,
        "integers": _integers,
    },
}


def make(kind: str, name: str, source: Source) -> Phased:
    """An engine of `ENGINES`; raises `MissingTool` or `InputError` where it cannot run here."""
    return ENGINES[kind][name](source, DEVICES[kind])
