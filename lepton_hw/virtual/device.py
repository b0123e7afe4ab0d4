"""The virtual board as a ``pynq.Device``, which an unmodified pynq finds when it is imported.

It translates: what pynq asks for is done by `VirtualBoard`.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np

from pynq.pl_server.device import Device  # isort: skip – may still be half imported (hook)

from lepton_hw.virtual import bitstream
from lepton_hw.virtual.board import VirtualBoard
from lepton_hw.virtual.boards import VARIABLE, identity, wanted
from lepton_hw.virtual.errors import BoardError
from lepton_hw.virtual.heap import Block
from lepton_hw.virtual.window import RegisterWindow


class VirtualDevice(Device):  # type: ignore[misc]
    """The board that LEPTON_VIRTUAL_BOARD names, else that of the first overlay."""

    _probe_priority_ = 1000  # a board that is there, here or over the network, comes first

    @classmethod
    def _probe_(cls) -> list["VirtualDevice"]:
        return [cls()]

    def __init__(self) -> None:
        super().__init__("virtual0")
        self._board: VirtualBoard | None = None
        if wanted():
            self._be(wanted())
        self.capabilities = {"MEMORY_MAPPED": True}
        self.ip_dict: dict[str, Any] = {}
        self.bitfile_name = self.timestamp = None

    @property
    def board(self) -> VirtualBoard:
        """What is behind the device."""
        if self._board is None:
            raise BoardError(
                "no overlay was loaded",
                "one, since the virtual board becomes the board of its bitstream",
                f"load one, or set {VARIABLE}",
            )
        return self._board

    @property
    def name(self) -> str:
        """What PYNQ calls the board."""
        return self.board.identity.pynq_name

    @property
    def arch(self) -> str:
        """Of its processor."""
        return self.board.processor.arch

    def _be(self, name: str) -> None:
        self._board = VirtualBoard(identity(name))

    def get_bitfile_metadata(self, bitfile_name: str, partial: bool = False) -> Any:
        """What the ``.hwh`` beside the bitstream says, by pynq's own parser."""
        path = Path(bitfile_name)
        if path.suffix != ".bit" or partial:
            raise BoardError(
                f"{path.name}{' as a partial bitstream' if partial else ''}",
                "a whole bitstream with the suffix .bit",
                "pass design.bit",
            )
        if not path.with_suffix(".hwh").is_file():
            raise BoardError(
                f"there is no {path.with_suffix('.hwh').name} beside {path}",
                "the hardware handoff",
                bitstream.AGAIN,
            )
        if self._board is None:
            self._be(bitstream.board_of(path.with_suffix(bitstream.SUFFIX)))
        parser = _parser(path.with_suffix(".hwh"))
        parser.bin_data = _configuration(path)
        parser.refresh_hierarchy_dict()
        return parser

    def download(self, bitfile: Any, parser: Any = None) -> None:
        """Loads the simulation that the bitstream names into the fabric."""
        path = Path(bitfile.bitfile_name)
        parser = parser or self.get_bitfile_metadata(str(path), bitfile.partial)
        digest = bitstream.model_digest_of(parser.bin_data or _configuration(path))
        self.board.load(path.with_suffix(bitstream.SUFFIX), digest)
        self.post_download(bitfile, parser, self.name)

    def gen_cache(self, bitfile: Any, parser: Any = None) -> None:
        """Nothing: another process has a board of its own."""

    def mmap(self, base_addr: int, length: int) -> RegisterWindow:
        """Registers from an address on; raises `BusError` where there are none."""
        self.board.check(base_addr, length)
        return RegisterWindow(self.board, base_addr, length // 4)

    def allocate(self, shape: Any, dtype: Any, cacheable: Any = False, **_: Any) -> Any:
        """A buffer in the board's memory.

        With `cacheable` it is apart from memory until flushed or invalidated, as if no line ever
        left the cache by itself.
        """
        from pynq.buffer import PynqBuffer

        kind = np.dtype(dtype)
        block = self.board.allocate(int(math.prod(np.atleast_1d(shape))) * kind.itemsize)
        memory = self.board.view(block)
        host = memory.copy() if cacheable else memory
        buffer = PynqBuffer(
            shape, kind, buffer=host, device=self, device_address=block.address,
            bo=_Mapped(block, host, memory), coherent=not cacheable,
        )  # fmt: skip
        buffer.memory, buffer.pointer, buffer.return_to = self.board, block, self
        buffer.freed = True  # in pynq's sense, there is nothing to unmap
        return buffer

    def return_pointer(self, block: Block) -> None:
        """A buffer ends, in pynq's words."""
        self.board.free(block)

    def flush(self, bo: "_Mapped", offset: int, ptr: int, size: int) -> None:
        """What the processor wrote is in memory."""
        bo.memory[offset : offset + size] = bo.host[offset : offset + size]

    def invalidate(self, bo: "_Mapped", offset: int, ptr: int, size: int) -> None:
        """What memory holds is what the processor sees."""
        bo.host[offset : offset + size] = bo.memory[offset : offset + size]


class _Mapped:
    """The processor's view of a block, and memory's."""

    def __init__(self, block: Block, host: Any, memory: Any) -> None:
        self.block, self.host, self.memory = block, host, memory


def _parser(handoff: Path) -> Any:
    from pynqmetadata.frontends import Metadata

    try:
        from pynq.metadata.runtime_metadata_parser import RuntimeMetadataParser  # pynq 3
    except ImportError:
        from pynqmetadata.views.runtime import RuntimeMetadataParser  # pynq 4
    return RuntimeMetadataParser(Metadata(input=handoff))


def _configuration(path: Path) -> bytes:
    from pynq.pl_server.embedded_device import bit2bin

    try:
        return bytes(bit2bin(path.read_bytes()))
    except Exception as error:  # whatever the header's parser trips over
        raise BoardError(
            f"{path} is no whole bitstream ({error})", "a header and all its data", bitstream.AGAIN
        ) from None
