"""Items of any iterable → batches of codes → one output an item, in bounded memory.

It sees neither registers nor bytes.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Callable, Iterable, Iterator

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Codes = NDArray[Any]


def regroup(
    items: Iterable[Any],
    shape: tuple[int, ...],
    checked: Callable[[Codes], Codes],
    pipeline: Callable[[Iterable[Codes]], Iterator[Codes]],
    batch: int,
) -> Iterator[Codes]:
    """Each item is a frame (*shape) or a batch (N, *shape), and so is each output.

    `checked` refuses what does not fit; `pipeline` is given batches of at most `batch` frames, and
    uses each before it asks for the next.
    """
    sizes: deque[tuple[bool, int]] = deque()
    ready = _Queue()
    for part in pipeline(_batches(items, shape, checked, batch, sizes)):
        ready.put(part)
        while sizes and 0 < sizes[0][1] <= ready.frames:
            single, count = sizes.popleft()
            outputs = ready.take(count)
            yield outputs[0] if single else outputs


def _batches(
    items: Iterable[Any],
    shape: tuple[int, ...],
    checked: Callable[[Codes], Codes],
    batch: int,
    sizes: deque[tuple[bool, int]],
) -> Iterator[Codes]:
    block, held = None, 0
    for item in items:
        codes = np.asarray(item)
        single = codes.ndim == len(shape)
        codes = checked(codes[None] if single else codes)
        if not len(codes):
            continue
        sizes.append((single, len(codes)))
        if block is None:
            block = np.empty((batch, *tuple(shape)), codes.dtype)
        for start in range(0, len(codes), batch):
            part = codes[start : start + batch]
            room = min(batch - held, len(part))
            # Copied at once: a camera's loop hands over the same array again and again.
            block[held : held + room] = part[:room]
            held += room
            if held == batch:
                yield block
                held = len(part) - room
                block[:held] = part[room:]
    if held and block is not None:
        yield block[:held]


class _Queue:
    """Frames in order of arrival."""

    def __init__(self) -> None:
        self.frames = 0
        self._parts: deque[Codes] = deque()

    def put(self, part: Codes) -> None:
        self._parts.append(part)
        self.frames += len(part)

    def take(self, count: int) -> Codes:
        self.frames -= count
        taken: list[Codes] = []
        while count:
            part = self._parts.popleft()
            if len(part) > count:
                self._parts.appendleft(part[count:])
                part = part[:count]
            taken.append(part)
            count -= len(part)
        return taken[0] if len(taken) == 1 else np.concatenate(taken)
