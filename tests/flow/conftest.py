"""One small certified build, shared by all tests of the flow: digits, a few epochs, 40 images."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from lepton_hw.board import Board, load_board
from lepton_hw.flow import Flow, load_flow
from lepton_hw.pipeline import Options, build, build_folder
from lepton_hw.stages.certify import Certified
from lepton_hw.stages.compile import Compiled
from lepton_hw.stages.export import Exported
from lepton_hw.stages.simulate import Simulated
from lepton_hw.stages.stitch import Stitched

IMAGES = 40


@dataclass(frozen=True)
class Built:
    """The artifacts of the shared build."""

    flow: Flow
    board: Board
    options: Options
    folder: Path
    exported: Exported
    compiled: Compiled
    stitched: Stitched
    simulated: Simulated
    certified: Certified


def small_flow() -> Flow:
    """The demo's flow, trained for three epochs and folded less."""
    flow = load_flow("digits_cnn")
    assert flow.train is not None
    return flow.model_copy(
        update={
            "name": "digits_small",
            "train": flow.train.model_copy(update={"epochs": 3}),
            "check": flow.check.model_copy(update={"rtl_images": IMAGES}),
        }
    )


@pytest.fixture(scope="session")
def built(shared: Path) -> Built:
    """Trains, exports, compiles, stitches, simulates and certifies once for all workers.

    The build's own lock lets the first of them build; tests change copies only (`copy_of`).
    """
    flow, board = small_flow(), load_board("pynq_z2")
    options = Options(build_dir=shared / "shared-build", to="certify")
    done = build(flow, board, options)
    return Built(
        flow,
        board,
        options,
        build_folder(flow, board, options),
        done["export"],  # type: ignore[arg-type]
        done["compile"],  # type: ignore[arg-type]
        done["stitch"],  # type: ignore[arg-type]
        done["simulate"],  # type: ignore[arg-type]
        done["certify"],  # type: ignore[arg-type]
    )
