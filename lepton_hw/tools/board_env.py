"""The environment with pynq and the virtual board: ``.venv-board``, by ``make board-env``.

pynq wants NumPy below 2, so that it cannot live in the environment of the flow; only files and
streams pass between the two.
"""

import os
import subprocess
from pathlib import Path

from lepton_hw.errors import MissingTool

ROOT = Path(__file__).resolve().parents[2]
#: Names another Python with pynq in it.
VARIABLE = "LEPTON_BOARD_PYTHON"
_PATIENCE = 60.0


def python() -> Path:
    """Its Python; raises `MissingTool`."""
    given = os.environ.get(VARIABLE)
    path = Path(given) if given else ROOT / ".venv-board" / "bin" / "python"
    if not path.is_file():
        raise MissingTool(
            f"there is no {path}",
            "an environment with pynq",
            f"run 'make board-env', or set {VARIABLE} to a Python that has it",
        )
    return path.absolute()


def environment(**more: str) -> dict[str, str]:
    """Variables of a process there: ours less what would lead it to another board or package."""
    hidden = {"PYNQ_REMOTE_DEVICES", "LEPTON_VIRTUAL_BOARD", "BOARD", "PYTHONPATH", "PYTHONHOME"}
    kept = {name: value for name, value in os.environ.items() if name not in hidden}
    return {**kept, **more}


def version() -> str | None:
    """pynq's version there; None without the environment."""
    try:
        asked = [
            str(python()),
            "-c",
            "from importlib.metadata import version as v; print(v('pynq'))",
        ]
        done = subprocess.run(
            asked, capture_output=True, text=True, timeout=_PATIENCE, check=False, env=environment()
        )
    except (MissingTool, OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None
