"""How much a dot product adds in a cycle, as a value in the copy of its package."""

from pathlib import Path

import pytest

from lepton_hw.errors import StageError
from lepton_hw.flow import Compile
from lepton_hw.rtl import stages

OURS = Path(stages.__file__).parent / stages.FILE


def test_one_value_is_set(tmp_path: Path) -> None:
    copy = tmp_path / stages.FILE
    copy.write_text(OURS.read_text())
    stages.set_bits_per_stage(copy, 17)
    assert "BITS_PER_STAGE = 17;" in copy.read_text()
    assert copy.read_text().replace("= 17;", "= 32;") == OURS.read_text()


def test_the_default_is_the_packages() -> None:
    default = Compile(target_fps=1).bits_per_stage
    assert f"BITS_PER_STAGE = {default};" in OURS.read_text()


def test_a_package_without_it_is_refused(tmp_path: Path) -> None:
    copy = tmp_path / stages.FILE
    copy.write_text("package dot_pkg; endpackage\n")
    with pytest.raises(StageError, match="sets BITS_PER_STAGE in 0 places"):
        stages.set_bits_per_stage(copy, 17)
