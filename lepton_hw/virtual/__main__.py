"""``python -m lepton_hw.virtual``: the virtual board as a PYNQ.remote peer or behind a serial
device, and its installation.

Errors are one sentence and exit code 1.
"""

import argparse
import signal
import sys
import sysconfig
from pathlib import Path

from lepton_hw.errors import LeptonError

ROOT = Path(__file__).resolve().parents[2]
PTH = "lepton_hw_virtual.pth"


def main(arguments: list[str] | None = None) -> int:
    """Exit code."""
    parser = argparse.ArgumentParser(prog="python -m lepton_hw.virtual", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("install", help="let every pynq of this environment find the virtual board")
    serve = verbs.add_parser("serve", help="listen as a board with PYNQ.remote does")
    serve.add_argument("folders", nargs="+", type=Path, help="folders with design.bit")
    serve.add_argument("--board", help="which board to be; by default that of the first folder")
    serve.add_argument("--address", default="127.0.0.1", help="whoever reaches it may use it")
    line = verbs.add_parser("serve-serial", help="be a board behind a serial device")
    line.add_argument("folder", type=Path, help="folder with design.bit")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.verb == "install":
            print(_install())
        elif chosen.verb == "serve-serial":
            _serve_serial(chosen.folder)
        else:
            _serve(chosen.folders, chosen.board, chosen.address)
    except LeptonError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _install() -> Path:
    """Writes the file that Python reads at its start; see `hook`."""
    path = Path(sysconfig.get_path("purelib")) / PTH
    path.write_text(f"{ROOT}\nimport lepton_hw.virtual.hook\n")
    return path


def _serve(folders: list[Path], board: str | None, address: str) -> None:
    from lepton_hw.virtual import bitstream, server
    from lepton_hw.virtual.board import REMOTE_CYCLES, VirtualBoard
    from lepton_hw.virtual.boards import identity
    from lepton_hw.virtual.peer import Peer

    designs = _designs(folders)
    name = board or bitstream.board_of(next(iter(designs.values())))
    peer = Peer(VirtualBoard(identity(name), REMOTE_CYCLES), designs)
    running = server.start(peer, address)
    title = peer.board.identity.title
    print(f"virtual {title} at {address}, {len(peer.designs)} designs; Ctrl-C ends it", flush=True)
    endings = (signal.SIGINT, signal.SIGTERM)  # a shell's background job ignores the first
    for ending in endings:
        signal.signal(ending, signal.default_int_handler)
    try:
        running.wait_for_termination()
    except KeyboardInterrupt:
        for ending in endings:
            signal.signal(ending, signal.SIG_IGN)
        running.stop(None)


def _serve_serial(folder: Path) -> None:
    from lepton_hw.virtual.errors import BoardError
    from lepton_hw.virtual.serial import open_board

    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, signal.default_int_handler)
    with open_board(folder) as board:
        print(f"virtual board at {board.path}; Ctrl-C ends it", flush=True)
        try:
            board.wait()
        except KeyboardInterrupt:
            return
    raise BoardError(f"the simulation ended ({board.problem})", "it to run", "start it again")


def _designs(folders: list[Path]) -> dict[str, Path]:
    """SHA-256 of model.json → its folder, of every simulation in these folders."""
    import hashlib

    from lepton_hw.virtual import bitstream
    from lepton_hw.virtual.errors import BoardError

    found = {}
    for folder in folders:
        models = sorted(folder.glob(f"*{bitstream.SUFFIX}/{bitstream.MODEL}"))
        if not models:
            raise BoardError(
                f"{folder} holds no simulation",
                "a folder that 'lepton deploy --toolchain virtual' made",
                "build it, or pass another folder",
            )
        for model in models:
            found[hashlib.sha256(model.read_bytes()).hexdigest()] = model.parent
    return found


if __name__ == "__main__":
    sys.exit(main())
