"""Compiling: every network gives a design; boards too small; foldings."""

import json
import re
from pathlib import Path

import pytest

from lepton_hw.board import Board, load_board
from lepton_hw.compiler import compile as compiler
from lepton_hw.compiler.compile import Result, compile_model
from lepton_hw.compiler.fifo_sizing import Sizing
from lepton_hw.compiler.graph import Graph
from lepton_hw.compiler.steps import FinnSteps
from lepton_hw.errors import InputError, LeptonError, StageError
from lepton_hw.flow import Compile, Flow
from lepton_hw.stages.compile import folding_digest
from lepton_hw.stages.qonnx_file import export_qonnx

from .conftest import Built
from .test_models import SHAPES, contract, network
from .tiny_onnx import dense

BOARD = load_board("pynq_z2")


@pytest.fixture(autouse=True)
def _no_simulation(monkeypatch: pytest.MonkeyPatch) -> None:
    """FIFO depths are not the subject here, and their simulation takes longest."""

    def shallow(graph: Graph, *_: object) -> Sizing:
        return Sizing({kernel.name: 16 for kernel in graph.kernels if kernel.depth}, 1.0)

    monkeypatch.setattr(compiler, "size_fifos", shallow)


def compiled(model: Path, folder: Path, board: Board = BOARD, **goal: object) -> Result:
    """Compiles into a new folder; removes nothing."""
    folder.mkdir(parents=True)
    return compile_model(model, board, folder, **goal)  # type: ignore[arg-type]


#: Writing the code of these takes a minute; the rest of their way is the same for all.
DEEP = ("resnet8", "dscnn", "vgg10", "unet", "cnv", "cnv_strided")


class Enough(Exception):
    """Every layer is mapped, has RTL, is folded, and the whole fits."""


# mobilenet_v1 is dscnn's layers thirteen times over, and takes FINN as much longer.
@pytest.mark.parametrize("name", sorted(set(SHAPES) - {"mobilenet_v1"}))
def test_every_network_gives_a_design(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise Enough

    if name in DEEP:
        monkeypatch.setattr(FinnSteps, "generate", stop)
    built, model = network(name, 4), tmp_path / "model.onnx"
    export_qonnx(built, contract(name, built).input, model)
    try:
        result = compiled(model, tmp_path / "out", load_board("zcu104"), target_fps=100)
    except Enough:
        assert name in DEEP
    else:
        assert {kernel.op.rpartition("_")[2] for kernel in result.graph.kernels} == {"rtl"}
        assert (tmp_path / "out" / "graph.json").is_file()


def with_only(**amounts: int) -> Board:
    """The board with less of a resource."""
    resources = BOARD.resources.model_copy(update=amounts)
    return BOARD.model_copy(update={"resources": resources})


@pytest.mark.parametrize(("resource", "share"), [("lut", 0.5)])
def test_a_board_too_small(built: Built, tmp_path: Path, resource: str, share: float) -> None:
    """The message says which resource, by how much, and a goal that then does fit."""
    model = built.exported.path("model.onnx")
    need = getattr(compiled(model, tmp_path / "free", target_fps=90_000).use, resource)
    have = int(need * share)
    board = with_only(**{resource: have})
    with pytest.raises(StageError) as error:
        compiled(model, tmp_path / "small", board, target_fps=90_000)
    found = re.match(
        rf"the design needs ([\d,]+) {resource.upper()} by estimate, "
        rf"([\d,]+) more than the TUL PYNQ-Z2 has",
        error.value.found,
    )
    assert found is not None, error.value.found
    demand, excess = (int(number.replace(",", "")) for number in found.groups())
    assert demand - excess == have
    assert error.value.expected == f"at most {have:,}"
    goal = re.search(r"lower compile.target_fps to (\d+), which fits", error.value.remedy)
    assert goal is not None, error.value.remedy
    use = compiled(model, tmp_path / "fits", board, target_fps=int(goal[1])).use
    assert getattr(use, resource) <= have


def test_a_board_that_nothing_fits(built: Built, tmp_path: Path) -> None:
    with pytest.raises(StageError, match="choose a larger board or a smaller network"):
        compiled(
            built.exported.path("model.onnx"), tmp_path / "x", with_only(lut=200), target_fps=100
        )


def test_finns_reason_and_a_log_that_stays(tmp_path: Path) -> None:
    """A failure within FINN names layer and log, and the log is there to be read."""
    model = dense(tmp_path / "m.onnx", extra="Sigmoid")
    with pytest.raises(StageError) as error:
        compiled(model, tmp_path / "out", target_fps=100)
    named = re.search(r"read (\S+), which holds FINN's own messages", error.value.remedy)
    assert named is not None, str(error.value)
    assert "Traceback" in Path(named[1]).read_text()
    assert Path(named[1]).parent == tmp_path  # not in the folder that is about to be removed


def folded(built: Built, tmp_path: Path, text: str) -> str:
    """The error that a folding file of this content ends in."""
    path = tmp_path / "folding.json"
    path.write_text(text)
    with pytest.raises(LeptonError) as error:
        compiled(built.exported.path("model.onnx"), tmp_path / "out", folding=path)
    assert isinstance(error.value, InputError), str(error.value)
    return str(error.value)


def test_a_folding_file_decides(built: Built, tmp_path: Path) -> None:
    path = tmp_path / "folding.json"
    path.write_text(json.dumps({"Defaults": {}, "MVAU_rtl_0": {"PE": 2, "SIMD": 1}}))
    result = compiled(built.exported.path("model.onnx"), tmp_path / "out", folding=path)
    first = next(kernel for kernel in result.graph.kernels if kernel.name == "MVAU_rtl_0")
    assert (first.attributes["PE"], first.attributes["SIMD"]) == (2, 1)


def test_a_folding_file_with_mistakes(built: Built, tmp_path: Path) -> None:
    text = json.dumps({"MVAU_rtl0": {"PE": 2}})
    said = folded(built, tmp_path, text)
    assert "names layer 'MVAU_rtl0'; expected one of " in said
    assert said.endswith("write 'MVAU_rtl_0' if you mean that.")


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ({"MVAU_rtl_0": {"PEE": 2}}, "sets 'PEE' of layer 'MVAU_rtl_0'; expected one of PE, SIMD"),
        ({"MVAU_rtl_0": {"PE": 3}}, "sets PE of layer 'MVAU_rtl_0' to 3; expected a divisor of"),
        ({"MVAU_rtl_0": {"PE": 0}}, "sets PE of layer 'MVAU_rtl_0' to 0; expected a divisor of"),
        ([1, 2], "is no table of layers; expected"),
        ({"MVAU_rtl_0": 4}, "is no table of layers; expected"),
    ],
)
def test_a_folding_that_cannot_be(
    built: Built, tmp_path: Path, table: object, sentence: str
) -> None:
    assert sentence in folded(built, tmp_path, json.dumps(table))


@pytest.mark.parametrize("content", [None, b"PE: 4", b"\xff\xfe\x00", b""])
def test_a_folding_file_that_is_none(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "folding.json"
    if content is not None:
        path.write_bytes(content)
    flow = Flow(name="x", model_file="x", compile=Compile(folding=str(path)))
    with pytest.raises(InputError) as error:
        folding_digest(flow)
    assert str(error.value).startswith(f"the folding file {path} cannot be read (")
    assert "expected a FINN folding configuration in JSON" in str(error.value)
