"""``make zoo``: every network of the zoo through compile, RTL simulation and certificate.

Random weights unless the network comes as a file. Networks run side by side, one a core. Prints a
table and writes ``build/zoo.json``, a row a network; one that cannot be built says why in `note`.
"""

import argparse
import json
import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from benchmarks.networks import flow_of, untrained
from lepton_hw.artifacts import Artifact, write_atomically
from lepton_hw.board import load_board
from lepton_hw.compiler.fit import Use, overflow
from lepton_hw.errors import LeptonError
from lepton_hw.flow import Flow, Model
from lepton_hw.pipeline import Options, build
from lepton_hw.stages.certify import Certified
from lepton_hw.stages.compile import Compiled
from lepton_hw.stages.simulate import Simulated

#: Large enough for every network at a folding that simulates quickly; `fits` is about the other.
BUILD_BOARD, FIT_BOARD = "zcu104", "pynq_z2"
CLOCK_HZ = 100e6
SHARED = Path("../shared/models")


@dataclass(frozen=True)
class Entry:
    """One network: its model, image shape and classes, or a finished file."""

    name: str
    bits: str
    target_fps: int
    model: Model | None = None
    shape: tuple[int, int, int] = (0, 0, 0)
    classes: int = 10
    file: Path | None = None
    images: int = 3


@dataclass(frozen=True)
class Row:
    """One line of the table. `fps` at 100 MHz; `ff` is None, since FINN does not estimate it."""

    name: str
    bits: str
    exact: bool | None = None
    images: int = 0
    layers: int = 0
    hls_layers: int | None = None
    parameters: int = 0
    cycles_per_frame: int = 0
    fps: int = 0
    lut: int = 0
    ff: int | None = None
    bram36: int = 0
    dsp: int = 0
    fits: bool | None = None
    seconds: float = 0.0
    note: str = ""


def _net(network: str, weights: int, acts: int, width: float = 1.0) -> Model:
    return Model(name=network, weight_bits=weights, act_bits=acts, width=width)


def zoo() -> list[Entry]:
    """All entries; the files only where they are."""
    entries = []
    for weights, acts in ((1, 1), (1, 2), (2, 2)):
        bits = f"w{weights}a{acts}"
        for name, fps in (("tfc", 20_000), ("lfc", 5_000)):
            entries.append(Entry(name, bits, fps, _net(name, weights, acts), (28, 28, 1)))
        entries.append(Entry("cnv", bits, 700, _net("cnv", weights, acts), (32, 32, 3)))
    entries += [
        Entry("kws_mlp", "w3a3", 5_000, _net("kws_mlp", 3, 3), (49, 10, 1), 12),
        Entry("dscnn", "w4a4", 500, _net("dscnn", 4, 4), (49, 10, 1), 12),
        Entry("vgg10", "w4a4", 2_000, _net("vgg10", 4, 4), (1024, 1, 2), 24),
        Entry("unet", "w4a4", 2_000, _net("unet", 4, 4), (32, 32, 3)),
        Entry("resnet8", "w4a4", 500, _net("resnet8", 4, 4), (32, 32, 3)),
        Entry("mobilenet_v1 x0.25", "w4a4", 200, _net("mobilenet_v1", 4, 4, 0.25), (96, 96, 3)),
    ]
    files = [("TFC_2W2A", "w2a2", ""), ("qkeras_jettagging", "w6a6", "INT8")]
    for stem, bits, _ in files:
        if (SHARED / f"{stem}.onnx").is_file():
            entries.append(Entry(stem, bits, 20_000, file=SHARED / f"{stem}.onnx", images=64))
    return entries


def run(entry: Entry) -> Row:
    """Builds and certifies one entry."""
    start = time.perf_counter()
    row = Row(entry.name, entry.bits)
    try:
        done = build(flow_for(entry), load_board(BUILD_BOARD), Options(to="certify"))
        row = _measured(row, done)
    except LeptonError as error:
        row = replace(row, note=str(error))
    return replace(row, seconds=round(time.perf_counter() - start, 1))


