"""One accelerator on a board: codes in, codes out, for one image, a batch or an endless stream.

It checks what goes in against the input contract and brings the parts of the driver together.
Threads may share it; two processes may not.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Iterable, Iterator, Mapping, NamedTuple

import numpy as np

from . import images as steps
from .errors import DriverError, InputError, lost
from .manifest import check_files, read_manifest
from .power import Rail, find_rails
from .shell import Counters, Shell, geometry
from .stream import regroup
from .transfers import Transfers
from .transport import open_board
from .weights import Weights

if TYPE_CHECKING:
    from types import TracebackType

    from numpy.typing import NDArray

    Codes = NDArray[Any]
#: Frames of one transfer, unless said otherwise: as many as fit a buffer of so many bytes. Between
#: two transfers the accelerator runs empty, so few frames cost throughput.
BUFFER_BYTES, BATCH_MOST = 1 << 20, 1024


class Profile(NamedTuple):
    """Where the time of one call went, in seconds; `counters` are the hardware's.

    `pack`, `unpack` and `waiting` are the host's; `busy` is the time in which a DMA engine ran,
    `input_starved` and `output_blocked` are the parts of it in which the accelerator waited for
    memory, `accelerator` the rest.
    """

    frames: int
    total: float
    pack: float
    unpack: float
    waiting: float
    busy: float
    accelerator: float
    input_starved: float
    output_blocked: float
    latency: float
    frames_per_second: float
    counters: Counters


class Accelerator:
    """The design behind a bitstream; ``design.json`` lies beside it.

    Args:
        bitfile: path of ``design.bit``.
        batch: most frames of one transfer; two pairs of buffers for so many are allocated when
            needed. By default as many as fit a megabyte, at most 1,024.
        timeout: seconds without any movement after which a transfer has stalled.
        transport: where the registers are (`transport`); None opens the board by pynq.
        device: pynq's device, None for the active one.
        download: whether to load the bitstream; False where it is loaded already.

    Raises `DesignError` where bitstream, design.json, board and registers do not belong together.
    """

    def __init__(
        self,
        bitfile: Any,
        batch: int | None = None,
        timeout: float = 5.0,
        transport: Any = None,
        device: Any = None,
        download: bool = True,
    ) -> None:
        path = Path(bitfile)
        if batch is not None and batch < 1:
            raise InputError(f"batch = {batch}", "at least 1", "pass a larger one")
        self.manifest = read_manifest(path.with_suffix(".json"))
        check_files(self.manifest, path)
        if transport is None:
            transport = open_board(self.manifest, path, device, download)
        self._transport, self._shell = transport, Shell(transport)
        self._in, self._out = self.manifest.input.packing, self.manifest.output.packing
        fits = BUFFER_BYTES // max(self._in.frame_bytes, self._out.frame_bytes)
        self.batch, self.timeout = batch or max(1, min(BATCH_MOST, fits)), timeout
        try:
            self._meet()
        except DriverError:
            raise
        except Exception as error:
            raise lost(error) from error
        self._transfers = Transfers(
            transport, self._shell, (self._in, self._out), self.batch, timeout
        )
        layers = {layer.name: layer for layer in self.manifest.weights}
        self._weights = Weights(
            transport, self._shell, self._transfers, layers, self.manifest.fixed_weights
        )

    def _meet(self) -> None:
        """Sees whether the design is the one that is expected, and that it is idle."""
        self._shell.check(
            geometry(self._in, self._out), self.manifest.digest, self.manifest.shell_major
        )
        if not self._shell.idle():
            self._shell.reset()  # the one before left a transfer behind
        self._shell.errors()

    def infer(self, images: Any) -> Codes:
        """Codes of one image (*shape) or a batch (N, *shape) → output codes of the same kind.

        Integers of any NumPy type, in the order and range of the input contract. The result has
        the smallest type that holds the output's datatype.
        """
        codes = np.asarray(images)
        single = codes.ndim == len(self._in.shape)
        codes = self.checked(codes[None] if single else codes)
        if len(codes) <= self.batch:
            outputs = self._transfers.one(codes)
        else:
            outputs = np.empty((len(codes), *self._out.shape), self._out.container)
            parts = range(0, len(codes), self.batch)
            results = self._transfers.pipeline(codes[at : at + self.batch] for at in parts)
            for at, part in zip(parts, results):
                outputs[at : at + len(part)] = part
        return outputs[0] if single else outputs

    def stream(self, images: Iterable[Any], batch: int | None = None) -> Iterator[Codes]:
        """One output for each item of any iterable, in order; items as for `infer`.

        While the hardware works on a transfer, the next one is taken from the iterable and packed.
        A transfer starts when `batch` frames are there: fewer for a slow source, such as a camera.
        At most two batches of frames are held, however long the iterable is.
        """
        most = self.batch if batch is None else max(1, min(batch, self.batch))
        return regroup(images, self._in.shape, self.checked, self._transfers.pipeline, most)

    def classify(self, image: Any) -> steps.Classified:
        """An image file, or an array of pixels → label and scores, as the input contract says."""
        door, contract = self.manifest.output, self.manifest
        codes = steps.prepare(image, contract.host_before, self._in.shape)
        outputs = self.infer(codes)
        return steps.read_out(outputs, door.scale, door.bias, contract.host_after, contract.labels)

    def profile(self, images: Any) -> Profile:
        """Runs `infer(images)`, alone, and says where the time went."""
        transfers = self._transfers
        with transfers.lock:
            transfers.settle()
            self._shell.clear()
            transfers.times = dict.fromkeys(transfers.times, 0.0)
            transfers.timed = threading.get_ident()
            try:
                start = time.perf_counter()
                self.infer(images)
                total = time.perf_counter() - start
            finally:
                transfers.timed = None
            counters, times = self._shell.counters(), transfers.times
        clock_mhz = getattr(self._transport, "clock_mhz", self.manifest.clock_mhz)
        cycle = 1e-6 / clock_mhz
        busy = counters.busy * cycle
        # While both stall the output is what holds the input up, so nothing is counted twice.
        starved, blocked = counters.stalled_in * cycle, counters.stalled_out * cycle
        return Profile(
            frames=counters.frames_done,
            total=total,
            pack=times["pack"],
            unpack=times["unpack"],
            waiting=times["waiting"],
            busy=busy,
            accelerator=max(0.0, busy - starved - blocked),
            input_starved=starved,
            output_blocked=blocked,
            latency=counters.latency * cycle,
            frames_per_second=counters.frames_done / total if total else 0.0,
            counters=counters,
        )

    def load_weights(self, weights: Mapping[str, Any]) -> None:
        """New weights for some layers, by name: integer tensors of the shape and range that
        `read_weights` gives. ``np.load("weights.npz")`` are those of the design itself.

        A transfer under way ends first. All tensors are checked before anything is written, and
        what was written is read back. Thresholds and scales stay as they are.
        """
        self._weights.load(weights)

    def read_weights(self, layer: str) -> Codes:
        """The weights of a layer as they stand in the hardware."""
        return self._weights.read(layer)

    @property
    def weight_layers(self) -> tuple[str, ...]:
        """Names of the layers whose weights can be rewritten, in the order of the network."""
        return tuple(layer.name for layer in self.manifest.weights)

    def power_rails(self) -> dict[str, Rail]:
        """The board's power sensors that exist here, by name, the whole board first.

        None where the board is elsewhere: the sensors of this machine are others.
        """
        if getattr(self._transport, "remote", False):
            return {}
        return find_rails(self.manifest.sensors)

    def reset(self) -> None:
        """Stops what a stream left running and resets the design; that stream fails.

        A call that another thread waits for ends first.
        """
        self._transfers.stop()

    def close(self) -> None:
        """Ends what runs, gives buffers and overlay back; may be called twice."""
        if self._transfers.close():
            self._transport.close()

    def __enter__(self) -> Accelerator:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def checked(self, codes: Codes) -> Codes:
        """The batch in the container's type, contiguous; `InputError` where it does not fit."""
        door = self._in
        if codes.shape[1:] != door.shape or codes.ndim != len(door.shape) + 1:
            raise InputError(
                "input of shape {}".format(codes.shape if codes.ndim else "()"),
                "{} or (N, {}) in {} order".format(
                    door.shape, ", ".join(map(str, door.shape)), self.manifest.input.layout
                ),
                "pass one frame or a batch of frames",
            )
        if codes.dtype.kind not in "iub":
            raise InputError(
                f"input of type {codes.dtype}",
                f"integer codes of {door.dtype}",
                "quantise first, as the input contract says, or use classify()",
            )
        full = codes.dtype == door.container and door.bits == 8 * door.lane
        if not full and codes.size:
            low, high = int(codes.min()), int(codes.max())
            zeros = door.dtype == "BIPOLAR" and not codes.all()
            if low < door.low or high > door.high or zeros:
                wrong = np.argwhere((codes < door.low) | (codes > door.high))
                index = tuple(int(i) for i in (np.argwhere(codes == 0) if zeros else wrong)[0])
                raise InputError(
                    f"input code {index} is {codes[index]}",
                    "{} to {} ({}{})".format(
                        door.low, door.high, door.dtype, ", without 0" if zeros else ""
                    ),
                    "apply the steps of the input contract",
                )
        return np.ascontiguousarray(codes, dtype=door.container)
