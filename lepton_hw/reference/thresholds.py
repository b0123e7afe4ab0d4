"""Per-channel thresholds as torch modules: a table of all values, or a binary search.

Neither compares with all thresholds. Integers in, integers out.
"""

from typing import Any

import numpy as np
import torch
from torch import nn

from lepton_hw.reference import bounds
from lepton_hw.reference.graph import Ints, Tensor
from lepton_hw.reference.ir import Threshold

#: Entries of a table up to which it is used; beyond, it would not stay in a cache.
MOST_ENTRIES = 1 << 23


def threshold(op: Threshold, source: Tensor, device: str) -> nn.Module:
    """The module for a layer: a table where the values at which anything changes lie close."""
    channels = max(len(op.thresholds), len(op.sign))
    is_small = channels * (source.high - source.low + 1) <= MOST_ENTRIES
    # On a card memory is what takes time: no clamp, which writes all again.
    first, last = source.range if device != "cpu" and is_small else _span(op, source)
    if channels * (last - first + 1) <= MOST_ENTRIES:
        return Table(op, source, first, last, device)
    return Search(op, source, device)


def _span(op: Threshold, source: Tensor) -> tuple[int, int]:
    """First and last value of the input that matter: those beyond count as these."""
    # With sign -1 the count changes between -t and -t + 1.
    turning = np.where(op.sign[:, None] > 0, op.thresholds, 1 - op.thresholds)
    first, last = int(turning.min(initial=source.high)) - 1, int(turning.max(initial=source.low))
    first = min(max(first, source.low), source.high)
    return first, max(min(last, source.high), first)


class Table(nn.Module):  # type: ignore[misc]
    """The result of every value from `first` to `last`, for each channel."""

    def __init__(self, op: Threshold, source: Tensor, first: int, last: int, device: str) -> None:
        super().__init__()
        self.first, self.last = first, last
        self.clamps = source.low < first or source.high > last
        values = np.arange(first, last + 1)
        signs = np.broadcast_to(op.sign, max(len(op.thresholds), len(op.sign)))
        rows = np.broadcast_to(op.thresholds, (len(signs), op.thresholds.shape[1]))
        counts = np.stack(
            [np.searchsorted(r, s * values, side="right") for r, s in zip(rows, signs, strict=True)]
        )
        results = torch.from_numpy((op.base + op.step * counts).reshape(-1))
        kind = bounds.storage(*op.results([source])[0][1:])
        self.register_buffer("table", results.to(getattr(torch, kind)).to(device))
        starts = torch.arange(len(signs)) * len(values) - first
        is_small = max(abs(first), abs(last)) <= bounds.INT32 - MOST_ENTRIES
        self.kind = torch.int32 if is_small else torch.int64
        self.register_buffer("starts", starts.to(self.kind).to(device))

    def forward(self, inputs: Any) -> Any:
        """One look per element."""
        if self.clamps:
            inputs = inputs.clamp(self.first, self.last)
        places = inputs.to(self.kind) + self.starts
        return self.table.index_select(0, places.reshape(-1)).reshape(inputs.shape)


class Search(nn.Module):  # type: ignore[misc]
    """Binary search in the thresholds of each channel."""

    def __init__(self, op: Threshold, source: Tensor, device: str) -> None:
        super().__init__()
        self.step, self.base = op.step, op.base
        channels = max(len(op.thresholds), len(op.sign))
        shape = channels, op.thresholds.shape[1]
        self.register_buffer("thresholds", _on(device, np.broadcast_to(op.thresholds, shape)))
        self.register_buffer("sign", _on(device, op.sign) if (op.sign != 1).any() else None)
        self.kind = getattr(torch, bounds.storage(*op.results([source])[0][1:]))

    def forward(self, inputs: Any) -> Any:
        """Channel by channel, in 64 bits."""
        values = inputs.to(torch.int64)
        if self.sign is not None:
            values = values * self.sign
        channels = len(self.thresholds)
        across = values.reshape(-1, inputs.shape[-1] if channels > 1 else 1).T.contiguous()
        counts = torch.searchsorted(self.thresholds, across, right=True)
        return (self.base + self.step * counts.T).to(self.kind).reshape(inputs.shape)


def _on(device: str, values: Ints) -> Any:
    return torch.from_numpy(np.array(values)).to(device)
