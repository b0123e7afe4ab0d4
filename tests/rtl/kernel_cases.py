"""Random kernels in one design: RTL against FINN's own Python model, and cycles against formulas.

Several kernels that have nothing to do with each other stand side by side in a design, because
building a simulator takes much longer than running it. ``LEPTON_EXAMPLES`` sets the number of
kernels of each test (10 if unset).
"""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, assume, settings
from hypothesis import strategies as st
from qonnx.core.datatype import DataType
from qonnx.custom_op.registry import getCustomOp

from lepton_hw.board import load_board
from lepton_hw.compiler.node_design import node_design, node_model
from lepton_hw.compiler.world import finn_world
from lepton_hw.errors import StageError
from lepton_hw.sim.result import steady_interval
from lepton_hw.sim.simulator import Simulator

PACK = 5
FRAMES = 8
DOMAIN = "finn.custom_op.fpgadataflow.rtl"

#: What matrix kernels are tried with.
ACTIVATIONS = [
    "BIPOLAR", "BINARY", "TERNARY", *(f"UINT{n}" for n in range(2, 9)),
    *(f"INT{n}" for n in range(2, 9)), "UINT12", "INT16",
]  # fmt: skip
WEIGHTS = [
    "BIPOLAR", "BINARY", "TERNARY", *(f"INT{n}" for n in range(2, 9)), "UINT2", "UINT4", "UINT8",
]  # fmt: skip
MODES = ["internal_embedded", "internal_embedded", "internal_decoupled"]


