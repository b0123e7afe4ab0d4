"""A board behind a serial device, as a transport: the registers are there, the buffers here.

The board has no memory that its host could share, so the addresses and buffers of `idma0` and
`odma0` exist here only; a start sends a buffer's bytes and takes the output's as they come. What
is lost on the line is sent again; docs/serial.md has the protocol.
"""

from __future__ import annotations

import struct
import threading
import time
from typing import Any

import numpy as np

from . import buffers
from . import serial_frames as frames
from .errors import HardwareError
from .serial_port import SerialPort
from .serial_stream import Stream
from .shell import ADDRESS_HIGH, ADDRESS_LOW, CTRL, DONE, FRAMES, IDLE, IDMA, LEPTON, ODMA, START

#: Seconds without an answer until a request is sent again, and how often.
PATIENCE, TRIES = 0.5, 8
#: Seconds that a look at a running transfer waits for bytes, at most.
_LOOK = 0.02
_CONTROL, _RESET = 0x08, 1
_INPUT_BYTES, _OUTPUT_BYTES = LEPTON + 0x40, LEPTON + 0x44


class SerialTransport:
    """What a transport is, over the serial device `path`; threads may share it.

    The design on the board is reset first: what an earlier host left on its way is dropped.
    Raises `DesignError` where the device cannot be opened, `HardwareError` where nothing that
    speaks this protocol answers.
    """

    #: The sensors of this machine are not the board's.
    remote = True

    def __init__(self, path: str, baud: int) -> None:
        self._lock = threading.RLock()
        self._decoder, self._tag = frames.Decoder(), 0
        self._held = b""  # for the device, which did not take it yet
        self._buffers: dict[int, Any] = {}
        self._next = 0x1000
        self._registers: dict[int, int] = {}
        self._stream: Stream | None = None
        self._heard = 0.0
        self._port = SerialPort(path, baud)
        try:
            self._held = b"\x7e"  # ends whatever the board has of an earlier frame
            self._write(LEPTON + _CONTROL, _RESET)
            self._frame_bytes = tuple(self._read(at) for at in (_INPUT_BYTES, _OUTPUT_BYTES))
        except BaseException:
            self._port.close()
            raise

    def read(self, offset: int) -> int:
        """One register. Looking at `odma0` moves the transfer on that runs."""
        with self._lock:
            if offset in (IDMA + CTRL, ODMA + CTRL):
                return self._look(offset)
            if offset in self._registers:
                return self._registers[offset]
            return self._read(offset)

    def write(self, offset: int, value: int) -> None:
        """One register; those of the engines wait here until `idma0`, the last one, is started."""
        with self._lock:
            if offset < LEPTON:
                self._registers[offset] = value
                if offset == IDMA + CTRL and value & START:
                    self._begin()
                return
            if offset == LEPTON + _CONTROL and value & _RESET:
                self._stream = None  # nothing of it may be sent behind the reset
            self._write(offset, value)

    def allocate(self, size: int) -> buffers.Buffer:
        """`size` bytes here, at an address that means something here only."""
        with self._lock:
            address, self._next = self._next, self._next + -(-size // 4096) * 4096
            content = np.zeros(size, np.uint8)
            self._buffers[address] = content
        return buffers.make(
            content, address, _nothing, _nothing, lambda: self._buffers.pop(address, None)
        )

    def reload(self) -> None:
        """The nearest to loading the bitstream again that the line can do: a reset."""
        with self._lock:
            self._stream = None
            self._write(LEPTON + _CONTROL, _RESET)

    def close(self) -> None:
        """Gives the device back; the design stays as it is."""
        self._port.close()

    def _begin(self) -> None:
        """Both engines have their frames: the streams of this transfer."""
        counts = [self._registers.get(engine + FRAMES, 0) for engine in (IDMA, ODMA)]
        sizes = [count * size for count, size in zip(counts, self._frame_bytes)]
        places: list[Any] = [
            self._buffers.get(
                self._registers.get(engine + ADDRESS_LOW, 0)
                | self._registers.get(engine + ADDRESS_HIGH, 0) << 32
            )
            for engine in (IDMA, ODMA)
        ]
        for place, size in zip(places, sizes):
            if place is None or len(place) < size or not size:
                raise HardwareError(
                    f"a transfer of {size} bytes from or to a buffer that is not there",
                    "frames, and buffers of this transport that hold them",
                    "allocate them anew",
                )
        for register, values in ((FRAMES, counts), (CTRL, (START, START))):
            pairs = zip((IDMA + register, ODMA + register), values)
            self._ask_all([(frames.WRITE, struct.pack("<II", at, value)) for at, value in pairs])
        before = self._stream
        positions = before.positions if before is not None else (0, 0)
        self._heard = time.monotonic()
        self._stream = Stream(places[0][: sizes[0]], places[1][: sizes[1]], positions, self._hold)

    def _look(self, offset: int) -> int:
        """The control register of an engine, as the transfer here has it."""
        stream = self._stream
        if stream is None:
            return IDLE
        if not stream.finished:
            self._turn(_LOOK)
            if time.monotonic() - self._heard > PATIENCE and not stream.finished:
                self._heard = time.monotonic()
                stream.ask_again()
        done = stream.finished if offset == ODMA + CTRL else stream.taken_all
        return DONE | IDLE if done else START

    def _read(self, offset: int) -> int:
        return int(struct.unpack("<I", self._ask(frames.READ, struct.pack("<I", offset)))[0])

    def _write(self, offset: int, value: int) -> None:
        self._ask(frames.WRITE, struct.pack("<II", offset, value))

    def _ask(self, kind: int, payload: bytes = b"") -> bytes:
        """A request and its answer, four bytes."""
        return self._ask_all([(kind, payload)])[0]

    def _ask_all(self, requests: list[tuple[int, bytes]]) -> list[bytes]:
        """Requests on their way together, and their answers; every one may be repeated."""
        answers: dict[int, bytes] = {}
        for _ in range(TRIES):
            tags = {
                self._hold(*request): index
                for index, request in enumerate(requests)
                if index not in answers
            }
            deadline = time.monotonic() + PATIENCE
            while tags and time.monotonic() < deadline:
                for frame in self._turn(max(0.0, deadline - time.monotonic())):
                    if frame.tag not in tags or len(frame.payload) != 4:
                        continue
                    index = tags.pop(frame.tag)
                    if frame.kind == requests[index][0] | frames.ANSWER:
                        answers[index] = frame.payload
                    elif frame.kind == frames.ERROR:
                        raise HardwareError(
                            f"the board refuses a request ({requests[index][1].hex()})",
                            "a register of docs/serial.md",
                            "load a bitstream of this version",
                        )
            if len(answers) == len(requests):
                return [answers[index] for index in range(len(requests))]
        raise HardwareError(
            f"the board does not answer ({self._port.path}: {TRIES} requests)",
            "a design with the serial link, at this baud rate",
            "load the bitstream, see whether this is its device, then make a new Accelerator",
        )

    def _hold(self, kind: int, payload: bytes) -> int:
        self._tag = self._tag % 255 + 1  # 0 is of errors whose request is not known
        self._held += frames.pack(kind, self._tag, payload)
        return self._tag

    def _turn(self, seconds: float) -> list[frames.Frame]:
        """Writes what is held, reads what came, and lets the transfer go on; answers are returned.

        Every frame that came is acted on before the next one, so that what is sent depends on
        what was received and not on when.
        """
        can_read, can_write = self._port.wait(seconds, bool(self._held))
        if can_write:
            self._held = self._held[self._port.write(self._held) :]
        found = []
        if can_read:
            before = self._decoder.bad
            for frame in self._decoder.feed(self._port.read()):
                if self._stream is not None and self._stream.heard(frame):
                    self._heard = time.monotonic()
                    self._stream.advance()
                else:
                    found.append(frame)
            if self._decoder.bad > before and self._stream is not None:
                self._stream.trouble()
        return found


def _nothing() -> None:
    """A buffer is here: there is nothing to send or fetch."""
