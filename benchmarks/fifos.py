"""``make bench-fifos``: bits of FIFO storage against FINN's own sizing, and the speed they keep.

ResNet-8 and CNV as in the zoo: random weights, ZCU104.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.networks import flow_of, untrained
from benchmarks.table import write
from lepton_hw.board import load_board
from lepton_hw.flow import Model
from lepton_hw.pipeline import Options, build
from lepton_hw.stages.compile import Compiled

BOARD, SHAPE, CLASSES, VECTORS = "zcu104", (32, 32, 3), 10, 3


@dataclass(frozen=True)
class Row:
    """One design. `interval` in cycles per frame with FIFOs of any depth, `reached` with these."""

    design: str
    fifo_bits: int
    fifo_bits_finn: int
    share_percent: float
    interval: float
    reached: float
    compile_seconds: float


def measure(name: str, bits: int, fps: int) -> Row:
    """Compiles one network of that many bits for that many frames a second."""
    model = Model(name=name, weight_bits=bits, act_bits=bits)
    file = untrained(model, SHAPE, CLASSES, Path(f"build/bench/{name}_{bits}bit.onnx"))
    flow = flow_of(file, name, fps, VECTORS)
    compiled = build(flow, load_board(BOARD), Options(to="compile"))["compile"]
    assert isinstance(compiled, Compiled)
    assert compiled.fifo_bits_finn is not None and compiled.interval_reached is not None
    return Row(
        design=f"{name}, {bits} bits",
        fifo_bits=compiled.fifo_bits,
        fifo_bits_finn=compiled.fifo_bits_finn,
        share_percent=round(100 * compiled.fifo_bits / compiled.fifo_bits_finn, 1),
        interval=compiled.interval,
        reached=compiled.interval_reached,
        compile_seconds=round(compiled.seconds, 1),
    )


def main() -> None:
    """Measures both."""
    rows = [measure("resnet8", 4, 500), measure("cnv", 2, 700)]
    write("fifos", [asdict(row) for row in rows])


if __name__ == "__main__":
    main()
