"""Transfers of batches through the shell: buffers, start, wait, error, reset; one at a time.

It packs one batch while another is on its way, and shares the hardware between threads. It knows
bytes and frames, not what they mean.
"""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any, Callable, Iterable, Iterator

import numpy as np

from .errors import DriverError, HardwareError, InputError, Stalled, lost
from .packing import Packing
from .shell import Counters, Shell, diagnosis

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Codes = NDArray[Any]
#: Polls between two looks at the clock, and the fewest in a time-out: where time passes with the
#: polls only (a simulation), a machine that slept has not given the design its time.
_POLLS, _LEAST_POLLS = 64, 1024


class Slot:
    """A pair of DMA buffers for `batch` frames, and the transfer that uses them, if any."""

    def __init__(self, transport: Any, door: Packing, exit_door: Packing, batch: int) -> None:
        # Whole 64-bit words: the input DMA reads its last word whole.
        self.source = transport.allocate(-(-batch * door.frame_bytes // 8) * 8)
        self.target = transport.allocate(-(-batch * exit_door.frame_bytes // 8) * 8)
        # Plain views: slices of pynq's own array type cost microseconds.
        self.bytes_in = np.asarray(self.source).view(np.ndarray)
        self.bytes_out = np.asarray(self.target).view(np.ndarray)
        self.at = (int(self.source.device_address), int(self.target.device_address))
        self.batch, self.frames = batch, 0
        self.failure: DriverError | None = None

    def free(self) -> None:
        """Gives the memory back, where the transport can."""
        for buffer in (self.source, self.target):
            if hasattr(buffer, "freebuffer"):
                # A board that is gone, or that another client took over, has it back already.
                with contextlib.suppress(Exception):
                    buffer.freebuffer()


class Transfers:
    """All transfers of one design, at most `batch` frames each.

    `times` sums the seconds of packing, unpacking and waiting in the thread `timed`.
    `after_reload` is called when the bitstream had to be loaded again.
    """

    def __init__(
        self,
        transport: Any,
        shell: Shell,
        doors: tuple[Packing, Packing],
        batch: int,
        timeout: float,
    ) -> None:
        self.batch, self.timeout = batch, timeout
        self.lock = threading.RLock()
        self.timed: int | None = None
        self.times: dict[str, float] = {"pack": 0.0, "unpack": 0.0, "waiting": 0.0}
        self._transport, self._shell = transport, shell
        self._in, self._out = doors
        self.after_reload: Callable[[], None] = lambda: None
        self._running: Slot | None = None
        # Slots of one frame beside those of a batch: pynq flushes whole buffers.
        self._free: dict[int, list[Slot]] = {1: [], batch: []}
        self._closed = False

    def one(self, codes: Codes) -> Codes:
        """One batch of at most `batch` frames, in and out."""
        if not len(codes):
            return np.empty((0, *self._out.shape), self._out.container)
        slot = self._take(1 if len(codes) == 1 else self.batch)
        try:
            self._fill(slot, codes)
            with self.lock:
                self._start(slot)
                self._complete(slot)
            return self._empty(slot)
        finally:
            self._give(slot)

    def pipeline(self, batches: Iterable[Codes]) -> Iterator[Codes]:
        """Outputs of each batch, in order; one batch runs while its neighbours are (un)packed.

        A batch has been packed when the next one is asked for.
        """
        waiting: Slot | None = None
        mine: list[Slot] = []
        try:
            for codes in batches:
                if len(mine) < 2:
                    mine.append(self._take(self.batch))
                slot = mine[0] if waiting is not mine[0] else mine[1]
                self._fill(slot, codes)
                with self.lock:
                    if waiting is not None:
                        self._complete(waiting)
                    self._start(slot)
                finished, waiting = waiting, slot
                if finished is not None:
                    yield self._empty(finished)
            if waiting is not None:
                self._complete(waiting)
                finished, waiting = waiting, None
                yield self._empty(finished)
        finally:
            # Also where the caller stops early: the hardware must not write into a freed buffer.
            if waiting is not None:
                with contextlib.suppress(HardwareError):
                    self._complete(waiting)
            for slot in mine:
                self._give(slot)

    def settle(self) -> None:
        """Waits for the transfer under way; whoever owns it finds its failure."""
        with self.lock:
            if self._running is not None:
                with contextlib.suppress(HardwareError):
                    self._complete(self._running)

    def stop(self) -> None:
        """Ends the transfer under way, which fails, and resets the design."""
        with self.lock:
            if self._running is not None:
                self._running.failure = HardwareError(
                    "the transfer was stopped by a reset", "it to end by itself", "run it again"
                )
                self._running = None
            self._reset()

    def close(self) -> bool:
        """Waits, frees all buffers; False where that was done before."""
        with self.lock:
            if self._closed:
                return False
            self.settle()
            self._closed = True
            for slots in self._free.values():
                while slots:
                    slots.pop().free()
            return True

    def require_open(self) -> None:
        """Raises `InputError` once it is closed."""
        if self._closed:
            raise InputError("the accelerator is closed", "an open one", "make a new Accelerator")

    def _take(self, batch: int) -> Slot:
        self.require_open()
        try:
            return self._free[batch].pop()
        except IndexError:
            return Slot(self._transport, self._in, self._out, batch)

    def _give(self, slot: Slot) -> None:
        if self._closed:
            slot.free()
        else:
            self._free[slot.batch].append(slot)

    def _fill(self, slot: Slot, codes: Codes) -> None:
        start = time.perf_counter()
        slot.frames, slot.failure = len(codes), None
        self._in.pack_into(codes, slot.bytes_in[: len(codes) * self._in.frame_bytes])
        try:
            slot.source.flush()
        except Exception as error:
            raise lost(error) from error
        self._add("pack", start)

    def _empty(self, slot: Slot) -> Codes:
        start = time.perf_counter()
        try:
            slot.target.invalidate()
        except Exception as error:
            raise lost(error) from error
        outputs = self._out.unpack(slot.bytes_out, slot.frames)
        self._add("unpack", start)
        return outputs

    def _add(self, name: str, start: float) -> None:
        if self.timed is not None and self.timed == threading.get_ident():
            self.times[name] += time.perf_counter() - start

    def _start(self, slot: Slot) -> None:
        """Starts a transfer; one of another thread or stream is waited for first."""
        self.settle()
        self._running = slot
        try:
            self._shell.start(slot.at[0], slot.at[1], slot.frames)
        except Exception as error:
            self._running = None
            raise lost(error) from error

    def _complete(self, slot: Slot) -> None:
        """Waits for the slot's transfer, unless somebody did; raises what went wrong with it."""
        with self.lock:
            if self._running is slot:
                start = time.perf_counter()
                self._running = None  # whatever happens below: nobody waits for it again
                try:
                    self._wait(slot.frames)
                except HardwareError as failure:
                    slot.failure = failure
                    self._reset()
                except Exception as error:
                    slot.failure = lost(error)
                except BaseException:
                    # Ctrl-C: nothing may write to the buffers later.
                    slot.failure = HardwareError(
                        "the wait for a transfer was broken off", "it to end", "run it again"
                    )
                    self._reset()
                    raise
                self._add("waiting", start)
        if slot.failure is not None:
            raise slot.failure

    def _wait(self, frames: int) -> None:
        """Polls until the output is complete; raises `Stalled` or `HardwareError`."""
        shell = self._shell
        done = shell.done
        deadline, last, polls = 0.0, None, 0
        while not done():
            polls += 1
            if polls % _POLLS:
                continue
            now = time.monotonic()
            if last is None:
                deadline, last, polls = now + self.timeout, shell.counters(), 0
            elif now >= deadline and polls >= _LEAST_POLLS:
                seen = shell.counters()
                self._require_movement(last, seen, frames)
                deadline, last, polls = now + self.timeout, seen, 0
        errors = shell.errors()
        if errors:
            raise HardwareError(
                "; ".join(errors),
                f"a transfer of {frames} frames without an error",
                "the results were dropped and the design was reset, so run it again",
            )

    def _require_movement(self, last: Counters, seen: Counters, frames: int) -> None:
        moved = ("read_beats", "write_beats", "frames_in", "frames_done")
        if any(getattr(seen, name) != getattr(last, name) for name in moved):
            return
        why = "; ".join([diagnosis(last, seen), *self._shell.errors()])
        raise Stalled(
            f"nothing moved for {self.timeout:g} s ({why})",
            f"{frames} frames to pass",
            "the design was reset, so run it again, with a longer timeout if it is only slow",
        )

    def _reset(self) -> None:
        try:
            try:
                self._shell.reset()
            except HardwareError:
                # The bitstream itself is the last way out.
                self._transport.reload()
                self.after_reload()
        except HardwareError:
            raise
        except Exception as error:
            raise lost(error) from error
