"""The virtual board behaves as a board does: caches, unmapped addresses, memory, bitstreams."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bench import Bench

IDMA, ODMA, LEPTON = "idma0", "odma0", "lepton0"


@pytest.fixture
def overlay(virtual: Bench) -> Any:
    import pynq

    return pynq.Overlay(str(virtual.designs[0] / "design.bit"))


def packed(virtual: Bench, count: int) -> tuple[np.ndarray, np.ndarray, Any]:
    """Input bytes, output bytes that must come, the doors."""
    manifest = virtual.onboard.accelerator.read_manifest(virtual.designs[0] / "design.json")
    golden = virtual.golden().repeated(count)
    door, end = manifest.input.packing, manifest.output.packing
    raw = np.zeros(count * door.frame_bytes, np.uint8)
    expected = np.zeros(count * end.frame_bytes, np.uint8)
    door.pack_into(np.ascontiguousarray(golden.inputs, door.container), raw)
    end.pack_into(np.ascontiguousarray(golden.outputs, end.container), expected)
    return raw, expected, manifest


def start(overlay: Any, source: int, target: int, frames: int) -> None:
    """As FINN's drivers do it."""
    for name, address in ((ODMA, target), (IDMA, source)):
        dma = getattr(overlay, name)
        dma.write(0x10, address & 0xFFFFFFFF)
        dma.write(0x14, address >> 32)
        dma.write(0x1C, frames)
        dma.write(0x00, 1)


def finish(overlay: Any) -> None:
    for _ in range(100_000):
        if overlay.odma0.read(0x00) & 2:
            return
    raise AssertionError("odma0 is never done")


@pytest.mark.parametrize("cacheable", [True, False])
def test_finns_register_contract(virtual: Bench, overlay: Any, cacheable: bool) -> None:
    from pynq import allocate

    raw, expected, _ = packed(virtual, 3)
    source = allocate(raw.shape, np.uint8, cacheable=cacheable)
    target = allocate(expected.shape, np.uint8, cacheable=cacheable)
    source[:] = raw
    source.flush()
    start(overlay, source.device_address, target.device_address, 3)
    finish(overlay)
    target.invalidate()
    assert np.array_equal(target, expected)
    assert overlay.lepton0.read(0x10) == 0


def test_a_forgotten_flush_sends_stale_data(virtual: Bench, overlay: Any) -> None:
    from pynq import allocate

    raw, expected, _ = packed(virtual, 2)
    source = allocate(raw.shape, np.uint8, cacheable=True)
    target = allocate(expected.shape, np.uint8, cacheable=True)
    source[:] = 0
    source.flush()
    source[:] = raw  # and no flush
    start(overlay, source.device_address, target.device_address, 2)
    finish(overlay)
    target.invalidate()
    assert not np.array_equal(target, expected)
    source.flush()
    start(overlay, source.device_address, target.device_address, 2)
    finish(overlay)
    target.invalidate()
    assert np.array_equal(target, expected)


def test_a_forgotten_invalidate_shows_stale_data(virtual: Bench, overlay: Any) -> None:
    from pynq import allocate

    raw, expected, _ = packed(virtual, 2)
    source = allocate(raw.shape, np.uint8, cacheable=True)
    target = allocate(expected.shape, np.uint8, cacheable=True)
    source[:], target[:] = raw, 0xA5
    source.flush()
    start(overlay, source.device_address, target.device_address, 2)
    finish(overlay)
    assert (np.asarray(target) == 0xA5).all()
    target.invalidate()
    assert np.array_equal(target, expected)


def test_a_part_of_a_buffer_is_flushed_alone(virtual: Bench, overlay: Any) -> None:
    from pynq import allocate

    buffer = allocate((16,), np.uint8, cacheable=True)
    memory = virtual_board().view(buffer.bo.block)
    memory[:] = 0
    buffer[:] = 7
    buffer[4:8].flush()
    assert memory.tolist() == [0] * 4 + [7] * 4 + [0] * 8
    memory[:] = 9
    buffer[0:2].invalidate()
    assert np.asarray(buffer).tolist() == [9, 9] + [7] * 14


