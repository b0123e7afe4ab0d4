"""Random matrix units whose weights can be rewritten, behind the shell and the board's driver.

A design is a matrix unit of ours or of FINN's, or a depthwise one, and a second unit behind it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from onnx import helper
from qonnx.core.datatype import DataType
from qonnx.custom_op.registry import getCustomOp

from lepton_hw.board import load_board
from lepton_hw.compiler.execute import FinnGraph
from lepton_hw.compiler.node_design import node_design, node_model
from lepton_hw.compiler.weights import own_weights
from lepton_hw.compiler.world import finn_world
from lepton_hw.contract import InputContract, Port
from lepton_hw.deployment import write_deployment
from lepton_hw.design import Design
from lepton_hw.onboard import Accelerator
from lepton_hw.sim.shell import ShellSim
from tests.rtl.kernel_cases import DOMAIN, random_codes
from tests.rtl.test_driver_rtl import SimTransport

FRAMES = 4
KINDS = ["lut", "dsp", "xnor", "depthwise"]


@dataclass(frozen=True)
class Unit:
    """A first unit and how many outputs the second has; `kind` is lut, dsp, xnor or depthwise."""

    kind: str
    activation: str
    weight: str
    inputs: int  # of a depthwise unit: taps of the kernel
    outputs: int
    pe: int
    simd: int
    pixels: int
    second: int
    second_pe: int
    second_weight: str
    seed: int


def random_unit(kind: str, seed: int) -> Unit:
    """Any format and folding; sums small enough to be the activations of the second unit."""
    rng = np.random.default_rng([KINDS.index(kind), seed])

    def one_of(*values: Any) -> Any:
        return values[rng.integers(len(values))]

    def divisor_of(number: int) -> int:
        return int(one_of(*(n for n in range(1, number + 1) if number % n == 0)))

    activation = one_of("UINT2", "INT3", "UINT4", "INT4", "BIPOLAR")
    weight = one_of("INT2", "INT3", "INT4", "INT5", "BIPOLAR", "BINARY", "TERNARY", "UINT3")
    if kind == "dsp":
        activation = one_of("UINT2", "INT3", "UINT4", "INT4")
        weight = one_of("INT2", "INT3", "INT4", "INT5")
    if kind == "xnor":
        activation = weight = "BINARY"
    inputs, outputs = one_of(4, 6, 9, 24), int(rng.integers(1, 11))
    if kind == "depthwise":
        inputs = one_of(1, 4, 9)
    pe, second = divisor_of(outputs), int(rng.integers(1, 7))
    return Unit(
        kind,
        activation,
        weight,
        inputs,
        outputs,
        pe,
        # FINN folds a kernel only once all channels work side by side.
        simd=divisor_of(inputs) if kind != "depthwise" or pe == outputs else 1,
        pixels=int(rng.integers(1, 4)),
        second=second,
        second_pe=divisor_of(second),
        second_weight=one_of("INT2", "INT3", "BIPOLAR", "TERNARY"),
        seed=seed,
    )


def model_of(unit: Unit) -> Any:
    """The two nodes with random weights; types of sums as for any weights."""
    rng = np.random.default_rng(unit.seed)
    common = {"noActivation": 1, "mem_mode": "internal_decoupled", "runtime_writeable_weights": 1,
              "backend": "fpgadataflow", "domain": DOMAIN, "outputDataType": "INT32"}  # fmt: skip
    depthwise, pixels = unit.kind == "depthwise", unit.pixels
    if depthwise:
        shape: tuple[int, ...] = (unit.outputs, 1, unit.inputs, 1)
        own = {"Dim": [1, pixels], "Channels": unit.outputs, "Kernel": [unit.inputs, 1]}
        width = unit.inputs * unit.outputs
    else:
        shape = (unit.inputs, unit.outputs)
        own = {"MW": unit.inputs, "MH": unit.outputs, "numInputVectors": [1, 1, pixels],
               "binaryXnorMode": int(unit.kind == "xnor")}  # fmt: skip
        width = unit.inputs
    res = "dsp" if unit.kind == "dsp" else "lut"
    first = helper.make_node(
        f"{'V' if depthwise else 'M'}VAU_rtl", ["x", "w0"], ["h"], PE=unit.pe, SIMD=unit.simd,
        inputDataType=unit.activation, weightDataType=unit.weight, resType=res, **own, **common,
    )  # fmt: skip
    weights = random_codes(rng, unit.weight, shape)
    if res == "dsp":  # FINN's unit packs only weights above the lowest
        weights = np.maximum(weights, int(DataType[unit.weight].min()) + 1)
    behind = random_codes(rng, unit.second_weight, (unit.outputs, unit.second))
    second = helper.make_node(
        "MVAU_rtl", ["h", "w1"], ["y"], PE=unit.second_pe, SIMD=unit.pe, MW=unit.outputs,
        MH=unit.second, numInputVectors=[1, 1, pixels], inputDataType="INT16", resType="lut",
        weightDataType=unit.second_weight, **common,
    )  # fmt: skip
    model = node_model(
        [first, second],
        {"x": ((1, 1, pixels, width), unit.activation)},
        {"y": ((1, 1, pixels, unit.second), "INT32")},
        {"w0": (weights.astype(np.float32), unit.weight),
         "w1": (behind.astype(np.float32), unit.second_weight)},
    )  # fmt: skip
    for node in model.graph.node:
        op = getCustomOp(node)
        op.minimize_accumulator_width(model)
        kind = op.get_output_datatype()
        model.set_tensor_datatype(node.output[0], kind)
        model.set_tensor_shape(node.output[0], op.get_normal_output_shape())
        if node is model.graph.node[0]:
            getCustomOp(model.graph.node[1]).set_nodeattr("inputDataType", kind.name)
    return model


@dataclass(frozen=True)
class Running:
    """A design in its shell, the driver on it, and the weights that it started with."""

    design: Design
    sim: ShellSim
    acc: Accelerator
    folder: Path
    inputs: Any
    own: dict[str, Any]

    def expected(self, weights: dict[str, Any]) -> Any:
        """By FINN's Python, with other weights in the graph."""
        from qonnx.core.modelwrapper import ModelWrapper

        model = ModelWrapper(str(self.folder / "finn.onnx"))
        for node in model.graph.node:
            codes = weights[node.name]
            if getCustomOp(node).get_nodeattr("binaryXnorMode"):
                codes = (codes + 1) // 2
            model.set_initializer(node.input[1], codes.astype(np.float32))
        model.save(str(self.folder / "changed.onnx"))
        return FinnGraph(self.folder / "changed.onnx").infer(self.inputs)


