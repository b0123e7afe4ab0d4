"""One batch through an open simulation of the shell: bytes into memory, both engines, bytes back.

It knows the shell's registers (docs/shell.md), and checks no result.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_hw.design import Design
from lepton_hw.errors import StageError
from lepton_hw.sim import batches
from lepton_hw.sim.shell_model import IDMA, LEPTON, ODMA, ShellModel

_BUSY = LEPTON + 0x88


def start(shell: ShellModel, offsets: tuple[int, int], frames: int) -> None:
    """Clears the counters and starts both engines; `offsets` are those of the buffers in memory."""
    for engine, offset in zip((IDMA, ODMA), offsets, strict=True):
        shell.write(engine + 0x10, shell.base + offset)
        shell.write(engine + 0x1C, frames)
    shell.write(LEPTON + 0x08, 2)
    shell.write(ODMA, 1)
    shell.write(IDMA, 1)


def finish(shell: ShellModel, limit: int = 1 << 40) -> int:
    """Waits for the output, latches the counters; the cycles in which an engine ran.

    Raises `StageError` after `limit` cycles, or where the shell saw an error.
    """
    last = shell.cycle + limit
    while not shell.read(ODMA) & 2:
        if shell.cycle > last:
            raise StageError(
                f"the batch is not done after {limit:,} cycles", "all frames", "report this"
            )
        shell.step(20)
    shell.write(LEPTON + 0x08, 4)
    errors = shell.read(LEPTON + 0x10)
    if errors:
        raise StageError(f"the shell's error register reads {errors}", "0", "report this")
    return shell.read(_BUSY) | shell.read(_BUSY + 4) << 32


def room(design: Design, frames: int) -> tuple[int, int]:
    """Offset of the output buffer, and bytes of both, each from a multiple of 4096 on."""
    source, sink = design.stream(design.inputs[0]), design.stream(design.outputs[0])
    sizes = [frames * stream.beats * stream.width // 8 for stream in (source, sink)]
    first, second = (-(-(size + 8) // 4096) * 4096 for size in sizes)
    return first, first + second


def infer(
    shell: ShellModel, design: Design, images: NDArray[Any], limit: int = 1 << 40
) -> tuple[NDArray[np.int64], int]:
    """Codes (frames, *shape of the input) → output codes (frames, *shape), and busy cycles.

    Memory must be allowed, and hold what `room` says.
    """
    source, sink = design.stream(design.inputs[0]), design.stream(design.outputs[0])
    beats, second = batches.to_beats(design, images)[0], room(design, len(images))[0]
    raw = beats.view(np.uint8).reshape(len(beats), -1)[:, : source.width // 8].reshape(-1)
    shell.memory[: raw.size] = raw
    start(shell, (0, second), len(images))
    busy = finish(shell, limit)
    words = batches.room(sink, len(images))
    width = sink.width // 8
    got = shell.memory[second:][: len(words) * width].reshape(-1, width)
    words.view(np.uint8).reshape(len(words), -1)[:, :width] = got
    return batches.from_beats(sink, words), busy
