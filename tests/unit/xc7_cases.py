"""A tiny device with a database of its own: a few tiles of every kind that the real one has.

Nothing here is Project X-Ray's; only the form of the files is.
"""

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lepton_hw.xc7 import bitfile
from lepton_hw.xc7.device import WORDS, Device

PART = "xc7z999clg400-1"
IDCODE = 0x13799093

PART_JSON = {
    "idcode": IDCODE,
    "iobanks": {"34": "X9Y26"},
    "global_clock_regions": {
        "top": {"rows": {"0": {"configuration_buses": {
            "CLB_IO_CLK": {"configuration_columns": {
                "0": {"frame_count": 42}, "1": {"frame_count": 36}, "2": {"frame_count": 28}}},
            "BLOCK_RAM": {"configuration_columns": {"0": {"frame_count": 128}}},
        }}}},
        "bottom": {"rows": {"0": {"configuration_buses": {
            "CLB_IO_CLK": {"configuration_columns": {"0": {"frame_count": 36}}},
        }}}},
    },
}  # fmt: skip


def _bits(base: int, frames: int, offset: int, words: int) -> dict[str, object]:
    return {"baseaddr": f"0x{base:08X}", "frames": frames, "offset": offset, "words": words}


def _tile(kind: str, sites: tuple[str, ...] = (), **bits: object) -> dict[str, object]:
    return {"type": kind, "bits": bits, "sites": dict.fromkeys(sites, "")}


def _half(base: int, offset: int, start: int, site: str) -> dict[str, object]:
    alias = {
        "type": "RIOB33",
        "start_offset": start,
        "sites": {"IOB_ONLY": f"IOB_Y{1 - start // 2}"},
    }
    bits = {**_bits(base, 42, offset, 2), "alias": alias}
    return _tile("RIOB33_SING", (site,), CLB_IO_CLK=bits)


TILES = {
    "INT_L_X0Y0": _tile("INT_L", CLB_IO_CLK=_bits(0x80, 26, 0, 2)),
    "INT_L_X0Y1": _tile("INT_L", CLB_IO_CLK=_bits(0x80, 26, 2, 2)),
    "INT_L_X0Y2": _tile("INT_L", CLB_IO_CLK=_bits(0x400000, 26, 99, 2)),
    "CLBLL_L_X0Y0": _tile("CLBLL_L", CLB_IO_CLK=_bits(0x80, 36, 0, 2)),
    "CLBLL_L_X0Y1": _tile("CLBLL_L", CLB_IO_CLK=_bits(0x80, 36, 2, 2)),
    "BRAM_L_X1Y0": _tile("BRAM_L", CLB_IO_CLK=_bits(0x100, 28, 0, 10),
                         BLOCK_RAM=_bits(0x800000, 128, 0, 10)),
    "RIOB33_X9Y1": _tile("RIOB33", ("IOB_X1Y1", "IOB_X1Y2"), CLB_IO_CLK=_bits(0, 42, 2, 4)),
    "RIOB33_SING_X9Y0": _half(0, 0, 2, "IOB_X1Y0"),
    "RIOB33_SING_X9Y49": _half(0, 99, 0, "IOB_X1Y49"),
    "HCLK_IOI3_X9Y26": _tile("HCLK_IOI3", CLB_IO_CLK=_bits(0, 42, 50, 1)),
    "CFG_X5Y5": _tile("CFG", CLB_IO_CLK=_bits(0x400000, 30, 0, 40)),
    "PSS2_X7Y7": _tile("PSS2"),
}  # fmt: skip

FILES = {
    "segbits_int_l.db": "INT_L.OUT0.IN0 07_32 12_33\nINT_L.OUT0.IN1 07_32 !12_33 13_34\n"
                        "INT_L.OUT1.IN0 20_05 25_63\n",
    "ppips_int_l.db": "INT_L.BOUNCE.ALT always\n",
    "segbits_clbll_l.db": "".join(
        f"CLBLL_L.X0.ALUT.INIT[{i:02d}] {30 + i // 8}_{40 + i % 8}\n" for i in range(16)
    ) + "CLBLL_L.X0.AFF.ZINI 31_03\nCLBLL_L.X0.FFSYNC 30_13\nCLBLL_L.X0.NOCLKINV !30_14\n"
        "CLBLL_L.X0.AMUX.O5 30_20 !30_21\nCLBLL_L.X0.AMUX.O6 !30_20 30_21\n",
    "segbits_bram_l.db": "BRAM_L.RAMB18_Y0.IN_USE 27_100 27_99\n",
    "segbits_bram_l.block_ram.db": "".join(
        f"BRAM_L.RAMB18_Y0.INIT_00[{i:03d}] {i % 128:02d}_{240 + i // 128}\n" for i in range(256)
    ),
    # Half of the tile's four words each, so that half tiles of two words hold one pad.
    "segbits_riob33.db": "RIOB33.IOB_Y1.LOW.STEPDOWN 38_10\nRIOB33.IOB_Y1.DRIVE.I12 39_11 !39_12\n"
                         "RIOB33.IOB_Y0.LOW.STEPDOWN 38_74\nRIOB33.IOB_Y0.DRIVE.I12 39_75 !39_76\n",
    "segbits_hclk_ioi3.db": "HCLK_IOI3.STEPDOWN 40_16\n",
    "segbits_cfg.db": "CFG.ALWAYS_ON 00_400 01_1200\nCFG.ALWAYS_OFF !02_100\n",
    "ppips_pss2.db": "PSS2.A.B always\n",
    "mapping/parts.yaml": f"{PART}:\n  device: xc7z999\n  package: clg400\n",
    "mapping/devices.yaml": '# device to fabric\n"xc7z999":\n  fabric: "xc7z99x"\n',
    f"{PART}/package_pins.csv": "pin,bank,site,tile,pin_function\n"
                                "A1,34,IOB_X1Y0,RIOB33_SING_X9Y0,\nA2,34,IOB_X1Y1,RIOB33_X9Y1,\nA3,34,IOB_X1Y2,RIOB33_X9Y1,\n"
                                "B1,34,IOB_X1Y49,RIOB33_SING_X9Y49,\nC1,502,P,PSS2_X7Y7,\n",
    f"{PART}/required_features.fasm": "CFG_X5Y5.ALWAYS_ON\n",
}  # fmt: skip


def write_database(folder: Path) -> Path:
    """The database's files below `folder`."""
    texts = {
        **FILES,
        f"{PART}/part.json": json.dumps(PART_JSON),
        "xc7z99x/tilegrid.json": json.dumps(TILES),
    }
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def packet(register: int, *words: int) -> list[int]:
    """One write of type 1."""
    return [1 << 29 | 2 << 27 | register << 13 | len(words), *words]


def payload(words: NDArray[np.uint32], device: Device, idcode: int = IDCODE) -> bytes:
    """What configures a device with these frames, shape (frames, `WORDS`)."""
    rows, start = [], 0
    for end in device.row_ends():
        rows += [words[start:end], np.zeros((2, WORDS), np.uint32)]
        start = end
    data = np.concatenate(rows).reshape(-1)
    head = [0xFFFFFFFF, 0xBB, 0x11220044, 0xFFFFFFFF, 0xAA995566, 1 << 29]
    head += packet(bitfile.IDCODE, idcode) + packet(bitfile.FAR, 0) + packet(bitfile.FDRI)
    tail = packet(bitfile.CMD, 10) + packet(bitfile.CMD, bitfile.DESYNC) + [1 << 29] * 4
    whole = [*head, 2 << 29 | 2 << 27 | len(data), *(int(each) for each in data), *tail]
    return np.array(whole, ">u4").tobytes()
