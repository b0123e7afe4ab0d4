"""``make bench-kernels``: LUTs, registers and block RAM of our kernels by Yosys for xc7.

The table ``adder_tree`` sets the arithmetic of the matrix-vector unit against a plain adder tree of
the same folding, registered after every level and not at all.
"""

import os
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import kernels_pool, kernels_stream
from benchmarks.table import write
from lepton_hw.compiler.kernels import dot_formats as formats
from lepton_hw.compiler.kernels.spec import RTL, Parameter, Spec, Stream, wrapper_text
from lepton_hw.tools import yosys
from lepton_hw.tools.families import Cells

HERE = Path(__file__).parent
#: Name, activation bits and kind, weight bits and kind.
Format = tuple[str, int, int, int, int]
FORMATS = (
    ("XNOR", 1, formats.BIPOLAR, 1, formats.BIPOLAR),
    ("BIPOLAR x TERNARY", 1, formats.BIPOLAR, 2, formats.TERNARY),
    ("BIPOLAR x INT2", 1, formats.BIPOLAR, 2, formats.SIGNED),
    ("BINARY x BIPOLAR", 1, formats.UNSIGNED, 1, formats.BIPOLAR),
    ("BINARY x TERNARY", 1, formats.UNSIGNED, 2, formats.TERNARY),
    ("BINARY x INT2", 1, formats.UNSIGNED, 2, formats.SIGNED),
    ("UINT2 x BIPOLAR", 2, formats.UNSIGNED, 1, formats.BIPOLAR),
    ("UINT2 x TERNARY", 2, formats.UNSIGNED, 2, formats.TERNARY),
    ("UINT2 x INT2", 2, formats.UNSIGNED, 2, formats.SIGNED),
    ("INT2 x BIPOLAR", 2, formats.SIGNED, 1, formats.BIPOLAR),
    ("INT2 x TERNARY", 2, formats.SIGNED, 2, formats.TERNARY),
    ("INT2 x INT2", 2, formats.SIGNED, 2, formats.SIGNED),
    ("UINT4 x INT4", 4, formats.UNSIGNED, 4, formats.SIGNED),
)
#: Those of whole units.
UNIT_FORMATS = tuple(row for row in FORMATS if row[0] in ("XNOR", "UINT2 x INT2", "UINT4 x INT4"))
#: PE, SIMD, and rows and columns of the matrix.
SIZES = ((2, 8, 32, 64), (4, 16, 64, 128), (16, 32, 128, 256))


def adder_tree() -> list[dict[str, Any]]:
    """LUTs of the arithmetic alone: ours and the two plain trees."""
    cases = [(numbers, size) for numbers in FORMATS for size in SIZES]
    return _side_by_side(_against_trees, cases)


def _against_trees(numbers: Format, size: tuple[int, int, int, int]) -> dict[str, Any]:
    name, a_bits, a_kind, w_bits, w_kind = numbers
    pe, simd, _, _ = size
    shape = {
        "PE": pe, "SIMD": simd, "A_BITS": a_bits, "W_BITS": w_bits, "A_KIND": a_kind,
        "W_KIND": w_kind, "SUM_BITS": _sum_bits(simd, (a_bits, a_kind), (w_bits, w_kind)),
    }  # fmt: skip
    sources = [*(RTL / file for file in formats.SOURCES), HERE / "dot_only.sv"]
    ours = yosys.synthesize("dot_only", sources, shape)
    tree, merged = (
        yosys.synthesize("plain_mvau", [HERE / "plain_mvau.sv"], {**shape, "REGISTERS": registers})
        for registers in (1, 0)
    )
    return {
        "format": name, "PE": pe, "SIMD": simd, "ours_lut": ours.lut, "tree_lut": tree.lut,
        "merged_tree_lut": merged.lut, "ours_ff": ours.ff, "tree_ff": tree.ff,
        "no_higher": ours.lut <= min(tree.lut, merged.lut),
    }  # fmt: skip


