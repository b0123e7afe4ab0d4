"""A fake of the shell's registers and memory in plain Python, as slow and as wrong as asked.

Memory is apart from the host's view of a buffer, so that a forgotten flush or invalidate shows.
Bytes are packed and unpacked by the simulator's own code, not the driver's.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from lepton_hw.sim.packing import pack, unpack

LEPTON = 0x20000


class Buffer(np.ndarray):
    """uint8, with a copy of its content in the fake's memory."""

    def flush(self) -> None:
        self.memory[:] = self

    def invalidate(self) -> None:
        self[:] = self.memory


class FakeShell:
    """Registers of docs/shell.md around `network`, int64 (N, *shape) → (N, *shape).

    `stream_in` and `stream_out` are (dtype, beats, elements, bits, beat_bytes). A transfer takes
    `reads` register reads. `fault` is what happens next: "read", "write", "length", "no input",
    "not taken", "hang", "silent", "clock" or "dead"; only "dead" outlives a reset.
    """

    def __init__(
        self, shape: Any, stream_in: Any, stream_out: Any, network: Callable[[Any], Any],
        digest: str = "ab" * 32, reads: int = 3,
    ) -> None:  # fmt: skip
        self.shape, self.network, self.reads = shape, network, reads
        self.stream_in, self.stream_out = stream_in, stream_out
        self.fault, self.log, self.buffers, self.runs = "", [], [], []
        self.resets, self.reloads, self.closed, self.errors, self.at = 0, 0, False, 0, 0
        sizes = {0x40: stream_in[1] * stream_in[4], 0x44: stream_out[1] * stream_out[4],
                 0x48: stream_in[4], 0x4C: stream_out[4], 0x50: 8}  # fmt: skip
        words = {0x20 + 4 * i: int(digest[8 * i : 8 * i + 8], 16) for i in range(8)}
        self.fixed = {0x00: 0x4C505430, 0x04: 0x10000, **sizes, **words}
        self.dma = {0: {}, 1: {}}
        self.unplugged_in = None  # register reads until the board is gone
        self.left = None
        self.done = False
        self.live = [0] * 10
        self.latched = [0] * 10

    def allocate(self, size: int) -> Buffer:
        buffer = np.full(size, 0xCC, np.uint8).view(Buffer)
        buffer.memory = np.full(size, 0xCC, np.uint8)
        buffer.device_address = 0x1000 * (1 + len(self.buffers))
        self.buffers.append(buffer)
        return buffer

    def read(self, offset: int) -> int:
        assert not self.closed
        if self.unplugged_in is not None:
            self.unplugged_in -= 1
            if self.unplugged_in < 0:
                raise ConnectionError("no route to host")
        self._step()
        segment, offset = offset >> 16, offset & 0xFFFF
        if segment < 2:
            done, self.done = self.done, self.done and segment == 0
            return (self.left is not None) | 2 * done | 4 * (self.left is None)
        if offset == 0x08:
            return int(self.fault == "dead")
        if offset == 0x0C:
            return 3 if self.left is not None else 0
        if offset in (0x10, 0x14):
            return self.errors if offset == 0x10 else self.at
        if 0x80 <= offset < 0xD0:
            return self.latched[(offset - 0x80) // 8] >> (offset & 4) * 8 & 0xFFFFFFFF
        return self.fixed.get(offset, 0)

    def write(self, offset: int, value: int) -> None:
        assert not self.closed and 0 <= value < 1 << 32
        if self.unplugged_in is not None and self.unplugged_in < 0:
            raise ConnectionError("no route to host")
        segment, offset = offset >> 16, offset & 0xFFFF
        if segment < 2:
            self.dma[segment][offset] = value
            if offset == 0 and segment == 0:
                assert self.dma[1].get(0) == 1 and self.left is None
                self.left = self.reads
        elif offset == 0x08:
            if value & 4:
                self.latched = list(self.live)
            if value & 2:
                self.live = [0] * 10
            if value & 1:
                self.resets += 1
                self.left, self.done = None, False
                self.fault = self.fault if self.fault == "dead" else ""
        elif offset == 0x10:
            self.errors &= ~value

    def reload(self) -> None:
        self.reloads += 1
        self.fault, self.left, self.done = "", None, False

    def close(self) -> None:
        self.closed = True

    def _step(self) -> None:
        if self.fault != "clock":
            self.live[0] += 100
            waits = {"no input": 2, "not taken": 3, "hang": 9}
            if self.left is not None and self.fault in waits:
                self.live[waits[self.fault]] += 75
        if self.left is None or self.fault in ("no input", "not taken", "hang", "silent", "clock",
                                               "dead"):  # fmt: skip
            return
        self.left -= 1
        if self.left > 0:
            return
        self.left, self.done = None, True
        source, target = (self._buffer(self.dma[i][0x10]) for i in (0, 1))
        bits = {"read": 1, "write": 2, "length": 4}
        if self.fault in bits:
            self.errors |= bits[self.fault]
            self.at, self.fault = self.dma[0][0x10], ""
        frames = self.dma[0][0x1C]
        assert frames == self.dma[1][0x1C] > 0
        self.runs.append(frames)
        self._transfer(source.memory, target.memory, frames)

    def _buffer(self, address: int) -> Buffer:
        return next(buffer for buffer in self.buffers if buffer.device_address == address)

    def _transfer(self, source: Any, target: Any, frames: int) -> None:
        dtype, beats, elements, bits, size = self.stream_in
        raw = source[: frames * beats * size].reshape(-1, size)
        words = np.zeros((len(raw), -(-size // 4)), np.uint32)
        words.view(np.uint8)[:, :size] = raw
        outputs = self.network(unpack(words, elements, bits, dtype).reshape(frames, *self.shape))
        dtype, beats, elements, bits, size = self.stream_out
        packed = pack(outputs, elements, bits, 8 * size, dtype).view(np.uint8)[:, :size]
        target[: packed.size] = packed.reshape(-1)
        self.live[1] += 1000
        self.live[2] += 200
        self.live[3] += 100
        self.live[4] = 77
        self.live[5] += frames
        self.live[6] += frames
