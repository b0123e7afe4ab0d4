"""The model of a frame's latency against the RTL: the shared build, and random foldings of a tiny
network.
"""

import json
import random
from pathlib import Path

import pytest
from qonnx.core.modelwrapper import ModelWrapper

from lepton_hw.compiler.compile import specialize
from lepton_hw.compiler.folding import Choices, choices
from lepton_hw.compiler.steps import FinnSteps
from lepton_hw.compiler.world import finn_world
from lepton_hw.flow import Compile
from lepton_hw.pipeline import Options, build
from lepton_hw.stages.compile import Compiled
from lepton_hw.stages.export import Exported
from lepton_hw.stages.simulate import Simulated

from .conftest import Built
from .small import BOARD, small_flow

#: Of the RTL's cycles.
ERROR = 0.01


def test_the_shared_build_takes_as_long_as_the_model_says(built: Built) -> None:
    rtl = built.simulated.latency_cycles
    assert built.compiled.latency_model == pytest.approx(rtl, rel=ERROR)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tuple[Exported, Choices, Options]:
    """A trained tiny network and all its foldings."""
    folder = tmp_path_factory.mktemp("tiny")
    options = Options(build_dir=folder, to="export")
    exported = build(small_flow(), BOARD, options)["export"]
    assert isinstance(exported, Exported)
    with finn_world(folder / "scratch", folder / "finn.log"):
        steps = FinnSteps(BOARD, folder, folder / "finn.log")
        model, _ = steps.front(ModelWrapper(str(exported.path("model.onnx"))))
        among = choices(specialize(steps, model), BOARD)
    return exported, among, Options(build_dir=folder, to="simulate")


@pytest.mark.parametrize("seed", [1])
def test_random_foldings(
    tiny: tuple[Exported, Choices, Options], tmp_path: Path, seed: int
) -> None:
    """Never off by more than a hundredth of the RTL's cycles, either way."""
    _, among, options = tiny
    draw = random.Random(seed)
    table: dict[str, object] = {"Defaults": {}}
    for group in among.groups:
        small = sorted(group, key=lambda option: option.cost)[: max(1, len(group) // 2)]
        table |= draw.choice(small).attributes
    file = tmp_path / "random.json"
    file.write_text(json.dumps(table))
    flow = small_flow()
    changes = {"compile": Compile(folding=str(file)), "check": flow.check.model_copy(
        update={"rtl_images": 2}
    )}  # fmt: skip
    done = build(flow.model_copy(update=changes), BOARD, options)
    compiled, simulated = done["compile"], done["simulate"]
    assert isinstance(compiled, Compiled)
    assert isinstance(simulated, Simulated)
    assert compiled.latency_model == pytest.approx(simulated.latency_cycles, rel=ERROR)
