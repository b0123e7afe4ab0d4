"""What the virtual board refuses, as sentences; also RuntimeErrors, which is what pynq raises."""

from lepton_hw.errors import LeptonError


class BoardError(LeptonError, RuntimeError):
    """The board cannot do what was asked: no bitstream, another part, no memory, gone."""


class BusError(BoardError):
    """No register or memory is at that address; on a board the process would be killed."""
