"""What the image `serve` runs: a certified design as it was built, linked where files may be made.

Never trains or builds: an artifact that this code or these tools would make anew ends it with a
sentence, when the image is built, and again when the service starts.

    serve.py bake FOLDER    copies FOLDER, a build/<flow>/<board>, to /artifacts and checks it
    serve.py health         exit code 0 where the service is ready
    serve.py [OPTIONS]      lepton serve, with more of its options
"""

import contextlib
import os
import shutil
import signal
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

ARTIFACTS = Path(os.environ.get("LEPTON_ARTIFACTS", "/artifacts"))
FLOW, BOARD = os.environ.get("LEPTON_FLOW", ""), os.environ.get("LEPTON_BOARD", "")
#: What `lepton serve` reads; reports, bitstreams and sweeps of the same folder stay outside.
STAGES = ("train", "export", "compile", "stitch", "simulate", "certify")
#: All of the container, whose engine decides what is published; the port is HEALTHCHECK's, too.
HTTP = "0.0.0.0:8080"
HEALTH = "http://127.0.0.1:8080/v2/health/ready"


def main(arguments: Sequence[str]) -> None:
    """One of the three."""
    if arguments[:1] == ["health"]:
        sys.exit(not healthy())
    # Linux does not end the first process of a container by a signal that it does not handle.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    if arguments[:1] == ["bake"]:
        copy(Path(arguments[1]), ARTIFACTS / FLOW / BOARD)
    try:
        scratch = tempfile.TemporaryDirectory(prefix="lepton_")
    except OSError:
        sys.exit("error: no folder can be written to; expected /tmp; start with --tmpfs /tmp.")
    with scratch as build:
        link(ARTIFACTS / FLOW / BOARD, Path(build) / FLOW / BOARD)
        check(Path(build))
        if arguments[:1] != ["bake"]:
            serve(Path(build), arguments)


def healthy() -> bool:
    """Whether the service of this container answers that it is ready."""
    try:
        with urllib.request.urlopen(HEALTH, timeout=3) as answer:
            return answer.status == 200
    except OSError:
        return False


def copy(source: Path, target: Path) -> None:
    """The stages of `source` that a service reads; an adopted model was never trained here."""
    for stage in STAGES:
        if (source / stage).is_dir():
            shutil.copytree(source / stage, target / stage)


def link(source: Path, target: Path) -> None:
    """`target` as a build folder whose stages are those of `source`, which may be read-only.

    The folder itself gets a lock and a certificate at every start, so it cannot be.
    """
    target.mkdir(parents=True)
    for stage in STAGES:
        if (source / stage).is_dir():
            (target / stage).symlink_to(source / stage)


def check(build: Path) -> None:
    """Ends this process where a stage would run again, before it takes time or anybody asks."""
    from lepton_hw.board import load_board
    from lepton_hw.errors import InputError, LeptonError
    from lepton_hw.flow import load_flow
    from lepton_hw.pipeline import Options, build_folder
    from lepton_hw.pipeline import build as run
    from lepton_hw.progress import Progress, Task

    class Idle(Progress):
        """A stage that is kept says so and nothing else; one that works opens a bar before long."""

        @contextlib.contextmanager
        def task(self, title: str, total: int) -> Iterator[Task]:
            self.refuse(title)
            yield Task()

        def say(self, line: str) -> None:
            if not line.endswith(" unchanged"):
                self.refuse(line)

        def refuse(self, work: str) -> None:
            raise InputError(
                f"{FLOW} for {BOARD} is not what this image would build (it began: {work})",
                "artifacts of the same flow, board, code and package versions",
                f"run 'lepton build {FLOW} --board {BOARD}' in the project, build the image again",
            )

    try:
        flow, board, options = load_flow(FLOW), load_board(BOARD), Options(build, to="certify")
        if not (build_folder(flow, board, options) / "certify").exists():
            raise InputError(
                f"there is no certified {FLOW} for {BOARD} in the image",
                "the folder build/<flow>/<board> of that name as the build context 'certified'",
                "build the image again with FLOW, BOARD and that context",
            )
        run(flow, board, options, Idle())
    except LeptonError as error:
        sys.exit(f"error: {error}")


def serve(build: Path, more: Sequence[str]) -> None:
    """``lepton serve`` in this process, so that signals reach it."""
    from lepton_hw.cli import main as lepton

    sys.argv = ["lepton", "serve", FLOW, "--board", BOARD, "--on", "cpu", "--http", HTTP,
                "--build-dir", str(build), *more]  # fmt: skip
    lepton()


if __name__ == "__main__":
    main(sys.argv[1:])
