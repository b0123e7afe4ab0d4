"""How much our dot products add up in one clock cycle: what there is to set when they are too slow.

``dot_pkg.sv`` has the constant, from which the RTL works out its own latency; a design has one
value, in the copy among its sources.
"""

import re
from pathlib import Path

from lepton_hw.errors import StageError

FILE = "dot_pkg.sv"
_BITS = re.compile(r"(?<=localparam int unsigned BITS_PER_STAGE = )\d+(?=;)")


def set_bits_per_stage(file: Path, bits: int) -> None:
    """Sets it in a copy of ``dot_pkg.sv``; raises `StageError` for a file without that place."""
    text, places = _BITS.subn(str(bits), file.read_text())
    if places != 1:
        raise StageError(
            f"{file} sets BITS_PER_STAGE in {places} places", "one", "report this design"
        )
    file.write_text(text)
