"""The grid of a sweep: what becomes of it, and what is refused, each in one sentence."""

import re
from typing import Any

import pytest

from lepton_hw.errors import InputError
from lepton_hw.flow import Flow
from lepton_hw.sweep.build import training_key
from lepton_hw.sweep.grid import LONGEST_NAME, parse_grid, points_of, said
from lepton_hw.toml_values import validate

TABLES: dict[str, Any] = {
    "name": "tiny",
    "data": {"set": "digits", "augment": [{"op": "rotate", "degrees": 10.0}]},
    "model": {"name": "cnn_small", "weight_bits": 4, "act_bits": 3},
    "train": {"epochs": 2, "seed": 7},
    "compile": {"target_fps": 1000, "fifo_max_depth": 64, "fifo_time_limit": "90 s"},
}


def flow(**changes: Any) -> Flow:
    return validate({**TABLES, **changes}, Flow, "test")


def given() -> Flow:
    return validate(
        {"name": "given", "model_file": "x.onnx", "compile": {"folding": "f.json"}}, Flow, "test"
    )


def points(*texts: str, of: Flow | None = None) -> Any:
    of = of or flow()
    return points_of(parse_grid(texts, of), of)


def test_every_combination_is_a_flow_with_a_name_of_its_own() -> None:
    found = points("bits=2,3", "target_fps=20000,90000")
    assert [point.name for point in found] == [
        "tiny_bits2_target_fps20000",
        "tiny_bits2_target_fps90000",
        "tiny_bits3_target_fps20000",
        "tiny_bits3_target_fps90000",
    ]
    assert all(point.flow.name == point.name for point in found)
    assert found[1].values == {"bits": 2, "target_fps": 90000}
    last = found[-1].flow
    assert (last.model.weight_bits, last.model.act_bits, last.compile.target_fps) == (3, 3, 90000)
    assert last.title == "tiny, bits 3, target_fps 90000"


def test_all_else_stays_as_it_is() -> None:
    point = points("target_fps=5")[0].flow
    same = flow()
    for name in ("data", "model", "train", "check"):
        assert getattr(point, name) == getattr(same, name)
    assert point.compile == same.compile.model_copy(update={"target_fps": 5})
    assert point.compile.fifo_time_limit == 90.0


def test_a_goal_takes_the_place_of_the_flows() -> None:
    assert points("largest=true")[0].flow.compile.target_fps is None
    folded = points("folding=a.json,b.json", of=flow(compile={"largest": True}))
    assert [point.flow.compile.folding for point in folded] == ["a.json", "b.json"]
    assert not folded[0].flow.compile.largest
    assert points("target_fps=7", of=given())[0].flow.compile.folding is None


def test_values_are_read_as_toml_and_text_needs_no_quotes() -> None:
    grid = parse_grid(
        ("learning_rate=1e-2,5e-3", "model.name=mlp, cnn_small", "vectors=all,20",
         "fifo_time_limit=60 s", "runtime_weights=true", 'init="2024"'), flow(),
    )  # fmt: skip
    assert [axis.values for axis in grid] == [
        (0.01, 0.005), ("mlp", "cnn_small"), ("all", 20), ("60 s",), (True,), ("2024",)
    ]  # fmt: skip
    assert parse_grid(("train.init=a#b",), flow())[0].values == ("a#b",)
    found = points_of(grid, flow())
    assert len(found) == 8
    assert found[0].flow.compile.fifo_time_limit == 60.0


def test_names_stay_apart_and_short() -> None:
    found = points("folding=a/b.json,a_b.json")
    assert len({point.name for point in found}) == 2
    far = points(f"folding={'x' * 300},{'y' * 300}")
    assert all(len(point.name) <= LONGEST_NAME for point in far)
    assert all(re.fullmatch("[a-z0-9_]+", point.name) for point in (*found, *far))


def test_points_with_the_same_recipe_share_a_training() -> None:
    found = points("bits=2,3", "target_fps=1,2", "check.seed=1,2")
    keys = [training_key(point.flow) for point in found]
    assert len(set(keys)) == 2
    assert keys[0] == keys[3] != keys[4]
    assert training_key(given()) == ""


def test_said_is_what_a_person_reads() -> None:
    assert said({"bits": 2, "largest": True, "name": "x"}) == "bits 2, largest true, name x"


REFUSED = [
    ((), "no --grid was given; expected at least one; pass for instance --grid bits=2,3,4."),
    (("bits",), "--grid is 'bits'; expected KEY=VALUE,VALUE; "),
    (("=2",), "--grid is '=2'; expected KEY=VALUE,VALUE; "),
    (("bits=2,,3",), "--grid bits has an empty value ('2,,3'); expected values with one comma"),
    (("bits=",), "--grid bits has an empty value (''); "),
    (("bits=2,2",), "--grid bits has the value 2 twice; expected each value once; delete one."),
    (("bits=9",), "--grid bits=9: key 'model.weight_bits' is 9; expected a number less than or "
     "equal to 8; correct the value."),
    (("bits=2,two",), "--grid bits=two: key 'model.weight_bits' is \"two\"; expected an integer; "),
    (("bits=2.0",), "key 'model.weight_bits' is 2.0; expected an integer; "),
    (("largest=1",), "key 'compile.largest' is 1; expected true or false; "),
    (("largest=false",), "expected exactly one of target_fps, target_latency_us, folding"),
    (("fifo_time_limit=60",), "key 'compile.fifo_time_limit' is 60; expected a time with its unit"),
    (("bts=2",), "--grid key 'bts' is unknown; expected one of bits, data.set, "),
    (("bts=2",), "; rename it if you mean 'bits'."),
    (("model.qqq=2",), "--grid key 'model.qqq' is unknown; "),
    (("name.first=2",), "--grid key 'name.first' is unknown; "),
    (("title=x",), "--grid key 'title' is unknown; "),
    (("shape=8",), "--grid key 'shape' holds a list; expected a key with one value; "),
    (("data.augment=8",), "--grid key 'data.augment' holds a list; "),
    (("seed=1",), "--grid key 'seed' is not unique; expected train.seed or check.seed; write one."),
    (("bits=2", "act_bits=3"), "--grid gives model.act_bits twice, by 'bits' and 'act_bits'; "),
    (("bits=2", "bits=3"), "--grid gives model.weight_bits twice, by 'bits' and 'bits'; "),
    (("target_fps=1", "largest=true"), "--grid has target_fps and largest, which exclude each "
     "other; expected one of target_fps, folding, largest; delete one of the two."),
    (("target_fps=" + ",".join(map(str, range(1, 1002))),), "--grid has 1,001 points; expected "),
]  # fmt: skip


@pytest.mark.parametrize(("texts", "sentence"), REFUSED)
def test_what_is_refused(texts: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(InputError) as refused:
        points(*texts)
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("text", ["bits=2", "train.epochs=1", "data.set=digits"])
def test_a_finished_model_has_no_training_to_vary(text: str) -> None:
    with pytest.raises(InputError, match="flow 'given' is a finished model without that table"):
        points(text, of=given())
    with pytest.raises(InputError, match=r"expected one of compile\.target_fps, "):
        points("nope=1", of=given())
