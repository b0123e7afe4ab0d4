"""What a board with PYNQ.remote does for one client at a time: files, registers, buffers.

Plain calls without any network; `server` carries them. The board's file system is a handful of
names that pynq reads and writes, and nothing of the host's is behind them.
"""

import itertools
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lepton_hw.virtual import bitstream
from lepton_hw.virtual.board import VirtualBoard
from lepton_hw.virtual.errors import BoardError, BusError
from lepton_hw.virtual.heap import Block

FIRMWARE, MOST_FIRMWARE = "/lib/firmware/", 64 << 20
_MANAGER = "/sys/class/fpga_manager/fpga0/"
_MOST_FILES, _MOST_WINDOWS = 16, 4096


class Buffer:
    """A block, the processor's view of it (uint8), and memory's; apart until flushed."""

    def __init__(self, block: Block, memory: NDArray[np.uint8]) -> None:
        self.block, self.memory, self.host = block, memory, memory.copy()


class Peer:
    """`designs` maps the SHA-256 of model.json to the folder of the simulation.

    The client that configured the fabric last owns it: others are refused until they configure it
    themselves, and the one before is told that its design is gone.
    """

    def __init__(self, board: VirtualBoard, designs: dict[str, Path]) -> None:
        self.board, self.designs = board, designs
        self.owner = ""
        self.buffers: dict[str, Buffer] = {}
        self._windows: dict[str, tuple[int, int]] = {}
        self._firmware: dict[str, bytes] = {}
        self._numbers = itertools.count(1)

    def file(self, path: str) -> bytes | None:
        """The content of a file of the board; None where there is none."""
        known = {
            "/proc/version": f"Linux version (lepton_hw, virtual) {self.board.processor.arch}\n",
            "/proc/device-tree/chosen/pynq_board": self.board.identity.pynq_name + "\0",
            _MANAGER + "state": "operating\n" if self.board.model else "unknown\n",
            _MANAGER + "flags": "0\n",
        }
        text = known.get(path)
        return None if text is None else text.encode()

    def write_file(self, client: str, path: str, content: bytes) -> None:
        """Firmware is kept; its name written to the FPGA manager configures the fabric."""
        if path.startswith(FIRMWARE):
            if len(content) > MOST_FIRMWARE or len(self._firmware) >= _MOST_FILES:
                raise BoardError(
                    f"{path}, {len(content):,} bytes",
                    f"{_MOST_FILES} files of at most {MOST_FIRMWARE:,} bytes",
                    "load bitstreams of this board",
                )
            self._firmware[path.removeprefix(FIRMWARE)] = content
        elif path == _MANAGER + "flags":
            if content.strip() != b"0":
                raise BoardError("a partial bitstream", "a whole one", "load design.bit")
        elif path == _MANAGER + "firmware":
            self._configure(client, content.decode(errors="replace").strip())
        else:
            raise BoardError(f"the file {path}", "one that pynq writes", "use a real board")

    def _configure(self, client: str, name: str) -> None:
        data = self._firmware.pop(name, None)
        if data is None:
            raise BoardError(f"there is no firmware {name}", "a file that was sent", "send it")
        digest = bitstream.model_digest_of(data)
        if digest not in self.designs:
            raise BoardError(
                f"the bitstream names the simulation {digest[:12]}…",
                f"one of the {len(self.designs)} that this server was started with",
                "start the server with the folder of this design",
            )
        self.board.load(self.designs[digest], digest)
        for buffer in self.buffers.values():
            self.board.free(buffer.block)
        self.buffers.clear()
        self.owner = client

    def window(self, client: str, address: int, size: int) -> str:
        """Registers from an address on, by the identifier that is returned."""
        self.board.check(address, size)
        if not self._is_processor(address):
            self._require_owner(client)
        identifier = f"m{next(self._numbers)}"
        self._windows[identifier] = (address, size)
        if len(self._windows) > _MOST_WINDOWS:
            del self._windows[next(iter(self._windows))]  # the oldest
        return identifier

    def read(self, client: str, identifier: str, offset: int, length: int, order: str) -> int:
        """1, 2, 4 or 8 bytes; `order` says which word of 8 bytes is the upper one."""
        if length not in (1, 2, 4, 8):
            raise BusError(f"a register of {length} bytes", "1, 2, 4 or 8", "change it")
        first = self._at(client, identifier, offset, 8 if length == 8 else 4)
        value = self.board.read(first)
        if length == 8:
            second = self.board.read(first + 4)
            return value << 32 | second if order == "big" else second << 32 | value
        return value & (1 << 8 * length) - 1

    def write(self, client: str, identifier: str, offset: int, data: bytes) -> None:
        """Whole words, in order."""
        first = self._at(client, identifier, offset, len(data))
        for index, word in enumerate(np.frombuffer(data, "<u4")):
            self.board.write(first + 4 * index, int(word))

    def allocate(self, client: str, size: int) -> str:
        """A buffer, by the identifier that is returned."""
        self._require_owner(client)
        block = self.board.allocate(size)
        identifier = f"b{next(self._numbers)}"
        self.buffers[identifier] = Buffer(block, self.board.view(block))
        return identifier

    def buffer(self, client: str, identifier: str) -> Buffer:
        """The buffer; raises `BoardError` where it is another's or was freed."""
        self._require_owner(client)
        if identifier not in self.buffers:
            raise BoardError(
                f"there is no buffer {identifier}", "one that is allocated", "ask anew"
            )
        return self.buffers[identifier]

    def free(self, client: str, identifier: str) -> None:
        """Gives a buffer back."""
        self.board.free(self.buffer(client, identifier).block)
        del self.buffers[identifier]

    def _at(self, client: str, identifier: str, offset: int, length: int) -> int:
        if identifier not in self._windows:
            self._require_owner(client)
            raise BusError(f"there is no window {identifier}", "one that was opened", "ask anew")
        address, size = self._windows[identifier]
        if not self._is_processor(address):
            self._require_owner(client)
        if offset % 4 or length % 4 or not 0 <= offset <= offset + length <= size:
            raise BusError(
                f"{length} bytes at offset {offset}",
                f"whole words within {size} bytes",
                "change it",
            )
        return address + offset

    def _is_processor(self, address: int) -> bool:
        first = self.board.processor.base
        return not first <= address < first + (1 << 28)

    def _require_owner(self, client: str) -> None:
        if client != self.owner:
            raise BoardError(
                f"the fabric was configured by {self.owner or 'nobody'}",
                f"by this client ({client})",
                "load the overlay with download=True, when the other client has ended",
            )
