"""FASM to frames and back on a device of a few tiles, whose bits can be counted by hand."""

import os
from pathlib import Path

import numpy as np
import pytest
import xc7_cases as cases
from hypothesis import given, settings
from hypothesis import strategies as st

from lepton_hw.errors import InputError
from lepton_hw.xc7 import bitfile, decode, device, fasm, frames, implied
from lepton_hw.xc7.database import Database
from lepton_hw.xc7.device import FRAME_BITS, WORDS

EXAMPLES = int(os.environ.get("LEPTON_EXAMPLES", "100"))


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Database:
    return Database(cases.write_database(tmp_path_factory.mktemp("db")), cases.PART)


def assemble(text: str, database: Database) -> device.Memory:
    return frames.assemble(fasm.parse(text), database)


def ones(memory: device.Memory, database: Database) -> set[tuple[int, int, int]]:
    """(frame address, word, bit) of every 1."""
    found = set()
    for place in np.flatnonzero(memory):
        frame, bit = divmod(int(place), FRAME_BITS)
        found.add((database.device.addresses[frame], bit // 32, bit % 32))
    return found


def test_frames_are_in_the_order_of_a_bitstream(database: Database) -> None:
    addresses = database.device.addresses
    assert (addresses[0], addresses[41], addresses[42]) == (0, 41, 0x80)
    assert addresses[-1] == 0x80007F
    assert 0x400000 in addresses  # the lower half, between the two buses of the upper one
    assert list(addresses) == sorted(addresses)
    assert database.device.row_ends() == (42 + 36 + 28, 42 + 36 + 28 + 36, len(addresses))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("INT_L_X0Y0.OUT0.IN0", {(0x87, 1, 0), (0x8C, 1, 1)}),
        ("INT_L_X0Y1.OUT0.IN0", {(0x87, 3, 0), (0x8C, 3, 1)}),
        ("INT_L_X0Y2.OUT0.IN0", {(0x400007, 100, 0), (0x40000C, 100, 1)}),
        ("INT_L_X0Y0.OUT0.IN1", {(0x87, 1, 0), (0x8D, 1, 2)}),
        ("INT_L_X0Y0.BOUNCE.ALT\nPSS2_X7Y7.A.B", set()),
        ("CLBLL_L_X0Y1.X0.ALUT.INIT[15:0] = 16'h0201", {(0x9E, 3, 8), (0x9F, 3, 9)}),
        ("CLBLL_L_X0Y1.X0.ALUT.INIT[9] = 1", {(0x9F, 3, 9)}),
        ("CLBLL_L_X0Y1.X0.ALUT.INIT", {(0x9E, 3, 8)}),
        ("CLBLL_L_X0Y1.X0.ALUT.INIT[15:8] = 8'b1", {(0x9F, 3, 8)}),
        ("CLBLL_L_X0Y1.X0.NOCLKINV", set()),
        ("CLBLL_L_X0Y1.NEVER_HEARD = 0", set()),
        ("BRAM_L_X1Y0.RAMB18_Y0.IN_USE", {(0x11B, 3, 4), (0x11B, 3, 3)}),
        ("BRAM_L_X1Y0.RAMB18_Y0.INIT_00[129:0] = 130'h200000000000000000000000000000001",
         {(0x800000, 7, 16), (0x800001, 7, 17)}),
        ("RIOB33_X9Y1.IOB_Y0.DRIVE.I12", {(39, 4, 11)}),
        ("RIOB33_SING_X9Y0.IOB_Y0.DRIVE.I12", {(39, 0, 11)}),
        ("RIOB33_SING_X9Y0.IOB_ONLY.DRIVE.I12", {(39, 0, 11)}),
        ("RIOB33_SING_X9Y49.IOB_Y1.DRIVE.I12", {(39, 99, 11)}),
    ],
)  # fmt: skip
def test_bits_by_hand(text: str, expected: set[tuple[int, int, int]], database: Database) -> None:
    assert ones(assemble(text, database), database) == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("A_X0Y0.B", r"A_X0Y0.B \(line 1\) cannot be configured: .* no such tile A_X0Y0"),
        ("INT_L_X0Y0.OUT0.IN0\nINT_L_X0Y0.OUT0.IN7\nINT_L_X0Y0.OUT9.IN7",
         r"INT_L_X0Y0.OUT0.IN7 \(line 2\) and 1 more cannot .* no such feature"),
        ("CLBLL_L_X0Y1.X0.ALUT.INIT[16:0] = 17'h10000", r"INIT\[16:0\] \(line 1\) cannot"),
        ("CLBLL_L_X0Y0.X0.AMUX.O5\nCLBLL_L_X0Y0.X0.AMUX.O6",
         r"O[56] \(line [12]\) sets bit 2[01] of word 0 in frame 0x0000009E, which .*O[56] \(line"),
        ("RIOB33_SING_X9Y0.IOB_Y1.DRIVE.I12", "outside of its tile"),
    ],
)  # fmt: skip
def test_what_cannot_be_configured(text: str, says: str, database: Database) -> None:
    with pytest.raises(InputError, match=says):
        assemble(text, database)


