"""Runs ``driver.py --http`` of a deployment until somebody ends it, here or behind SSH.

What the driver prints is passed on line by line. On a board behind SSH it listens on the board's
own loopback; a port of this machine leads there through the connection.
"""

import contextlib
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import IO

from lepton_hw.errors import InputError, StageError
from lepton_hw.tools import place as places
from lepton_hw.tools import ssh, ssh_host

#: Seconds in which a service answers what it has begun, and gives the board back.
PATIENCE = 30.0
_FREE_PORT = (
    "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); print(s.getsockname()[1])"
)


def serve(
    place: places.Place,
    folder: Path,
    target: str,
    listen: str,
    arguments: Callable[[str], tuple[str, ...]],
    options: ssh.Options | None = None,
) -> None:
    """Returns when the driver was ended by Ctrl-C or SIGTERM; raises `StageError` where it failed.

    `listen` is HOST:PORT of this machine; `arguments` makes those of ``driver.py`` from the
    HOST:PORT that it is to listen on. `folder` and `target` are as in `place.run_driver`.
    """
    if place.kind == "ssh":
        _there(place, target, listen, arguments, options or ssh.Options())
        return
    with places.reached(place, folder) as found:
        argv, variables = places.driver_here(found, folder, arguments(listen))
        variables["PYTHONWARNINGS"] = "ignore"  # of pynq, about sensors that a PC lacks
        try:
            process = subprocess.Popen(
                argv, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=variables
            )
        except OSError as error:
            raise places.not_started(argv[0], error) from None
        with process:
            _attend(process, place)


def _attend(process: subprocess.Popen[str], place: places.Place) -> None:
    """Until the driver ends; the end of its input ends it, whatever ends us."""
    assert process.stdin is not None
    assert process.stderr is not None
    said: list[str] = []
    listener = threading.Thread(target=_pass_on, args=(process.stderr, said), daemon=True)
    listener.start()
    try:
        code = process.wait()
        listener.join(1.0)
    except KeyboardInterrupt:
        _end(process)
        return
    except BaseException:
        _end(process)
        raise
    places.require_success(places.Ran(code, b"", "\n".join(said)), place)


def _end(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    with contextlib.suppress(OSError):
        process.stdin.close()
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()


def _pass_on(stream: IO[str], said: list[str]) -> None:
    """Prints what comes, but for the sentence of an error, which is said at the end."""
    for line in stream:
        said[:] = [line.rstrip()]
        if places.sentence(said[0]):
            continue
        with contextlib.suppress(OSError):
            print(line, end="", file=sys.stderr, flush=True)


def _there(
    place: places.Place,
    target: str,
    listen: str,
    arguments: Callable[[str], tuple[str, ...]],
    options: ssh.Options,
) -> None:
    if listen.endswith(":0"):
        raise InputError(
            "the port is 0, any free one", "a number, since SSH must know it", "pass one"
        )
    host = ssh_host.parse_host(place.host)
    asked = ssh.Ssh(host, options).run(["python3", "-c", _FREE_PORT])
    if asked.code or not asked.stdout.strip().isdigit():
        raise StageError(
            f"{host} gives no port ({asked.stderr.strip()[-200:]})", "a free one", "look at it"
        )
    far = f"127.0.0.1:{asked.stdout.strip()}"
    forward = replace(options, forward=f"{listen}:{far}")
    command = ssh.as_root(["python3", "driver.py", *arguments(far)], target)
    with ssh.Ssh(host, forward).open(command) as channel:
        try:
            for line in channel.reader:
                shown = line.decode(errors="replace").replace(far, listen)
                print(shown, end="", flush=True)
            code = channel.wait()
        except KeyboardInterrupt:
            channel.writer.close()  # the driver ends by itself and gives the board back
            with contextlib.suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
                channel.wait(PATIENCE)
            return
        failure = channel.failure()
        if failure is not None:
            raise failure
        places.require_success(places.Ran(code, b"", channel.said()), place)
