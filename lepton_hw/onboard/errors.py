"""What can go wrong on the board, as sentences; the board has no other package of ours.

Like the errors of the flow: what was found, what was expected, what to do.
"""

from __future__ import annotations


class DriverError(Exception):
    """Something that the user can act on; printed as one sentence."""

    def __init__(self, found: str, expected: str, remedy: str) -> None:
        self.found, self.expected, self.remedy = found, expected, remedy
        super().__init__(f"{found}; expected {expected}; {remedy}.")


class InputError(DriverError):
    """The images or codes that were passed are not what the input contract says."""


class DesignError(DriverError):
    """Bitstream, ``design.json``, board or register file do not belong together."""


class HardwareError(DriverError):
    """A transfer failed; the design has been reset and takes the next one."""


class Stalled(HardwareError):
    """Nothing moved for the whole of the time-out."""


class Different(HardwareError):
    """A replay met another access than the one that was recorded."""


def reason(error: Exception) -> str:
    """What somebody else's error says, as one line without a full stop."""
    details = getattr(error, "details", None)  # gRPC's errors print a page
    said = " ".join(str(details() if callable(details) else error).split())
    return said.rstrip(".") or type(error).__name__


def lost(error: Exception) -> DriverError:
    """What a transport raises by itself: a cable, a network, a server, a simulation that ended."""
    if isinstance(error, DriverError):
        return error  # it says so itself
    return HardwareError(
        f"the board does not answer ({type(error).__name__.lstrip('_')}: {reason(error)})",
        "every register to answer",
        "connect or start it again, then make a new Accelerator",
    )
