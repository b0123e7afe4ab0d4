"""Both ways of one transfer over the serial link: what to send next, what has come.

It decides by what it received only, in that order; it touches no device and knows no time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

import numpy as np

from . import serial_frames as frames

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Bytes of each of the board's rings; requests that may wait for their answers (it holds 16).
DEPTH, UNANSWERED = 2048, 8
_WRAP = 1 << 16
#: First byte of errors that stand for something lost.
_LOST = tuple(
    bytes((code,))
    for code in (frames.BAD_FRAME, frames.BAD_POSITION, frames.NO_SPACE, frames.IN_RESET)
)


class Stream:
    """A buffer to send, a buffer to fill, and how far the two are, in bytes of this transfer.

    `positions` are those on the line at which its input and output begin, modulo 2^16;
    `hold` takes a request's kind and payload and returns its tag.
    """

    def __init__(
        self,
        source: NDArray[np.uint8],
        target: NDArray[np.uint8],
        positions: tuple[int, int],
        hold: Callable[[int, bytes], int],
    ) -> None:
        self._source, self._target, self._hold = source, target, hold
        self._in_base, self._out_base = positions
        self._sent = self._taken = self._filled = self._granted = 0
        self._unanswered: set[int] = set()  # tags of input
        self._question: int | None = None  # the tag of the STATE that is asked
        self._grant: int | None = frames.GRANT
        self._trouble = False
        self.advance()

    @property
    def finished(self) -> bool:
        """Whether all output is here."""
        return self._filled == len(self._target)

    @property
    def taken_all(self) -> bool:
        """Whether the accelerator has all input, as far as it is known here."""
        return self._taken == len(self._source) or self.finished

    @property
    def positions(self) -> tuple[int, int]:
        """Where the next transfer begins."""
        ends = (self._in_base + len(self._source), self._out_base + len(self._target))
        return ends[0] % _WRAP, ends[1] % _WRAP

    def advance(self) -> None:
        """Sends what may be sent now."""
        if self._question is not None:
            return
        if self._grant is not None:
            self._granted = self._filled + DEPTH
            at = self._out_base + self._filled
            pair = frames.PAIR.pack(at % _WRAP, (at + DEPTH) % _WRAP)
            self._hold(self._grant, pair)
            self._grant = None
        while len(self._unanswered) < UNANSWERED:
            size = min(
                frames.INPUT_MOST, len(self._source) - self._sent, DEPTH - self._sent + self._taken
            )
            if size <= 0:
                break
            position = (self._in_base + self._sent) % _WRAP
            content = self._source[self._sent : self._sent + size].tobytes()
            tag = self._hold(frames.INPUT, position.to_bytes(2, "little") + content)
            self._unanswered.add(tag)
            self._sent += size
        if self._sent < len(self._source) and not self._unanswered:
            self.ask()  # the ring is full: only a question tells when it is not

    def ask(self) -> None:
        """Asks where the board is; nothing else is sent until it says so."""
        self._question = self._hold(frames.STATE, b"")

    def trouble(self) -> None:
        """Something was lost on the line: output is asked for again, input goes on from there."""
        if not self.finished:
            self._trouble = True
            if self._question is None:
                self.ask()

    def ask_again(self) -> None:
        """Nothing came for long: the question, or its answer, may be what was lost."""
        self._trouble = True
        self.ask()

    def heard(self, frame: frames.Frame) -> bool:
        """Takes a frame of this transfer; False for any other."""
        if frame.kind == frames.OUTPUT and len(frame.payload) > 2:
            self._take(frame.payload)
        elif frame.kind == frames.ERROR and frame.payload[:1] in _LOST:
            self.trouble()
        elif frame.tag == self._question and len(frame.payload) == 4:
            self._question = None
            self._unanswered.clear()  # the board answers in order
            taken, expected = frames.PAIR.unpack(frame.payload)
            self._advance_taken(taken)
            self._sent = self._taken + (expected - taken) % _WRAP
            if self._trouble:
                self._grant = frames.REWIND
            self._trouble = False
        elif frame.tag in self._unanswered and len(frame.payload) == 4:
            self._unanswered.remove(frame.tag)
            self._advance_taken(frames.PAIR.unpack(frame.payload)[0])
        else:
            return frame.kind in (frames.GRANT | frames.ANSWER, frames.REWIND | frames.ANSWER)
        return True

    def _advance_taken(self, position: int) -> None:
        self._taken += (position - self._in_base - self._taken) % _WRAP

    def _take(self, payload: bytes) -> None:
        """Output, of which the beginning may be here already: it is sent again after a rewind."""
        position = int.from_bytes(payload[:2], "little")
        known = (self._out_base + self._filled - position) % _WRAP
        if known >= _WRAP // 2:
            self.trouble()  # what is between was lost
            return
        new: Any = np.frombuffer(payload, np.uint8)[2 + known :]
        new = new[: len(self._target) - self._filled]
        self._target[self._filled : self._filled + len(new)] = new
        self._filled += len(new)
        if self._granted - self._filled <= DEPTH // 2 and not self.finished:
            self._grant = frames.GRANT