def flow_for(entry: Entry) -> Flow:
    """The entry as a flow around a QONNX file, which is made on the way."""
    file = entry.file
    if file is None:
        assert entry.model is not None
        stem = f"{entry.model.name}_{entry.bits}"
        file = Path("build/zoo") / f"{stem}.onnx"
        if not file.is_file():
            untrained(entry.model, entry.shape, entry.classes, file)
    flow = flow_of(file, entry.name, entry.target_fps, entry.images)
    flow = flow.model_copy(update={"name": f"zoo_{file.stem.lower()}"})
    if file.stem == "qkeras_jettagging":
        flow = flow.model_copy(update={"input_type": "INT8", "input_scale": 0.0625})
    return flow


def _measured(row: Row, done: dict[str, Artifact]) -> Row:
    compiled, simulated, certified = done["compile"], done["simulate"], done["certify"]
    assert isinstance(compiled, Compiled)
    assert isinstance(simulated, Simulated)
    assert isinstance(certified, Certified)
    # The smaller part has no URAM; the same 288 kbit take eight BRAMs of 36.
    small = Use(compiled.lut, compiled.bram36 + 8 * compiled.uram, 0, compiled.dsp)
    return replace(
        row,
        exact=certified.certificate.exact,
        images=simulated.images,
        layers=len(compiled.layers),
        hls_layers=_hls_layers(compiled.path("finn.onnx")),
        parameters=sum(layer.parameters for layer in compiled.layers),
        cycles_per_frame=simulated.cycles_per_frame,
        fps=round(CLOCK_HZ / simulated.cycles_per_frame),
        lut=compiled.lut,
        bram36=compiled.bram36,
        dsp=compiled.dsp,
        fits=overflow(small, load_board(FIT_BOARD)) is None,
    )


def _hls_layers(file: Path) -> int:
    import onnx

    graph = onnx.load(str(file)).graph
    return sum(node.op_type.endswith("_hls") for node in graph.node)


def _print(row: Row) -> None:
    if row.note:
        print(f"{row.name:20} {row.bits:5} {row.note}", flush=True)
        return
    print(
        f"{row.name:20} {row.bits:5} exact {'yes' if row.exact else 'NO':3} "
        f"{row.images:3} images  {row.layers:3} layers  {row.hls_layers} HLS  "
        f"{row.parameters:9,} parameters  "
        f"{row.cycles_per_frame:9,} cycles  {row.fps:7,} fps  {row.lut:7,} LUT  "
        f"{row.bram36:4} BRAM36  {row.dsp:4} DSP  "
        f"fits {'yes' if row.fits else 'no ':3} {row.seconds:6.1f} s",
        flush=True,
    )


def _run_all(entries: list[Entry], jobs: int) -> list[Row]:
    """Rows in the order of the entries; each in a process of its own, as FINN has global state.

    The large ones, which stand last in the list, start first: no core then waits at the end.
    """
    slow_first = entries[::-1]
    spawn = multiprocessing.get_context("spawn")
    rows: dict[int, Row] = {}
    with ProcessPoolExecutor(jobs, mp_context=spawn, max_tasks_per_child=1) as pool:
        running = {pool.submit(run, entry): entries.index(entry) for entry in slow_first}
        for done in as_completed(running):
            rows[running[done]] = done.result()
            _print(done.result())
    return [rows[index] for index in range(len(entries))]


def main() -> None:
    """Runs the entries whose names were given, or all, and prints each as it is done."""
    parser = argparse.ArgumentParser(description="Every network of the zoo, certified in RTL.")
    parser.add_argument("names", nargs="*", help="name or name-bits, e.g. cnv or cnv-w1a1")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="side by side")
    wanted = parser.parse_args()
    entries = [
        entry
        for entry in zoo()
        if not wanted.names or {entry.name, f"{entry.name}-{entry.bits}"} & set(wanted.names)
    ]
    start = time.perf_counter()
    rows = _run_all(entries, wanted.jobs)
    text = json.dumps([asdict(row) for row in rows], indent=1)
    write_atomically(Path("build/zoo.json"), text + "\n")
    exact = sum(row.exact is True for row in rows)
    seconds = time.perf_counter() - start
    print(f"{exact} of {len(rows)} exact in {seconds:.0f} s; build/zoo.json")
    if exact < len(rows):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
