"""What the name of a FINN integer datatype means: the values it allows, and the bits they take.

Knows names only; operators that hold a datatype of QONNX's ask that. The board has its own copy,
`onboard.packing`, since nothing of ours goes there.
"""

import re

from lepton_hw.errors import InputError

_FIXED = {"BIPOLAR": (-1, 1), "BINARY": (0, 1), "TERNARY": (-1, 1)}


def value_range(dtype: str) -> tuple[int, int]:
    """Lowest and highest integer of a datatype (``UINT4``, ``INT8``, ``BIPOLAR`` …).

    Raises `InputError` for anything that is not an integer type of at most 62 bits.
    """
    if dtype in _FIXED:
        return _FIXED[dtype]
    match = re.fullmatch(r"(U?)INT([1-9][0-9]?)", dtype)
    if match is None or int(match[2]) > 62:
        raise InputError(
            f"a stream has the datatype {dtype}",
            "an integer type of at most 62 bits",
            "export the model with integer inputs and outputs",
        )
    bits = int(match[2])
    return (0, (1 << bits) - 1) if match[1] else (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)


def bits_of(dtype: str) -> int:
    """Bits of one element in a beat; raises as `value_range` does."""
    low, high = value_range(dtype)
    return 1 if dtype == "BIPOLAR" else high.bit_length() + (low < 0)
