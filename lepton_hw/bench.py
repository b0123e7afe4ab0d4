"""A whole comparison: builds what each target needs, measures, keeps it, makes the report again.

Like the pipeline it is one straight function, and knows no figure.
"""

import time
from dataclasses import dataclass, replace
from pathlib import Path

from lepton_hw import artifacts
from lepton_hw.artifacts import Artifact
from lepton_hw.board import Board, load_board
from lepton_hw.errors import LeptonError, StageError
from lepton_hw.flow import Flow
from lepton_hw.pipeline import Options, build, build_folder, build_hardware, held
from lepton_hw.progress import SILENT, Progress
from lepton_hw.stages import bench, bench_fpga, bench_power, bench_subject, bitstream
from lepton_hw.stages.bench_fpga import Made, There
from lepton_hw.stages.bench_hosts import Settings
from lepton_hw.stages.compile import Compiled
from lepton_hw.stages.deploy import Deployed
from lepton_hw.stages.export import Exported
from lepton_hw.stages.simulate import Simulated
from lepton_hw.stages.stitch import Stitched
from lepton_hw.stages.train import Trained
from lepton_hw.tools.place import target_of


@dataclass
class _Designs:
    """Designs by board, deployments by place, and why one is not there."""

    boards: dict[str, Made]
    places: dict[str, tuple[Made, There]]
    absent: dict[str, str]

    def modelled(self) -> dict[str, Made]:
        """A design for each board whose power is modelled, the virtual board's too, by its name."""
        virtual = (made for made, there in self.places.values() if there.place.kind == "virtual")
        return {made.board.name: made for made in (*virtual, *self.boards.values())}


def compare(
    flow: Flow,
    board: Board,
    asked: tuple[bench.Asked, ...],
    settings: Settings,
    options: Options | None = None,
    progress: Progress = SILENT,
) -> bench.Measured:
    """Everything in `asked`, side by side; `board` is that of places, and of the report."""
    options = options or Options()
    fpgas = [each for each in asked if each.kind == "fpga"]
    last = "certify" if fpgas else "export"
    done = build(flow, board, replace(options, to=last), progress)
    designs = _designs(flow, board, fpgas, done, options, settings.identity, progress)
    trained, exported, compiled = done.get("train"), done["export"], done.get("compile")
    assert isinstance(trained, Trained | None)
    assert isinstance(exported, Exported)
    assert isinstance(compiled, Compiled | None)
    source = bench_subject.source(flow, trained, exported, compiled, progress)
    subject = bench_subject.subject(flow, exported, source.integers, settings.images, progress)
    inputs = bench.Inputs(
        flow=flow, board=board.name, source=source, subject=subject,
        boards=designs.boards, places=designs.places, absent=designs.absent,
        power={
            name: bench_power.power_of(made, subject.codes, progress)
            for name, made in designs.modelled().items()
        },
    )  # fmt: skip
    begin = time.monotonic()
    comparison = bench.run(asked, inputs, settings, progress)
    if not comparison.targets:  # an earlier comparison stays
        reasons = "; ".join(f"{name}: {why}".rstrip(".") for name, why in comparison.absent.items())
        raise StageError(
            f"nothing could be measured ({reasons})", "at least one target", "add cpu to --on"
        )
    stitched = done.get("stitch")
    if isinstance(stitched, Stitched):
        comparison = comparison.model_copy(update={"design_digest": bitstream.digest_of(stitched)})
    folder = build_folder(flow, board, options)
    with (
        held(folder, progress),
        artifacts.new_folder(folder / bench.Measured.stage) as workdir,
    ):
        measured = artifacts.save(
            bench.saved(comparison, workdir), workdir, exported.digest, time.monotonic() - begin
        )
    if fpgas:
        build(flow, board, replace(options, to="report"), progress)
    return artifacts.load(bench.Measured, folder / bench.Measured.stage) or measured


def _designs(
    flow: Flow,
    board: Board,
    fpgas: list[bench.Asked],
    done: dict[str, Artifact],
    options: Options,
    identity: Path | None,
    progress: Progress,
) -> _Designs:
    found = _Designs({}, {}, {})
    for each in fpgas:
        try:
            if each.place is None:
                found.boards[each.name] = _modelled(flow, board, each.name, done, options, progress)
            else:
                made, there = _placed(flow, board, each, done, options, progress)
                found.places[each.name] = made, replace(there, identity=identity)
        except LeptonError as error:
            found.absent[f"fpga {each.name}"] = str(error)
    return found


def _modelled(
    flow: Flow, board: Board, name: str, done: dict[str, Artifact], options: Options,
    progress: Progress,
) -> Made:  # fmt: skip
    other = load_board(name)
    bench_fpga.require_model(other)
    if other.name != board.name:
        done = build(flow, other, replace(options, to="certify"), progress)
    return _made(flow, other, done, options)


def _placed(
    flow: Flow, board: Board, asked: bench.Asked, done: dict[str, Artifact], options: Options,
    progress: Progress,
) -> tuple[Made, There]:  # fmt: skip
    assert asked.place is not None
    virtual = asked.place.kind == "virtual"
    toolchain = "virtual" if virtual else bitstream.found_toolchain(board)
    deployed = build_hardware(flow, board, toolchain, options, progress)["deploy"]
    assert isinstance(deployed, Deployed)
    there = There(asked.place, deployed.deployment, target_of(flow.name))
    return _made(flow, board, done, options), there


def _made(flow: Flow, board: Board, done: dict[str, Artifact], options: Options) -> Made:
    compiled, stitched, simulated = done["compile"], done["stitch"], done["simulate"]
    assert isinstance(compiled, Compiled)
    assert isinstance(stitched, Stitched)
    assert isinstance(simulated, Simulated)
    built = bitstream.known(build_folder(flow, board, options), stitched)
    return Made(board, compiled, stitched, simulated, built)
