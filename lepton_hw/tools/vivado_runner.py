"""Chooses where Vivado's plans run: here, or in a container with Vivado mounted.

It starts nothing but the questions whether an engine runs and whether the image is there.
"""

import os
import sys

from lepton_hw.errors import MissingTool
from lepton_hw.plan.execute import Local, Runner
from lepton_hw.tools import container, vivado
from lepton_hw.tools.container import ROOT
from lepton_hw.tools.vivado import Vivado

NONE = "none"


def choose(needs_hls: bool = False) -> Runner:
    """Where Vivado runs.

    A Vivado on PATH is used as it is. One below XILINX_ROOT runs in the ``build`` image, with
    Docker or Podman, unless LEPTON_CONTAINER is "none". `needs_hls` for FINN's own flow.
    Raises `MissingTool` with what is missing.
    """
    found = vivado.find()
    if needs_hls and found.hls is None:
        raise MissingTool(
            f"there is no Vitis HLS beside Vivado {found.version}",
            "one of the same version, which FINN's DMA needs",
            "install it, or take our shell, which needs none",
        )
    wanted = os.environ.get(container.VARIABLE, "")
    below_root = bool(os.environ.get(vivado.ROOT_VARIABLE))
    if wanted == NONE or not (below_root or wanted):
        return local(found)
    engine = container.find()
    container.require_image(engine, container.image_tag("build"))
    return container.for_vivado(engine, found, project=ROOT)


def local(found: Vivado) -> Local:
    """Runs Vivado, and FINN with our Python, on this machine."""
    paths = [*found.path(), os.environ.get("PATH", "")]
    inside = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH", "")])]
    return Local(
        {"vivado": str(found.program), "python": sys.executable},
        {
            **found.environment(),
            "PATH": os.pathsep.join(paths),
            "PYTHONPATH": os.pathsep.join(inside),
        },
    )


def describe(runner: Runner) -> str:
    """For a person: ``here`` or ``in Podman 4.3.1, localhost/lepton_hw:build``."""
    if isinstance(runner, container.Container):
        return f"in {runner.engine.name} {runner.engine.version}, {runner.image}"
    return "here"
