"""The flow files, how a flow is found, and what a flow may leave out."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from lepton_hw.board import Board
from lepton_hw.errors import InputError
from lepton_hw.flow import ROOT, Check, Compile, Data, Flow, Model, Train, known_flows, load_flow
from lepton_hw.toml_values import validate

FILES = sorted((ROOT / "flows").glob("*.toml"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_flow_reads_and_says_what_it_is(file: Path) -> None:
    flow = load_flow(file.stem)
    assert flow.title
    assert file.read_text().startswith("# ")


def test_the_demo_is_a_four_bit_network_checked_on_all_test_images() -> None:
    flow = load_flow("digits_cnn")
    assert flow.data is not None
    assert flow.model is not None
    assert (flow.data.set, flow.model.name) == ("digits", "cnn_small")
    assert (flow.model.weight_bits, flow.model.act_bits) == (4, 4)
    assert flow.check.rtl_images == 360


def test_an_unknown_flow_lists_the_known() -> None:
    with pytest.raises(InputError) as error:
        load_flow("digit_cnn")
    assert str(error.value) == (
        f"there is no flow 'digit_cnn'; expected one of {', '.join(known_flows())}; "
        "pass one of these, or the path of a flow file."
    )


def test_the_name_is_that_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "other.toml"
    file.write_text((ROOT / "flows" / "digits_cnn.toml").read_text())
    with pytest.raises(InputError, match="key 'name' is 'digits_cnn'; expected 'other', as the"):
        load_flow(str(file))


def test_a_finished_model_needs_no_training() -> None:
    flow = Flow(name="mine", model_file="model.onnx", compile=Compile(target_fps=100))
    assert flow.train is None
    assert flow.check == Check(rtl_images=360, random_vectors=64, seed=0)


def test_a_finished_model_and_training_exclude_each_other() -> None:
    parts = {
        "data": Data(set="digits"),
        "model": Model(name="tfc", weight_bits=2, act_bits=2),
        "train": Train(epochs=1),
    }
    Flow(name="mine", compile=Compile(target_fps=1), **parts)
    with pytest.raises(ValidationError, match="either model_file or the tables"):
        Flow(name="mine", compile=Compile(target_fps=1), model_file="model.onnx", **parts)


def test_a_flow_cannot_be_changed() -> None:
    flow = load_flow("digits_cnn")
    with pytest.raises(ValidationError, match="frozen"):
        flow.name = "other"  # type: ignore[misc]


def with_fifo_limits(tmp_path: Path, lines: str) -> Flow:
    """The demo's flow with more lines in its table [compile]."""
    text = (ROOT / "flows" / "digits_cnn.toml").read_text()
    file = tmp_path / "digits_cnn.toml"
    file.write_text(text.replace("[compile]\n", f"[compile]\n{lines}\n"))
    return load_flow(str(file))


def test_fifo_limits_have_units(tmp_path: Path) -> None:
    goal = with_fifo_limits(tmp_path, 'fifo_max_depth = 64\nfifo_time_limit = "1.5 min"').compile
    assert (goal.fifo_max_depth, goal.fifo_time_limit) == (64, 90.0)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("fifo_max_depth = 1", "key 'compile.fifo_max_depth' is 1; expected a number greater than"),
        ("fifo_max_depth = 9.5", "key 'compile.fifo_max_depth' is 9.5; expected an integer"),
        ("fifo_time_limit = 60", "is 60; expected a time with its unit, such as '60 s' or '5 min'"),
        ('fifo_time_limit = "0 s"', 'is "0 s"; expected a time with its unit'),
    ],
)
def test_fifo_limits_that_cannot_be(tmp_path: Path, line: str, sentence: str) -> None:
    with pytest.raises(InputError) as error:
        with_fifo_limits(tmp_path, line)
    assert sentence in str(error.value)


def numbers(schema: object, where: str = "") -> Iterator[tuple[str, dict[str, object]]]:
    """Every schema of a number inside another, with the way to it."""
    if isinstance(schema, dict):
        if schema.get("type") in ("integer", "number"):
            yield where, schema
        for key, value in schema.items():
            yield from numbers(value, f"{where}/{key}")
    elif isinstance(schema, list):
        for value in schema:
            yield from numbers(value, where)


@pytest.mark.parametrize("kind", [Flow, Board])
def test_every_number_has_both_limits(kind: type[Flow | Board]) -> None:
    found = list(numbers(kind.model_json_schema()))
    assert len(found) > 5
    for where, schema in found:
        assert {"maximum", "exclusiveMaximum", "le"} & set(schema), where
        assert {"minimum", "exclusiveMinimum", "ge", "gt"} & set(schema), where


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"shape": [10**6, 1, 1]}, r"'shape\[0\]' is 1000000; expected a number less than or"),
        ({"shape": [8192, 8192, 3]}, "expected a shape .* of at most 16,777,216; change"),
        ({"shape": [512, 512, 3], "classes": 1000}, "times classes, if synthetic"),
        ({"classes": 10**9}, "'classes' is 1000000000; expected a number less than or equal to"),
    ],
)
def test_a_data_set_that_no_memory_holds(values: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        validate({"set": "synthetic", **values}, Data, "here")
