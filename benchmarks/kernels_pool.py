"""``python -m benchmarks.kernels_pool``: pooling and upsampling by Yosys for xc7.

The table is that of ``docs/kernels.md``.
"""

from typing import Any

from benchmarks.table import write
from lepton_hw.compiler.kernels.dot_formats import BIPOLAR, SIGNED, UNSIGNED
from lepton_hw.compiler.kernels.spec import RTL
from lepton_hw.tools import yosys

#: Name; window, PE, input type's bits and kind, maximum, bits of sum and result, shift, divisor.
POOLS = (
    ("max 2x2 UINT4", 4, 4, 4, UNSIGNED, 1, 4, 4, 0, 1),
    ("max 2x2 UINT4", 4, 16, 4, UNSIGNED, 1, 4, 4, 0, 1),
    ("max 3x3 INT8", 9, 64, 8, SIGNED, 1, 8, 8, 0, 1),
    ("max 2x2 BIPOLAR", 4, 64, 1, UNSIGNED, 1, 1, 1, 0, 1),
    ("sum 2x2 UINT4", 4, 4, 4, UNSIGNED, 0, 6, 6, 0, 1),
    ("sum 3x3 INT8", 9, 16, 8, SIGNED, 0, 12, 12, 0, 1),
    ("sum 3x3 BIPOLAR", 9, 64, 1, BIPOLAR, 0, 5, 5, 0, 1),
    ("quantised average 8x8 UINT4", 64, 16, 4, UNSIGNED, 0, 10, 4, 6, 1),
    ("average 3x3 UINT4", 9, 1, 4, UNSIGNED, 0, 8, 4, 0, 9),
    ("average 3x3 INT4", 9, 8, 4, SIGNED, 0, 8, 4, 0, 9),
    ("average 7x7 INT8", 49, 8, 8, SIGNED, 0, 14, 8, 0, 49),
)
#: Channels, PE, pixels, bits of element and sum.
IMAGES = ((64, 1, 25, 4, 9), (256, 4, 9, 4, 8), (1024, 16, 49, 8, 14), (64, 64, 16, 4, 8))
#: Width, channels, SIMD, bits, factor.
ENLARGED = ((8, 16, 4, 4, 2), (16, 32, 8, 4, 2), (32, 64, 1, 8, 2), (4, 4, 4, 4, 4))


def pools() -> list[dict[str, Any]]:
    """Pooling over windows."""
    rows = []
    for name, count, pe, bits, kind, maximum, total, result, shift, divisor in POOLS:
        shape = {
            "PE": pe, "COUNT": count, "IN_BITS": bits, "KIND": kind, "MAXIMUM": maximum,
            "SUM_BITS": total, "OUT_BITS": result, "SHIFT": shift, "DIVISOR": divisor,
        }  # fmt: skip
        rows.append(_row("Pool", name, f"PE {pe}", "pool", shape))
    return rows


def images() -> list[dict[str, Any]]:
    """Sums over images."""
    rows = []
    for channels, pe, pixels, bits, total in IMAGES:
        shape = {
            "PE": pe, "COUNT": pixels, "GROUPS": channels // pe, "IN_BITS": bits,
            "KIND": UNSIGNED, "MAXIMUM": 0, "SUM_BITS": total, "OUT_BITS": total,
        }  # fmt: skip
        size = f"{channels} channels, PE {pe}"
        rows.append(_row("GlobalAccPool", f"{pixels} pixels UINT{bits}", size, "pool", shape))
    return rows


def enlarged() -> list[dict[str, Any]]:
    """Upsampling."""
    rows = []
    for width, channels, simd, bits, factor in ENLARGED:
        fold = channels // simd
        shape = {
            "WIDTH": width, "FOLD": fold, "ROWS": factor, "COLUMNS": factor, "SIMD": simd,
            "BITS": bits,
        }  # fmt: skip
        size = f"{width} pixels of {channels}, SIMD {simd}"
        rows.append(_row("Upsample", f"x{factor} UINT{bits}", size, "upsample", shape))
    return rows


def _row(op: str, name: str, size: str, module: str, shape: dict[str, Any]) -> dict[str, Any]:
    cells = yosys.synthesize(module, [RTL / "dot_pkg.sv", RTL / f"{module}.sv"], shape)
    return {
        "op": op, "what": name, "size": size, "lut": cells.lut, "ff": cells.ff,
        "bram18": cells.bram18,
    }  # fmt: skip


def main() -> None:
    """Prints and writes the table."""
    write("kernels_pool", [*pools(), *images(), *enlarged()])


if __name__ == "__main__":
    main()
