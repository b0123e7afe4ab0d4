"""How long a batch takes in the fabric: cycles measured in RTL, the clock that was reached, and the
constants of our shell.

A model, and called so: no board is asked. `tests/rtl/test_fabric_model.py` holds it against the
counters of the shell's RTL.
"""

from dataclasses import dataclass

#: Cycles from the start of the engines to the first beat, and from the last beat to "done", with a
#: memory that answers at once. Measured in the shell's RTL: 21 and 22 for two networks.
SHELL_CYCLES = 22
#: Times that a batch waits for memory: once for its first word, once for its last to be written.
MEMORY_WAITS = 2
#: Cycles of a memory access on Zynq's high-performance port, from request to first word: an order
#: of magnitude (AMD XAPP1206 and measurements elsewhere say 30 to 60 at 100 to 150 MHz).
MEMORY_CYCLES = 40


@dataclass(frozen=True)
class Fabric:
    """A design in our shell. Cycles as measured in RTL; `clock` in MHz.

    `latency_cycles`: first beat in to last beat out of one frame; `interval_cycles`: between frames
    of a long batch. `clock_from` says what the clock is: "bitstream" or "board".
    """

    latency_cycles: int
    interval_cycles: int
    clock: float
    clock_from: str
    memory_cycles: int = MEMORY_CYCLES

    def cycles(self, batch: int) -> int:
        """From the start of both engines until the last word is written."""
        shell = SHELL_CYCLES + MEMORY_WAITS * self.memory_cycles
        return shell + self.latency_cycles + (batch - 1) * self.interval_cycles

    def seconds(self, batch: int) -> float:
        """The same as time; what the host does before and after is not in it."""
        return self.cycles(batch) / (self.clock * 1e6)

    @property
    def images_per_second(self) -> float:
        """Of an endless batch."""
        return self.clock * 1e6 / self.interval_cycles
