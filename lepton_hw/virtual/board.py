"""The virtual board: memory, the processor's registers, and the fabric, which runs in lock-step.

Every access advances the clock by what it takes, and nothing else does; so equal programs see
equal cycles. It knows neither pynq nor any network.
"""

import threading
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lepton_hw.rtl.shell.address_map import Segment, processor_of
from lepton_hw.sim.shell_model import ShellModel
from lepton_hw.virtual import bitstream
from lepton_hw.virtual.boards import Identity
from lepton_hw.virtual.clocks import processor_registers
from lepton_hw.virtual.errors import BoardError, BusError
from lepton_hw.virtual.heap import Block, Heap

MEMORY_BASE, MEMORY_BYTES = 0x1000_0000, 256 << 20
#: Cycles of the fabric from one register access to the next, beside the transfers themselves: a
#: processor that runs Python takes a microsecond at the very least, which are 100 at 100 MHz.
ACCESS_CYCLES = 100
#: The same over a network, where an access takes at least some 10 µs.
REMOTE_CYCLES = 1000


class VirtualBoard:
    """A board of some identity, without a bitstream at first; threads may share it.

    `access_cycles` pass before each access to the fabric.
    """

    def __init__(self, identity: Identity, access_cycles: int = ACCESS_CYCLES) -> None:
        self.identity, self.access_cycles = identity, access_cycles
        self.processor = processor_of(identity.part)
        self.memory: NDArray[np.uint8] = np.zeros(MEMORY_BYTES, np.uint8)
        self.model: bitstream.Model | None = None
        self._heap = Heap(MEMORY_BASE, MEMORY_BYTES)
        self._registers = processor_registers(self.processor)
        self._fabric: ShellModel | None = None
        self._unplugged = False
        self._lock = threading.RLock()

    @property
    def fabric(self) -> ShellModel:
        """The simulation that is loaded, for tests that stall or break it."""
        with self._lock:
            self._require_plugged()
            if self._fabric is None:
                raise BusError(
                    "the fabric of the virtual board is empty",
                    "a bitstream",
                    "load an overlay with download=True",
                )
            return self._fabric

    def load(self, folder: Path, model_digest: str) -> None:
        """Configures the fabric with the simulation in `folder`; memory keeps its contents.

        Raises `BoardError` where the simulation is not whole, or is for another part; what was
        loaded before then stays.
        """
        model = bitstream.read_model(folder, model_digest)
        if model.part != self.identity.part:
            raise BoardError(
                f"a bitstream for the part {model.part} ({model.board})",
                f"{self.identity.part} ({self.identity.title})",
                "build it for this board, or set LEPTON_VIRTUAL_BOARD to the other board's name",
            )
        with self._lock:
            self._require_plugged()
            try:
                fresh = ShellModel(
                    folder / bitstream.LIBRARY, folder, self.memory, base=MEMORY_BASE,
                    max_burst=model.max_burst, limit=_limit(model.segments),
                )  # fmt: skip
            except OSError as error:
                raise BoardError(
                    f"the simulation {folder} cannot be opened ({error})",
                    "a library that was built on this machine",
                    bitstream.AGAIN,
                ) from None
            self.unload()
            self._fabric, self.model = fresh, model
            self._allow_allocated()

    def unload(self) -> None:
        """Empties the fabric."""
        with self._lock:
            if self._fabric is not None:
                self._fabric.close()
            self._fabric, self.model = None, None

    def unplug(self) -> None:
        """Takes the board away; every access raises from now on."""
        with self._lock:
            self.unload()
            self._unplugged = True

    def check(self, address: int, size: int) -> None:
        """Raises `BusError` unless all of these bytes are registers of the processor or fabric."""
        self._require_plugged()
        if address % 4 or size < 4 or not self._is_mapped(address, size):
            raise BusError(
                f"there is nothing at 0x{address:08X}, {size} bytes",
                "registers of the processor's clocks, or a segment of the shell",
                "use the addresses of the overlay's ip_dict",
            )

    def read(self, address: int) -> int:
        """One register, 32 bits."""
        with self._lock:
            self._require_plugged()
            if address in self._registers:
                return self._registers[address]
            offset, fabric = self._offset(address), self.fabric
            fabric.step(self.access_cycles)
            return fabric.read(offset)

    def write(self, address: int, value: int) -> None:
        """Writes one register, 32 bits."""
        with self._lock:
            self._require_plugged()
            if address in self._registers:
                self._registers[address] = value & 0xFFFF_FFFF
                return
            offset, fabric = self._offset(address), self.fabric
            fabric.step(self.access_cycles)
            fabric.write(offset, value)

    def allocate(self, size: int) -> Block:
        """Memory that the fabric may use from now on; its contents are what they were."""
        with self._lock:
            self._require_plugged()
            block = self._heap.allocate(size)
            if self._fabric is not None:
                self._fabric.allow(*block)
            return block

    def free(self, block: Block) -> None:
        """From now on the fabric gets an error there."""
        with self._lock:
            self._heap.free(block)
            if self._fabric is not None and not self._unplugged:
                self._allow_allocated()

    def view(self, block: Block) -> NDArray[np.uint8]:
        """The bytes of a block in memory, uint8, as the fabric sees them."""
        first = block.address - MEMORY_BASE
        return self.memory[first : first + block.size]

    def _allow_allocated(self) -> None:
        self.fabric.forbid_all()
        for block in self._heap.blocks.values():
            self.fabric.allow(*block)

    def _require_plugged(self) -> None:
        if self._unplugged:
            raise BoardError("the board is gone", "it to be connected", "connect it again")

    def _is_mapped(self, address: int, size: int) -> bool:
        if address in self._registers:
            return address + size - 4 in self._registers
        first = address - self.processor.base
        segments = self.model.segments if self.model is not None else ()
        return any(
            segment.offset <= first and first + size <= segment.offset + segment.size
            for segment in segments
        )

    def _offset(self, address: int) -> int:
        self.check(address, 4)
        return address - self.processor.base


def _limit(segments: tuple[Segment, ...]) -> int:
    """Bytes of the register port's addresses: a power of two, at least four segments of 64 KiB."""
    ends = [segment.offset + segment.size for segment in segments]
    return 1 << (max([0x4_0000, *ends]) - 1).bit_length()
