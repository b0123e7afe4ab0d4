"""What goes wrong on a board: a sentence each, and the board is usable afterwards."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from bench import Bench
from test_inference import exact


@pytest.fixture
def copy(bench: Bench, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bench.designs[0], tmp_path / "copy"))


def usable(bench: Bench) -> None:
    with bench.open() as accelerator:
        exact(accelerator, bench.golden().repeated(5))


def refused(bench: Bench, folder: Path, message: str) -> None:
    with pytest.raises(bench.onboard.DesignError, match=message) as caught:
        bench.open(folder)
    assert "\n" not in str(caught.value)
    usable(bench)


def test_a_bitstream_that_was_changed(bench: Bench, copy: Path) -> None:
    raw = bytearray((copy / "design.bit").read_bytes())
    raw[-2] ^= 1
    (copy / "design.bit").write_bytes(raw)
    refused(bench, copy, r"design\.bit has the SHA-256")


def test_a_bitstream_that_is_cut_off(bench: Bench, copy: Path) -> None:
    raw = (copy / "design.bit").read_bytes()
    (copy / "design.bit").write_bytes(raw[: len(raw) // 2])
    refused(bench, copy, "is cut off|has the SHA-256")


def test_a_manifest_that_was_changed(bench: Bench, copy: Path) -> None:
    text = (copy / "design.json").read_text()
    (copy / "design.json").write_text(text.replace('"clock_mhz": ', '"clock_mhz": 1'))
    refused(bench, copy, "was changed after it was written")


def test_a_manifest_that_is_cut_off(bench: Bench, copy: Path) -> None:
    text = (copy / "design.json").read_text()
    (copy / "design.json").write_text(text[: len(text) // 2])
    refused(bench, copy, "is no whole JSON file")


def test_another_designs_manifest(bench: Bench, copy: Path) -> None:
    if len(bench.designs) < 2:
        pytest.skip("one --design; this takes the manifest of the second")
    shutil.copyfile(bench.designs[1] / "design.json", copy / "design.json")
    refused(bench, copy, "has the SHA-256")


def test_a_bitstream_for_another_board(bench: Bench, copy: Path) -> None:
    values = json.loads((copy / "design.json").read_text())
    part = values["part"]
    values["part"] = "xc7z010clg400-1" if "7z020" in part else "xc7z020clg400-1"
    from onboard.manifest import checksum

    values["checksum"] = checksum(values)
    (copy / "design.json").write_text(json.dumps(values))
    refused(bench, copy, "is a bitstream for the part")


def test_shape_type_and_range(bench: Bench) -> None:
    golden = bench.golden().repeated(3)
    with bench.open() as accelerator:
        for wrong, message in (
            (golden.inputs[:, :-1], "input of shape"),
            (golden.inputs.astype(float), "input of type float64"),
            (golden.inputs.astype(np.int64) + 10**6, "input code"),
        ):
            with pytest.raises(bench.onboard.InputError, match=message):
                accelerator.infer(wrong)
        exact(accelerator, golden)


def test_unplugged_in_the_middle(bench: Bench) -> None:
    if type(bench) is Bench:
        pytest.skip("this board is not the tests' to unplug")
    golden = bench.golden().repeated(30)
    accelerator = bench.open(batch=4)
    try:
        stream = accelerator.stream(iter(golden.inputs))
        assert np.array_equal(next(stream), golden.outputs[0])
        bench.unplug()
        with pytest.raises(bench.onboard.HardwareError, match="the board does not answer") as lost:
            list(stream)
        assert "make a new Accelerator" in str(lost.value)
    finally:
        bench.replug()
    usable(bench)


SECOND = """
import sys
from onboard import Accelerator, DriverError
import numpy as np
with np.load(sys.argv[1] + "/vectors.npz") as vectors:
    inputs, outputs = vectors["inputs"][:20], vectors["outputs"][:20]
try:
    with Accelerator(sys.argv[1] + "/design.bit") as accelerator:
        print("exact" if np.array_equal(accelerator.infer(inputs), outputs) else "WRONG")
except DriverError as error:
    print("refused:", error)
"""


def test_a_second_process(bench: Bench) -> None:
    """It is refused, has a board of its own (virtual), or takes the board over (remote)."""
    if bench.kind == "ssh":
        pytest.skip("the second one is the board's to refuse; run this there with --board=local")
    golden = bench.golden().repeated(6)
    with bench.open() as accelerator:
        exact(accelerator, golden)
        command = [sys.executable, "-c", SECOND, str(bench.designs[0])]
        done = subprocess.run(
            command, cwd=bench.designs[0], capture_output=True, text=True, timeout=120, check=True
        )
        expected = {
            "local": "refused: process", "virtual": "exact", "remote": "exact",
            "serial": "refused: another process",
        }  # fmt: skip
        assert done.stdout.startswith(expected[bench.kind]), done.stdout + done.stderr
        if bench.kind == "remote":  # its design was replaced: no integers rather than wrong ones
            with pytest.raises(bench.onboard.HardwareError, match="configured by"):
                accelerator.infer(golden.inputs)
        else:
            exact(accelerator, golden)
    usable(bench)
