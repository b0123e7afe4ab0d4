"""What runs on the board: stdlib, NumPy and pynq, Python 3.8 to 3.12, and nothing else of ours.

This folder is copied beside the bitstream as it is; it is imported as ``onboard`` there.
"""

from .accelerator import Accelerator, Profile
from .errors import DesignError, DriverError, HardwareError, InputError, Stalled
from .images import Classified

__all__ = [
    "Accelerator",
    "Classified",
    "DesignError",
    "DriverError",
    "HardwareError",
    "InputError",
    "Profile",
    "Stalled",
]
