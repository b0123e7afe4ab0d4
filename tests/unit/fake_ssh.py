"""Programs named ssh for PATH: one that says what it is told to, one that runs the command here."""

import json
import sys
from pathlib import Path


def saying(folder: Path, stderr: str, code: int = 255, stdout: str = "") -> Path:
    """Records its arguments in ``argv.json`` beside it, reads its input, prints, and ends."""
    return _write(
        folder,
        f"""
import json, pathlib, sys
pathlib.Path({str(folder / "argv.json")!r}).write_text(json.dumps(sys.argv[1:]))
sys.stdin.buffer.read()
sys.stdout.write({stdout!r})
sys.stderr.write({stderr!r})
sys.exit({code})
""",
    )


def local(folder: Path, home: Path, path: str, cut: int | None = None) -> Path:
    """Runs the command by sh in `home`, with `path` as PATH, as sshd does on a board.

    After `cut` bytes of input the connection is lost.
    """
    return _write(
        folder,
        f"""
import json, os, pathlib, subprocess, sys, threading
pathlib.Path({str(folder / "argv.json")!r}).write_text(json.dumps(sys.argv[1:]))
print("Welcome to the board!", flush=True)
cut = {cut!r}
far = subprocess.Popen(["/bin/sh", "-c", sys.argv[-1]], cwd={str(home)!r},
                       env={{"PATH": {path!r}, "HOME": {str(home)!r}}},
                       stdin=None if cut is None else subprocess.PIPE)
if cut is not None:
    far.stdin.write(sys.stdin.buffer.read(cut))
    far.stdin.close()
    far.wait()
    sys.stderr.write("client_loop: send disconnect: Broken pipe\\n")
    sys.exit(255)
sys.exit(far.wait())
""",
    )


def argv(folder: Path) -> list[str]:
    """What the last ssh in `folder` was called with."""
    values = json.loads((folder / "argv.json").read_text())
    assert isinstance(values, list)
    return values


def _write(folder: Path, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    program = folder / "ssh"
    program.write_text(f"#!{sys.executable}\n{text}")
    program.chmod(0o755)
    return program


def script(folder: Path, name: str, text: str) -> None:
    """A shell script on PATH."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)
