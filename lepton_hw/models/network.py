"""The shape that all networks share: features, then one head whose sums are the output.

The input is a float tensor of integer codes as they stand at the hardware's door; there is no
input quantiser and no division by 255, since batch normalisation absorbs any scale.
"""

from math import prod
from typing import Any

import torch
from torch import nn

from lepton_hw.contract import Port
from lepton_hw.models.layers import Bits, Window, activation, conv, dense


class Network(nn.Module):  # type: ignore[misc]  # torch ships no types that strict mode accepts
    """`features`, a quantised activation, `last`, and a head without bias.

    So every output is ``scale × integer``, with one scale: that of `last` times that of the
    head's weights. `flat` says that the input is (N, features) rather than (N, C, H, W). The head
    is a dense layer or, `per_pixel`, a 1×1 convolution.
    """

    def __init__(
        self,
        features: nn.Module,
        inputs: int,
        classes: int,
        bits: Bits,
        flat: bool = False,
        per_pixel: bool = False,
    ) -> None:
        super().__init__()
        self.features, self.classes = features, classes
        self.flat, self.per_pixel = flat, per_pixel
        if per_pixel:
            self.last = nn.Sequential(activation(bits))
            self.head = conv(inputs, classes, Window(1), bits)
        else:
            self.last = nn.Sequential(activation(bits), nn.Flatten())
            self.head = dense(inputs, classes, bits)

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        """Float tensor of integer codes, (N, C, H, W) or (N, features) → outputs (N, classes).

        A network `per_pixel` gives (N, classes, H, W).
        """
        return self.head(self.last(self.features(codes)))

    def output_scale(self) -> float:
        """The real value of one step of an output code."""
        with torch.no_grad():
            return float(self.head.weight_quant.scale()) * float(self.last[0].act_quant.scale())

    def ports(self, shape: tuple[int, int, int], dtype: str) -> tuple[Port, Port]:
        """Input and output at the hardware's door for images of `shape` (H, W, C) and `dtype`."""
        return (
            Port(
                name="global_in",
                dtype=dtype,
                shape=(prod(shape),) if self.flat else shape,
                layout="NC" if self.flat else "NHWC",
            ),
            Port(
                name="global_out",
                dtype="INT32",
                shape=(*shape[:2], self.classes) if self.per_pixel else (self.classes,),
                layout="NHWC" if self.per_pixel else "NC",
                scale=(self.output_scale(),),
            ),
        )


def door(codes: Any, flat: bool) -> torch.Tensor:
    """Integer codes (N, H, W, C) or (N, features) → the float tensor that a network takes."""
    tensor = torch.as_tensor(codes).to(torch.float32)
    if flat:
        return tensor.reshape(len(tensor), -1)
    return tensor.permute(0, 3, 1, 2).contiguous()
