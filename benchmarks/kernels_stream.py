"""``python -m benchmarks.kernels_stream``: elementwise, forks, joins, top-K and tables by Yosys.

Cells for xc7 beside our estimates; the table is that of ``docs/kernels.md``.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.table import write
from lepton_hw.compiler.kernels.spec import RTL, Spec, wrapper_text
from lepton_hw.compiler.world import finn_world
from lepton_hw.tools import yosys
from lepton_hw.tools.families import Cells

PART = "xc7z020clg400-1"


def _eltwise(op: str, kinds: tuple[str, str], pe: int, const: bool, out: str) -> dict[str, Any]:
    shape = [1, 8, 8, 64]
    other = [64] if const else shape
    attributes = {
        "lhs_dtype": kinds[0], "rhs_dtype": kinds[1], "out_dtype": out, "PE": pe,
        "lhs_shape": shape, "rhs_shape": other, "out_shape": shape,
        "rhs_style": "const" if const else "input", "mem_mode": "internal_embedded",
    }  # fmt: skip
    return {"op": f"Elementwise{op}", "inputs": [shape, other], "attributes": attributes}


def _fork(kind: str, pe: int, branches: int) -> dict[str, Any]:
    attributes = {
        "NumChannels": 64, "PE": pe, "NumOutputStreams": branches, "inputDataType": kind,
        "numInputVectors": [1, 8, 8],
    }  # fmt: skip
    return {"op": "DuplicateStreams", "inputs": [[1, 8, 8, 64]], "outputs": branches,
            "attributes": attributes}  # fmt: skip


def _join(op: str, simd: int, streams: int) -> dict[str, Any]:
    concat = op == "StreamingConcat"
    types = {"inputDataTypes": ["UINT4"] * streams} if concat else {"inputDataType": "UINT4"}
    attributes = {
        "SIMD": simd, "ChannelsPerStream": [64] * streams, "numInputVectors": [1, 8, 8], **types
    }  # fmt: skip
    inputs = [[1, 8, 8, 64]] * streams if concat else [[1, 8, 8, 64 * streams]]
    return {"op": op, "inputs": inputs, "outputs": 1 if concat else streams,
            "attributes": attributes}  # fmt: skip


def _labels(labels: int, pe: int, k: int, kind: str) -> dict[str, Any]:
    attributes = {
        "Labels": labels, "PE": pe, "K": k, "inputDataType": kind, "outputDataType": "UINT16"
    }  # fmt: skip
    return {"op": "LabelSelect", "inputs": [[1, labels]], "attributes": attributes}


def _table(depth: int, width: int, kind: str) -> dict[str, Any]:
    attributes = {
        "NumEmbeddings": depth, "EmbeddingDim": width, "EmbeddingType": kind,
        "InputType": f"UINT{(depth - 1).bit_length()}", "InputShape": [1, 8], "ram_style": "auto",
    }  # fmt: skip
    return {"op": "Lookup", "inputs": [[1, 8], [depth, width]], "attributes": attributes}


#: Configuration in words, and the node.
NODES = (
    ("UINT4 + INT8", "PE 1", _eltwise("Add", ("UINT4", "INT8"), 1, False, "INT9")),
    ("UINT4 + INT8", "PE 8", _eltwise("Add", ("UINT4", "INT8"), 8, False, "INT9")),
    ("INT16 + INT16", "PE 64", _eltwise("Add", ("INT16", "INT16"), 64, False, "INT17")),
    ("INT8 - constant INT8", "PE 8", _eltwise("Sub", ("INT8", "INT8"), 8, True, "INT9")),
    ("UINT4 x UINT4", "PE 1", _eltwise("Mul", ("UINT4", "UINT4"), 1, False, "UINT8")),
    ("INT4 x INT8", "PE 8", _eltwise("Mul", ("INT4", "INT8"), 8, False, "INT12")),
    ("INT8 x constant INT8", "PE 8", _eltwise("Mul", ("INT8", "INT8"), 8, True, "INT16")),
    ("2 branches UINT4", "PE 4", _fork("UINT4", 4, 2)),
    ("4 branches INT8", "PE 64", _fork("INT8", 64, 4)),
    ("2 x UINT4", "SIMD 4", _join("StreamingConcat", 4, 2)),
    ("4 x UINT4", "SIMD 64", _join("StreamingConcat", 64, 4)),
    ("2 x UINT4", "SIMD 4", _join("StreamingSplit", 4, 2)),
    ("4 x UINT4", "SIMD 64", _join("StreamingSplit", 64, 4)),
    ("10 labels INT16, K 1", "PE 1", _labels(10, 1, 1, "INT16")),
    ("10 labels INT16, K 1", "PE 10", _labels(10, 10, 1, "INT16")),
    ("1000 labels INT16, K 5", "PE 1", _labels(1000, 1, 5, "INT16")),
    ("1000 labels INT16, K 5", "PE 8", _labels(1000, 8, 5, "INT16")),
    ("16 words of 8 INT4", "", _table(16, 8, "INT4")),
    ("256 words of 16 INT8", "", _table(256, 16, "INT8")),
    ("4096 words of 64 INT8", "", _table(4096, 64, "INT8")),
)  # fmt: skip


def rows(folder: Path) -> list[dict[str, Any]]:
    """One row a node."""
    found = []
    with finn_world(folder / "finn", folder / "finn.log"):
        for name, fold, case in NODES:
            op, spec = _spec(case)
            cells = _cells(spec, folder, op.dsp_estimation(PART) > 0)
            found.append(
                {
                    "kernel": case["op"], "configuration": name, "folding": fold,
                    "cycles": int(op.get_exp_cycles()), "lut": cells.lut, "ff": cells.ff,
                    "bram18": cells.bram18, "dsp": cells.dsp,
                    "lut_estimate": round(op.lut_estimation(PART)),
                    "bram18_estimate": round(op.bram_estimation(PART)),
                    "dsp_estimate": round(op.dsp_estimation(PART)),
                }
            )  # fmt: skip
    return found


def _spec(case: dict[str, Any]) -> tuple[Any, Spec]:
    from onnx import helper
    from qonnx.custom_op.registry import getCustomOp

    from lepton_hw.compiler.kernels import DOMAIN
    from lepton_hw.compiler.node_design import node_model

    inputs = [f"x{i}" for i in range(len(case["inputs"]))]
    outputs = [f"y{i}" for i in range(case.get("outputs", 1))]
    node = helper.make_node(
        f"{case['op']}_rtl", inputs, outputs, name="node", domain=DOMAIN,
        backend="fpgadataflow", **case["attributes"],
    )  # fmt: skip
    streams = {n: (tuple(s), "INT32") for n, s in zip(inputs, case["inputs"], strict=True)}
    constants = {}
    if case["op"] == "Lookup" or case["attributes"].get("rhs_style") == "const":
        shape, _ = streams.pop("x1")
        kind = "EmbeddingType" if case["op"] == "Lookup" else "rhs_dtype"
        high = 1 << (int(case["attributes"][kind].lstrip("UINT")) - 1)
        values = np.random.default_rng(0).integers(-high, high, shape)
        constants["x1"] = (values.astype(np.float32), case["attributes"][kind])
    model = node_model([node], streams, dict.fromkeys(outputs, ((1,), "INT32")), constants)
    op = getCustomOp(model.graph.node[0])
    return op, op.kernel(model)


def _cells(spec: Spec, folder: Path, dsp: bool) -> Cells:
    wrapper = folder / "node.v"
    wrapper.write_text(wrapper_text(spec, "node", Path()))
    sources = [*(RTL / name for name in spec.sources), wrapper]
    return yosys.synthesize("node", sources, {}, spec.files, dsp)


def main() -> None:
    """Prints and writes the table."""
    with TemporaryDirectory() as folder:
        write("kernels_stream", rows(Path(folder)))


if __name__ == "__main__":
    main()
