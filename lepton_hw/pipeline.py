"""The whole flow on one page: every stage in order, each from the artifacts before it.

    train ─► export ─► compile ─► stitch ─► simulate ─► certify ─► report
                                                           └─► bitstream ─► deploy

A stage whose inputs, code and tools have not changed is not run again.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from lepton_hw import artifacts
from lepton_hw.artifacts import Artifact
from lepton_hw.board import Board
from lepton_hw.errors import InputError
from lepton_hw.flow import Flow
from lepton_hw.progress import SILENT, Progress
from lepton_hw.stages import (
    adopt,
    bench,
    bitstream,
    certify,
    deploy,
    export,
    report,
    simulate,
    stitch,
    train,
)
from lepton_hw.stages import compile as compile_
from lepton_hw.stages.runner import run_stage

STAGES = ("train", "export", "compile", "stitch", "simulate", "certify", "report")
A = TypeVar("A", bound=Artifact)


@dataclass(frozen=True)
class Options:
    """How to build: where, on what device, how far."""

    build_dir: Path = Path("build")
    device: str = "cpu"
    to: str = "report"
    seeds: tuple[int, ...] = (1, 2)  # of place and route


def build(
    flow: Flow, board: Board, options: Options | None = None, progress: Progress = SILENT
) -> dict[str, Artifact]:
    """Builds `flow` for `board` up to and including stage `options.to`.

    Returns the artifacts by stage name. Two builds of one folder at once: the second waits.
    Raises a `LeptonError` where a stage cannot finish, `Mismatch` where executors disagree.
    """
    options = options or Options()
    if options.to not in STAGES:
        raise InputError(
            f"there is no stage '{options.to}'", ", ".join(STAGES), "pass one of these"
        )
    if options.to == "train" and flow.model_file is not None:
        raise InputError(
            "the stage 'train' for a finished model",
            ", ".join(STAGES[1:]),
            "pass one of these with --to",
        )
    folder = build_folder(flow, board, options)
    done: dict[str, Artifact] = {}
    with held(folder, progress):
        for artifact in _Steps(folder, progress).stages(flow, board, options):
            done[artifact.stage] = artifact
            if artifact.stage == options.to:
                break
    return done


def build_hardware(
    flow: Flow,
    board: Board,
    toolchain: str,
    options: Options | None = None,
    progress: Progress = SILENT,
    bitfile: Path | None = None,
) -> dict[str, Artifact]:
    """Builds `flow` up to the folder that goes to the board; what is not certified goes nowhere.

    `bitfile` is a bitstream of this design that was built elsewhere; `toolchain` is then only its
    name. `options.to` is not read.
    """
    options = replace(options or Options(), to="certify")
    if bitfile is None:
        bitstream.tools_of(toolchain, board)  # what is missing is said before hours of building
    done = build(flow, board, options, progress)
    folder = build_folder(flow, board, options)
    with held(folder, progress):
        steps = _Steps(folder, progress)
        for artifact in steps.hardware(board, toolchain, done, bitfile, options.seeds):
            done[artifact.stage] = artifact
        built = done.get("bitstream")
        if isinstance(built, bitstream.Bitstream) and built.achieved:  # not the virtual board's
            names = ("export", "compile", "stitch", "simulate", "certify")
            made: list[Any] = [done.get("train"), *(done[name] for name in names), built]
            done["report"] = steps.report_of(flow, board, *made)
    return done


def build_folder(flow: Flow, board: Board, options: Options) -> Path:
    """Where the artifacts of a flow on a board are."""
    return options.build_dir / flow.name / board.name


def held(folder: Path, progress: Progress) -> AbstractContextManager[None]:
    """A build folder for this process alone; one that must wait for another says so."""
    return artifacts.locked(
        folder, lambda holder: progress.say(f"waiting: {folder} is being built by {holder}")
    )


class _Steps:
    def __init__(self, folder: Path, progress: Progress) -> None:
        self.folder, self.progress = folder, progress

    def stages(self, flow: Flow, board: Board, options: Options) -> Iterator[Artifact]:
        """The flow itself; runs a stage only when the next artifact is asked for."""
        do, say = self.do, self.progress
        values, place = _values(flow), _values(board)
        trained = None
        if flow.model_file is None:
            checkpoints = self.folder / ".checkpoints"
            trained = do(
                train.Trained,
                {**values("data", "model", "train"), "device": options.device},
                (),
                lambda w: train.run(flow, board, w, say, checkpoints, options.device),
            )
            yield trained
            exported = do(
                export.Exported,
                values("data", "model"),
                (trained,),
                lambda w: export.run(flow, board, trained, w, say),
            )
        else:
            model = adopt.model_path(flow)
            exported = do(
                export.Exported,
                {
                    **values("input_type", "input_scale"),
                    "vectors": [flow.check.random_vectors, flow.check.seed],
                    "model": artifacts.file_digest(model),
                },
                (),
                lambda w: adopt.run(flow, model, w, say),
                maker=adopt.__name__,
            )
        yield exported
        compiled = do(
            compile_.Compiled,
            {
                **values("compile"),
                **compile_.folding_digest(flow),
                **place("part", "finn_board", "dsp", "shell"),
                **place("clock", "resources"),
            },
            (exported,),
            lambda w: compile_.run(flow, board, exported, w, say),
        )
        yield compiled
        stitched = do(stitch.Stitched, {}, (compiled,), lambda w: stitch.run(compiled, w, say))
        yield stitched
        simulated = do(
            simulate.Simulated,
            {"rtl_images": flow.check.rtl_images},
            (exported, stitched),
            lambda w: simulate.run(flow, exported, stitched, w, say),
        )
        yield simulated
        kept = self.folder / ".vectors"
        certified = do(
            certify.Certified,
            {"vectors": flow.check.vectors},
            (exported, compiled, stitched, simulated),
            lambda w: certify.run(
                exported, compiled, stitched, simulated, w, say, flow.check.vectors, kept
            ),
        )
        shutil.rmtree(kept, ignore_errors=True)
        place_of = self.folder / certify.FILE
        artifacts.write_atomically(place_of, certified.path(certify.FILE).read_text())
        if not certified.certificate.exact:  # what an earlier, exact build had to say is not true
            (self.folder / report.FILE).unlink(missing_ok=True)
        certify.require_exact(certified.certificate, place_of)
        yield certified
        done = (trained, exported, compiled, stitched, simulated, certified)
        yield self.report_of(flow, board, *done)

    def hardware(
        self,
        board: Board,
        toolchain: str,
        done: dict[str, Any],
        bitfile: Path | None,
        seeds: tuple[int, ...],
    ) -> Iterator[Artifact]:
        """The way to a board, from the artifacts of a certified design."""
        do, say, place = self.do, self.progress, _values(board)
        exported, stitched, simulated = (done[name] for name in ("export", "stitch", "simulate"))
        if bitfile is None:
            proven = bitstream.Proven(exported, stitched, simulated, done["certify"])
            built = do(
                bitstream.Bitstream,
                {
                    "toolchain": toolchain,
                    "seeds": seeds,
                    "tools": bitstream.tools_of(toolchain, board),
                    **place("name", "part", "clock", "resources", "shell", "board_part", "serial"),
                },
                proven,
                lambda w: bitstream.run(toolchain, board, proven, w, say, seeds),
                maker=f"lepton_hw.bitstreams.{bitstream.way_of(toolchain, board)}",
                folder=f"bitstream_{toolchain}",
            )
            if built.netlist_vectors:
                certificate = built.path(certify.FILE).read_text()
                artifacts.write_atomically(self.folder / certify.FILE, certificate)
            yield built
            bitfile, digest, clock = built.path(bitstream.FILE), built.design_digest, built.clock
            inputs: tuple[Artifact, ...] = (exported, stitched, simulated, built)
        else:
            digest, clock = bitstream.digest_of(stitched), board.clock
            inputs = (exported, stitched, simulated)
        given = deploy.digest_of_files(bitfile)
        yield do(
            deploy.Deployed,
            {
                "board": board.model_dump(mode="json"),
                "bitstream": given,
                "clock": clock,
                "driver": deploy.driver_digest(),
            },
            inputs,
            lambda w: deploy.run(
                board, exported, stitched, simulated, (bitfile, digest, clock), w, say
            ),
            folder=f"deploy_{toolchain}",
        )

    def report_of(  # noqa: PLR0913 – everything that the report is made of, in its order
        self,
        flow: Flow,
        board: Board,
        trained: train.Trained | None,
        exported: export.Exported,
        compiled: compile_.Compiled,
        stitched: stitch.Stitched,
        simulated: simulate.Simulated,
        certified: certify.Certified,
        built: bitstream.Bitstream | None = None,
    ) -> report.Reported:
        """The report; with what is known of a bitstream, at its clock, and of a comparison."""
        built = built or bitstream.known(self.folder, stitched)
        measured = bench.known(self.folder, stitched)
        made = (trained, exported, compiled, stitched, simulated, certified, built, measured)
        reported = self.do(
            report.Reported,
            {"flow": flow.model_dump(mode="json"), "board": board.model_dump(mode="json")},
            tuple(artifact for artifact in made if artifact is not None),
            lambda w: report.run(
                flow, board, trained, exported, compiled, stitched, simulated, certified, w,
                self.progress, built, measured,
            ),
            folder="" if built is None else f"report_{built.toolchain}",
        )  # fmt: skip
        artifacts.write_atomically(
            self.folder / report.FILE, reported.path(report.FILE).read_text()
        )
        return reported

    def do(
        self,
        kind: type[A],
        values: dict[str, Any],
        inputs: tuple[Artifact, ...],
        work: Callable[[Path], A],
        maker: str = "",
        folder: str = "",
    ) -> A:
        place = self.folder / (folder or kind.stage)
        return run_stage(kind, place, values, inputs, work, self.progress, maker)


def _values(source: Flow | Board) -> Callable[..., dict[str, Any]]:
    """Picks parts of a flow or board as JSON values, for a stage's key."""
    dumped = source.model_dump(mode="json")
    return lambda *names: {name: dumped[name] for name in names}
