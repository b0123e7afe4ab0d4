"""Memories behind a design's AXI masters, as tasks of FINN's simulation: one read-only, one plain.

They answer every request, a beat a cycle, and never make a run last. Bursts must count up (INCR).
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

from lepton_hw.compiler.xsi_ports import XsiPort
from lepton_hw.errors import StageError

Updates = dict[XsiPort, str]
GetPort = Callable[[str], XsiPort]
Bytes = dict[int, int]


def read_only(port: GetPort, bus: str, base: int, image: Iterable[int]) -> Iterator[Updates]:
    """Serves the bytes of `image` from address `base` on, and zeros behind them."""
    memory = {base + place: int(value) & 0xFF for place, value in enumerate(image)}

    def fetch(address: int, size: int) -> str:
        if address < base:
            raise StageError(
                f"{bus} reads address 0x{address:x}",
                f"0x{base:x} or above, where the image lies",
                "give the image that address",
            )
        return _hex([memory.get(address + i, 0) for i in range(size)])

    with suppress(RuntimeError):  # a master that never writes may lack these
        _set(port, awready=0, wready=0, bvalid=0)
    _set(port, arready=1, rvalid=0, rresp=0)
    return _serve(_Reads(port, bus, fetch), None)


def read_write(port: GetPort, bus: str) -> Iterator[Updates]:
    """Keeps what the design writes until it reads it again."""
    memory: Bytes = {}

    def fetch(address: int, size: int) -> str:
        if not all(address + i in memory for i in range(size)):
            raise StageError(
                f"{bus} reads {size} bytes at 0x{address:x} that it has not written",
                "an address written before",
                "look at the layer's waveform",
            )
        return _hex([memory[address + i] for i in range(size)])

    _set(port, awready=1, wready=1, bvalid=0, bresp=0, arready=1, rvalid=0, rresp=0)
    return _serve(_Reads(port, bus, fetch), _Writes(port, bus, memory))


def _serve(reads: "_Reads", writes: "_Writes | None") -> Iterator[Updates]:
    while True:
        updates = writes.step() if writes is not None else {}
        updates.update(reads.step())
        yield updates


class _Reads:
    """Addresses in, data out."""

    def __init__(self, port: GetPort, bus: str, fetch: Callable[[int, int], str]) -> None:
        self._request = _Request(port, bus, "ar")
        self._ready, self._valid = port("rready"), port("rvalid")
        self._data, self._last = port("rdata"), port("rlast")
        self._fetch, self._due = fetch, deque[tuple[int, int, bool]]()
        self._offered = False

    def step(self) -> Updates:
        updates: Updates = {}
        if not self._offered or self._ready.read().as_bool():
            if self._due:
                address, size, last = self._due.popleft()
                updates = {
                    self._data: self._fetch(address, size), self._last: str(int(last)),
                    self._valid: "1",
                }  # fmt: skip
                self._offered = True
            elif self._offered:
                updates, self._offered = {self._valid: "0"}, False
        self._due.extend(self._request.beats())
        return updates


class _Writes:
    """Addresses and data in, in either order; one answer a burst."""

    def __init__(self, port: GetPort, bus: str, memory: Bytes) -> None:
        self._request = _Request(port, bus, "aw")
        self._valid, self._data = port("wvalid"), port("wdata")
        self._answer_valid, self._answer_ready = port("bvalid"), port("bready")
        self._memory = memory
        self._places, self._words = deque[tuple[int, int, bool]](), deque[int]()
        self._answers, self._answering = 0, False

    def step(self) -> Updates:
        while self._places and self._words:
            address, size, last = self._places.popleft()
            word = self._words.popleft()
            for i in range(size):
                self._memory[address + i] = word >> 8 * i & 0xFF
            self._answers += last
        if self._answering and self._answer_ready.read().as_bool():
            self._answers, self._answering = self._answers - 1, False
        self._answering = self._answering or self._answers > 0
        self._places.extend(self._request.beats())
        if self._valid.read().as_bool():
            self._words.append(self._data.read().as_unsigned())
        return {self._answer_valid: str(int(self._answering))}


class _Request:
    """An address channel that is always ready."""

    def __init__(self, port: GetPort, bus: str, channel: str) -> None:
        self._bus = bus
        self._valid, self._address, self._length, self._size, self._burst = (
            port(channel + end) for end in ("valid", "addr", "len", "size", "burst")
        )

    def beats(self) -> Iterator[tuple[int, int, bool]]:
        """Address, bytes, and whether it is the last, of each beat of a new request."""
        if not self._valid.read().as_bool():
            return
        kind = self._burst.read().as_unsigned()
        if kind != 1:
            raise StageError(
                f"{self._bus} asks for a burst of kind {kind}",
                "1 (INCR)",
                "change the AXI master",
            )
        size = 1 << self._size.read().as_unsigned()
        address, length = self._address.read().as_unsigned(), self._length.read().as_unsigned() + 1
        for i in range(length):
            yield address + i * size, size, i == length - 1


def _set(port: GetPort, **values: int) -> None:
    for end, value in values.items():
        port(end).set(value).write_back()


def _hex(values: list[int]) -> str:
    return bytes(values)[::-1].hex()
