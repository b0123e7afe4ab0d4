"""Ranges and bits of datatypes, here and on the board."""

import pytest

from lepton_hw.datatypes import bits_of, value_range
from lepton_hw.errors import InputError
from lepton_hw.onboard import packing as onboard


@pytest.mark.parametrize(
    ("dtype", "values", "bits"),
    [
        ("UINT8", (0, 255), 8),
        ("INT4", (-8, 7), 4),
        ("INT1", (-1, 0), 1),
        ("UINT62", (0, (1 << 62) - 1), 62),
        ("BIPOLAR", (-1, 1), 1),
        ("BINARY", (0, 1), 1),
        ("TERNARY", (-1, 1), 2),
    ],
)
def test_ranges_and_bits(dtype: str, values: tuple[int, int], bits: int) -> None:
    assert (value_range(dtype), bits_of(dtype)) == (values, bits)
    assert (onboard.value_range(dtype), onboard.bits_of(dtype)) == (values, bits)


@pytest.mark.parametrize(
    "dtype", ["FLOAT32", "FIXED<8,4>", "INT0", "UINT63", "int4", "", "UINT288"]
)
def test_types_that_are_no_integers_are_refused(dtype: str) -> None:
    with pytest.raises(InputError, match=f"datatype {dtype}; .* integer type of at most 62 bits"):
        value_range(dtype)
