"""Runs a service until it is told to end: by a signal, or by the end of standard input.

Also the unit by which systemd starts one on a board.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import HardwareError, InputError
from .http_routes import routes_of
from .http_server import Address, Server
from .service import Service, Settings

if TYPE_CHECKING:
    from .engine import Engine

#: Names that may stand in a URL as they are.
NAME_MOST = 64
UNIT = """[Unit]
Description=lepton_hw: {name} over HTTP
After=network-online.target
Wants=network-online.target

[Service]
# As root, since pynq maps the registers of the fabric; with what PYNQ's login shells set up.
WorkingDirectory={folder}
ExecStart=/bin/bash -c '{profiles}exec python3 driver.py --http {address} --name {name}'
Restart=on-failure
RestartSec=5
TimeoutStopSec=30

[Install]
WantedBy=multi-user.target
"""
#: What PYNQ's images set up in login shells: its Python environment, XRT, the board's name.
PROFILES = ("pynq_venv", "xrt_setup", "boardname")


def check_name(name: str) -> str:
    """A model's name; raises `InputError` where it could not stand in a URL."""
    plain = name.isascii() and all(char.isalnum() or char in "._-" for char in name)
    if not plain or not 0 < len(name) <= NAME_MOST or name.startswith("."):
        raise InputError(
            f"the name is '{name[:80]}'",
            f"1 to {NAME_MOST} letters, digits, '.', '_' and '-'",
            "pass another one",
        )
    return name


def run(engine: Engine, name: str, address: Address, settings: Settings, tied: bool) -> None:
    """Serves `engine` as the model `name` until SIGINT or SIGTERM; closes it at the end.

    `tied` ends it with standard input, too: for whoever started it and may be gone. Raises
    `DriverError` where a golden vector is wrong at the start, the address cannot be used, or the
    hardware gives nothing but errors.
    """
    ending = threading.Event()
    service = Service(engine, settings, give_up=ending.set)
    try:
        server = Server(address, routes_of(service, check_name(name)), service)
        before = _signals(ending)
        try:
            golden = service.start(ending.is_set)
            if ending.is_set():
                return
            thread = threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True)
            thread.start()
            if tied:
                threading.Thread(target=_until_end, args=(ending,), daemon=True).start()
            design, where = engine.subject.digest[:12], engine.subject.where
            print(
                f"{name} on {where} at http://{server.address}, design {design}; "
                f"{golden} of {golden} golden vectors identical",
                flush=True,
            )
            ending.wait()
            server.stop()
            if service.gave_up:
                raise HardwareError(
                    f"the hardware gives errors only ({service.why.rstrip('.')})",
                    "golden vectors that can be computed",
                    "start the service again, which loads the bitstream anew",
                )
        finally:
            server.server_close()
            for number, handler in before.items():
                signal.signal(number, handler)
    finally:
        service.close()
        engine.close()


def _signals(ending: threading.Event) -> dict[int, Any]:
    """Lets them end the service; what they did before. A second Ctrl-C ends the process at once."""

    def end(number: int, frame: Any) -> None:
        if ending.is_set():
            raise KeyboardInterrupt
        ending.set()

    return {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}


def _until_end(ending: threading.Event) -> None:
    while os.read(sys.stdin.fileno(), 1 << 12):
        pass
    ending.set()


def unit(folder: Path, name: str, address: Address) -> str:
    """The text of a systemd unit that serves the deployment in `folder` from the start on."""
    where = str(folder)
    if not where.isprintable() or any(char in where for char in " \"'\\%$"):
        raise InputError(
            f"the folder is '{where}'", "a path of plain characters", "copy it to another one"
        )
    files = " ".join(f"/etc/profile.d/{profile}.sh" for profile in PROFILES)
    return UNIT.format(
        name=check_name(name),
        folder=where,
        address=address,
        profiles=f"for f in {files}; do [ -r $$f ] && . $$f; done; ",
    )
