"""``make bench-folding``: our folding search against FINN's SetFolding, and CNV in RTL.

The table ``search`` has estimates only, on the specialised graphs of the zoo; ``cnv`` compiles
and simulates CNV with FINN's published folding and with ours.
"""

import copy
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qonnx.core.modelwrapper import ModelWrapper

from benchmarks.zoo import Entry, flow_for, zoo
from lepton_hw import __version__
from lepton_hw.artifacts import write_atomically
from lepton_hw.board import Board, load_board
from lepton_hw.compiler.compile import specialize
from lepton_hw.compiler.folding import Choices, Folding, Goal, choices, price, search
from lepton_hw.compiler.steps import FinnSteps
from lepton_hw.compiler.world import finn_world
from lepton_hw.errors import LeptonError
from lepton_hw.flow import Compile
from lepton_hw.pipeline import Options, build
from lepton_hw.stages.compile import Compiled
from lepton_hw.stages.simulate import Simulated

PUBLISHED = Path(__file__).parent / "foldings" / "cnv-w1a1.json"
#: Frames per second that MLPerf Tiny lists for the published design, from its latency of 1.51 ms.
LISTED_FPS = 661
#: The smaller board, and the one for what does not fit there.
BOARDS = ("pynq_z2", "zcu104")
#: Times the zoo's target, which is low so that it simulates quickly.
TIMES = (1, 4)
SCRATCH = Path("build/bench/folding")
OUT = Path("build/bench/folding.json")
#: Kernels that SetFolding knows as RTL.
KNOWN = ("MVAU", "VVAU", "Thresholding", "ConvolutionInputGenerator", "FMPadding")


@dataclass(frozen=True)
class Duel:
    """SetFolding's result, ours at its speed, ours with its resources."""

    finn: Folding
    cheaper: Folding
    faster: Folding


def file_of(entry: Entry, board: Board) -> Path:
    """The QONNX file that the compiler gets for this entry."""
    return build(flow_for(entry), board, Options(to="export"))["export"].path("model.onnx")


def specialized(file: Path, board: Board) -> ModelWrapper:
    """The graph that both searches fold; to be called within `finn_world`."""
    folder = SCRATCH / "finn"
    folder.mkdir(parents=True, exist_ok=True)
    steps = FinnSteps(board, folder, folder / "finn.log")
    model, _ = steps.front(ModelWrapper(str(file)))
    return specialize(steps, model)


def duel(model: ModelWrapper, among: Choices, board: Board, fps: int) -> Duel:
    """Both searches at the same target on the same kernels, priced by the same models."""
    finn = price(set_folding(model, int(board.clock * 1e6 / fps)), board)
    cheaper = search(model, board, Goal(finn.cycles), budget=finn.cost, among=among)
    faster = search(model, board, Goal(), budget=finn.cost, among=among)
    return Duel(finn, cheaper, faster)


def set_folding(model: ModelWrapper, cycles: int) -> ModelWrapper:
    """FINN's own choice. SetFolding knows most kernels of ours only as FINN's HLS ones, so they
    go by those names for as long as it runs.
    """
    from finn.custom_op.fpgadataflow.hls import custom_op as hls
    from finn.transformation.fpgadataflow.set_folding import SetFolding

    model = copy.deepcopy(model)
    kinds = [(node.name, node.op_type, node.domain) for node in model.graph.node]
    for node in model.graph.node:
        other = node.op_type.removesuffix("_rtl") + "_hls"
        if other in hls and not node.op_type.startswith(KNOWN):
            node.op_type, node.domain = other, "finn.custom_op.fpgadataflow.hls"
    model = model.transform(SetFolding(cycles))
    for node, (name, op_type, domain) in zip(model.graph.node, kinds, strict=True):
        node.name, node.op_type, node.domain = name, op_type, domain
    return model


def compare(entry: Entry) -> list[dict[str, Any]]:
    """A row a target: on the first board that SetFolding's design fits, else the last."""
    known: dict[str, tuple[ModelWrapper, Choices]] = {}
    rows = []
    for times in TIMES:
        for name in BOARDS:
            board = load_board(name)
            file = file_of(entry, board)
            with finn_world(SCRATCH / "finn-scratch", SCRATCH / "finn.log"):
                if name not in known:
                    model = specialized(file, board)
                    known[name] = (model, choices(model, board))
                result = duel(*known[name], board, times * entry.target_fps)
            if result.finn.fits:
                break
        rows.append(_row(entry, times * entry.target_fps, board, result))
    return rows


