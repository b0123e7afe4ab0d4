"""The other operators of the integer graph as torch functions, and the choice of module for each.

Every tensor is an integer tensor of torch, batch first, images as (batch, rows, columns, channels).
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch.nn import functional

from lepton_hw.reference import ir
from lepton_hw.reference.bounds import storage
from lepton_hw.reference.graph import Ints, Node, Tensor
from lepton_hw.reference.products import DepthwiseProduct, matmul
from lepton_hw.reference.thresholds import threshold

Run = Callable[..., Any]
#: What windows are copied in where the channels of a pixel fill whole words: fewer, larger copies.
WORD = torch.int64


def layer(node: Node, tensors: dict[str, Tensor], device: str, int8: bool) -> Any:
    """What runs a node: integer tensors in, one tensor or a tuple of them out.

    `int8`: whether the device's units for 8 bits may be used.
    """
    inputs = [tensors[name] for name in node.inputs]
    output = tensors[node.outputs[0]]
    match node.op:
        case ir.MatMul():
            return matmul(node.name, node.op, inputs[0], device, int8)
        case ir.Depthwise():
            return DepthwiseProduct(node.name, node.op, inputs[0], device)
        case ir.Threshold():
            return threshold(node.op, inputs[0], device)
        case ir.Arithmetic():
            kind = _type(output, *inputs, constants=(node.op.left, node.op.right))
            sides = [
                None if side is None else torch.from_numpy(side).to(kind).to(device)
                for side in (node.op.left, node.op.right)
            ]
            return partial(_arithmetic, getattr(torch, node.op.kind), kind, *sides)
        case ir.Lookup():
            table = torch.from_numpy(node.op.table).to(_type(output)).to(device)
            return partial(_lookup, table)
    # Types that hold what comes in, too.
    return partial(_PLAIN[type(node.op)], node.op, _type(output, *inputs))


def _type(*tensors: Tensor, constants: tuple[Ints | None, ...] = ()) -> Any:
    lows = [t.low for t in tensors] + [int(c.min()) for c in constants if c is not None]
    highs = [t.high for t in tensors] + [int(c.max()) for c in constants if c is not None]
    return getattr(torch, storage(min(lows), max(highs)))


def _arithmetic(do: Run, kind: Any, left: Any, right: Any, *inputs: Any) -> Any:
    tensors = (tensor.to(kind) for tensor in inputs)
    left = left if left is not None else next(tensors)
    return do(left, right if right is not None else next(tensors))


def _lookup(table: Any, indices: Any) -> Any:
    rows = table.index_select(0, indices.reshape(-1).to(torch.int32))
    return rows.reshape(*indices.shape, table.shape[1])


def _pad(op: ir.Pad, kind: Any, x: Any) -> Any:
    top, left, bottom, right = op.sizes
    return functional.pad(x.to(kind), (0, 0, left, right, top, bottom), value=op.value)


def _crop(op: ir.Crop, kind: Any, x: Any) -> Any:
    top, left, bottom, right = op.sizes
    return x[:, top : x.shape[1] - bottom, left : x.shape[2] - right]


def _spread(op: ir.Spread, kind: Any, x: Any) -> Any:
    (rows, columns), (batch, height, width, channels) = op.stride, x.shape
    shape = batch, (height - 1) * rows + 1, (width - 1) * columns + 1, channels
    spread = torch.zeros(shape, dtype=kind, device=x.device)
    spread[:, ::rows, ::columns] = x
    return spread


def _window(op: ir.Window, kind: Any, x: Any) -> Any:
    """A view of all windows, then one copy in the order of the vectors."""
    x = x.contiguous()
    (kh, kw), (sh, sw), (dh, dw) = op.kernel, op.stride, op.dilation
    batch, height, width, channels = x.shape
    rows, columns = (height - dh * (kh - 1) - 1) // sh + 1, (width - dw * (kw - 1) - 1) // sw + 1
    if op.kernel == op.stride == (1, 1):
        return x
    own = x.dtype
    together = op.group == channels and dw == 1  # taps of a row lie side by side in memory
    if together and channels * x.element_size() % WORD.itemsize == 0:
        x = x.reshape(-1).view(WORD).reshape(batch, height, width, -1)
    sb, sy, sx, _ = x.stride()
    outer = (batch, rows, columns), (sb, sy * sh, sx * sw)
    inner: tuple[tuple[int, ...], tuple[int, ...]]
    if together:
        inner = (kh, kw * x.shape[3]), (sy * dh, 1)
    else:
        inner = (
            (channels // op.group, kh, kw, op.group),
            (op.group, sy * dh, sx * dw, 1),
        )
    view = x.as_strided(outer[0] + inner[0], outer[1] + inner[1])
    return view.contiguous().view(own).reshape(batch, rows, columns, kh * kw * channels)


def _pool(op: ir.Pool, kind: Any, x: Any) -> Any:
    apart = x.reshape(*x.shape[:-1], op.channels // op.group, -1, op.group)
    shape = (*x.shape[:-1], op.channels)
    if op.maximum:
        taps = iter(apart.unbind(-2))
        most = next(taps)
        for tap in taps:
            most = torch.maximum(most, tap)
        return most.reshape(shape)
    sums = apart.sum(-2, dtype=torch.int64).reshape(shape)
    if op.shift:
        sums >>= op.shift
    if op.divisor > 1:
        sums = sums.div(op.divisor, rounding_mode="trunc")
    return sums.to(kind)


def _global_sum(op: ir.GlobalSum, kind: Any, x: Any) -> Any:
    return x.sum((1, 2), keepdim=True, dtype=torch.int64).to(kind)


def _clip(op: ir.Clip, kind: Any, x: Any) -> Any:
    return x.to(kind).clamp(op.low, op.high)


def _concat(op: ir.Concat, kind: Any, *inputs: Any) -> Any:
    return torch.cat([x.to(kind) for x in inputs], op.axis % (inputs[0].ndim - 1) + 1)


def _split(op: ir.Split, kind: Any, x: Any) -> Any:
    return x.split(op.sizes, op.axis % (x.ndim - 1) + 1)


def _repeat(op: ir.Repeat, kind: Any, x: Any) -> Any:
    return x.repeat_interleave(op.rows, 1).repeat_interleave(op.columns, 2)


def _top_k(op: ir.TopK, kind: Any, x: Any) -> Any:
    # topk does not say which of equal values comes first; a stable sort does.
    return x.sort(dim=-1, descending=True, stable=True).indices[..., : op.count]


def _reshape(op: ir.Reshape, kind: Any, x: Any) -> Any:
    return x.reshape(len(x), *op.shape)


def _transpose(op: ir.Transpose, kind: Any, x: Any) -> Any:
    return x.permute(0, *(axis + 1 for axis in op.order))


_PLAIN: dict[type, Run] = {
    ir.Pad: _pad,
    ir.Crop: _crop,
    ir.Spread: _spread,
    ir.Window: _window,
    ir.Pool: _pool,
    ir.GlobalSum: _global_sum,
    ir.Clip: _clip,
    ir.Concat: _concat,
    ir.Split: _split,
    ir.Repeat: _repeat,
    ir.TopK: _top_k,
    ir.Reshape: _reshape,
    ir.Transpose: _transpose,
}
