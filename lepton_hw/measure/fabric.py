"""How long a batch takes in the fabric: cycles measured in RTL, the clock that was reached, and the
constants of our shell.

A model, and called so: no board is asked. `tests/rtl/test_fabric_model.py` holds it against the
counters of the shell's RTL.
"""

from dataclasses import dataclass

#: Cycles from the start of the engines to the first beat, and from the last beat to "done", beside
#: what follows; measured in the shell's RTL (`tests/rtl/test_fabric_model.py`).
SHELL_CYCLES = 30
#: Words of a burst on an AXI3 port: the last one is gathered before it is written.
BURST = 16
#: Times that a batch waits for memory: once for its first word, once for its last to be written.
MEMORY_WAITS = 2
#: Cycles of a memory access on Zynq's high-performance port, from request to first word: assumed,
#: an order of magnitude; no board was measured.
MEMORY_CYCLES = 40
WORD = 8  # bytes of the DMA port


@dataclass(frozen=True)
class Fabric:
    """A design in our shell. Cycles as measured in RTL; `clock` in MHz.

    `latency_cycles`: first beat in to last beat out of one frame; `interval_cycles`: between frames
    of a long batch; `in_beats` of a frame, and bytes of a frame at both doors. `clock_from` says
    what the clock is: "bitstream" or "board".
    """

    latency_cycles: int
    interval_cycles: int
    in_beats: int
    in_bytes: int
    out_bytes: int
    clock: float
    clock_from: str
    memory_cycles: int = MEMORY_CYCLES

    def cycles(self, batch: int) -> int:
        """From the start of both engines until the last word is written."""
        shell = SHELL_CYCLES + MEMORY_WAITS * self.memory_cycles
        last_burst = min(BURST, _words(batch * self.out_bytes))
        # A door of more than a word takes several cycles a beat.
        first = self.latency_cycles + max(0, _words(self.in_bytes) - self.in_beats)
        return shell + last_burst + first + (batch - 1) * self._interval

    def inside(self, batch: int) -> int:
        """Those of them in which the accelerator works, without shell and memory."""
        return self.latency_cycles + (batch - 1) * self.interval_cycles

    def seconds(self, batch: int) -> float:
        """The same as time; what the host does before and after is not in it."""
        return self.cycles(batch) / (self.clock * 1e6)

    @property
    def images_per_second(self) -> float:
        """Of an endless batch."""
        return self.clock * 1e6 / self._interval

    @property
    def _interval(self) -> int:
        """The accelerator's, or the DMA port's where that is slower."""
        return max(self.interval_cycles, _words(self.in_bytes), _words(self.out_bytes))


def _words(size: int) -> int:
    return -(-size // WORD)
