"""Every operator of the integer path in small graphs, to compare a card's integers with the CPU's.

Needs neither FINN nor Brevitas. Values reach the ends of each range.
"""

from collections.abc import Iterator

import numpy as np

from lepton_hw.errors import LeptonError
from lepton_hw.reference import ir
from lepton_hw.reference.build import Builder
from lepton_hw.reference.graph import Graph, Ints, Op
from lepton_hw.reference.reference import Reference

#: Chunks that fill a warp's rows, and that do not.
BATCHES = (1, 16, 17, 33)
FRAMES = 40
Image = tuple[int, int, int]
BYTE, CODES, WIDE = (0, 255), (-8, 7), (-(1 << 40), 1 << 40)


def graphs() -> Iterator[tuple[str, Graph]]:
    """Operators by name, some of them in several arithmetics, each as a graph of its own."""
    rng = np.random.default_rng(5)
    for name, op, shape, bounds in (*_images(rng), *_vectors(rng)):
        builder = Builder()
        names = [builder.input("x", shape, *bounds)]
        outputs = [f"y{place}" for place in range(len(op.sizes) if isinstance(op, ir.Split) else 1)]
        builder.add(name, op, names, outputs)
        yield name, builder.graph(outputs)
    yield from _of_two()


def _images(rng: np.random.Generator) -> list[tuple[str, Op, Image, tuple[int, int]]]:
    whole, odd, every = (7, 6, 8), (7, 6, 5), (1, 1)
    taps = rng.integers(-8, 8, (6, 9))
    return [
        ("pad", ir.Pad((1, 2, 0, 3), 9), odd, CODES),
        ("crop", ir.Crop((1, 2, 0, 3)), odd, CODES),
        ("spread", ir.Spread((2, 3)), odd, (3, 200)),
        ("window in words", ir.Window((3, 3), every, every, 8), whole, BYTE),
        ("window", ir.Window((3, 2), (2, 1), (1, 2), 5), odd, BYTE),
        ("window by channel", ir.Window((3, 3), (1, 2), every, 1), odd, CODES),
        ("depthwise", ir.Depthwise(taps, np.arange(6), 2, 1), (4, 4, 54), CODES),
        ("depthwise, wide", ir.Depthwise(taps << 20, np.arange(6), 3), (4, 4, 54), (0, 1 << 36)),
        ("maximum", ir.Pool(True, 5, 5), (3, 3, 20), CODES),
        ("sum, shifted", ir.Pool(False, 5, 1, shift=2), (3, 3, 20), CODES),
        ("sum, divided", ir.Pool(False, 5, 5, divisor=3), (3, 3, 20), WIDE),
        ("global sum", ir.GlobalSum(), odd, CODES),
        ("clip", ir.Clip(-3, None), odd, CODES),
        ("split", ir.Split(2, (2, 3)), odd, CODES),
        ("repeat", ir.Repeat(2, 3), odd, CODES),
        ("reshape", ir.Reshape((42, 5)), odd, CODES),
        ("transpose", ir.Transpose((2, 0, 1)), odd, CODES),
    ]


def _vectors(rng: np.random.Generator) -> list[tuple[str, Op, tuple[int, ...], tuple[int, int]]]:
    def product(weight: int, rows: int, columns: int, shift: int = 0) -> ir.MatMul:
        weights = rng.integers(-weight, weight, (rows, columns), endpoint=True)
        weights[:, 0] = weight
        return ir.MatMul(weights, rng.integers(-9, 10, columns), shift)

    def steps(count: int, spread: int, channels: int) -> ir.Threshold:
        thresholds = np.sort(rng.integers(-spread, spread, (channels, count)), axis=1)
        return ir.Threshold(thresholds, rng.choice([-1, 1], channels), 2, -7)

    return [
        ("product, signed", product(7, 72, 40), (72,), CODES),
        ("product, bytes", product(127, 27, 64), (27,), BYTE),
        ("product, odd sizes", product(7, 13, 3), (5, 13), CODES),
        ("product, shifted", product(7, 16, 8, 3), (16,), CODES),
        ("product, float32", product(255, 64, 9), (64,), (0, 1023)),
        ("product, float64", product(1 << 20, 64, 9), (64,), (-(1 << 20), 1 << 20)),
        ("product, int64", product(1 << 30, 16, 9), (16,), (-(1 << 28), 1 << 28)),
        ("table", steps(15, 200, 12), (5, 12), (-1000, 1000)),
        ("table of one row", steps(3, 100, 1), (12,), BYTE),
        ("search", steps(15, 1 << 39, 12), (5, 12), WIDE),
        ("largest", ir.TopK(3), (10,), (-2, 2)),
        ("lookup", ir.Lookup(rng.integers(-99, 99, (16, 4))), (7,), (0, 15)),
        ("add a constant", ir.Arithmetic("add", None, np.arange(12)[None]), (5, 12), CODES),
        ("subtract from a constant", ir.Arithmetic("sub", np.arange(12)[None]), (5, 12), CODES),
        ("times a constant", ir.Arithmetic("mul", None, np.array([[1 << 20]])), (12,), WIDE),
    ]


def _of_two() -> Iterator[tuple[str, Graph]]:
    """Operators on two tensors, which are made of one input."""
    for name, op in (
        ("add", ir.Arithmetic("add")),
        ("subtract", ir.Arithmetic("sub")),
        ("multiply", ir.Arithmetic("mul")),
        ("concat", ir.Concat(-1)),
    ):
        builder = Builder()
        left = builder.input("x", (3, 3, 5), *BYTE)
        right = builder.add("clip", ir.Clip(None, 99), [left])
        yield name, builder.graph([builder.add(name, op, [left, right])])


def differences(device: str) -> dict[str, str]:
    """What is not as on the CPU, by operator, batch and way; empty where everything is."""
    found: dict[str, str] = {}
    for name, graph in graphs():
        frames = _frames(graph)
        expected = Reference(graph).run({"x": frames}, graph.outputs)
        for batch in BATCHES:
            for captured in (False, True):
                where = f"{name}, batch {batch}{', CUDA graph' if captured else ''}"
                try:
                    run = Reference(graph, device, batch, captured=captured)
                    got = run.run({"x": frames}, graph.outputs)
                except (RuntimeError, LeptonError) as error:
                    found[where] = str(error).splitlines()[0]
                    continue
                wrong = [n for n in graph.outputs if not np.array_equal(got[n], expected[n])]
                if wrong:
                    found[where] = f"other integers in {', '.join(wrong)}"
    return found


def _frames(graph: Graph) -> Ints:
    (name,) = graph.inputs
    tensor = graph.tensors[name]
    shape, (low, high) = (FRAMES, *tensor.shape), tensor.range
    frames = np.random.default_rng(6).integers(low, high, shape, np.int64, endpoint=True)
    frames[0], frames[1] = low, high
    return frames
