"""What a layer and a stream between two layers cost: FINN's estimates, and what they leave out.

The additions are fitted to what Yosys builds for xc7 (`make bench-folding` shows the sum against
Yosys). It chooses nothing.
"""

import math
from typing import Any

#: The order of every tuple of costs: LUTs, 18-kbit block RAMs, URAMs, DSPs.
RESOURCES = ("lut", "bram18", "uram", "dsp")
Cost = tuple[float, float, float, float]
#: LUTs of a shallow FIFO besides one a bit.
FIFO_LUT = 20
#: Bits of the multiplier's port that takes packed weights (AMD UG479, UG579).
MULTIPLIER_BITS = {"DSP48E1": 25, "DSP48E2": 27}


def layer_cost(op: Any, part: str) -> Cost:
    """Resources of one layer at its present attributes."""
    # Not node_res_estimation, which asks for efficiencies too and takes twice as long.
    lut, bram = float(op.lut_estimation(part)), float(op.bram_estimation(part))
    uram, dsp = float(op.uram_estimation(part)), float(op.dsp_estimation(part))
    if op.onnx_node.op_type.startswith("StreamingDataWidthConverter"):
        lut = converter_luts(op.get_instream_width(), op.get_outstream_width())
    elif _is_matrix(op) and op.get_nodeattr("resType") != "lut":
        lut, dsp = _dsp_unit(op, part, lut, dsp)
        lut += _decoupled_luts(op)
    if _is_matrix(op):
        lut += _writable_luts(op)
    return (lut, bram, uram, dsp)


def stream_cost(producer: int, consumer: int) -> Cost:
    """Resources of the stream between two layers of these widths in bits: a shallow FIFO of one
    LUT a bit, and where the widths differ FINN's converter and a second FIFO.
    """
    lut = float(FIFO_LUT + consumer)
    if producer != consumer:
        lut += FIFO_LUT + producer + converter_luts(producer, consumer)
    return (lut, 0.0, 0.0, 0.0)


def converter_luts(wide_in: int, wide_out: int) -> float:
    """LUTs of a width converter: one that splits beats holds one and a bit; one that joins them
    gathers them in registers; widths that do not divide each other need a barrel of multiplexers.
    """
    step = math.gcd(wide_in, wide_out)
    if step == wide_in:
        return float(wide_in + 6)
    if step == wide_out:
        return float(wide_in + wide_out + 8)
    return wide_in + wide_out + 0.45 * wide_in * wide_in / step


def _is_matrix(op: Any) -> bool:
    return bool(op.onnx_node.op_type.startswith(("MVAU", "VVAU")))


def _memory_bits(op: Any) -> int:
    lanes = op.get_nodeattr("PE") * op.get_nodeattr("SIMD")
    return int(lanes * op.get_input_datatype(1).bitwidth())


def _dsp_unit(op: Any, part: str, lut: float, dsp: float) -> tuple[float, float]:
    """LUTs and DSPs of FINN's DSP-based matrix-vector unit on 7 series and UltraScale+.

    FINN counts four products a DSP at any width and no LUTs. Its module (`mvu.sv`) packs
    1 + (A - W) // (W + activation bits - 1) products of W-bit weights into the A-bit port of a DSP,
    and separates and adds them in LUTs: fitted at 3, 4 and 8 bits on DSP48E1,
    190 + PE * SIMD * (15.6 + 0.56 * (activation bits + weight bits)). A DSP58 adds by itself.
    """
    from finn.util.basic import get_dsp_block

    block = get_dsp_block(part)
    if block not in MULTIPLIER_BITS or not op.onnx_node.op_type.startswith("MVAU"):
        return lut, dsp
    pe, simd = op.get_nodeattr("PE"), op.get_nodeattr("SIMD")
    a_bits, w_bits = (op.get_input_datatype(i).bitwidth() for i in (0, 1))
    lanes = 1 + (MULTIPLIER_BITS[block] - w_bits) // (w_bits + a_bits - 1)
    luts = 190.0 + pe * simd * (15.6 + 0.56 * (a_bits + w_bits))
    if pe < op.get_nodeattr("MH"):  # the vector is kept for its repetitions, in RAM32M
        luts += 4 * -(-simd * a_bits // 6) * -(-op.get_nodeattr("MW") // simd // 32)
    return lut + luts, float(-(-pe // lanes) * simd)


def _decoupled_luts(op: Any) -> float:
    """LUTs of FINN's weight streamer where its memory is made of LUTs, 64 bits in each."""
    if op.get_nodeattr("mem_mode") != "internal_decoupled":
        return 0.0
    if op.get_nodeattr("ram_style") != "distributed":
        return 0.0
    return float(_memory_bits(op) * math.ceil(int(op.calc_wmem()) / 64))


def _writable_luts(op: Any) -> float:
    """LUTs of FINN's weight streamer besides its memory where software may rewrite it: what gathers
    and splits words of 32 bits, and the queue of words that were fetched ahead.

    Fitted to Yosys: 93, 169, 343, 377 and 596 at 16, 32, 64, 72 and 128 bits; 31 more are the
    layer's share of the shell's ``axil_windows``.
    """
    decoupled = op.get_nodeattr("mem_mode") == "internal_decoupled"
    if not (decoupled and op.get_nodeattr("runtime_writeable_weights")):
        return 0.0
    return 40 + 31 + 4.5 * _memory_bits(op)