def test_a_conflict_names_both_features(database: Database) -> None:
    with pytest.raises(InputError) as error:
        assemble("INT_L_X0Y0.OUT0.IN0\nINT_L_X0Y0.OUT0.IN1", database)
    assert "INT_L_X0Y0.OUT0.IN0 (line 1) sets" in str(error.value)
    assert "which INT_L_X0Y0.OUT0.IN1 (line 2) clears" in str(error.value)


def test_features_that_nobody_wrote(database: Database) -> None:
    text = "RIOB33_X9Y1.IOB_Y0.LOW.STEPDOWN\nRIOB33_X9Y1.IOB_Y1.DRIVE.I12\n"
    added = [str(each) for each in implied.completed(fasm.parse(text), database)][2:]
    assert added == [
        "CFG_X5Y5.ALWAYS_ON",
        "HCLK_IOI3_X9Y26.STEPDOWN",
        "RIOB33_SING_X9Y0.IOB_Y0.LOW.STEPDOWN",
        "RIOB33_SING_X9Y49.IOB_Y1.LOW.STEPDOWN",
    ]
    assert len(implied.completed(fasm.parse("RIOB33_X9Y1.IOB_Y1.DRIVE.I12"), database)) == 2


def test_the_table_of_frames(database: Database) -> None:
    text = frames.frm(assemble("INT_L_X0Y1.OUT0.IN0", database), database.device)
    first, second = text.splitlines()
    assert first == "0x00000087 " + ",".join(["0x00000000"] * 3 + ["0x00000001"]
                                             + ["0x00000000"] * 97)  # fmt: skip
    assert second.startswith("0x0000008C 0x00000000,0x00000000,0x00000000,0x00000002,")


def test_missing_parts_and_damaged_files(tmp_path: Path, database: Database) -> None:
    with pytest.raises(InputError, match="has no part xc7z000; expected one of xc7z999clg400-1"):
        Database(database.folder, "xc7z000")
    folder = cases.write_database(tmp_path)
    grid = "xc7z99x/tilegrid.json"
    for name, text in (
        ("segbits_int_l.db", "INT_L.OUT0.IN0 7-32\n"),
        ("segbits_int_l.db", "X.Y 1_2\n"),
        (grid, "{"),
        (grid, '{"A": {"bits": {}}}'),
        (grid, '{"A": {"type": "B", "bits": {"CLB_IO_CLK": {"baseaddr": "0x1"}}}}'),
        (f"{cases.PART}/part.json", "{}"),
    ):
        kept = (folder / name).read_text()
        (folder / name).write_text(text)
        with pytest.raises(InputError, match="make open-tools"):
            assemble("INT_L_X0Y0.OUT0.IN0", Database(folder, cases.PART))
        (folder / name).write_text(kept)


def lines(database: Database) -> st.SearchStrategy[str]:
    """One line of FASM that may stand beside any other."""
    contents = st.integers(0, 2**256 - 1).map(
        lambda v: f"BRAM_L_X1Y0.RAMB18_Y0.INIT_00[255:0] = 256'h{v:x}"
    )
    luts = st.tuples(st.sampled_from(["0", "1"]), st.integers(0, 2**16 - 1)).map(
        lambda v: f"CLBLL_L_X0Y{v[0]}.X0.ALUT.INIT[15:0] = 16'b{v[1]:016b}"
    )
    plain = st.sampled_from([
        "INT_L_X0Y0.OUT0.IN0", "INT_L_X0Y1.OUT0.IN1", "INT_L_X0Y2.OUT1.IN0", "INT_L_X0Y0.OUT1.IN0",
        "CLBLL_L_X0Y0.X0.AFF.ZINI", "CLBLL_L_X0Y1.X0.AMUX.O5", "CLBLL_L_X0Y0.X0.AMUX.O6",
        "CLBLL_L_X0Y0.X0.NOCLKINV", "BRAM_L_X1Y0.RAMB18_Y0.IN_USE", "RIOB33_X9Y1.IOB_Y0.DRIVE.I12",
        "RIOB33_SING_X9Y0.IOB_ONLY.DRIVE.I12", "RIOB33_SING_X9Y49.IOB_Y1.DRIVE.I12",
        "RIOB33_X9Y1.IOB_Y1.LOW.STEPDOWN", "PSS2_X7Y7.A.B", "INT_L_X0Y0.BOUNCE.ALT",
    ])  # fmt: skip
    return st.one_of(contents, luts, plain)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.data())