def virtual_board() -> Any:
    import pynq

    return pynq.Device.active_device.board


def test_an_address_that_was_never_allocated(virtual: Bench, overlay: Any) -> None:
    from pynq import allocate

    raw, expected, _ = packed(virtual, 1)
    source = allocate(raw.shape, np.uint8)
    target = allocate(expected.shape, np.uint8)
    source[:] = raw
    nowhere = 0x1FFF_0000
    start(overlay, source.device_address, nowhere, 1)
    finish(overlay)
    assert overlay.lepton0.read(0x10) & 2
    assert overlay.lepton0.read(0x14) == nowhere
    overlay.lepton0.write(0x10, 0xF)
    gone = int(target.device_address)
    target.freebuffer()
    start(overlay, source.device_address, gone, 1)
    finish(overlay)
    assert overlay.lepton0.read(0x10) & 2
    overlay.lepton0.write(0x10, 0xF)


def test_unmapped_addresses_raise(virtual: Bench, overlay: Any) -> None:
    from pynq import MMIO

    for address in (0x4003_0000, 0x4FFF_FFF0, 0x1000_0000, 0xE000_0000, 0xF800_1000):
        with pytest.raises(RuntimeError, match="there is nothing at"):
            MMIO(address, 4)
    with pytest.raises(RuntimeError, match="there is nothing at"):
        MMIO(virtual_board().processor.base + 0x2_FFFC, 8)
    with pytest.raises(IndexError):
        overlay.lepton0.mmio.array[0x1_0000]


def test_registers_by_name_and_clocks(virtual: Bench, overlay: Any) -> None:
    import pynq

    assert int(overlay.lepton0.register_map.MAGIC) == 0x4C505430
    assert int(overlay.idma0.register_map.CTRL) & 4
    pynq.Clocks.fclk0_mhz = 50
    assert abs(pynq.Clocks.fclk0_mhz - 50) < 1
    pynq.Clocks.fclk0_mhz = 100
    assert pynq.Device.active_device.name == virtual.manifest()["board_names"][1]


def test_memory_ends(virtual: Bench, overlay: Any) -> None:
    from pynq import allocate

    with pytest.raises(RuntimeError, match="bytes of contiguous memory"):
        allocate((1 << 30,), np.uint8)
    for _ in range(50):  # what is freed can be had again
        allocate((64 << 20,), np.uint8)


def test_equal_programs_see_equal_cycles(virtual: Bench) -> None:
    def once() -> tuple[int, ...]:
        with virtual.open(batch=8) as accelerator:
            return tuple(accelerator.profile(virtual.golden().repeated(20).inputs).counters)

    assert once() == once()


@pytest.fixture
def copy(virtual: Bench, tmp_path: Path) -> Path:
    return Path(shutil.copytree(virtual.designs[0], tmp_path / "copy"))


def refused(folder: Path, message: str) -> None:
    import pynq

    with pytest.raises(RuntimeError, match=message):
        pynq.Overlay(str(folder / "design.bit"))


def test_a_simulation_that_was_changed(copy: Path) -> None:
    file = next(iter((copy / "design.sim").rglob("*.dat")))
    file.write_text(file.read_text()[::-1])
    refused(copy, "was changed")


def test_a_simulation_that_is_gone(copy: Path) -> None:
    (copy / "design.sim" / "sim.so").unlink()
    refused(copy, "is not whole")


def test_a_model_for_another_bitstream(copy: Path) -> None:
    path = copy / "design.sim" / "model.json"
    values = json.loads(path.read_text())
    path.write_text(json.dumps({**values, "digest": "0" * 64}))
    refused(copy, "is not the one that the bitstream names")


def test_a_real_bitstream(copy: Path) -> None:
    raw = (copy / "design.bit").read_bytes()
    (copy / "design.bit").write_bytes(raw.replace(b"lepton_hw virtual", b"\xff" * 17))
    refused(copy, "that is not for the virtual board")


def test_no_handoff(copy: Path) -> None:
    (copy / "design.hwh").unlink()
    refused(copy, r"there is no design\.hwh")
