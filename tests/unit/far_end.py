"""The board's end of a pipe as a program: far_end.py FOLDER [NOISE] [FAULT], on the fake board.

It leaves in ``ended.json`` how it ended.
"""

import json
import os
import sys
from pathlib import Path

from onboard_cases import fake

from lepton_hw.onboard.command import main


def run(folder: str, noise: str = "", fault: str = "") -> int:
    """`noise` is what a login script prints; `fault` is the fake's, or "chatty" for a driver's."""
    sys.stdout.write(noise)
    board = fake()
    if fault == "chatty":
        read = board.read

        def chatty(offset: int) -> int:
            print("a word too many")
            os.write(1, b"and one of a library in C\n")
            return read(offset)

        board.read = chatty
    elif fault:
        board.fault = fault
    code = main(["--serve"], Path(folder), board)
    ended = {"code": code, "closed": board.closed, "resets": board.resets, "running": board.left}
    Path(folder, "ended.json").write_text(json.dumps(ended))
    return code


if __name__ == "__main__":
    sys.exit(run(*sys.argv[1:]))
