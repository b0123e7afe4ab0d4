"""The simulation engine that FINN's rtlsim drives: ports by name, and tasks that run in step.

Its names and signatures are FINN's; what runs underneath is a `PortModel`. A task is a generator
that is resumed once per cycle, just before the clock edge, and yields the inputs to change just
after it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from lepton_hw.compiler.xsi_memory import read_only, read_write
from lepton_hw.compiler.xsi_ports import XsiDesign, XsiPort
from lepton_hw.errors import StageError
from lepton_hw.sim.port_model import PortModel

Updates = dict[XsiPort, str]


class Watchdog:
    """Counts cycles; false once `timeout` of them have passed without a `reset`."""

    def __init__(self, name: str, timeout: int) -> None:
        self.name, self.timeout, self.ticks = name, timeout, 0

    def __bool__(self) -> bool:
        return self.ticks < self.timeout

    def __call__(self) -> None:
        self.ticks += 1

    def __repr__(self) -> str:
        return self.name

    def reset(self) -> None:
        """Starts counting again."""
        self.ticks = 0


class Task:
    """A generator of updates; the run lasts as long as a task that `holds` it is unfinished."""

    def __init__(self, steps: Iterator[Updates], holds: bool = True) -> None:
        self._steps, self._holds = steps, holds

    def __bool__(self) -> bool:
        return self._holds

    def __call__(self, sim: "SimEngine") -> Updates | None:
        return next(self._steps, None)


class Collected(list[str]):
    """Hexadecimal beats in order of arrival."""


class StreamTrace:
    """One character a cycle: 1 where a beat moved."""

    def __init__(self) -> None:
        self.trace = ""

    def __str__(self) -> str:
        return self.trace


class SimEngine:
    """What FINN calls a simulation: the design, its clock, and the tasks that drive it."""

    def __init__(
        self, kernel: str, design: str | Path, log: str | None = None, wdb: str | None = None
    ) -> None:
        """Opens the library `design`; `wdb` receives a waveform. `kernel`, `log`: unused here."""
        model = PortModel(Path(design), Path(wdb) if wdb else None)
        self.top = XsiDesign(model)
        self.ticks = 0
        self.tasks: list[Callable[[SimEngine], Updates | None]] = []
        self.watchdogs: list[Watchdog] = []
        self._clock = self.top.getPort("ap_clk")
        self._double = self.find_port("ap_clk2x")
        for port in self.top.ports():
            if port.isInput():
                port.clear().write_back()
        model.evaluate()

    def find_port(self, name: str) -> XsiPort | None:
        """The port of that name, or None."""
        try:
            return self.top.getPort(name)
        except RuntimeError:
            return None

    def get_bus_port(self, bus: str, suffix: str) -> XsiPort:
        """Port ``bus_suffix`` with the suffix in lower or upper case; raises RuntimeError."""
        found = self.find_port(f"{bus}_{suffix.lower()}")
        return found or self.top.getPort(f"{bus}_{suffix.upper()}")

    def cycle(self, updates: Mapping[XsiPort, str]) -> None:
        """One clock period: the edge, then the updates (hexadecimal) settle before the next."""
        model = self.top.model
        self._clock.set(1).write_back()
        if self._double is not None:
            self._double.set(1).write_back()
        model.evaluate()
        for port, value in updates.items():
            port.set_hexstr(value).write_back()
        if self._double is not None:
            model.evaluate()
            self._double.set(0).write_back()
            model.evaluate()
            self._double.set(1).write_back()
        self._clock.set(0).write_back()
        model.evaluate(4)
        if self._double is not None:
            self._double.set(0).write_back()
            model.evaluate()

    def close(self) -> None:
        """Ends the simulation; safe to call again."""
        self.tasks, self.watchdogs = [], []
        self.top.model.close()

    def is_open(self) -> bool:
        """Whether it can still run."""
        return self.top.model.is_open

    def enlist(self, task: Callable[["SimEngine"], Updates | None]) -> None:
        """Adds a task: called before each edge, None when it is done."""
        self.tasks.append(task)

    def create_watchdog(self, name: str, timeout: int) -> Watchdog:
        """Adds a watchdog of `timeout` cycles."""
        watchdog = Watchdog(name, timeout)
        self.watchdogs.append(watchdog)
        return watchdog

    def remove_watchdog(self, watchdog: Watchdog) -> None:
        """Forgets a watchdog."""
        self.watchdogs.remove(watchdog)

    def run(self, cycles: int | None = None) -> list[Watchdog]:
        """Runs until the tasks are done, for at most `cycles`; returns the watchdogs that woke."""
        limit = None if cycles is None else self.create_watchdog("cycle limit", cycles)
        woken: list[Watchdog] = []
        while self.tasks and not woken:
            self.ticks += 1
            updates: Updates = {}
            unfinished = []
            for task in self.tasks:
                changes = task(self)
                if changes is not None:
                    updates.update(changes)
                    unfinished.append(task)
            self.cycle(updates)
            for watchdog in self.watchdogs:
                watchdog()
            self.tasks = unfinished if any(map(bool, unfinished)) else []
            woken = [watchdog for watchdog in self.watchdogs if not watchdog]
        if limit is not None:
            self.remove_watchdog(limit)
        return woken

    def do_reset(self) -> None:
        """Holds ap_rst_n low for 16 cycles."""
        reset = self.top.getPort("ap_rst_n")
        self.enlist(Task(iter([{reset: "0"}, *[{}] * 15, {reset: "1"}])))

    def stream_input(
        self,
        istream: str,
        values: Iterable[str],
        throttle: tuple[float, float] = (float("inf"), 0),
    ) -> None:
        """Feeds hexadecimal beats; `throttle` = (n, cycles) offers at most n beats in so many."""
        self.enlist(Task(self._feed(istream, iter(values), throttle)))

    def collect_output(
        self, ostream: str, size: int, watchdog: Watchdog | None = None
    ) -> Collected:
        """Takes `size` beats from a stream into the list that is returned."""
        into = Collected()
        self.enlist(Task(self._collect(ostream, size, watchdog, into)))
        return into

    def trace_stream(self, stream: str) -> StreamTrace:
        """Records when beats move, without making the run last."""
        trace = StreamTrace()
        self.enlist(Task(self._watch(stream, trace), holds=False))
        return trace

    def write_axilite(self, m_axilite: str, writes: Iterable[tuple[int, str]]) -> None:
        """Writes (address, hexadecimal value) pairs, one after the other."""
        self.enlist(Task(self._write(m_axilite, iter(writes))))

    def read_axilite(self, m_axilite: str, reads: Iterable[int]) -> dict[int, str]:
        """Reads addresses; the dict that is returned has their values after the run."""
        replies: dict[int, str] = {}
        self.enlist(Task(self._read(m_axilite, iter(reads), replies)))
        return replies

    def aximm_ro_image(self, mm_axi: str, base: int, img: Any) -> None:
        """Puts a read-only memory, an array of bytes from address `base` on, behind a master."""
        image = img.reshape(-1).tolist() if hasattr(img, "reshape") else img
        self.enlist(Task(read_only(partial(self.get_bus_port, mm_axi), mm_axi, base, image), False))

    def aximm_queue(self, mm_axi: str) -> None:
        """Puts a memory behind a master that keeps what it writes until it reads it again."""
        self.enlist(Task(read_write(partial(self.get_bus_port, mm_axi), mm_axi), False))

    def _stream(self, bus: str) -> tuple[XsiPort, XsiPort, XsiPort]:
        data, valid, ready = (
            self.get_bus_port(bus, f"t{end}") for end in ("data", "valid", "ready")
        )
        return data, valid, ready

    def _feed(
        self, bus: str, values: Iterator[str], throttle: tuple[float, float]
    ) -> Iterator[Updates]:
        data, valid, ready = self._stream(bus)
        allowed, resume = throttle[0], 0.0
        for value in values:
            if allowed >= throttle[0]:
                while self.ticks < resume:
                    yield {valid: "0"}
                allowed, resume = 0, self.ticks + throttle[1]
            yield {data: value, valid: "1"}
            allowed += 1
            while not ready.read().as_bool():
                yield {}
        yield {valid: "0"}

    def _collect(
        self, bus: str, size: int, watchdog: Watchdog | None, into: Collected
    ) -> Iterator[Updates]:
        data, valid, ready = self._stream(bus)
        if size:
            yield {ready: "1"}
        while len(into) < size:
            if valid.read().as_bool():
                into.append(data.read().as_hexstr())
                if watchdog is not None:
                    watchdog.reset()
            if len(into) < size:
                yield {}
        yield {ready: "0"}

    def _watch(self, bus: str, trace: StreamTrace) -> Iterator[Updates]:
        _, valid, ready = self._stream(bus)
        while True:
            trace.trace += "01"[valid.read().as_bool() and ready.read().as_bool()]
            yield {}

    def _write(self, bus: str, writes: Iterator[tuple[int, str]]) -> Iterator[Updates]:
        address, address_valid, data, data_valid, strobe, reply_ready = (
            self.get_bus_port(bus, end)
            for end in ("awaddr", "awvalid", "wdata", "wvalid", "wstrb", "bready")
        )
        taken = {
            address_valid: self.get_bus_port(bus, "awready"),
            data_valid: self.get_bus_port(bus, "wready"),
        }
        reply = self.get_bus_port(bus, "bvalid")
        for where, value in writes:
            yield {
                address: f"{where:x}", data: value, strobe: f"{(1 << strobe.width()) - 1:x}",
                address_valid: "1", data_valid: "1", reply_ready: "1",
            }  # fmt: skip
            waiting = [address_valid, data_valid]
            while waiting:
                passed = [valid for valid in waiting if taken[valid].read().as_bool()]
                waiting = [valid for valid in waiting if valid not in passed]
                yield dict.fromkeys(passed, "0")
            while not reply.read().as_bool():
                yield {}
            self._check_reply(bus, "bresp", where)
        yield {reply_ready: "0"}

    def _read(self, bus: str, reads: Iterator[int], replies: dict[int, str]) -> Iterator[Updates]:
        address, address_valid, address_ready, data, data_valid, data_ready = (
            self.get_bus_port(bus, end)
            for end in ("araddr", "arvalid", "arready", "rdata", "rvalid", "rready")
        )
        for where in reads:
            yield {address: f"{where:x}", address_valid: "1", data_ready: "1"}
            while not address_ready.read().as_bool():
                yield {}
            yield {address_valid: "0"}
            while not data_valid.read().as_bool():
                yield {}
            self._check_reply(bus, "rresp", where)
            replies[where] = data.read().as_hexstr()
        yield {data_ready: "0"}

    def _check_reply(self, bus: str, suffix: str, where: int) -> None:
        code = self.get_bus_port(bus, suffix).read().as_unsigned()
        if code:
            raise StageError(
                f"{bus} answers the access at 0x{where:x} with error {code}",
                "answer 0 (OKAY)",
                "use an address that the module has",
            )
