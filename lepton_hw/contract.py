"""The input contract: what integers go in at the hardware's door, and what the codes mean.

A plain value, made at export, carried through to the board; it executes nothing.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Port(_Frozen):
    """One tensor at the hardware's door.

    `shape` is that of one frame, without the batch, in `layout` order; `dtype` is a FINN/QONNX
    datatype name; a code c stands for the real value ``scale * c + bias`` (`bias` per channel,
    along the last axis, or one value).
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    layout: str
    scale: tuple[float, ...] = (1.0,)
    bias: tuple[float, ...] = (0.0,)


class InputContract(_Frozen):
    """What the host does: `host_before` to an image, `host_after` to the output codes."""

    input: Port
    output: Port
    host_before: tuple[dict[str, Any], ...] = ()
    host_after: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
