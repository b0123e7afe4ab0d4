"""A small stitched design, and comparison with golden files."""

import os
from pathlib import Path

from lepton_hw.design import FILE, Design, Stream

GOLDEN = Path(__file__).parent / "golden"
#: Set it to write the golden files anew: LEPTON_GOLDEN=1 pytest tests/unit/test_vivado_plan.py
REGENERATE = "LEPTON_GOLDEN"


def small_design(folder: Path) -> Path:
    """One module with a memory's contents, between an input and an output of one byte."""
    files = {
        "rtl/lepton_hw/one_pkg.sv": "package one_pkg; endpackage\n",
        "rtl/One_0/One_0.v": 'module One_0; m #(.FILE("rtl/One_0/weights.dat")) m (); endmodule\n',
        "rtl/One_0/weights.dat": "0f\n",
        "design.sv": "module accelerator; One_0 one (); endmodule\n",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    design = Design(
        top="accelerator",
        sources=("rtl/lepton_hw/one_pkg.sv", "rtl/One_0/One_0.v", "design.sv"),
        data_files=("rtl/One_0/weights.dat",),
        inputs=("s_axis_0",), outputs=("m_axis_0",),
        streams=(stream("s_axis_0", "", "one"), stream("m_axis_0", "one", "")),
        nodes=(),
    )  # fmt: skip
    (folder / FILE).write_text(design.model_dump_json())
    return folder


def stream(name: str, producer: str, consumer: str) -> Stream:
    """Four beats of one byte."""
    return Stream(
        name=name, tensor=name, producer=producer, consumer=consumer, dtype="UINT8", bits=8,
        width=8, shape=(1, 4), folded_shape=(1, 4, 1),
    )  # fmt: skip


def same_as_golden(name: str, text: str) -> bool:
    """Whether the text is that of the golden file; writes it first where it is asked to."""
    path = GOLDEN / name
    if os.environ.get(REGENERATE):
        GOLDEN.mkdir(exist_ok=True)
        path.write_text(text)
    assert path.read_text() == text, f"{path} differs; look at it, then set {REGENERATE}=1"
    return True
