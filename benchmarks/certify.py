"""``make bench-certify``: 10,000 CNV images compared integer by integer, and how long that takes.

PyTorch, QONNX and the integer path on a CNV-sized network of 3 bits with random weights and random
images, in the chunks that ``lepton certify --vectors all`` uses, on all cores.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.networks import flow_of, random_network
from benchmarks.table import write
from lepton_hw.board import load_board
from lepton_hw.executors.borderline import Borderline
from lepton_hw.executors.qonnx_executor import QonnxExecutor
from lepton_hw.executors.reference_executor import ReferenceExecutor
from lepton_hw.executors.torch_executor import TorchExecutor
from lepton_hw.flow import Model
from lepton_hw.pipeline import Options, build
from lepton_hw.progress import SILENT
from lepton_hw.stages.compile import Compiled
from lepton_hw.stages.qonnx_file import export_qonnx
from lepton_hw.stages.whole_set import WholeSet

MINUTES = 10.0
SHAPE, CLASSES = (32, 32, 3), 10


def main() -> None:
    """Fails where an integer differs or the time is over the goal."""
    parser = argparse.ArgumentParser(description="10,000 CNV images, certified on integers.")
    parser.add_argument("--images", type=int, default=10_000)
    images = parser.parse_args().images
    network = random_network(Model(name="cnv_strided", weight_bits=3, act_bits=3), SHAPE, CLASSES)
    file = Path("build/bench/cnv_3bit.onnx")
    file.parent.mkdir(parents=True, exist_ok=True)
    export_qonnx(network, network.ports(SHAPE, "UINT8")[0], file)
    done = build(flow_of(file, "CNV", 750, 4), load_board("zcu104"), Options(to="compile"))
    compiled = done["compile"]
    assert isinstance(compiled, Compiled)
    contract = compiled.contract
    inputs = np.random.default_rng(3).integers(0, 256, (images, *SHAPE), dtype=np.uint8)

    start = time.perf_counter()
    codes = TorchExecutor(network, contract).infer(inputs)
    torch_seconds = time.perf_counter() - start
    qonnx = QonnxExecutor(done["export"].path("model.onnx"), contract)
    integers = ReferenceExecutor(compiled.path("finn.onnx"), contract)
    borderline = Borderline(qonnx.model)
    found = WholeSet(qonnx, integers, borderline, None, "").run(inputs, codes, 0, SILENT)
    seconds = time.perf_counter() - start
    check = borderline.check()
    row = {
        "images": images,
        "different": sum(found.mismatches.values()),
        "seconds": round(seconds, 1),
        "pytorch_seconds": round(torch_seconds, 1),
        "float_decisions": check.decisions,
        "within_one_ulp": check.within_one_ulp,
    }
    write("certify", [row])
    if row["different"]:
        sys.exit(f"{row['different']} frames differ: {found.first}")
    if seconds > MINUTES * 60 * images / 10_000:
        sys.exit(f"{images:,} images take {seconds / 60:.1f} minutes, goal {MINUTES}")


if __name__ == "__main__":
    main()