def _row(entry: Entry, fps: int, board: Board, result: Duel) -> dict[str, Any]:
    row: dict[str, Any] = {"name": entry.name, "bits": entry.bits, "target_fps": fps}
    for title in ("finn", "cheaper", "faster"):
        folding: Folding = getattr(result, title)
        row[title] = {
            "fps": round(board.clock * 1e6 / folding.cycles), "cycles": folding.cycles,
            **{key: round(value) for key, value in folding.cost.items()},
        }  # fmt: skip
    return row | {"board": board.name, "verdict": verdict(result)}


def verdict(result: Duel) -> str:
    """Better: faster within SetFolding's resources, or as fast with fewer of one and no more of
    any; whole LUTs count.
    """
    finn, ours = result.finn, result.cheaper
    more = [ours.cost[name] - finn.cost[name] for name in finn.cost]
    if result.faster.fits and result.faster.cycles < finn.cycles:
        return "better"
    if ours.cycles > finn.cycles or max(more) > 0.5:
        return "worse"
    return "better" if min(more) < -0.5 else "equal"


def cnv(title: str, goal: Compile, board: Board) -> dict[str, Any]:
    """CNV w1a1 through RTL simulation: cycles a frame and latency against the estimate."""
    entry = next(entry for entry in zoo() if (entry.name, entry.bits) == ("cnv", "w1a1"))
    flow = flow_for(entry).model_copy(
        update={"name": f"bench_folding_{title}", "title": title, "compile": goal}
    )
    done = build(flow, board, Options(to="simulate"))
    compiled, simulated = done["compile"], done["simulate"]
    assert isinstance(compiled, Compiled)
    assert isinstance(simulated, Simulated)
    estimate = max(layer.cycles for layer in compiled.layers)
    return {
        "folding": title, "board": board.name, "estimate_cycles": estimate,
        "rtl_cycles": simulated.cycles_per_frame,
        "deviation": round(simulated.cycles_per_frame / estimate - 1, 4),
        "latency_cycles": simulated.latency_cycles,
        "fps": round(board.clock * 1e6 / simulated.cycles_per_frame),
        "lut": compiled.lut, "bram36": compiled.bram36, "dsp": compiled.dsp,
    }  # fmt: skip


def main() -> None:
    """Prints both tables and writes them to ``build/bench/folding.json``."""
    rows, failed = [], []
    for entry in zoo():
        try:
            found = compare(entry)
        except LeptonError as error:
            failed.append({"name": entry.name, "bits": entry.bits, "note": str(error)})
            print(f"{entry.name:20} {entry.bits:5} {error}", flush=True)
            continue
        rows += found
        for row in found:
            _print(row)
    board = load_board("pynq_z1")
    designs = [cnv("published", Compile(folding=str(PUBLISHED)), board)]
    designs.append(cnv("twice", Compile(target_fps=2 * designs[0]["fps"]), board))
    designs.append(cnv("largest", Compile(largest=True), board))
    for design in designs:
        print("  ".join(f"{key} {value}" for key, value in design.items()), flush=True)
    text = {
        "version": __version__, "listed_fps": LISTED_FPS, "search": rows, "failed": failed,
        "cnv": designs,
    }  # fmt: skip
    write_atomically(OUT, json.dumps(text, indent=1) + "\n")
    counts = Counter(row["verdict"] for row in rows)
    print(", ".join(f"{number} {name}" for name, number in counts.items()), f"({OUT})")


def _print(row: dict[str, Any]) -> None:
    """Three lines a network: SetFolding, ours at its speed, ours with its resources."""
    print(f"{row['name']} {row['bits']} on {row['board']}, {row['target_fps']:,} frames/s wanted")
    for title in ("finn", "cheaper", "faster"):
        cells = "  ".join(f"{value:>9,} {key}" for key, value in row[title].items())
        print(f"  {title:8} {cells}", flush=True)
    print(f"  {row['verdict']}", flush=True)


if __name__ == "__main__":
    main()
