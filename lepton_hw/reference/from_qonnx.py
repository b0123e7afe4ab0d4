"""Reads a QONNX graph into the integer graph: scales are carried beside integers, exactly.

A quantiser ends each chain of scales, biases and limits as thresholds on integers, ties to even.
The graph's real arithmetic is the specification: no step between is rounded to a float.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_hw.errors import StageError
from lepton_hw.reference import ir
from lepton_hw.reference.build import Builder, float_left, whole
from lepton_hw.reference.graph import Graph, Ints
from lepton_hw.reference.onnx_file import OnnxFile, attributes
from lepton_hw.reference.scaled import (
    ONE,
    ZERO,
    Affine,
    Rationals,
    Scaled,
    common_scale,
    rationals,
)

#: Largest whole factor by which channels or branches are brought to one scale.
MOST_FACTOR = 1 << 20


@dataclass(frozen=True, eq=False)
class Constant:
    """Constant integers times a scale that is broadcast to them."""

    codes: Ints
    scale: Rationals


def read_qonnx(file: OnnxFile) -> Graph:
    """The graph; raises `StageError` for floats, unknown layers and numbers beyond 63 bits."""
    from lepton_hw.reference.qonnx_layers import LAYERS

    reader = QonnxReader(file)
    for name in file.inputs:
        reader.builder.input(name, file.frame_shape(name), *file.integer_range(name))
        reader.values[name] = Scaled(name)
    for node in file.nodes:
        translate = LAYERS.get(node.op_type)
        if translate is None:
            raise StageError(
                f"layer '{node.name}' ({node.op_type}) is not known to the reference path",
                f"one of {', '.join(sorted(LAYERS))}",
                "replace that layer, or leave it to the host",
            )
        translate(reader, node, attributes(node))
    return reader.finish()


class QonnxReader:
    """The values of all tensors so far: constants, or functions of integer tensors."""

    def __init__(self, file: OnnxFile) -> None:
        self.file, self.builder = file, Builder()
        self.values: dict[str, Scaled | Constant] = {}

    def scaled(self, name: str) -> Scaled:
        """A tensor that depends on the input."""
        value = self.values.get(name)
        if not isinstance(value, Scaled):
            raise float_left(name, "a constant where data was expected")
        return value

    def number(self, name: str) -> NDArray[Any] | None:
        """A constant as it stands in the file, or None."""
        return self.file.constant(name) if name else None

    def constant(self, name: str) -> Constant | None:
        """A constant of integers and a scale, or None for data; floats alone are refused."""
        value = self.values.get(name)
        if isinstance(value, Constant):
            return value
        found = self.number(name)
        return None if found is None else Constant(whole(found, name), ONE)

    def exact(self, name: str) -> Rationals | None:
        """A constant as rational numbers, floats included, or None for data."""
        value = self.values.get(name)
        if isinstance(value, Constant):
            return rationals(value.codes) * value.scale
        found = self.number(name)
        return None if found is None else rationals(found)

    def shape(self, value: Scaled) -> tuple[int, ...]:
        """Shape of a frame."""
        return self.builder.tensors[value.name].shape

    def vector(self, values: Rationals, like: Scaled, tensor: str) -> tuple[Rationals, int]:
        """What ONNX broadcasts, as one value or one a channel, and the channels' axis."""
        if values.size == 1:
            return values.reshape(1), like.axis
        shape = self.shape(like)
        aligned = (1,) * (len(shape) + 1 - values.ndim) + values.shape
        axes = [axis - 1 for axis, size in enumerate(aligned) if size > 1]
        same = values.reshape(-1)
        if (same == same[0]).all():
            return same[:1], like.axis
        if len(axes) != 1 or (like.channels > 1 and axes[0] != like.axis):
            raise float_left(tensor, f"a constant of shape {values.shape}, not one a channel")
        return same, axes[0]

    def integers(self, name: str, layer: str) -> tuple[str, Fraction]:
        """A tensor as an integer tensor times one scale; adds nodes where factors differ.

        Raises `StageError` naming the tensor where no scale of a reasonable size does it.
        """
        value = self.scaled(name)
        tensor, scale = value.name, Fraction(1)
        for step in value.steps:
            if isinstance(step, Affine):
                factor, bias = step.factor * scale, step.bias
                scale = common_scale([*factor.tolist(), *bias.tolist()])
                tensor = self.multiply(tensor, value, name, layer, (factor / scale, bias / scale))
            else:
                low, high = (None if end is None else end / scale for end in (step.low, step.high))
                if any(end is not None and end.denominator != 1 for end in (low, high)):
                    raise float_left(name, "limited at a value that is no multiple of its scale")
                limits = (None if end is None else int(end) for end in (low, high))
                tensor = self.builder.add(layer, ir.Clip(*limits), [tensor])
        return tensor, scale

    def multiply(
        self, tensor: str, value: Scaled, name: str, layer: str, by: tuple[Rationals, Rationals]
    ) -> str:
        """The tensor times whole factors plus whole biases, one or one a channel."""
        rank = len(self.builder.tensors[tensor].shape)
        for kind, vector in zip(("mul", "add"), by, strict=True):
            if (vector == (1 if kind == "mul" else 0)).all():
                continue
            if kind == "mul" and max(abs(vector)) > MOST_FACTOR:
                raise float_left(name, "made of channels or branches without a common scale")
            if max(abs(vector)) > 1 << 62:
                raise float_left(name, "an integer with an offset that is no multiple of its scale")
            shape = [1] * (rank + 1)
            shape[value.axis + 1] = vector.size
            constant = vector.astype(np.int64).reshape(shape)
            tensor = self.builder.add(layer, ir.Arithmetic(kind, None, constant), [tensor])
        return tensor

    def finish(self) -> Graph:
        """The graph with one integer tensor, scale and bias at its output."""
        (output,) = self.file.outputs
        value = self.scaled(output)
        if any(not isinstance(step, Affine) for step in value.steps):
            tensor, factor = self.integers(output, "output")
            value = Scaled(tensor, value.axis).then_affine(rationals([factor]), ZERO)
        factors, biases = ONE, ZERO
        for step in value.steps:
            assert isinstance(step, Affine)
            factors, biases = step.factor, step.bias
        scale = tuple(float(each) for each in factors)
        return self.builder.graph([value.name], scale, tuple(float(each) for each in biases))
