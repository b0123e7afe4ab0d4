"""``make bench-kernels``: LUTs, registers and block RAM of our kernels by Yosys for xc7.

The table ``adder_tree`` sets the arithmetic of the matrix-vector unit against a plain adder tree of
the same folding, registered after every level and not at all.
"""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.table import write
from lepton_hw.compiler.kernels import dot_formats as formats
from lepton_hw.compiler.kernels.spec import RTL, Parameter, Spec, Stream, wrapper_text
from lepton_hw.tools import yosys

HERE = Path(__file__).parent
#: Name, activation bits and kind, weight bits and kind.
FORMATS = (
    ("1x1 XNOR", 1, formats.BIPOLAR, 1, formats.BIPOLAR),
    ("2xBIPOLAR", 2, formats.UNSIGNED, 1, formats.BIPOLAR),
    ("2xTERNARY", 2, formats.UNSIGNED, 2, formats.TERNARY),
    ("2x2", 2, formats.UNSIGNED, 2, formats.SIGNED),
    ("4x4", 4, formats.UNSIGNED, 4, formats.SIGNED),
)
#: PE, SIMD, and rows and columns of the matrix.
SIZES = ((2, 8, 32, 64), (4, 16, 64, 128), (16, 32, 128, 256))


def adder_tree() -> list[dict[str, Any]]:
    """LUTs of the arithmetic alone: ours and the two plain trees."""
    rows = []
    ours = [*(RTL / name for name in formats.SOURCES), HERE / "dot_only.sv"]
    for name, a_bits, a_kind, w_bits, w_kind in FORMATS:
        for pe, simd, _, _ in SIZES:
            bits = _sum_bits(simd, a_bits, w_bits, a_kind)
            shape = {"PE": pe, "SIMD": simd, "A_BITS": a_bits, "W_BITS": w_bits, "SUM_BITS": bits}
            dot = yosys.synthesize("dot_only", ours, {**shape, "A_KIND": a_kind, "W_KIND": w_kind})
            plain = [
                yosys.synthesize(
                    "plain_mvau",
                    [HERE / "plain_mvau.sv"],
                    {**shape, "XNOR": int(a_kind == formats.BIPOLAR), "REGISTERS": registers},
                )
                for registers in (1, 0)
            ]
            rows.append(
                {
                    "format": name, "PE": pe, "SIMD": simd, "ours_lut": dot.lut,
                    "tree_lut": plain[0].lut, "merged_tree_lut": plain[1].lut,
                    "ours_ff": dot.ff, "tree_ff": plain[0].ff,
                    "no_higher": dot.lut <= min(plain[0].lut, plain[1].lut),
                }
            )  # fmt: skip
    return rows


def matrix_units() -> list[dict[str, Any]]:
    """Whole units with weights inside, and what the estimate says."""
    rng = np.random.default_rng(0)
    rows = []
    for unit in ("mvau_lut", "vvau_lut"):
        sources = [RTL / name for name in (*formats.SOURCES, "repeat_buffer.sv", f"{unit}.sv")]
        for name, a_bits, a_kind, w_bits, w_kind in FORMATS:
            for pe, simd, mh, mw in SIZES:
                if unit == "vvau_lut":
                    simd, mh, mw = 1, 4 * pe, 9  # noqa: PLW2901 – FINN's usual fold
                bits = _sum_bits(mw, a_bits, w_bits, a_kind)
                depth = mh * mw // (pe * simd)
                codes = rng.integers(0, 1 << w_bits, (depth, pe, simd))
                shape = {"MW": mw, "MH": mh}
                if unit == "vvau_lut":
                    shape = {"KERNEL": mw, "CHANNELS": mh}
                values = {
                    **shape, "PE": pe, "SIMD": simd, "A_BITS": a_bits, "W_BITS": w_bits,
                    "A_KIND": a_kind, "W_KIND": w_kind, "SUM_BITS": bits, "EMBEDDED": 1,
                }  # fmt: skip
                words = formats.planar_words(codes, w_bits)
                lanes = pe * simd
                widths = (simd if unit == "mvau_lut" else lanes) * a_bits, lanes * w_bits, pe * bits
                cells = _synthesize(unit, sources, values, words, widths)
                rows.append(
                    {
                        "unit": unit, "format": name, "MW": mw, "MH": mh, "PE": pe, "SIMD": simd,
                        "lut": cells.lut, "ff": cells.ff, "bram18": cells.bram18,
                    }
                )  # fmt: skip
    return rows


def _synthesize(
    unit: str, sources: list[Path], values: dict[str, int], words: str, widths: tuple[int, ...]
) -> yosys.Cells:
    """The unit in the wrapper that FINN's flow gets, with these weights inside."""
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


def _sum_bits(n: int, a_bits: int, w_bits: int, a_kind: int) -> int:
    if a_kind == formats.BIPOLAR:
        return n.bit_length()
    return a_bits + w_bits + (n - 1).bit_length()


def main() -> None:
    """Prints and writes both tables."""
    write("kernels_adder_tree", adder_tree())
    write("kernels", matrix_units())


if __name__ == "__main__":
    main()