def build(unit: Unit, folder: Path) -> tuple[Design, Path]:
    """The design and its folder; ``finn.onnx`` is the golden model."""
    folder.mkdir(exist_ok=True)
    with finn_world(folder / "finn", folder / "finn.log"):
        return node_design(model_of(unit), folder, load_board("pynq_z2"), runtime_weights=True)


@contextmanager
def running(unit: Unit, folder: Path) -> Iterator[Running]:
    """Builds and opens it."""
    from qonnx.core.modelwrapper import ModelWrapper

    design, place = build(unit, folder)
    own = own_weights(ModelWrapper(str(folder / "finn.onnx")))
    doors = [design.stream(names[0]) for names in (design.inputs, design.outputs)]
    ports = [Port(name="p", dtype=d.dtype, shape=d.shape[1:], layout="NHWC") for d in doors]
    inputs = random_codes(np.random.default_rng(unit.seed), unit.activation,
                          (FRAMES, *doors[0].shape[1:]))  # fmt: skip
    (folder / "none.bit").write_bytes(b"none")
    with ShellSim(design, place, np.zeros(1 << 16, np.uint8)) as sim:
        deployed = write_deployment(
            folder / "deployed", folder / "none.bit", design,
            InputContract(input=ports[0], output=ports[1]), load_board("pynq_z2"), sim.digest.hex(),
            (inputs, inputs),
        )  # fmt: skip
        with Accelerator(deployed / "design.bit", batch=4, transport=SimTransport(sim)) as acc:
            yield Running(design, sim, acc, folder, inputs, own)


def random_weights(design: Design, rng: np.random.Generator) -> dict[str, Any]:
    """In the whole of each layer's range."""
    found = {}
    for memory in design.weights:
        found[memory.layer] = rng.integers(memory.low, memory.high, memory.shape, endpoint=True)
        if memory.dtype == "BIPOLAR":
            found[memory.layer] = rng.integers(0, 2, memory.shape) * 2 - 1
    return found


#: A unit of each kind of interest: lines of three words and of one, four words a frame.
PLAIN = Unit("lut", "UINT4", "INT4", 24, 6, 3, 4, 2, 5, 5, "INT3", 7)
