"""Matrix products and depthwise sums in the cheapest arithmetic that is exact, as torch modules.

No convolution of a library is called: those may use Winograd's or Fourier's transform, or tensor
cores of ten-bit mantissas, which round. Windows times a matrix only adds products of integers.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from lepton_hw.errors import StageError
from lepton_hw.reference import bounds
from lepton_hw.reference.bounds import Arithmetic
from lepton_hw.reference.graph import Tensor
from lepton_hw.reference.ir import Depthwise, MatMul

#: cuBLAS wants multiples of 8 and more than 16 rows for int8.
MULTIPLE, LEAST_ROWS = 8, 17
#: Columns of a layer that are tried at their worst when it is built; the others have smaller sums.
TRIED = 512
#: Multiply-adds at once where int64 products are made one by one.
AT_ONCE = 1 << 24


def has_fast_int8(device: str) -> bool:
    """Whether int8 products are faster there than float32: VNNI, or any CUDA card with dp4a."""
    if device.startswith("cuda"):
        return bool(torch.cuda.get_device_capability(device) >= (7, 5))
    return bool(torch.cpu._is_vnni_supported())


@contextmanager
def exact_floats() -> Iterator[None]:
    """No TF32 and no bfloat16 inside float32 products, whatever the caller has set."""
    # By library, since torch refuses to say what holds for all after a caller has set one of them.
    libraries = torch.backends.cuda.matmul, torch.backends.mkldnn.matmul
    before = [library.fp32_precision for library in libraries]
    for library in libraries:
        library.fp32_precision = "ieee"
    try:
        yield
    finally:
        for library, precision in zip(libraries, before, strict=True):
            library.fp32_precision = precision


def matmul(layer: str, op: MatMul, source: Tensor, device: str, fast: bool) -> "Product":
    """The module for a layer, tried at its bounds on this device; in int8 where that is `fast`.

    int8 units that saturate between (vpmaddubsw of x86 without VNNI), and libraries that refuse a
    shape, are found by the trial, and the next wider arithmetic is taken.
    """
    while True:
        arithmetic = bounds.choose(
            layer, op.columns(), op.offset, source.low, source.high, fast_int8=fast
        )
        module = Product(op, source, arithmetic, device)
        if module.is_exact_at_bounds():
            return module
        if not fast or arithmetic.kind != "int8":
            raise StageError(
                f"layer '{layer}' is not exact in {arithmetic.kind} on {device}",
                "the sums that its weights give for extreme inputs",
                "report this device; choose another one",
            )
        fast = False


class Product(nn.Module):  # type: ignore[misc]
    """``(x @ weights + offset) >> shift``: integers (…, K) to int32 or int64 (…, N)."""

    def __init__(self, op: MatMul, source: Tensor, arithmetic: Arithmetic, device: str) -> None:
        super().__init__()
        self.arithmetic, self.source, self.shift = arithmetic, source, op.shift
        self.rows, self.columns = op.weights.shape
        worst = bounds.magnitude(op.columns(), *source.range) + int(abs(op.offset).max())
        is_small = worst <= bounds.INT32
        self.result = torch.int32 if is_small or arithmetic.kind == "int8" else torch.int64
        self.cuda = device.startswith("cuda")
        weights = torch.from_numpy(op.weights.copy())
        if arithmetic.kind == "int8" and self.cuda:
            pad = (0, -self.columns % MULTIPLE, 0, -self.rows % MULTIPLE)
            weights = nn.functional.pad(weights, pad)
        weights = weights.to(getattr(torch, arithmetic.kind)).to(device)
        # "TN", the one layout for which cuBLASLt's documentation promises int8 tensor cores.
        by_column = arithmetic.kind == "int8" and self.cuda
        weights = weights.T.contiguous().T if by_column else _plain(weights)
        self.register_buffer("weights", weights)
        # (x - zero) @ w + zero × (sum of w) = x @ w
        added = op.offset + arithmetic.zero * op.weights.sum(axis=0)
        self.register_buffer(
            "offset", torch.from_numpy(added).to(self.result).to(device) if added.any() else None
        )

    def forward(self, inputs: Any) -> Any:
        """The sums."""
        flat = _plain(inputs.reshape(-1, self.rows))
        sums = self._int8(flat) if self.arithmetic.kind == "int8" else self._wide(flat)
        if self.offset is not None:
            sums += self.offset
        if self.shift:
            sums >>= self.shift
        return sums.reshape(*inputs.shape[:-1], self.columns)

    def _int8(self, flat: Any) -> Any:
        if self.arithmetic.zero:
            flat = flat.to(torch.int16) - self.arithmetic.zero
        flat = flat.to(torch.int8)
        if not self.cuda:
            return torch._int_mm(flat, self.weights)
        count = len(flat)
        pad = (0, -self.rows % MULTIPLE, 0, max(0, LEAST_ROWS - count))
        if any(pad):  # by nothing would be a copy, too
            flat = _plain(nn.functional.pad(flat, pad))
        return torch._int_mm(flat, self.weights)[:count, : self.columns].contiguous()

    def _wide(self, flat: Any) -> Any:
        flat = flat.to(self.weights.dtype)
        if self.weights.dtype == torch.int64 and self.cuda:  # cuBLAS has no int64
            step = max(1, AT_ONCE // self.weights.numel())
            parts = [
                (flat[i : i + step, :, None] * self.weights).sum(1)
                for i in range(0, len(flat), step)
            ]
            return torch.cat(parts)
        return (flat @ self.weights).to(self.result)

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def is_exact_at_bounds(self) -> bool:
        """Whether the largest and smallest sums of each column come out right on this device.

        Where an adder saturates for any input, it saturates for these: each column gets the input
        that makes every product as large (as small) as it can be, and all columns the largest and
        the smallest input everywhere, which are the worst after a shift of the weights. The inputs
        next to those show mantissas that are too short: of two neighbours one is odd.
        """
        low, high = self.source.range
        weights = self.weights[: self.rows, : self.columns].to(torch.int64)
        worst = weights.abs().sum(0).argsort(descending=True)[:TRIED]
        chosen = weights[:, worst].T
        up = torch.where(chosen > 0, high, low)
        down = torch.where(chosen > 0, low, high)
        ends = (high, low, max(high - 1, low), min(low + 1, high))
        all_of = torch.tensor(ends, device=chosen.device)[:, None].expand(-1, self.rows)
        trials = torch.cat([up, down, all_of])
        try:
            with exact_floats():
                found = self(trials).to(torch.int64)
        except RuntimeError:
            if self.arithmetic.kind == "int8":  # others have nothing below them
                return False
            raise
        zero_point = self.arithmetic.zero * weights.sum(0)
        added = (0 if self.offset is None else self.offset.to(torch.int64)) - zero_point
        count = len(worst)
        added = added + torch.zeros_like(zero_point)
        for got, trial in ((found[:count], up), (found[count : 2 * count], down)):
            own = (trial * chosen).sum(1) + added[worst]
            if not torch.equal(got.gather(1, worst[:, None])[:, 0], own >> self.shift):
                return False
        all_ends = torch.stack([end * weights.sum(0) for end in ends]) + added
        return bool(torch.equal(found[2 * count :], all_ends >> self.shift))


def _plain(matrix: Any) -> Any:
    """The matrix with rows one after the other in memory, and strides that say so.

    torch._int_mm on CPUs takes an overlapping view for a matrix, and one with a single row or
    column, whose other stride is arbitrary, for a transposed one.
    """
    return matrix.contiguous().as_strided(matrix.shape, (matrix.shape[1], 1))


class DepthwiseProduct(nn.Module):  # type: ignore[misc]
    """`Product` channel by channel: (…, C / group × taps × group) to int32 or int64 (…, C)."""

    def __init__(self, layer: str, op: Depthwise, source: Tensor, device: str) -> None:
        super().__init__()
        columns = op.columns()
        # Only whole numbers are used here, so int32 reaches as far as its own range.
        kind = bounds.choose(layer, columns, op.offset, source.low, source.high, fast_int8=False)
        worst = bounds.magnitude(columns, source.low, source.high) + int(abs(op.offset).max())
        is_small = kind.kind != "int64" and worst <= bounds.INT32
        self.kind = torch.int32 if is_small else torch.int64
        self.shift, self.group, self.taps = op.shift, op.group, columns.shape[1]
        self.channels = len(columns)
        taps = columns.reshape(-1, op.group, self.taps).transpose(2, 0, 1).copy()
        self.register_buffer("weights", torch.from_numpy(taps).to(self.kind).to(device))
        offset = torch.from_numpy(op.offset.reshape(-1, op.group).copy())
        self.register_buffer("offset", offset.to(self.kind).to(device))

    def forward(self, inputs: Any) -> Any:
        """The sums, tap by tap."""
        lead = inputs.shape[:-1]
        apart = inputs.reshape(*lead, self.channels // self.group, self.taps, self.group)
        sums = self.offset.expand(*lead, *self.offset.shape).clone()
        for tap in range(self.taps):
            sums.addcmul_(apart[..., tap, :].to(self.kind), self.weights[tap])
        if self.shift:
            sums >>= self.shift
        return sums.reshape(*lead, self.channels)
