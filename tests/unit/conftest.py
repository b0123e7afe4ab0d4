"""The driver's fixtures: a deployment folder, the board behind it, the driver on both."""

from pathlib import Path

import pytest
from fake_shell import FakeShell
from onboard_cases import deploy, fake

from lepton_hw.onboard import Accelerator


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return deploy(tmp_path)


@pytest.fixture
def shell() -> FakeShell:
    return fake()


@pytest.fixture
def accelerator(folder: Path, shell: FakeShell) -> Accelerator:
    return Accelerator(folder / "design.bit", batch=8, timeout=0.05, transport=shell)
