"""A small design of 48 codes in and 5 out: its function, its deployment folder, its fake board."""

from pathlib import Path

import numpy as np
from fake_shell import FakeShell

from lepton_hw.board import load_board
from lepton_hw.contract import InputContract, Port
from lepton_hw.deployment import write_deployment
from lepton_hw.design import Design, Stream

SHAPE, DIGEST = (4, 4, 3), "ab" * 32


WEIGHTS = np.random.default_rng(1).integers(-2, 3, (48, 5))


BEFORE = ({"op": "decode", "mode": "RGB"}, {"op": "resize", "width": 4, "height": 4})


def network(codes: np.ndarray) -> np.ndarray:
    return codes.reshape(len(codes), 48) @ WEIGHTS


def stream(name: str, dtype: str, bits: int, shape: tuple, folded: tuple) -> Stream:
    width = -(-bits * folded[-1] // 8) * 8
    return Stream(tensor=name, producer="", consumer="", dtype=dtype, bits=bits, width=width,
                  shape=(1, *shape), folded_shape=folded, name=name)  # fmt: skip


def deploy(
    folder: Path, dtype: str = "UINT4", bitstream: bytes = b"configuration", **more: object
) -> Path:
    door, end = (1, 4, 4, 1, 3), (1, 5, 1)
    bits = {"UINT4": 4, "BIPOLAR": 1, "UINT8": 8}[dtype]
    design = Design(top="top", sources=(), data_files=(), inputs=("in",), outputs=("out",),
                    streams=(stream("in", dtype, bits, SHAPE, door),
                             stream("out", "INT13", 13, (5,), end)), nodes=(), **more)  # fmt: skip
    contract = InputContract(
        input=Port(name="in", dtype=dtype, shape=SHAPE, layout="NHWC"),
        output=Port(name="out", dtype="INT13", shape=(5,), layout="NC", scale=(0.5,)),
        host_before=BEFORE, host_after=("argmax",), labels=tuple("vwxyz"),
    )  # fmt: skip
    file = folder / "built.bit"
    file.write_bytes(bitstream)
    codes = random_batch(9, dtype)
    write_deployment(folder / "deployed", file, design, contract, load_board("pynq_z2"), DIGEST,
                     (codes, network(codes)))  # fmt: skip
    return folder / "deployed"


def fake(dtype: str = "UINT4") -> FakeShell:
    beats = {"UINT4": (4, 2), "BIPOLAR": (1, 1), "UINT8": (8, 3)}[dtype]
    return FakeShell(SHAPE, (dtype, 16, 3, *beats), ("INT13", 5, 1, 13, 2), network, DIGEST)


def random_batch(count: int, dtype: str = "UINT4", seed: int = 7) -> np.ndarray:
    codes = np.random.default_rng(seed).integers(0, 16, (count, *SHAPE))
    return np.where(codes > 7, 1, -1) if dtype == "BIPOLAR" else codes
