"""Arguments and options that several verbs take, and what they name; holds no verb."""

from pathlib import Path
from typing import Annotated

import typer

from lepton_hw.board import Board, known_boards, load_board
from lepton_hw.errors import InputError
from lepton_hw.tools import ssh

FlowName = Annotated[str, typer.Argument(help="a flow's name, or the path of its file")]
BoardName = Annotated[str, typer.Option("--board", "-b", help="a board's name or file")]
BuildDir = Annotated[Path, typer.Option(help="where artifacts go")]
Vectors = Annotated[
    str, typer.Option(help="vectors for PyTorch, QONNX and the integer path: a number, or all")
]
#: Its bound, 12 days, is where cycles still are a number.
Latency = Annotated[float | None, typer.Option(help="of one frame, likewise", max=1e12)]
Device = Annotated[str, typer.Option(help="cpu, cuda or cuda:1, for training")]
Identity = Annotated[str, typer.Option(help="file of the SSH key, if not ssh's own choice")]
AsJson = Annotated[bool, typer.Option("--json", help="print results as JSON")]
Debug = Annotated[bool, typer.Option("--debug", help="show the traceback of an error")]
BUILD = Path("build")


def board_named(name: str) -> Board:
    """The board that the command line names; raises `InputError` where it names none."""
    if not name:
        raise InputError(
            "no board was named", f"one of {', '.join(known_boards())}", "pass --board BOARD"
        )
    return load_board(name)


def ssh_options(identity: str) -> ssh.Options:
    """How to connect with the key that the command line names, if it names one."""
    return ssh.Options(identity=Path(identity) if identity else None)
