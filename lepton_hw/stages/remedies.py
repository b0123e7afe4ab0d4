"""Changes a QONNX graph where that alone makes it map to hardware, and says what it changed.

A max-pool changes places with the monotone operators up to the quantiser behind it, and zeros that
are padded in front of a convolution become its own; neither changes a value. The branches of a sum
or a concatenation that have different scales are requantised to one, which may. Never trains; what
it cannot mend it leaves as it is.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from lepton_hw.qonnx_names import QUANT
from lepton_hw.stages.onnx_checks import MAX_BITS
from lepton_hw.stages.quantised import (
    JOINS,
    Codes,
    codes_of,
    constant_factor,
    is_static,
    one_value,
    same_scale,
)

_MOST = 2**MAX_BITS - 1


@dataclass(frozen=True)
class Remedy:
    """What was changed at a layer; `exact` where it changes no value of the network."""

    layer: str
    change: str
    exact: bool

    def __str__(self) -> str:
        return f"{self.layer}: {self.change} ({'exact' if self.exact else 'rounded'})"


def apply_remedies(model: Any) -> tuple[Remedy, ...]:
    """Changes a cleaned-up graph in place, and gives its tensors their new types and shapes."""
    from qonnx.transformation.infer_datatypes import InferDataTypes

    done = []
    for node in list(model.graph.node):
        if node.op_type == "MaxPool" and codes_of(model, node.input[0]) is None:
            done += _sink(model, node)
        elif node.op_type in JOINS:
            done += _equalise(model, node)
        elif node.op_type == "Pad":
            done += _absorb(model, node)
    if done:
        changed = model.transform(InferDataTypes(), make_deepcopy=False)
        assert changed.model is model.model
    return tuple(done)


def _sink(model: Any, pool: Any) -> list[Remedy]:
    """Moves a max-pool behind the next quantiser: max(f(x)) = f(max(x)) for f that never falls."""
    passed: list[Any] = []
    tensor = pool.output[0]
    while not passed or passed[-1].op_type not in QUANT:
        consumers = model.find_consumers(tensor) or []
        last = tensor == model.graph.output[0].name
        if len(consumers) != 1 or last or not _never_falls(model, consumers[0]):
            return []
        passed.append(consumers[0])
        tensor = consumers[0].output[0]
    for node in passed:
        _swap(model, pool, node)
    return [Remedy(pool.name, f"moved behind {passed[-1].name}", exact=True)]


def _never_falls(model: Any, node: Any) -> bool:
    """Whether it acts on each element alone, in the same way all over a channel, and rises."""
    if node.op_type == "Relu":
        return True
    if node.op_type in QUANT:
        scale = model.get_initializer(node.input[1])
        return scale is not None and one_value(scale) is not None
    if node.op_type == "BatchNormalization":
        gain = model.get_initializer(node.input[1])
        return gain is not None and bool((gain > 0).all())
    if node.op_type not in ("Mul", "Div", "Add", "Sub"):
        return False
    constant = model.get_initializer(node.input[1])
    if constant is None or not _per_channel(model, node, constant.shape):
        return False
    factor = constant_factor(model, node)
    return factor is None or bool((factor > 0).all())


def _per_channel(model: Any, node: Any, shape: tuple[int, ...]) -> bool:
    """Whether a constant of that shape is the same at all places of a (N, C, ...) tensor."""
    places = len(model.get_tensor_shape(node.input[0])) - 2
    return all(size == 1 for size in shape[-places:])


def _swap(model: Any, pool: Any, node: Any) -> None:
    """x → pool → y → node → z becomes x → node → y → pool → z."""
    before, between, after = pool.input[0], pool.output[0], node.output[0]
    node.input[0], node.output[0] = before, between
    pool.input[0], pool.output[0] = between, after
    model.set_tensor_shape(between, model.get_tensor_shape(before))
    nodes = list(model.graph.node)
    place = nodes.index(pool)
    model.graph.node.remove(node)
    model.graph.node.insert(place, node)


def _absorb(model: Any, pad: Any) -> list[Remedy]:
    """Makes zeros around an image part of the convolutions that read it."""
    from onnx import AttributeProto

    sides, consumers = _zeros_around(model, pad), model.find_consumers(pad.output[0]) or []
    last = pad.output[0] == model.graph.output[0].name
    if sides is None or last or any(node.op_type != "Conv" for node in consumers):
        return []
    for node in consumers:
        own = next((a for a in node.attribute if a.name == "pads"), None)
        if own is None:  # as lint sees it, before defaults are written out
            own = node.attribute.add(name="pads", type=AttributeProto.INTS, ints=[0] * len(sides))
        own.ints[:] = [size + more for size, more in zip(own.ints, sides, strict=True)]
        node.input[0] = pad.input[0]
    model.graph.node.remove(pad)
    names = ", ".join(node.name for node in consumers)
    return [Remedy(pad.name, f"padding moved into {names}", exact=True)]


def _zeros_around(model: Any, pad: Any) -> list[int] | None:
    """Zeros before and behind rows and columns, as a convolution has them; None if it pads other.

    See ONNX's operator Pad: sizes are an attribute before opset 11 and an input from there on.
    """
    known = {attribute.name: attribute for attribute in pad.attribute}
    mode = known["mode"].s.decode() if "mode" in known else "constant"
    names = [*pad.input[1:], "", "", ""]
    sizes, fill = (model.get_initializer(name) if name else None for name in names[:2])
    if "pads" in known:
        sizes = np.array(known["pads"].ints)
    other = "value" in known and known["value"].f != 0
    if mode != "constant" or other or names[2] or sizes is None or len(sizes) != 8:
        return None
    if (names[1] and (fill is None or np.any(fill != 0))) or np.any(sizes < 0):
        return None
    before, after = sizes[:4], sizes[4:]
    if np.any(before[:2]) or np.any(after[:2]):
        return None
    return [int(size) for size in (*before[2:], *after[2:])]


def _equalise(model: Any, join: Any) -> list[Remedy]:
    """Puts quantisers with one scale on the branches of a join."""
    if any(is_static(model, name) for name in join.input):
        return []
    branches = [codes_of(model, name) for name in join.input]
    known = [branch for branch in branches if branch is not None]
    if len(known) < len(branches) or all(same_scale(known[0].scale, b.scale) for b in known):
        return []
    scale = _common_scale(known)
    return [
        _requantise(model, join, index, branch, scale)
        for index, branch in enumerate(known)
        if not same_scale(branch.scale, scale)
    ]


def _common_scale(branches: list[Codes]) -> float:
    """The finest of the scales, or the finest at which no branch needs more than `MAX_BITS`."""
    finest = min(branch.scale for branch in branches)
    if all(_bits(_at(branch, finest)) <= MAX_BITS for branch in branches):
        return finest
    coarse: list[float] = [
        branch.scale * max(branch.high, -branch.low) / (_MOST if branch.low >= 0 else _MOST // 2)
        for branch in branches
    ]
    return max(coarse)


def _at(codes: Codes, scale: float) -> Codes:
    """The codes that the same values have at another scale, rounded."""
    low, high = (round(code * codes.scale / scale) for code in (codes.low, codes.high))
    return Codes(scale, low, high)


def _bits(codes: Codes) -> int:
    if codes.low >= 0:
        return max(2, codes.high.bit_length())
    return max(2, codes.high.bit_length() + 1, (-codes.low - 1).bit_length() + 1)


def _requantise(model: Any, join: Any, index: int, branch: Codes, scale: float) -> Remedy:
    from onnx import helper

    target = _at(branch, scale)
    name, tensor = f"{join.name}_requantise{index}", join.input[index]
    output, unsigned = f"{name}_out", branch.low >= 0
    constants = {"scale": scale, "zero_point": 0.0, "bit_width": float(_bits(target))}
    names = []
    for key, value in constants.items():
        names.append(f"{name}_{key}")
        model.set_initializer(names[-1], np.array(value, dtype=np.float32))
    quantiser = helper.make_node(
        "Quant",
        [tensor, *names],
        [output],
        name=name,
        domain="qonnx.custom_op.general",
        signed=int(not unsigned),
        narrow=0,
        rounding_mode="ROUND",
    )
    model.graph.node.insert(list(model.graph.node).index(join), quantiser)
    model.set_tensor_shape(output, model.get_tensor_shape(tensor))
    join.input[index] = output
    return Remedy(
        join.name,
        f"input {tensor} requantised from scale {branch.scale:.6g} to {scale:.6g}, "
        f"{_bits(target)} bits",
        exact=_loses_nothing(branch, scale),
    )


def _loses_nothing(branch: Codes, scale: float) -> bool:
    """Whether every value of the branch is a whole number of the new steps, in float32."""
    values = (branch.values * np.float32(branch.scale)).astype(np.float32)
    steps = np.rint(values / np.float32(scale)).astype(np.float32)
    return bool((steps * np.float32(scale) == values).all())
