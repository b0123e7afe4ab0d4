"""The driver's fixtures: a deployment folder, the board behind it, the driver on both, and a
recording of them.
"""

from pathlib import Path

import pytest
from fake_shell import FakeShell
from onboard_cases import deploy, fake
from recordings import record

from lepton_hw.onboard import Accelerator
from lepton_hw.onboard.command import selftest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return deploy(tmp_path)


@pytest.fixture
def shell() -> FakeShell:
    return fake()


@pytest.fixture
def accelerator(folder: Path, shell: FakeShell) -> Accelerator:
    return Accelerator(folder / "design.bit", batch=8, timeout=0.05, transport=shell)


@pytest.fixture
def recorded(folder: Path, shell: FakeShell) -> Path:
    shell.reads = 70  # polls long enough that the driver looks at the counters in between
    return record(folder, shell, selftest)
