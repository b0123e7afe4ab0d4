"""The network as plain PyTorch layers: what a user without an FPGA would run on a CPU or GPU.

The layers have the quantised weights; activations are floats, clipped to their quantiser's range.
Its outputs come near the codes and are not equal to them: a baseline for speed.
"""

import copy
import time
from typing import Any

import numpy as np

from lepton_hw.contract import InputContract
from lepton_hw.devices import require_device
from lepton_hw.errors import InputError
from lepton_hw.executors.base import Codes, Executor, to_codes
from lepton_hw.executors.phases import Phases, finished, same

BATCH = 128
TYPES = ("float32", "bfloat16", "float16")


class FloatTorchExecutor(Executor):
    """A `models.Network` without its quantisers, in `dtype`; outputs rounded to the nearest code.

    `residual` is the largest distance of an output from its code.
    """

    name = "pytorch"

    def __init__(
        self,
        network: Any,
        contract: InputContract,
        device: str = "cpu",
        dtype: str = "float32",
        batch: int = BATCH,
    ) -> None:
        """Raises `InputError` for an unknown `dtype`, `MissingTool` where `device` is not there."""
        import torch

        super().__init__(contract)
        if dtype not in TYPES:
            raise InputError(f"dtype is '{dtype}'", f"one of {', '.join(TYPES)}", "correct it")
        require_device(device)
        self.name = f"pytorch {dtype}"
        # What tensor cores compute convolutions in; PyTorch would turn every tensor on its way.
        self.layout = torch.channels_last if device != "cpu" else torch.contiguous_format
        self.network = stripped(network).to(
            device=device, dtype=getattr(torch, dtype), memory_format=self.layout
        )
        self.device, self.dtype, self.batch = device, getattr(torch, dtype), batch
        self.flat = bool(network.flat)
        self.residual, self.images_per_second = 0.0, 0.0

    def _infer(self, codes: Codes) -> Codes:
        found = [np.zeros((0, *self.contract.output.shape), np.int64)]
        phases = self.phases(self.batch)
        begin = time.perf_counter()
        for start in range(0, len(codes), self.batch):
            found.append(phases.run(codes[start : start + self.batch]))
        self.images_per_second = len(codes) / max(time.perf_counter() - begin, 1e-9)
        return np.concatenate(found)

    def phases(self, batch: int) -> Phases:
        """The same for any batch."""
        import torch

        from lepton_hw.models.network import door

        wait = finished(self.device)

        def compute(frames: Any) -> Any:
            with torch.inference_mode():
                return wait(self.network(frames))

        return Phases(
            before=lambda codes: door(codes, self.flat).to(self.dtype),
            send=same if self.device == "cpu" else lambda frames: wait(self._there(frames)),
            compute=compute,
            receive=same if self.device == "cpu" else lambda outputs: outputs.cpu(),
            after=self._codes,
        )

    def _there(self, frames: Any) -> Any:
        """Frames on the device, images in its layout."""
        there = frames.to(self.device)
        return there.contiguous(memory_format=self.layout) if there.dim() == 4 else there

    def _codes(self, outputs: Any) -> Codes:
        whole, residual = to_codes(outputs.float().numpy(), self.contract.output)
        self.residual = max(self.residual, residual)
        return whole


def stripped(network: Any) -> Any:
    """A copy in evaluation mode in which plain layers stand for Brevitas's."""
    plain = copy.deepcopy(network).eval()
    _replace(plain)
    return plain.eval()


def _replace(module: Any) -> None:
    from brevitas.nn import QuantConv2d, QuantIdentity, QuantLinear, QuantReLU

    for name, child in list(module.named_children()):
        if isinstance(child, QuantConv2d | QuantLinear):
            setattr(module, name, _layer(child))
        elif isinstance(child, QuantReLU | QuantIdentity):
            setattr(module, name, _clip(child))
        else:
            _replace(child)


def _layer(quantised: Any) -> Any:
    import torch
    from torch import nn

    with torch.no_grad():
        value = quantised.quant_weight()
        weight = getattr(value, "value", value).detach().clone()
    if isinstance(quantised, nn.Linear):
        layer: Any = nn.Linear(quantised.in_features, quantised.out_features, bias=False)
    else:
        layer = nn.Conv2d(
            quantised.in_channels,
            quantised.out_channels,
            quantised.kernel_size,
            quantised.stride,
            quantised.padding,
            quantised.dilation,
            quantised.groups,
            bias=False,
        )
    layer.weight = nn.Parameter(weight, requires_grad=False)
    return layer


def _clip(quantiser: Any) -> Any:
    import torch
    from torch import nn

    with torch.no_grad():
        scale = float(quantiser.act_quant.scale())
        bits = float(quantiser.act_quant.bit_width())
    if bits == 1:
        return nn.Hardtanh(-scale, scale)
    if quantiser.act_quant.is_signed:
        return nn.Hardtanh(-scale * 2 ** (bits - 1), scale * (2 ** (bits - 1) - 1))
    return nn.Hardtanh(0.0, scale * (2**bits - 1))
