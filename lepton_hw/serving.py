"""A flow as a service: the exact integer path on this machine, or the driver where a design runs.

Routes, host steps, batches and golden checks are the board's own (`lepton_hw.onboard`): what is
tried on a PC is what runs on the board. Nothing else of ours imports that package.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from lepton_hw.board import Board
from lepton_hw.contract import InputContract, Port
from lepton_hw.devices import require_device
from lepton_hw.errors import InputError, LeptonError, StageError
from lepton_hw.executors.base import check_codes
from lepton_hw.executors.engines import DEVICES
from lepton_hw.executors.reference_executor import ReferenceExecutor
from lepton_hw.flow import Flow
from lepton_hw.onboard import errors as driver_errors
from lepton_hw.onboard import http_command
from lepton_hw.onboard.engine import Engine, Subject
from lepton_hw.onboard.golden import Golden
from lepton_hw.onboard.http_server import Address, parse_address, require_free
from lepton_hw.onboard.open_inference import Tensor
from lepton_hw.onboard.packing import container_of
from lepton_hw.onboard.service import Settings
from lepton_hw.pipeline import Options, build
from lepton_hw.progress import SILENT, Progress
from lepton_hw.stages.bitstream import digest_of
from lepton_hw.stages.compile import Compiled
from lepton_hw.stages.deploy import golden_vectors
from lepton_hw.stages.export import Exported
from lepton_hw.stages.simulate import Simulated
from lepton_hw.stages.stitch import Stitched

#: Frames of one call: beyond, a CPU is not faster; a card is, up to some thousands.
BATCHES = {"cpu": 64, "gpu": 4096}
Codes = NDArray[Any]


class IntegerEngine(Engine):
    """The integer path on ``cpu`` or ``gpu``, which must give the integers that the RTL gave."""

    def __init__(self, subject: Subject, executor: ReferenceExecutor, batch: int) -> None:
        super().__init__(subject, batch)
        self._executor = executor

    def checked(self, codes: Codes) -> Codes:
        """As every executor checks them."""
        try:
            return check_codes(codes, self._executor.contract)
        except LeptonError as error:
            raise _driver_error(driver_errors.InputError, error) from None

    def infer(self, codes: Codes) -> Codes:
        """Codes (N, *shape) → output codes int64."""
        try:
            return self._executor.infer(codes)
        except LeptonError as error:
            raise _driver_error(driver_errors.HardwareError, error) from error


def address_of(http: str) -> Address:
    """HOST:PORT, HOST or :PORT; raises `InputError`, also where nobody can listen there."""
    with _translated():
        address = parse_address(http)
        require_free(address)
        return address


def driver_arguments(flow: Flow, address: str, check_seconds: float) -> tuple[str, ...]:
    """Of ``driver.py``, for the same service at HOST:PORT; it ends with whoever started it."""
    with _translated():
        name = http_command.check_name(flow.name)
    return (
        "--http", address, "--name", name, "--check-seconds", str(check_seconds), "--tied",
    )  # fmt: skip


def serve_integers(
    flow: Flow,
    board: Board,
    kind: str,
    address: Address,
    check_seconds: float,
    options: Options | None = None,
    progress: Progress = SILENT,
) -> None:
    """Serves the certified design of `flow` for `board` on this machine's ``cpu`` or ``gpu``.

    Returns when a signal ends it; raises a `LeptonError` where it cannot start, also where a golden
    vector does not give the integers of the RTL.
    """
    require_device(DEVICES[kind])  # before anything is built
    with _translated():
        http_command.check_name(flow.name)
        engine = _engine(flow, board, kind, options or Options(), progress)
        http_command.run(engine, flow.name, address, Settings(check_seconds), tied=False)


@contextmanager
def _translated() -> Iterator[None]:
    """The driver's errors as ours."""
    try:
        yield
    except driver_errors.DriverError as error:
        ours = InputError if isinstance(error, driver_errors.InputError) else StageError
        raise ours(error.found, error.expected, error.remedy) from None


def _engine(
    flow: Flow, board: Board, kind: str, options: Options, progress: Progress
) -> IntegerEngine:
    done = build(flow, board, replace(options, to="certify"), progress)
    exported, compiled, simulated = (done[name] for name in ("export", "compile", "simulate"))
    stitched = done["stitch"]
    assert isinstance(exported, Exported)
    assert isinstance(compiled, Compiled)
    assert isinstance(simulated, Simulated)
    assert isinstance(stitched, Stitched)
    contract = exported.contract
    executor = ReferenceExecutor(compiled.path("finn.onnx"), contract, DEVICES[kind])
    subject = subject_of(
        contract, digest_of(stitched), kind, Golden(*golden_vectors(exported, simulated))
    )
    return IntegerEngine(subject, executor, BATCHES[kind])


def subject_of(contract: InputContract, digest: str, kind: str, golden: Golden) -> Subject:
    """The contract as a service has it; `digest` is that of the design."""
    return Subject(
        digest=digest,
        where=f"this machine's {kind.upper()}, integer path",
        input=_tensor("input", contract.input),
        output=_tensor("output", contract.output),
        scale=contract.output.scale,
        bias=contract.output.bias,
        host_before=contract.host_before,
        host_after=contract.host_after,
        labels=contract.labels,
        golden=golden,
    )


def _tensor(name: str, port: Port) -> Tensor:
    return Tensor(name, port.dtype, container_of(port.dtype), port.shape, port.layout)


def _driver_error(
    kind: type[driver_errors.DriverError], error: LeptonError
) -> driver_errors.DriverError:
    return kind(error.found, error.expected, error.remedy)
