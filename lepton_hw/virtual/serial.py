"""The virtual board behind a serial device: a pseudo-terminal whose other end is a simulation.

Time passes with what the host sends and with nothing else, so that equal bytes give equal cycles.
It needs what the other virtual board needs, without pynq.
"""

import os
import select
import threading
import tty
from pathlib import Path
from typing import Self

from lepton_hw.errors import LeptonError
from lepton_hw.sim.serial_model import SerialModel
from lepton_hw.virtual import bitstream
from lepton_hw.virtual.errors import BoardError

#: Cycles to a byte each way, far fewer than on the board: it saves time that teaches nothing.
PACE = 16
#: Cycles without a byte after which the board has said all that it can.
QUIET = 256
_FLAG = b"\x7e"
_PORTION = 1 << 12


class SerialBoard:
    """A simulation that answers at `path` while the block runs; a context manager."""

    def __init__(self, model: SerialModel) -> None:
        self.model = model
        self.problem = ""  # what ended it, if anything did
        model.pace(PACE, PACE)
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.path = os.ttyname(self._slave)
        self._ends, self._end = os.pipe()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def wait(self) -> None:
        """Until it ends."""
        self._thread.join()

    def close(self) -> None:
        """Takes the board away; the device is gone then."""
        if self._end >= 0:
            os.write(self._end, b"x")
            self._thread.join()
            for file in (self._ends, self._end):
                os.close(file)
            self._end = -1
            self.model.close()

    def _serve(self) -> None:
        out = b""
        try:
            while True:
                ready = select.select([self._master, self._ends], [self._master] if out else [], [])
                if self._ends in ready[0]:
                    return
                if ready[1]:
                    out = out[os.write(self._master, out[:_PORTION]) :]
                if self._master in ready[0]:
                    out += self._answer(os.read(self._master, _PORTION))
        except (LeptonError, OSError) as error:
            self.problem = str(error)
        finally:
            os.close(self._slave)
            os.close(self._master)

    def _answer(self, data: bytes) -> bytes:
        """What the board says to these bytes; time passes at the end of each frame."""
        *whole, rest = data.split(_FLAG)
        for part in whole:
            self.model.send(part + _FLAG)
            self.model.settle(QUIET)
        self.model.send(rest)
        return self.model.take()


def open_board(folder: Path) -> SerialBoard:
    """The board of a deployment folder, with its bitstream loaded.

    Raises `BoardError` where the folder has no simulation of a serial board, or a changed one.
    """
    path = folder / "design.bit"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BoardError(
            f"{path} cannot be read ({error.strerror})", "a deployment", bitstream.AGAIN
        ) from None
    digest = bitstream.model_digest_of(bitstream.configuration_of(content))
    model = bitstream.read_model(path.with_suffix(bitstream.SUFFIX), digest)
    if model.segments:
        raise BoardError(
            f"{folder} is for a board with a processor ({model.board})",
            "a board with a UART",
            "use 'serve', or pynq itself",
        )
    return SerialBoard(SerialModel(model.folder / bitstream.LIBRARY, model.folder))
