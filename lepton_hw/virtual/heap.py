"""Which parts of the board's memory are allocated: first fit, whole pages, neighbours merged.

It only counts; the bytes are the board's.
"""

from typing import NamedTuple

from lepton_hw.virtual.errors import BoardError

PAGE = 4096


class Block(NamedTuple):
    """Allocated memory; `size` is what was asked for, in bytes."""

    address: int
    size: int

    @property
    def pages(self) -> int:
        """Bytes that it takes."""
        return -(-self.size // PAGE) * PAGE


class Heap:
    """Memory from `base` on, `size` bytes; both multiples of a page."""

    def __init__(self, base: int, size: int) -> None:
        self.blocks: dict[int, Block] = {}
        self._free = [(base, size)]  # by address; no two touch

    def allocate(self, size: int) -> Block:
        """`size` bytes, at least 1, on a page of their own; raises `BoardError` where none fit."""
        if size < 1:
            raise BoardError(f"a buffer of {size} bytes", "at least 1", "allocate a larger one")
        need = -(-size // PAGE) * PAGE
        for index, (address, room) in enumerate(self._free):
            if room >= need:
                rest = [(address + need, room - need)] if room > need else []
                self._free[index : index + 1] = rest
                block = Block(address, size)
                self.blocks[address] = block
                return block
        most = max((room for _, room in self._free), default=0)
        raise BoardError(
            f"{size:,} bytes of contiguous memory were asked for",
            f"at most {most:,}",
            "free buffers, or allocate smaller ones",
        )

    def free(self, block: Block) -> None:
        """Gives a block back; nothing happens where that was done before."""
        if self.blocks.get(block.address) is not block:
            return
        del self.blocks[block.address]
        merged: list[tuple[int, int]] = []
        for address, room in sorted([*self._free, (block.address, block.pages)]):
            if merged and sum(merged[-1]) == address:
                merged[-1] = (merged[-1][0], merged[-1][1] + room)
            else:
                merged.append((address, room))
        self._free = merged
