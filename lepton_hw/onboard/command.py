"""``python driver.py``: the self-test, and one image, from a shell on the board.

Also a service over HTTP, the board's end of a pipe (``--serve``), and recordings. Errors are one
sentence and exit code 1.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np

from . import bench, http_command, output
from .accelerator import Accelerator
from .engine import BoardEngine
from .errors import DriverError, HardwareError
from .golden import read_golden
from .http_command import unit
from .http_server import parse_address
from .manifest import check_files, read_manifest
from .recording import RecordingTransport
from .remote_end import private_stdout, serve
from .replay import ReplayTransport
from .service import Settings
from .transport import SERIAL, open_board


def main(arguments: list[str] | None = None, folder: Path = Path(), transport: Any = None) -> int:
    """Exit code; `folder` is that of the deployment, `transport` the board's if it is not here."""
    parser = argparse.ArgumentParser(prog="driver.py", description="Runs the design on this board.")
    parser.add_argument("image", nargs="*", help="image files to classify; - reads one from stdin")
    parser.add_argument("--selftest", action="store_true", help="golden vectors, bit by bit")
    parser.add_argument("--infer", action="store_true", help="codes, .npy from stdin to stdout")
    parser.add_argument("--bench", metavar="JSON", help="times and power; codes, .npy, from stdin")
    parser.add_argument("--json", action="store_true", help="results of images as JSON, one a line")
    parser.add_argument("--bitfile", default=str(folder / "design.bit"))
    parser.add_argument("--serial", metavar="DEVICE", help="where a board with a UART is")
    parser.add_argument("--timeout", type=float, default=5.0, help="seconds without any movement")
    parser.add_argument("--serve", action="store_true", help="serve the board by stdin and stdout")
    parser.add_argument("--record", metavar="FILE", help="write all register traffic to FILE")
    parser.add_argument("--replay", metavar="FILE", help="a recording takes the board's place")
    parser.add_argument("--http", metavar="HOST:PORT", help="serve images and codes over HTTP")
    parser.add_argument("--name", default="design", help="the model's name in URLs")
    parser.add_argument(
        "--check-seconds",
        type=float,
        default=60.0,
        help="between checks by golden vectors while serving; 0: after errors only",
    )
    parser.add_argument("--tied", action="store_true", help="end the service with standard input")
    parser.add_argument("--systemd", action="store_true", help="print a unit that starts --http")
    chosen = parser.parse_args(arguments)
    if chosen.serve and (chosen.selftest or chosen.image or chosen.record or chosen.replay):
        parser.error("--serve goes with --bitfile only")
    alone = chosen.infer or chosen.bench
    asked = chosen.selftest or chosen.image or chosen.serve or chosen.http
    if not (asked or alone):
        parser.error("pass an image, --selftest, --infer, --bench, --http or --serve")
    if alone and (asked or (chosen.infer and chosen.bench)):
        parser.error("--infer and --bench go alone: standard output is their file")
    if chosen.systemd and not chosen.http:
        parser.error("--systemd goes with --http")
    if chosen.record and chosen.replay:
        parser.error("pass --record or --replay")
    if chosen.serial:
        os.environ[SERIAL] = chosen.serial
    if chosen.serve:
        return _serve(Path(chosen.bitfile), transport)
    try:
        if chosen.systemd:
            address = parse_address(chosen.http)
            print(unit(Path(chosen.bitfile).resolve().parent, chosen.name, address), end="")
        else:
            _run(chosen, transport)
    except DriverError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _run(chosen: argparse.Namespace, transport: Any) -> None:
    asked = bench.settings(chosen.bench) if chosen.bench else {}
    address = parse_address(chosen.http) if chosen.http else None
    with contextlib.ExitStack() as closing:
        writer: Any = private_stdout() if chosen.infer or chosen.bench else None
        if chosen.replay:
            transport = ReplayTransport(chosen.replay)
        if chosen.record:
            board = transport or board_of(Path(chosen.bitfile))
            transport = RecordingTransport(board, chosen.record)
            closing.callback(transport.close)  # also where the driver refuses the design
        accelerator = closing.enter_context(
            Accelerator(chosen.bitfile, timeout=chosen.timeout, transport=transport)
        )
        if chosen.selftest:
            print(selftest(accelerator))
        for image in chosen.image:
            if len(chosen.image) > 1 and not chosen.json:
                print(f"{image}:")
            print(output.classify(accelerator, image, chosen.json), flush=True)
        if address is not None:
            settings = Settings(check_seconds=chosen.check_seconds)
            http_command.run(BoardEngine(accelerator), chosen.name, address, settings, chosen.tied)
        if chosen.infer:
            with io.BufferedWriter(writer) as stdout:
                stdout.write(output.infer(accelerator))
        if chosen.bench:
            found = bench.bench(accelerator, output.codes(), asked)
            with io.BufferedWriter(writer) as stdout:
                stdout.write(json.dumps(found).encode())


def board_of(bitfile: Path) -> Any:
    """The board here, with the bitstream loaded, once the deployment's files are checked."""
    manifest = read_manifest(bitfile.with_suffix(".json"))
    check_files(manifest, bitfile)
    return open_board(manifest, bitfile)


def _serve(bitfile: Path, transport: Any) -> int:
    writer = private_stdout()
    for number in (signal.SIGTERM, signal.SIGHUP):
        # An ending that still frees memory, and only when nothing writes to it any more.
        signal.signal(number, lambda *_: sys.exit(1))
    with contextlib.suppress(KeyboardInterrupt):
        return serve(lambda: transport or board_of(bitfile), sys.stdin.buffer, writer)
    return 1


def selftest(accelerator: Accelerator) -> str:
    """All golden vectors: the first alone, then two, seven, and all at once; a line of figures.

    Raises `HardwareError` with the first integer that is another one.
    """
    golden = read_golden(accelerator.manifest)
    inputs, expected = golden.inputs, golden.outputs
    for count in sorted({min(count, len(inputs)) for count in (1, 2, 7, len(inputs))}):
        found = accelerator.infer(inputs[:count])
        wrong = np.argwhere(found != expected[:count])
        if len(wrong):
            index = tuple(int(i) for i in wrong[0])
            raise HardwareError(
                f"the board gives {found[index]} at {index}, in a batch of {count}",
                f"{expected[index]}",
                "report it with this design; its results cannot be trusted",
            )
    seen, design = accelerator.profile(inputs), accelerator.manifest.digest[:12]
    return (
        f"{len(inputs)} of {len(inputs)} vectors identical; {seen.frames_per_second:.0f} frames/s "
        f"with the host, latency {seen.counters.latency} cycles, design {design}"
    )