def test_every_feature_comes_back(database: Database, data: st.DataObject) -> None:
    """Through the text of the frames' words and a .bit file, and none besides."""
    text = "\n".join(data.draw(st.lists(lines(database), max_size=12)))
    whole = implied.completed(fasm.parse(text), database)
    memory = frames.assemble(whole, database)
    words = database.device.words(memory)
    back = bitfile.frames(cases.payload(words, database.device), database.device)
    assert np.array_equal(back, memory)
    assert not decode.undecoded(whole, back, database)
    if not memory.any():
        return
    place = data.draw(st.sampled_from([int(each) for each in np.flatnonzero(memory)]))
    back[place] = False
    assert decode.undecoded(whole, back, database).missing


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.data())
def test_every_other_bit_is_noticed(database: Database, data: st.DataObject) -> None:
    whole = implied.completed(fasm.parse("INT_L_X0Y1.OUT0.IN0"), database)
    memory = frames.assemble(whole, database)
    place = data.draw(st.integers(0, len(memory) - 1).filter(lambda each: not memory[each]))
    memory[place] = True
    assert decode.undecoded(whole, memory, database)


def test_differences_have_names(database: Database) -> None:
    whole = fasm.parse("INT_L_X0Y0.OUT0.IN0\nCLBLL_L_X0Y0.X0.ALUT.INIT[15:0] = 16'h3\n")
    memory = frames.assemble(whole, database)
    assert decode.undecoded(whole[1:], memory, database).extra == ("INT_L_X0Y0.OUT0.IN0",)
    other = [whole[0], whole[1]._replace(value=1)]
    assert decode.undecoded(other, memory, database).extra == ("CLBLL_L_X0Y0.X0.ALUT.INIT[1]",)
    more = [*whole, *fasm.parse("INT_L_X0Y2.OUT1.IN0\nCLBLL_L_X0Y0.X0.ALUT.INIT[15:0] = 16'h13")]
    assert set(decode.undecoded(more, memory, database).missing) == {
        "INT_L_X0Y2.OUT1.IN0", "CLBLL_L_X0Y0.X0.ALUT.INIT[4]",
    }  # fmt: skip
    unknown = fasm.parse("INT_L_X0Y0.OUT7.IN0\nQ_X1Y1.A\nPSS2_X7Y7.NO")
    assert decode.undecoded(unknown, database.device.empty(), database).missing == (
        "INT_L_X0Y0.OUT7.IN0", "Q_X1Y1.A", "PSS2_X7Y7.NO",
    )  # fmt: skip
    memory[FRAME_BITS - 1] = True
    assert decode.undecoded(whole, memory, database).extra == (
        "bit 31 of word 100 in frame 0x00000000",
    )
    assert set(decode.features(memory, database)) == {
        "INT_L_X0Y0.OUT0.IN0",
        "CLBLL_L_X0Y0.X0.ALUT.INIT[0]",
        "CLBLL_L_X0Y0.X0.ALUT.INIT[1]",
    }


def test_names_of_borrowed_sites_come_back_as_ours(database: Database) -> None:
    memory = assemble("RIOB33_SING_X9Y0.IOB_ONLY.DRIVE.I12", database)
    assert list(decode.features(memory, database)) == ["RIOB33_SING_X9Y0.IOB_ONLY.DRIVE.I12"]


def test_error_correcting_codes_are_no_features(database: Database) -> None:
    words = np.zeros((len(database.device.addresses), WORDS), np.uint32)
    words[:, device.ECC_WORD] = 0x1FFF
    assert not database.device.memory(words).any()
    words[0, device.ECC_WORD] = 0x2000
    assert database.device.memory(words).sum() == 1


def test_frames_of_another_part(database: Database) -> None:
    with pytest.raises(InputError, match="1 frames are at addresses as 0x00000999"):
        database.device.memory_of(np.array([0x999], np.uint32), np.zeros((1, WORDS), np.uint32))
