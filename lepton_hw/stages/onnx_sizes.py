"""How large the tensors of an ONNX graph become, found before any of them is made.

Goes through the graph node by node: a few kilobytes of file can ask for terabytes, or for ranks on
which ONNX's own shape inference aborts the process. Changes nothing.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_hw.errors import InputError
from lepton_hw.qonnx_names import QUANTISERS

#: Elements of all computed tensors together: 512 MiB of float32.
MAX_ELEMENTS = 1 << 27
#: Constants as large as this are looked into: shapes, scales, axes.
SMALL = 4096
SAME_SHAPE = (*QUANTISERS, "Trunc", "MultiThreshold")
#: Their parameters must not make the tensor larger; those of MultiThreshold have axes of their own.
SCALED = (*QUANTISERS, "Trunc")
LAYERS = ("Conv", "MatMul", "Gemm")
POOLS = ("MaxPool", "AveragePool")


def require_sizes(proto: Any, file: Path) -> None:
    """Sizes within bounds, and windows of the rank of what they slide over."""
    _Walk(proto, file).run()


class _Walk:
    """Shapes (None where unknown) and small constant values by tensor, in order of execution."""

    def __init__(self, proto: Any, file: Path) -> None:
        from onnx import numpy_helper

        self.proto, self.file = proto, file
        self.total = 0
        self.constant = {tensor.name for tensor in proto.graph.initializer}
        self.values: dict[str, NDArray[Any]] = {}
        self.info: dict[str, Any] = {v.name: v for v in proto.graph.input}
        self.declared: dict[str, list[Any]] = {}
        for value in (*proto.graph.input, *proto.graph.output, *proto.graph.value_info):
            self.declared.setdefault(value.name, []).append(value)
        for tensor in proto.graph.initializer:
            self._of_constant(tensor.name, numpy_helper.to_array(tensor))
        for value in proto.graph.input:
            self._count(value.name, self.shape(value.name))

    def run(self) -> None:
        for node in self.proto.graph.node:
            self._ranks(node)
            if node.op_type == "Constant":
                self._of_constant(node.output[0], self._value_of(node))
            elif node.op_type == "Shape" and (shape := self.shape(node.input[0])) is not None:
                given = {a.name: a.i for a in node.attribute}
                part = shape[given.get("start", 0) : given.get("end")]
                self._of_constant(node.output[0], np.array(part, np.int64))
            elif node.op_type in SAME_SHAPE:
                self._same_shape(node)
            else:
                self._standard(node)

    def shape(self, name: str) -> tuple[int, ...] | None:
        """A tensor's shape, None where any of it is unknown."""
        info = self.info.get(name)
        if info is None or not info.type.tensor_type.HasField("shape"):
            return None
        sizes = info.type.tensor_type.shape.dim
        known = all(size.HasField("dim_value") and size.dim_value >= 0 for size in sizes)
        return tuple(size.dim_value for size in sizes) if known else None

    def _set(self, name: str, info: Any) -> None:
        """What a tensor is; ONNX believes the shapes that a file declares, so they must agree."""
        self.info[name] = info
        for declared in self.declared.get(name, ()):
            if not declared.type.tensor_type.HasField("shape"):
                continue
            if not info.type.tensor_type.HasField("shape"):
                self.info[name] = info = declared
            one, two = info.type.tensor_type.shape.dim, declared.type.tensor_type.shape.dim
            known = [
                (a.dim_value, b.dim_value)
                for a, b in zip(one, two, strict=False)
                if a.HasField("dim_value") and b.HasField("dim_value")
            ]
            if len(one) != len(two) or any(a != b for a, b in known):
                raise InputError(
                    f"{self.file}: tensor '{name}' has shape {[d.dim_value for d in one]}, and the "
                    f"file says {[d.dim_value for d in two]}",
                    "the shape that its layer makes",
                    "export the model again",
                )

    def _of_constant(self, name: str, value: NDArray[Any]) -> None:
        from onnx import helper

        kind = helper.np_dtype_to_tensor_dtype(value.dtype)
        self._set(name, helper.make_tensor_value_info(name, kind, value.shape))
        self.constant.add(name)
        if value.size <= SMALL:
            self.values[name] = value

    def _value_of(self, node: Any) -> NDArray[Any]:
        from onnx import numpy_helper

        for a in node.attribute:
            if a.name == "value" and a.HasField("t"):
                return np.asarray(numpy_helper.to_array(a.t))
            if a.name in ("value_float", "value_floats"):
                return np.array(a.f if a.name == "value_float" else a.floats, np.float32)
            if a.name in ("value_int", "value_ints"):
                return np.array(a.i if a.name == "value_int" else a.ints, np.int64)
        raise self._refused(node, "holds no number", "a constant of numbers")

    def _same_shape(self, node: Any) -> None:
        """Custom operators keep the shape, whatever their other inputs are."""
        from onnx import ValueInfoProto

        if node.op_type in SCALED and (shape := self.shape(node.input[0])) is not None:
            for name in node.input[1:]:
                other = self.shape(name)
                if other is not None and not _fits(shape, other):
                    raise self._refused(
                        node, f"has parameters of shape {list(other)}", f"some that fit {shape}"
                    )
        if node.input[0] in self.info:
            copy = ValueInfoProto()
            copy.CopyFrom(self.info[node.input[0]])
            copy.name = node.output[0]
            self._set(copy.name, copy)
        self._count(node.output[0], self.shape(node.output[0]))

    def _standard(self, node: Any) -> None:
        import onnx

        one = self._alone(node)
        try:
            inferred = onnx.shape_inference.infer_shapes(one, strict_mode=node.op_type in LAYERS)
        except Exception as error:  # the types of ONNX's C++ part are many
            if node.op_type in LAYERS:
                raise self._refused(
                    node, f"does not fit its inputs ({first_line(error)})", "shapes that match"
                ) from None
            inferred = one  # the shape stays unknown
        for value in inferred.graph.output:
            self._set(value.name, value)
        for name in filter(None, node.output):
            self._count(name, self.shape(name))
        if not all(not name or name in self.constant for name in node.input):
            return
        # QONNX will compute this one, whatever it takes.
        if any(self.shape(name) is None for name in filter(None, node.output)):
            raise self._refused(node, "makes a constant of unknown size", "known sizes")
        self.constant |= set(filter(None, node.output))
        self._compute(node, inferred)

    def _alone(self, node: Any) -> Any:
        """The node as a model of its own, small constants with their values."""
        from onnx import ValueInfoProto, helper, numpy_helper

        names = list(dict.fromkeys(filter(None, node.input)))
        kept = [numpy_helper.from_array(self.values[n], n) for n in names if n in self.values]
        given = [self.info[n] for n in names if n not in self.values and n in self.info]
        outputs = [ValueInfoProto(name=name) for name in node.output if name]
        graph = helper.make_graph([node], "one", given, outputs, initializer=kept)
        return helper.make_model(
            graph, opset_imports=self.proto.opset_import, ir_version=self.proto.ir_version or 8
        )

    def _compute(self, node: Any, model: Any) -> None:
        """The values of a small constant, where they can be had: a shape may hang on them."""
        import onnxruntime

        small = all((math.prod(self.shape(n) or ()) <= SMALL) for n in node.output if n)
        if not small or not all(not n or n in self.values for n in node.input):
            return
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        try:
            session = onnxruntime.InferenceSession(
                model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
            found = session.run(None, {})
        except Exception:  # it stays unknown, and simplifying will say why
            return
        for name, value in zip(filter(None, node.output), found, strict=True):
            self.values[name] = np.asarray(value)

    def _count(self, name: str, shape: tuple[int, ...] | None) -> None:
        elements = math.prod(shape or ())
        self.total += elements
        if self.total > MAX_ELEMENTS:
            raise InputError(
                f"{self.file}: tensor '{name}' has {elements:,} elements, and with those before it"
                f" {self.total:,}",
                f"at most {MAX_ELEMENTS:,} in all",
                "make the image or the layers smaller",
            )

    def _ranks(self, node: Any) -> None:
        """ONNX's shape inference aborts on a window of another rank than its input."""
        if node.op_type not in ("Conv", *POOLS):
            return
        shape = self.shape(node.input[0]) if node.input else None
        kernel = next((len(a.ints) for a in node.attribute if a.name == "kernel_shape"), None)
        if node.op_type == "Conv":
            weights = self.shape(node.input[1]) if len(node.input) > 1 else None
            if weights is None or len(weights) < 3:
                shown = "unknown" if weights is None else list(weights)
                raise self._refused(node, f"has weights of shape {shown}", "fixed sizes")
            axes = len(weights) - 2
        else:
            axes = -1 if kernel is None else kernel
        if shape is None or len(shape) != axes + 2 or kernel not in (None, axes):
            shown = "unknown shape" if shape is None else f"shape {list(shape)}"
            raise self._refused(
                node,
                f"slides over a tensor of {shown}",
                "a window of the same rank",
            )

    def _refused(self, node: Any, what: str, expected: str) -> InputError:
        return InputError(
            f"{self.file}: layer '{node.name or node.output[0]}' ({node.op_type}) {what}",
            expected,
            "export the model again with fixed shapes",
        )


def first_line(error: Exception) -> str:
    """What a library says, as a part of a sentence."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def _fits(shape: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Whether a parameter of a shape broadcasts to a tensor without making it larger."""
    try:
        return math.prod(np.broadcast_shapes(shape, other)) <= math.prod(shape)
    except ValueError:
        return False
