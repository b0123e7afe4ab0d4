"""Registers as the array that pynq's ``MMIO`` and ``RegisterMap`` expect of a memory-mapped device.

Each element that is read or written is one access on the virtual board; nothing is kept here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from lepton_hw.virtual.board import VirtualBoard


class RegisterWindow:
    """`words` registers of 32 bits from `address` on; a slice is a window of its own."""

    dtype = np.dtype(np.uint32)

    def __init__(self, board: VirtualBoard, address: int, words: int) -> None:
        self._board, self._address, self._words = board, address, words

    @property
    def shape(self) -> tuple[int]:
        """(registers,)"""
        return (self._words,)

    def __len__(self) -> int:
        return self._words

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            start, stop, step = index.indices(self._words)
            if step != 1:
                raise IndexError("registers are sliced one after the other")
            return RegisterWindow(self._board, self._address + 4 * start, max(0, stop - start))
        return np.uint32(self._board.read(self._at(index)))

    def __setitem__(self, index: Any, value: Any) -> None:
        if isinstance(index, slice):
            numbers = range(*index.indices(self._words))
            for number, one in zip(numbers, np.broadcast_to(value, len(numbers)), strict=True):
                self._board.write(self._address + 4 * number, int(one))
            return
        self._board.write(self._at(index), int(value))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        values = [self._board.read(self._address + 4 * number) for number in range(self._words)]
        return np.array(values, np.uint32).astype(dtype or np.uint32)

    def view(self, dtype: Any = None) -> RegisterWindow:
        """Itself: registers have 32 bits."""
        if np.dtype(dtype or np.uint32) != self.dtype:
            raise TypeError(f"registers of 32 bits cannot be seen as {dtype}")
        return self

    def _at(self, index: Any) -> int:
        number = int(index)
        if not 0 <= number < self._words:
            raise IndexError(f"register {number} of {self._words}")
        return self._address + 4 * number
