"""The deployment folder: what it must refuse, and that it replaces an older one as a whole."""

from pathlib import Path

import numpy as np
import pytest

from lepton_hw.board import load_board
from lepton_hw.contract import InputContract, Port
from lepton_hw.deployment import manifest, write_deployment
from lepton_hw.design import Design, Stream
from lepton_hw.errors import InputError
from lepton_hw.onboard.manifest import check_files, read_manifest

PORT = Port(name="x", dtype="UINT4", shape=(6,), layout="NC")
CONTRACT = InputContract(input=PORT, output=PORT)
BOARD = load_board("pynq_z2")
VECTORS = (np.zeros((1, 6), np.int64), np.zeros((1, 6), np.int64))


def design(outputs: int = 1) -> Design:
    stream = Stream(tensor="x", producer="", consumer="", dtype="UINT4", bits=4, width=16,
                    shape=(1, 6), folded_shape=(1, 2, 3), name="x")  # fmt: skip
    return Design(top="t", sources=(), data_files=(), inputs=("x",), outputs=("x",) * outputs,
                  streams=(stream,), nodes=())  # fmt: skip


def test_what_is_written_is_what_the_driver_reads(tmp_path: Path) -> None:
    bitstream = tmp_path / "system.bit"
    bitstream.write_bytes(b"bits")
    bitstream.with_suffix(".hwh").write_text("<description/>")
    folder = tmp_path / "out"
    (folder / "older").mkdir(parents=True)
    write_deployment(folder, bitstream, design(), CONTRACT, BOARD, "01" * 32, VECTORS)
    assert not (folder / "older").exists()
    assert (folder / "design.hwh").read_text() == "<description/>"
    read = read_manifest(folder / "design.json")
    check_files(read, folder / "design.bit")
    assert (read.digest, read.part, read.clock_mhz) == ("01" * 32, BOARD.part, BOARD.clock)
    packing = read.input.packing
    assert (packing.shape, packing.beats, packing.elements) == ((6,), 2, 3)
    assert (packing.beat_bytes, packing.frame_bytes) == (2, 4)


def test_what_cannot_be_deployed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="1 inputs and 2 outputs; expected one of each"):
        manifest(design(2), CONTRACT, BOARD, "01" * 32, {})
    with pytest.raises(InputError, match="the design's digest is 'abc'"):
        manifest(design(), CONTRACT, BOARD, "abc", {})
    with pytest.raises(InputError, match=r"there is no bitstream .*none\.bit"):
        write_deployment(
            tmp_path / "out", tmp_path / "none.bit", design(), CONTRACT, BOARD, "01" * 32, VECTORS
        )
    assert not (tmp_path / "out").exists()