def matrix_units() -> list[dict[str, Any]]:
    """Whole units with weights inside, and what the estimate says."""
    cases = [
        (unit, numbers, size)
        for unit in ("mvau_lut", "vvau_lut")
        for numbers in UNIT_FORMATS
        for size in SIZES
    ]
    return _side_by_side(_unit, cases)


def _unit(unit: str, numbers: Format, size: tuple[int, int, int, int]) -> dict[str, Any]:
    name, a_bits, a_kind, w_bits, w_kind = numbers
    pe, simd, mh, mw = size
    shape = {"MW": mw, "MH": mh}
    if unit == "vvau_lut":
        simd, mh, mw = 1, 4 * pe, 9  # FINN's usual fold
        shape = {"KERNEL": mw, "CHANNELS": mh}
    bits = _sum_bits(mw, (a_bits, a_kind), (w_bits, w_kind))
    depth, lanes, fold = mh * mw // (pe * simd), pe * simd, mw // simd
    values = {
        **shape, "PE": pe, "SIMD": simd, "A_BITS": a_bits, "W_BITS": w_bits,
        "A_KIND": a_kind, "W_KIND": w_kind, "SUM_BITS": bits, "EMBEDDED": 1,
    }  # fmt: skip
    codes = np.random.default_rng(0).integers(0, 1 << w_bits, (depth, pe, simd))
    words = formats.planar_words(codes, w_bits)
    widths = (simd if unit == "mvau_lut" else lanes) * a_bits, lanes * w_bits, pe * bits
    cells = _synthesize(unit, values, words, widths)
    estimate = formats.dot_luts(pe, simd, a_bits, w_bits, bits, fold)
    if not cells.bram18:
        estimate += formats.memory_luts(depth, lanes * w_bits)
    if unit == "mvau_lut":
        estimate += formats.repeat_luts(simd * a_bits, fold, mh // pe)
    return {
        "unit": unit, "format": name, "MW": mw, "MH": mh, "PE": pe, "SIMD": simd,
        "lut": cells.lut, "lut_estimate": estimate, "ff": cells.ff, "bram18": cells.bram18,
    }  # fmt: skip


def _side_by_side(measure: Callable[..., dict[str, Any]], cases: list[Any]) -> list[dict[str, Any]]:
    """One Yosys for each core at a time."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(lambda case: measure(*case), cases))


def _synthesize(unit: str, values: dict[str, int], words: str, widths: tuple[int, ...]) -> Cells:
    """The unit in the wrapper that FINN's flow gets, with these weights inside."""
    sources = [RTL / name for name in (*formats.SOURCES, "repeat_buffer.sv", f"{unit}.sv")]
    data, weight, out = (-(-width // 8) * 8 for width in widths)
    spec = Spec(
        module=unit,
        sources=(),
        parameters=tuple(Parameter(name, value, 0, 1 << 20) for name, value in values.items()),
        streams=(
            Stream("in0_V", "in", data, True),
            Stream("", "weight", weight, True),
            Stream("out0_V", "out", out, False),
        ),
        texts={"FILE": "weights.dat"},
        files={"weights.dat": words},
    )
    with tempfile.TemporaryDirectory() as scratch:
        top = Path(scratch) / "measured.v"
        top.write_text(wrapper_text(spec, "measured", Path()))
        return yosys.synthesize("measured", [*sources, top], {}, spec.files)


def _sum_bits(n: int, activation: tuple[int, int], weight: tuple[int, int]) -> int:
    if (activation[1], weight[1]) == (formats.BIPOLAR, formats.BIPOLAR):
        return n.bit_length()
    return activation[0] + weight[0] + (n - 1).bit_length()


def main() -> None:
    """Prints and writes every table of docs/kernels.md."""
    write("kernels", matrix_units())
    write("kernels_adder_tree", adder_tree())
    kernels_pool.main()
    kernels_stream.main()


if __name__ == "__main__":
    main()
