"""Trained weights → QONNX, with the input contract and the vectors that all others must equal.

Checked here against PyTorch on the whole held-out set. Never compiles.
"""

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from lepton_hw.artifacts import Artifact
from lepton_hw.board import Board
from lepton_hw.contract import InputContract
from lepton_hw.data import load
from lepton_hw.data.dataset import Dataset
from lepton_hw.data.preprocess import door_dtype, prepare
from lepton_hw.errors import InputError, Mismatch
from lepton_hw.executors.qonnx_executor import QonnxExecutor
from lepton_hw.executors.torch_executor import TorchExecutor
from lepton_hw.flow import Flow
from lepton_hw.progress import SILENT, Progress
from lepton_hw.stages.train import WEIGHTS, Trained, build_network, load_weights

MODEL, VECTORS = "model.onnx", "vectors.npz"


class Exported(Artifact):
    """``model.onnx`` (QONNX, batch 1) and ``vectors.npz``.

    The vectors are those of the held-out set, in its order: `inputs` (N, *contract.input.shape)
    in the door's datatype, `labels` int64 (N,), `torch_codes` int64 (N, classes).
    `images` counts them; QONNX and PyTorch agree on every one. `torch_residual` is the largest
    distance of a PyTorch output from a whole code. A model that was not trained here has neither
    labels nor torch_codes; `remedies` says what had to be changed in it, and `changed_vectors` in
    how many vectors that changed an output.
    """

    stage: ClassVar[str] = "export"
    timings = Artifact.timings | {"qonnx_images_per_second"}

    contract: InputContract
    images: int
    torch_residual: float = 0.0
    qonnx_images_per_second: float = 0.0
    remedies: tuple[str, ...] = ()
    changed_vectors: int = 0


def run(
    flow: Flow, board: Board, trained: Trained, workdir: Path, progress: Progress = SILENT
) -> Exported:
    """Exports the trained network into `workdir`.

    Raises `Mismatch` where QONNX and PyTorch differ in any integer, `StageError` where the
    network's outputs are not integers times one scale.
    """
    import torch

    from lepton_hw.stages.qonnx_file import export_qonnx

    if flow.data is None:
        raise InputError(
            f"flow '{flow.name}' has no data set", "the table [data]", "start at compile"
        )
    dataset = load(flow.data, progress)
    with torch.random.fork_rng():
        network = build_network(flow, dataset)
    network.load_state_dict(load_weights(trained.path(WEIGHTS)))
    network.eval()
    contract = contract_of(flow, dataset, network)
    inputs = prepare(dataset.test_images, flow.data.preprocess)
    inputs = inputs.reshape(len(inputs), *contract.input.shape)

    export_qonnx(network, contract.input, workdir / MODEL)
    reference = TorchExecutor(network, contract)
    torch_codes = reference.infer(inputs)
    exported = QonnxExecutor(workdir / MODEL, contract)
    with progress.task("QONNX against PyTorch", 1) as task:
        compare(torch_codes, exported.infer(inputs))
        task.advance(1, f"{exported.images_per_second:.0f} images/s")
    np.savez_compressed(
        workdir / VECTORS, inputs=inputs, labels=dataset.test_labels, torch_codes=torch_codes
    )
    return Exported(
        contract=contract,
        images=len(inputs),
        torch_residual=reference.residual,
        qonnx_images_per_second=round(exported.images_per_second, 1),
    )


def contract_of(flow: Flow, dataset: Dataset, network: Any) -> InputContract:
    """What the host does to an image, and what the codes mean."""
    assert flow.data
    shape = prepare(dataset.test_images[:1], flow.data.preprocess).shape[1:]
    before = [*dataset.decode, *(step.model_dump(mode="json") for step in flow.data.preprocess)]
    if network.flat:
        before.append({"op": "flatten"})
    entry, output = network.ports(shape, door_dtype(flow.data.preprocess))
    return InputContract(
        input=entry,
        output=output,
        host_before=tuple(before),
        host_after=("argmax",),
        labels=dataset.classes,
    )


def compare(expected: NDArray[np.int64], found: NDArray[np.int64]) -> None:
    """Raises `Mismatch` with the first place at which QONNX is not what PyTorch gave."""
    wrong = np.argwhere(expected != found)
    if len(wrong):
        index = tuple(int(i) for i in wrong[0])
        frames = len({int(row[0]) for row in wrong})
        raise Mismatch(
            f"QONNX gives {found[index]} at {index}, in {frames} of {len(found)} frames",
            f"{expected[index]}, as PyTorch",
            "report this with the flow's file, the export is wrong",
        )
