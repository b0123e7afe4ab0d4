"""Arrays that stand for DMA memory which is not here: on another machine, or in a recording.

What a flush or an invalidate does is the transport's.
"""

from __future__ import annotations

from typing import Any, Callable

import numpy as np


class Buffer(np.ndarray):
    """uint8 (bytes,) with what the driver asks of a buffer."""

    device_address: int
    _flush: Callable[[], None]
    _invalidate: Callable[[], None]
    _free: Callable[[], None]

    def flush(self) -> None:
        """What was written here is in the hardware's memory afterwards."""
        self._flush()

    def invalidate(self) -> None:
        """What the hardware wrote is here afterwards."""
        self._invalidate()

    def freebuffer(self) -> None:
        """Gives the hardware's memory back."""
        self._free()


def make(
    content: Any,
    address: int,
    flush: Callable[[], None],
    invalidate: Callable[[], None],
    free: Callable[[], None],
) -> Buffer:
    """A `Buffer` over the memory of `content`, uint8 (bytes,)."""
    buffer: Buffer = content.view(Buffer)
    buffer.device_address = address
    buffer._flush, buffer._invalidate, buffer._free = flush, invalidate, free
    return buffer
