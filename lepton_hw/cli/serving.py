"""The verb ``lepton serve``: a design as a service, on this machine or on a board.

Only reads arguments; the work is in `lepton_hw.serving` and `tools.driver_service`.
"""

from typing import Annotated

import typer

from lepton_hw.cli import options as opt
from lepton_hw.cli.commands import app
from lepton_hw.cli.hardware import Target, Toolchain, deployment_for
from lepton_hw.cli.options import board_named
from lepton_hw.cli.screen import Screen
from lepton_hw.errors import InputError
from lepton_hw.flow import load_flow
from lepton_hw.pipeline import Options
from lepton_hw.tools import place as places

On = Annotated[
    str, typer.Option("--on", help=f"what computes: cpu, gpu, {', '.join(places.KINDS)}")
]
Http = Annotated[str, typer.Option(help="HOST:PORT to listen on; HOST alone, or :PORT, will do")]
Check = Annotated[
    float,
    typer.Option(help="between checks by golden vectors; 0: only after errors", min=0, max=86_400),
]
HOSTS = ("cpu", "gpu")


@app.command("serve")
def serve_command(  # noqa: PLR0913 – each is an option of the command line
    flow: opt.FlowName,
    board: opt.BoardName = "",
    on: On = "cpu",
    http: Http = "127.0.0.1:8080",
    check_seconds: Check = 60.0,
    device: opt.Device = "cpu",
    toolchain: Toolchain = "",
    identity: opt.Identity = "",
    target: Target = "",
    build_dir: opt.BuildDir = opt.BUILD,
    debug: opt.Debug = False,
) -> None:
    """Serve a certified design over HTTP: images, the Open Inference Protocol, metrics.

    Golden vectors run before the first answer and again and again; a service that gives another
    integer stops answering.
    """
    from lepton_hw import serving
    from lepton_hw.tools import driver_service

    value, address = load_flow(flow), serving.address_of(http)
    if on in HOSTS:
        options = Options(build_dir, device)
        serving.serve_integers(
            value, board_named(board), on, address, check_seconds, options, Screen()
        )
        return
    try:
        place = places.parse_place(on)
    except InputError:
        raise InputError(
            f"--on is '{on}'", f"one of {', '.join((*HOSTS, *places.KINDS))}", "correct it"
        ) from None
    serving.driver_arguments(value, str(address), check_seconds)  # refused before anything is built
    folder = deployment_for(place, flow, board, toolchain, build_dir)
    driver_service.serve(
        place, folder, target or places.target_of(value.name), str(address),
        lambda where: serving.driver_arguments(value, where, check_seconds),
        opt.ssh_options(identity),
    )  # fmt: skip
