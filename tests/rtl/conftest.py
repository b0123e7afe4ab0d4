"""What tests of RTL need that the session has only once."""

import subprocess
from pathlib import Path

import pytest

from lepton_hw.artifacts import locked
from lepton_hw.errors import MissingTool
from lepton_hw.tools import yosys


@pytest.fixture(scope="session")
def needs_yosys(own_cache: None, shared: Path) -> None:
    """Skips without Yosys; else it is ready to run.

    In a new home it compiles itself for a minute or more, on all cores, and what it writes is not
    atomic: one worker starts it, the other waits.
    """
    try:
        program = yosys.find()
    except MissingTool as missing:
        pytest.skip(str(missing))
    with locked(shared / "locks" / "yosys", lambda _: None):
        subprocess.run([str(program), "-V"], check=True, capture_output=True)
