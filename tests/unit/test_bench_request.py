"""What ``lepton bench`` is asked for, and the table of what it found."""

import json
from pathlib import Path

import pytest

from lepton_hw.cli import comparison_rows
from lepton_hw.cli.measuring import _batches, _meters
from lepton_hw.errors import InputError
from lepton_hw.measure import words
from lepton_hw.measure.comparison import Comparison, Quantity, break_even
from lepton_hw.stages.bench import parse
from tests.unit.test_measure_rounds import target

SCHEMA = Path(__file__).resolve().parents[2] / "docs/measurements/bench.schema.json"


def test_targets() -> None:
    found = parse("cpu,gpu:integers,fpga:pynq_z2,fpga:virtual,fpga:ssh:me@board:22,cpu", "")
    names = [f"{each.kind} {each.name}" for each in found]
    assert names == [
        "cpu pytorch-fp32", "cpu pytorch-bf16", "cpu onnxruntime", "cpu integers",
        "gpu integers", "fpga pynq_z2", "fpga virtual", "fpga ssh:me@board:22",
    ]  # fmt: skip
    assert [str(each.place) for each in found if each.place] == ["virtual", "ssh:me@board:22"]
    assert [each.name for each in parse("fpga", "kv260")] == ["kv260"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tpu", "--on has 'tpu'; expected cpu, gpu, fpga:BOARD"),
        ("fpga", "--on has 'fpga'"),
        ("", "--on has ''"),
        ("cpu:theano", "expected one of pytorch-fp32, pytorch-bf16, onnxruntime, integers"),
        ("fpga:pynq_z9", r"a board \(.*pynq_z2.*\), virtual, local"),
        ("fpga:ssh:", "the place is 'ssh:'"),
    ],
)
def test_what_is_no_target(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        parse(text, "")


def test_batches_and_meters(tmp_path: Path) -> None:
    assert _batches("16, 1,256,16") == (1, 16, 256)
    for wrong in ("0", "1,,2", "-1", "x", "", "9999999999"):
        with pytest.raises(InputError, match="numbers from 1"):
            _batches(wrong)
    file = tmp_path / "m=1.csv"
    file.touch()
    assert _meters([f"cpu={file}"]) == (("cpu", file),)
    with pytest.raises(InputError, match=r"TARGET=FILE\.csv"):
        _meters(["meter.csv"])
    with pytest.raises(InputError, match="there is no file"):
        _meters(["cpu=absent.csv"])


def comparison() -> Comparison:
    fpga, cpu = target("fpga z", "fpga", {1: 10, 16: 10}), target("cpu x", "cpu", {1: 5, 16: 20})
    first = fpga.rows[0]
    joule = Quantity(value=2e-3, low=1e-3, high=4e-3, how="modelled", source="m")
    timing = first.latency.model_copy(update={"how": "modelled", "high": 0.15})
    rows = (first.model_copy(update={"energy": joule, "latency": timing}), *fpga.rows[1:])
    slow = cpu.rows[0].latency.model_copy(update={"noisy": True})
    others = (cpu.rows[0].model_copy(update={"latency": slow, "why_no_energy": "no right."}),)
    targets = (
        fpga.model_copy(update={"rows": rows}),
        cpu.model_copy(update={"rows": (*others, *cpu.rows[1:]), "left_out": {"64": "slow"}}),
    )
    return Comparison(
        flow="f", title="F", board="b", began="2026-01-31T12:00:00+00:00", seconds=1.0, machine={},
        targets=targets, absent={"gpu": "none here"}, break_even=break_even(targets),
        model_error={"z, batch 1": 0.012},
    )  # fmt: skip


def test_marks_and_reasons() -> None:
    found = comparison()
    columns, rows = comparison_rows.table(found)
    assert all(len(row) == len(columns) for row in rows)
    assert rows[0] == ("fpga z", "1", "~100 ms", "+0 +50 %", "-", "~10",
                       "~2 mJ (1 mJ – 4 mJ)")  # fmt: skip
    assert rows[2][:3] == ("cpu x", "1", "200 ms!")
    assert "\n".join(comparison_rows.below(found)) == "\n".join(
        [
            "~ modelled: RTL cycles × clock, and the constants in bench.json",
            "! noisy, 1 of the rows: calls spread by over 20 %, or rounds differ by over 3 %; "
            "measure on a quiet machine",
            "not measured: gpu: none here",
            "left out: cpu x, batch 64: slow",
            "no energy of cpu x: no right",
            "cpu x takes less time an image than fpga z from batch 16 on",
            "cycles, model against the shell's counters: +1.2% at z, batch 1",
        ]
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [(2.0, "2 s"), (0.0123, "12.3 ms"), (447.6e-6, "448 µs"), (3e-9, "3 ns"), (0.0, "0 ns")],
)
def test_seconds(value: float, text: str) -> None:
    assert words.seconds(value) == text


def test_the_schema_is_the_documented_one() -> None:
    """``docs/measurements/bench.schema.json``: write it anew from `Comparison` when it changes."""
    assert json.loads(SCHEMA.read_text()) == Comparison.model_json_schema()
    assert Comparison.model_validate_json(comparison().model_dump_json()) == comparison()
