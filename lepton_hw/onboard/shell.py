"""The registers of the shell: start, identity, errors, reset, counters (docs/shell.md).

It moves no data and knows no image.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from .errors import DesignError, HardwareError

IDMA, ODMA, LEPTON = 0x0_0000, 0x1_0000, 0x2_0000
CTRL, ADDRESS_LOW, ADDRESS_HIGH, FRAMES = 0x00, 0x10, 0x14, 0x1C
START, DONE, IDLE = 1, 2, 4
MAGIC = 0x4C505430
_VERSION, _CONTROL, _STATUS, _ERROR, _ERROR_AT = 0x04, 0x08, 0x0C, 0x10, 0x14
_DIGEST, _INPUT_BYTES, _OUTPUT_BYTES = 0x20, 0x40, 0x44
_INPUT_BEAT, _OUTPUT_BEAT, _COUNTERS = 0x48, 0x4C, 0x80
_RESET, _CLEAR, _LATCH = 1, 2, 4
#: Register reads until a soft reset must be over; it takes about a hundred cycles.
_RESET_READS = 10_000
_ERRORS = (
    "memory refused the read at {}",
    "memory refused the write at {}",
    "a DMA engine refused the number of frames for the buffer at {}",
    "a reset came while a DMA engine ran",
)


class Counters(NamedTuple):
    """Cycles of the design's clock, frames, and 64-bit words, since the last clear."""

    cycles: int
    busy: int
    stalled_in: int
    stalled_out: int
    latency: int
    frames_in: int
    frames_done: int
    read_beats: int
    write_beats: int
    back_pressure: int


class Shell:
    """One shell behind `transport`, which reads and writes 32-bit registers by offset."""

    def __init__(self, transport: Any) -> None:
        self.read, self.write = transport.read, transport.write

    def check(self, expected: dict[int, int], digest: str, major: int) -> None:
        """Raises `DesignError` unless the running design is the one that is expected.

        `expected` maps registers of the geometry to their values.
        """
        magic = self.read(LEPTON)
        if magic != MAGIC:
            raise DesignError(
                f"the register at lepton0 reads 0x{magic:08X}",
                f"0x{MAGIC:08X}, the shell's",
                "load a bitstream that was built with this shell",
            )
        version, running = self.identity()
        if int(version.split(".")[0]) != major:
            raise DesignError(
                f"the shell has version {version}",
                f"version {major}",
                "copy the driver and the design of one deployment",
            )
        if running != digest:
            raise DesignError(
                f"the running design has the digest {running[:12]}…",
                f"{digest[:12]}… (design.json)",
                "load the bitstream that was deployed with this design.json",
            )
        for offset, value in expected.items():
            found = self.read(LEPTON + offset)
            if found != value:
                raise DesignError(
                    f"the shell's register 0x{offset:02X} reads {found}",
                    f"{value} bytes (design.json)",
                    "deploy the design again",
                )

    def identity(self) -> tuple[str, str]:
        """(version, digest of the design in hex) that the registers show."""
        version = self.read(LEPTON + _VERSION)
        words = [self.read(LEPTON + _DIGEST + 4 * word) for word in range(8)]
        digest = "".join(f"{word:08x}" for word in words)
        return f"{version >> 16}.{version & 0xFFFF}", digest

    def start(self, source: int, target: int, frames: int) -> None:
        """Starts both engines, one right behind the other; the buffers must be flushed."""
        write = self.write
        for engine, address in ((ODMA, target), (IDMA, source)):
            write(engine + ADDRESS_LOW, address & 0xFFFFFFFF)
            write(engine + ADDRESS_HIGH, address >> 32)
            write(engine + FRAMES, frames)
        write(ODMA + CTRL, START)
        write(IDMA + CTRL, START)

    def done(self) -> bool:
        """Whether the output is complete; says so once a batch, since reading clears it."""
        return bool(self.read(ODMA + CTRL) & DONE)

    def idle(self) -> bool:
        """Whether neither engine runs."""
        return not self.read(LEPTON + _STATUS) & 3

    def errors(self) -> list[str]:
        """What went wrong since the last call, in words; clears the register."""
        bits = self.read(LEPTON + _ERROR)
        if not bits:
            return []
        low, high = self.read(LEPTON + _ERROR_AT), self.read(LEPTON + _ERROR_AT + 4)
        self.write(LEPTON + _ERROR, bits)
        at = f"0x{high << 32 | low:X}"
        return [text.format(at) for bit, text in enumerate(_ERRORS) if bits >> bit & 1]

    def reset(self) -> None:
        """Soft reset, both engines idle behind it and errors cleared; raises `HardwareError`."""
        self.write(LEPTON + _CONTROL, _RESET)
        for _ in range(_RESET_READS):
            if not self.read(LEPTON + _CONTROL) & _RESET:
                self.write(LEPTON + _ERROR, 0xFFFFFFFF)
                return
        raise HardwareError(
            "the shell does not come out of reset",
            "memory to answer every transfer that was begun",
            "load the bitstream again (make a new Accelerator)",
        )

    def clear(self) -> None:
        """All counters to 0."""
        self.write(LEPTON + _CONTROL, _CLEAR)

    def counters(self) -> Counters:
        """All counters of one moment."""
        self.write(LEPTON + _CONTROL, _LATCH)
        read = self.read
        base = LEPTON + _COUNTERS
        return Counters(*(read(base + 8 * i) | read(base + 8 * i + 4) << 32 for i in range(10)))


def geometry(input_packing: Any, output_packing: Any) -> dict[int, int]:
    """Registers of the geometry → what they must read for these doors."""
    return {
        _INPUT_BYTES: input_packing.frame_bytes,
        _OUTPUT_BYTES: output_packing.frame_bytes,
        _INPUT_BEAT: input_packing.beat_bytes,
        _OUTPUT_BEAT: output_packing.beat_bytes,
    }


def diagnosis(before: Counters, now: Counters) -> str:
    """Which side stalls, from two moments between which nothing moved.

    A side counts when it waited for more than a tenth of the time: an accelerator need not be
    ready in every cycle.
    """
    tenth = (now.cycles - before.cycles) / 10
    if not tenth:
        return "the design's clock stands still"
    if now.stalled_out - before.stalled_out > tenth:
        return "output side: the accelerator offers data that odma0 or memory does not take"
    if now.stalled_in - before.stalled_in > tenth:
        return "input side: idma0 runs and memory gives no data"
    if now.back_pressure - before.back_pressure > tenth:
        return "accelerator: it neither takes the input that is there nor gives output"
    return "accelerator: it has taken all input and gives no output"