def examples_in_packs(pack: int) -> Any:
    """Same examples every time; no shrinking, which would build hundreds of simulators."""
    return settings(
        max_examples=max(1, int(os.environ.get("LEPTON_EXAMPLES", "10")) // pack),
        derandomize=True,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )


examples = examples_in_packs(PACK)


@dataclass(frozen=True)
class Case:
    """One kernel: op type, attributes, streams and constants as (shape or array, datatype)."""

    op: str
    attributes: dict[str, Any]
    inputs: tuple[tuple[tuple[int, ...], str], ...]
    outputs: tuple[tuple[tuple[int, ...], str], ...]
    constants: tuple[tuple[Any, str], ...] = field(repr=False, default=())
    minimize: bool = False  # shrink the output type to what the weights can give
    constants_first: bool = False  # the order of the op's inputs
    highest: int | None = None  # inputs above it are not defined

    def _repr_pretty_(self, printer: Any, _: bool) -> None:
        printer.text(repr(self))  # hypothesis would print every weight


def random_codes(rng: np.random.Generator, kind: str, shape: tuple[int, ...]) -> Any:
    """Integers of a FINN datatype, all of them equally likely."""
    if kind == "BIPOLAR":
        return rng.integers(0, 2, shape) * 2 - 1
    low, high = int(DataType[kind].min()), int(DataType[kind].max())
    return rng.integers(low, high, shape, endpoint=True)


def frames(rng: np.random.Generator, kind: str, shape: tuple[int, ...]) -> Any:
    """A batch: lowest values, highest values, both at random, the rest uniform."""
    low, high = int(DataType[kind].min()), int(DataType[kind].max())
    batch = random_codes(rng, kind, (FRAMES, *shape))
    batch[0], batch[1] = low, high
    batch[2] = rng.choice([low, high], shape)
    return batch


def verify(cases: list[Case], folder: Path, seed: int) -> None:
    """Every output of every kernel exact, at full speed and with pauses; cycles as estimated."""
    # Hypothesis begins with the simplest pack, the same trivial kernel over and over.
    assume(len(set(map(repr, cases))) > len(cases) // 2)
    rng = np.random.default_rng(seed)
    with finn_world(folder / "finn", folder / "finn.log"):
        model = _model(cases)
        design, place = node_design(model, folder, load_board("pynq_z2"))
        cycles = [node.cycles_estimate for node in design.nodes if node.op != "WeightStreamer"]
        batch = {}
        for name in design.inputs:
            stream = design.stream(name)
            batch[name] = frames(rng, stream.dtype, stream.shape[1:])
        for name, case in zip(design.inputs, _owners(cases), strict=True):
            if case.highest is not None:
                batch[name] = np.minimum(batch[name], case.highest)
        golden = _golden(folder / "finn.onnx", design, batch)
    simulator = Simulator(design, place)
    fast = simulator.run(batch)
    _compare(cases, golden, fast.outputs, design, "at full speed")
    outputs = iter(design.outputs)
    for case, expected in zip(cases, cycles, strict=True):
        for _ in case.outputs:
            found = steady_interval(fast.output_stamps[next(outputs)])
            assert found == expected, f"{case}: {found} cycles a frame, by formula {expected}"
    slow = simulator.run(batch, gap=0.4, stall=0.4, seed=seed)
    _compare(cases, golden, slow.outputs, design, f"with pauses, seed {seed}")


def _owners(cases: list[Case]) -> list[Case]:
    return [case for case in cases for _ in case.inputs]


def _compare(cases: list[Case], golden: Any, outputs: Any, design: Any, when: str) -> None:
    found = outputs if isinstance(outputs, dict) else {design.outputs[0]: outputs}
    names = iter(design.outputs)
    for case in cases:
        for _ in case.outputs:
            name = next(names)
            wrong = int((found[name] != golden[name]).sum())
            assert not wrong, f"{case}: {wrong} of {golden[name].size} integers differ {when}"


def _model(cases: list[Case]) -> Any:
    from onnx import helper

    nodes, inputs, outputs, constants = [], {}, {}, {}
    for index, case in enumerate(cases):
        named = [
            {f"{letter}{index}_{i}": value for i, value in enumerate(values)}
            for letter, values in (
                ("x", case.inputs), ("y", case.outputs), ("w", case.constants),
            )
        ]  # fmt: skip
        for all_values, values in zip((inputs, outputs, constants), named, strict=True):
            all_values.update(values)
        operands = [*named[2], *named[0]] if case.constants_first else [*named[0], *named[2]]
        nodes.append(
            helper.make_node(
                case.op, operands, [*named[1]], domain=DOMAIN,
                backend="fpgadataflow", **case.attributes,
            )
        )  # fmt: skip
    model = node_model(nodes, inputs, outputs, constants)
    for node, case in zip(model.graph.node, cases, strict=True):
        if case.minimize:
            op = getCustomOp(node)
            op.minimize_accumulator_width(model)
            model.set_tensor_datatype(node.output[0], op.get_output_datatype())
    return model


def _golden(file: Path, design: Any, batch: dict[str, Any]) -> dict[str, Any]:
    from finn.core.onnx_exec import execute_onnx
    from qonnx.core.modelwrapper import ModelWrapper

    model = ModelWrapper(str(file))
    tensors = {name: design.stream(name).tensor for name in (*design.inputs, *design.outputs)}
    rows: dict[str, list[Any]] = {name: [] for name in design.outputs}
    for frame in range(FRAMES):
        feed = {
            tensors[name]: batch[name][frame][None].astype(np.float32) for name in design.inputs
        }
        result = execute_onnx(model, feed)
        for name in design.outputs:
            rows[name].append(np.rint(result[tensors[name]][0]).astype(np.int64))
    return {name: np.stack(values) for name, values in rows.items()}


def refusal(folder: Path, case: Case, message: str) -> None:
    """Generating this one kernel must fail with a `StageError` that matches `message`."""
    with finn_world(folder / "finn", folder / "log"):
        model = _model([case])
        node = model.graph.node[0]
        node.name = "layer_0"
        op = getCustomOp(node)
        op.set_nodeattr("code_gen_dir_ipgen", str(folder))
        with pytest.raises(StageError, match=message):
            op.code_generation_ipgen(model, "xc7z020clg400-1", 10.0)


def divisor(draw: Any, number: int) -> int:
    """Any divisor."""
    return draw(st.sampled_from([n for n in range(1, number + 1) if number % n == 0]))


def longest(activation: str, weight: str) -> int:
    """Most elements whose sum FINN's float32 model still holds exactly (24 bits), at most 40."""
    bits = DataType[activation].bitwidth() + DataType[weight].bitwidth()
    return min(40, 1 << (24 - bits))
